/**
 * When snapshots are taken and old files go: at the start, whenever the log says so, a slice of nodes per event while
 * requests are served (Java: SyncRequestProcessor's snapshot thread, DatadirCleanupManager; reference, sections 8.4
 * and 8.7). One at a time: what comes due meanwhile is skipped. A snapshot that finds no room is given up; the next one
 * tries again.
 */
import type { Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import { formatZxid } from "../base/zxid.ts";
import { SNAPSHOT_NODES_PER_EVENT, SNAPSHOT_SLICE_PAUSE } from "../limits.ts";
import type { ServerState } from "../pipeline/state.ts";
import { Purge } from "../storage/purge.ts";
import type { SnapshotProgress } from "../storage/snapshot-writer.ts";
import { SnapshotWriter } from "../storage/snapshot-writer.ts";

export class Snapshots {
  readonly #state: ServerState;
  #writer: SnapshotWriter | undefined;
  #sliceAt: Millis = Infinity;
  #startedAt: Millis = 0;
  #purge: Purge | undefined;
  #purgeAt: Millis;

  constructor(state: ServerState, now: Millis) {
    this.#state = state;
    this.#purgeAt = state.config.purgeInterval > 0 ? now : Infinity;
  }

  /**
   * Begins a snapshot of what is applied now, unless one is being written. `zxid` is the last txn in it: a leader that
   * has only begun its epoch has a zxid that no txn has.
   */
  take(cx: Context, zxid: Zxid = this.#state.tree.lastProcessedZxid): void {
    if (this.#writer !== undefined) return;
    const { tree, sessions, config } = this.#state;
    this.#startedAt = cx.now;
    this.#writer = new SnapshotWriter(tree, sessions.committed(), zxid, config);
    this.#sliceAt = cx.now;
  }

  /**
   * Gives up the snapshot at hand: its tree is about to be another. True when nothing of it can appear on the disk any
   * more; otherwise its name is being given right now, and this is asked again after the next {@link onDiskDone}.
   */
  giveUp(): boolean {
    // Nor may what is removed be what another history goes back to.
    if (this.#purge !== undefined) return false;
    if (this.#writer === undefined) return true;
    if (this.#writer.isNaming) return false;
    this.#writer.abandon();
    this.#writer = undefined;
    this.#sliceAt = Infinity;
    return true;
  }

  deadline(): Millis {
    return Math.min(this.#sliceAt, this.#purgeAt);
  }

  onDeadline(cx: Context): void {
    if (cx.now >= this.#sliceAt) this.#onProgress(cx, this.#writer!.step(cx, SNAPSHOT_NODES_PER_EVENT));
    if (cx.now < this.#purgeAt) return;
    this.#purgeAt = cx.now + this.#state.config.purgeInterval;
    if (this.#purge !== undefined) return;
    this.#purge = new Purge(this.#state.config.snapRetainCount);
    this.#purge.start(cx);
  }

  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): void {
    const progress = this.#writer?.onDiskDone(cx, op, outcome) ?? "not-mine";
    if (progress !== "not-mine") return this.#onProgress(cx, progress);
    const purged = this.#purge?.onDiskDone(cx, op, outcome);
    if (purged === "finished" || purged === "failed") this.#purge = undefined;
  }

  #onProgress(cx: Context, progress: SnapshotProgress): void {
    this.#sliceAt = progress === "more" ? cx.now + SNAPSHOT_SLICE_PAUSE : Infinity;
    if (progress === "more" || progress === "waiting") return;
    const { file, zxid, failure } = this.#writer!;
    this.#writer = undefined;
    if (progress === "finished") {
      this.#state.stats.count("snap_count");
      const milliseconds = cx.now - this.#startedAt;
      return cx.facts.log("info", "took a snapshot", { file, zxid: formatZxid(zxid), milliseconds });
    }
    this.#state.stats.count("snapshot_error_count");
    cx.facts.log("error", "could not write a snapshot; the older ones and the log are as they were", { file, failure });
  }
}
