/**
 * How connections come by sessions, and lose them: new ones, resumed ones, local ones (Java:
 * ZooKeeperServer.processConnectRequest, finishSessionInit; reference, sections 2.2 to 2.5, and of the other 5 and 6.7).
 * Owns which connection speaks for which session; whether a session exists is the tracker's, and the leader's, to say.
 */
import type { Context, Millis } from "../actor.ts";
import { formatSession, SESSION_NONE } from "../base/ids.ts";
import type { SessionId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import { formatZxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import type { Reader } from "../jute/reader.ts";
import type { Replies } from "../pipeline/replies.ts";
import { Request } from "../pipeline/request.ts";
import type { ServerState } from "../pipeline/state.ts";
import type { ServerStats } from "../pipeline/stats.ts";
import { Code } from "../protocol/codes.ts";
import { readConnectRequest, writeConnectResponse } from "../protocol/headers.ts";
import type { ConnectRequest } from "../protocol/headers.ts";
import { OpCode } from "../protocol/op-codes.ts";
import type { Admission } from "../session/connection-throttle.ts";
import { ConnectionThrottle } from "../session/connection-throttle.ts";
import { makesEphemeral } from "../session/local-sessions.ts";
import { passwordMatches, sessionPassword } from "../session/password.ts";
import type { Session } from "../session/tracker.ts";
import type { ClientLink, LinkKeeper } from "./client-link.ts";
import { Hold } from "./client-link.ts";
import type { PortServer } from "./client-port.ts";

const ZERO_PASSWORD = new Uint8Array(16);

export class ClientSessions {
  readonly #config: ServerConfig;
  readonly #stats: ServerStats;
  readonly #server: PortServer;
  readonly #replies: Replies;
  readonly #prng: Prng;
  readonly #keeper: LinkKeeper;
  /** The one connection each session speaks through, or wants to. */
  readonly #bySession = new Map<SessionId, ClientLink>();
  #state: ServerState | undefined;
  #throttle!: ConnectionThrottle;
  /** Whose session is being asked about in the event at hand. */
  #asking: ClientLink | undefined;

  constructor(
    config: ServerConfig,
    server: PortServer,
    stats: ServerStats,
    replies: Replies,
    prng: Prng,
    keeper: LinkKeeper,
  ) {
    this.#config = config;
    this.#server = server;
    this.#stats = stats;
    this.#replies = replies;
    this.#prng = prng;
    this.#keeper = keeper;
  }

  serve(cx: Context, state: ServerState): void {
    this.#state = state;
    this.#throttle = new ConnectionThrottle(this.#config.connectionThrottle, this.#prng, cx.now);
  }

  unserve(): void {
    this.#state?.sessions.local.clear();
    this.#state = undefined;
    this.#bySession.clear();
  }

  get #localEnabled(): boolean {
    return this.#config.ensemble?.localSessionsEnabled === true;
  }
  get #readOnly(): boolean {
    return this.#server.mode === "read-only";
  }

  // Connecting

  onConnectRequest(cx: Context, link: ClientLink, reader: Reader): void {
    const request = readConnectRequest(reader);
    if (reader.failed || !this.#server.serving) return this.#keeper.close(cx, link);
    const config = this.#config;
    this.#stats.count("connection_request_count");
    if (!this.#throttle.admit(this.#admissionOf(request), cx.now)) {
      this.#stats.count("connection_drop_count");
      return this.#keeper.close(cx, link);
    }
    if (!this.#mayBeServed(cx, link, request)) return this.#keeper.close(cx, link);
    link.hasReadOnly = request.hasReadOnly;
    link.timeout = Math.min(Math.max(request.timeOut, config.minSessionTimeout), config.maxSessionTimeout);
    if (request.sessionId !== SESSION_NONE) this.#resume(cx, link, request);
    else if (this.#localEnabled || this.#readOnly) this.#createLocal(cx, link);
    else this.#create(cx, link);
  }

  #admissionOf(request: ConnectRequest): Admission {
    if (request.sessionId !== SESSION_NONE) return "renew";
    return this.#localEnabled ? "local" : "global";
  }

  #mayBeServed(cx: Context, link: ClientLink, request: ConnectRequest): boolean {
    if (this.#readOnly && !request.readOnly) {
      cx.facts.log("info", "refused a client that wants to write: this server is read-only", { remote: link.remote });
      return false;
    }
    const { lastProcessedZxid } = this.#state!.tree;
    if (request.lastZxidSeen <= lastProcessedZxid) return true;
    if (this.#state!.mutants.has("newer-clients-accepted")) return true;
    cx.facts.log("info", "refused a client that has seen a newer state than this server's", {
      remote: link.remote,
      client: formatZxid(request.lastZxidSeen),
      server: formatZxid(lastProcessedZxid),
    });
    return false;
  }

  #create(cx: Context, link: ClientLink): void {
    if (this.#server.refusingWrites) return this.#keeper.close(cx, link);
    const { sessions } = this.#state!;
    const session = sessions.create(link.timeout, cx.now);
    this.#bind(link, session, sessions.get(session));
    link.phase = "connecting";
    link.holds |= Hold.connecting;
    const request = new Request(link, session, 0, OpCode.createSession, cx.now);
    this.#stats.inProcess++;
    this.#server.submitCreateSession(cx, request, link.timeout);
  }

  /**
   * Also what a read-only server gives, whether local sessions are enabled or not: it can give no others. Such a client
   * finds its session gone once there is a leader, and begins anew.
   */
  #createLocal(cx: Context, link: ClientLink): void {
    const { sessions } = this.#state!;
    const session = sessions.createLocal(link.timeout, cx.now);
    this.#bind(link, session, sessions.local.get(session));
    this.#welcome(cx, link);
    link.packetsSent++;
  }

  /** Apache closes the session's present connection before it looks at the password (reference, section 2.4). */
  #resume(cx: Context, link: ClientLink, request: ConnectRequest): void {
    const id = request.sessionId;
    const present = this.#bySession.get(id);
    if (present !== undefined) this.#keeper.close(cx, present);
    if (!passwordMatches(id, request.passwd)) return this.#refuse(cx, link);
    const { sessions } = this.#state!;
    const local = sessions.local.get(id);
    if (local !== undefined) return local.closing ? this.#refuse(cx, link) : this.#resumed(cx, link, local);
    if (this.#readOnly) return this.#resumeReadOnly(cx, link, id);
    this.#bind(link, id, undefined);
    link.phase = "connecting";
    link.holds |= Hold.connecting;
    this.#asking = link;
    this.#server.revalidate(cx, id, link.timeout, (then, valid) => this.#onRevalidated(then, link, valid));
    this.#asking = undefined;
  }

  /**
   * A global session may go on reading here while nobody can tell whether it lives, as long as the other servers would
   * not take it for a local one; whoever is unknown may be known elsewhere, and must not be told that it is over.
   */
  #resumeReadOnly(cx: Context, link: ClientLink, id: SessionId): void {
    const session = this.#state!.sessions.get(id);
    if (this.#localEnabled || session === undefined || session.closing) return this.#keeper.close(cx, link);
    this.#resumed(cx, link, session);
  }

  /** May come long after the question: the client may have left, and come back on another connection. */
  #onRevalidated(cx: Context, link: ClientLink, valid: boolean): void {
    if (link.closed || link.phase !== "connecting") return;
    if (!valid) return this.#refuse(cx, link);
    this.#resumed(cx, link, this.#state!.sessions.ensure(link.session, link.timeout, cx.now));
    // Answered at once: whoever parses goes on by itself.
    if (this.#asking === link) link.holds &= ~Hold.connecting;
    else this.#keeper.release(cx, link, Hold.connecting);
  }

  #resumed(cx: Context, link: ClientLink, session: Session): void {
    this.#bind(link, session.id, session);
    this.#welcome(cx, link);
    link.packetsSent++;
  }

  #bind(link: ClientLink, id: SessionId, session: Session | undefined): void {
    link.session = id;
    link.tracked = session;
    this.#bySession.set(id, link);
  }

  /** The session exists, durably; the conversation may begin. An upgrade has no connection that waits for it. */
  onCreated(cx: Context, request: Request): void {
    const link = request.origin as ClientLink | undefined;
    if (link === undefined) return;
    this.#stats.inProcess--;
    if (link.closed || link.phase !== "connecting") return;
    this.#stats.latency(cx.now - request.receivedAt);
    this.#welcome(cx, link);
    link.replied(0, OpCode.createSession, request.zxid, cx.now - request.receivedAt);
    this.#keeper.release(cx, link, Hold.connecting);
  }

  #welcome(cx: Context, link: ClientLink): void {
    link.phase = "open";
    this.#keeper.touch(cx, link);
    this.#respond(cx, link, link.timeout, link.session, sessionPassword(link.session));
  }

  /** Expired, unknown or the wrong password: one answer for all. */
  #refuse(cx: Context, link: ClientLink): void {
    this.#respond(cx, link, 0, SESSION_NONE, ZERO_PASSWORD);
    this.#keeper.close(cx, link);
  }

  #respond(cx: Context, link: ClientLink, timeOut: Millis, sessionId: SessionId, passwd: Uint8Array): void {
    const w = this.#replies.beginBare(cx, link.conn);
    const { hasReadOnly } = link;
    const readOnly = this.#readOnly;
    writeConnectResponse(w, { protocolVersion: 0, timeOut, sessionId, passwd, readOnly, hasReadOnly });
    this.#replies.end();
  }

  // Ending

  /** The session has ended, by its client or by expiry: whoever still speaks for it is cut off. */
  onClosed(cx: Context, id: SessionId): void {
    const link = this.#bySession.get(id);
    this.#bySession.delete(id);
    if (link !== undefined) this.#keeper.close(cx, link);
  }

  /** The connection is gone; its session lives on. */
  forget(link: ClientLink): void {
    if (this.#bySession.get(link.session) === link) this.#bySession.delete(link.session);
  }

  // Local sessions

  deadline(): Millis {
    return this.#state?.sessions.local.earliest() ?? Infinity;
  }

  onDeadline(cx: Context): void {
    if (this.#state === undefined || this.deadline() > cx.now) return;
    for (const id of this.#state.sessions.local.takeExpired(cx.now)) {
      this.#stats.count("stale_sessions_expired");
      cx.facts.log("info", "local session expired", { session: formatSession(id) });
      this.onClosed(cx, id);
    }
  }

  /**
   * What a write of a local session needs before it may go on. An ephemeral must belong to a session that all servers
   * know: its createSession goes ahead of it. Otherwise the code that the write is answered with.
   */
  admitLocal(cx: Context, link: ClientLink, type: number, body: Reader): number {
    if (!makesEphemeral(type, body)) return Code.OK;
    if (this.#config.ensemble?.localSessionsUpgradingEnabled === false) return Code.EPHEMERALONLOCALSESSION;
    const timeout = this.#state!.sessions.upgrade(link.session, cx.now);
    if (timeout === undefined) return Code.SESSIONEXPIRED;
    const request = new Request(undefined, link.session, 0, OpCode.createSession, cx.now);
    this.#server.submitCreateSession(cx, request, timeout);
    return Code.OK;
  }

  /** A local session's client has said that it ends, and everything it asked before is answered. */
  endLocal(cx: Context, link: ClientLink): void {
    this.#state!.sessions.local.remove(link.session);
    this.onClosed(cx, link.session);
  }
}
