/**
 * Bytes that arrive in chunks of any size, looked at where they are lent: only what a chunk leaves over is copied, so
 * that memory grows with what has arrived, never with what a length claims. What the bytes mean is its user's business.
 */
const EMPTY = new Uint8Array(0);
/** A spare buffer above this size is given back. */
const KEEP_CAPACITY = 64 * 1024;

export class ChunkBuffer {
  /** Unread bytes are `bytes[at..limit)`; whoever reads them advances `at`. Valid until the next call. */
  bytes: Uint8Array = EMPTY;
  at = 0;
  limit = 0;
  /** `bytes` is the host's, for this event only. */
  #lent = false;

  /** How much is unread. */
  get buffered(): number {
    return this.limit - this.at;
  }

  /** Takes what arrived. Call {@link keep} before the event ends. */
  accept(chunk: Uint8Array): void {
    const left = this.limit - this.at;
    if (left === 0) {
      this.bytes = chunk;
      this.at = 0;
      this.limit = chunk.length;
      this.#lent = true;
      return;
    }
    const needed = left + chunk.length;
    if (this.#lent || this.limit + chunk.length > this.bytes.length) {
      const larger =
        this.bytes.length >= needed && !this.#lent ? this.bytes : new Uint8Array(Math.max(needed, left * 2));
      if (larger === this.bytes) larger.copyWithin(0, this.at, this.limit);
      else larger.set(this.bytes.subarray(this.at, this.limit));
      this.bytes = larger;
      this.at = 0;
      this.limit = left;
      this.#lent = false;
    }
    this.bytes.set(chunk, this.limit);
    this.limit += chunk.length;
  }

  /** The first four unread bytes as an int, or undefined while there are fewer. */
  peekInt(): number | undefined {
    return this.limit - this.at < 4 ? undefined : this.intAt(this.at);
  }

  /** Of `bytes`; the caller knows that they are there. */
  intAt(at: number): number {
    const b = this.bytes;
    return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;
  }

  /** Unread bytes as they are. */
  unread(): Uint8Array {
    return this.bytes.subarray(this.at, this.limit);
  }

  /** Copies what is left of a lent chunk; lets go of memory that is no longer needed. */
  keep(): void {
    const left = this.limit - this.at;
    if (left === 0) {
      if (this.#lent || this.bytes.length > KEEP_CAPACITY) this.bytes = EMPTY;
      this.at = this.limit = 0;
    } else if (this.#lent) {
      // A copy also where a host lends a kind of Uint8Array whose slice is a view, as Node's Buffer is.
      const kept = new Uint8Array(left);
      kept.set(this.bytes.subarray(this.at, this.limit));
      this.bytes = kept;
      this.at = 0;
      this.limit = left;
    }
    this.#lent = false;
  }

  clear(): void {
    this.bytes = EMPTY;
    this.at = this.limit = 0;
    this.#lent = false;
  }
}
