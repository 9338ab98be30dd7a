/** The instants that follow from a session's timeout and from when the server was last heard of (reference, 2.10). */
import type { Millis } from "../actor.ts";
import type { ClientConfig } from "./config.ts";

const PING_INTERVAL_MAX: Millis = 10_000;
/** Room for a ping to arrive before half the read timeout is over. */
const PING_MARGIN: Millis = 1000;

export class SessionTimes {
  /** The session's, as negotiated. */
  timeout: Millis;
  /** For one step of connecting, so that every server gets its chance within the session's timeout. */
  attempt: Millis = 0;
  readonly #serverCount: number;
  /** Silence after which the connection is given up: early enough to reach another server in time. */
  #silence: Millis = 0;
  #pingAfter: Millis = 0;
  #lastHeard: Millis = 0;
  #lastSent: Millis = 0;

  constructor(config: ClientConfig, serverCount: number) {
    this.#serverCount = serverCount;
    this.timeout = config.sessionTimeout;
    this.#derive();
  }

  negotiated(timeout: Millis, now: Millis): void {
    this.timeout = timeout;
    this.#derive();
    this.#lastHeard = now;
    this.#lastSent = now;
  }

  heard(now: Millis): void {
    this.#lastHeard = now;
  }
  sent(now: Millis): void {
    this.#lastSent = now;
  }

  get silentAt(): Millis {
    return this.#lastHeard + this.#silence;
  }
  get pingAt(): Millis {
    return this.#lastSent + this.#pingAfter;
  }
  get nextAt(): Millis {
    return Math.min(this.#lastHeard + this.#silence, this.#lastSent + this.#pingAfter);
  }
  /** When the session must be over on any server. */
  get expireAt(): Millis {
    return this.#lastHeard + Math.floor((this.timeout * 4) / 3);
  }

  #derive(): void {
    this.attempt = Math.max(Math.floor(this.timeout / this.#serverCount), 1);
    this.#silence = Math.max(Math.floor((this.timeout * 2) / 3), 1);
    const half = Math.floor(this.#silence / 2);
    const early = half <= PING_MARGIN ? half : Math.max(half - PING_MARGIN, PING_MARGIN);
    this.#pingAfter = Math.max(Math.min(early, PING_INTERVAL_MAX), 1);
  }
}
