/**
 * A client of an ensemble: random writes, reads that are kept for the judge, syncs, watches, ephemerals; its session goes
 * from server to server when connections break or on a whim, and is replaced when it expired. Speaks the wire protocol
 * itself, so that it is no judge in core/client's case. What it does comes from its own stream of chance.
 */
import type { Actor, Address, ConnId, Context, Millis } from "../../core/actor.ts";
import type { Prng } from "../../core/base/prng.ts";
import type { SessionId } from "../../core/base/ids.ts";
import { SESSION_NONE } from "../../core/base/ids.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import { FrameBuffer } from "../../core/jute/frames.ts";
import { Reader } from "../../core/jute/reader.ts";
import { Writer } from "../../core/jute/writer.ts";
import {
  readConnectResponse,
  readReplyHeader,
  readWatcherEvent,
  writeConnectRequest,
  writeRequestHeader,
  Xids,
} from "../../core/protocol/headers.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import { writePathRequest, writePathWatchRequest } from "../../core/protocol/requests.ts";
import type { Call, ClientHistory, Connection } from "./client-history.ts";
import { isWrite } from "./log-watch.ts";
import { resultOf } from "./results.ts";
import { somePath, writeRandomRequest } from "./write-requests.ts";

export interface EnsembleClientOptions {
  readonly name: string;
  readonly servers: readonly Address[];
  readonly prng: Prng;
  readonly history: ClientHistory;
  /** Requests under way at most. */
  readonly pipeline: number;
  /** The longest pause between two bursts of requests. */
  readonly think: Millis;
  readonly sessionTimeout: Millis;
  /** Of a hundred requests. */
  readonly reads: number;
  readonly syncs: number;
  /** It moves to another server every so many times it wakes. */
  readonly stays: number;
  readonly blame: (invariant: string, what: string) => void;
}

const RECONNECT_DELAY: Millis = 30;
const FRAME_MAX = 4 * 1024 * 1024;
const READS = [OpCode.getData, OpCode.exists, OpCode.getChildren2] as const;

export class EnsembleClient implements Actor {
  readonly #options: EnsembleClientOptions;
  readonly #prng: Prng;
  readonly #frames: FrameBuffer = new FrameBuffer(FRAME_MAX);
  readonly #out: Writer = new Writer();
  #server = "" as Address;
  #conn: ConnId | undefined;
  #connection: Connection | undefined;
  #ready = false;
  #session: SessionId = SESSION_NONE;
  #password: Uint8Array | null = null;
  #timeout: Millis = 0;
  #lastZxid = 0;
  #xid = 0;
  #sent: Call[] = [];
  #heardAt: Millis = 0;
  #spokeAt: Millis = 0;
  #wakeAt: Millis = 0;
  /** Asks nothing more; keeps its session. */
  #idle = false;
  /** Replies to its requests, over all sessions. */
  answered = 0;
  /** Sessions it lost without having closed them. */
  expired = 0;

  constructor(options: EnsembleClientOptions) {
    this.#options = options;
    this.#prng = options.prng;
  }

  get session(): SessionId {
    return this.#session;
  }
  get lastZxid(): number {
    return this.#lastZxid;
  }
  /** Connected, and nothing is owed to it. */
  get settled(): boolean {
    return this.#ready && this.#sent.length === 0;
  }
  rest(): void {
    this.#idle = true;
  }

  onStarted(): void {}
  onAccepted(): void {}
  onConnected(cx: Context): void {
    const out = this.#begin();
    writeConnectRequest(out, {
      protocolVersion: 0,
      lastZxidSeen: this.#lastZxid as Zxid,
      timeOut: this.#options.sessionTimeout,
      sessionId: this.#session,
      passwd: this.#password ?? new Uint8Array(16),
      readOnly: false,
      hasReadOnly: true,
    });
    this.#heardAt = cx.now;
    this.#finish(cx);
  }
  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): void {
    if (conn !== this.#conn) return;
    this.#heardAt = cx.now;
    this.#frames.accept(bytes);
    while (this.#conn === conn && this.#frames.next() === "frame") {
      const { start, end } = this.#frames;
      this.#onFrame(cx, new Reader(this.#frames.bytes, start, end));
    }
    this.#frames.keep();
  }
  onDrained(): void {}
  onClosed(cx: Context, conn: ConnId): void {
    if (conn === this.#conn) this.#lost(cx);
  }
  onDiskDone(): void {}
  onStopRequested(cx: Context): void {
    cx.halt(0, "asked to");
  }
  deadline(): Millis {
    return this.#wakeAt;
  }

  onDeadline(cx: Context): void {
    const { think, servers, sessionTimeout } = this.#options;
    // Often enough to keep the session, however long it likes to think.
    this.#wakeAt = cx.now + 1 + Math.min(this.#prng.below(think + 1), sessionTimeout >> 3);
    if (this.#conn === undefined) {
      this.#server = servers[this.#prng.below(servers.length)]!;
      this.#conn = cx.connect(this.#server);
      this.#heardAt = cx.now;
      return;
    }
    const waits = !this.#ready || this.#sent.length > 0 || this.#spokeAt > this.#heardAt;
    if (waits && cx.now - this.#heardAt > (sessionTimeout * 2) / 3) return this.#hangUp(cx);
    if (!this.#ready) return;
    // Now and then it moves in the middle of things, and the session goes on at the next server.
    if (!this.#idle && this.#prng.chance(1, this.#options.stays)) return this.#hangUp(cx);
    if (!this.#idle) this.#work(cx);
    if (this.#ready && cx.now - this.#spokeAt > this.#timeout / 4) this.#ping(cx);
  }

  #work(cx: Context): void {
    const { pipeline, reads, syncs } = this.#options;
    const burst = 1 + this.#prng.below(pipeline);
    for (let i = 0; i < burst && this.#sent.length < pipeline && this.#ready; i++) {
      const roll = this.#prng.below(100);
      if (roll < reads) this.#read(cx);
      else if (roll < reads + syncs) {
        this.#sync(cx);
        this.#read(cx);
      } else this.#write(cx);
    }
  }

  #write(cx: Context): void {
    const xid = ++this.#xid;
    const out = this.#begin();
    if (this.#prng.chance(1, 120)) {
      writeRequestHeader(out, xid, OpCode.closeSession);
      this.#ready = false;
      return this.#ask(cx, xid, OpCode.closeSession);
    }
    const typeAt = out.length;
    writeRequestHeader(out, xid, 0);
    const bodyAt = out.length;
    let type = writeRandomRequest(out, this.#prng, false);
    // Reads are asked where it is known what was asked.
    while (!isWrite(type)) {
      out.length = bodyAt;
      type = writeRandomRequest(out, this.#prng, false);
    }
    out.patchInt(typeAt + 4, type);
    this.#ask(cx, xid, type);
  }

  #read(cx: Context): void {
    const type = READS[this.#prng.below(READS.length)]!;
    const path = somePath(this.#prng);
    const watch = this.#prng.chance(1, 3);
    const xid = ++this.#xid;
    const out = this.#begin();
    writeRequestHeader(out, xid, type);
    writePathWatchRequest(out, { path, watch });
    this.#ask(cx, xid, type, path, watch);
  }

  #sync(cx: Context): void {
    const xid = ++this.#xid;
    const out = this.#begin();
    writeRequestHeader(out, xid, OpCode.sync);
    writePathRequest(out, { path: "/" });
    this.#ask(cx, xid, OpCode.sync);
  }

  #ask(cx: Context, xid: number, type: number, path = "", watch = false): void {
    const { name, history } = this.#options;
    const server = this.#server.slice(0, this.#server.indexOf(":"));
    this.#sent.push(history.ask({ client: name, session: this.#session, xid, type, path, watch, server }));
    this.#finish(cx);
  }

  #onFrame(cx: Context, r: Reader): void {
    if (this.#timeout === 0) return this.#onConnectResponse(cx, r);
    const { xid, zxid, err } = readReplyHeader(r);
    if (xid === Xids.ping) return;
    if (xid === Xids.notification) {
      const { type, path } = readWatcherEvent(r);
      this.#connection!.heard.push({ kind: "event", path: path ?? "", type });
      return;
    }
    const call = this.#sent.shift();
    if (call?.xid !== xid) return this.#blame("C2", `got a reply to xid ${xid} instead of ${call?.xid}`);
    // A request that fails before it is anybody's txn is answered with what its server has, or with nothing at all.
    if (zxid < this.#lastZxid) this.#blame("C3", `was answered with ${zxid} after ${this.#lastZxid}`);
    this.#lastZxid = Math.max(this.#lastZxid, zxid);
    this.answered++;
    this.#options.history.answer(call, zxid, err, resultOf(call.type, err, r), isWrite(call.type));
    this.#connection!.heard.push({ kind: "reply", call });
    if (call.type !== OpCode.closeSession || err !== 0) return;
    this.#forgetSession();
    this.#hangUp(cx);
  }

  #onConnectResponse(cx: Context, r: Reader): void {
    const { timeOut, sessionId, passwd } = readConnectResponse(r);
    if (timeOut <= 0) {
      if (this.#session !== SESSION_NONE) this.expired++;
      this.#forgetSession();
      return this.#hangUp(cx);
    }
    if (this.#session !== SESSION_NONE && this.#session !== sessionId) {
      this.#blame("C2", "had its session resumed as another one");
    }
    this.#session = sessionId;
    this.#password = passwd === null ? null : passwd.slice();
    this.#timeout = timeOut;
    this.#ready = true;
    this.#connection = this.#options.history.connection(this.#options.name);
    if (!this.#idle) this.#work(cx);
  }

  #ping(cx: Context): void {
    writeRequestHeader(this.#begin(), Xids.ping, OpCode.ping);
    this.#finish(cx);
  }

  /** A frame's content follows; {@link #finish} puts its length in front and sends it. */
  #begin(): Writer {
    this.#out.clear();
    this.#out.int(0);
    return this.#out;
  }
  #finish(cx: Context): void {
    this.#out.patchInt(0, this.#out.length - 4);
    cx.send(this.#conn!, this.#out.bytes, 0, this.#out.length);
    this.#spokeAt = cx.now;
  }

  #hangUp(cx: Context): void {
    cx.close(this.#conn!);
    this.#lost(cx);
  }

  #lost(cx: Context): void {
    this.#conn = undefined;
    this.#connection = undefined;
    this.#ready = false;
    this.#timeout = 0;
    this.#sent = [];
    this.#frames.clear();
    this.#wakeAt = cx.now + this.#prng.below(RECONNECT_DELAY);
  }

  #forgetSession(): void {
    this.#session = SESSION_NONE;
    this.#password = null;
    this.#xid = 0;
  }

  #blame(invariant: string, what: string): void {
    this.#options.blame(invariant, `${this.#options.name} ${what}`);
  }
}
