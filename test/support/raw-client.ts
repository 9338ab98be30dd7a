/**
 * A client that speaks the protocol in bytes and keeps nothing to itself: every reply and event in the order in which it
 * came, closed or not. It is as patient, and as rude, as a test wants it.
 */
import type { Millis } from "../../core/actor.ts";
import type { SessionId } from "../../core/base/ids.ts";
import { SESSION_NONE } from "../../core/base/ids.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import { ZXID_ZERO } from "../../core/base/zxid.ts";
import { encodeUtf8 } from "../../core/jute/utf8.ts";
import { Reader } from "../../core/jute/reader.ts";
import { Writer } from "../../core/jute/writer.ts";
import type { RawAcl, Stat } from "../../core/protocol/data.ts";
import { OPEN_ACL_UNSAFE, readStat } from "../../core/protocol/data.ts";
import type { ConnectResponse } from "../../core/protocol/headers.ts";
import {
  readConnectResponse,
  readReplyHeader,
  readWatcherEvent,
  writeAuthPacket,
  writeConnectRequest,
  Xids,
} from "../../core/protocol/headers.ts";
import type { MultiOp, MultiResult } from "../../core/protocol/multi.ts";
import { readMultiResponse, writeMultiRequest } from "../../core/protocol/multi.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import {
  writeAddWatchRequest,
  writeCreateRequest,
  writeCreateTtlRequest,
  writeDeleteRequest,
  writePathRequest,
  writePathWatchRequest,
  writeSetAclRequest,
  writeSetDataRequest,
} from "../../core/protocol/requests.ts";
import { readGetChildrenResponse, readGetDataResponse } from "../../core/protocol/responses.ts";
import type { Peer, ServerBench } from "./server-bench.ts";

export interface Reply {
  readonly xid: number;
  readonly zxid: number;
  readonly err: number;
  /** What follows the header. */
  readonly body: Uint8Array;
}
export interface Event {
  readonly type: number;
  readonly state: number;
  readonly path: string | null;
  readonly zxid: number;
}
export type Packet = Reply | Event;

export interface ConnectOptions {
  readonly timeout?: Millis;
  readonly sessionId?: SessionId;
  readonly passwd?: Uint8Array | null;
  readonly lastZxidSeen?: number;
  /** False leaves the byte out, as clients up to 3.3 do. */
  readonly readOnlyByte?: boolean;
  /** A read-only server will do. */
  readonly readOnly?: boolean;
  readonly from?: string;
}

export type Body = (w: Writer) => void;
const NO_BODY: Body = () => {};

/** `length` and then what `body` writes. */
export function frame(body: Body): Uint8Array {
  const w = new Writer(256);
  w.int(0);
  body(w);
  w.patchInt(0, w.length - 4);
  return w.take();
}

export function requestFrame(xid: number, type: number, body: Body = NO_BODY): Uint8Array {
  return frame((w) => {
    w.int(xid);
    w.int(type);
    body(w);
  });
}

export function connectFrame(options: ConnectOptions = {}): Uint8Array {
  return frame((w) =>
    writeConnectRequest(w, {
      protocolVersion: 0,
      lastZxidSeen: (options.lastZxidSeen ?? ZXID_ZERO) as Zxid,
      timeOut: options.timeout ?? 10_000,
      sessionId: options.sessionId ?? SESSION_NONE,
      passwd: options.passwd === undefined ? new Uint8Array(16) : options.passwd,
      readOnly: options.readOnly ?? false,
      hasReadOnly: options.readOnlyByte ?? true,
    }),
  );
}

/** A string as bytes; a test's data is text mostly. */
export function bytesOf(text: string): Uint8Array {
  return encodeUtf8(text);
}

export function isEvent(packet: Packet): packet is Event {
  return "state" in packet;
}

export class RawClient {
  readonly bench: ServerBench;
  readonly peer: Peer;
  /** What the server said to the connect request; undefined if it closed without a word. */
  readonly welcome: ConnectResponse | undefined;
  #lastXid = 0;
  #packets: Packet[] = [];

  /** Connects and asks for a session. */
  constructor(bench: ServerBench, options: ConnectOptions = {}) {
    this.bench = bench;
    this.peer = bench.accept(options.from);
    this.peer.send(connectFrame(options));
    this.#wait();
    const [first, ...more] = this.peer.takeFrames();
    this.welcome = first === undefined ? undefined : readConnectResponse(new Reader(first));
    if (more.length > 0) throw new Error("a connect request has one answer");
  }

  /** The same session on another connection. */
  resume(options: ConnectOptions = {}): RawClient {
    return new RawClient(this.bench, { sessionId: this.session, passwd: this.welcome!.passwd, ...options });
  }

  get session(): SessionId {
    return this.welcome!.sessionId;
  }
  get closed(): boolean {
    return this.peer.closed;
  }

  /** Sends and does not wait. Returns the xid. */
  send(type: number, body: Body = NO_BODY, xid: number = ++this.#lastXid): number {
    this.peer.send(requestFrame(xid, type, body));
    return xid;
  }

  /** Everything that came since the last look, in order. */
  take(): Packet[] {
    this.#receive();
    const packets = this.#packets;
    this.#packets = [];
    return packets;
  }
  takeEvents(): Event[] {
    const packets = this.take();
    if (!packets.every(isEvent)) throw new Error("a reply came where only events were expected");
    return packets;
  }

  /** Sends and takes the reply; events that came before it stay to be taken. */
  call(type: number, body: Body = NO_BODY, xid: number = ++this.#lastXid): Reply {
    this.send(type, body, xid);
    this.#wait();
    this.#receive();
    const at = this.#packets.findIndex((packet) => !isEvent(packet));
    if (at < 0) throw new Error(`no reply to type ${type}, the connection is ${this.closed ? "closed" : "open"}`);
    return this.#packets.splice(at, 1)[0] as Reply;
  }
  /** Only the code. */
  err(type: number, body: Body = NO_BODY): number {
    return this.call(type, body).err;
  }

  create(path: string | null, data = "", flags = 0, acl: readonly RawAcl[] | null = OPEN_ACL_UNSAFE): Reply {
    return this.call(OpCode.create, createBody(path, data, flags, acl));
  }
  /** The path it got. */
  created(path: string, data = "", flags = 0, acl: readonly RawAcl[] = OPEN_ACL_UNSAFE): string {
    const reply = this.create(path, data, flags, acl);
    if (reply.err !== 0) throw new Error(`create ${path} answered ${reply.err}`);
    return new Reader(reply.body).string()!;
  }
  createTtl(path: string, flags: number, ttl: number): Reply {
    return this.call(OpCode.createTTL, (w) =>
      writeCreateTtlRequest(w, { path, data: null, acl: OPEN_ACL_UNSAFE, flags, ttl }),
    );
  }
  createContainer(path: string): Reply {
    return this.call(OpCode.createContainer, createBody(path, "", 4, OPEN_ACL_UNSAFE));
  }
  delete(path: string | null, version = -1): Reply {
    return this.call(OpCode.delete, (w) => writeDeleteRequest(w, { path, version }));
  }
  setData(path: string | null, data: string, version = -1): Reply {
    return this.call(OpCode.setData, setDataBody(path, data, version));
  }
  setAcl(path: string | null, acl: readonly RawAcl[] | null, version = -1): Reply {
    return this.call(OpCode.setACL, (w) => writeSetAclRequest(w, { path, acl, version }));
  }
  exists(path: string | null, watch = false): Reply {
    return this.call(OpCode.exists, (w) => writePathWatchRequest(w, { path, watch }));
  }
  /** Undefined if there is no such node. */
  stat(path: string): Stat | undefined {
    const reply = this.exists(path);
    return reply.err === 0 ? readStat(new Reader(reply.body)) : undefined;
  }
  getData(path: string | null, watch = false): Reply {
    return this.call(OpCode.getData, (w) => writePathWatchRequest(w, { path, watch }));
  }
  /** As text; undefined if it cannot be read. */
  dataOf(path: string): string | undefined {
    const reply = this.getData(path);
    if (reply.err !== 0) return undefined;
    const { data } = readGetDataResponse(new Reader(reply.body));
    return data === null ? "null" : new TextDecoder().decode(data);
  }
  getChildren(path: string | null, watch = false): Reply {
    return this.call(OpCode.getChildren, (w) => writePathWatchRequest(w, { path, watch }));
  }
  /** Names in order. */
  children(path: string): (string | null)[] {
    return [...readGetChildrenResponse(new Reader(this.getChildren(path).body)).children!].sort((a, b) =>
      a! < b! ? -1 : 1,
    );
  }
  addWatch(path: string, mode: 0 | 1): Reply {
    return this.call(OpCode.addWatch, (w) => writeAddWatchRequest(w, { path, mode }));
  }
  sync(path: string | null): Reply {
    return this.call(OpCode.sync, (w) => writePathRequest(w, { path }));
  }
  ping(): Reply {
    return this.call(OpCode.ping, NO_BODY, Xids.ping);
  }
  auth(scheme: string | null, auth: string | null): Reply {
    return this.call(
      OpCode.auth,
      (w) => writeAuthPacket(w, { type: 0, scheme, auth: auth === null ? null : bytesOf(auth) }),
      Xids.auth,
    );
  }
  /** The results, and the header's code. */
  multi(ops: readonly MultiOp[]): { readonly err: number; readonly results: readonly MultiResult[] | undefined } {
    const reply = this.call(OpCode.multi, (w) => writeMultiRequest(w, ops));
    return { err: reply.err, results: readMultiResponse(new Reader(reply.body)) };
  }
  closeSession(): Reply {
    return this.call(OpCode.closeSession);
  }

  /** A server that gathers writes, or is busy with others', may take its time. */
  #wait(): void {
    const { bench, peer } = this;
    for (let left = 100; bench.patience > 0 && left > 0 && peer.pendingBytes === 0 && !peer.closed; left--) {
      bench.pass(bench.patience);
    }
  }

  #receive(): void {
    for (const bytes of this.peer.takeFrames()) this.#packets.push(readPacket(bytes));
  }
}

function readPacket(bytes: Uint8Array): Packet {
  const r = new Reader(bytes);
  const { xid, zxid, err } = readReplyHeader(r);
  if (xid !== Xids.notification) return { xid, zxid, err, body: bytes.slice(r.offset) };
  const event = { ...readWatcherEvent(r), zxid };
  if (r.failed || r.remaining > 0 || err !== 0) throw new Error("a notification is exactly an event");
  return event;
}

export function createBody(path: string | null, data: string, flags: number, acl: readonly RawAcl[] | null): Body {
  return (w) => writeCreateRequest(w, { path, data: bytesOf(data), acl, flags });
}
export function setDataBody(path: string | null, data: string, version = -1): Body {
  return (w) => writeSetDataRequest(w, { path, data: bytesOf(data), version });
}

/** Asks a four-letter word on a connection of its own; the answer's text, undefined while the connection is open. */
export function ask(bench: ServerBench, word: string, more: Uint8Array = new Uint8Array(0)): string | undefined {
  const peer = bench.accept();
  const bytes = new Uint8Array([...bytesOf(word), ...more]);
  peer.send(bytes);
  return peer.closed ? new TextDecoder().decode(peer.takeBytes()) : undefined;
}
