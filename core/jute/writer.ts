/**
 * Growable encoding of jute (Java: BinaryOutputArchive). One writer is meant to be reused: {@link Writer.clear}
 * keeps the memory. Lengths that are known only afterwards are patched with {@link Writer.patchInt}.
 */
import { encodeUtf8Into, utf8Length } from "./utf8.ts";

const TWO_32 = 0x1_0000_0000;

export class Writer {
  bytes: Uint8Array;
  /** Bytes written so far: the record is `bytes[0..length)`. */
  length = 0;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
  }

  clear(): this {
    this.length = 0;
    return this;
  }

  /** Makes room for `count` more bytes and returns where they begin; the caller fills them. */
  grow(count: number): number {
    const at = this.length;
    const needed = at + count;
    if (needed > this.bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, at));
      this.bytes = larger;
    }
    this.length = needed;
    return at;
  }

  byte(value: number): void {
    const at = this.grow(1);
    this.bytes[at] = value;
  }

  boolean(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  int(value: number): void {
    this.patchInt(this.grow(4), value);
  }

  /** Overwrites four bytes written before. */
  patchInt(at: number, value: number): void {
    const b = this.bytes;
    b[at] = value >>> 24;
    b[at + 1] = value >>> 16;
    b[at + 2] = value >>> 8;
    b[at + 3] = value;
  }

  /** An integer within ±2^53 as a long. */
  long(value: number): void {
    const at = this.grow(8);
    const high = Math.floor(value / TWO_32);
    this.patchInt(at, high);
    this.patchInt(at + 4, value - high * TWO_32);
  }

  int64(value: bigint): void {
    const at = this.grow(8);
    // Nearly every ephemeralOwner is 0, and bigint arithmetic is slow.
    if (value === 0n) return void this.bytes.fill(0, at, at + 8);
    this.patchInt(at, Number(BigInt.asIntN(32, value >> 32n)));
    this.patchInt(at + 4, Number(BigInt.asIntN(32, value)));
  }

  string(value: string | null): void {
    if (value === null) return this.int(-1);
    const length = utf8Length(value);
    const at = this.grow(4 + length);
    this.patchInt(at, length);
    encodeUtf8Into(value, this.bytes, at + 4);
  }

  buffer(value: Uint8Array | null): void {
    if (value === null) return this.int(-1);
    const at = this.grow(4 + value.length);
    this.patchInt(at, value.length);
    this.bytes.set(value, at + 4);
  }

  /** Bytes as they are, without a length. */
  raw(value: Uint8Array, start = 0, end: number = value.length): void {
    const count = end - start;
    const at = this.grow(count);
    if (count < 32) for (let i = 0; i < count; i++) this.bytes[at + i] = value[start + i]!;
    else this.bytes.set(start === 0 && end === value.length ? value : value.subarray(start, end), at);
  }

  /** A copy of what was written. */
  take(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}
