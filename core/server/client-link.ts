/**
 * One client connection: what has been proved, what is owed, and why it is not being read (Java: ServerCnxn). The
 * conversation itself is client-port.ts and its parts.
 */
import type { Address, ConnId, Context, Millis } from "../actor.ts";
import { Deque } from "../base/deque.ts";
import type { SessionId } from "../base/ids.ts";
import { SESSION_NONE } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import { ZXID_ZERO } from "../base/zxid.ts";
import { FrameBuffer } from "../jute/frames.ts";
import type { Origin, Request } from "../pipeline/request.ts";
import type { Id } from "../protocol/data.ts";
import type { Session } from "../session/tracker.ts";

/** Reasons for not parsing more of a connection's input; any of them suffices. */
export const Hold = {
  /** Its session is being made, or a leader asked about it: a client may pipeline, but must wait. */
  connecting: 1,
  /** Too many requests in process (globalOutstandingLimit). */
  outstanding: 2,
  /** It does not read its replies. */
  drain: 4,
  /** The answer to its four-letter word is being looked up. */
  word: 8,
} as const;

export type LinkPhase =
  /** Nothing but a connect request or a four-letter word may come. */
  | "greeting"
  | "connecting"
  | "open"
  /** closeSession, an error or the server's will: what is queued goes out, nothing more is parsed. */
  | "closing";

/** What the parts of the port ask of it, for the connections it keeps. */
export interface LinkKeeper {
  /** What was written for `link` goes out, then nothing more happens on it. */
  close(cx: Context, link: ClientLink): void;
  /** One reason less to hold its input: what has come meanwhile is looked at. */
  release(cx: Context, link: ClientLink, hold: number): void;
  /** Something was heard of it: its session and its connection live on. */
  touch(cx: Context, link: ClientLink): void;
  /** Gives what was written to the host, and stops serving whoever does not read it. */
  handOver(cx: Context, link: ClientLink): void;
  restrain(cx: Context, link: ClientLink): void;
}

export class ClientLink implements Origin {
  readonly conn: ConnId;
  readonly remote: Address;
  readonly frames: FrameBuffer;
  phase: LinkPhase = "greeting";
  session: SessionId = SESSION_NONE;
  /** The tracker's record of it, once there is a session. */
  tracked: Session | undefined = undefined;
  timeout: Millis = 0;
  ids: readonly Id[];
  closed = false;
  holds = 0;
  /** The host was asked not to deliver. */
  paused = false;
  /** Requests without an answer, as flow control counts them: xid > 0. */
  outstanding = 0;
  /** Writes, barriers and the reads behind them, in order of arrival. */
  readonly parked: Deque<Request> = new Deque<Request>();
  /** Its connect request came without the readOnly byte: so must the answer go. */
  hasReadOnly = true;

  /** When it connected, wall clock; for people. */
  readonly established: Millis;
  packetsReceived = 0;
  packetsSent = 0;
  lastType = 0;
  lastCxid = -1;
  lastZxid: Zxid = ZXID_ZERO;
  lastResponseAt: Millis = 0;
  lastLatency: Millis = 0;
  latencyMin: Millis = Infinity;
  latencyMax: Millis = 0;
  #latencySum = 0;
  #latencyCount = 0;

  readonly #notify: (link: ClientLink, type: number, path: string, zxid: Zxid) => void;
  readonly #now: () => Millis;

  constructor(
    cx: Context,
    conn: ConnId,
    remote: Address,
    ids: readonly Id[],
    frameMax: number,
    notify: (link: ClientLink, type: number, path: string, zxid: Zxid) => void,
    now: () => Millis,
  ) {
    this.conn = conn;
    this.remote = remote;
    this.ids = ids;
    this.frames = new FrameBuffer(frameMax);
    this.established = cx.wall;
    this.#notify = notify;
    this.#now = now;
  }

  /** The watch table calls; the event goes out behind what was written before it. */
  watchFired(type: number, path: string, zxid: Zxid): void {
    if (!this.closed) this.#notify(this, type, path, zxid);
  }

  replied(xid: number, type: number, zxid: Zxid, latency: Millis): void {
    this.packetsSent++;
    this.lastType = type;
    if (xid >= 0) this.lastCxid = xid;
    this.lastZxid = zxid;
    this.lastResponseAt = this.#now();
    this.lastLatency = latency;
    if (latency < this.latencyMin) this.latencyMin = latency;
    if (latency > this.latencyMax) this.latencyMax = latency;
    this.#latencySum += latency;
    this.#latencyCount++;
  }

  get latencyAverage(): number {
    return this.#latencyCount === 0 ? 0 : Math.floor(this.#latencySum / this.#latencyCount);
  }

  /** `crst`. */
  resetStats(): void {
    this.packetsReceived = 0;
    this.packetsSent = 0;
    this.lastType = 0;
    this.lastCxid = -1;
    this.lastZxid = ZXID_ZERO;
    this.lastResponseAt = 0;
    this.lastLatency = 0;
    this.latencyMin = Infinity;
    this.latencyMax = 0;
    this.#latencySum = 0;
    this.#latencyCount = 0;
  }
}
