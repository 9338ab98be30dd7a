/**
 * What clients of a learner ask and only the leader can answer: written to it as it came, and remembered until what
 * answers it arrives (Java: Learner.request, FollowerRequestProcessor, CommitProcessor's queue of local writes,
 * Follower.pendingSyncs, LearnerZooKeeperServer.pendingRevalidations; reference, sections 4.3, 6.2 and 6.4).
 *
 * Nothing is sent twice: when the connection breaks nobody knows what became of a request, and its client must be told
 * so by losing its own connection.
 */
import type { Context, Millis } from "../actor.ts";
import { ByteArena } from "../base/arena.ts";
import { Deque } from "../base/deque.ts";
import { formatSession } from "../base/ids.ts";
import type { SessionId } from "../base/ids.ts";
import type { Reader } from "../jute/reader.ts";
import { Writer } from "../jute/writer.ts";
import type { Request } from "../pipeline/request.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { writeRequestPacket, writeRevalidate } from "../protocol/quorum-packets.ts";
import type { TxnHeader } from "../protocol/txns.ts";

const NO_BYTES = new Uint8Array(0);

interface Validation {
  readonly session: SessionId;
  readonly answer: (cx: Context, valid: boolean) => void;
}

export class Forwarding {
  /** Where packets for the leader are gathered. */
  readonly #out: Writer;
  /**
   * Forwarded and not seen again, by session. The leader proposes what one session asks in the order in which it was
   * asked, also what fails.
   */
  readonly #writes = new Map<SessionId, Deque<Request>>();
  /** SYNC names nobody: the oldest is meant. */
  readonly #syncs = new Deque<Request>();
  /** In the order in which they were asked. A session may be asked about twice. */
  readonly #validations: Validation[] = [];
  readonly #scratch = new Writer(4);
  readonly #arena = new ByteArena();

  constructor(out: Writer) {
    this.#out = out;
  }

  /** `body` is lent; what is left of it goes to the leader unchanged. */
  write(request: Request, body: Reader): void {
    // A multi's txn does not say which of its creates are answered with a Stat: what was asked for does.
    if (request.type === OpCode.multi) {
      request.body ??= this.#arena.keep(body.bytes.subarray(body.offset, body.end));
    }
    this.#send(request, body.bytes, body.offset, body.end);
    this.#remember(request);
  }

  createSession(request: Request, timeout: Millis): void {
    const w = this.#scratch.clear();
    w.int(timeout);
    this.#send(request, w.bytes, 0, w.length);
    this.#remember(request);
  }

  sync(request: Request): void {
    const body = request.body ?? NO_BYTES;
    this.#send(request, body, 0, body.length);
    this.#syncs.push(request);
  }

  revalidate(session: SessionId, timeout: Millis, answer: (cx: Context, valid: boolean) => void): void {
    writeRevalidate(this.#out, session, timeout);
    this.#validations.push({ session, answer });
  }

  /**
   * The request of a client here that became the txn of this header, and forgets it; undefined where the txn is somebody
   * else's. Txns must be asked about in the order of their zxids.
   */
  match(header: TxnHeader): Request | undefined {
    const queue = this.#writes.get(header.clientId);
    if (queue === undefined) return undefined;
    const request = queue.peek();
    // A server's own closeSession has cxid 0, as has a createSession: they must not be taken for each other.
    const isOurs =
      request !== undefined &&
      request.xid === header.cxid &&
      (request.type === OpCode.createSession) === (header.type === OpCode.createSession);
    if (isOurs) queue.shift();
    // The last that comes of a session is its closeSession, or the refusal of what came behind that.
    const mayBeLast = header.type === OpCode.closeSession || header.type === OpCode.error;
    if (mayBeLast && queue.length === 0) this.#writes.delete(header.clientId);
    return isOurs ? request : undefined;
  }

  /** The sync that the leader's SYNC answers; undefined when none is waiting. */
  takeSync(): Request | undefined {
    return this.#syncs.shift();
  }

  /** The leader's answer to {@link revalidate}. */
  onRevalidated(cx: Context, session: SessionId, valid: boolean): void {
    const at = this.#validations.findIndex((validation) => validation.session === session);
    if (at < 0) {
      return cx.facts.log("debug", "nobody asked about this session", { session: formatSession(session) });
    }
    const [validation] = this.#validations.splice(at, 1);
    validation!.answer(cx, valid);
  }

  #send(request: Request, body: Uint8Array, start: number, end: number): void {
    writeRequestPacket(this.#out, request.session, request.xid, request.type, body, start, end, request.ids);
  }

  #remember(request: Request): void {
    let queue = this.#writes.get(request.session);
    if (queue === undefined) {
      queue = new Deque();
      this.#writes.set(request.session, queue);
    }
    queue.push(request);
  }
}
