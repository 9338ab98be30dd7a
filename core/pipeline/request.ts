/**
 * A request on its way through the stages (Java: org.apache.zookeeper.server.Request). Only what has to wait becomes
 * one: a read that nothing holds up is answered straight from the frame.
 */
import type { ConnId, Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import { SESSION_NONE } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import { ZXID_ZERO } from "../base/zxid.ts";
import type { Id } from "../protocol/data.ts";
import { Code } from "../protocol/codes.ts";
import type { Txn } from "../protocol/txns.ts";
import type { Watcher } from "../watch/watch-table.ts";

/** Where a request came from and its reply goes: a client connection, as far as the pipeline knows it. */
export interface Origin extends Watcher {
  readonly conn: ConnId;
  readonly session: SessionId;
  /** The ids this connection has proved, ip included. */
  readonly ids: readonly Id[];
  /** No reply is wanted any more. */
  readonly closed: boolean;
  /** A reply was written: for statistics and flow control. */
  replied(xid: number, type: number, zxid: Zxid, latency: Millis): void;
}

/** Who serves a session whose client is connected to this very server; a learner's sessions are its link's. */
export const LOCAL_OWNER: unique symbol = Symbol("this server");

const NO_IDS: readonly Id[] = [];

export class Request {
  /** Undefined for what the server submits itself (expiry, reaping), and for what a learner forwarded. */
  readonly origin: Origin | undefined;
  readonly session: SessionId;
  readonly xid: number;
  readonly type: number;
  readonly receivedAt: Millis;
  /** What the client has proved, when it asked. A leader reads those of a learner's client off the learner's packet. */
  ids: readonly Id[];
  /** Who serves the session, by identity: {@link LOCAL_OWNER}, or what stands for a learner. */
  owner: unknown = LOCAL_OWNER;
  /** Given by prepare; a barrier (sync) carries the zxid it waits for. */
  zxid: Zxid = ZXID_ZERO;
  time: Millis = 0;
  /** Undefined for a barrier, and for reads that wait. */
  txn: Txn | undefined = undefined;
  /** The sum the tree must have after this txn, as prepare predicted it, modulo 2^53; -1 when not predicted. */
  digest = -1;
  /** A copy of the body, where the request has to wait before it is decoded. */
  body: Uint8Array | undefined = undefined;
  /** Its reply has been written, or, of a read that still waits for its turn: it no longer counts as in process. */
  done = false;
  /** Not to be executed: answered with this code alone. */
  refusal: number = Code.OK;
  /** The closeSession of a local session: no txn, but a reply in its turn, and the end of the connection. */
  ending = false;
  /** The session is served elsewhere by now: instead of a reply, the connection ends. */
  moved = false;

  constructor(origin: Origin | undefined, session: SessionId, xid: number, type: number, receivedAt: Millis) {
    this.origin = origin;
    this.session = session;
    this.xid = xid;
    this.type = type;
    this.receivedAt = receivedAt;
    this.ids = origin === undefined ? NO_IDS : origin.ids;
  }

  /** A request of the server's own: no session, no connection, xid 0 (reference, section 7.4). */
  static internal(type: number, now: Millis, session: SessionId = SESSION_NONE): Request {
    return new Request(undefined, session, 0, type, now);
  }
}
