/**
 * When snapshots are taken and old files go: at the start, whenever the log says so, a slice of nodes per event while
 * requests are served (Java: SyncRequestProcessor's snapshot thread, DatadirCleanupManager; reference, sections 8.4
 * and 8.7). One at a time: what comes due meanwhile is skipped.
 */
import type { Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import { formatZxid } from "../base/zxid.ts";
import { SNAPSHOT_NODES_PER_EVENT, SNAPSHOT_SLICE_PAUSE } from "../limits.ts";
import type { ServerState } from "../pipeline/state.ts";
import { Purge } from "../storage/purge.ts";
import { SnapshotWriter } from "../storage/snapshot-writer.ts";

export class Snapshots {
  readonly #state: ServerState;
  #writer: SnapshotWriter | undefined;
  #sliceAt: Millis = Infinity;
  #purge: Purge | undefined;
  #purgeAt: Millis;
  #startedAt: Millis = 0;

  constructor(state: ServerState, now: Millis) {
    this.#state = state;
    this.#purgeAt = state.config.purgeInterval > 0 ? now : Infinity;
  }

  /** Begins a snapshot of what is applied now, unless one is being written. */
  take(cx: Context): void {
    if (this.#writer !== undefined) return;
    const { tree, sessions, config } = this.#state;
    this.#startedAt = cx.now;
    this.#writer = new SnapshotWriter(tree, sessions.committed(), tree.lastProcessedZxid, config);
    this.#sliceAt = cx.now;
  }

  deadline(): Millis {
    return Math.min(this.#sliceAt, this.#purgeAt);
  }

  onDeadline(cx: Context): void {
    if (cx.now >= this.#sliceAt) this.#writeSlice(cx);
    if (cx.now >= this.#purgeAt && this.#purge === undefined) {
      this.#purgeAt = Infinity;
      this.#purge = new Purge(this.#state.config.snapRetainCount);
      this.#purge.start(cx);
    }
  }

  /** False when `op` is nobody's here. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    return this.#onWriterDone(cx, op, outcome) || this.#onPurgeDone(cx, op, outcome);
  }

  #writeSlice(cx: Context): void {
    const progress = this.#writer!.step(cx, SNAPSHOT_NODES_PER_EVENT);
    this.#sliceAt = progress === "more" ? cx.now + SNAPSHOT_SLICE_PAUSE : Infinity;
  }
}
