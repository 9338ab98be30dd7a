/**
 * A server of an ensemble: recovers, elects, takes a role, serves clients while it has one, and begins again when the
 * role ends (Java: QuorumPeer). Routes each event to whose it is and owns what outlives a role; what a role does is in
 * zab/, how a leader is found in election/.
 *
 * Between two roles everything that was logged is made durable and applied, so that memory and log are the same history
 * whenever this server votes (reference, section 1.1).
 */
import type { Actor, Address, CloseCause, ConnId, Context, DiskOp, DiskOutcome, Millis, Port } from "../actor.ts";
import { AuthProviders } from "../auth/providers.ts";
import { Prng } from "../base/prng.ts";
import type { SessionId } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import { epochOf, formatZxid } from "../base/zxid.ts";
import type { EnsembleConfig, ServerConfig } from "../config.ts";
import { Election } from "../election/election.ts";
import type { ElectionHost } from "../election/election.ts";
import type { Vote } from "../election/vote.ts";
import { invariant } from "../invariant.ts";
import type { Reader } from "../jute/reader.ts";
import { FRUITLESS_PAUSE, FRUITLESS_PAUSE_MAX } from "../limits.ts";
import { Replies } from "../pipeline/replies.ts";
import type { Request } from "../pipeline/request.ts";
import type { Mutants, ServerState } from "../pipeline/state.ts";
import { NO_MUTANTS } from "../pipeline/state.ts";
import { ServerStats } from "../pipeline/stats.ts";
import { OpCode } from "../protocol/op-codes.ts";
import type { Word } from "../protocol/words.ts";
import type { QuorumConfig } from "../quorum/config.ts";
import type { QuorumView } from "../quorum/view.ts";
import { Epochs } from "../storage/epochs.ts";
import type { Recovered } from "../storage/recovery.ts";
import type { TxnLog } from "../storage/txn-log.ts";
import type { CommittedLog } from "../zab/committed-log.ts";
import { Leader } from "../zab/leader.ts";
import { Learner } from "../zab/learner.ts";
import type { Proposal, Role, RoleHost } from "../zab/role.ts";
import type { ClientLink } from "./client-link.ts";
import type { PortServer, ServerMode, WordAnswer } from "./client-port.ts";
import { ClientPort } from "./client-port.ts";
import { Beginning } from "./beginning.ts";
import { Database } from "./database.ts";
import { EarlyLearners } from "./early-learners.ts";
import { Membership } from "./membership.ts";
import { Tenure } from "./tenure.ts";
import type { ServerFacts } from "./word-desk.ts";
import { WordDesk } from "./word-desk.ts";

/** Java: ExitCode. */
const EXIT_OK = 0;
const EXIT_INVALID_INVOCATION = 2;
const EXIT_DATA_DIRECTORY = 3;
export interface PeerOptions {
  /** Tests only: bugs to put back. */
  readonly mutants?: Mutants;
}

type Phase = "recovering" | "looking" | "in-role" | "settling" | "stopped";

/** Where to go once the last role has settled. */
type Next = { readonly kind: "look" } | { readonly kind: "follow-up"; readonly designated: number | undefined };

export class Peer implements Actor, PortServer, RoleHost, ElectionHost {
  readonly config: ServerConfig;
  readonly ensemble: EnsembleConfig;
  readonly myId: number;
  readonly replies: Replies;
  readonly epochs: Epochs;
  readonly #mutants: Mutants;
  readonly #prng: Prng;
  readonly #stats = new ServerStats();
  readonly #auth: AuthProviders;
  readonly #port: ClientPort;
  readonly #words: WordDesk;
  readonly #election: Election;
  readonly #membership: Membership;
  #beginning: Beginning | undefined;
  #database: Database | undefined;
  #phase: Phase = "recovering";
  #stopping = false;

  // For as long as a role lasts
  #role: Role | undefined;
  #roleCount = 0;
  #rolePrng: Prng;
  #tenure: Tenure | undefined;
  #serves = false;
  #servingSince: Millis = 0;
  /** A start takes a snapshot, so that the next one has less to replay; a change of role has nothing to do with it. */
  #hasServed = false;

  // Between roles
  #unapplied: readonly Proposal[] = [];
  #next: Next = { kind: "look" };
  /** Roles in a row that ended before clients were served. */
  #fruitless = 0;
  #lookAt: Millis = Infinity;
  #lookingSince: Millis = 0;
  #readOnlyAt: Millis = Infinity;
  #readOnly = false;
  /** Learners that came before this server knew that it leads. */
  readonly #early = new EarlyLearners();

  constructor(config: ServerConfig, seed: number, options: PeerOptions = {}) {
    invariant(config.ensemble !== undefined, "a peer has an ensemble");
    this.#mutants = options.mutants ?? NO_MUTANTS;
    this.config = config;
    this.ensemble = config.ensemble;
    this.myId = config.serverId;
    this.epochs = new Epochs(config.description, this.#mutants);
    this.replies = new Replies(this.#stats);
    this.#prng = new Prng(seed);
    this.#rolePrng = this.#prng;
    this.#auth = new AuthProviders(config.auth);
    this.#port = new ClientPort(config, this.#auth, this, this.#stats, this.replies, this.#prng.fork("connections"));
    this.#words = new WordDesk(config, this.#port, () => this.#describe());
    this.#membership = new Membership(config);
    this.#election = new Election(this, this.#prng.fork("election"));
  }

  // What roles and the election ask

  get view(): QuorumView {
    return this.#membership.view;
  }
  get state(): ServerState {
    invariant(this.#tenure !== undefined, "there is a role");
    return this.#tenure.state;
  }
  get log(): TxnLog {
    return this.#database!.log;
  }
  get committedLog(): CommittedLog {
    return this.#database!.committedLog;
  }
  get prng(): Prng {
    return this.#rolePrng;
  }
  lastZxid(): Zxid {
    if (this.#mutants.has("vote-ignores-history")) return 0 as Zxid;
    return this.#database!.tree.lastProcessedZxid;
  }
  currentEpoch(): number {
    if (this.#mutants.has("vote-ignores-history")) return 0;
    return this.epochs.current;
  }
  setVoteEpoch(epoch: number): void {
    this.#election.setVoteEpoch(epoch);
  }

  /** For tests and checkers. */
  get database(): Database | undefined {
    return this.#database;
  }
  get role(): Role | undefined {
    return this.#role;
  }

  commit(cx: Context, proposal: Proposal): void {
    const { request } = proposal;
    this.#tenure!.apply.apply(cx, request);
    this.#database!.committedLog.add(request.zxid, proposal.payload);
    switch (request.txn!.type) {
      case OpCode.createSession:
        cx.facts.sessionOpened(request.session, request.txn!.timeOut);
        if (request.origin !== undefined) this.#port.onSessionCreated(cx, request);
        return;
      case OpCode.closeSession:
        cx.facts.sessionClosed(request.session);
        this.#port.onSessionClosed(cx, request);
        break;
      default:
    }
    if (request.origin !== undefined) this.#port.onAnswered(cx, request);
  }

  answerSync(cx: Context, request: Request): void {
    this.#tenure!.apply.answerSync(cx, request);
    this.#port.onAnswered(cx, request);
  }

  released(cx: Context): void {
    this.#port.resumeHeld(cx);
  }

  takeSnapshot(cx: Context): void {
    // While it is being brought up to date the database may be replaced any moment.
    if (this.#serves) this.#tenure!.takeSnapshot(cx, this.committedLog.max);
  }

  replaceDatabase(cx: Context, recovered: Recovered): void {
    this.#database!.replace(cx, recovered);
    // A tree that came as a fuzzy snapshot wants one that is not, as soon as it is whole.
    this.#hasServed = false;
    this.#membership.initConfigNode(cx, this.#database!.tree);
    this.#tenure = this.#newTenure(cx);
  }

  serve(cx: Context): void {
    const role = this.#role!;
    const tenure = this.#tenure!;
    const { state } = tenure;
    this.#serves = true;
    this.#servingSince = cx.now;
    this.#port.serve(cx, state, tenure.reads);
    if (role.kind === "leading") tenure.lead(cx, role);
    cx.facts.role(role.kind, role.epoch);
    cx.facts.log("info", role.kind, {
      epoch: role.epoch,
      leader: role.describe().leader ?? this.myId,
      zxid: formatZxid(state.tree.lastProcessedZxid),
      sessions: state.sessions.size,
    });
    if (!this.#hasServed) tenure.takeSnapshot(cx, this.committedLog.max);
    this.#hasServed = true;
  }

  leave(cx: Context, reason: string): void {
    this.#endRole(cx, reason, { kind: "look" });
  }

  leaveForConfig(cx: Context, designated: number | undefined): void {
    this.#endRole(cx, "the configuration changed", { kind: "follow-up", designated });
  }

  proposeConfig(cx: Context, config: QuorumConfig): void {
    this.#membership.propose(cx, config);
    this.#election.viewChanged(cx);
  }

  activateConfig(cx: Context, config: QuorumConfig, designated: number | undefined): boolean {
    const leader = this.#role?.describe().leader ?? this.myId;
    const tree = this.#database!.tree;
    const changes = this.#membership.activate(cx, config, designated, leader, this.#role?.kind, tree);
    this.#election.viewChanged(cx);
    return changes;
  }

  onNewerConfig(cx: Context, config: QuorumConfig): boolean {
    if (!this.#membership.adopt(cx, config, this.#database!.tree)) return false;
    this.#election.viewChanged(cx);
    return true;
  }

  onElected(cx: Context, vote: Vote): void {
    if (this.#phase !== "looking") return;
    this.#stats.observe("election_time", cx.now - this.#lookingSince);
    this.#takeRole(cx, vote);
  }

  // What the clients' port asks

  get mode(): ServerMode {
    if (this.#readOnly) return "read-only";
    switch (this.#role?.kind) {
      case "leading":
        return "leader";
      case "observing":
        return "observer";
      default:
        return "follower";
    }
  }
  get serving(): boolean {
    return (this.#serves || this.#readOnly) && !this.#stopping;
  }
  get refusingWrites(): boolean {
    return false;
  }

  submitWrite(cx: Context, request: Request, body: Reader): void {
    this.#role!.submitWrite(cx, request, body);
  }
  submitCreateSession(cx: Context, request: Request, timeout: Millis): void {
    this.#role!.submitCreateSession(cx, request, timeout);
  }
  submitBarrier(cx: Context, request: Request): void {
    this.#role!.submitSync(cx, request);
  }
  revalidate(cx: Context, session: SessionId, timeout: Millis, answer: (cx: Context, valid: boolean) => void): void {
    this.#role!.revalidate(cx, session, timeout, answer);
  }

  answerWord(cx: Context, link: ClientLink, word: Word, rest: Uint8Array): WordAnswer {
    return this.#words.answer(cx, link, word, rest);
  }
  #describe(): ServerFacts {
    return {
      state: this.serving ? this.#tenure?.state : undefined,
      mode: this.mode,
      role: this.#role?.describe(),
      view: this.view,
      servingSince: this.#serves ? this.#servingSince : undefined,
    };
  }

  // Events

  onStarted(cx: Context): void {
    this.#words.startedAt = cx.now;
    cx.facts.role("looking", 0);
    const unknown = this.#auth.unknownEnforcedSchemes();
    const complaint =
      unknown.length > 0
        ? `enforce.auth.schemes names unknown schemes: ${unknown.join(", ")}`
        : this.#membership.failure;
    if (complaint !== undefined) return cx.halt(EXIT_INVALID_INVOCATION, complaint);
    this.#beginning = new Beginning(this.config, this.epochs, this.#mutants);
    this.#beginning.start(cx);
  }

  onAccepted(cx: Context, conn: ConnId, port: Port, from: Address, subject?: string): void {
    this.#port.begin(cx);
    if (port === "election") this.#election.onAccepted(cx, conn, from);
    else if (port === "quorum") this.#onLearner(cx, conn, from);
    else this.#port.onAccepted(cx, conn, port, from, subject);
    this.#end(cx);
  }

  onConnected(cx: Context, conn: ConnId): void {
    this.#port.begin(cx);
    if (!this.#election.onConnected(cx, conn)) this.#role?.onConnected(cx, conn);
    this.#end(cx);
  }

  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): void {
    if (this.#phase === "stopped") return;
    this.#port.begin(cx);
    // The likeliest first.
    if (this.#role === undefined || !this.#role.onReceived(cx, conn, bytes)) {
      if (!this.#election.onReceived(cx, conn, bytes) && !this.#stopping) this.#port.onReceived(cx, conn, bytes);
    }
    this.#end(cx);
  }

  onDrained(cx: Context, conn: ConnId): void {
    this.#port.begin(cx);
    if (this.#role === undefined || !this.#role.onDrained(cx, conn)) {
      if (!this.#election.onDrained(cx, conn)) this.#port.onDrained(cx, conn);
    }
    this.#end(cx);
  }

  onClosed(cx: Context, conn: ConnId, cause: CloseCause): void {
    this.#port.begin(cx);
    if (!this.#early.onClosed(conn) && !(this.#role?.onClosed(cx, conn, cause) ?? false)) {
      if (!this.#election.onClosed(cx, conn, cause)) this.#port.onClosed(cx, conn, cause);
    }
    this.#end(cx);
  }

  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): void {
    this.#port.begin(cx);
    this.#routeDiskDone(cx, op, outcome);
    this.#end(cx);
  }

  #routeDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): void {
    if (this.#phase === "settling" && this.#onSettlingDiskDone(cx, op, outcome)) return;
    if (this.#role?.onDiskDone(cx, op, outcome)) return;
    if (this.#beginning !== undefined) return this.#onBeginningDiskDone(cx, this.#beginning, op, outcome);
    if (this.epochs.onDiskDone(cx, op, outcome)) return;
    if (this.#membership.onDiskDone(cx, op, outcome)) return;
    if (this.#words.onDiskDone(cx, op, outcome)) return;
    this.#tenure?.onDiskDone(cx, op, outcome);
  }

  onDeadline(cx: Context): void {
    this.#port.begin(cx);
    if (cx.now >= this.#lookAt) this.#lookForLeader(cx);
    this.#early.onDeadline(cx);
    this.#election.onDeadline(cx);
    const role = this.#role;
    if (role !== undefined && role.deadline() <= cx.now) role.onDeadline(cx);
    if (!this.#stopping) {
      if (this.#serves) this.#tenure!.onDeadline(cx);
      this.#port.onDeadline(cx);
      if (cx.now >= this.#readOnlyAt) this.#serveReadOnly(cx);
    }
    this.#port.resumeHeld(cx);
    this.#end(cx);
  }

  onStopRequested(cx: Context): void {
    this.#stopping = true;
    this.#port.begin(cx);
    if (this.#phase === "in-role") this.#endRole(cx, "stopping", { kind: "look" });
    else if (this.#phase !== "settling") this.#halt(cx);
    this.#end(cx);
  }

  deadline(): Millis {
    const role = this.#role?.deadline() ?? Infinity;
    let at = Math.min(this.#election.deadline(), role, this.#lookAt, this.#early.deadline());
    if (this.#stopping) return at;
    at = Math.min(at, this.#port.deadline(), this.#readOnlyAt);
    return Math.min(at, this.#tenure?.deadline(this.#serves) ?? Infinity);
  }

  /** The end of every event. */
  #end(cx: Context): void {
    this.#role?.flush(cx);
    this.replies.flush(cx);
  }

  // Beginning

  #onBeginningDiskDone(cx: Context, beginning: Beginning, op: DiskOp, outcome: DiskOutcome): void {
    beginning.onDiskDone(cx, op, outcome);
    const { result } = beginning;
    if (result === undefined) return;
    this.#beginning = undefined;
    if ("fatal" in result) return cx.halt(EXIT_DATA_DIRECTORY, result.fatal);
    this.#begin(cx, result);
  }

  #begin(cx: Context, result: Recovered): void {
    const { tree } = result;
    this.#database = new Database(cx, this.config, result, this.#mutants);
    this.#membership.onRecovered(cx, tree);
    cx.facts.recovered(tree.lastProcessedZxid, tree.treeDigest.to53());
    cx.facts.log("info", "recovered", {
      zxid: formatZxid(tree.lastProcessedZxid),
      epoch: this.epochs.current,
      nodes: tree.nodeCount,
      sessions: result.sessions.size,
      milliseconds: cx.now - this.#words.startedAt,
    });
    this.#election.start(cx);
    this.#lookForLeader(cx);
  }

  #lookForLeader(cx: Context): void {
    this.#lookAt = Infinity;
    this.#lookingSince = cx.now;
    this.#phase = "looking";
    if (this.config.readOnlyModeEnabled) this.#readOnlyAt = cx.now + Math.max(2000, this.config.tickTime);
    this.#election.lookForLeader(cx);
  }

  // Roles

  #takeRole(cx: Context, vote: Vote): void {
    this.#endReadOnly(cx);
    this.#phase = "in-role";
    this.#roleCount++;
    this.#rolePrng = this.#prng.fork(`role ${this.#roleCount}`);
    const observer = this.#membership.isObserver;
    const kind = vote.leader === this.myId ? "leading" : observer ? "observing" : "following";
    this.#database!.sessions.beginRole(kind === "leading" ? "leader" : "learner", cx.now);
    this.#tenure = this.#newTenure(cx);
    cx.facts.role(kind, 0);
    this.#election.settled(kind, vote);
    let role: Role;
    if (kind === "leading") role = new Leader(this, this.#early.take(cx));
    else {
      this.#early.turnAway(cx);
      role = new Learner(this, vote, observer);
    }
    this.#role = role;
    role.start(cx);
  }

  #newTenure(cx: Context): Tenure {
    const { config, replies } = this;
    const parts = { config, auth: this.#auth, stats: this.#stats, replies, mutants: this.#mutants };
    return new Tenure(parts, this.#database!, cx.now);
  }

  #endRole(cx: Context, reason: string, next: Next): void {
    const role = this.#role;
    if (role === undefined) return;
    if (this.#stopping) cx.facts.log("info", "stopping", {});
    else cx.facts.log("warn", "leaving the role", { role: role.kind, epoch: role.epoch, reason });
    this.#fruitless = this.#serves ? 0 : this.#fruitless + 1;
    this.#serves = false;
    this.#port.unserve(cx);
    this.#unapplied = role.stop(cx);
    this.#role = undefined;
    this.#phase = "settling";
    this.#next = next;
    cx.facts.role("looking", 0);
    this.#settle(cx);
  }

  /** Everything logged durable, nothing else under way on the disk that could change it: then on. */
  #settle(cx: Context): void {
    const { log } = this;
    if (!this.#tenure!.snapshots.giveUp()) return;
    if (log.syncing) return;
    if (log.uncommitted && !log.commit(cx)) return;
    const unapplied = this.#unapplied;
    this.#unapplied = [];
    if (!this.#mutants.has("skip-fast-forward")) for (const each of unapplied) this.#database!.fastForward(cx, each);
    if (this.#stopping) return this.#halt(cx);
    const next = this.#next;
    this.#phase = "looking";
    if (next.kind === "follow-up") return this.#followUp(cx, next.designated);
    const pause = this.#pauseBeforeLooking();
    if (pause > 0) this.#lookAt = cx.now + pause;
    else this.#lookForLeader(cx);
  }

  /** Observers let the voters finish first; who was refused again and again asks less and less often. */
  #pauseBeforeLooking(): Millis {
    const again = this.#fruitless <= 1 ? 0 : Math.min(FRUITLESS_PAUSE_MAX, FRUITLESS_PAUSE * 2 ** this.#fruitless);
    if (!this.#membership.isObserver) return again;
    const { observerElectionDelay: delay, observerReconnectDelay } = this.ensemble;
    return Math.max(again, observerReconnectDelay + (delay > 0 ? this.#rolePrng.below(delay) : 0));
  }

  #onSettlingDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    switch (this.log.onDiskDone(cx, op, outcome)) {
      case "not-mine": {
        this.#tenure!.onDiskDone(cx, op, outcome);
        this.#settle(cx);
        return false;
      }
      case "full":
      case "io":
        cx.halt(1, `the transaction log can no longer be trusted: ${this.log.failure}`);
        return true;
      default:
        this.#settle(cx);
        return true;
    }
  }

  /** After a reconfig the next role needs no election: the committed txn named the leader. */
  #followUp(cx: Context, designated: number | undefined): void {
    if (designated === undefined || !this.view.current.isVoter(designated)) return this.#lookForLeader(cx);
    const { vote } = this.#election;
    this.#takeRole(cx, { ...vote, leader: designated });
  }

  #onLearner(cx: Context, conn: ConnId, from: Address): void {
    if (this.#role?.kind === "leading") return this.#role.onAccepted(cx, conn, from);
    if (this.#phase === "looking") this.#early.keep(cx, conn, from);
    else cx.close(conn);
  }

  // Without a quorum

  #serveReadOnly(cx: Context): void {
    this.#readOnlyAt = Infinity;
    if (this.#phase !== "looking") return;
    this.#tenure = this.#newTenure(cx);
    this.#readOnly = true;
    this.#port.serve(cx, this.state, this.#tenure.reads);
    cx.facts.role("readonly", epochOf(this.lastZxid()));
    cx.facts.log("warn", "no leader: serving reads only", {});
  }

  #endReadOnly(cx: Context): void {
    this.#readOnlyAt = Infinity;
    if (!this.#readOnly) return;
    this.#readOnly = false;
    this.#port.unserve(cx);
  }

  #halt(cx: Context): void {
    this.#phase = "stopped";
    cx.halt(EXIT_OK, "stopped");
  }
}
