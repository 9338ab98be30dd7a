/**
 * Which sessions there are, when each expires, and who serves it (Java: SessionTrackerImpl, LeaderSessionTracker,
 * LearnerSessionTracker; reference, sections 2.3 to 2.5 and 5). Time comes in from outside. Expiry only names the
 * sessions: closing them is a txn, and the caller's. Ephemerals are the tree's, connections the server's.
 *
 * A session lives through: created (here only, its txn on the way) → committed (part of snapshots) → closing (refuses
 * requests, its closeSession on the way) → removed.
 *
 * On a learner nothing expires: what is heard of a session is noted for the leader ({@link SessionTracker.takeTouched}).
 * Sessions that only this server knows are in {@link SessionTracker.local}, and expire wherever they are.
 */
import type { Millis } from "../actor.ts";
import { Buckets } from "../base/buckets.ts";
import type { ServerId, SessionId } from "../base/ids.ts";
import { invariant } from "../invariant.ts";
import { Code } from "../protocol/codes.ts";
import { LocalSessions } from "./local-sessions.ts";
import type { Session, TrackedSession } from "./session.ts";
import { newSession } from "./session.ts";

export type { Session } from "./session.ts";

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

/** What a session's client did, as a learner reports it to its leader. */
export interface SessionTouch {
  readonly id: SessionId;
  /** What its connection negotiated. */
  readonly timeout: Millis;
}

const NO_TOUCHES: readonly SessionTouch[] = [];

/** Where orphans are looked for: a DataTree. */
export interface EphemeralOwners {
  sessionsWithEphemerals(): Iterable<bigint>;
}

export class SessionTracker {
  readonly local: LocalSessions;
  readonly #serverId: bigint;
  readonly #tickTime: Millis;
  readonly #sessions = new Map<SessionId, TrackedSession>();
  #deadlines: Buckets<TrackedSession>;
  #nextId: SessionId;
  /** Deadlines are a leader's to keep; touches are noted for it. */
  #learning = false;
  #touched: TrackedSession[] = [];
  /** Counts touch tables: a session whose `touchRound` is another has not been noted yet. */
  #round = 1;

  /**
   * `seedFrom` must be later at every start of the same server, or ids could return: a machine's uptime (Java) or the
   * wall clock, not a process's age.
   */
  constructor(tickTime: Millis, serverId: ServerId | number, seedFrom: Millis) {
    this.local = new LocalSessions(tickTime);
    this.#tickTime = tickTime;
    this.#serverId = BigInt.asUintN(8, BigInt(serverId));
    this.#deadlines = new Buckets(tickTime);
    this.#nextId = firstSessionId(serverId, seedFrom);
  }

  /**
   * A role begins: whatever was on its way in the last one is forgotten (sessions that were created only here, those
   * that were closing live on), nobody serves anything yet, and on a leader every session has its full timeout.
   */
  beginRole(role: "leader" | "learner", now: Millis): void {
    this.#learning = role === "learner";
    this.#deadlines = new Buckets(this.#tickTime);
    this.#forgetTouched();
    this.local.clear();
    for (const session of this.#sessions.values()) {
      // Whoever still holds one that was never committed must find it over.
      if (!session.committed) {
        session.closing = true;
        this.#sessions.delete(session.id);
        continue;
      }
      session.owner = undefined;
      session.closing = false;
      this.#begin(session, now);
    }
  }

  /** Another history takes the place of this one: these are its committed sessions, and there are no others. */
  replaceAll(sessions: Iterable<readonly [id: SessionId, timeout: Millis]>, now: Millis): void {
    for (const session of this.#sessions.values()) session.closing = true;
    this.#sessions.clear();
    this.#deadlines = new Buckets(this.#tickTime);
    this.#forgetTouched();
    this.local.clear();
    for (const [id, timeout] of sessions) this.add(id, timeout, now);
  }

  /** A new session. Skips ids in use: a clock set back must not hand out one that was recovered. */
  create(timeout: Millis, now: Millis): SessionId {
    const id = this.#takeId();
    this.#track(id, timeout, now);
    return id;
  }

  /** A new session that stays here; reference, section 5.4. */
  createLocal(timeout: Millis, now: Millis): SessionId {
    const id = this.#takeId();
    this.local.add(id, timeout, now);
    return id;
  }

  /**
   * A local session is to become a global one: from here on it is like one just created, and is noted for the leader,
   * so that it cannot end here while its createSession is on the way (ZOOKEEPER-3471). Its timeout, or undefined when
   * there is no such local session.
   */
  upgrade(id: SessionId, now: Millis): Millis | undefined {
    const session = this.local.take(id);
    if (session === undefined) return undefined;
    session.local = false;
    this.#sessions.set(id, session);
    this.#begin(session, now);
    return session.timeout;
  }

  /**
   * The session as far as it is known, or else as one whose createSession is still to be heard of: a leader may say
   * that a session is valid before this server has seen the commit, or prepare one that a learner gave its id.
   */
  ensure(id: SessionId, timeout: Millis, now: Millis): Session {
    return this.#sessions.get(id) ?? this.#track(id, timeout, now);
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

  /** A learner reports `id` as touched. Sessions nobody knows are no news: they ended meanwhile. */
  touchFromLearner(id: SessionId, timeout: Millis, now: Millis): void {
    this.touch(id, Math.max(0, timeout), now);
  }

  /** What was touched since the last call, once each, with the timeout it was last touched with. */
  takeTouched(): readonly SessionTouch[] {
    const touched = this.#touched;
    if (touched.length === 0) return NO_TOUCHES;
    this.#forgetTouched();
    return touched.map(({ id, touchTimeout }) => ({ id, timeout: touchTimeout }));
  }

  /**
   * May a client go on with session `id` at `owner`? If so it is touched, and `owner` serves it from now on: whoever
   * did is answered with SESSIONMOVED (Java: LearnerHandler, REVALIDATE; ZooKeeperServer.reopenSession).
   */
  reopen(id: SessionId, timeout: Millis, owner: unknown, now: Millis): boolean {
    return this.touch(id, timeout, now) && this.setOwner(id, owner);
  }

  get(id: SessionId): Session | undefined {
    return this.#sessions.get(id);
  }
  /** Whether requests of the session are to be served. */
  isLive(id: SessionId): boolean {
    return this.#sessions.get(id)?.closing === false;
  }
  /** Whether the session's id was given by this server, at any time. */
  isOfThisServer(id: SessionId): boolean {
    return BigInt.asUintN(8, id >> 56n) === this.#serverId;
  }
  /** Owners of ephemerals that are no sessions any more: on a leader each gets a closeSession txn (reference, 5.2). */
  orphans(tree: EphemeralOwners): readonly SessionId[] {
    const owners = [...tree.sessionsWithEphemerals()] as SessionId[];
    return owners.filter((id) => !this.#sessions.has(id));
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
      this.#begin(session, now);
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
    const session = newSession(id, timeout, false);
    this.#sessions.set(id, session);
    this.#begin(session, now);
    return session;
  }

  #begin(session: TrackedSession, now: Millis): void {
    if (!this.#learning) this.#deadlines.touch(session, now + session.timeout);
  }

  #renew(session: TrackedSession, timeout: Millis, now: Millis): boolean {
    if (session.local) return this.local.renew(session, timeout, now);
    if (session.closing) return false;
    if (!this.#learning) this.#deadlines.touch(session, now + timeout);
    else if (session.touchRound !== this.#round || session.touchTimeout !== timeout) this.#note(session, timeout);
    return true;
  }

  #note(session: TrackedSession, timeout: Millis): void {
    session.touchTimeout = timeout;
    if (session.touchRound === this.#round) return;
    session.touchRound = this.#round;
    this.#touched.push(session);
  }

  #forgetTouched(): void {
    this.#touched = [];
    this.#round++;
  }

  #takeId(): SessionId {
    while (this.#sessions.has(this.#nextId) || this.local.get(this.#nextId) !== undefined) this.#step();
    const id = this.#nextId;
    this.#step();
    return id;
  }

  #step(): void {
    this.#nextId = BigInt.asIntN(64, this.#nextId + 1n) as SessionId;
  }
}
