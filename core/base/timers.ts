/**
 * The few named deadlines of one component. The host sees only their minimum, through `Actor.deadline()`; arming again
 * moves a timer, so there is no cancelled timer whose late firing must be guarded against.
 */
import type { Millis } from "../actor.ts";
import { invariant } from "../invariant.ts";

/** Meant for a handful of names: every operation looks at all of them. For many keys see buckets.ts. */
export class TimerTable<Name extends string> {
  readonly #names: Name[] = [];
  /** Infinity where disarmed; names keep their place, so that ties fall in the order in which names first appeared. */
  readonly #at: Millis[] = [];
  #earliest: Millis = Infinity;

  /** Sets or moves the deadline of `name`. */
  arm(name: Name, at: Millis): void {
    invariant(!Number.isNaN(at), "a deadline is a number");
    let slot = this.#names.indexOf(name);
    if (slot < 0) {
      slot = this.#names.push(name) - 1;
      this.#at.push(Infinity);
    }
    this.#set(slot, at);
  }

  disarm(name: Name): void {
    const slot = this.#names.indexOf(name);
    if (slot >= 0) this.#set(slot, Infinity);
  }

  isArmed(name: Name): boolean {
    const slot = this.#names.indexOf(name);
    return slot >= 0 && this.#at[slot]! !== Infinity;
  }

  /** Infinity when nothing is armed. */
  earliest(): Millis {
    return this.#earliest;
  }

  /** Disarms and names the most overdue timer whose deadline is at or before `now`. Call until undefined. */
  takeExpired(now: Millis): Name | undefined {
    if (this.#earliest > now || this.#earliest === Infinity) return undefined;
    const slot = this.#at.indexOf(this.#earliest);
    this.#set(slot, Infinity);
    return this.#names[slot];
  }

  #set(slot: number, at: Millis): void {
    const before = this.#at[slot]!;
    this.#at[slot] = at;
    if (at <= this.#earliest) this.#earliest = at;
    else if (before === this.#earliest) {
      this.#earliest = Infinity;
      for (const other of this.#at) if (other < this.#earliest) this.#earliest = other;
    }
  }
}
