/**
 * Sessions that only this server knows: no txn makes or ends them, they own nothing, and they end here when their time
 * is up, on learners too (Java: UpgradeableSessionTracker, the local half; reference, section 5.4). The first ephemeral
 * makes one global: {@link makesEphemeral} tells, SessionTracker.upgrade moves it over.
 */
import type { Millis } from "../actor.ts";
import { Buckets } from "../base/buckets.ts";
import type { SessionId } from "../base/ids.ts";
import { Reader } from "../jute/reader.ts";
import { readMultiRequest } from "../protocol/multi.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { CreateMode, readCreateRequest } from "../protocol/requests.ts";
import type { Session, TrackedSession } from "./session.ts";
import { newSession } from "./session.ts";

export class LocalSessions {
  readonly #sessions = new Map<SessionId, TrackedSession>();
  readonly #deadlines: Buckets<TrackedSession>;

  constructor(tickTime: Millis) {
    this.#deadlines = new Buckets(tickTime);
  }

  /** `id` is from the same generator as those of global sessions: it may become one. */
  add(id: SessionId, timeout: Millis, now: Millis): Session {
    const session = newSession(id, timeout, true);
    this.#sessions.set(id, session);
    this.#deadlines.touch(session, now + timeout);
    return session;
  }

  get(id: SessionId): Session | undefined {
    return this.#sessions.get(id);
  }
  get size(): number {
    return this.#sessions.size;
  }

  /** False when its time is up already. */
  renew(session: TrackedSession, timeout: Millis, now: Millis): boolean {
    if (session.closing) return false;
    this.#deadlines.touch(session, now + timeout);
    return true;
  }

  /** Its client said that it ends: nothing more is taken from it. It stays until {@link remove}. */
  setClosing(id: SessionId): void {
    const session = this.#sessions.get(id);
    if (session !== undefined) session.closing = true;
  }

  /** Whoever holds it finds it closing. */
  remove(id: SessionId): void {
    const session = this.take(id);
    if (session !== undefined) session.closing = true;
  }

  /** Takes it out, to live on elsewhere. */
  take(id: SessionId): TrackedSession | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    this.#deadlines.remove(session);
    this.#sessions.delete(id);
    return session;
  }

  earliest(): Millis {
    return this.#deadlines.earliest();
  }
  /** Sessions whose time is up, in the order of their deadlines; they are no more. */
  takeExpired(now: Millis): SessionId[] {
    return this.#deadlines.takeExpired(now).map((session) => {
      session.closing = true;
      this.#sessions.delete(session.id);
      return session.id;
    });
  }

  /** Deadlines, soonest first, with the sessions that have them: for people. */
  *deadlines(): Iterable<readonly [at: Millis, sessions: readonly SessionId[]]> {
    for (const [at, sessions] of this.#deadlines.entries()) yield [at, Array.from(sessions, ({ id }) => id)];
  }

  clear(): void {
    for (const session of this.#sessions.values()) {
      session.closing = true;
      this.#deadlines.remove(session);
    }
    this.#sessions.clear();
  }
}

/**
 * Whether a request needs a global session: a create of an ephemeral, also as a part of a multi (ZOOKEEPER-2725). What
 * cannot be decoded does not: it will be refused for that.
 */
export function makesEphemeral(type: number, body: Reader): boolean {
  if (type !== OpCode.create && type !== OpCode.create2 && type !== OpCode.multi) return false;
  const copy = new Reader(body.bytes, body.offset, body.end, body.lengthMax);
  if (type !== OpCode.multi) {
    const { flags } = readCreateRequest(copy);
    return !copy.failed && isEphemeral(flags);
  }
  for (const op of readMultiRequest(copy) ?? []) {
    const creates = op.type === OpCode.create || op.type === OpCode.create2;
    if (creates && isEphemeral(op.request.flags)) return true;
  }
  return false;
}

function isEphemeral(flags: number): boolean {
  return flags === CreateMode.ephemeral || flags === CreateMode.ephemeralSequential;
}
