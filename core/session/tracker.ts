/**
 * Which sessions there are, when each expires, and who serves it (Java: SessionTrackerImpl; reference, sections 2.3 to
 * 2.5). Time comes in from outside. Expiry only names the sessions: closing them is a txn, and the caller's. Ephemerals
 * are the tree's, connections the server's.
 *
 * A session lives through: created (here only, its txn on the way) → committed (part of snapshots) → closing (refuses
 * requests, its closeSession on the way) → removed.
 */
import type { Millis } from "../actor.ts";
import { Buckets } from "../base/buckets.ts";
import type { ServerId, SessionId } from "../base/ids.ts";
import { invariant } from "../invariant.ts";
import { Code } from "../protocol/codes.ts";

/** One session. Those who hold it may pass it to {@link SessionTracker.renew}, which saves a lookup per request. */
export interface Session {
  readonly id: SessionId;
  /** The timeout of the createSession txn. Resuming with another one does not change it. */
  readonly timeout: Millis;
  readonly committed: boolean;
  readonly closing: boolean;
  /** The connection, or the learner, that serves it; compared by identity. */
  readonly owner: unknown;
}

interface TrackedSession extends Session {
  timeout: Millis;
  committed: boolean;
  closing: boolean;
  owner: unknown;
}

/** An owner of this value marks a node as container (Java: EphemeralType.CONTAINER_EPHEMERAL_OWNER). */
const CONTAINER_OWNER = -0x8000000000000000n;
/** Where 0xff in the top byte marks the owner of a TTL node. */
const EXTENDED_SERVER_ID_MAX = 254;

/** Whether a server of this id may give out session ids (Java: EphemeralType.validateServerId). */
export function isValidServerId(serverId: number, extendedTypes: boolean): boolean {
  return Number.isInteger(serverId) && serverId >= 0 && (!extendedTypes || serverId <= EXTENDED_SERVER_ID_MAX);
}

/** The first id: the server's in the top byte, then 40 bits of `clock`, then a 16-bit counter from 0. */
export function firstSessionId(serverId: ServerId | number, clock: Millis): SessionId {
  const server = BigInt.asUintN(8, BigInt(serverId)) << 56n;
  const id = BigInt.asIntN(64, server | (BigInt.asUintN(40, BigInt(Math.floor(clock))) << 16n));
  return (id === CONTAINER_OWNER ? id + 1n : id) as SessionId;
}

export class SessionTracker {
  readonly #sessions = new Map<SessionId, TrackedSession>();
  readonly #deadlines: Buckets<TrackedSession>;
  #nextId: SessionId;

  /**
   * `seedFrom` must be later at every start of the same server, or ids could return: a machine's uptime (Java) or the
   * wall clock, not a process's age.
   */
  constructor(tickTime: Millis, serverId: ServerId | number, seedFrom: Millis) {
    this.#deadlines = new Buckets(tickTime);
    this.#nextId = firstSessionId(serverId, seedFrom);
  }

  /** A new session. Skips ids in use: a clock set back must not hand out one that was recovered. */
  create(timeout: Millis, now: Millis): SessionId {
    while (this.#sessions.has(this.#nextId)) this.#step();
    const id = this.#nextId;
    this.#step();
    this.#track(id, timeout, now);
    return id;
  }

  /**
   * The session is a fact: its createSession was applied, or recovery found it. One not known yet gets a full timeout
   * from `now`; one known keeps its deadline.
   */
  add(id: SessionId, timeout: Millis, now: Millis): void {
    const session = this.#sessions.get(id) ?? this.#track(id, timeout, now);
    session.timeout = timeout;
    session.committed = true;
  }

  /**
   * Something was heard of the session: it lives until `now + timeout`, rounded up to ticks. `timeout` is what its
   * connection negotiated. False when it is unknown or closing.
   */
  touch(id: SessionId, timeout: Millis, now: Millis): boolean {
    const session = this.#sessions.get(id);
    return session !== undefined && this.#renew(session, timeout, now);
  }

  /** {@link touch} for those who hold the session. One that was removed meanwhile is closing too. */
  renew(session: Session, timeout: Millis, now: Millis): boolean {
    return this.#renew(session as TrackedSession, timeout, now);
  }

  get(id: SessionId): Session | undefined {
    return this.#sessions.get(id);
  }
  /** Whether requests of the session are to be served. */
  isLive(id: SessionId): boolean {
    return this.#sessions.get(id)?.closing === false;
  }
  /** Whether its closeSession is on the way. False for an unknown one. */
  isClosing(id: SessionId): boolean {
    return this.#sessions.get(id)?.closing === true;
  }
  /** Requests are refused from now on; it stays, its deadline too, until {@link remove}. */
  setClosing(id: SessionId): void {
    const session = this.#sessions.get(id);
    if (session !== undefined) session.closing = true;
  }
  /** The closeSessions on the way came to nothing (the log had no room): those sessions live on with a full timeout. */
  reopenClosing(now: Millis): void {
    for (const session of this.#sessions.values()) {
      if (!session.closing) continue;
      session.closing = false;
      this.#deadlines.touch(session, now + session.timeout);
    }
  }
  /** Its closeSession was applied, or its creation failed. */
  remove(id: SessionId): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.closing = true;
    this.#deadlines.remove(session);
    this.#sessions.delete(id);
  }

  /** The session moved to `owner`: whoever had it is answered with SESSIONMOVED from now on. */
  setOwner(id: SessionId, owner: unknown): boolean {
    const session = this.#sessions.get(id);
    if (session === undefined || session.closing) return false;
    session.owner = owner;
    return true;
  }
  /** Whether `owner` may act for the session. The first to ask about an unowned one gets it. */
  checkOwner(
    id: SessionId,
    owner: unknown,
  ): typeof Code.OK | typeof Code.UNKNOWNSESSION | typeof Code.SESSIONEXPIRED | typeof Code.SESSIONMOVED {
    const session = this.#sessions.get(id);
    if (session === undefined) return Code.UNKNOWNSESSION;
    if (session.closing) return Code.SESSIONEXPIRED;
    session.owner ??= owner;
    return session.owner === owner ? Code.OK : Code.SESSIONMOVED;
  }

  /** When {@link takeExpired} will next have something; Infinity when never. */
  earliest(): Millis {
    return this.#deadlines.earliest();
  }
  /** Sessions whose time is up, in the order of their deadlines. They are closing now; the caller submits the rest. */
  takeExpired(now: Millis): SessionId[] {
    return this.#deadlines.takeExpired(now).map((session) => {
      session.closing = true;
      return session.id;
    });
  }

  /** All there are, created and closing ones included. */
  get size(): number {
    return this.#sessions.size;
  }
  /** Committed sessions and the timeouts they were created with: what a snapshot holds. */
  *committed(): Iterable<readonly [id: SessionId, timeout: Millis]> {
    for (const session of this.#sessions.values()) if (session.committed) yield [session.id, session.timeout];
  }
  /** Deadlines, soonest first, with the sessions that have them: for people. */
  *deadlines(): Iterable<readonly [at: Millis, sessions: readonly SessionId[]]> {
    for (const [at, sessions] of this.#deadlines.entries()) yield [at, Array.from(sessions, ({ id }) => id)];
  }

  #track(id: SessionId, timeout: Millis, now: Millis): TrackedSession {
    invariant(!this.#sessions.has(id), "a session id is given once");
    const session: TrackedSession = { id, timeout, committed: false, closing: false, owner: undefined };
    this.#sessions.set(id, session);
    this.#deadlines.touch(session, now + timeout);
    return session;
  }

  #renew(session: TrackedSession, timeout: Millis, now: Millis): boolean {
    if (session.closing) return false;
    this.#deadlines.touch(session, now + timeout);
    return true;
  }

  #step(): void {
    this.#nextId = BigInt.asIntN(64, this.#nextId + 1n) as SessionId;
  }
}
