/**
 * Keeps copies of small byte ranges in shared chunks: a Uint8Array of its own costs several times as much as the copy.
 * A chunk is freed when the last range in it is dropped. Chunks begin small, so that an idle server (a simulation makes
 * thousands) holds little.
 */
// Larger ones would come from fresh pages every time.
const CHUNK_FIRST = 4 * 1024;
const CHUNK_MAX = 64 * 1024;
const EMPTY = new Uint8Array(0);

export class ByteArena {
  #chunk: Uint8Array = EMPTY;
  #used = 0;

  /** A copy of `bytes` that stays valid and unchanged. */
  keep(bytes: Uint8Array): Uint8Array {
    const length = bytes.length;
    if (length === 0) return EMPTY;
    if (length > CHUNK_MAX / 4) return bytes.slice();
    if (this.#used + length > this.#chunk.length) {
      const size = Math.min(CHUNK_MAX, Math.max(CHUNK_FIRST, this.#chunk.length * 2));
      this.#chunk = new Uint8Array(Math.max(size, length));
      this.#used = 0;
    }
    const start = this.#used;
    this.#chunk.set(bytes, start);
    this.#used = start + length;
    return this.#chunk.subarray(start, start + length);
  }
}
