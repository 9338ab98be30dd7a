/**
 * What time it is for one process: a monotonic clock that may run a little fast or slow, and a wall clock that may be
 * wrong and may be stepped. Neither is the world's clock; an actor that mixes clocks of two processes up is found out.
 */
import type { Millis } from "../core/actor.ts";
import type { Micros } from "./events.ts";
import { MICROS_PER_MILLI } from "./events.ts";

export interface ClockProfile {
  /** Parts per million that the process's clocks run fast (negative: slow). */
  readonly drift: number;
  /** What the monotonic clock shows when the world begins: real ones count from some boot. */
  readonly monotonicOrigin: Millis;
  /** What the wall clock shows when the world begins. */
  readonly wallOrigin: Millis;
  /** A timer fires this much late at most. */
  readonly timerSlack: Micros;
}

/** 2024-02-29T12:00:00Z: a plausible instant, so that what is written into stats looks like one. */
export const WALL_ORIGIN: Millis = 1_709_208_000_000;

export const STEADY_CLOCK: ClockProfile = Object.freeze({
  drift: 0,
  monotonicOrigin: 1000,
  wallOrigin: WALL_ORIGIN,
  timerSlack: 0,
});

const PER_MILLION = 1_000_000;

export class Clock {
  readonly #profile: ClockProfile;
  #wallSteps: Millis = 0;

  constructor(profile: ClockProfile) {
    this.#profile = profile;
  }

  monotonic(now: Micros): Millis {
    return this.#profile.monotonicOrigin + this.#elapsed(now);
  }

  wall(now: Micros): Millis {
    return this.#profile.wallOrigin + this.#elapsed(now) + this.#wallSteps;
  }

  /** Steps the wall clock, either way. */
  stepWall(by: Millis): void {
    this.#wallSteps += by;
  }

  /** The first instant of the world at which the monotonic clock shows `deadline` or more. */
  whenMonotonic(deadline: Millis): Micros {
    if (deadline === Infinity) return Infinity;
    const elapsed = (deadline - this.#profile.monotonicOrigin) * MICROS_PER_MILLI;
    if (elapsed <= 0) return 0;
    const drift = this.#profile.drift;
    if (drift === 0) return elapsed;
    let at = Math.floor((elapsed / (PER_MILLION + drift)) * PER_MILLION);
    // The division rounds; what counts is that a deadline never comes early by this very clock.
    while (this.monotonic(at) < deadline) at++;
    return at;
  }

  #elapsed(now: Micros): Millis {
    const { drift } = this.#profile;
    const local = drift === 0 ? now : now + Math.floor((now * drift) / PER_MILLION);
    return Math.floor(local / MICROS_PER_MILLI);
  }
}
