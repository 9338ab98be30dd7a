/**
 * How many connections may open or resume a session per time: a token bucket, with the random early refusal of BLUE on
 * top when a freeze time is set (Java: BlueThrottle; reference, section 10.4). Who gets no token is closed on its
 * ConnectRequest.
 */
import type { Millis } from "../actor.ts";
import type { Prng } from "../base/prng.ts";
import type { ConnectionThrottleConfig } from "../config.ts";

const TWO_32 = 0x1_0000_0000;

/** What a connection asks for; weighted, they cost differently. */
export type Admission = "global" | "local" | "renew";

export class ConnectionThrottle {
  readonly #config: ConnectionThrottleConfig;
  readonly #prng: Prng;
  readonly #weights: Readonly<Record<Admission, number>>;
  readonly #tokensMax: number;
  readonly #fillCount: number;
  #tokens: number;
  #filledAt: Millis;
  #adjustedAt: Millis;
  #dropChance = 0;

  constructor(config: ConnectionThrottleConfig, prng: Prng, now: Millis) {
    this.#config = config;
    this.#prng = prng;
    this.#weights = weightsOf(config);
    // With weights, tokens are configured in units of global sessions.
    const unit = config.weightEnabled ? this.#weights.global : 1;
    this.#tokensMax = config.tokens * unit;
    this.#fillCount = config.fillCount * unit;
    this.#tokens = this.#tokensMax;
    this.#filledAt = now;
    this.#adjustedAt = now;
  }

  /** Takes the tokens for one connection, or says no. */
  admit(admission: Admission, now: Millis): boolean {
    if (this.#tokensMax === 0) return true;
    this.#fill(now);
    if (this.#config.freezeTime !== -1 && this.#dropsEarly(now)) return false;
    const needed = this.#weights[admission];
    if (this.#tokens < needed) return false;
    this.#tokens -= needed;
    return true;
  }

  get tokens(): number {
    return this.#tokens;
  }
  /** The tokens missing from a full bucket (mntr). */
  get deficit(): number {
    return this.#tokensMax - this.#tokens;
  }
  /** The chance, from 0 to 1, that a connection is refused whatever the bucket holds. */
  get dropChance(): number {
    return this.#dropChance;
  }

  #fill(now: Millis): void {
    const passed = now - this.#filledAt;
    const { fillTime } = this.#config;
    if (passed <= fillTime) return;
    const filled = fillTime > 0 ? Math.trunc((passed * this.#fillCount) / fillTime) : this.#tokensMax;
    this.#tokens = Math.min(this.#tokens + filled, this.#tokensMax);
    this.#filledAt = now;
  }

  /** An empty bucket raises the chance, a nearly full one lowers it, at most once per freeze time. */
  #dropsEarly(now: Millis): boolean {
    const { freezeTime, decreaseRatio, dropIncrease, dropDecrease } = this.#config;
    if (now - this.#adjustedAt > freezeTime) {
      if (this.#tokens === 0) this.#dropChance = Math.min(this.#dropChance + dropIncrease, 1);
      else if (this.deficit <= Math.round(this.#tokensMax * decreaseRatio)) {
        this.#dropChance = Math.max(this.#dropChance - dropDecrease, 0);
      }
      this.#adjustedAt = now;
    }
    return this.#prng.next() / TWO_32 < this.#dropChance;
  }
}

/** Nonsense falls back to the defaults, and nothing may cost less than a local session. */
function weightsOf(config: ConnectionThrottleConfig): Readonly<Record<Admission, number>> {
  if (!config.weightEnabled) return { global: 1, local: 1, renew: 1 };
  const { globalSessionWeight, localSessionWeight, renewSessionWeight } = config;
  return {
    global: globalSessionWeight <= 0 ? 3 : Math.max(globalSessionWeight, localSessionWeight),
    local: localSessionWeight <= 0 ? 1 : localSessionWeight,
    renew: renewSessionWeight <= 0 ? 2 : Math.max(renewSessionWeight, localSessionWeight),
  };
}
