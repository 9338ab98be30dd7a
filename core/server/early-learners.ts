/**
 * Connections to the quorum port of a server that does not lead, or not yet: others may have counted the votes before it
 * did (in Java they find nobody listening, and try again). They are not read until it leads, and not kept for long: a
 * learner that waits for the wrong server takes no part in the next election.
 */
import type { Address, ConnId, Context, Millis } from "../actor.ts";
import { EARLY_LEARNERS_MAX, EARLY_LEARNER_HOLD } from "../limits.ts";

export interface EarlyLearner {
  readonly conn: ConnId;
  readonly from: Address;
}

export class EarlyLearners {
  readonly #waiting: Map<ConnId, { readonly from: Address; readonly until: Millis }> = new Map();

  keep(cx: Context, conn: ConnId, from: Address): void {
    if (this.#waiting.size >= EARLY_LEARNERS_MAX) return cx.close(conn);
    this.#waiting.set(conn, { from, until: cx.now + EARLY_LEARNER_HOLD });
    cx.pause(conn);
  }

  /** False when `conn` is not one of them. */
  onClosed(conn: ConnId): boolean {
    return this.#waiting.delete(conn);
  }

  /** This server leads: they are its learners. */
  take(cx: Context): EarlyLearner[] {
    const taken = Array.from(this.#waiting, ([conn, { from }]) => ({ conn, from }));
    this.#waiting.clear();
    for (const { conn } of taken) cx.resume(conn);
    return taken;
  }

  /** It does not. */
  turnAway(cx: Context): void {
    for (const conn of this.#waiting.keys()) cx.close(conn);
    this.#waiting.clear();
  }

  /** They came in order, so the first is the oldest. */
  deadline(): Millis {
    for (const { until } of this.#waiting.values()) return until;
    return Infinity;
  }
  onDeadline(cx: Context): void {
    for (const [conn, { until }] of this.#waiting) {
      if (until > cx.now) return;
      this.#waiting.delete(conn);
      cx.close(conn);
    }
  }
}
