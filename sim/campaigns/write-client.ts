/**
 * A client that writes all day: random requests, a few under way at a time, on a session that it keeps through broken
 * connections and replaces when it expired. Speaks the wire protocol itself, so that it is no judge in core/client's
 * case. What it is told goes to a sink; what it does comes from its own stream of chance.
 */
import type { Actor, Address, ConnId, Context, Millis } from "../../core/actor.ts";
import type { Prng } from "../../core/base/prng.ts";
import type { SessionId } from "../../core/base/ids.ts";
import { SESSION_NONE } from "../../core/base/ids.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import { FrameBuffer } from "../../core/jute/frames.ts";
import { Reader } from "../../core/jute/reader.ts";
import { Writer } from "../../core/jute/writer.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import {
  readConnectResponse,
  readReplyHeader,
  writeConnectRequest,
  writeRequestHeader,
  Xids,
} from "../../core/protocol/headers.ts";
import type { Acknowledged } from "./log-watch.ts";
import { writeManyCreates, writeRandomRequest } from "./write-requests.ts";

export interface WriteClientOptions {
  readonly to: Address;
  readonly prng: Prng;
  /** Requests under way at most. */
  readonly pipeline: number;
  /** The longest pause between two bursts of requests. */
  readonly think: Millis;
  readonly sessionTimeout: Millis;
  readonly extendedTypes: boolean;
  /** Nodes to make before anything else. */
  readonly nodes: number;
  readonly told: (reply: Acknowledged) => void;
  readonly blame: (what: string) => void;
}

/** Without an answer for so long, a connection is given up. */
const PATIENCE: Millis = 300;
const RECONNECT_DELAY: Millis = 3;
/** Nodes made by one multi. */
const MANY = 200;
const FRAME_MAX = 4 * 1024 * 1024;

interface Sent {
  readonly xid: number;
  readonly type: number;
}

export class WriteClient implements Actor {
  readonly #options: WriteClientOptions;
  readonly #prng: Prng;
  readonly #frames: FrameBuffer = new FrameBuffer(FRAME_MAX);
  readonly #out: Writer = new Writer();
  #conn: ConnId | undefined;
  #ready = false;
  #session: SessionId = SESSION_NONE;
  #password: Uint8Array | null = null;
  #timeout: Millis = 0;
  #lastZxid = 0;
  #xid = 0;
  #sent: Sent[] = [];
  #heardAt: Millis = 0;
  #spokeAt: Millis = 0;
  #wakeAt: Millis = 0;
  #made = 0;
  /** Replies to its requests, over all sessions. */
  answered = 0;

  constructor(options: WriteClientOptions) {
    this.#options = options;
    this.#prng = options.prng;
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
  onReceived(cx: Context, _conn: ConnId, bytes: Uint8Array): void {
    this.#heardAt = cx.now;
    this.#frames.accept(bytes);
    while (this.#conn !== undefined && this.#frames.next() === "frame") {
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
    this.#wakeAt = cx.now + 1 + this.#prng.below(this.#options.think + 1);
    if (this.#conn === undefined) {
      this.#conn = cx.connect(this.#options.to);
      this.#heardAt = cx.now;
      return;
    }
    const waits = !this.#ready || this.#sent.length > 0;
    if (waits && cx.now - this.#heardAt > PATIENCE) return this.#hangUp(cx);
    if (!this.#ready) return;
    // Now and then a connection is dropped in the middle of things, and the session goes on with the next one.
    if (this.#prng.chance(1, 400)) return this.#hangUp(cx);
    this.#write(cx);
    if (cx.now - this.#spokeAt > this.#timeout / 3) this.#send(cx, Xids.ping, OpCode.ping);
  }

  #write(cx: Context): void {
    if (this.#made < this.#options.nodes) return this.#makeMany(cx);
    const burst = 1 + this.#prng.below(this.#options.pipeline);
    for (let i = 0; i < burst && this.#sent.length < this.#options.pipeline && this.#ready; i++) {
      const xid = ++this.#xid;
      if (this.#prng.chance(1, 150)) {
        this.#send(cx, xid, OpCode.closeSession);
        this.#ready = false;
        return;
      }
      const out = this.#begin();
      const typeAt = out.length;
      writeRequestHeader(out, xid, 0);
      const type = writeRandomRequest(out, this.#prng, this.#options.extendedTypes);
      out.patchInt(typeAt + 4, type);
      this.#sent.push({ xid, type });
      this.#finish(cx);
    }
  }

  /** Those whose answer was lost exist or do not: then the rest of that multi fails, and nobody minds. */
  #makeMany(cx: Context): void {
    if (this.#sent.length > 0) return;
    const xid = ++this.#xid;
    const out = this.#begin();
    writeRequestHeader(out, xid, OpCode.multi);
    writeManyCreates(out, "/many", this.#made, MANY);
    this.#made += MANY;
    this.#sent.push({ xid, type: OpCode.multi });
    this.#finish(cx);
  }

  #onFrame(cx: Context, r: Reader): void {
    if (this.#timeout === 0) return this.#onConnectResponse(cx, r);
    const { xid, zxid, err } = readReplyHeader(r);
    if (xid === Xids.ping || xid === Xids.notification) return;
    const expected = this.#sent.shift();
    if (expected?.xid !== xid) return this.#options.blame(`a reply to xid ${xid} instead of ${expected?.xid}`);
    if (zxid < this.#lastZxid) this.#options.blame(`zxid ${zxid} was answered after ${this.#lastZxid}`);
    this.#lastZxid = Math.max(this.#lastZxid, zxid);
    this.answered++;
    const { type } = expected;
    this.#options.told({ session: this.#session, xid, type, zxid, err });
    if (type === OpCode.closeSession && err === 0) {
      this.#forgetSession();
      this.#hangUp(cx);
    }
  }

  #onConnectResponse(cx: Context, r: Reader): void {
    const { timeOut, sessionId, passwd } = readConnectResponse(r);
    if (timeOut <= 0) {
      this.#forgetSession();
      return this.#hangUp(cx);
    }
    if (this.#session !== SESSION_NONE && this.#session !== sessionId) {
      this.#options.blame("a session was resumed as another one");
    }
    this.#session = sessionId;
    this.#password = passwd === null ? null : passwd.slice();
    this.#timeout = timeOut;
    this.#ready = true;
    this.#write(cx);
  }

  #send(cx: Context, xid: number, type: number): void {
    writeRequestHeader(this.#begin(), xid, type);
    if (xid !== Xids.ping) this.#sent.push({ xid, type });
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
    this.#ready = false;
    this.#timeout = 0;
    this.#sent = [];
    this.#frames.clear();
    this.#wakeAt = cx.now + RECONNECT_DELAY + this.#prng.below(RECONNECT_DELAY);
  }

  #forgetSession(): void {
    this.#session = SESSION_NONE;
    this.#password = null;
    this.#xid = 0;
  }
}
