/**
 * An established leader's txns: proposed to its followers and logged here at the same time, acknowledged by a quorum,
 * committed in zxid order (Java: Leader.propose, processAck, tryToCommit, ProposalRequestProcessor, AckRequestProcessor,
 * CommitProcessor; reference, section 4.2). Numbering and validating is the pipeline's prepare stage, whose sink this is.
 *
 * The leader's own acknowledgement comes from its log like any follower's, when the txn is durable.
 */
import type { Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import { ByteArena } from "../base/arena.ts";
import { Deque } from "../base/deque.ts";
import { ZXID_COUNTER_MAX, ZXID_ZERO, counterOf } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import { invariant } from "../invariant.ts";
import { decodeUtf8 } from "../jute/utf8.ts";
import { LogAndSync } from "../pipeline/log-and-sync.ts";
import type { LogSink } from "../pipeline/log-and-sync.ts";
import { PrepareStage } from "../pipeline/prepare.ts";
import type { TxnSink } from "../pipeline/prepare.ts";
import type { Request } from "../pipeline/request.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { PacketType } from "../protocol/quorum-packets.ts";
import type { AckSet } from "../quorum/ack-set.ts";
import { QuorumConfig } from "../quorum/config.ts";
import type { LearnerLink } from "./learner-link.ts";
import type { LearnerTable } from "./learner-table.ts";
import type { PendingProposal } from "./proposals.ts";
import { Proposals } from "./proposals.ts";
import type { SyncedFollowers } from "./reconfig.ts";
import { LeaderReconfigGate, designatedLeader } from "./reconfig.ts";
import type { Proposal, RoleHost } from "./role.ts";

/** Java: ExitCode.UNEXPECTED_ERROR. */
const EXIT_LOG = 1;

/** A sync that waits for everything proposed before it: a client's here, or one behind a learner. */
interface Barrier {
  readonly after: Zxid;
  readonly request: Request | undefined;
  readonly link: LearnerLink | undefined;
}

/** Why this server stops leading. After a reconfig others know as well who leads next. */
export type Ending =
  | { readonly kind: "leave"; readonly reason: string }
  | { readonly kind: "reconfig"; readonly designated: number | undefined };

export class Broadcast implements TxnSink, LogSink {
  readonly prepare: PrepareStage;
  readonly #host: RoleHost;
  readonly #table: LearnerTable;
  readonly #log: LogAndSync;
  readonly #proposals: Proposals;
  readonly #payloads = new ByteArena();
  readonly #barriers = new Deque<Barrier>();
  /** Where the epoch began: no txn has that zxid. */
  readonly begin: Zxid;
  #lastProposed: Zxid;
  #lastCommitted: Zxid;
  #ending: Ending | undefined;
  /** Bytes logged and not durable: up to a zxid, and from there on. */
  #backlogBefore = 0;
  #backlogSince = 0;
  #backlogMark: Zxid = ZXID_ZERO;
  /** Something was committed in this event. */
  #released = false;

  /** The tree is at the zxid the epoch begins with: the first txn gets the next one. */
  constructor(host: RoleHost, table: LearnerTable, syncedFollowers: SyncedFollowers) {
    const { state, ensemble } = host;
    this.#host = host;
    this.#table = table;
    this.#proposals = new Proposals(host.view);
    this.#log = new LogAndSync(state, host.log, host.prng.fork("log"), this);
    const reconfig = new LeaderReconfigGate(host.view, ensemble.standaloneEnabled, syncedFollowers);
    this.prepare = new PrepareStage({ ...state, reconfig }, this);
    this.begin = state.tree.lastProcessedZxid;
    // Not zero: whoever is brought up to date before the first txn must not look as if it were ahead (S06).
    this.#lastProposed = this.begin;
    this.#lastCommitted = this.begin;
  }

  get lastProposed(): Zxid {
    return this.#lastProposed;
  }
  get lastCommitted(): Zxid {
    return this.#lastCommitted;
  }
  get outstanding(): number {
    return this.#proposals.length;
  }
  get pendingSyncs(): number {
    return this.#barriers.length;
  }
  /** Set once nothing more may be proposed or committed. */
  get ending(): Ending | undefined {
    return this.#ending;
  }
  /** Oldest first: what a learner that is brought up to date now still lacks. */
  proposalAt(index: number): Proposal {
    return this.#proposals.at(index);
  }

  // Proposing

  logTxn(cx: Context, request: Request, payload: Uint8Array, length: number): void {
    const { zxid } = request;
    if (this.#ending !== undefined) return;
    if (counterOf(zxid) === ZXID_COUNTER_MAX) {
      // One more and the epoch's bits would change without an election (ZOOKEEPER-1277, S26).
      this.#ending = { kind: "leave", reason: "the epoch has run out of zxids" };
      return;
    }
    if (request.txn!.type === OpCode.reconfig) this.#proposeConfig(cx, request);
    const kept = this.#payloads.keep(payload.length === length ? payload : payload.subarray(0, length));
    this.#proposals.add(request, kept);
    this.#lastProposed = zxid;
    cx.facts.proposed(zxid);
    this.#table.propose(cx, zxid, payload, 0, length);
    this.#boundBacklog(zxid, length);
    this.#log.logTxn(cx, request, payload, length);
  }

  /**
   * Followers may commit what this server's disk does not take, and clients go on: a leader that is as far behind as no
   * learner may be had better not lead. Counted in two parts, so that one falls away when the disk has passed it.
   */
  #boundBacklog(zxid: Zxid, length: number): void {
    if (this.#log.waiting === 0) {
      this.#backlogBefore = this.#backlogSince = 0;
    } else if (this.#host.log.durableZxid >= this.#backlogMark) {
      this.#backlogBefore = this.#backlogSince;
      this.#backlogSince = 0;
      this.#backlogMark = zxid;
    }
    this.#backlogSince += length;
    if (this.#backlogBefore + this.#backlogSince <= this.#host.ensemble.learnerQueueBytes) return;
    this.#ending ??= { kind: "leave", reason: "too much waits for its own disk" };
  }

  /** From this proposal on both configurations must agree to everything, until the commit. */
  #proposeConfig(cx: Context, request: Request): void {
    this.#host.proposeConfig(cx, configIn(request));
    this.#proposals.viewChanged();
  }

  // Acknowledging

  /** `id` has logged `zxid`. */
  acknowledge(cx: Context, id: number, zxid: Zxid): void {
    if (this.#proposals.acknowledge(id, zxid)) this.#commitReady(cx);
  }

  /** `id` has logged everything it was sent up to `zxid`, as it said before its history counted. */
  acknowledgeAll(cx: Context, id: number, zxid: Zxid): void {
    let any = false;
    for (let i = 0; i < this.#proposals.length; i++) {
      const outstanding = this.#proposals.at(i).request.zxid;
      if (outstanding > zxid) break;
      any = this.#proposals.acknowledge(id, outstanding) || any;
    }
    if (any) this.#commitReady(cx);
  }

  /** `id` is about to be brought up to date: what it acknowledged before may be cut back. */
  withdraw(id: number): void {
    this.#proposals.withdraw(id);
  }

  onLogged(cx: Context, request: Request): void {
    if (this.#host.state.mutants.has("commit-without-quorum")) {
      for (const id of this.#host.view.voters()) this.#proposals.acknowledge(id, request.zxid);
      return this.#commitReady(cx);
    }
    this.acknowledge(cx, this.#host.myId, request.zxid);
  }
  onSnapshotDue(cx: Context): void {
    this.#host.takeSnapshot(cx);
  }
  onLogFull(cx: Context): void {
    // Others may have what is lost here, and will commit it: this server cannot answer as if it had not been.
    cx.halt(EXIT_LOG, `no room for the transaction log: ${this.#host.log.failure}`);
  }
  onLogEmptied(): void {
    invariant(false, "a leader does not go on after its log has failed");
  }

  // Committing

  #commitReady(cx: Context): void {
    while (this.#ending === undefined) {
      const proposal = this.#proposals.takeCommitted();
      if (proposal === undefined) return;
      this.#commit(cx, proposal);
    }
  }

  #commit(cx: Context, proposal: PendingProposal): void {
    const { request, payload } = proposal;
    const { zxid } = request;
    this.#lastCommitted = zxid;
    this.#released = true;
    cx.facts.committed(zxid);
    this.#host.commit(cx, proposal);
    this.prepare.pending.applied(zxid);
    if (request.txn!.type === OpCode.reconfig) this.#activate(cx, proposal);
    else this.#table.commit(cx, zxid, payload);
    if (this.#barriers.length > 0) this.#answerBarriers(cx);
  }

  /** The new configuration is in force, here and with whoever hears of the commit (reference, sections 7.4 and 7.5). */
  #activate(cx: Context, proposal: PendingProposal): void {
    const config = configIn(proposal.request);
    const designated = this.#designate(config, proposal);
    const changes = this.#host.activateConfig(cx, config, designated);
    this.#proposals.viewChanged();
    this.#table.commitAndActivate(proposal.request.zxid, proposal.payload, designated);
    if (changes) this.#ending = { kind: "reconfig", designated };
  }

  /** Who leads from now on: what was proposed after the reconfig carries acknowledgements for both configurations. */
  #designate(config: QuorumConfig, { set }: PendingProposal): number {
    const { view, myId } = this.#host;
    invariant(set !== undefined, "a reconfig needs a quorum of both configurations");
    const later: AckSet[] = [];
    for (let i = 0; i < this.#proposals.length; i++) {
      const acks = this.#proposals.at(i).set;
      if (acks !== undefined) later.push(acks);
    }
    return designatedLeader(myId, view.current, config, set, later);
  }

  // Syncs

  /** Answers `request`, a sync of a client here, once all proposed before it is applied: at once if it is. */
  sync(cx: Context, request: Request): void {
    if (this.#proposals.length === 0) return this.#host.answerSync(cx, request);
    this.#barriers.push({ after: this.#lastProposed, request, link: undefined });
  }
  /** The same for a client of a learner. */
  syncLearner(cx: Context, link: LearnerLink): void {
    if (this.#proposals.length === 0) return this.#table.tell(cx, link, PacketType.sync, ZXID_ZERO);
    this.#barriers.push({ after: this.#lastProposed, request: undefined, link });
  }

  #answerBarriers(cx: Context): void {
    for (;;) {
      const barrier = this.#barriers.peek();
      if (barrier === undefined || barrier.after > this.#lastCommitted) return;
      this.#barriers.shift();
      if (barrier.request !== undefined) this.#host.answerSync(cx, barrier.request);
      else if (barrier.link!.isLive) this.#table.tell(cx, barrier.link!, PacketType.sync, ZXID_ZERO);
    }
  }

  // The rest

  /** Whether something was committed since the last call. */
  takeReleased(): boolean {
    const released = this.#released;
    this.#released = false;
    return released;
  }

  deadline(): Millis {
    return this.#log.deadline();
  }
  onDeadline(cx: Context): void {
    this.#log.onDeadline(cx);
  }
  /** False when `op` is not the log's. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    return this.#log.onDiskDone(cx, op, outcome);
  }

  /** What is in the log, or on its way there, and not committed. */
  stop(): readonly Proposal[] {
    this.#ending ??= { kind: "leave", reason: "stopped" };
    return this.#proposals.takeAll();
  }
}

/** What the reconfig's txn makes the content of the configuration node. */
function configIn(request: Request): QuorumConfig {
  const txn = request.txn!;
  invariant(txn.type === OpCode.reconfig && txn.data !== null, "a reconfig brings a configuration");
  const config = QuorumConfig.parse(decodeUtf8(txn.data, 0, txn.data.length));
  invariant(!("error" in config), "prepare checked the configuration");
  return config;
}
