/**
 * Brings one learner to where its leader is (Java: LearnerHandler.syncFollower, Leader.startForwarding; reference,
 * sections 3.5 and 3.6): the tree first where it needs that, then the txns after it, from the log on disk while the
 * committed log does not reach back far enough, then from the committed log. Which way is sync-plan.ts's decision.
 *
 * Each txn goes as PROPOSAL and COMMIT. It ends in the very event in which nothing committed is left to send: there the
 * leader queues NEWLEADER, what is still outstanding, and everything that follows (reference, section 4.6). No more is
 * sent than the network takes, so what waits for one learner stays bounded however far behind it is.
 */
import type { Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import { formatZxid } from "../base/zxid.ts";
import { Writer } from "../jute/writer.ts";
import { CATCH_UP_BYTES_PER_EVENT, CATCH_UP_QUEUE_BYTES, SNAPSHOT_NODES_PER_EVENT } from "../limits.ts";
import { PacketType, writePacket } from "../protocol/quorum-packets.ts";
import type { Mutants } from "../pipeline/state.ts";
import type { LoggedTxn } from "../storage/log-replay.ts";
import { LogTail } from "../storage/log-tail.ts";
import { SnapshotStreamWriter } from "../storage/snapshot-stream.ts";
import type { LearnerLink } from "./learner-link.ts";
import type { LearnerTable } from "./learner-table.ts";
import type { RoleHost } from "./role.ts";
import type { CommittedTxns, SyncPlan } from "./sync-plan.ts";
import { planSync } from "./sync-plan.ts";

/** Records between two looks at how many bytes they came to. */
const RECORDS_PER_STEP = 8;
/** When to look again for what the log on disk does not have yet. */
const LOG_TAIL_RETRY: Millis = 20;
const LOG_TAIL_RETRIES = 100;
/** Above this a scratch buffer is given back. */
const SCRATCH_KEPT_BYTES = 4 * CATCH_UP_BYTES_PER_EVENT;

export type CatchUpHost = Pick<RoleHost, "config" | "ensemble" | "state" | "committedLog">;

export class CatchUp {
  readonly #host: CatchUpHost;
  readonly #table: LearnerTable;
  readonly #link: LearnerLink;
  readonly #w = new Writer(1024);
  #state: "begun" | "busy" | "done" | "failed" = "begun";
  #failure = "";
  /** Was it told by which way? Until then the tree is still possible. */
  #announced = false;
  /** The learner has the leader's history up to here, once all that was sent has arrived. */
  #sent: Zxid;
  #tree: SnapshotStreamWriter | undefined;
  #disk: LogTail | undefined;
  #turnAt: Millis = Infinity;
  /** How often in a row the log on disk had nothing more. */
  #ends = 0;

  constructor(host: CatchUpHost, table: LearnerTable, link: LearnerLink) {
    this.#host = host;
    this.#table = table;
    this.#link = link;
    this.#sent = link.lastZxid;
  }

  /** - `done`: nothing that is committed in this event is left to send; - `failed`: {@link failure} says why. */
  get state(): "begun" | "busy" | "done" | "failed" {
    return this.#state;
  }
  get failure(): string {
    return this.#failure;
  }
  /** For the limits on how many may be under way. */
  get isTree(): boolean {
    return this.#tree !== undefined;
  }

  start(cx: Context): void {
    const { state, committedLog, ensemble } = this.#host;
    const peer = this.#link.lastZxid;
    const last = state.tree.lastProcessedZxid;
    const sound = planSync({
      peer,
      last,
      committed: committedLog,
      disk: ensemble.snapshotSizeFactor >= 0,
      mayTruncate: this.#link.isVivarium,
      forced: ensemble.forceSnapshotSync,
    });
    this.#state = "busy";
    const plan = mutated(sound, peer, committedLog, state.mutants);
    switch (plan.kind) {
      case "snap":
        return this.#beginTree(cx, plan.why);
      case "disk":
        return this.#beginDisk(cx, peer);
      case "diff":
        return this.#begin(cx, PacketType.diff, peer === last ? peer : committedLog.max, plan.after);
      case "trunc":
        return this.#begin(cx, PacketType.trunc, plan.after, plan.after);
    }
  }

  /** False when `op` is not this one's. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    const disk = this.#disk;
    if (disk === undefined || !disk.onDiskDone(cx, op, outcome)) return false;
    this.#onDiskMoved(cx, disk);
    return true;
  }

  /** The network has taken what was sent. */
  onDrained(cx: Context): void {
    if (this.#state === "busy" && this.#announced) this.#goOn(cx);
  }

  deadline(): Millis {
    return this.#turnAt;
  }
  onDeadline(cx: Context): void {
    if (cx.now >= this.#turnAt) this.#goOn(cx);
  }

  /** Stops in the middle. */
  close(): void {
    this.#tree?.abandon();
    this.#tree = undefined;
    this.#disk = undefined;
    this.#turnAt = Infinity;
    if (this.#state === "busy") this.#fail("the connection is gone");
  }

  #begin(cx: Context, type: number, zxid: Zxid, after: Zxid): void {
    this.#announced = true;
    this.#sent = after;
    this.#say(cx, type === PacketType.diff ? "diff" : "trunc", zxid);
    writePacket(this.#w, type, zxid, null);
    this.#goOn(cx);
  }

  #beginTree(cx: Context, why: string): void {
    const { state } = this.#host;
    this.#announced = true;
    this.#disk = undefined;
    const zxid = state.tree.lastProcessedZxid;
    this.#sent = zxid;
    this.#say(cx, "snap", zxid, why);
    writePacket(this.#w, PacketType.snap, zxid, null);
    this.#tree = new SnapshotStreamWriter(state.tree, state.sessions.committed());
    this.#goOn(cx);
  }

  #beginDisk(cx: Context, from: Zxid): void {
    this.#disk = new LogTail(this.#host.config, from);
    this.#disk.start(cx);
  }

  /** Sends what comes next, as much as one event may, and sees to it that there is a next time. */
  #goOn(cx: Context): void {
    this.#turnAt = Infinity;
    if (cx.queued(this.#link.conn) > CATCH_UP_QUEUE_BYTES) return this.#send(cx);
    if (this.#tree !== undefined) this.#writeTree(this.#tree);
    else if (this.#host.committedLog.reaches(this.#sent)) this.#writeCommitted();
    else return this.#goOnFromDisk(cx);
    this.#send(cx);
    // Where too much is queued the host says when there is room again.
    if (this.#state === "busy" && cx.queued(this.#link.conn) <= CATCH_UP_QUEUE_BYTES) this.#turnAt = cx.now;
  }

  #goOnFromDisk(cx: Context): void {
    this.#send(cx);
    if (this.#disk === undefined) return this.#beginDisk(cx, this.#sent);
    const { state } = this.#disk;
    if (state === "ready" || state === "batch" || state === "end") this.#readDisk(cx, this.#disk);
  }

  #writeTree(tree: SnapshotStreamWriter): void {
    for (let records = 0; records < SNAPSHOT_NODES_PER_EVENT; records += RECORDS_PER_STEP) {
      if (tree.produce(this.#w, RECORDS_PER_STEP)) {
        this.#tree = undefined;
        return;
      }
      if (this.#w.length >= CATCH_UP_BYTES_PER_EVENT) return;
    }
  }

  #writeCommitted(): void {
    const log = this.#host.committedLog;
    this.#disk = undefined;
    for (let index = log.indexAfter(this.#sent); index < log.length; index++) {
      if (this.#w.length >= CATCH_UP_BYTES_PER_EVENT) return;
      this.#write(log.zxidAt(index), log.payloadAt(index));
    }
    this.#state = "done";
  }

  #write(zxid: Zxid, payload: Uint8Array): void {
    writePacket(this.#w, PacketType.proposal, zxid, payload);
    writePacket(this.#w, PacketType.commit, zxid, null);
    this.#sent = zxid;
  }

  #onDiskMoved(cx: Context, disk: LogTail): void {
    switch (disk.state) {
      case "listing":
      case "reading":
        return;
      case "ready":
        if (!this.#announced && this.#isTooMuch(disk)) return this.#beginTree(cx, "the tree is shorter than the log");
        return this.#readDisk(cx, disk);
      case "gap":
        if (!this.#announced) return this.#beginTree(cx, disk.reason);
        return this.#fail(`the log on disk does not reach back to ${formatZxid(this.#sent)}: ${disk.reason}`);
      case "end":
        return this.#onDiskEnd(cx);
      case "batch":
    }
    if (!this.#announced) {
      this.#announced = true;
      const zxid = this.#host.committedLog.max;
      this.#say(cx, "diff", zxid, "from the log on disk");
      writePacket(this.#w, PacketType.diff, zxid, null);
    }
    this.#ends = 0;
    this.#writeBatch(disk.batch);
    this.#goOn(cx);
  }

  /** What it lacks is committed, but the log has it in memory yet. */
  #onDiskEnd(cx: Context): void {
    if (this.#ends++ < LOG_TAIL_RETRIES) this.#turnAt = cx.now + LOG_TAIL_RETRY;
    else if (this.#announced) this.#fail(`the log on disk ends with ${formatZxid(this.#sent)}`);
    else this.#beginTree(cx, "the log on disk ends too early");
  }

  /** Java: a log that is longer than a share of the newest snapshot is not worth it; 0 means that there is no limit. */
  #isTooMuch(disk: LogTail): boolean {
    const limit = disk.snapshotBytes * this.#host.ensemble.snapshotSizeFactor;
    return limit > 0 && disk.logBytes > limit;
  }

  #readDisk(cx: Context, disk: LogTail): void {
    disk.next(cx);
    if (disk.state !== "reading") this.#onDiskMoved(cx, disk);
  }

  /** What the log holds beyond the committed txns is not sent: it may never be. */
  #writeBatch(batch: readonly LoggedTxn[]): void {
    const { max } = this.#host.committedLog;
    for (const { zxid, payload } of batch) {
      if (zxid > max) return;
      if (zxid > this.#sent) this.#write(zxid, payload);
    }
  }

  #send(cx: Context): void {
    const w = this.#w;
    if (w.length > 0) this.#table.send(cx, this.#link, w);
    w.clear();
    if (w.bytes.length > SCRATCH_KEPT_BYTES) w.bytes = new Uint8Array(1024);
  }

  #say(cx: Context, how: string, zxid: Zxid, why?: string): void {
    cx.facts.log("info", "bringing a learner up to date", {
      learner: this.#link.id,
      how,
      from: formatZxid(this.#link.lastZxid),
      zxid: formatZxid(zxid),
      ...(why === undefined ? {} : { why }),
    });
  }

  #fail(failure: string): void {
    this.#state = "failed";
    this.#failure = failure;
  }
}

function mutated(plan: SyncPlan, peer: Zxid, committed: CommittedTxns & { min: Zxid }, mutants: Mutants): SyncPlan {
  if (mutants.size === 0 || plan.kind === "diff" || plan.kind === "disk") return plan;
  if (peer > 0 && mutants.has("diff-when-absent")) return { kind: "diff", after: peer };
  if (peer <= 0 && mutants.has("diff-from-nothing")) return { kind: "diff", after: committed.min };
  return plan;
}
