/**
 * Makes one snapshot the whole history: what a learner does once the tree it was sent is durable (reference, S24). Java
 * leaves the older files where they are: logs of another history, from which a later leader would serve others.
 *
 * Between the snapshot's getting its name and the note of this there is a moment in which a crash leaves both histories.
 * That does no harm: a leader sends a tree that is older than what a learner has only if the learner's history goes on
 * from there, so replaying the old logs on the new snapshot gives the old history; and if it is not older, they hold
 * nothing to replay.
 */
import type { Context, DiskOp, DiskOutcome, FileName } from "../actor.ts";
import { SNAPSHOT_DIRECTORY, fileIn, logsIn, snapshotsIn } from "./files.ts";
import { BothListings, HistoryRewrite } from "./history-rewrite.ts";
import type { RewriteResult } from "./history-rewrite.ts";

export class HistoryReset {
  /** Set by the last disk operation. When it is a failure, nothing may be logged on top. */
  result: RewriteResult | undefined;
  readonly #kept: FileName;
  readonly #isNoted: boolean;
  readonly #listings: BothListings = new BothListings();
  #rewrite: HistoryRewrite | undefined;

  /**
   * Keeps `snapshot`, a durable one: its name is SnapshotWriter.file. Whoever logs must have stopped, and goes on with a
   * new TxnLog. `isNoted`: an earlier run began it.
   */
  constructor(snapshot: FileName, isNoted = false) {
    this.#kept = snapshot;
    this.#isNoted = isNoted;
  }

  start(cx: Context): void {
    this.#listings.start(cx);
  }

  /** False when `op` is not ours. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    if (this.#rewrite !== undefined) {
      if (!this.#rewrite.onDiskDone(cx, op, outcome)) return false;
      this.result = this.#rewrite.result;
      return true;
    }
    if (!this.#listings.onDiskDone(op, outcome)) return false;
    if (this.#listings.isComplete) this.#plan(cx);
    return true;
  }

  #plan(cx: Context): void {
    const { failure, snapshots, logs } = this.#listings;
    const found = snapshotsIn(snapshots).map(({ file }) => file);
    if (failure !== undefined || !found.includes(this.#kept)) {
      this.result = { failed: failure ?? `${this.#kept} is not there`, untouched: true };
      return;
    }
    const files = {
      snapshots: found.filter((file) => file !== this.#kept),
      logs: logsIn(logs).map(({ file }) => file),
      cuts: [],
    };
    const name = this.#kept.slice(this.#kept.lastIndexOf("/") + 1);
    this.#rewrite = new HistoryRewrite({ kind: "keep", snapshot: name }, files, this.#isNoted);
    this.#rewrite.start(cx);
    this.result = this.#rewrite.result;
  }
}

/** For a reset that was noted and not finished. */
export function resetAsNoted(snapshot: string): HistoryReset {
  return new HistoryReset(fileIn(SNAPSHOT_DIRECTORY, snapshot), true);
}
