/**
 * A learner's connection to its leader: making it, what was read and not yet understood, what is to be written, how long
 * the leader may be silent, and when it is asked to wait (Java: Learner.connectToLeader, readPacket, writePacket;
 * reference, section 3.4). What the packets mean is the learner's.
 *
 * Everything that one event has for the leader leaves in one send, at the end of that event.
 */
import type { Address, CloseCause, ConnId, Context, Millis } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import { Writer } from "../jute/writer.ts";
import { LEADER_CONNECT_TRIES } from "../limits.ts";
import { PacketStream, PacketType, writePacket } from "../protocol/quorum-packets.ts";

/** A larger buffer is given back after the event that needed it. */
const OUT_KEPT_BYTES: number = 1024 * 1024;

/** Reasons for not reading more of what the leader sends; any of them suffices. */
export const Pause = {
  /** What came first is not durable yet and must be before more is appended (SNAP, TRUNC). */
  installing: 1,
  /** The disk is behind. */
  backlog: 2,
} as const;

export interface LeaderLinkOptions {
  /** Where the leader may be reached, in the order in which to try. Asked at every try. */
  readonly addresses: () => readonly Address[];
  readonly retryDelay: Millis;
  /** For all tries together. */
  readonly connectWithin: Millis;
  /** The longest buffer in a packet. */
  readonly dataMax: number;
}

export class LeaderLink {
  stream: PacketStream;
  /** What is to be sent at the end of this event. */
  readonly out: Writer = new Writer(1024);
  readonly #options: LeaderLinkOptions;
  #conn: ConnId | undefined;
  #connected = false;
  /** Anything came on this connection. */
  #heard = false;
  #tries = 0;
  #addresses: readonly Address[] = [];
  #nextAddress = 0;
  #retryAt: Millis = Infinity;
  #connectBy: Millis = Infinity;
  /** When all tries together have taken too long. */
  #giveUpAt: Millis = Infinity;
  /** How long the leader may be silent, and since when it is. */
  #silenceMax: Millis = Infinity;
  #heardAt: Millis = 0;
  #pauses = 0;
  /** To be acknowledged at the end of this event; the first `#ackCount` count. */
  readonly #acks: Zxid[] = [];
  #ackCount = 0;

  constructor(options: LeaderLinkOptions) {
    this.#options = options;
    this.stream = new PacketStream(options.dataMax);
  }

  /** Begins to connect, within this event: anew, if there is a connection. */
  start(cx: Context): void {
    this.close(cx);
    this.stream = new PacketStream(this.#options.dataMax);
    this.#pauses = 0;
    this.#tries = 0;
    this.#giveUpAt = cx.now + this.#options.connectWithin;
    this.#try(cx);
  }

  /** Whether `conn` is this one. */
  is(conn: ConnId): boolean {
    return conn === this.#conn;
  }
  get isPaused(): boolean {
    return this.#pauses !== 0;
  }

  /** The connection is made: the leader may be silent for `silenceMax`. */
  onConnected(cx: Context, silenceMax: Millis): void {
    this.#connected = true;
    this.#connectBy = Infinity;
    this.#silenceMax = silenceMax;
    this.#heardAt = cx.now;
  }

  /**
   * Why there will be no connection any more; undefined while there is another try. What ends before a word was heard is
   * a failed try: whatever forwards connections accepts them for a leader that does not listen yet, and Java's leaders
   * begin to listen well after we know that they are elected.
   */
  onClosed(cx: Context, cause: CloseCause): string | undefined {
    this.#conn = undefined;
    if (this.#heard) return `the connection to the leader is gone (${cause})`;
    this.#connected = false;
    if (this.#nextAddress < this.#addresses.length) this.#connect(cx);
    else if (this.#tries >= LEADER_CONNECT_TRIES) return `the leader cannot be reached (${cause})`;
    else this.#retryAt = cx.now + this.#options.retryDelay;
    return undefined;
  }

  heard(cx: Context): void {
    this.#heard = true;
    this.#heardAt = cx.now;
  }
  set silenceMax(silenceMax: Millis) {
    this.#silenceMax = silenceMax;
  }

  deadline(): Millis {
    // A leader that was asked to wait is not silent.
    const silent = this.#connected && this.#pauses === 0 ? this.#heardAt + this.#silenceMax : Infinity;
    return Math.min(this.#retryAt, this.#connectBy, silent);
  }

  /** Why the role must end, if it must. */
  onDeadline(cx: Context): string | undefined {
    if (cx.now >= this.#connectBy) return "the leader could not be reached in time";
    if (cx.now >= this.#retryAt) return this.#try(cx);
    if (cx.now >= this.deadline()) return `the leader was silent for ${cx.now - this.#heardAt} ms`;
    return undefined;
  }

  pause(cx: Context, reason: number): void {
    if (this.#pauses === 0 && this.#conn !== undefined) cx.pause(this.#conn);
    this.#pauses |= reason;
  }
  resume(cx: Context, reason: number): void {
    if ((this.#pauses & reason) === 0) return;
    this.#pauses &= ~reason;
    if (this.#pauses !== 0) return;
    this.#heardAt = cx.now;
    if (this.#conn !== undefined) cx.resume(this.#conn);
  }

  /** Says that everything up to `zxid` is durable: at the end of this event. */
  ack(zxid: Zxid): void {
    this.#acks[this.#ackCount++] = zxid;
  }

  /** Hands over what the event has for the leader. */
  flush(cx: Context): void {
    for (let i = 0; i < this.#ackCount; i++) {
      const zxid = this.#acks[i]!;
      writePacket(this.out, PacketType.ack, zxid, null);
      cx.facts.acknowledged(zxid);
    }
    this.#ackCount = 0;
    const { out } = this;
    if (out.length === 0) return;
    if (this.#conn !== undefined) cx.send(this.#conn, out.bytes, 0, out.length);
    out.clear();
    if (out.bytes.length > OUT_KEPT_BYTES) out.bytes = new Uint8Array(1024);
  }

  /** Nothing more is sent or received. What was gathered in this event is dropped. */
  close(cx: Context): void {
    if (this.#conn !== undefined) cx.close(this.#conn);
    this.#conn = undefined;
    this.#connected = false;
    this.#heard = false;
    this.#retryAt = Infinity;
    this.#connectBy = Infinity;
    this.#ackCount = 0;
    this.out.clear();
  }

  /** Undefined, or why there was nothing left to try. */
  #try(cx: Context): string | undefined {
    this.#retryAt = Infinity;
    this.#connectBy = this.#giveUpAt;
    this.#tries++;
    this.#addresses = this.#options.addresses();
    this.#nextAddress = 0;
    if (this.#addresses.length > 0) return this.#connect(cx);
    if (this.#tries >= LEADER_CONNECT_TRIES) return "nobody knows the leader's address";
    this.#retryAt = cx.now + this.#options.retryDelay;
    return undefined;
  }

  #connect(cx: Context): undefined {
    this.#conn = cx.connect(this.#addresses[this.#nextAddress++]!);
    return undefined;
  }
}
