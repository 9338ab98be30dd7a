/**
 * Encodes replies and notifications, and hands them to the host in batches: consecutive ones for one connection go out
 * in one send. Order per connection is the order of the calls.
 */
import type { ConnId, Context } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import { encodeUtf8 } from "../jute/utf8.ts";
import { Writer } from "../jute/writer.ts";
import { REPLY_BATCH_BYTES } from "../limits.ts";
import type { ServerStats } from "./stats.ts";

const NO_CONN = -1 as ConnId;

export class Replies {
  readonly #stats: ServerStats;
  readonly #w = new Writer(4096);
  #conn: ConnId = NO_CONN;
  #start = 0;

  constructor(stats: ServerStats) {
    this.#stats = stats;
  }

  /** Begins a reply: its header is written, the caller appends the body to what is returned, then calls {@link end}. */
  begin(cx: Context, conn: ConnId, xid: number, zxid: Zxid, err: number): Writer {
    const w = this.beginBare(cx, conn);
    const at = w.grow(16);
    w.patchInt(at, xid);
    const high = Math.floor(zxid / 0x1_0000_0000);
    w.patchInt(at + 4, high);
    w.patchInt(at + 8, zxid - high * 0x1_0000_0000);
    w.patchInt(at + 12, err);
    return w;
  }

  /** A frame without a reply header: the connect response. */
  beginBare(cx: Context, conn: ConnId): Writer {
    if (this.#conn !== conn || this.#w.length >= REPLY_BATCH_BYTES) this.flush(cx);
    this.#conn = conn;
    this.#start = this.#w.grow(4);
    return this.#w;
  }

  /** Drops what {@link begin} began: the body could not be made. */
  cancel(): void {
    this.#w.length = this.#start;
  }

  end(): void {
    const size = this.#w.length - this.#start - 4;
    this.#w.patchInt(this.#start, size);
    this.#stats.packetsSent++;
    this.#stats.responseSize(size);
  }

  /** Bytes gathered and not yet the host's. */
  get size(): number {
    return this.#w.length;
  }

  /** A four-letter word's answer. */
  text(cx: Context, conn: ConnId, text: string): void {
    this.flush(cx);
    const bytes = encodeUtf8(text);
    cx.send(conn, bytes, 0, bytes.length);
    this.#stats.packetsSent++;
  }

  /** Bytes that ready-made text, or an encoded notification, takes. */
  raw(cx: Context, conn: ConnId, bytes: Uint8Array, length: number): void {
    if (this.#conn === conn && this.#w.length + length < REPLY_BATCH_BYTES) this.#w.raw(bytes, 0, length);
    else {
      this.flush(cx);
      cx.send(conn, bytes, 0, length);
    }
  }

  /** Everything so far is the host's. At the end of every event, and before anything else is said of a connection. */
  flush(cx: Context): void {
    const w = this.#w;
    if (w.length > 0) cx.send(this.#conn, w.bytes, 0, w.length);
    this.#conn = NO_CONN;
    w.length = 0;
    if (w.bytes.length > 4 * REPLY_BATCH_BYTES) w.bytes = new Uint8Array(REPLY_BATCH_BYTES);
  }
}
