/**
 * One client session as an actor: calls go in through {@link Client.submit}, results leave through their completions,
 * states and watch events through a {@link ClientSink} (Java: ZooKeeper and ClientCnxn). It owns the connection, its
 * time-outs and who is next to be tried; what is asked and answered is in operations.ts, promises are zookeeper.ts's.
 *
 * Nothing the application gave is lost silently: a call is settled exactly once, and a watch hears of the change, of
 * its removal, or of the end of the session.
 */
import type { Actor, Address, ConnId, Context, Millis } from "../actor.ts";
import { SESSION_NONE, formatSession } from "../base/ids.ts";
import type { SessionId, Xid } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import type { Zxid } from "../base/zxid.ts";
import { Reader } from "../jute/reader.ts";
import type { Writer } from "../jute/writer.ts";
import { Code } from "../protocol/codes.ts";
import { readConnectResponse, readWatcherEvent, Xids } from "../protocol/headers.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { Calls } from "./calls.ts";
import type { Call, Completion } from "./calls.ts";
import type { ClientConfig, Credentials, SessionKey } from "./config.ts";
import { CredentialStore } from "./credentials.ts";
import { ZooKeeperError } from "./errors.ts";
import type { ClientState, WatchEvent, WatcherType, WatchListener } from "./events.ts";
import { FrameReader } from "./frames.ts";
import { HostList } from "./hosts.ts";
import { closeSession, keep, removeWatches, setWatches } from "./operations.ts";
import type { Operation, Reply } from "./operations.ts";
import { numberPacket, PacketWriter, PASSWORD_NONE, PING } from "./packets.ts";
import { Chroot } from "./paths.ts";
import { ReadWriteSearch } from "./read-write-search.ts";
import { SessionTimes } from "./session-times.ts";
import { Watching } from "./watching.ts";
import type { AskServer } from "./watching.ts";

/** Calls come in the midst of an event: they must neither throw nor call the client. */
export interface ClientSink {
  /** `error` says why, once the state is a final one. */
  stateChanged(state: ClientState, error: ZooKeeperError | undefined): void;
  watchFired(listener: WatchListener, event: WatchEvent): void;
}

/** What is so in one role only is in that role's variant. */
type Role =
  | { readonly kind: "new" }
  | { readonly kind: "waiting"; readonly until: Millis }
  | { readonly kind: "connecting" | "handshaking"; readonly conn: ConnId; readonly server: Address; until: Millis }
  | { readonly kind: "connected"; readonly conn: ConnId; readonly server: Address }
  | { readonly kind: "ended"; readonly error: ZooKeeperError };

export class Client implements Actor {
  readonly #config: ClientConfig;
  readonly #root: Chroot;
  readonly #sink: ClientSink;
  readonly #delays: Prng;
  readonly #hosts: HostList;
  readonly #calls: Calls = new Calls();
  readonly #watching: Watching;
  readonly #credentials: CredentialStore;
  readonly #search: ReadWriteSearch;
  readonly #frames: FrameReader;
  readonly #times: SessionTimes;
  readonly #reader: Reader = new Reader(new Uint8Array(0));
  readonly #packets: PacketWriter = new PacketWriter();

  readonly #reply: { -readonly [K in keyof Reply]: Reply[K] };

  #role: Role = { kind: "new" };
  #state: ClientState = "connecting";
  #session: SessionKey;
  /** No server with a quorum has ever heard of the session: it is a read-only server's own, and ends with it. */
  #provisional: boolean;
  #lastZxid: Zxid;
  /** Infinity once there has been a connection. */
  #giveUpAt: Millis = Infinity;
  #everConnected = false;
  #closing: Completion<void>[] | undefined;
  #closeBy: Millis = Infinity;
  #haltWhenEnded = false;

  constructor(config: ClientConfig, seed: number, sink: ClientSink) {
    const prng = new Prng(seed);
    this.#config = config;
    this.#root = new Chroot(config.chroot);
    this.#sink = sink;
    this.#watching = new Watching(this.#root, (listener, event) => sink.watchFired(listener, event));
    this.#reply = { reader: this.#reader, root: this.#root, owned: false };
    this.#delays = prng.fork("delays");
    this.#hosts = new HostList(config.servers, prng.fork("hosts"));
    this.#credentials = new CredentialStore(config.credentials);
    this.#search = new ReadWriteSearch(this.#hosts);
    this.#frames = new FrameReader(config.replyBytesMax);
    this.#times = new SessionTimes(config, this.#hosts.count);
    this.#session = config.session ?? { id: SESSION_NONE, password: PASSWORD_NONE };
    this.#provisional = config.session === undefined;
    this.#lastZxid = config.lastZxidSeen;
  }

  get state(): ClientState {
    return this.#state;
  }
  /** Id 0 before the first connection. */
  get session(): SessionKey {
    return this.#session;
  }
  /** As the server decided; as asked for before the first connection. */
  get sessionTimeout(): Millis {
    return this.#times.timeout;
  }
  get lastZxidSeen(): Zxid {
    return this.#lastZxid;
  }
  /** The server connected to. */
  get server(): Address | undefined {
    return this.#role.kind === "connected" ? this.#role.server : undefined;
  }

  /** What a call is rejected with now that the client has ended, or is about to. */
  refusal(path: string | undefined): ZooKeeperError | undefined {
    if (this.#role.kind === "ended") return new ZooKeeperError(this.#role.error.errno, path, END_DETAILS[this.#state]);
    if (this.#closing !== undefined) return new ZooKeeperError(Code.SESSIONEXPIRED, path, "the client is closing");
    return undefined;
  }

  /**
   * Sends a request, or keeps it until there is a connection; then it is given up when every server has been tried
   * without success. Requests are carried out in the order in which they were submitted.
   */
  submit<T>(cx: Context, operation: Operation<T>, completion: Completion<T>): void {
    const refusal = this.refusal(operation.path);
    if (refusal !== undefined) return completion.reject(refusal);
    this.#send(cx, operation as Operation<unknown>, completion as Completion<unknown>);
  }

  /** Resolves when a server has accepted them. They are sent again on every later connection. */
  addCredentials(cx: Context, credentials: Credentials, completion: Completion<void>): void {
    const refusal = this.refusal(undefined);
    if (refusal !== undefined) return completion.reject(refusal);
    if (!this.#credentials.add(credentials, completion)) return;
    if (this.#role.kind === "connected") this.#transmit(cx, this.#role.conn, this.#packets.credentials(credentials));
  }

  /** `listener` undefined: everybody's. Rejects with NOWATCHER when there is no such watch. */
  removeWatches(
    cx: Context,
    path: string,
    type: WatcherType,
    listener: WatchListener | undefined,
    completion: Completion<void>,
  ): void {
    const refusal = this.refusal(path);
    if (refusal !== undefined) return completion.reject(refusal);
    const ask: AskServer = (serverType, each) => this.#send(cx, removeWatches(path, serverType), each);
    this.#watching.remove(path, type, listener, this.#role.kind === "connected" ? ask : undefined, completion);
  }

  /**
   * Ends the session, so that its ephemeral nodes go at once. What was submitted before is still answered. Without a
   * connection there is nobody to tell, and the server ends the session in its time.
   */
  close(cx: Context, completion: Completion<void>): void {
    if (this.#role.kind === "ended") return completion.resolve();
    if (this.#closing !== undefined) {
      this.#closing.push(completion);
      return;
    }
    this.#closing = [completion];
    this.#closeBy = cx.now + this.#times.timeout;
    if (this.#role.kind === "connected") this.#sendClose(cx);
    else if (this.#role.kind !== "handshaking") this.#endClosed(cx);
  }

  onStarted(cx: Context): void {
    // A host may run calls before it starts the actor, and one may have been `close`.
    if (this.#role.kind === "ended") return;
    this.#giveUpAt = cx.now + this.#config.connectTimeout;
    this.#dial(cx);
  }

  onConnected(cx: Context, conn: ConnId): void {
    if (this.#search.owns(conn)) return this.#search.onConnected(cx, conn);
    const role = this.#role;
    if (role.kind !== "connecting" || role.conn !== conn) return;
    this.#role = { kind: "handshaking", conn, server: role.server, until: cx.now + this.#times.attempt };
    const { sessionTimeout, readOnly } = this.#config;
    // A read-only server's own session means nothing elsewhere.
    const session = this.#provisional ? undefined : this.#session;
    this.#transmit(cx, conn, this.#packets.connect(this.#lastZxid, sessionTimeout, session, readOnly));
  }

  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): void {
    if (this.#search.owns(conn)) {
      const found = this.#search.onReceived(cx, bytes);
      if (found !== undefined) this.#moveTo(cx, found);
      return;
    }
    if (!this.#isCurrent(conn)) return;
    if (this.#role.kind === "connected") this.#times.heard(cx.now);
    const readable = this.#frames.push(bytes, (frame, start, end, owned) => {
      this.#reader.reset(frame, start, end);
      if (this.#role.kind === "handshaking") this.#onConnectResponse(cx);
      else this.#onPacket(cx, owned);
      return this.#isCurrent(conn);
    });
    if (!readable && this.#isCurrent(conn)) this.#lose(cx, "a packet's length is out of bounds");
  }

  onClosed(cx: Context, conn: ConnId, cause: string): void {
    if (this.#search.owns(conn)) return this.#search.onClosed(cx);
    if (this.#isCurrent(conn)) this.#lose(cx, LOSS_CAUSES[cause] ?? "the server closed the connection", true);
  }

  onDeadline(cx: Context): void {
    const role = this.#role;
    if (role.kind === "connected") return this.#onConnectedDeadline(cx, role.conn);
    if (role.kind === "new" || role.kind === "ended") return;
    if (cx.now >= this.#expireAt()) {
      return this.#end(cx, "expired", Code.SESSIONEXPIRED, "no server was heard for longer than the session lasts");
    }
    if (cx.now >= this.#giveUpAt || cx.now >= this.#closeBy) {
      if (this.#closing !== undefined) return this.#endClosed(cx);
      return this.#end(cx, "closed", Code.CONNECTIONLOSS, "no server could be reached");
    }
    if (cx.now < role.until) return;
    if (role.kind === "waiting") this.#dial(cx);
    else this.#lose(cx, `${role.server} did not answer in time`);
  }

  onStopRequested(cx: Context): void {
    this.#haltWhenEnded = true;
    this.close(cx, IGNORED);
    if (this.#role.kind === "ended") cx.halt(0, "stop requested");
  }

  deadline(): Millis {
    const role = this.#role;
    switch (role.kind) {
      case "connected": {
        const oldest = this.#config.requestTimeout === Infinity ? undefined : this.#calls.oldest();
        const request = oldest === undefined ? Infinity : oldest.since + this.#config.requestTimeout;
        return Math.min(this.#times.nextAt, this.#search.deadline(), request, this.#closeBy);
      }
      case "waiting":
      case "connecting":
      case "handshaking":
        return Math.min(role.until, this.#giveUpAt, this.#closeBy, this.#expireAt());
      default:
        return Infinity;
    }
  }

  // A client accepts no connections and keeps nothing on disk.
  onAccepted(): void {}
  onDrained(): void {}
  onDiskDone(): void {}

  #isCurrent(conn: ConnId): boolean {
    const role = this.#role;
    return (
      (role.kind === "connected" || role.kind === "handshaking" || role.kind === "connecting") && role.conn === conn
    );
  }

  #expireAt(): Millis {
    return this.#config.expireLocally && this.#everConnected && !this.#provisional ? this.#times.expireAt : Infinity;
  }

  #dial(cx: Context): void {
    const server = this.#hosts.next();
    const conn = cx.connect(server);
    this.#role = { kind: "connecting", conn, server, until: cx.now + this.#times.attempt };
  }

  #onConnectedDeadline(cx: Context, conn: ConnId): void {
    if (cx.now >= this.#closeBy) return this.#endClosed(cx);
    if (cx.now >= this.#times.silentAt) return this.#lose(cx, "the server has gone silent");
    const oldest = this.#calls.oldest();
    if (oldest !== undefined && cx.now >= oldest.since + this.#config.requestTimeout) {
      this.#calls.answered(oldest.xid);
      oldest.completion.reject(new ZooKeeperError(Code.REQUESTTIMEOUT, oldest.operation.path, undefined, true));
      return this.#lose(cx, "a request was not answered in time");
    }
    this.#search.onDeadline(cx);
    if (cx.now >= this.#times.pingAt) {
      cx.send(conn, PING);
      this.#times.sent(cx.now);
    }
  }

  #onConnectResponse(cx: Context): void {
    const role = this.#role;
    if (role.kind !== "handshaking") return;
    const response = readConnectResponse(this.#reader);
    if (this.#reader.failed) return this.#lose(cx, "the answer to the handshake does not decode");
    if (response.timeOut <= 0) {
      const expired = "the server does not know the session any more";
      return this.#end(cx, "expired", Code.SESSIONEXPIRED, expired);
    }
    this.#session = { id: response.sessionId, password: keep(response.passwd, false) ?? PASSWORD_NONE };
    if (!response.readOnly) this.#provisional = false;
    this.#times.negotiated(response.timeOut, cx.now);
    this.#role = { kind: "connected", conn: role.conn, server: role.server };
    cx.facts.log("info", "session established", {
      server: role.server,
      session: formatSession(response.sessionId as SessionId),
      timeout: response.timeOut,
    });
    this.#onSessionReady(cx, role.conn, response.readOnly);
  }

  /** Credentials go first, so that watches and requests find them; watches before requests, so that none is late. */
  #onSessionReady(cx: Context, conn: ConnId, readOnly: boolean): void {
    const again = this.#everConnected;
    this.#everConnected = true;
    this.#giveUpAt = Infinity;
    for (const credentials of this.#credentials.startOver())
      this.#transmit(cx, conn, this.#packets.credentials(credentials));
    const relativeZxid = this.#lastZxid;
    for (const batch of this.#watching.batches()) {
      this.#send(cx, setWatches(relativeZxid, batch), REARMED, Xids.setWatches);
    }
    for (let call = this.#calls.takeUnsent(); call !== undefined; call = this.#calls.takeUnsent()) {
      this.#sendPostponed(cx, conn, call);
    }
    if (readOnly) this.#search.start(cx);
    this.#setState(readOnly ? "connectedReadOnly" : "connected", undefined);
    if (again) this.#watching.tellOfGap();
    if (this.#closing !== undefined) this.#sendClose(cx);
  }

  #onPacket(cx: Context, owned: boolean): void {
    const r = this.#reader;
    const xid = r.int();
    const zxid = r.zxid();
    const err = r.int();
    if (r.failed) return this.#lose(cx, "a reply is shorter than its header");
    if (xid === Xids.notification) return this.#onNotification(cx, zxid);
    if (xid === Xids.ping) return;
    if (xid === Xids.auth) return this.#onAuthReply(cx, err);
    const call = this.#calls.answered(xid);
    if (call === undefined) return this.#lose(cx, "replies are out of order");
    if (zxid > this.#lastZxid && Number.isSafeInteger(zxid)) this.#lastZxid = zxid;
    this.#settle(cx, call, err, owned);
  }

  #settle(cx: Context, call: Call, err: number, owned: boolean): void {
    const { operation, completion } = call;
    if (err !== Code.OK) {
      const missing = err === Code.NONODE ? operation.whenMissing : undefined;
      if (missing !== undefined) {
        this.#watching.wasSet(operation, true);
        completion.resolve(missing.value);
      } else completion.reject(new ZooKeeperError(err, operation.path));
      if (completion === REARMED) this.#lose(cx, "the server did not set the watches again");
      return;
    }
    this.#reply.owned = owned;
    const value = operation.read(this.#reply);
    if (this.#reader.failed) {
      completion.reject(new ZooKeeperError(Code.MARSHALLINGERROR, operation.path, "the reply does not decode", true));
      return this.#lose(cx, "a reply does not decode");
    }
    this.#watching.wasSet(operation, false);
    if (value instanceof ZooKeeperError) completion.reject(value);
    else completion.resolve(value);
    if (operation.type === OpCode.closeSession) this.#endClosed(cx);
  }

  /** Its zxid must not count as seen: replies that reflect the change are still to come. */
  #onNotification(cx: Context, zxid: Zxid): void {
    const { type, path } = readWatcherEvent(this.#reader);
    if (this.#reader.failed || path === null) return this.#lose(cx, "a notification does not decode");
    this.#watching.notified(type, path, zxid);
  }

  #onAuthReply(cx: Context, err: number): void {
    if (err !== Code.OK) return this.#end(cx, "authFailed", Code.AUTHFAILED, "the server refused the credentials");
    if (!this.#credentials.accepted()) this.#lose(cx, "replies are out of order");
  }

  #setState(state: ClientState, error: ZooKeeperError | undefined): void {
    this.#state = state;
    this.#watching.state = state;
    this.#sink.stateChanged(state, error);
  }

  /** There is no connection (any more). `closed`: the host knows. */
  #lose(cx: Context, why: string, closed: boolean = false): void {
    this.#loseUntil(cx, why, closed, cx.now + this.#delays.below(Math.max(this.#config.reconnectDelayMax, 1)));
  }

  #loseUntil(cx: Context, why: string, closed: boolean, until: Millis): void {
    const role = this.#role;
    if (role.kind === "connected") cx.facts.log("warn", "connection lost", { server: role.server, why });
    if (this.#closing !== undefined) return this.#endClosed(cx);
    this.#hangUp(cx, closed);
    this.#role = { kind: "waiting", until };
    this.#calls.failInFlight(Code.CONNECTIONLOSS, why);
    if (role.kind === "connected") this.#setState("connecting", undefined);
    else this.#calls.attemptFailed(why);
  }

  #moveTo(cx: Context, server: Address): void {
    if (this.#role.kind !== "connected") return;
    this.#hosts.prefer(server);
    this.#loseUntil(cx, "another server has a quorum", false, cx.now);
  }

  #hangUp(cx: Context, closed: boolean): void {
    const role = this.#role;
    if (!closed && (role.kind === "connected" || role.kind === "connecting" || role.kind === "handshaking")) {
      cx.close(role.conn);
    }
    this.#search.stop(cx);
    this.#frames.reset();
  }

  #endClosed(cx: Context): void {
    this.#end(cx, "closed", Code.SESSIONEXPIRED, END_DETAILS.closed);
  }

  #end(cx: Context, state: ClientState, errno: number, detail: string | undefined): void {
    this.#hangUp(cx, false);
    const error = new ZooKeeperError(errno, undefined, detail);
    this.#role = { kind: "ended", error };
    this.#calls.failInFlight(errno, detail);
    this.#calls.failUnsent(errno, detail);
    this.#credentials.fail(error);
    this.#setState(state, error);
    this.#watching.tellOfEnd();
    for (const completion of this.#closing ?? []) completion.resolve();
    this.#closing = undefined;
    if (this.#haltWhenEnded) cx.halt(0, "stop requested");
  }

  #send(cx: Context, operation: Operation<unknown>, completion: Completion<unknown>, xid?: Xid): void {
    const packet = this.#packets.request(operation, this.#root);
    const frame: Uint8Array | undefined = undefined;
    const call: Call = { operation, completion, since: cx.now, xid: 0, frame, attemptsLeft: this.#hosts.count };
    const role = this.#role;
    if (role.kind === "connected") {
      this.#packets.number(this.#calls.sent(call, xid));
      return this.#transmit(cx, role.conn, packet);
    }
    // Encoded now, because what the data is should not depend on when the connection comes.
    call.frame = packet.take();
    this.#calls.postpone(call);
  }

  #sendPostponed(cx: Context, conn: ConnId, call: Call): void {
    const frame = call.frame!;
    call.frame = undefined;
    numberPacket(frame, this.#calls.sent(call));
    cx.send(conn, frame);
    this.#times.sent(cx.now);
  }

  #sendClose(cx: Context): void {
    this.#send(cx, closeSession() as Operation<unknown>, IGNORED);
  }

  #transmit(cx: Context, conn: ConnId, packet: Writer): void {
    cx.send(conn, packet.bytes, 0, packet.length);
    this.#times.sent(cx.now);
  }
}

const IGNORED: Completion<unknown> = { resolve() {}, reject() {} };
/** Tells the client's own SetWatches from the application's calls. */
const REARMED: Completion<unknown> = { resolve() {}, reject() {} };

const END_DETAILS: Readonly<Partial<Record<ClientState, string>>> = { closed: "the client is closed" };
const LOSS_CAUSES: Readonly<Record<string, string>> = {
  refused: "the server refused the connection",
  unreachable: "the server cannot be reached",
  reset: "the connection was reset",
};
