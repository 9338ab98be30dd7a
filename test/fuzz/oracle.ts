/**
 * What one connection must see, worked out from nothing but the bytes that were sent on it (reference, sections 2 and
 * 10.9): which replies, in which order, and whether the server had to close it. Written apart from the server's own
 * parsing, and from the conversation's point of view: it knows no tree.
 */
import { Reader } from "../../core/jute/reader.ts";
import {
  readConnectRequest,
  readConnectResponse,
  readReplyHeader,
  readWatcherEvent,
} from "../../core/protocol/headers.ts";
import { readAclVector, readStat, readStringVector } from "../../core/protocol/data.ts";
import { readMultiResponse } from "../../core/protocol/multi.ts";
import { OpCode, opName } from "../../core/protocol/op-codes.ts";
import { readWhoAmIResponse } from "../../core/protocol/responses.ts";
import { wordOf } from "../../core/protocol/words.ts";

/** A reply that is owed. */
interface Owed {
  readonly xid: number;
  readonly type: number;
  /** Given at once, out of turn: auth, sasl, types nobody knows. Told from the others by their zxid. */
  readonly atOnce: boolean;
}

/** Types of requests that are answered in turn. */
// prettier-ignore
const KNOWN: ReadonlySet<number> = new Set<number>([
  OpCode.create, OpCode.create2, OpCode.createContainer, OpCode.createTTL, OpCode.delete, OpCode.deleteContainer,
  OpCode.setData, OpCode.setACL, OpCode.getACL, OpCode.exists, OpCode.getData, OpCode.getChildren,
  OpCode.getChildren2, OpCode.sync, OpCode.ping, OpCode.multi, OpCode.multiRead, OpCode.reconfig,
  OpCode.checkWatches, OpCode.removeWatches, OpCode.setWatches, OpCode.setWatches2, OpCode.addWatch,
  OpCode.getEphemerals, OpCode.getAllChildrenNumber, OpCode.whoAmI, OpCode.closeSession,
]);
const TYPES_OF_EVENTS = 4;
const STATE_SYNC_CONNECTED = 3;

export class Oracle {
  readonly #frameMax: number;
  #sent: Uint8Array = new Uint8Array(0);
  #phase: "greeting" | "open" | "over" = "greeting";
  #owed: Owed[] = [];
  #welcomed = false;
  /** The session it has, once the server has said so. */
  session = 0n;
  /** The negotiated timeout. */
  timeout = 0;
  passwd: Uint8Array | null = null;
  /** The session it asked for; 0 for a new one. */
  asked = 0n;
  /** Why the server must close it; undefined while it must not. */
  closeDue: string | undefined;
  /** Whether the answer to a connect request may be silence. */
  mayBeIgnored = false;
  /** It sent an xid that looks like a notification's: its replies cannot be told apart. */
  blurred = false;
  /** Frames of any kind that the server accepted as such. */
  frames = 0;

  constructor(frameMax: number) {
    this.#frameMax = frameMax;
  }

  get unanswered(): string | undefined {
    if (this.closeDue !== undefined || this.blurred || this.#phase !== "open") return undefined;
    if (!this.#welcomed) return "its connect request";
    const [first] = this.#owed;
    return first === undefined ? undefined : `${opName(first.type)}, xid ${first.xid}`;
  }
  get welcomed(): boolean {
    return this.#welcomed;
  }

  /** `bytes` are about to be delivered. `zxid` is the server's last. */
  sending(bytes: Uint8Array, zxid: number): void {
    if (this.#isOver) return;
    const all = new Uint8Array(this.#sent.length + bytes.length);
    all.set(this.#sent);
    all.set(bytes, this.#sent.length);
    let at = 0;
    while (!this.#isOver && all.length - at >= 4) {
      const length = new DataView(all.buffer).getInt32(at);
      if (this.#phase === "greeting" && wordOf(length) !== undefined) {
        // stmk waits for its mask; every other word is answered and closed.
        if (opCodeOfStmk(length) && all.length - at < 12) break;
        this.#over("a four-letter word");
      } else if (length < 0 || length > this.#frameMax) this.#over(`a frame of length ${length}`);
      else if (all.length - at - 4 < length) break;
      else {
        this.frames++;
        const payload = new Reader(all, at + 4, at + 4 + length);
        if (this.#phase === "greeting") this.#connecting(payload, zxid);
        else this.#requesting(payload, length);
        at += 4 + length;
      }
    }
    this.#sent = all.slice(at);
  }

  get #isOver(): boolean {
    return this.#phase === "over";
  }

  #over(why: string): void {
    this.closeDue ??= why;
    this.#phase = "over";
  }

  #connecting(r: Reader, zxid: number): void {
    const request = readConnectRequest(r);
    if (r.failed) return this.#over("a connect request cut short");
    if (request.lastZxidSeen > zxid) return this.#over("a zxid ahead of the server's");
    this.asked = request.sessionId;
    this.#phase = "open";
  }

  #requesting(r: Reader, length: number): void {
    if (length < 8) return this.#over("a frame shorter than a header");
    const xid = r.int();
    const type = r.int();
    if (xid === -1) this.blurred = true;
    if (type === OpCode.sasl) {
      const token = r.buffer();
      if (r.failed || token === null) return this.#over("a null token");
      this.#owed.push({ xid, type, atOnce: true });
    } else if (KNOWN.has(type)) this.#owed.push({ xid, type, atOnce: false });
    else {
      this.#owed.push({ xid, type, atOnce: true });
      if (type !== OpCode.auth) this.#over(`type ${type}`);
    }
    if (type === OpCode.closeSession) this.#over("closeSession");
  }

  /** A frame from the server. Returns what is wrong with it. */
  received(frame: Uint8Array): string | undefined {
    const r = new Reader(frame);
    if (!this.#welcomed) return this.#welcome(r);
    const { xid, zxid, err } = readReplyHeader(r);
    if (r.failed) return `a reply of ${frame.length} bytes`;
    if (this.blurred) return undefined;
    if (xid === -1) return checkEvent(r, err);
    const at = this.#owed.findIndex(({ atOnce }) => atOnce === zxid <= 0);
    const owed = this.#owed[at];
    // Whether what follows a closeSession is still looked at depends on how far that has come.
    if (owed === undefined && this.closeDue === "closeSession" && zxid <= 0) return undefined;
    if (owed === undefined) return `a reply to nothing, xid ${xid}, err ${err}`;
    this.#owed.splice(at, 1);
    const expected = owed.type === OpCode.ping ? -2 : owed.xid;
    if (xid !== expected) return `a reply to xid ${xid} where ${expected}, ${opName(owed.type)}, was next`;
    if (owed.atOnce && err !== 0) this.#over(`${opName(owed.type)} answered ${err}`);
    return err === 0 ? checkBody(r, owed.type) : undefined;
  }

  #welcome(r: Reader): string | undefined {
    const { timeOut, sessionId, passwd } = readConnectResponse(r);
    if (r.failed || r.remaining > 0 || passwd?.length !== 16) return "a connect response that does not decode";
    this.#welcomed = true;
    this.session = sessionId;
    this.timeout = timeOut;
    this.passwd = passwd.slice();
    if (timeOut === 0) this.#over("a session that is not");
    return undefined;
  }
}

function opCodeOfStmk(word: number): boolean {
  return wordOf(word) === "stmk";
}

function checkEvent(r: Reader, err: number): string | undefined {
  const { type, state, path } = readWatcherEvent(r);
  if (r.failed || r.remaining > 0 || path === null) return "a notification that does not decode";
  const known = type >= 1 && type <= TYPES_OF_EVENTS && state === STATE_SYNC_CONNECTED && err === 0;
  return known ? undefined : `a notification of type ${type}, state ${state}, err ${err}`;
}

/** Nothing missing and nothing left over, as a client of that request would read it. */
function checkBody(r: Reader, type: number): string | undefined {
  switch (type) {
    case OpCode.create:
    case OpCode.sync:
      r.string();
      break;
    case OpCode.create2:
    case OpCode.createContainer:
    case OpCode.createTTL:
      r.string();
      readStat(r);
      break;
    case OpCode.exists:
    case OpCode.setData:
    case OpCode.setACL:
      readStat(r);
      break;
    case OpCode.getData:
      r.buffer();
      readStat(r);
      break;
    case OpCode.getACL:
      readAclVector(r);
      readStat(r);
      break;
    case OpCode.getChildren2:
      readStringVector(r);
      readStat(r);
      break;
    case OpCode.getChildren:
    case OpCode.getEphemerals:
      readStringVector(r);
      break;
    case OpCode.multi:
    case OpCode.multiRead:
      if (readMultiResponse(r) === undefined) r.fail();
      break;
    case OpCode.getAllChildrenNumber:
    case OpCode.addWatch:
      r.int();
      break;
    case OpCode.whoAmI:
      readWhoAmIResponse(r);
      break;
    case OpCode.sasl:
      r.buffer();
      break;
    default:
  }
  return r.failed || r.remaining > 0 ? `a body of ${opName(type)} that a client cannot read` : undefined;
}
