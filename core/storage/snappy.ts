/**
 * Snappy blocks and xerial's stream of them, the way ZooKeeper's `snappy` snapshots are written (Java: snappy-java's
 * SnappyOutputStream and SnappyInputStream). The stream: 8 bytes of magic, version, oldest compatible version (ints),
 * then blocks, each with its compressed length (int) before it.
 */
import { SNAPPY_MAGIC } from "./formats.ts";

/** Bytes of input per block, as snappy-java has it. A block is decoded on its own. */
export const SNAPPY_BLOCK_BYTES: number = 32 * 1024;
export const SNAPPY_HEADER_BYTES = 16;
/** What a length may claim at most; ours and Java's blocks are 32 KiB, others' streams may have larger ones. */
const BLOCK_BYTES_MAX: number = 16 * 1024 * 1024;
const STREAM_VERSION = 1;

const HASH_BITS = 14;
const MATCH_MIN = 4;

export function snappyHeader(): Uint8Array {
  const header = new Uint8Array(SNAPPY_HEADER_BYTES);
  header.set(SNAPPY_MAGIC);
  header[11] = STREAM_VERSION;
  header[15] = STREAM_VERSION;
  return header;
}

/** The most that {@link SnappyCompressor.compress} can produce. */
export function snappyBound(length: number): number {
  return 32 + length + Math.ceil(length / 6);
}

export class SnappyCompressor {
  /** For the hash of four bytes, where they were last seen, plus one. */
  readonly #seen: Uint16Array = new Uint16Array(1 << HASH_BITS);

  /** Writes `input[start..end)`, at most a block of it, as one raw snappy block at `at`. Returns its end. */
  compress(input: Uint8Array, start: number, end: number, output: Uint8Array, at: number): number {
    const seen = this.#seen;
    seen.fill(0);
    let to = writeVarint(output, at, end - start);
    let literal = start;
    let from = start;
    const last = end - MATCH_MIN;
    let misses = 0;
    while (from <= last) {
      const word = wordAt(input, from);
      const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - HASH_BITS);
      const candidate = start + seen[slot]! - 1;
      seen[slot] = from - start + 1;
      if (candidate < start || wordAt(input, candidate) !== word) {
        // The longer nothing repeats, the larger the steps.
        from += 1 + (misses++ >> 5);
        continue;
      }
      misses = 0;
      let length = MATCH_MIN;
      while (from + length < end && input[candidate + length] === input[from + length]) length++;
      to = writeLiteral(output, to, input, literal, from);
      to = writeCopies(output, to, from - candidate, length);
      from += length;
      literal = from;
    }
    return writeLiteral(output, to, input, literal, end);
  }
}

/** The contents of the raw block `input[start..end)`; undefined when it is not one. */
export function snappyDecompress(input: Uint8Array, start: number, end: number): Uint8Array | undefined {
  let at = start;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    if (at >= end || shift > 28) return undefined;
    const byte = input[at++]!;
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  if (length > BLOCK_BYTES_MAX) return undefined;
  const output = new Uint8Array(length);
  let to = 0;
  while (at < end) {
    const tag = input[at++]!;
    if ((tag & 3) === 0) {
      let count = tag >>> 2;
      if (count >= 60) {
        const extra = count - 59;
        if (at + extra > end) return undefined;
        count = 0;
        for (let i = extra - 1; i >= 0; i--) count = count * 256 + input[at + i]!;
        at += extra;
      }
      count++;
      if (at + count > end || to + count > length) return undefined;
      output.set(input.subarray(at, at + count), to);
      at += count;
      to += count;
      continue;
    }
    let count: number;
    let distance: number;
    if ((tag & 3) === 1) {
      if (at >= end) return undefined;
      count = ((tag >>> 2) & 7) + 4;
      distance = ((tag >>> 5) << 8) | input[at++]!;
    } else {
      const wide = (tag & 3) === 3;
      if (at + (wide ? 4 : 2) > end) return undefined;
      count = (tag >>> 2) + 1;
      distance = input[at]! | (input[at + 1]! << 8);
      if (wide) distance += input[at + 2]! * 0x1_0000 + input[at + 3]! * 0x100_0000;
      at += wide ? 4 : 2;
    }
    if (distance === 0 || distance > to || to + count > length) return undefined;
    for (let i = 0; i < count; i++, to++) output[to] = output[to - distance]!;
  }
  return to === length ? output : undefined;
}

function writeVarint(output: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    output[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  output[at++] = value;
  return at;
}

function writeLiteral(output: Uint8Array, at: number, input: Uint8Array, start: number, end: number): number {
  const count = end - start;
  if (count === 0) return at;
  if (count <= 60) output[at++] = (count - 1) << 2;
  else if (count <= 0x100) {
    output[at++] = 60 << 2;
    output[at++] = count - 1;
  } else {
    output[at++] = 61 << 2;
    output[at++] = count - 1;
    output[at++] = (count - 1) >>> 8;
  }
  output.set(input.subarray(start, end), at);
  return at + count;
}

/** Copies with a two-byte distance; distances within a block always fit. */
function writeCopies(output: Uint8Array, at: number, distance: number, length: number): number {
  while (length > 0) {
    const count = Math.min(length, 64);
    output[at++] = ((count - 1) << 2) | 2;
    output[at++] = distance;
    output[at++] = distance >>> 8;
    length -= count;
  }
  return at;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
