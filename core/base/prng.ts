/**
 * The one source of chance: xoshiro128** seeded through splitmix32, in 32-bit integer operations only, so that a seed
 * gives the same run on every engine. Nothing here is fit for secrets.
 */
import { invariant } from "../invariant.ts";

const TWO_32 = 0x1_0000_0000;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export class Prng {
  /** Who this generator is, apart from how far it has got; forks derive from it. */
  readonly #seedLow: number;
  readonly #seedHigh: number;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** `seed`: any safe integer; all of its bits count. */
  constructor(seed: number) {
    invariant(Number.isSafeInteger(seed), "a seed is a safe integer");
    this.#seedLow = seed | 0;
    this.#seedHigh = Math.floor(seed / TWO_32) | 0;
    const low = this.#seedLow;
    const high = this.#seedHigh;
    this.#a = mix(low + 0x9e3779b9);
    this.#b = mix(this.#a ^ (high + 0x3c6ef372));
    this.#c = mix(this.#b + low + 0xdaa66d2b);
    this.#d = mix(this.#c ^ (high + 0x78dde6e4));
    // The all-zero state is the one state it cannot leave.
    if ((this.#a | this.#b | this.#c | this.#d) === 0) this.#a = 1;
  }

  /** A uniform unsigned 32-bit integer. */
  next(): number {
    const b = this.#b;
    const scaled = Math.imul(b, 5);
    const result = Math.imul((scaled << 7) | (scaled >>> 25), 9);
    this.#c ^= this.#a;
    this.#d ^= b;
    this.#b = b ^ this.#c;
    this.#a ^= this.#d;
    this.#c ^= b << 9;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result >>> 0;
  }

  /** A uniform integer in `[0, n)`, for n from 1 to 2^32. Draws again rather than be biased. */
  below(n: number): number {
    invariant(Number.isInteger(n) && n >= 1 && n <= TWO_32, "a choice has between 1 and 2^32 outcomes");
    const fair = TWO_32 - (TWO_32 % n);
    let drawn = this.next();
    while (drawn >= fair) drawn = this.next();
    return drawn % n;
  }

  /** True `numerator` times out of `denominator`. Always draws, so that a probability of 0 keeps the stream in step. */
  chance(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i += 4) {
      const word = this.next();
      for (let k = 0; k < 4 && i + k < count; k++) bytes[i + k] = word >>> (8 * k);
    }
    return bytes;
  }

  /**
   * An independent stream. It depends on this generator's seed and the label, not on how much was drawn before: a new
   * fork or draw somewhere does not reshuffle the others. The same label gives the same stream: number what repeats.
   */
  fork(label: string): Prng {
    let low = (FNV_OFFSET ^ this.#seedLow) | 0;
    let high = mix(this.#seedHigh ^ FNV_OFFSET);
    for (let i = 0; i < label.length; i++) {
      const unit = label.charCodeAt(i);
      low = Math.imul(low ^ unit, FNV_PRIME);
      high = mix(high + unit + i);
    }
    // Both halves of the seed reach both halves of the result; 53 bits make a safe integer.
    const mixedLow = mix(low ^ Math.imul(high, 0x9e3779b1));
    const mixedHigh = mix(high ^ mixedLow) >>> 11;
    return new Prng(mixedHigh * TWO_32 + (mixedLow >>> 0));
  }
}

/** splitmix32's finisher. */
function mix(word: number): number {
  let z = word | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
}
