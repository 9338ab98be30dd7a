/**
 * Requests of clients in their order (Java: ZooKeeperServer.processPacket, CommitProcessor's queues per session;
 * reference, sections 10.2 and 10.5, and of the other 6.2). A read that nothing holds up is answered straight from the
 * frame; behind a write of the same connection it waits for it. Owns who waits and who is held back; leaves deriving,
 * logging and applying to the pipeline.
 */
import type { Context, Millis } from "../actor.ts";
import { ByteArena } from "../base/arena.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { Reader } from "../jute/reader.ts";
import { REPLY_BATCH_BYTES } from "../limits.ts";
import type { Reads } from "../pipeline/reads.ts";
import type { Replies } from "../pipeline/replies.ts";
import { Request } from "../pipeline/request.ts";
import type { ServerState } from "../pipeline/state.ts";
import type { ServerStats } from "../pipeline/stats.ts";
import { Throttle } from "../pipeline/throttle.ts";
import type { ThrottleSink } from "../pipeline/throttle.ts";
import { Code } from "../protocol/codes.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { readReconfigRequest } from "../protocol/requests.ts";
import type { ClientAuth } from "./client-auth.ts";
import type { ClientLink, LinkKeeper } from "./client-link.ts";
import { Hold } from "./client-link.ts";
import type { PortServer } from "./client-port.ts";
import type { ClientSessions } from "./client-sessions.ts";

/** Types that become transactions. */
const WRITES: ReadonlySet<number> = new Set([
  OpCode.create,
  OpCode.create2,
  OpCode.createContainer,
  OpCode.createTTL,
  OpCode.delete,
  OpCode.deleteContainer,
  OpCode.setData,
  OpCode.setACL,
  OpCode.multi,
  OpCode.reconfig,
]);
const READS: ReadonlySet<number> = new Set([
  OpCode.ping,
  OpCode.exists,
  OpCode.getData,
  OpCode.getACL,
  OpCode.getChildren,
  OpCode.getChildren2,
  OpCode.multiRead,
  OpCode.checkWatches,
  OpCode.removeWatches,
  OpCode.setWatches,
  OpCode.setWatches2,
  OpCode.addWatch,
  OpCode.getEphemerals,
  OpCode.getAllChildrenNumber,
  OpCode.whoAmI,
]);
/** The zxid of a reply to a type nobody knows (Java: UnimplementedRequestProcessor). */
const ZXID_UNKNOWN = -1 as Zxid;

export class ClientRequests implements ThrottleSink {
  readonly #config: ServerConfig;
  readonly #stats: ServerStats;
  readonly #server: PortServer;
  readonly #replies: Replies;
  readonly #auth: ClientAuth;
  readonly #sessions: ClientSessions;
  readonly #keeper: LinkKeeper;
  readonly #heldBack = new Set<ClientLink>();
  /** Once the server serves; nothing that needs them happens on a connection before. */
  #state!: ServerState;
  #reads!: Reads;
  #throttle: Throttle | undefined;
  #readOnly = false;
  /** What is asked here is prepared elsewhere. */
  #learning = false;
  readonly #waitingReader: Reader;
  readonly #arena = new ByteArena();
  #largeBytes = 0;
  readonly #largeRequests = new Map<Request, number>();

  constructor(
    config: ServerConfig,
    auth: ClientAuth,
    server: PortServer,
    stats: ServerStats,
    replies: Replies,
    sessions: ClientSessions,
    keeper: LinkKeeper,
  ) {
    this.#config = config;
    this.#auth = auth;
    this.#server = server;
    this.#stats = stats;
    this.#replies = replies;
    this.#sessions = sessions;
    this.#keeper = keeper;
    const lengthMax = Math.min(config.juteMaxBuffer + config.juteMaxBufferExtra, 0x7fff_ffff);
    this.#waitingReader = new Reader(new Uint8Array(0), 0, 0, lengthMax);
  }

  serve(state: ServerState, reads: Reads): void {
    this.#state = state;
    this.#reads = reads;
    this.#throttle = this.#config.requestThrottleLimit > 0 ? new Throttle(state, this) : undefined;
    const { mode } = this.#server;
    this.#readOnly = mode === "read-only";
    this.#learning = mode === "follower" || mode === "observer";
  }

  /** Whatever was asked is answered no more. */
  unserve(): void {
    this.#throttle = undefined;
    this.#heldBack.clear();
    this.#largeRequests.clear();
    this.#largeBytes = 0;
    this.#stats.inProcess = 0;
  }

  /** The connection is gone. Reads that waited are never asked for; writes go on, and answer nobody. */
  forget(link: ClientLink): void {
    this.#heldBack.delete(link);
    for (let i = 0; i < link.parked.length; i++) {
      const request = link.parked.at(i)!;
      if (!request.done && isAnsweredHere(request)) this.#leave(request);
    }
    link.parked.clear();
  }

  deadline(): Millis {
    return this.#throttle?.deadline() ?? Infinity;
  }
  onDeadline(cx: Context): void {
    if (this.#throttle !== undefined && this.#throttle.deadline() <= cx.now) this.#throttle.pump(cx);
  }

  // From the first look at a frame to where it goes

  /** `reader` stands at the request's header; `size` is the frame's. */
  onRequest(cx: Context, link: ClientLink, reader: Reader, size: number): void {
    const xid = reader.int();
    const type = reader.int();
    if (reader.failed) return this.#keeper.close(cx, link);
    // A session that is closing has no more say: what comes after closeSession is dropped (reference, section 7.2).
    if (link.tracked!.closing) return;
    if (type === OpCode.auth) return this.#auth.onAuth(cx, link, xid, reader);
    if (type === OpCode.sasl) return this.#auth.onSasl(cx, link, xid, reader);
    if (!this.#auth.mayAsk(cx, link, xid, type)) return;
    if (!this.#admitLarge(size)) {
      this.#stats.count("large_requests_rejected");
      return this.#keeper.close(cx, link);
    }
    if (!READS.has(type) && !WRITES.has(type) && type !== OpCode.sync && type !== OpCode.closeSession) {
      cx.facts.log("warn", "closed a connection: unknown request type", { remote: link.remote, type });
      this.#reads.refuse(cx, link, xid, type, ZXID_UNKNOWN, Code.UNIMPLEMENTED);
      return this.#keeper.close(cx, link);
    }
    if (this.#throttle !== undefined) {
      if (xid > 0) link.outstanding++;
      this.#throttle.push(cx, this.#wait(cx, link, xid, type, reader));
    } else if (READS.has(type) && link.parked.length === 0) {
      this.#reads.answer(cx, link, xid, type, reader, cx.now);
    } else this.#submit(cx, link, xid, type, reader, size);
    this.#limitOutstanding(link);
  }

  /** A request that has to wait for something: a write for the disk, others behind one. */
  #submit(cx: Context, link: ClientLink, xid: number, type: number, reader: Reader, size: number): void {
    if (xid > 0) link.outstanding++;
    if (READS.has(type)) this.#park(link, this.#wait(cx, link, xid, type, reader), size);
    else this.#dispatch(cx, link, new Request(link, link.session, xid, type, cx.now), reader, size);
  }

  /** A request that is no read: answered from here in its turn, or passed on. */
  #dispatch(cx: Context, link: ClientLink, request: Request, body: Reader, size: number): void {
    const { type } = request;
    if (type === OpCode.closeSession && link.tracked!.local) return this.#endLocal(cx, link, request);
    const refusal = this.#refusalOf(cx, link, type, body);
    if (refusal !== Code.OK) return this.refuse(cx, request, refusal);
    // A leader may have stepped down over the upgrade of a session.
    if (link.phase === "closing") return;
    this.#park(link, request, size);
    if (type === OpCode.sync) {
      request.body ??= this.#arena.keep(body.bytes.subarray(body.offset, body.end));
      return this.#server.submitBarrier(cx, request);
    }
    // Elsewhere prepare does this, in the same event.
    if (this.#learning && type === OpCode.closeSession) this.#state.sessions.setClosing(link.session);
    this.#server.submitWrite(cx, request, body);
  }

  /** What a write is answered instead of becoming a transaction. */
  #refusalOf(cx: Context, link: ClientLink, type: number, body: Reader): number {
    if (this.#readOnly) return Code.NOTREADONLY;
    if (type === OpCode.sync) return Code.OK;
    if (this.#server.refusingWrites) return Code.NOTREADONLY;
    // The one request that Java decodes before it gives a zxid.
    if (type === OpCode.reconfig) {
      const copy = new Reader(body.bytes, body.offset, body.end, body.lengthMax);
      readReconfigRequest(copy);
      if (copy.failed) return Code.MARSHALLINGERROR;
    }
    return link.tracked!.local ? this.#sessions.admitLocal(cx, link, type, body) : Code.OK;
  }

  #endLocal(cx: Context, link: ClientLink, request: Request): void {
    this.#state.sessions.local.setClosing(link.session);
    request.ending = true;
    if (this.#mayAnswer(link)) this.#answerHere(cx, link, request);
    else this.#park(link, request, 0);
  }

  #wait(cx: Context, link: ClientLink, xid: number, type: number, reader: Reader): Request {
    const request = new Request(link, link.session, xid, type, cx.now);
    request.body = this.#arena.keep(reader.bytes.subarray(reader.offset, reader.end));
    return request;
  }

  /** Whatever `link` asks from now on is answered after `request`. */
  #park(link: ClientLink, request: Request, size: number): void {
    this.#stats.inProcess++;
    link.parked.push(request);
    const { largeRequestThreshold } = this.#config;
    if (largeRequestThreshold >= 0 && size > largeRequestThreshold) {
      this.#largeRequests.set(request, size);
      this.#largeBytes += size;
    }
  }

  #leave(request: Request): void {
    this.#stats.inProcess--;
    const size = this.#largeRequests.get(request);
    if (size === undefined) return;
    this.#largeRequests.delete(request);
    this.#largeBytes -= size;
  }

  #admitLarge(size: number): boolean {
    const { largeRequestThreshold, largeRequestMaxBytes } = this.#config;
    if (largeRequestThreshold < 0 || size <= largeRequestThreshold) return true;
    return this.#largeBytes + size <= largeRequestMaxBytes;
  }

  // Answers

  /** A write or a barrier of `request.origin` has been answered: what waited behind it on this connection goes on. */
  onAnswered(cx: Context, request: Request): void {
    const link = request.origin as ClientLink | undefined;
    if (link === undefined) return;
    this.#leave(request);
    if (link.closed) return;
    if (request.moved) return this.#keeper.close(cx, link);
    if (request.xid > 0) link.outstanding--;
    request.done = true;
    this.answerParked(cx, link);
  }

  /** A write that will never be durable. What became of it must not be guessed: its connection is closed. */
  onLost(cx: Context, request: Request): void {
    const link = request.origin as ClientLink | undefined;
    if (link === undefined) return;
    this.#leave(request);
    if (!link.closed) this.#keeper.close(cx, link);
  }

  /** What has waited long enough on `link`: everything up to the first write or barrier that is still on its way. */
  answerParked(cx: Context, link: ClientLink): void {
    for (let next = link.parked.peek(); next !== undefined; next = link.parked.peek()) {
      if (link.phase === "closing") return;
      if (isAnsweredHere(next)) {
        if ((link.holds & Hold.drain) !== 0) return this.#releaseParked(link);
        if (!next.done) this.#leave(next);
        this.#answerHere(cx, link, next);
      } else if (!next.done) break;
      link.parked.shift();
      if (this.#replies.size >= REPLY_BATCH_BYTES) this.#keeper.handOver(cx, link);
    }
  }

  /** Reads that wait for a client to read are no longer in process: they must not hold up anybody else. */
  #releaseParked(link: ClientLink): void {
    for (let i = 0; i < link.parked.length; i++) {
      const request = link.parked.at(i)!;
      if (!isAnsweredHere(request)) return;
      if (!request.done) this.#leave(request);
      request.done = true;
    }
  }

  #answerHere(cx: Context, link: ClientLink, request: Request): void {
    const { xid, type, body } = request;
    if (xid > 0) link.outstanding--;
    if (request.refusal !== Code.OK || request.ending) {
      this.#reads.refuse(cx, link, xid, type, this.#state.tree.lastProcessedZxid, request.refusal);
      if (request.ending) this.#sessions.endLocal(cx, link);
      return;
    }
    this.#waitingReader.reset(body!, 0, body!.length);
    this.#reads.answer(cx, link, xid, type, this.#waitingReader, request.receivedAt);
  }

  /** Answers `request` with nothing but `err`, in its turn. */
  refuse(cx: Context, request: Request, err: number): void {
    const link = request.origin as ClientLink;
    if (link.closed || link.phase === "closing") return;
    request.refusal = err;
    if (this.#mayAnswer(link)) this.#answerHere(cx, link, request);
    else this.#park(link, request, 0);
  }

  /** Nothing is in front of what `link` asks now, and it reads what it is told. */
  #mayAnswer(link: ClientLink): boolean {
    return link.parked.length === 0 && (link.holds & Hold.drain) === 0;
  }

  // Flow control

  /** globalOutstandingLimit: stop reading a connection that has requests in process (reference, section 10.2). */
  #limitOutstanding(link: ClientLink): void {
    if (link.outstanding === 0 || this.#inside <= this.#config.globalOutstandingLimit) return;
    link.holds |= Hold.outstanding;
    this.#heldBack.add(link);
  }

  get #inside(): number {
    return Math.max(this.#stats.inProcess, this.#throttle?.length ?? 0);
  }

  /** After requests have left the pipeline. */
  resumeHeld(cx: Context): void {
    this.#throttle?.pump(cx);
    if (this.#heldBack.size === 0) return;
    // Who is released may be held back again at once.
    const held = [...this.#heldBack];
    for (const link of held) {
      if (link.outstanding > 0 && this.#inside > this.#config.globalOutstandingLimit) continue;
      this.#heldBack.delete(link);
      this.#keeper.release(cx, link, Hold.outstanding);
    }
  }

  // Throttle

  admit(cx: Context, request: Request): void {
    const link = request.origin as ClientLink;
    if (link.closed || link.phase === "closing") return;
    const body = request.body!;
    if (READS.has(request.type)) {
      if (this.#mayAnswer(link)) {
        this.#answerHere(cx, link, request);
        this.#keeper.restrain(cx, link);
      } else this.#park(link, request, body.length + 8);
      return;
    }
    this.#waitingReader.reset(body, 0, body.length);
    this.#dispatch(cx, link, request, this.#waitingReader, body.length + 8);
  }

  dropStale(cx: Context, request: Request): void {
    this.#stats.count("stale_requests_dropped");
    const link = request.origin as ClientLink;
    if (!link.closed) this.#keeper.close(cx, link);
  }

  sessionTimeoutOf(request: Request): Millis {
    return (request.origin as ClientLink).timeout;
  }
}

/** Whether `request` is answered from here once it has its turn, rather than by the pipeline. */
function isAnsweredHere(request: Request): boolean {
  return request.refusal !== Code.OK || request.ending || READS.has(request.type);
}
