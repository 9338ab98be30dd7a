/**
 * The client port: every connection from its first byte to its last (Java: NIOServerCnxn; reference, sections 2 and 10).
 * Owns admission, framing, four-letter words and flow control; sessions are client-sessions.ts, requests
 * client-requests.ts, watch events client-notifications.ts.
 */
import type { Address, CloseCause, ConnId, Context, Millis, Port } from "../actor.ts";
import type { AuthProviders } from "../auth/providers.ts";
import { Buckets } from "../base/buckets.ts";
import type { SessionId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { ServerConfig } from "../config.ts";
import { Reader } from "../jute/reader.ts";
import { CONNECTION_EXPIRY_INTERVAL, HELD_INPUT_BYTES, REPLY_BATCH_BYTES, SEND_QUEUE_HIGH_BYTES } from "../limits.ts";
import type { Reads } from "../pipeline/reads.ts";
import type { Replies } from "../pipeline/replies.ts";
import type { Request } from "../pipeline/request.ts";
import type { ServerState } from "../pipeline/state.ts";
import type { ServerStats } from "../pipeline/stats.ts";
import type { Id } from "../protocol/data.ts";
import { wordOf } from "../protocol/words.ts";
import type { Word } from "../protocol/words.ts";
import { ClientAuth } from "./client-auth.ts";
import type { LinkKeeper } from "./client-link.ts";
import { ClientLink, Hold } from "./client-link.ts";
import { ClientNotifications } from "./client-notifications.ts";
import { ClientRequests } from "./client-requests.ts";
import { ClientSessions } from "./client-sessions.ts";

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

export class ClientPort implements LinkKeeper {
  readonly #config: ServerConfig;
  readonly #stats: ServerStats;
  readonly #server: PortServer;
  readonly #replies: Replies;
  readonly #auth: AuthProviders;
  readonly #sessions: ClientSessions;
  readonly #requests: ClientRequests;
  readonly #notifications: ClientNotifications;
  readonly #links = new Map<ConnId, ClientLink>();
  readonly #byHost = new Map<string, number>();
  readonly #idle = new Buckets<ClientLink>(CONNECTION_EXPIRY_INTERVAL);
  /** While the server serves; nothing that needs it happens on a connection before. */
  #state: ServerState | undefined;
  readonly #reader: Reader;
  readonly #wall = (): Millis => this.#notifications.cx?.wall ?? 0;

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
    this.#sessions = new ClientSessions(config, server, stats, replies, prng, this);
    const clientAuth = new ClientAuth(auth, stats, replies, this);
    this.#requests = new ClientRequests(config, clientAuth, server, stats, replies, this.#sessions, this);
    this.#notifications = new ClientNotifications(stats, replies, this);
    const lengthMax = Math.min(config.juteMaxBuffer + config.juteMaxBufferExtra, 0x7fff_ffff);
    this.#reader = new Reader(new Uint8Array(0), 0, 0, lengthMax);
  }

  /** The data is loaded, and the server has a role if it needs one: sessions may begin. */
  serve(cx: Context, state: ServerState, reads: Reads): void {
    this.#state = state;
    this.#sessions.serve(cx, state);
    this.#requests.serve(state, reads);
  }

  /**
   * What was served ends: connections with a session, or on their way to one, are closed. Nothing that was asked is
   * answered any more; clients find out by asking again, here or elsewhere.
   */
  unserve(cx: Context): void {
    this.#requests.unserve();
    for (const link of this.#links.values()) {
      if (link.phase === "greeting") continue;
      this.close(cx, link);
      link.parked.clear();
    }
    this.#sessions.unserve();
    this.#state = undefined;
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
    this.#notifications.cx = cx;
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
    const link = new ClientLink(cx, conn, from, ids, config.juteMaxBuffer, this.#notifications.notify, this.#wall);
    this.#links.set(conn, link);
    this.#idle.touch(link, cx.now + config.sessionlessCnxnTimeout);
  }

  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): void {
    const link = this.#links.get(conn);
    if (link === undefined || link.phase === "closing") return;
    link.frames.accept(bytes);
    this.#parse(cx, link);
    link.frames.keep();
    this.restrain(cx, link);
    if (link.holds !== 0 && !link.paused && link.frames.buffered > HELD_INPUT_BYTES) {
      link.paused = true;
      cx.pause(conn);
    }
  }

  onDrained(cx: Context, conn: ConnId): void {
    const link = this.#links.get(conn);
    if (link === undefined || link.phase === "closing") return;
    link.holds &= ~Hold.drain;
    this.#requests.answerParked(cx, link);
    this.release(cx, link, 0);
  }

  onClosed(_cx: Context, conn: ConnId, _cause: CloseCause): void {
    const link = this.#links.get(conn);
    if (link === undefined) return;
    link.closed = true;
    link.frames.clear();
    this.#links.delete(conn);
    this.#sessions.forget(link);
    const host = hostOf(link.remote);
    const left = (this.#byHost.get(host) ?? 1) - 1;
    if (left > 0) this.#byHost.set(host, left);
    else this.#byHost.delete(host);
    this.#idle.remove(link);
    this.#state?.watches.removeWatcher(link);
    this.#requests.forget(link);
  }

  deadline(): Millis {
    return Math.min(this.#idle.earliest(), this.#sessions.deadline(), this.#requests.deadline());
  }

  onDeadline(cx: Context): void {
    for (const link of this.#idle.takeExpired(cx.now)) {
      this.#stats.count("sessionless_connections_expired");
      this.close(cx, link);
    }
    this.#sessions.onDeadline(cx);
    this.#requests.onDeadline(cx);
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
    if (link.phase === "open") this.touch(cx, link);
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
      if (link.phase === "greeting") this.#sessions.onConnectRequest(cx, link, this.#reader);
      else this.#requests.onRequest(cx, link, this.#reader, end - start);
      if (this.#replies.size >= REPLY_BATCH_BYTES) this.handOver(cx, link);
    }
  }

  /** Gives what was written to the host, and stops serving whoever does not read it. */
  handOver(cx: Context, link: ClientLink): void {
    this.#replies.flush(cx);
    this.restrain(cx, link);
  }

  /** Replies too small to fill a batch add up as well. */
  restrain(cx: Context, link: ClientLink): void {
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

  touch(cx: Context, link: ClientLink): void {
    this.#state!.sessions.renew(link.tracked!, link.timeout, cx.now);
    this.#idle.touch(link, cx.now + link.timeout);
  }

  release(cx: Context, link: ClientLink, hold: number): void {
    link.holds &= ~hold;
    if (link.holds !== 0 || link.closed || link.phase === "closing") return;
    this.#parse(cx, link);
    link.frames.keep();
    if (link.holds === 0 && link.paused) {
      link.paused = false;
      cx.resume(link.conn);
    }
  }

  // From the pipeline's end

  /** A write or a barrier of `request.origin` has been answered. */
  onAnswered(cx: Context, request: Request): void {
    this.#requests.onAnswered(cx, request);
  }
  /** `request`'s session exists. */
  onSessionCreated(cx: Context, request: Request): void {
    this.#sessions.onCreated(cx, request);
  }
  /** `request`'s session has ended, by its client, here or elsewhere, or by expiry. */
  onSessionClosed(cx: Context, request: Request): void {
    this.#sessions.onClosed(cx, request.session);
  }
  /** A write that will never be durable. */
  onLost(cx: Context, request: Request): void {
    this.#requests.onLost(cx, request);
  }
  /** Requests have left the pipeline: who was held back may go on. */
  resumeHeld(cx: Context): void {
    this.#requests.resumeHeld(cx);
  }
}

function hostOf(address: Address): string {
  return address.slice(0, address.lastIndexOf(":"));
}
