/** The host's only timer: it goes off at or after the instant it was last set to, never before, or not at all. */
import type { Millis } from "../core/actor.ts";

/** The longest that setTimeout can wait. */
const TIMEOUT_MAX = 0x7fff_ffff;

export class Wake {
  readonly #now: () => Millis;
  readonly #due: () => void;
  #timer: NodeJS.Timeout | undefined;
  #timerAt: Millis = Infinity;
  #wanted: Millis = Infinity;

  constructor(now: () => Millis, due: () => void) {
    this.#now = now;
    this.#due = due;
  }

  /**
   * Infinity means never. A timer that is running for an earlier instant is left alone: it looks again when it goes
   * off, which is cheaper than starting a new one whenever a deadline moves away, as deadlines mostly do.
   */
  set(at: Millis): void {
    this.#wanted = at;
    if (at < this.#timerAt) this.#start(at);
  }

  stop(): void {
    this.#wanted = Infinity;
    this.#timerAt = Infinity;
    clearTimeout(this.#timer);
  }

  #start(at: Millis): void {
    clearTimeout(this.#timer);
    this.#timerAt = at;
    const delay = Math.min(Math.max(at - this.#now(), 1), TIMEOUT_MAX);
    this.#timer = setTimeout(() => this.#fired(), delay);
  }

  #fired(): void {
    this.#timerAt = Infinity;
    if (this.#wanted === Infinity) return;
    if (this.#now() < this.#wanted) return this.#start(this.#wanted);
    this.#wanted = Infinity;
    this.#due();
  }
}
