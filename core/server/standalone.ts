/**
 * A server without an ensemble: recovers, serves clients, keeps its log and snapshots (Java: ZooKeeperServerMain,
 * ZooKeeperServer). Wires the parts together and hands each event to whose it is; decides nothing of the protocol.
 */
import type { Actor, Address, CloseCause, ConnId, Context, DiskOp, DiskOutcome, Millis, Port } from "../actor.ts";
import { AuthProviders } from "../auth/providers.ts";
import { anyoneMay, checkAcl } from "../auth/acl.ts";
import { Prng } from "../base/prng.ts";
import type { SessionId } from "../base/ids.ts";
import { formatZxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { Reader } from "../jute/reader.ts";
import { StandaloneChain } from "../pipeline/chain.ts";
import type { LogSink } from "../pipeline/log-and-sync.ts";
import { Reads } from "../pipeline/reads.ts";
import { Replies } from "../pipeline/replies.ts";
import type { Origin } from "../pipeline/request.ts";
import { LOCAL_OWNER, Request } from "../pipeline/request.ts";
import type { Mutants, ServerState } from "../pipeline/state.ts";
import { NO_MUTANTS } from "../pipeline/state.ts";
import { ServerStats } from "../pipeline/stats.ts";
import { Perms } from "../protocol/data.ts";
import { OpCode } from "../protocol/op-codes.ts";
import type { Word } from "../protocol/words.ts";
import { SessionTracker } from "../session/tracker.ts";
import { emptyTree } from "../storage/empty-tree.ts";
import { Recovery } from "../storage/recovery.ts";
import type { Recovered } from "../storage/recovery.ts";
import { TxnLog } from "../storage/txn-log.ts";
import type { DataTree } from "../tree/data-tree.ts";
import { NO_LISTENER } from "../tree/data-tree.ts";
import { WatchTable } from "../watch/watch-table.ts";
import type { ClientLink } from "./client-link.ts";
import type { PortServer, ServerMode, WordAnswer } from "./client-port.ts";
import { ClientPort } from "./client-port.ts";
import { DiskSpace } from "./disk-space.ts";
import { Reaper } from "./reaper.ts";
import { Snapshots } from "./snapshots.ts";
import { WordDesk } from "./word-desk.ts";

/** Java: ExitCode. */
const EXIT_OK = 0;
const EXIT_DATA_DIRECTORY = 3;

export interface StandaloneOptions {
  /** Tests only: bugs to put back. */
  readonly mutants?: Mutants;
}

/** Everything a server has once its data is loaded. */
interface Serving {
  readonly state: ServerState;
  readonly chain: StandaloneChain;
  readonly reads: Reads;
  readonly snapshots: Snapshots;
  readonly reaper: Reaper;
  readonly space: DiskSpace;
}

export class StandaloneServer implements Actor, PortServer, LogSink {
  readonly mode: ServerMode = "standalone";
  readonly #config: ServerConfig;
  readonly #mutants: Mutants;
  readonly #prng: Prng;
  readonly #stats = new ServerStats();
  readonly #replies = new Replies(this.#stats);
  readonly #auth: AuthProviders;
  readonly #port: ClientPort;
  readonly #words: WordDesk;
  #recovery: Recovery | undefined;
  #serving: Serving | undefined;
  #stopping = false;

  /** Cheap: nothing is allocated for data before {@link onStarted}. `seed` decides every random choice. */
  constructor(config: ServerConfig, seed: number, options: StandaloneOptions = {}) {
    this.#config = config;
    this.#mutants = options.mutants ?? NO_MUTANTS;
    this.#prng = new Prng(seed);
    this.#auth = new AuthProviders(config.auth);
    this.#port = new ClientPort(config, this.#auth, this, this.#stats, this.#replies, this.#prng.fork("connections"));
    this.#words = new WordDesk(config, this.#port, () => ({
      state: this.serving ? this.state : undefined,
      mode: this.mode,
    }));
  }

  // What the rest of the server asks

  get serving(): boolean {
    return this.#serving !== undefined && !this.#stopping;
  }
  get refusingWrites(): boolean {
    return this.#serving!.space.exhausted;
  }
  /** For tests and checkers: the state once it serves. */
  get state(): ServerState | undefined {
    return this.#serving?.state;
  }

  submitWrite(cx: Context, request: Request, body: Reader): void {
    this.#serving!.chain.submit(cx, request, body);
  }
  submitCreateSession(cx: Context, request: Request, timeout: Millis): void {
    this.#serving!.chain.prepare.prepareCreateSession(cx, request, timeout);
  }
  submitBarrier(cx: Context, request: Request): void {
    this.#serving!.chain.submitBarrier(cx, request);
  }

  revalidate(cx: Context, id: SessionId, timeout: Millis, answer: (cx: Context, valid: boolean) => void): void {
    answer(cx, this.#serving!.state.sessions.reopen(id, timeout, LOCAL_OWNER, cx.now));
  }

  answerWord(cx: Context, link: ClientLink, word: Word, rest: Uint8Array): WordAnswer {
    return this.#words.answer(cx, link, word, rest);
  }

  // Events

  onStarted(cx: Context): void {
    this.#words.startedAt = cx.now;
    const unknown = this.#auth.unknownEnforcedSchemes();
    if (unknown.length > 0) return cx.halt(2, `enforce.auth.schemes names unknown schemes: ${unknown.join(", ")}`);
    this.#recovery = new Recovery(this.#config, () => emptyTree(this.#config), this.#mutants);
    this.#recovery.start(cx);
  }

  onAccepted(cx: Context, conn: ConnId, port: Port, from: Address, subject?: string): void {
    this.#port.begin(cx);
    this.#port.onAccepted(cx, conn, port, from, subject);
  }

  onConnected(_cx: Context, _conn: ConnId): void {}

  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): void {
    if (this.#stopping) return;
    this.#port.begin(cx);
    this.#port.onReceived(cx, conn, bytes);
    this.#replies.flush(cx);
  }

  onDrained(cx: Context, conn: ConnId): void {
    if (this.#stopping) return;
    this.#port.begin(cx);
    this.#port.onDrained(cx, conn);
    this.#replies.flush(cx);
  }

  onClosed(cx: Context, conn: ConnId, cause: CloseCause): void {
    this.#port.begin(cx);
    this.#port.onClosed(cx, conn, cause);
  }

  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): void {
    this.#port.begin(cx);
    if (this.#words.onDiskDone(cx, op, outcome)) return this.#replies.flush(cx);
    const serving = this.#serving;
    if (serving === undefined) return this.#onRecoveryDiskDone(cx, op, outcome);
    if (serving.chain.onDiskDone(cx, op, outcome)) {
      this.#port.resumeHeld(cx);
      this.#replies.flush(cx);
      this.#stopWhenIdle(cx);
      return;
    }
    if (serving.space.onDiskDone(cx, op, outcome)) return;
    serving.snapshots.onDiskDone(cx, op, outcome);
  }

  onDeadline(cx: Context): void {
    this.#port.begin(cx);
    const serving = this.#serving;
    if (serving === undefined) return this.#port.onDeadline(cx);
    serving.chain.onDeadline(cx);
    serving.space.onDeadline(cx);
    if (!this.#stopping) {
      this.#expireSessions(cx, serving);
      if (!serving.space.exhausted) serving.reaper.onDeadline(cx);
      serving.snapshots.onDeadline(cx);
      this.#port.onDeadline(cx);
    }
    this.#port.resumeHeld(cx);
    this.#replies.flush(cx);
    // With forceSync=no this is where the last of what was accepted is answered.
    this.#stopWhenIdle(cx);
  }

  onStopRequested(cx: Context): void {
    this.#stopping = true;
    this.#stopWhenIdle(cx);
  }

  deadline(): Millis {
    const serving = this.#serving;
    if (serving === undefined) return this.#port.deadline();
    const urgent = Math.min(serving.chain.deadline(), serving.space.deadline());
    if (this.#stopping) return urgent;
    const writes = serving.space.exhausted
      ? Infinity
      : Math.min(serving.state.sessions.earliest(), serving.reaper.deadline());
    return Math.min(urgent, writes, serving.snapshots.deadline(), this.#port.deadline());
  }

  // Recovery

  #onRecoveryDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): void {
    const recovery = this.#recovery;
    if (recovery === undefined || !recovery.onDiskDone(cx, op, outcome)) return;
    const { result } = recovery;
    if (result === undefined) return;
    this.#recovery = undefined;
    if ("fatal" in result) return cx.halt(EXIT_DATA_DIRECTORY, result.fatal);
    if (result.lastZxid < 0) return cx.halt(EXIT_DATA_DIRECTORY, NO_DATABASE);
    this.#serve(cx, result);
    this.#stopWhenIdle(cx);
  }

  #serve(cx: Context, { tree, sessions: recovered }: Recovered): void {
    const config = this.#config;
    const sessions = new SessionTracker(config.tickTime, config.serverId, cx.wall);
    // On restart every known session gets a full fresh timeout (reference, section 2.5).
    for (const [id, timeout] of recovered) sessions.add(id, timeout, cx.now);
    killDeadSessions(tree, sessions);
    const auth = this.#auth;
    const watches = new WatchTable({
      anyoneMayRead: (acl) => config.skipAcl || anyoneMay(tree.aclOf(acl), Perms.READ),
      mayRead: (watcher, acl) => checkAcl(auth, tree.aclOf(acl), Perms.READ, (watcher as Origin).ids, config.skipAcl),
    });
    const state: ServerState = { config, tree, sessions, watches, auth, stats: this.#stats, mutants: this.#mutants };
    const log = new TxnLog(config, tree.lastProcessedZxid, this.#mutants);
    const chain = new StandaloneChain(state, log, this.#replies, this.#prng.fork("log"), this);
    const snapshots = new Snapshots(state, cx.now);
    const reaper = new Reaper(state, cx.now, (then, path) => {
      chain.prepare.prepareDeleteContainer(then, Request.internal(OpCode.deleteContainer, then.now), path);
    });
    const space = new DiskSpace(log, this.#stats);
    this.#serving = { state, chain, reads: new Reads(state, this.#replies), snapshots, reaper, space };
    this.#port.serve(cx, state, this.#serving.reads);
    cx.facts.recovered(tree.lastProcessedZxid, tree.treeDigest.to53());
    cx.facts.log("info", "serving", {
      zxid: formatZxid(tree.lastProcessedZxid),
      nodes: tree.nodeCount,
      sessions: sessions.size,
      milliseconds: cx.now - this.#words.startedAt,
    });
    snapshots.take(cx);
  }

  // The pipeline's end

  onLogged(cx: Context, request: Request): void {
    const { chain } = this.#serving!;
    if (request.txn === undefined) chain.apply.answerSync(cx, request);
    else chain.apply.apply(cx, request);
    switch (request.txn?.type) {
      case OpCode.createSession:
        cx.facts.sessionOpened(request.session, request.txn.timeOut);
        return this.#port.onSessionCreated(cx, request);
      case OpCode.closeSession:
        cx.facts.sessionClosed(request.session);
        this.#port.onSessionClosed(cx, request);
        break;
      default:
    }
    if (request.origin !== undefined) this.#port.onAnswered(cx, request);
  }

  onSnapshotDue(cx: Context): void {
    this.#serving!.snapshots.take(cx);
  }

  onLogFull(cx: Context, lost: Iterable<Request>): void {
    const { state, chain, space } = this.#serving!;
    cx.facts.log("error", "no room for the transaction log: refusing writes until there is, still serving reads");
    for (const request of lost) {
      if (request.type === OpCode.createSession) state.sessions.remove(request.session);
      this.#port.onLost(cx, request);
    }
    state.sessions.reopenClosing(cx.now);
    chain.prepare.reset();
    space.ranOut(cx);
  }

  onLogEmptied(cx: Context): void {
    this.#serving!.space.onLogEmptied(cx);
  }

  // Sessions

  #expireSessions(cx: Context, { state, chain, space }: Serving): void {
    if (space.exhausted || state.sessions.earliest() > cx.now) return;
    for (const session of state.sessions.takeExpired(cx.now)) {
      state.stats.count("stale_sessions_expired");
      cx.facts.log("info", "session expired", { session: `0x${BigInt.asUintN(64, session).toString(16)}` });
      chain.submit(cx, Request.internal(OpCode.closeSession, cx.now, session), NO_BODY);
    }
  }

  /** What has been accepted is finished, durable and answered; then the process may go. */
  #stopWhenIdle(cx: Context): void {
    if (!this.#stopping || this.#recovery !== undefined) return;
    if (this.#serving === undefined || this.#serving.chain.logAndSync.waiting === 0 || this.refusingWrites) {
      cx.halt(EXIT_OK, "stopped");
    }
  }
}

const NO_DATABASE =
  "there is no database in the data directory and db.autocreate is false; " +
  "put the data there, or create the empty file `initialize` in the log directory to begin with none";

const NO_BODY = new Reader(new Uint8Array(0));

/** Ephemerals whose session the log and the snapshot do not know (Java: ZooKeeperServer.loadData, killSession). */
function killDeadSessions(tree: DataTree, sessions: SessionTracker): void {
  const zxid = tree.lastProcessedZxid;
  const owners = [...tree.sessionsWithEphemerals()];
  for (const owner of owners) {
    const clientId = owner as Request["session"];
    if (sessions.get(clientId) !== undefined) continue;
    const type = OpCode.closeSession;
    tree.apply({ clientId, cxid: 0, zxid, time: 0, type }, { type, paths: undefined }, NO_LISTENER);
  }
}
