/** What is known of one session, as the tracker and local-sessions.ts keep it (Java: SessionTrackerImpl.SessionImpl). */
import type { Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";

/** One session. Those who hold it may pass it to SessionTracker.renew, which saves a lookup per request. */
export interface Session {
  readonly id: SessionId;
  /** The timeout of the createSession txn. Resuming with another one does not change it. */
  readonly timeout: Millis;
  readonly committed: boolean;
  readonly closing: boolean;
  /** Known to this server only; reference, section 5.4. */
  readonly local: boolean;
  /** Who serves it: this server, or a learner; compared by identity. */
  readonly owner: unknown;
}

/** The same, for those who may change it. */
export interface TrackedSession extends Session {
  timeout: Millis;
  committed: boolean;
  closing: boolean;
  local: boolean;
  owner: unknown;
  /** The touch table it was last noted in, and the timeout it was noted with. */
  touchRound: number;
  touchTimeout: Millis;
}

export function newSession(id: SessionId, timeout: Millis, local: boolean): TrackedSession {
  return {
    id,
    timeout,
    committed: false,
    closing: false,
    local,
    owner: undefined,
    touchRound: 0,
    touchTimeout: 0,
  };
}
