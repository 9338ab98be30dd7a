/**
 * The leading server (Java: Leader): agrees with a quorum on an epoch, has its learners brought up to date, becomes
 * established when a quorum has its history, then numbers and commits the ensemble's txns (Zab's phases 1 to 3;
 * reference, sections 3 and 4). This file has the phases; the learners' connections are learners.ts's, what an
 * established leader does with txns leader-broadcast.ts's, how a learner is brought up to date catch-up.ts's.
 *
 * The role ends at the end of an event only, so that no caller finds it gone in the middle.
 */
import type { Address, CloseCause, ConnId, Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import { ZXID_ZERO, packZxid } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import { invariant } from "../invariant.ts";
import type { Reader } from "../jute/reader.ts";
import { LOCAL_OWNER } from "../pipeline/request.ts";
import type { Request } from "../pipeline/request.ts";
import type { AckSet } from "../quorum/ack-set.ts";
import { Broadcast } from "./leader-broadcast.ts";
import type { Ending } from "./leader-broadcast.ts";
import { Discovery } from "./leader-discovery.ts";
import type { StateSummary } from "./leader-discovery.ts";
import type { LearnerLink } from "./learner-link.ts";
import { Learners } from "./learners.ts";
import type { LearnerEvents } from "./learners.ts";
import type { Proposal, Role, RoleDescription, RoleHost } from "./role.ts";

/**
 * - `discovering`: a quorum's accepted epochs are awaited;
 * - `accepting`: the new epoch is on its way to the disk;
 * - `promising`: a quorum's promises are awaited;
 * - `synchronizing`: a quorum's acknowledgements of the history;
 * - `established`; `ended`.
 */
type Phase = "discovering" | "accepting" | "promising" | "synchronizing" | "established" | "ended";

interface EarlyConnection {
  readonly conn: ConnId;
  readonly from: Address;
}

const NO_PROPOSALS: readonly Proposal[] = [];

export class Leader implements Role, LearnerEvents {
  readonly kind = "leading";
  readonly #host: RoleHost;
  readonly #early: readonly EarlyConnection[];
  readonly #learners: Learners;
  #phase: Phase = "discovering";
  /** When the phase must be over: infinity once established. */
  #phaseEnds: Millis = Infinity;
  #ending: Ending | undefined;

  /** What this server had when the role began. */
  readonly #summary: StateSummary;
  readonly #discovery: Discovery;
  #epoch = 0;
  #newLeaderAcks: AckSet | undefined;
  /** currentEpoch is durable here: this server's own acknowledgement of its history. */
  #adopted = false;

  #broadcast: Broadcast | undefined;
  #pingAt: Millis = Infinity;
  #pings = 0;

  /** `early` are connections that came before this server knew that it leads. */
  constructor(host: RoleHost, early: readonly EarlyConnection[]) {
    const { epochs, state, view, myId } = host;
    this.#host = host;
    this.#early = early;
    this.#learners = new Learners(host, this);
    this.#summary = { currentEpoch: epochs.current, lastZxid: state.tree.lastProcessedZxid };
    this.#discovery = new Discovery(view.current, myId, this.#summary, host.state.mutants);
  }

  get epoch(): number {
    return this.#phase === "discovering" || this.#phase === "accepting" ? 0 : this.#epoch;
  }
  get outstanding(): number {
    return this.#broadcast?.outstanding ?? 0;
  }
  get isEnding(): boolean {
    return this.#ending !== undefined || this.#broadcast?.ending !== undefined;
  }

  start(cx: Context): void {
    const { epochs, myId, ensemble } = this.#host;
    const { maxTimeToWaitForEpoch } = ensemble;
    const limit = this.#ticks(ensemble.initLimit);
    this.#phaseEnds = cx.now + (maxTimeToWaitForEpoch < 0 ? limit : Math.min(limit, maxTimeToWaitForEpoch));
    this.#pingAt = cx.now + this.#pingInterval;
    for (const { conn, from } of this.#early) this.onAccepted(cx, conn, from);
    this.#discovery.propose(myId, epochs.accepted);
    this.#considerEpoch(cx);
  }

  stop(cx: Context): readonly Proposal[] {
    this.#phase = "ended";
    this.#learners.closeAll(cx);
    return this.#broadcast?.stop() ?? NO_PROPOSALS;
  }

  // Events

  onAccepted(cx: Context, conn: ConnId, from: Address): void {
    this.#learners.onAccepted(cx, conn, from);
  }
  onConnected(_cx: Context, _conn: ConnId): boolean {
    return false;
  }
  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): boolean {
    return this.#learners.onReceived(cx, conn, bytes);
  }
  onClosed(cx: Context, conn: ConnId, cause: CloseCause): boolean {
    return this.#learners.onClosed(cx, conn, cause);
  }
  onDrained(cx: Context, conn: ConnId): boolean {
    return this.#learners.onDrained(cx, conn);
  }
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    return (this.#broadcast?.onDiskDone(cx, op, outcome) ?? false) || this.#learners.onDiskDone(cx, op, outcome);
  }

  deadline(): Millis {
    const log = this.#broadcast?.deadline() ?? Infinity;
    return Math.min(this.#phaseEnds, this.#pingAt, log, this.#learners.deadline());
  }

  onDeadline(cx: Context): void {
    if (cx.now >= this.#phaseEnds) this.#end(WAITED_FOR[this.#phase] ?? "too slow");
    if (this.isEnding) return;
    this.#broadcast?.onDeadline(cx);
    this.#learners.onDeadline(cx);
    if (cx.now >= this.#pingAt) this.#onPingTime(cx);
  }

  flush(cx: Context): void {
    if (this.#phase === "ended") return;
    while (this.#broadcast?.takeReleased()) this.#host.released(cx);
    this.#learners.flush(cx);
    const ending = this.#ending ?? this.#broadcast?.ending;
    if (ending === undefined) return;
    // Whoever was answered in this event still gets the answer.
    this.#host.replies.flush(cx);
    if (ending.kind === "reconfig") this.#host.leaveForConfig(cx, ending.designated);
    else this.#host.leave(cx, ending.reason);
  }

  // Discovery

  onAnnounced(cx: Context, link: LearnerLink, accepted: number): void {
    this.#discovery.propose(link.id, accepted);
    if (this.#phase === "discovering") return this.#considerEpoch(cx);
    if (accepted > this.#epoch && this.#host.view.isVoter(link.id)) this.#giveWay(cx, link.id, accepted);
    else if (this.#phase !== "accepting") this.#learners.invite(cx, link);
  }

  /**
   * A voter that came after the epoch was fixed has promised a later one, to a leader that did not get further: it could
   * not follow before the next election (in Java it tries for ever). So there is one, and what it promised counts.
   */
  #giveWay(cx: Context, id: number, accepted: number): void {
    this.#host.epochs.setAccepted(cx, accepted, () => this.#end(`server ${id} has promised epoch ${accepted} before`));
  }

  #considerEpoch(cx: Context): void {
    const { epoch } = this.#discovery;
    if (epoch === undefined || this.#phase !== "discovering") return;
    this.#phase = "accepting";
    this.#epoch = epoch;
    // Durable before anybody hears of it: this server is the first that promises (reference, section 3.3).
    this.#host.epochs.setAccepted(cx, epoch, (then, ok) => {
      if (this.#phase !== "accepting") return;
      if (!ok) return this.#end("the new epoch cannot be written down");
      this.#beginPhase(then, "promising");
      const { currentEpoch, lastZxid } = this.#summary;
      this.#discovery.promise(this.#host.myId, currentEpoch, lastZxid);
      this.#learners.beginEpoch(then, epoch);
      this.#considerPromises(then);
    });
  }

  onPromised(cx: Context, link: LearnerLink, currentEpoch: number): string | undefined {
    if (this.#discovery.promise(link.id, currentEpoch, link.lastZxid) === "newer") return "it is ahead of this leader";
    this.#broadcast?.withdraw(link.id);
    if (this.#phase === "promising") this.#considerPromises(cx);
    else this.#learners.catchUp(cx, link);
    return undefined;
  }

  #considerPromises(cx: Context): void {
    if (this.#phase !== "promising" || !this.#discovery.isPromised) return;
    const { config, view, myId, epochs } = this.#host;
    this.#beginPhase(cx, "synchronizing");
    const { current, lastSeen } = view;
    // The first configuration of all has to become one that others can be newer than (reference, section 7.2).
    if (config.reconfigEnabled && current.version === ZXID_ZERO && lastSeen.version === ZXID_ZERO) {
      this.#host.proposeConfig(cx, current.withVersion(packZxid(this.#epoch, 0)));
    }
    this.#newLeaderAcks = view.ackSet();
    epochs.setCurrent(cx, this.#epoch, (then, ok) => {
      if (this.#phase !== "synchronizing") return;
      if (!ok) return this.#end("the new epoch cannot be written down");
      this.#adopted = true;
      this.#newLeaderAcks!.add(myId);
      this.#considerEstablished(then);
    });
    this.#learners.catchUpAll(cx);
  }

  // Synchronization

  onAdopted(cx: Context, link: LearnerLink): void {
    if (this.#phase === "established") return this.#learners.upToDate(cx, link);
    this.#newLeaderAcks!.add(link.id);
    this.#considerEstablished(cx);
  }

  /** A quorum has this leader's history, durable: all of it is committed, and it may be added to. */
  #considerEstablished(cx: Context): void {
    if (this.#phase !== "synchronizing" || !this.#adopted || !this.#newLeaderAcks!.complete) return;
    const host = this.#host;
    const { state, view, config, ensemble } = host;
    this.#phase = "established";
    this.#phaseEnds = Infinity;
    cx.facts.established(this.#epoch, state.tree.lastProcessedZxid);
    // Only the first epoch of all may be asked to begin elsewhere.
    const counter = this.#summary.currentEpoch === 0 ? ensemble.initialCounter : 0;
    state.tree.lastProcessedZxid = packZxid(this.#epoch, counter);
    const pending = config.reconfigEnabled && view.pending;
    const changes = pending && host.activateConfig(cx, view.lastSeen, undefined);
    // Learners are not told who leads next, so an election has to find it.
    if (changes) this.#ending = { kind: "reconfig", designated: undefined };
    // Nobody could keep a session alive while there was no leader.
    state.sessions.beginRole("leader", cx.now);
    this.#broadcast = new Broadcast(host, this.#learners.table, (then) => this.#learners.syncedFollowers(then));
    host.setVoteEpoch(this.#epoch);
    host.serve(cx);
    this.#learners.serve(cx, this.#broadcast);
  }

  // Time

  get #pingInterval(): Millis {
    return Math.max(1, Math.floor(this.#host.config.tickTime / 2));
  }
  #ticks(count: number): Millis {
    return count * this.#host.config.tickTime;
  }
  get #lastProposed(): Zxid {
    return this.#broadcast?.lastProposed ?? this.#host.state.tree.lastProcessedZxid;
  }

  /** Twice in a tick. */
  #onPingTime(cx: Context): void {
    this.#pingAt = cx.now + this.#pingInterval;
    this.#pings++;
    this.#learners.onPingTime(cx, this.#lastProposed);
    if (this.#phase !== "established" || this.#pings % 2 !== 0) return;
    const { view, myId } = this.#host;
    if (!view.containsQuorum(this.#learners.supporters(cx, myId))) this.#end("a quorum no longer supports this leader");
  }

  #beginPhase(cx: Context, phase: "promising" | "synchronizing"): void {
    this.#phase = phase;
    this.#phaseEnds = cx.now + this.#ticks(this.#host.ensemble.initLimit);
  }

  #end(reason: string): void {
    this.#ending ??= { kind: "leave", reason };
  }

  // What clients of this server ask

  submitWrite(cx: Context, request: Request, body: Reader): void {
    this.#open()?.prepare.prepare(cx, request, body);
  }
  submitCreateSession(cx: Context, request: Request, timeout: Millis): void {
    this.#host.state.sessions.setOwner(request.session, request.owner);
    this.#open()?.prepare.prepareCreateSession(cx, request, timeout);
  }
  submitSync(cx: Context, request: Request): void {
    this.#open()?.sync(cx, request);
  }
  revalidate(cx: Context, session: SessionId, timeout: Millis, answer: (cx: Context, valid: boolean) => void): void {
    answer(cx, this.#host.state.sessions.reopen(session, timeout, LOCAL_OWNER, cx.now));
  }

  /** Undefined when the role is about to end: whoever asks is disconnected with it. */
  #open(): Broadcast | undefined {
    invariant(this.#broadcast !== undefined, "clients are served by an established leader only");
    return this.isEnding ? undefined : this.#broadcast;
  }

  describe(): RoleDescription {
    return {
      epoch: this.epoch,
      learners: this.#learners.describe(),
      proposalsOutstanding: this.outstanding,
      lastProposed: this.#lastProposed,
      lastCommitted: this.#broadcast?.lastCommitted ?? this.#host.state.tree.lastProcessedZxid,
      leader: this.#host.myId,
      pendingSyncs: this.#broadcast?.pendingSyncs ?? 0,
    };
  }
}

const WAITED_FOR: Readonly<Partial<Record<Phase, string>>> = {
  discovering: "no quorum came to agree on an epoch in time",
  accepting: "the new epoch was not written down in time",
  promising: "no quorum promised to follow in time",
  synchronizing: "no quorum acknowledged this leader's history in time",
};
