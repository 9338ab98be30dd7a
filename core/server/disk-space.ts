/**
 * What happens after the log's disk was full: writes are refused, reads go on, and every second it is tried whether
 * there is room again. First the tail that could not be written is cut off, then a probe file must fit; only then are
 * writes taken again. Java has no counterpart: it exits.
 */
import type { Context, DiskOp, DiskOutcome, FileName, Millis } from "../actor.ts";
import { DISK_PROBE_BYTES, DISK_RETRY_INTERVAL } from "../limits.ts";
import type { ServerStats } from "../pipeline/stats.ts";
import type { TxnLog } from "../storage/txn-log.ts";

/** Not a name that recovery, purge or Apache's tools take for one of theirs. */
const PROBE = "log/version-2/probe.tmp" as FileName;

type Phase = "roomy" | "tail" | "cutting" | "waiting" | "probing" | "removing";

export class DiskSpace {
  readonly #log: TxnLog;
  readonly #stats: ServerStats;
  #phase: Phase = "roomy";
  #retryAt: Millis = Infinity;
  #op: DiskOp | undefined;
  #probeFits = false;

  constructor(log: TxnLog, stats: ServerStats) {
    this.#log = log;
    this.#stats = stats;
  }

  /** Writes must be refused. */
  get exhausted(): boolean {
    return this.#phase !== "roomy";
  }

  /** A commit, or the cutting of its tail, found no room. */
  ranOut(cx: Context): void {
    this.#stats.count("disk_full_count");
    this.#phase = "tail";
    this.#retryAt = cx.now + DISK_RETRY_INTERVAL;
  }

  onLogEmptied(cx: Context): void {
    this.#phase = "waiting";
    this.#retryAt = cx.now;
  }

  deadline(): Millis {
    return this.#retryAt;
  }

  onDeadline(cx: Context): void {
    if (cx.now < this.#retryAt) return;
    this.#retryAt = Infinity;
    if (this.#phase === "tail") {
      this.#phase = "cutting";
      this.#log.abandonTail(cx);
    } else if (this.#phase === "waiting") {
      this.#phase = "probing";
      cx.append(PROBE, new Uint8Array(DISK_PROBE_BYTES));
      this.#op = cx.sync(PROBE);
    }
  }

  /** False when `op` is not the probe's. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    if (op !== this.#op) return false;
    if (this.#phase === "probing") {
      this.#probeFits = outcome.kind === "synced";
      this.#phase = "removing";
      this.#op = cx.remove(PROBE);
      return true;
    }
    this.#op = undefined;
    if (this.#probeFits) {
      this.#phase = "roomy";
      cx.facts.log("info", "there is room for the transaction log again: taking writes");
    } else {
      this.#phase = "waiting";
      this.#retryAt = cx.now + DISK_RETRY_INTERVAL;
    }
    return true;
  }
}
