/**
 * What stands between a snapshot's bytes and its file: nothing, gzip, or snappy (Java: SnapStream). Checksums are the
 * business of those who see the plain bytes.
 */
import { Gunzip, Gzip } from "fflate";
import type { Compression } from "./files.ts";
import { SNAPPY_MAGIC } from "./formats.ts";
import {
  SNAPPY_BLOCK_BYTES,
  SNAPPY_HEADER_BYTES,
  SnappyCompressor,
  snappyBound,
  snappyDecompress,
  snappyHeader,
} from "./snappy.ts";

/** A longer block than anybody writes would have to be held in memory as a whole. */
const SNAPPY_CHUNK_BYTES_MAX: number = 32 * 1024 * 1024;

/** Where encoded or decoded bytes go; lent for the call only. */
export type ByteSink = (bytes: Uint8Array, start: number, end: number) => void;

export interface SnapshotEncoder {
  /** How much to hand over at once: what takes about a millisecond or two. */
  readonly sliceBytes: number;
  encode(bytes: Uint8Array, start: number, end: number, last: boolean, sink: ByteSink): void;
}

export interface SnapshotDecoder {
  /** False: this is not such a stream, or it is damaged. `last`: no more bytes will come. */
  decode(bytes: Uint8Array, last: boolean, sink: ByteSink): boolean;
}

export function encoderFor(compression: Compression): SnapshotEncoder {
  switch (compression) {
    case "none":
      return new PlainEncoder();
    case "gz":
      return new GzipEncoder();
    case "snappy":
      return new SnappyEncoder();
  }
}

export function decoderFor(compression: Compression): SnapshotDecoder {
  switch (compression) {
    case "none":
      return new PlainDecoder();
    case "gz":
      return new GzipDecoder();
    case "snappy":
      return new SnappyDecoder();
  }
}

class PlainEncoder implements SnapshotEncoder {
  readonly sliceBytes: number = 512 * 1024;

  encode(bytes: Uint8Array, start: number, end: number, _last: boolean, sink: ByteSink): void {
    if (end > start) sink(bytes, start, end);
  }
}

class PlainDecoder implements SnapshotDecoder {
  decode(bytes: Uint8Array, _last: boolean, sink: ByteSink): boolean {
    sink(bytes, 0, bytes.length);
    return true;
  }
}

class GzipEncoder implements SnapshotEncoder {
  readonly sliceBytes: number = 32 * 1024;
  #sink: ByteSink = () => {};
  // Without a time of its own the library would ask the clock.
  readonly #gzip: Gzip = new Gzip({ level: 4, mtime: 0 }, (bytes) => {
    if (bytes.length > 0) this.#sink(bytes, 0, bytes.length);
  });

  encode(bytes: Uint8Array, start: number, end: number, last: boolean, sink: ByteSink): void {
    this.#sink = sink;
    this.#gzip.push(bytes.slice(start, end), last);
  }
}

class GzipDecoder implements SnapshotDecoder {
  readonly #decoded: Uint8Array[] = [];
  readonly #gunzip: Gunzip = new Gunzip((bytes) => {
    if (bytes.length > 0) this.#decoded.push(bytes);
  });

  decode(bytes: Uint8Array, last: boolean, sink: ByteSink): boolean {
    let ok = true;
    // The library reports what it cannot decode, an early end included, by throwing.
    try {
      this.#gunzip.push(bytes, last);
    } catch {
      ok = false;
    }
    for (const plain of this.#decoded.splice(0)) sink(plain, 0, plain.length);
    return ok;
  }
}

class SnappyEncoder implements SnapshotEncoder {
  readonly sliceBytes: number = 8 * SNAPPY_BLOCK_BYTES;
  readonly #compressor = new SnappyCompressor();
  readonly #block: Uint8Array = new Uint8Array(4 + snappyBound(SNAPPY_BLOCK_BYTES));
  #begun = false;

  encode(bytes: Uint8Array, start: number, end: number, _last: boolean, sink: ByteSink): void {
    if (!this.#begun) {
      this.#begun = true;
      sink(snappyHeader(), 0, SNAPPY_HEADER_BYTES);
    }
    for (let at = start; at < end; at += SNAPPY_BLOCK_BYTES) {
      const block = this.#block;
      const stop = this.#compressor.compress(bytes, at, Math.min(at + SNAPPY_BLOCK_BYTES, end), block, 4);
      const length = stop - 4;
      block[0] = length >>> 24;
      block[1] = length >>> 16;
      block[2] = length >>> 8;
      block[3] = length;
      sink(block, 0, stop);
    }
  }
}

class SnappyDecoder implements SnapshotDecoder {
  #left: Uint8Array = new Uint8Array(0);
  #inHeader = true;

  decode(bytes: Uint8Array, last: boolean, sink: ByteSink): boolean {
    const input = joined(this.#left, bytes);
    let at = 0;
    for (;;) {
      const available = input.length - at;
      if (this.#inHeader) {
        if (available < SNAPPY_HEADER_BYTES) break;
        if (!SNAPPY_MAGIC.every((byte, i) => input[at + i] === byte)) return false;
        at += SNAPPY_HEADER_BYTES;
        this.#inHeader = false;
        continue;
      }
      if (available < 4) break;
      // Streams that were written one after the other into one file: another header (Java: SnappyInputStream).
      if (input[at] === SNAPPY_MAGIC[0]) {
        this.#inHeader = true;
        continue;
      }
      const length = (input[at]! << 24) | (input[at + 1]! << 16) | (input[at + 2]! << 8) | input[at + 3]!;
      if (length < 0 || length > SNAPPY_CHUNK_BYTES_MAX) return false;
      if (available < 4 + length) break;
      const block = snappyDecompress(input, at + 4, at + 4 + length);
      if (block === undefined) return false;
      sink(block, 0, block.length);
      at += 4 + length;
    }
    this.#left = input.slice(at);
    return !last || this.#left.length === 0;
  }
}

/** `first` then `second`, copied only if there is something of both. */
export function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  if (second.length === 0) return first;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
