/**
 * Bounds-checked decoding of jute (Java: BinaryInputArchive). A short or malformed buffer is a value, not a throw:
 * the first bad read sets {@link Reader.failed}, and every read from then on returns zero values. Callers decode a
 * whole record and look at `failed` once.
 */
import type { SessionId } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import { decodeUtf8 } from "./utf8.ts";

const TWO_32 = 0x1_0000_0000;

export class Reader {
  /** Set by the first read that did not fit; never cleared except by {@link reset}. */
  failed = false;
  bytes: Uint8Array;
  offset: number;
  end: number;
  /** The longest string or buffer accepted: jute.maxbuffer + jute.maxbuffer.extrasize (reference, section 1). */
  readonly lengthMax: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length, lengthMax = 0x7fff_ffff) {
    this.bytes = bytes;
    this.offset = start;
    this.end = end;
    this.lengthMax = lengthMax;
  }

  /** Points the same reader at other bytes. */
  reset(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes;
    this.offset = start;
    this.end = end;
    this.failed = false;
    return this;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  fail(): void {
    this.failed = true;
    this.offset = this.end;
  }

  /** Advances by `count` and returns where it began, or -1 after failing. */
  #take(count: number): number {
    const start = this.offset;
    if (count > this.end - start) {
      this.fail();
      return -1;
    }
    this.offset = start + count;
    return start;
  }

  byte(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : (this.bytes[at]! << 24) >> 24;
  }

  boolean(): boolean {
    return this.byte() !== 0;
  }

  int(): number {
    const at = this.#take(4);
    if (at < 0) return 0;
    const b = this.bytes;
    return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;
  }

  /** A long as a number. Inexact beyond ±2^53, where only its order can be relied on. */
  long(): number {
    const high = this.int();
    const low = this.int() >>> 0;
    return high * TWO_32 + low;
  }

  zxid(): Zxid {
    return this.long() as Zxid;
  }

  int64(): bigint {
    const high = this.int();
    const low = this.int();
    return (BigInt(high) << 32n) | BigInt(low >>> 0);
  }

  sessionId(): SessionId {
    return this.int64() as SessionId;
  }

  /** The length prefix of a string or buffer: -1 for null, -2 after failing. */
  #length(): number {
    const length = this.int();
    if (this.failed) return -2;
    if (length === -1) return -1;
    if (length < 0 || length > this.lengthMax || length > this.remaining) {
      this.fail();
      return -2;
    }
    return length;
  }

  /** null is jute's null string. Malformed UTF-8 becomes U+FFFD, as in Java. */
  string(): string | null {
    const length = this.#length();
    if (length < 0) return null;
    const start = this.offset;
    this.offset = start + length;
    return decodeUtf8(this.bytes, start, start + length);
  }

  /** A view into the bytes being read, not a copy. */
  buffer(): Uint8Array | null {
    const length = this.#length();
    if (length < 0) return null;
    const start = this.offset;
    this.offset = start + length;
    return this.bytes.subarray(start, start + length);
  }

  /**
   * The element count of a vector: -1 for null, 0 for other negative counts as in Java. `bytesMin` is the least size
   * of an element, which bounds what a hostile count can make us allocate.
   */
  count(bytesMin: number): number {
    const count = this.int();
    if (count < 0) return count === -1 && !this.failed ? -1 : 0;
    if (count * bytesMin > this.remaining) {
      this.fail();
      return 0;
    }
    return count;
  }
}
