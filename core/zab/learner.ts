/**
 * Following a leader, as a voter or without a vote, and observing one: connect, agree on the epoch, be brought up to
 * date, then log and apply what the leader proposes and commits (Java: Follower, Observer, Learner,
 * LearnerZooKeeperServer; reference, sections 3 and 4). Owns the order of these steps and what may come in each; the
 * steps themselves are in learner-handshake.ts, sync-receiver.ts, learner-log.ts and forwarding.ts.
 *
 * What a leader must not say ends the role, with one line that says why; the next election starts from what the log
 * holds.
 */
import type { Address, CloseCause, ConnId, Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import { counterOf, epochOf, formatZxid, packZxid } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { Reader } from "../jute/reader.ts";
import type { Request } from "../pipeline/request.ts";
import {
  PacketType,
  packetName,
  readActivate,
  readRevalidateReply,
  writeAckEpoch,
  writePingReply,
} from "../protocol/quorum-packets.ts";
import type { PacketStream } from "../protocol/quorum-packets.ts";
import { Forwarding } from "./forwarding.ts";
import { LeaderLink } from "./leader-link.ts";
import { LearnerConfig } from "./learner-config.ts";
import { adoptEpoch, answerEpoch, introduce } from "./learner-handshake.ts";
import { LearnerLog } from "./learner-log.ts";
import type { Vote } from "../election/vote.ts";
import type { Proposal, Role, RoleDescription, RoleHost } from "./role.ts";
import { SyncReceiver } from "./sync-receiver.ts";

type Phase =
  | "connecting"
  /** Said who we are. LEADERINFO comes next. */
  | "introduced"
  /** acceptedEpoch is on its way to the disk; the leader waits for us. */
  | "promising"
  /** DIFF, TRUNC or SNAP comes next. */
  | "choosing"
  /** Another history is being received, and brought to the disk: sync-receiver.ts. */
  | "receiving"
  /** Txns, then NEWLEADER. */
  | "syncing"
  /** NEWLEADER's history, then its epoch, on their way to the disk; txns may come. */
  | "adopting"
  /** Acknowledged. Txns, then UPTODATE. */
  | "adopted"
  | "broadcasting"
  | "ended";

export class Learner implements Role {
  readonly kind: "following" | "observing";
  readonly #host: RoleHost;
  readonly #vote: Vote;
  readonly #isObserver: boolean;
  /** Only an observer may be told to keep no log (syncEnabled=false). */
  readonly #logs: boolean;
  readonly #link: LeaderLink;
  readonly #forwarding: Forwarding;
  readonly #config: LearnerConfig;
  readonly #receiver: SyncReceiver;
  #log: LearnerLog;
  #phase: Phase = "connecting";
  #epoch = 0;
  /** The leader's TRUNC is impossible here: only a tree will do. */
  #needsTree = false;
  /** Why the role ends as soon as memory and disk are one history again. */
  #leaveOnceInstalled: string | undefined;

  constructor(host: RoleHost, vote: Vote, observer: boolean) {
    const { config, ensemble } = host;
    this.#host = host;
    this.#vote = vote;
    this.#isObserver = observer;
    this.#logs = !observer || ensemble.observerLogs;
    this.kind = observer ? "observing" : "following";
    this.#link = new LeaderLink({
      addresses: () => host.view.quorumAddressesOf(vote.leader),
      retryDelay: ensemble.leaderConnectRetryDelay,
      connectWithin: (ensemble.connectToLearnerMasterLimit || ensemble.initLimit) * config.tickTime,
      dataMax: config.juteMaxBuffer + config.juteMaxBufferExtra,
    });
    this.#forwarding = new Forwarding(this.#link.out);
    this.#config = new LearnerConfig(host);
    this.#receiver = new SyncReceiver(host, this.#link);
    this.#log = this.#newLog(false);
  }

  get epoch(): number {
    return this.#epoch;
  }
  get outstanding(): number {
    return this.#log.outstanding;
  }

  describe(): RoleDescription {
    return {
      epoch: this.#epoch,
      learners: [],
      proposalsOutstanding: this.#log.pendingCount,
      lastProposed: this.#log.last,
      lastCommitted: this.#log.committed,
      leader: this.#vote.leader,
    };
  }

  // Events

  start(cx: Context): void {
    const last = this.#host.state.tree.lastProcessedZxid;
    // An observer that kept no log has become a voter, or keeps one from now on.
    const isAhead = this.#host.log.appendedZxid < last && counterOf(last) > 0;
    if (this.#logs && isAhead) this.#receiver.beginFromMemory(cx);
    else this.#link.start(cx);
  }

  stop(cx: Context): readonly Proposal[] {
    this.#phase = "ended";
    this.#link.close(cx);
    this.#receiver.giveUp();
    return this.#log.stop();
  }

  onAccepted(cx: Context, conn: ConnId, _from: Address): void {
    cx.close(conn);
  }

  onConnected(cx: Context, conn: ConnId): boolean {
    if (!this.#link.is(conn)) return false;
    const { ensemble, config } = this.#host;
    this.#link.onConnected(cx, ensemble.initLimit * config.tickTime);
    this.#phase = "introduced";
    introduce(this.#link.out, this.#host, this.#isObserver);
    return true;
  }

  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): boolean {
    if (!this.#link.is(conn)) return false;
    this.#link.heard(cx);
    if (this.#receiver.isLoading) this.#leave(cx, this.#receiver.onBytes(cx, bytes));
    else {
      this.#link.stream.accept(bytes);
      this.#read(cx);
    }
    return true;
  }

  onClosed(cx: Context, conn: ConnId, cause: CloseCause): boolean {
    if (!this.#link.is(conn)) return false;
    this.#leave(cx, this.#link.onClosed(cx, cause));
    return true;
  }

  onDrained(_cx: Context, conn: ConnId): boolean {
    return this.#link.is(conn);
  }
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    if (!this.#receiver.isInstalling) return this.#log.onDiskDone(cx, op, outcome);
    if (!this.#receiver.onDiskDone(cx, op, outcome)) return false;
    this.#considerInstalled(cx);
    return true;
  }

  deadline(): Millis {
    return Math.min(this.#link.deadline(), this.#receiver.deadline(), this.#log.deadline());
  }
  onDeadline(cx: Context): void {
    this.#leave(cx, this.#link.onDeadline(cx));
    if (this.#phase === "ended") return;
    this.#receiver.onDeadline(cx);
    this.#considerInstalled(cx);
    this.#log.onDeadline(cx);
  }

  flush(cx: Context): void {
    if (this.#log.released) {
      this.#log.released = false;
      this.#host.released(cx);
    }
    this.#link.flush(cx);
  }

  // What clients ask

  submitWrite(_cx: Context, request: Request, body: Reader): void {
    this.#log.outstanding++;
    this.#forwarding.write(request, body);
  }
  submitCreateSession(_cx: Context, request: Request, timeout: Millis): void {
    this.#log.outstanding++;
    this.#forwarding.createSession(request, timeout);
  }
  submitSync(cx: Context, request: Request): void {
    if (this.#host.state.mutants.has("sync-is-local") && this.outstanding === 0)
      return this.#host.answerSync(cx, request);
    this.#forwarding.sync(request);
  }
  revalidate(_cx: Context, session: SessionId, timeout: Millis, answer: (cx: Context, valid: boolean) => void): void {
    this.#forwarding.revalidate(session, timeout, answer);
  }

  // What the leader says

  #read(cx: Context): void {
    const { stream } = this.#link;
    while (this.#phase !== "ended" && this.#phase !== "receiving") {
      const status = stream.next();
      if (status === "malformed") return this.#leave(cx, "the leader sent what is not a packet");
      if (status === "partial") break;
      this.#onPacket(cx, stream);
    }
    stream.keep();
  }

  #onPacket(cx: Context, packet: PacketStream): void {
    switch (this.#phase) {
      case "broadcasting":
      case "syncing":
      case "adopting":
      case "adopted":
        return this.#onHistoryPacket(cx, packet);
      case "introduced":
        return this.#onLeaderInfo(cx, packet);
      case "choosing":
        return this.#onSyncMode(cx, packet);
      default:
        return this.#leaveForType(cx, packet);
    }
  }

  #onLeaderInfo(cx: Context, packet: PacketStream): void {
    if (packet.type !== PacketType.leaderInfo) return this.#leaveForType(cx, packet);
    const { zxid, data } = packet;
    const answer = answerEpoch(cx, this.#host, this.#link.out, zxid, data, this.#needsTree, () => {
      if (this.#phase !== "promising") return;
      writeAckEpoch(this.#link.out, this.#log.last, this.#host.epochs.current);
      this.#needsTree = false;
      this.#phase = "choosing";
    });
    if (typeof answer === "object") return this.#leave(cx, answer.refused);
    this.#epoch = epochOf(zxid);
    this.#phase = answer === "answered" ? "choosing" : "promising";
  }

  #onSyncMode(cx: Context, packet: PacketStream): void {
    const { type, zxid } = packet;
    if (this.#needsTree && type !== PacketType.snap) return this.#leaveForType(cx, packet);
    switch (type) {
      case PacketType.diff:
        // Its zxid says where the leader is. What is here moves only by what is received (reference, S20).
        cx.facts.synced("diff", zxid);
        this.#phase = "syncing";
        if (this.#host.state.mutants.has("memory-zxid-from-diff")) {
          this.#host.state.tree.lastProcessedZxid = zxid;
          this.#log = this.#newLog(false);
        }
        return;
      case PacketType.trunc:
        cx.facts.synced("trunc", zxid);
        this.#phase = "receiving";
        return this.#receiver.beginTruncation(cx, zxid);
      case PacketType.snap:
        cx.facts.synced("snap", zxid);
        this.#phase = "receiving";
        return this.#leave(cx, this.#receiver.beginSnapshot(cx, zxid));
      default:
        return this.#leaveForType(cx, packet);
    }
  }

  /** The history that was received is durable, and this server's. */
  #considerInstalled(cx: Context): void {
    const refusal = this.#receiver.takeRefusal();
    if (refusal !== undefined) return this.#askForTree(cx, refusal);
    const installed = this.#receiver.takeInstalled(cx);
    if (installed === undefined) return;
    const { how, zxid } = installed;
    this.#log = this.#newLog(how === "snap");
    if (this.#leaveOnceInstalled !== undefined) return this.#leave(cx, this.#leaveOnceInstalled);
    const { last } = this.#log;
    if (last !== zxid) return this.#leave(cx, `cut after ${formatZxid(zxid)}, the log ends with ${formatZxid(last)}`);
    if (this.#phase === "connecting") return this.#link.start(cx);
    this.#phase = "syncing";
    this.#read(cx);
  }

  #askForTree(cx: Context, refusal: string): void {
    cx.facts.log("warn", "asking the leader for everything", { reason: refusal });
    if (this.#leaveOnceInstalled !== undefined) return this.#leave(cx, this.#leaveOnceInstalled);
    this.#needsTree = true;
    this.#phase = "connecting";
    this.#link.start(cx);
  }

  /** Once it is known what this server's history goes on from: the same packets before UPTODATE and after. */
  #onHistoryPacket(cx: Context, packet: PacketStream): void {
    const { type, zxid, data } = packet;
    const isLive = this.#phase === "broadcasting";
    switch (type) {
      case PacketType.proposal:
      case PacketType.commit:
        if (this.#isObserver && isLive) {
          return cx.facts.log("warn", `an observer was sent ${packetName(type)}`, { zxid: formatZxid(zxid) });
        }
        if (type === PacketType.commit) return this.#leave(cx, this.#log.commit(cx, zxid));
        return this.#leave(cx, this.#log.propose(cx, zxid, data));
      case PacketType.ping:
        // Java's learners do not answer before UPTODATE either, and no leader expects it.
        if (isLive) writePingReply(this.#link.out, zxid, this.#host.state.sessions.takeTouched());
        return;
      case PacketType.newLeader:
        if (this.#phase === "syncing") return this.#onNewLeader(cx, zxid, data);
        return this.#leaveForType(cx, packet);
      case PacketType.upToDate:
        if (isLive) return cx.facts.log("error", "the leader said UPTODATE again", {});
        return this.#phase === "adopted" ? this.#onUpToDate(cx) : this.#leaveForType(cx, packet);
      case PacketType.sync:
        return isLive ? this.#onSync(cx) : this.#leaveForType(cx, packet);
      case PacketType.revalidate:
        return isLive ? this.#onRevalidated(cx, data) : this.#leaveForType(cx, packet);
      case PacketType.inform:
        return this.#isObserver ? this.#inform(cx, zxid, data) : this.#leaveForType(cx, packet);
      case PacketType.commitAndActivate:
      case PacketType.informAndActivate:
        return this.#onActivation(cx, packet);
      default:
        if (type >= PacketType.request && type <= PacketType.informAndActivate) return this.#leaveForType(cx, packet);
        return cx.facts.log("warn", "the leader sent a packet of a type that nobody knows", { type });
    }
  }

  #onActivation(cx: Context, packet: PacketStream): void {
    const informs = packet.type === PacketType.informAndActivate;
    if (informs && !this.#isObserver) return this.#leaveForType(cx, packet);
    const activation = readActivate(packet.data);
    if (activation === undefined) return this.#leave(cx, "the leader's reconfiguration is cut short");
    if (informs) this.#inform(cx, packet.zxid, activation.proposal, activation.designated);
    else this.#leave(cx, this.#log.commit(cx, packet.zxid, activation.designated));
  }

  #inform(cx: Context, zxid: Zxid, data: Uint8Array | null, designated?: number): void {
    this.#leave(cx, this.#log.propose(cx, zxid, data) ?? this.#log.commit(cx, zxid, designated));
  }

  #onSync(cx: Context): void {
    const request = this.#forwarding.takeSync();
    if (request === undefined) return cx.facts.log("warn", "the leader answered a sync that nobody waits for", {});
    this.#log.released = true;
    // Whatever was committed before this packet is applied: commits are applied as they are read.
    this.#host.answerSync(cx, request);
  }

  #onRevalidated(cx: Context, data: Uint8Array | null): void {
    const reply = readRevalidateReply(data);
    if (reply === undefined) return this.#leave(cx, "the leader's answer about a session is cut short");
    this.#forwarding.onRevalidated(cx, reply.session, reply.valid);
  }

  // What this server claims in its acknowledgement of NEWLEADER is on its disk, in this order: history, epoch

  #onNewLeader(cx: Context, zxid: Zxid, data: Uint8Array | null): void {
    if (zxid !== packZxid(this.#epoch, 0)) {
      return this.#leave(cx, `the leader said NEWLEADER of ${formatZxid(zxid)} in epoch ${this.#epoch}`);
    }
    const reason = this.#config.onNewLeader(cx, data);
    if (reason !== undefined) return this.#leave(cx, reason);
    this.#link.silenceMax = this.#host.ensemble.syncLimit * this.#host.config.tickTime;
    this.#phase = "adopting";
    if (this.#host.state.mutants.has("epoch-before-log")) {
      return adoptEpoch(cx, this.#host, this.#epoch, (then) => this.#log.adopt(then, () => this.#onAdopted()));
    }
    this.#log.adopt(cx, (then) => adoptEpoch(then, this.#host, this.#epoch, () => this.#onAdopted()));
  }

  #onAdopted(): void {
    if (this.#phase !== "adopting") return;
    this.#phase = "adopted";
    // The first acknowledgement of all: Java's leader counts no other as this one (reference, S16).
    this.#link.ack(packZxid(this.#epoch, 0));
    this.#log.beginAcks();
  }

  #onUpToDate(cx: Context): void {
    if (this.#config.onUpToDate(cx)) return;
    this.#link.ack(packZxid(this.#epoch, 0));
    this.#phase = "broadcasting";
    this.#host.setVoteEpoch(this.#epoch);
    this.#host.serve(cx);
  }

  #newLog(isFuzzy: boolean): LearnerLog {
    const options = { acknowledges: !this.#isObserver, logs: this.#logs, isFuzzy };
    return new LearnerLog(this.#host, this.#link, this.#forwarding, this.#config, options);
  }

  // The end

  #leaveForType(cx: Context, packet: PacketStream): void {
    this.#leave(cx, `the leader sent ${packetName(packet.type)}, which cannot come while ${this.#phase}`);
  }

  #leave(cx: Context, reason: string | undefined): void {
    if (reason === undefined || this.#phase === "ended") return;
    if (this.#receiver.giveUp()) return this.#host.leave(cx, reason);
    this.#leaveOnceInstalled ??= reason;
    this.#link.close(cx);
  }
}
