/**
 * Length-prefixed frames out of chunks of any size. A frame that lies whole in a chunk is handed on where it lies; only
 * one that was cut is gathered, in a buffer of its own.
 */
const LENGTH_BYTES = 4;
/** A length is only a claim: memory follows what really arrives. */
const CAPACITY_FIRST = 64 * 1024;

/**
 * `bytes[start..end)` is one frame's payload; with `owned` it is the handler's to keep, otherwise lent for this call.
 * Return false to drop the rest.
 */
export type FrameHandler = (bytes: Uint8Array, start: number, end: number, owned: boolean) => boolean;

export class FrameReader {
  readonly #lengthMax: number;
  /** Length prefix of the frame that was cut, as far as it has arrived. */
  readonly #prefix = new Uint8Array(LENGTH_BYTES);
  #prefixHave = 0;
  /** -1 while the prefix is incomplete. */
  #wanted = -1;
  #body: Uint8Array = EMPTY;
  #have = 0;

  /** `lengthMax`: the longest payload that is taken in. */
  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  /** Forgets a frame that was cut. */
  reset(): void {
    this.#prefixHave = 0;
    this.#wanted = -1;
    this.#body = EMPTY;
    this.#have = 0;
  }

  /** False when a length is out of bounds or the handler wants no more: the stream cannot be read any further. */
  push(bytes: Uint8Array, handle: FrameHandler): boolean {
    let at = 0;
    while (at < bytes.length) {
      if (this.#wanted < 0) {
        if (this.#prefixHave === 0 && bytes.length - at >= LENGTH_BYTES) {
          const length = lengthAt(bytes, at);
          if (!this.#acceptable(length)) return false;
          at += LENGTH_BYTES;
          if (bytes.length - at >= length) {
            at += length;
            if (!handle(bytes, at - length, at, false)) return false;
            continue;
          }
          this.#begin(length);
        } else {
          this.#prefix[this.#prefixHave++] = bytes[at++]!;
          if (this.#prefixHave < LENGTH_BYTES) continue;
          const length = lengthAt(this.#prefix, 0);
          if (!this.#acceptable(length)) return false;
          this.#begin(length);
        }
      }
      at = this.#gather(bytes, at);
      if (this.#have < this.#wanted) continue;
      const body = this.#body;
      const length = this.#wanted;
      this.reset();
      if (!handle(body, 0, length, true)) return false;
    }
    return true;
  }

  #acceptable(length: number): boolean {
    return length >= 0 && length <= this.#lengthMax;
  }

  #begin(length: number): void {
    this.#wanted = length;
    this.#have = 0;
    this.#body = new Uint8Array(Math.min(length, CAPACITY_FIRST));
  }

  #gather(bytes: Uint8Array, at: number): number {
    const count = Math.min(bytes.length - at, this.#wanted - this.#have);
    const needed = this.#have + count;
    if (needed > this.#body.length) {
      const larger = new Uint8Array(Math.min(this.#wanted, Math.max(needed, this.#body.length * 2)));
      larger.set(this.#body.subarray(0, this.#have));
      this.#body = larger;
    }
    this.#body.set(bytes.subarray(at, at + count), this.#have);
    this.#have = needed;
    return at + count;
  }
}

const EMPTY = new Uint8Array(0);

function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
