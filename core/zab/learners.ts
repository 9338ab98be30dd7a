/**
 * The learners' connections at their leader: who each one is, what it is told next, what it says, and when it is given
 * up (Java: LearnerHandler, Leader.LearnerCnxAcceptor; reference, sections 3.2, 3.4 and 3.8). On which epoch is agreed,
 * and when the leader is established, is leader.ts's.
 *
 * A learner's garbage, lateness or refusal ends its connection with one line in the log, and nothing else.
 */
import type { Address, CloseCause, ConnId, Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import { ZXID_ZERO, counterOf, epochOf, packZxid } from "../base/zxid.ts";
import { encodeUtf8 } from "../jute/utf8.ts";
import { Writer } from "../jute/writer.ts";
import { EARLY_LEARNERS_MAX } from "../limits.ts";
import {
  PacketType,
  ZXID_NONE,
  packetName,
  readIntData,
  readLearnerInfo,
  writeLeaderInfo,
  writePacket,
} from "../protocol/quorum-packets.ts";
import { CatchUp } from "./catch-up.ts";
import type { Broadcast } from "./leader-broadcast.ts";
import { whyRefused } from "./leader-discovery.ts";
import { LearnerLink } from "./learner-link.ts";
import type { LinkState } from "./learner-link.ts";
import { LearnerRequests } from "./learner-requests.ts";
import { LearnerTable } from "./learner-table.ts";
import type { LearnerDescription, RoleHost } from "./role.ts";

/** What the learners' packets change for their leader. */
export interface LearnerEvents {
  /** `link` has said who it is, and that it accepted epochs up to `accepted`. */
  onAnnounced(cx: Context, link: LearnerLink, accepted: number): void;
  /** `link` has accepted the epoch. Why it must be turned away, if it must. */
  onPromised(cx: Context, link: LearnerLink, currentEpoch: number): string | undefined;
  /** `link` has the leader's history, durable. */
  onAdopted(cx: Context, link: LearnerLink): void;
  /** The role is about to end: nothing that comes from learners matters any more. */
  readonly isEnding: boolean;
}

export class Learners {
  readonly table: LearnerTable;
  readonly #host: RoleHost;
  readonly #leader: LearnerEvents;
  #epoch = 0;
  /** Once the leader is established. */
  #broadcast: Broadcast | undefined;
  #requests: LearnerRequests | undefined;

  constructor(host: RoleHost, leader: LearnerEvents) {
    this.#host = host;
    this.#leader = leader;
    this.table = new LearnerTable(host.ensemble.learnerQueueBytes);
  }

  // What the leader decides

  /** The epoch is agreed and durable here: whoever waited for it hears it. */
  beginEpoch(cx: Context, epoch: number): void {
    this.#epoch = epoch;
    for (const link of this.table.links) if (link.state === "announced") this.invite(cx, link);
  }

  /** LEADERINFO */
  invite(cx: Context, link: LearnerLink): void {
    link.state = "invited";
    const w = this.table.packet();
    writeLeaderInfo(w, packZxid(this.#epoch, 0));
    this.table.send(cx, link, w);
  }

  /** This leader's history is the one to follow: whoever waited for that gets it. */
  catchUpAll(cx: Context): void {
    for (const link of this.table.links) if (link.state === "promised") this.catchUp(cx, link);
  }

  catchUp(cx: Context, link: LearnerLink): void {
    link.state = "catching-up";
    link.catchUp = new CatchUp(this.#host, this.table, link);
    link.catchUp.start(cx);
    if (link.observer && this.#isOneTooMany(link.catchUp))
      return this.drop(cx, link, "too many are brought up to date");
    this.#afterCatchUp(cx, link);
  }

  /** The leader is established: whoever waited for that may serve. */
  serve(cx: Context, broadcast: Broadcast): void {
    this.#broadcast = broadcast;
    this.#requests = new LearnerRequests(this.#host.state, broadcast, this.table);
    for (const link of this.table.links) if (link.state === "acknowledged") this.upToDate(cx, link);
  }

  /** UPTODATE */
  upToDate(cx: Context, link: LearnerLink): void {
    const broadcast = this.#broadcast!;
    link.state = "synced";
    this.table.tell(cx, link, PacketType.upToDate, ZXID_NONE);
    if (link.acknowledged < broadcast.begin) link.acknowledged = broadcast.begin;
    // It may have acknowledged proposals before what it says counted (S16).
    if (!link.observer) broadcast.acknowledgeAll(cx, link.id, link.acknowledged);
  }

  drop(cx: Context, link: LearnerLink, why: string): void {
    if (link.state === "closed") return;
    cx.facts.log("warn", "closing a learner's connection", { learner: link.id, remote: link.remote, why });
    this.#stopCatchUp(link);
    this.table.close(cx, link);
  }

  closeAll(cx: Context): void {
    for (const link of this.table.links) {
      this.#stopCatchUp(link);
      if (link.state !== "closed") this.table.close(cx, link);
    }
  }

  // Events

  onAccepted(cx: Context, conn: ConnId, from: Address): void {
    let strangers = 0;
    for (const link of this.table.links) if (link.state === "arriving") strangers++;
    if (strangers >= EARLY_LEARNERS_MAX) {
      cx.facts.log("warn", "closing a connection to the quorum port: too many have not said who they are", { from });
      return cx.close(conn);
    }
    const { config, ensemble } = this.#host;
    const silentUntil = cx.now + this.#ticks(ensemble.initLimit);
    const supportsUntil = silentUntil + this.#ticks(ensemble.syncLimit);
    const dataMax = config.juteMaxBuffer + config.juteMaxBufferExtra;
    this.table.add(new LearnerLink(conn, from, dataMax, silentUntil, supportsUntil));
  }

  /** False, as in the others: not a learner's. */
  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): boolean {
    const link = this.table.find(conn);
    if (link === undefined) return false;
    if (link.state === "closed") return true;
    this.#heard(cx, link);
    const { stream } = link;
    stream.accept(bytes);
    while (!this.#leader.isEnding) {
      const status = stream.next();
      if (status === "partial") break;
      const complaint = status === "malformed" ? "it sends what is no packet" : this.#onPacket(cx, link);
      if (complaint !== undefined) this.drop(cx, link, complaint);
      if (isClosed(link.state)) return true;
    }
    stream.keep();
    return true;
  }

  onClosed(cx: Context, conn: ConnId, cause: CloseCause): boolean {
    const link = this.table.find(conn);
    if (link === undefined) return false;
    if (link.state !== "closed" && link.state !== "arriving") {
      cx.facts.log("warn", "a learner is gone", { learner: link.id, remote: link.remote, cause });
    }
    this.#stopCatchUp(link);
    this.table.onClosed(cx, link);
    return true;
  }

  onDrained(cx: Context, conn: ConnId): boolean {
    const link = this.table.find(conn);
    if (link === undefined) return false;
    if (link.catchUp === undefined) return true;
    this.#isTaking(cx, link);
    link.catchUp.onDrained(cx);
    this.#afterCatchUp(cx, link);
    return true;
  }

  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    for (const link of this.table.links) {
      if (!link.catchUp?.onDiskDone(cx, op, outcome)) continue;
      this.#afterCatchUp(cx, link);
      return true;
    }
    return false;
  }

  deadline(): Millis {
    let at = Infinity;
    for (const { catchUp } of this.table.links) if (catchUp !== undefined) at = Math.min(at, catchUp.deadline());
    return at;
  }
  onDeadline(cx: Context): void {
    for (const link of this.table.links) {
      if (link.catchUp === undefined || link.catchUp.deadline() > cx.now) continue;
      this.#isTaking(cx, link);
      link.catchUp.onDeadline(cx);
      this.#afterCatchUp(cx, link);
    }
  }

  /** The end of an event. */
  flush(cx: Context): void {
    this.table.handOver(cx);
    for (const link of this.table.takeOverrun()) this.drop(cx, link, "too much waits for it");
  }

  /** Twice in a tick: who is too late or too slow is given up, the others hear that the leader is there. */
  onPingTime(cx: Context, lastProposed: Zxid): void {
    for (const link of this.table.links) if (link.state !== "closed") this.#checkTime(cx, link, lastProposed);
    this.table.ping(lastProposed);
  }

  #checkTime(cx: Context, link: LearnerLink, lastProposed: Zxid): void {
    link.queued = cx.queued(link.conn);
    if (link.queued > this.#host.ensemble.learnerQueueBytes) return this.drop(cx, link, "too much waits for it");
    if (cx.now > link.silentUntil) return this.drop(cx, link, "nothing was heard of it for too long");
    if (link.state !== "synced" || link.observer) return;
    if (link.acknowledged >= link.awaited) {
      link.awaited = lastProposed;
      link.awaitedSince = cx.now;
    } else if (cx.now - link.awaitedSince > this.#ticks(this.#host.ensemble.syncLimit)) {
      this.drop(cx, link, "it does not acknowledge what is proposed");
    }
  }

  // Bringing up to date

  #afterCatchUp(cx: Context, link: LearnerLink): void {
    switch (link.catchUp?.state) {
      case "done":
        return this.#startForwarding(cx, link);
      case "failed":
        return this.drop(cx, link, link.catchUp.failure);
      default:
    }
  }

  /**
   * In the event in which the learner's history is the committed one. What is outstanding follows NEWLEADER: Java's 3.8
   * forgets at NEWLEADER what it was proposed before, and breaks when that is committed before UPTODATE (S15).
   */
  #startForwarding(cx: Context, link: LearnerLink): void {
    link.catchUp = undefined;
    const w = new Writer(1024);
    writePacket(w, PacketType.newLeader, packZxid(this.#epoch, 0), encodeUtf8(this.#host.view.lastSeen.text()));
    const outstanding = link.observer ? 0 : (this.#broadcast?.outstanding ?? 0);
    for (let i = 0; i < outstanding; i++) {
      const { request, payload } = this.#broadcast!.proposalAt(i);
      writePacket(w, PacketType.proposal, request.zxid, payload);
    }
    this.table.send(cx, link, w);
    this.table.goLive(link);
    // Whether it acknowledges what it was sent to catch up is its own affair.
    link.acknowledged = this.#broadcast?.lastCommitted ?? ZXID_ZERO;
    link.silentUntil = cx.now + this.#ticks(this.#host.ensemble.initLimit);
  }

  /** Only observers are turned away for it: nothing depends on them (reference, section 3.5). */
  #isOneTooMany({ isTree }: CatchUp): boolean {
    const { maxConcurrentSnapSyncs, maxConcurrentDiffSyncs } = this.#host.ensemble;
    let count = 0;
    for (const { catchUp } of this.table.links) if (catchUp !== undefined && catchUp.isTree === isTree) count++;
    return count > (isTree ? maxConcurrentSnapSyncs : maxConcurrentDiffSyncs);
  }

  #stopCatchUp(link: LearnerLink): void {
    link.catchUp?.close();
    link.catchUp = undefined;
  }

  // What learners say

  /** Why its connection must be closed, if it must. */
  #onPacket(cx: Context, link: LearnerLink): string | undefined {
    const { type } = link.stream;
    switch (link.state) {
      case "arriving":
        return this.#onInfo(cx, link);
      case "invited":
        return type === PacketType.ackEpoch ? this.#onPromise(cx, link) : unexpected(link);
      case "announced":
      case "promised":
        return unexpected(link);
      default:
    }
    const requests = link.state === "synced" ? this.#requests : undefined;
    switch (type) {
      case PacketType.ack:
        this.#onAck(cx, link, link.stream.zxid);
        return undefined;
      case PacketType.ping:
        return requests?.onPing(cx, link);
      case PacketType.request:
        return requests === undefined ? unexpected(link) : requests.onRequest(cx, link);
      case PacketType.revalidate:
        return requests === undefined ? unexpected(link) : requests.onRevalidate(cx, link);
      default:
        return unexpected(link);
    }
  }

  /** FOLLOWERINFO, OBSERVERINFO */
  #onInfo(cx: Context, link: LearnerLink): string | undefined {
    const { stream } = link;
    if (stream.type !== PacketType.followerInfo && stream.type !== PacketType.observerInfo) return unexpected(link);
    const info = readLearnerInfo(stream.data);
    if (info === undefined) return "it does not say who it is";
    const accepted = epochOf(stream.zxid);
    const refusal = whyRefused(info, accepted, this.#host.view);
    if (refusal !== undefined) return refusal;
    const older = this.table.withId(info.serverId);
    if (older !== undefined) this.drop(cx, older, "the same server came again");
    link.id = info.serverId;
    link.observer = stream.type === PacketType.observerInfo;
    link.isVivarium = info.isVivarium;
    link.owner = { learner: info.serverId };
    link.state = "announced";
    this.#leader.onAnnounced(cx, link, accepted);
    return undefined;
  }

  /** ACKEPOCH */
  #onPromise(cx: Context, link: LearnerLink): string | undefined {
    const currentEpoch = readIntData(link.stream.data);
    if (currentEpoch === undefined) return "it does not say its epoch";
    link.lastZxid = link.stream.zxid;
    link.state = "promised";
    return this.#leader.onPromised(cx, link, currentEpoch);
  }

  /** Counter 0 stands for NEWLEADER; it comes again after UPTODATE. */
  #onAck(cx: Context, link: LearnerLink, zxid: Zxid): void {
    if (counterOf(zxid) === 0) {
      if (link.state !== "forwarding" || zxid !== packZxid(this.#epoch, 0)) return;
      link.state = "acknowledged";
      link.silentUntil = cx.now + this.#ticks(this.#host.ensemble.syncLimit);
      return this.#leader.onAdopted(cx, link);
    }
    // Of what it was sent to catch up: that was committed long ago.
    if (!link.isLive || link.observer) return;
    if (zxid > link.acknowledged) link.acknowledged = zxid;
    if (link.state === "synced") this.#broadcast!.acknowledge(cx, link.id, zxid);
  }

  #heard(cx: Context, link: LearnerLink): void {
    const { initLimit, syncLimit } = this.#host.ensemble;
    const settled = link.state === "synced" || link.state === "acknowledged";
    link.silentUntil = cx.now + this.#ticks(settled ? syncLimit : initLimit);
    link.supportsUntil = Math.max(link.supportsUntil, cx.now + this.#ticks(syncLimit));
  }

  /** What is sent to it leaves this server. It has nothing to say itself before it has all of it. */
  #isTaking(cx: Context, link: LearnerLink): void {
    link.silentUntil = cx.now + this.#ticks(this.#host.ensemble.initLimit);
  }

  #ticks(count: number): Millis {
    return count * this.#host.config.tickTime;
  }

  // What the leader asks

  /** Voting learners that are connected and not silent, and `myId`: who stands behind the leader. */
  supporters(cx: Context, myId: number): Set<number> {
    const ids = new Set([myId]);
    for (const link of this.table.links) if (isFollower(link) && cx.now <= link.supportsUntil) ids.add(link.id);
    return ids;
  }

  /** Those of them that get every proposal. */
  syncedFollowers(cx: Context): Set<number> {
    const ids = new Set<number>();
    for (const link of this.table.links) {
      if (isFollower(link) && link.isLive && cx.now <= link.supportsUntil) ids.add(link.id);
    }
    return ids;
  }

  describe(): readonly LearnerDescription[] {
    return this.table.links
      .filter((link) => link.id >= 0 && link.state !== "closed")
      .map(({ id, observer, state, remote, queued }) => {
        return { id, observer, synced: state === "synced", remote, queuedBytes: queued };
      });
  }
}

function isFollower(link: LearnerLink): boolean {
  return link.id >= 0 && !link.observer && link.state !== "closed";
}

/** A function, for the compiler does not see that a call in between may have closed it. */
function isClosed(state: LinkState): boolean {
  return state === "closed";
}

function unexpected({ stream, state }: LearnerLink): string {
  return `${packetName(stream.type)} is not what it may send now (${state})`;
}
