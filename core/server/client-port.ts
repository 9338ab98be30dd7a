/**
 * The client port: every connection's conversation from the first byte to the last (Java: NIOServerCnxn,
 * ZooKeeperServer.processConnectRequest and processPacket; reference, sections 2 and 10). Frames in, requests to the
 * pipeline, replies in order. Owns admission, flow control and ordering per connection; leaves deriving, logging and
 * applying to the pipeline.
 */
import type { Address, CloseCause, ConnId, Context, Millis, Port } from "../actor.ts";
import { mergeIds } from "../auth/providers.ts";
import type { AuthProviders } from "../auth/providers.ts";
import { ByteArena } from "../base/arena.ts";
import { Buckets } from "../base/buckets.ts";
import { formatSession, SESSION_NONE } from "../base/ids.ts";
import type { SessionId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { Zxid } from "../base/zxid.ts";
import { formatZxid, ZXID_ZERO } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { Reader } from "../jute/reader.ts";
import { Writer } from "../jute/writer.ts";
import {
  CONNECTION_EXPIRY_INTERVAL,
  HELD_INPUT_BYTES,
  REPLY_BATCH_BYTES,
  SEND_QUEUE_HIGH_BYTES,
  SEND_QUEUE_MAX_BYTES,
} from "../limits.ts";
import type { Reads } from "../pipeline/reads.ts";
import type { Replies } from "../pipeline/replies.ts";
import { Request } from "../pipeline/request.ts";
import type { ServerState } from "../pipeline/state.ts";
import type { ServerStats } from "../pipeline/stats.ts";
import { Throttle } from "../pipeline/throttle.ts";
import type { ThrottleSink } from "../pipeline/throttle.ts";
import { Code } from "../protocol/codes.ts";
import type { Id } from "../protocol/data.ts";
import { KeeperState, readAuthPacket, readConnectRequest, writeConnectResponse, Xids } from "../protocol/headers.ts";
import type { ConnectRequest } from "../protocol/headers.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { readReconfigRequest } from "../protocol/requests.ts";
import { wordOf } from "../protocol/words.ts";
import type { Word } from "../protocol/words.ts";
import { ConnectionThrottle } from "../session/connection-throttle.ts";
import { passwordMatches, sessionPassword } from "../session/password.ts";
import { ClientLink, Hold } from "./client-link.ts";

/** The answer to a four-letter word is still being looked up: {@link ClientPort.answerWordLater} brings it. */
export const LATER: unique symbol = Symbol("later");
/** Undefined closes the connection without a byte. */
export type WordAnswer = string | typeof LATER | undefined;

/** What a server is to its clients. */
export type ServerMode = "standalone" | "leader" | "follower" | "observer" | "read-only";

/** What the port asks of the server it belongs to. */
export interface PortServer {
  /** Constant from {@link ClientPort.serve} to {@link ClientPort.unserve}. */
  readonly mode: ServerMode;
  /** Recovery is over and nobody has asked to stop. */
  readonly serving: boolean;
  /** A txn to be: prepared, logged, applied, answered. `body` is lent. */
  submitWrite(cx: Context, request: Request, body: Reader): void;
  submitCreateSession(cx: Context, request: Request, timeout: Millis): void;
  /** sync: answered when everything submitted before is applied. */
  submitBarrier(cx: Context, request: Request): void;
  /**
   * May a client whose password is right go on with `session` here? Answered now or later, once, unless the port
   * unserves before. From a yes on, requests of the session are this server's to make.
   */
  revalidate(cx: Context, session: SessionId, timeout: Millis, answer: (cx: Context, valid: boolean) => void): void;
  /** Writes cannot be taken now: the disk is full. */
  readonly refusingWrites: boolean;
  /** The text that answers `word`, or undefined to close without a byte. */
  answerWord(cx: Context, link: ClientLink, word: Word, rest: Uint8Array): WordAnswer;
}

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
const ZERO_PASSWORD = new Uint8Array(16);
/** The zxid of a reply to a type nobody knows (Java: UnimplementedRequestProcessor). */
const ZXID_UNKNOWN = -1 as Zxid;

export class ClientPort implements ThrottleSink {
  readonly #config: ServerConfig;
  readonly #stats: ServerStats;
  readonly #server: PortServer;
  readonly #replies: Replies;
  readonly #auth: AuthProviders;
  readonly #prng: Prng;
  readonly #links = new Map<ConnId, ClientLink>();
  /** The one connection each session speaks through. */
  readonly #bySession = new Map<SessionId, ClientLink>();
  readonly #byHost = new Map<string, number>();
  readonly #idle = new Buckets<ClientLink>(CONNECTION_EXPIRY_INTERVAL);
  readonly #heldBack = new Set<ClientLink>();
  /** Once the server serves; nothing that needs them happens on a connection before. */
  #state!: ServerState;
  #reads!: Reads;
  #connectThrottle!: ConnectionThrottle;
  #throttle: Throttle | undefined;
  readonly #reader: Reader;
  readonly #waitingReader: Reader;
  readonly #arena = new ByteArena();
  readonly #event = new Writer(256);
  #eventType = 0;
  #eventPath = "";
  #eventZxid: Zxid = ZXID_ZERO;
  #largeBytes = 0;
  readonly #largeRequests = new Map<Request, number>();
  /** Whose session is being asked about in the event at hand. */
  #asking: ClientLink | undefined;
  /** The event at hand, for those whom the watch table calls. */
  #cx: Context | undefined;

  constructor(
    config: ServerConfig,
    auth: AuthProviders,
    server: PortServer,
    stats: ServerStats,
    replies: Replies,
    prng: Prng,
  ) {
    this.#config = config;
    this.#auth = auth;
    this.#server = server;
    this.#stats = stats;
    this.#replies = replies;
    this.#prng = prng;
    const lengthMax = Math.min(config.juteMaxBuffer + config.juteMaxBufferExtra, 0x7fff_ffff);
    this.#reader = new Reader(ZERO_PASSWORD, 0, 0, lengthMax);
    this.#waitingReader = new Reader(ZERO_PASSWORD, 0, 0, lengthMax);
  }

  /** The data is loaded: sessions may begin. */
  serve(cx: Context, state: ServerState, reads: Reads): void {
    this.#state = state;
    this.#reads = reads;
    this.#connectThrottle = new ConnectionThrottle(this.#config.connectionThrottle, this.#prng, cx.now);
    this.#throttle = this.#config.requestThrottleLimit > 0 ? new Throttle(state, this) : undefined;
  }

  /**
   * What was served ends: connections with a session, or on their way to one, are closed. Nothing that was asked is
   * answered any more; clients find out by asking again, here or elsewhere.
   */
  unserve(cx: Context): void {
    this.#throttle = undefined;
    for (const link of this.#links.values()) {
      if (link.phase === "greeting") continue;
      link.parked.clear();
      this.close(cx, link);
    }
    this.#bySession.clear();
    this.#heldBack.clear();
    this.#largeRequests.clear();
    this.#largeBytes = 0;
    this.#stats.inProcess = 0;
  }

  /** Every open connection, oldest first. */
  links(): Iterable<ClientLink> {
    return this.#links.values();
  }
  /** When idle connections would be closed, soonest first; for `dump`. */
  *deadlines(): Iterable<readonly [at: Millis, links: readonly ClientLink[]]> {
    for (const [at, links] of this.#idle.entries()) yield [at, [...links]];
  }

  /** Makes `cx` the event at hand; the server calls it first in every handler. */
  begin(cx: Context): void {
    this.#cx = cx;
  }

  onAccepted(cx: Context, conn: ConnId, port: Port, from: Address, subject: string | undefined): void {
    const config = this.#config;
    const host = hostOf(from);
    const fromHost = this.#byHost.get(host) ?? 0;
    const tooMany =
      (config.maxClientCnxns > 0 && fromHost >= config.maxClientCnxns) ||
      (config.maxCnxns > 0 && this.#links.size >= config.maxCnxns);
    if (tooMany) {
      this.#stats.count("connection_rejected");
      return cx.close(conn);
    }
    this.#byHost.set(host, fromHost + 1);
    let ids: readonly Id[] = this.#auth.connectionIds(from);
    if (port === "secureClient" && subject !== undefined) ids = [...ids, ...this.#auth.x509Ids(subject)];
    const link = new ClientLink(cx, conn, from, ids, config.juteMaxBuffer, this.#notify, () => this.#cx?.wall ?? 0);
    this.#links.set(conn, link);
    this.#idle.touch(link, cx.now + config.sessionlessCnxnTimeout);
  }

  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): void {
    const link = this.#links.get(conn);
    if (link === undefined || link.phase === "closing") return;
    link.frames.accept(bytes);
    this.#parse(cx, link);
    link.frames.keep();
    this.#restrain(cx, link);
    if (link.holds !== 0 && !link.paused && link.frames.buffered > HELD_INPUT_BYTES) {
      link.paused = true;
      cx.pause(conn);
    }
  }

  onDrained(cx: Context, conn: ConnId): void {
    const link = this.#links.get(conn);
    if (link === undefined || link.phase === "closing") return;
    link.holds &= ~Hold.drain;
    this.#answerParked(cx, link);
    this.#release(cx, link, 0);
  }

  onClosed(_cx: Context, conn: ConnId, _cause: CloseCause): void {
    const link = this.#links.get(conn);
    if (link === undefined) return;
    link.closed = true;
    link.frames.clear();
    this.#links.delete(conn);
    if (this.#bySession.get(link.session) === link) this.#bySession.delete(link.session);
    const host = hostOf(link.remote);
    const left = (this.#byHost.get(host) ?? 1) - 1;
    if (left > 0) this.#byHost.set(host, left);
    else this.#byHost.delete(host);
    this.#idle.remove(link);
    this.#heldBack.delete(link);
    this.#state?.watches.removeWatcher(link);
    // Reads that waited are never asked for; writes go on, and answer nobody.
    for (let i = 0; i < link.parked.length; i++) {
      const request = link.parked.at(i)!;
      if (!request.done && isAnsweredHere(request)) this.#leave(request);
    }
    link.parked.clear();
  }

  deadline(): Millis {
    return Math.min(this.#idle.earliest(), this.#throttle?.deadline() ?? Infinity);
  }

  onDeadline(cx: Context): void {
    for (const link of this.#idle.takeExpired(cx.now)) {
      this.#stats.count("sessionless_connections_expired");
      this.close(cx, link);
    }
    if (this.#throttle !== undefined && this.#throttle.deadline() <= cx.now) this.#throttle.pump(cx);
  }

  /** What was written for `link` goes out, then nothing more happens on it. */
  close(cx: Context, link: ClientLink): void {
    if (link.phase === "closing") return;
    link.phase = "closing";
    link.frames.clear();
    this.#replies.flush(cx);
    cx.close(link.conn);
  }

  // Parsing

  #parse(cx: Context, link: ClientLink): void {
    if (link.phase === "open") this.#touch(cx, link);
    else if (link.phase === "greeting" && (link.holds !== 0 || this.#tookWord(cx, link))) return;
    while (link.holds === 0 && link.phase !== "closing") {
      const status = link.frames.next();
      if (status === "partial") return;
      if (status === "malformed") {
        cx.facts.log("warn", "closed a connection: bad frame length", {
          remote: link.remote,
          length: link.frames.peekInt(),
          max: this.#config.juteMaxBuffer,
        });
        return this.close(cx, link);
      }
      this.#stats.packetsReceived++;
      link.packetsReceived++;
      const { bytes, start, end } = link.frames;
      this.#reader.reset(bytes, start, end);
      if (link.phase === "greeting") this.#onConnectRequest(cx, link, this.#reader);
      else this.#onRequest(cx, link, this.#reader, end - start);
      if (this.#replies.size >= REPLY_BATCH_BYTES) this.#handOver(cx, link);
    }
  }

  /** Gives what was written to the host, and stops serving whoever does not read it. */
  #handOver(cx: Context, link: ClientLink): void {
    this.#replies.flush(cx);
    this.#restrain(cx, link);
  }

  /** Replies too small to fill a batch add up as well. */
  #restrain(cx: Context, link: ClientLink): void {
    if (cx.queued(link.conn) + this.#replies.size > SEND_QUEUE_HIGH_BYTES) link.holds |= Hold.drain;
  }

  /** True when the connection began with a four-letter word, or may yet turn out to. */
  #tookWord(cx: Context, link: ClientLink): boolean {
    const first = link.frames.peekInt();
    if (first === undefined) return true;
    const word = wordOf(first);
    if (word === undefined) return false;
    const rest = link.frames.unread().subarray(4);
    if (word === "stmk" && rest.length < 8) return true;
    this.#stats.packetsReceived++;
    link.packetsReceived++;
    const text = this.#server.answerWord(cx, link, word, rest);
    if (text === LATER) link.holds |= Hold.word;
    else this.#sendWord(cx, link, text);
    return true;
  }

  #sendWord(cx: Context, link: ClientLink, text: string | undefined): void {
    if (text !== undefined) this.#replies.text(cx, link.conn, text);
    this.close(cx, link);
  }

  /** The answer to a word that first had to ask the disk. */
  answerWordLater(cx: Context, link: ClientLink, text: string): void {
    if (!link.closed) this.#sendWord(cx, link, text);
  }

  /** Whatever comes from a client keeps its session and its connection alive. */
  #touch(cx: Context, link: ClientLink): void {
    this.#state.sessions.renew(link.tracked!, link.timeout, cx.now);
    this.#idle.touch(link, cx.now + link.timeout);
  }

  // Sessions

  #onConnectRequest(cx: Context, link: ClientLink, reader: Reader): void {
    const request = readConnectRequest(reader);
    if (reader.failed || !this.#server.serving) return this.close(cx, link);
    const config = this.#config;
    const stats = this.#stats;
    const { tree } = this.#state;
    stats.count("connection_request_count");
    if (!this.#connectThrottle.admit(request.sessionId === SESSION_NONE ? "global" : "renew", cx.now)) {
      stats.count("connection_drop_count");
      return this.close(cx, link);
    }
    if (request.lastZxidSeen > tree.lastProcessedZxid) {
      cx.facts.log("info", "refused a client that has seen a newer state than this server's", {
        remote: link.remote,
        client: formatZxid(request.lastZxidSeen),
        server: formatZxid(tree.lastProcessedZxid),
      });
      return this.close(cx, link);
    }
    link.hasReadOnly = request.hasReadOnly;
    link.timeout = Math.min(Math.max(request.timeOut, config.minSessionTimeout), config.maxSessionTimeout);
    if (request.sessionId === SESSION_NONE) this.#createSession(cx, link);
    else this.#resumeSession(cx, link, request);
  }

  #createSession(cx: Context, link: ClientLink): void {
    if (this.#server.refusingWrites) return this.close(cx, link);
    const session = this.#state.sessions.create(link.timeout, cx.now);
    this.#bind(link, session);
    link.phase = "connecting";
    link.holds |= Hold.connecting;
    const request = new Request(link, session, 0, OpCode.createSession, cx.now);
    this.#enter(request);
    this.#server.submitCreateSession(cx, request, link.timeout);
  }

  /** Apache closes the session's present connection before it looks at the password (reference, section 2.4). */
  #resumeSession(cx: Context, link: ClientLink, request: ConnectRequest): void {
    const session = request.sessionId;
    const present = this.#bySession.get(session);
    if (present !== undefined) this.close(cx, present);
    if (!passwordMatches(session, request.passwd)) return this.#refuseSession(cx, link);
    link.phase = "connecting";
    link.holds |= Hold.connecting;
    this.#asking = link;
    this.#server.revalidate(cx, session, link.timeout, (then, valid) =>
      this.#onRevalidated(then, link, session, valid),
    );
    this.#asking = undefined;
  }

  #onRevalidated(cx: Context, link: ClientLink, session: SessionId, valid: boolean): void {
    if (link.closed || link.phase === "closing") return;
    if (!valid) return this.#refuseSession(cx, link);
    this.#state.sessions.ensure(session, link.timeout, cx.now);
    this.#bind(link, session);
    this.#welcome(cx, link);
    link.packetsSent++;
    // Answered at once: whoever parses goes on by itself.
    if (this.#asking === link) link.holds &= ~Hold.connecting;
    else this.#release(cx, link, Hold.connecting);
  }

  #bind(link: ClientLink, session: SessionId): void {
    link.session = session;
    link.tracked = this.#state.sessions.get(session);
    this.#bySession.set(session, link);
  }

  /** The session exists, durably; the conversation may begin. */
  onSessionCreated(cx: Context, request: Request): void {
    const link = request.origin as ClientLink | undefined;
    if (link === undefined) return;
    this.#leave(request);
    if (link.closed || link.phase === "closing") return;
    this.#stats.latency(cx.now - request.receivedAt);
    this.#welcome(cx, link);
    link.replied(0, OpCode.createSession, request.zxid, cx.now - request.receivedAt);
    this.#release(cx, link, Hold.connecting);
  }

  #welcome(cx: Context, link: ClientLink): void {
    link.phase = "open";
    this.#touch(cx, link);
    this.#connectResponse(cx, link, link.timeout, link.session, sessionPassword(link.session));
  }

  /** Expired, unknown or the wrong password: one answer for all. */
  #refuseSession(cx: Context, link: ClientLink): void {
    this.#connectResponse(cx, link, 0, SESSION_NONE, ZERO_PASSWORD);
    this.close(cx, link);
  }

  #connectResponse(cx: Context, link: ClientLink, timeOut: Millis, sessionId: SessionId, passwd: Uint8Array): void {
    const w = this.#replies.beginBare(cx, link.conn);
    const { hasReadOnly } = link;
    writeConnectResponse(w, { protocolVersion: 0, timeOut, sessionId, passwd, readOnly: false, hasReadOnly });
    this.#replies.end();
  }

  // Requests

  #onRequest(cx: Context, link: ClientLink, reader: Reader, size: number): void {
    const xid = reader.int();
    const type = reader.int();
    if (reader.failed) return this.close(cx, link);
    // A session that is closing has no more say: what comes after closeSession is dropped (reference, section 7.2).
    if (link.tracked!.closing) return;
    if (type === OpCode.auth) return this.#onAuth(cx, link, xid, reader);
    if (type === OpCode.sasl) return this.#onSasl(cx, link, xid, reader);
    if (!this.#auth.satisfiesEnforcement(link.ids)) {
      this.#reads.refuse(cx, link, xid, type, ZXID_ZERO, Code.SESSIONCLOSEDREQUIRESASLAUTH);
      return this.close(cx, link);
    }
    if (!this.#admitLarge(size)) {
      this.#stats.count("large_requests_rejected");
      return this.close(cx, link);
    }
    if (!READS.has(type) && !WRITES.has(type) && type !== OpCode.sync && type !== OpCode.closeSession) {
      cx.facts.log("warn", "closed a connection: unknown request type", { remote: link.remote, type });
      this.#reads.refuse(cx, link, xid, type, ZXID_UNKNOWN, Code.UNIMPLEMENTED);
      return this.close(cx, link);
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
    if (READS.has(type)) {
      const request = this.#wait(cx, link, xid, type, reader);
      if (xid > 0) link.outstanding++;
      this.#park(link, request, size);
      return;
    }
    const request = new Request(link, link.session, xid, type, cx.now);
    if (xid > 0) link.outstanding++;
    const refusal = this.#refusalOf(type, reader);
    if (refusal !== Code.OK) return this.refuse(cx, request, refusal);
    this.#park(link, request, size);
    this.#dispatch(cx, request, reader);
  }

  /** What a write is answered instead of becoming a transaction. */
  #refusalOf(type: number, body: Reader): number {
    if (type === OpCode.sync) return Code.OK;
    if (this.#server.refusingWrites) return Code.NOTREADONLY;
    // The one request that Java decodes before it gives a zxid.
    if (type === OpCode.reconfig) {
      const copy = new Reader(body.bytes, body.offset, body.end, body.lengthMax);
      readReconfigRequest(copy);
      if (copy.failed) return Code.MARSHALLINGERROR;
    }
    return Code.OK;
  }

  #dispatch(cx: Context, request: Request, reader: Reader): void {
    if (request.type === OpCode.sync) {
      request.body = this.#arena.keep(reader.bytes.subarray(reader.offset, reader.end));
      this.#server.submitBarrier(cx, request);
    } else this.#server.submitWrite(cx, request, reader);
  }

  #wait(cx: Context, link: ClientLink, xid: number, type: number, reader: Reader): Request {
    const request = new Request(link, link.session, xid, type, cx.now);
    request.body = this.#arena.keep(reader.bytes.subarray(reader.offset, reader.end));
    return request;
  }

  /** Whatever `link` asks from now on is answered after `request`. */
  #park(link: ClientLink, request: Request, size: number): void {
    this.#enter(request);
    link.parked.push(request);
    const { largeRequestThreshold } = this.#config;
    if (largeRequestThreshold >= 0 && size > largeRequestThreshold) {
      this.#largeRequests.set(request, size);
      this.#largeBytes += size;
    }
  }

  #enter(_request: Request): void {
    this.#stats.inProcess++;
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

  /** A write or a barrier of `request.origin` has been answered: what waited behind it on this connection goes on. */
  onAnswered(cx: Context, request: Request): void {
    this.#leave(request);
    const link = request.origin as ClientLink | undefined;
    if (link === undefined || link.closed) return;
    if (request.moved) return this.close(cx, link);
    if (request.xid > 0) link.outstanding--;
    request.done = true;
    this.#answerParked(cx, link);
  }

  /** What has waited long enough on `link`: everything up to the first write or barrier that is still on its way. */
  #answerParked(cx: Context, link: ClientLink): void {
    for (let next = link.parked.peek(); next !== undefined; next = link.parked.peek()) {
      if (link.phase === "closing") return;
      if (isAnsweredHere(next)) {
        if ((link.holds & Hold.drain) !== 0) return this.#releaseParked(link);
        if (!next.done) this.#leave(next);
        this.#answerHere(cx, link, next);
      } else if (!next.done) break;
      link.parked.shift();
      if (this.#replies.size >= REPLY_BATCH_BYTES) this.#handOver(cx, link);
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
    if (request.refusal !== Code.OK) {
      return this.#reads.refuse(cx, link, xid, type, this.#state.tree.lastProcessedZxid, request.refusal);
    }
    this.#waitingReader.reset(body!, 0, body!.length);
    this.#reads.answer(cx, link, xid, type, this.#waitingReader, request.receivedAt);
  }

  /** Nothing is in front of what `link` asks now, and it reads what it is told. */
  #mayAnswer(link: ClientLink): boolean {
    return link.parked.length === 0 && (link.holds & Hold.drain) === 0;
  }

  /** The session has ended, by its client or by expiry: whoever still speaks for it is cut off. */
  onSessionClosed(cx: Context, request: Request): void {
    const link = this.#bySession.get(request.session);
    this.#bySession.delete(request.session);
    if (link !== undefined) this.close(cx, link);
  }

  /** A write that will never be durable. What became of it must not be guessed: its connection is closed. */
  onLost(cx: Context, request: Request): void {
    const link = request.origin as ClientLink | undefined;
    if (link === undefined) return;
    this.#leave(request);
    if (!link.closed) this.close(cx, link);
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
      this.#release(cx, link, Hold.outstanding);
    }
  }

  #release(cx: Context, link: ClientLink, hold: number): void {
    link.holds &= ~hold;
    if (link.holds !== 0 || link.closed || link.phase === "closing") return;
    this.#parse(cx, link);
    link.frames.keep();
    if (link.holds === 0 && link.paused) {
      link.paused = false;
      cx.resume(link.conn);
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
        this.#restrain(cx, link);
      } else this.#park(link, request, body.length + 8);
      return;
    }
    this.#waitingReader.reset(body, 0, body.length);
    const refusal = this.#refusalOf(request.type, this.#waitingReader);
    if (refusal !== Code.OK) return this.refuse(cx, request, refusal);
    this.#park(link, request, body.length + 8);
    this.#dispatch(cx, request, this.#waitingReader);
  }

  dropStale(cx: Context, request: Request): void {
    this.#stats.count("stale_requests_dropped");
    const link = request.origin as ClientLink;
    if (!link.closed) this.close(cx, link);
  }

  /** Answers `request` with nothing but `err`, in its turn. */
  refuse(cx: Context, request: Request, err: number): void {
    const link = request.origin as ClientLink;
    if (link.closed || link.phase === "closing") return;
    request.refusal = err;
    if (this.#mayAnswer(link)) this.#answerHere(cx, link, request);
    else this.#park(link, request, 0);
  }

  sessionTimeoutOf(request: Request): Millis {
    return (request.origin as ClientLink).timeout;
  }

  // Authentication

  #onAuth(cx: Context, link: ClientLink, xid: number, reader: Reader): void {
    const packet = readAuthPacket(reader);
    const { auth } = this.#state;
    const result =
      reader.failed || packet.scheme === null
        ? ({ kind: "failed" } as const)
        : auth.authenticate(packet.scheme, packet.auth, link.remote, link.ids);
    if (result.kind === "ok") link.ids = mergeIds(link.ids, result.add);
    if (result.kind === "misdirected") return this.close(cx, link);
    const err = result.kind === "ok" ? Code.OK : Code.AUTHFAILED;
    this.#reads.refuse(cx, link, xid, OpCode.auth, ZXID_ZERO, err);
    if (err === Code.OK) return;
    this.#stats.count("auth_failed_count");
    cx.facts.log("warn", "authentication failed", { remote: link.remote, scheme: packet.scheme });
    this.close(cx, link);
  }

  /** No SASL login is configured on this server: the exchange ends at once (reference, section 10.8). */
  #onSasl(cx: Context, link: ClientLink, xid: number, reader: Reader): void {
    const token = reader.buffer();
    if (reader.failed || token === null) return this.close(cx, link);
    this.#replies.begin(cx, link.conn, xid, ZXID_ZERO, Code.OK).buffer(null);
    this.#replies.end();
    link.replied(xid, OpCode.sasl, ZXID_ZERO, 0);
  }

  // Watches

  readonly #notify = (link: ClientLink, type: number, path: string, zxid: Zxid): void => {
    const cx = this.#cx!;
    if (link.phase === "closing") return;
    const w = this.#event;
    // One change may concern thousands of connections: it is encoded once.
    if (zxid !== this.#eventZxid || type !== this.#eventType || path !== this.#eventPath || w.length === 0) {
      this.#eventType = type;
      this.#eventPath = path;
      this.#eventZxid = zxid;
      w.clear();
      w.int(0);
      w.int(Xids.notification);
      w.long(zxid);
      w.int(Code.OK);
      w.int(type);
      w.int(KeeperState.syncConnected);
      w.string(path);
      w.patchInt(0, w.length - 4);
    }
    this.#replies.raw(cx, link.conn, w.bytes, w.length);
    this.#stats.packetsSent++;
    link.packetsSent++;
    if (cx.queued(link.conn) > SEND_QUEUE_MAX_BYTES) {
      cx.facts.log("warn", "closed a connection: it does not read its notifications", {
        remote: link.remote,
        session: formatSession(link.session),
      });
      this.close(cx, link);
    }
  };
}

/** Whether `request` is answered from here once it has its turn, rather than by the pipeline. */
function isAnsweredHere(request: Request): boolean {
  return request.refusal !== Code.OK || READS.has(request.type);
}

function hostOf(address: Address): string {
  return address.slice(0, address.lastIndexOf(":"));
}
