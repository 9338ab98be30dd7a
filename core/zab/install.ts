/**
 * Another history on its way onto the disk, to take the place of a learner's own: the leader's snapshot becomes the one
 * this server restarts from (SNAP), or the log is cut and read again (TRUNC) (Java: Learner.syncWithLeader; reference,
 * section 3.7). Each ends with a database that is durable as a whole, before anything is appended to it. Until then the
 * old one in memory stays as it is.
 */
import type { Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import { formatZxid } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { SNAPSHOT_NODES_PER_EVENT } from "../limits.ts";
import type { Mutants } from "../pipeline/state.ts";
import { emptyTree } from "../storage/empty-tree.ts";
import { HistoryReset } from "../storage/history-reset.ts";
import { Recovery } from "../storage/recovery.ts";
import type { Recovered } from "../storage/recovery.ts";
import type { SnapshotProgress } from "../storage/snapshot-writer.ts";
import { SnapshotWriter } from "../storage/snapshot-writer.ts";
import { Truncation } from "../storage/truncation.ts";
import type { DataTree } from "../tree/data-tree.ts";

export interface Install {
  readonly how: "snap" | "trunc";
  /** What the leader asked for. */
  readonly zxid: Zxid;
  /** Set when it is done: the database from here on. */
  readonly recovered: Recovered | undefined;
  /** Set when the disk failed: the server must not go on. */
  readonly failure: string | undefined;
  /** Set when there is no way to what the leader asked for: everything is as it was. */
  readonly refusal: string | undefined;
  start(cx: Context): void;
  deadline(): Millis;
  onDeadline(cx: Context): void;
  /** False when `op` is not its own. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean;
  /**
   * True when nothing of it has reached, or can reach, what a restart would read: it is dropped. Otherwise memory and
   * disk are two histories until it is done, and this server must not vote or log before.
   */
  giveUp(): boolean;
}

/** A tree that came from elsewhere, onto the disk; then everything that was there before it goes. */
export class SnapshotInstall implements Install {
  readonly how = "snap";
  readonly zxid: Zxid;
  recovered: Recovered | undefined;
  failure: string | undefined;
  readonly refusal = undefined;
  readonly #tree: DataTree;
  readonly #sessions: Map<SessionId, Millis>;
  readonly #writer: SnapshotWriter;
  #reset: HistoryReset | undefined;
  #sliceAt: Millis = Infinity;

  /** `tree` has the snapshot's zxid. */
  constructor(config: ServerConfig, tree: DataTree, sessions: Map<SessionId, Millis>) {
    this.zxid = tree.lastProcessedZxid;
    this.#tree = tree;
    this.#sessions = sessions;
    this.#writer = new SnapshotWriter(tree, sessions, this.zxid, config);
  }

  start(cx: Context): void {
    this.#onWriting(cx, this.#writer.step(cx, SNAPSHOT_NODES_PER_EVENT));
  }

  deadline(): Millis {
    return this.#sliceAt;
  }
  onDeadline(cx: Context): void {
    if (cx.now >= this.#sliceAt) this.#onWriting(cx, this.#writer.step(cx, SNAPSHOT_NODES_PER_EVENT));
  }

  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    const progress = this.#writer.onDiskDone(cx, op, outcome);
    if (progress !== "not-mine") {
      this.#onWriting(cx, progress);
      return true;
    }
    if (this.#reset === undefined || !this.#reset.onDiskDone(cx, op, outcome)) return false;
    this.#considerReset();
    return true;
  }

  giveUp(): boolean {
    if (this.#reset !== undefined || this.#writer.isNaming) return false;
    this.#writer.abandon();
    return true;
  }

  /** Nobody is served meanwhile, so there is no pause between slices. */
  #onWriting(cx: Context, progress: SnapshotProgress): void {
    this.#sliceAt = progress === "more" ? cx.now : Infinity;
    if (progress === "full" || progress === "io") this.failure = `the leader's snapshot: ${this.#writer.failure}`;
    if (progress !== "finished") return;
    // The old logs are of another history: what follows in them on this snapshot's zxid must never be read (S24).
    this.#reset = new HistoryReset(this.#writer.file);
    this.#reset.start(cx);
    this.#considerReset();
  }

  #considerReset(): void {
    const { result } = this.#reset!;
    if (result === undefined) return;
    if (result !== "done") {
      this.failure = result.failed;
      return;
    }
    this.recovered = {
      tree: this.#tree,
      sessions: this.#sessions,
      lastZxid: this.zxid,
      committed: [],
      snapshot: this.#writer.file,
      txnsReplayed: 0,
      digestMismatches: 0,
    };
  }
}

/** The log ends earlier; what is left is read as at a start. It may end before the zxid asked for, and says so. */
export class TruncationInstall implements Install {
  readonly how = "trunc";
  readonly zxid: Zxid;
  recovered: Recovered | undefined;
  failure: string | undefined;
  refusal: string | undefined;
  readonly #truncation: Truncation;
  readonly #recovery: Recovery;
  #recovering = false;

  constructor(config: ServerConfig, zxid: Zxid, mutants: Mutants) {
    this.zxid = zxid;
    this.#truncation = new Truncation(config, zxid);
    this.#recovery = new Recovery(config, () => emptyTree(config), mutants);
  }

  start(cx: Context): void {
    this.#truncation.start(cx);
    this.#considerTruncation(cx);
  }

  deadline(): Millis {
    return Infinity;
  }
  onDeadline(): void {}

  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    if (this.#recovering) {
      if (!this.#recovery.onDiskDone(cx, op, outcome)) return false;
      const { result } = this.#recovery;
      if (result === undefined) return true;
      if ("fatal" in result) this.failure = result.fatal;
      else this.recovered = result;
      return true;
    }
    if (!this.#truncation.onDiskDone(cx, op, outcome)) return false;
    this.#considerTruncation(cx);
    return true;
  }

  giveUp(): boolean {
    return false;
  }

  #considerTruncation(cx: Context): void {
    const { result } = this.#truncation;
    if (result === undefined) return;
    if (result === "done") {
      this.#recovering = true;
      this.#recovery.start(cx);
    } else if (result.untouched) this.refusal = result.failed;
    else this.failure = `the transaction log cannot be cut after ${formatZxid(this.zxid)}: ${result.failed}`;
  }
}
