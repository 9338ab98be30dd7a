/**
 * Removes snapshots and logs that recovery no longer needs (Java: PurgeTxnLog; reference, section 8.7): all older than
 * the oldest of the newest snapshots to retain, except the log that this one is followed by.
 */
import type { Context, DirectoryName, DiskOp, DiskOutcome, FileName } from "../actor.ts";
import { LOG_DIRECTORY, SNAPSHOT_DIRECTORY, logsFrom, logsIn, snapshotsIn } from "./files.ts";
import type { LogFile, SnapshotFile } from "./files.ts";
import { passesProbe, probeOf } from "./snapshot-loading.ts";
import type { SnapshotProbe } from "./snapshot-loading.ts";
import { nextZxid } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";

/** `failed`: something could not be listed or removed ({@link Purge.failure}); it stays for the next run. */
export type PurgeProgress = "not-mine" | "waiting" | "finished" | "failed";

/** Java: DatadirCleanupManager and PurgeTxnLog both insist on it. */
const RETAINED_MIN = 3;

export class Purge {
  #done = false;
  /** How many files went. */
  removedCount = 0;
  failure = "";
  readonly #retain: number;
  #snapshots: SnapshotFile[] = [];
  #logs: LogFile[] = [];
  readonly #listings: Map<DiskOp, DirectoryName> = new Map();
  #probe: SnapshotProbe | undefined;
  #probeOp: DiskOp | undefined;
  #candidate = 0;
  #valid = 0;
  #oldestValid: Zxid | undefined;
  readonly #removals: Set<DiskOp> = new Set();

  constructor(retain: number) {
    this.#retain = Math.max(RETAINED_MIN, retain);
  }

  start(cx: Context): void {
    for (const directory of [SNAPSHOT_DIRECTORY, LOG_DIRECTORY]) this.#listings.set(cx.list(directory), directory);
  }

  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): PurgeProgress {
    if (op === this.#probeOp) this.#onProbed(cx, outcome);
    else if (this.#listings.has(op)) this.#onListed(cx, op, outcome);
    else if (this.#removals.delete(op)) this.#onRemoved(outcome);
    else return "not-mine";
    if (!this.#done) return "waiting";
    return this.failure === "" ? "finished" : "failed";
  }

  #onListed(cx: Context, op: DiskOp, outcome: DiskOutcome): void {
    const directory = this.#listings.get(op);
    this.#listings.delete(op);
    if (outcome.kind !== "listed") this.failure = outcome.kind === "failed" ? outcome.detail : outcome.kind;
    else if (directory === SNAPSHOT_DIRECTORY) this.#snapshots = snapshotsIn(outcome.files);
    else this.#logs = logsIn(outcome.files);
    if (this.#listings.size > 0) return;
    if (this.failure === "") this.#probeNext(cx);
    else this.#done = true;
  }

  /** Looks for the newest snapshots that pass the cheap test, as many as are to be kept. */
  #probeNext(cx: Context): void {
    while (this.#valid < this.#retain) {
      const snapshot = this.#snapshots[this.#candidate++];
      if (snapshot === undefined) break;
      this.#probe = probeOf(snapshot);
      if (this.#probe === undefined) continue;
      this.#probeOp = cx.readAt(snapshot.file, this.#probe.offset, this.#probe.expected.length);
      return;
    }
    this.#remove(cx);
  }

  #onProbed(cx: Context, outcome: DiskOutcome): void {
    this.#probeOp = undefined;
    if (outcome.kind === "read" && passesProbe(this.#probe!, outcome.bytes)) {
      this.#valid++;
      this.#oldestValid = this.#snapshots[this.#candidate - 1]!.zxid;
    }
    this.#probeNext(cx);
  }

  #remove(cx: Context): void {
    const bound = this.#oldestValid;
    if (bound !== undefined) {
      const kept = new Set<FileName>(logsFrom(this.#logs, nextZxid(bound)).map(({ file }) => file));
      for (const { file, zxid } of this.#snapshots) if (zxid < bound) this.#removals.add(cx.remove(file));
      for (const { file, zxid } of this.#logs) {
        if (zxid < bound && !kept.has(file)) this.#removals.add(cx.remove(file));
      }
    }
    this.#done = this.#removals.size === 0;
  }

  #onRemoved(outcome: DiskOutcome): void {
    if (outcome.kind === "removed") this.removedCount++;
    else if (outcome.kind === "failed" && outcome.error !== "missing") this.failure = outcome.detail;
    this.#done = this.#removals.size === 0;
  }
}
