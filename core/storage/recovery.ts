/**
 * From a directory to a server's state: the newest snapshot that holds, and every logged txn after it (Java:
 * FileTxnSnapLog.restore, FileSnap, ZKDatabase; reference, section 8.5). Loading goes piece by piece, so memory is
 * bounded by the tree itself. Loading one snapshot is snapshot-loading.ts's, replaying is log-replay.ts's.
 *
 * Wherever durable txns would be lost without a word, it refuses and says what is wrong, where, and what can be done.
 */
import type { Context, DirectoryName, DiskOp, DiskOutcome, FileEntry, FileName, Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import { ZXID_ZERO, formatZxid, nextZxid } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { invariant } from "../invariant.ts";
import type { DataTree } from "../tree/data-tree.ts";
import {
  INITIALIZE_MARKER,
  LOG_DIRECTORY,
  MARKER_DIRECTORY,
  SNAPSHOT_DIRECTORY,
  displayName,
  logsFrom,
  logsIn,
  snapshotsIn,
  temporariesIn,
} from "./files.ts";
import type { LogFile, SnapshotFile } from "./files.ts";
import { hasRewriteNote } from "./history-rewrite.ts";
import { LogReplay } from "./log-replay.ts";
import type { LoggedTxn } from "./log-replay.ts";
import { RewriteRedo } from "./rewrite-redo.ts";
import type { SnapshotDigest } from "./snapshot-reader.ts";
import { SnapshotLoading } from "./snapshot-loading.ts";
import { SnapshotWriter } from "./snapshot-writer.ts";

export interface Recovered {
  readonly tree: DataTree;
  /** Of committed sessions, with the timeouts they were created with. */
  readonly sessions: Map<SessionId, Millis>;
  /** The tree's lastProcessedZxid; -1 when the data may be missing (nothing found, and db.autocreate is off). */
  readonly lastZxid: Zxid;
  /** The last txns replayed, at most commitLogCount, oldest first: what a learner may still need. */
  readonly committed: readonly LoggedTxn[];
  /** What was loaded; undefined when there was nothing. */
  readonly snapshot: FileName | undefined;
  readonly txnsReplayed: number;
  readonly digestMismatches: number;
}
export type RecoveryResult = Recovered | { readonly fatal: string };

/** Bugs that tests put back (pipeline/state.ts). */
const NO_MUTANTS: ReadonlySet<string> = new Set();
/** Snapshots that are tried at most (Java: FileSnap.deserialize). */
const SNAPSHOTS_MAX = 100;
/** Nodes of the empty snapshot.0 are four. */
const FIRST_SNAPSHOT_NODES = 100;

type Phase = "listing" | "sweeping" | "loading" | "replaying" | "tidying" | "founding" | "unmarking" | "done";

export class Recovery {
  result: RecoveryResult | undefined;
  readonly #config: ServerConfig;
  readonly #newTree: () => DataTree;
  readonly #mutants: ReadonlySet<string>;
  #phase: Phase = "listing";
  /** Operations whose completion ends the phase. */
  readonly #ops: Map<DiskOp, DirectoryName | undefined> = new Map();
  #isMarked = false;
  #redo: RewriteRedo | undefined;
  #temporaries: readonly FileName[] = [];
  #snapshots: SnapshotFile[] = [];
  #logs: LogFile[] = [];

  #candidate = 0;
  #loading: SnapshotLoading | undefined;
  /** One line per snapshot that was tried in full and did not hold. */
  readonly #broken: string[] = [];
  readonly #brokenZxids: Zxid[] = [];
  #replay: LogReplay | undefined;
  #founding: SnapshotWriter | undefined;
  #found: { readonly tree: DataTree; readonly sessions: Map<SessionId, Millis> } | undefined;
  #loadedFrom: FileName | undefined;

  constructor(config: ServerConfig, newTree: () => DataTree, mutants: ReadonlySet<string> = NO_MUTANTS) {
    this.#config = config;
    this.#newTree = newTree;
    this.#mutants = mutants;
  }

  start(cx: Context): void {
    for (const directory of [SNAPSHOT_DIRECTORY, LOG_DIRECTORY, MARKER_DIRECTORY]) {
      this.#ops.set(cx.list(directory), directory);
    }
  }

  /** False when `op` is not ours. {@link Recovery.result} is set by the last one. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    if (this.#loading?.onDiskDone(cx, op, outcome)) {
      this.#onLoadingMoved(cx);
      return true;
    }
    if (this.#replay?.onDiskDone(cx, op, outcome)) {
      this.#onReplayMoved(cx);
      return true;
    }
    if (this.#redo?.onDiskDone(cx, op, outcome)) {
      this.#onRedoMoved(cx);
      return true;
    }
    if (this.#onFoundingDone(cx, op, outcome)) return true;
    if (!this.#ops.has(op)) return false;
    const directory = this.#ops.get(op);
    this.#ops.delete(op);
    if (outcome.kind === "failed" && outcome.error !== "missing") {
      this.#fatal(`${directory ?? "a file"} cannot be used: ${outcome.detail}`);
      return true;
    }
    if (outcome.kind === "listed" && directory !== undefined) this.#onListed(directory, outcome.files);
    if (this.#ops.size === 0 && this.result === undefined) this.#onward(cx);
    return true;
  }

  #onListed(directory: DirectoryName, files: readonly FileEntry[]): void {
    if (directory === SNAPSHOT_DIRECTORY) {
      this.#snapshots = snapshotsIn(files);
      this.#temporaries = temporariesIn(files);
      this.#redo = hasRewriteNote(files) ? new RewriteRedo(this.#config) : undefined;
    } else if (directory === LOG_DIRECTORY) this.#logs = logsIn(files);
    else this.#isMarked = files.some(({ name }) => name === "initialize");
  }

  /** What the phase waited for is done. */
  #onward(cx: Context): void {
    switch (this.#phase) {
      case "listing":
        if (this.#redo !== undefined) return this.#redo.start(cx);
        this.#phase = "sweeping";
        return this.#sweep(cx);
      case "sweeping":
        this.#phase = "loading";
        return this.#loadNext(cx);
      case "tidying":
        return this.#conclude(cx);
      case "unmarking":
        return this.#finish(cx);
      case "loading":
      case "replaying":
      case "founding":
      case "done":
        invariant(false, "these phases are ended by their parts");
    }
  }

  /** What is there is not the history before an interrupted change to it has been finished. */
  #onRedoMoved(cx: Context): void {
    const { result } = this.#redo!;
    if (result === undefined) return;
    if (result !== "done") return this.#fatal(result.failed);
    this.#redo = undefined;
    this.start(cx);
  }

  /** Removes what interrupted writers left: unfinished snapshots, and a newest log that never got a byte (3.9.3). */
  #sweep(cx: Context): void {
    for (const file of this.#temporaries) this.#ops.set(cx.remove(file), undefined);
    const newest = this.#logs.at(-1);
    if (newest?.size === 0) {
      cx.facts.log("warn", "removing an empty transaction log", { file: this.#display(newest.file) });
      this.#logs.pop();
      this.#ops.set(cx.remove(newest.file), undefined);
    }
    if (this.#ops.size === 0) this.#onward(cx);
  }

  // Snapshots, newest first

  #loadNext(cx: Context): void {
    const snapshot = this.#snapshots[this.#candidate++];
    if (snapshot !== undefined && this.#broken.length < SNAPSHOTS_MAX) {
      const lengthMax = this.#config.juteMaxBuffer + this.#config.juteMaxBufferExtra;
      this.#loading = new SnapshotLoading(snapshot, this.#newTree, lengthMax);
      this.#loading.start(cx);
      if (this.#loading.state !== "loading") this.#onLoadingMoved(cx);
      return;
    }
    this.#loading = undefined;
    if (this.#broken.length > 0) {
      return this.#fatal(
        `no snapshot can be loaded: ${this.#broken.join("; ")}. The transaction logs alone do not hold everything. ` +
          `Put back an intact snapshot, or move the data directory away if another server of the ensemble has the data`,
      );
    }
    this.#startReplay(cx, this.#newTree(), new Map(), -1 as Zxid, undefined);
  }

  #onLoadingMoved(cx: Context): void {
    const loading = this.#loading!;
    const { file, zxid } = loading.snapshot;
    switch (loading.state) {
      case "loading":
        return;
      case "rejected":
        // Fails the cheap test: counts as not being there, as in Java.
        cx.facts.log("warn", "ignoring an incomplete snapshot", { file: this.#display(file), reason: loading.failure });
        return this.#loadNext(cx);
      case "broken":
        cx.facts.log("warn", "a snapshot cannot be loaded, trying the one before", {
          file: this.#display(file),
          reason: loading.failure,
        });
        this.#broken.push(`${this.#display(file)}: ${loading.failure}`);
        this.#brokenZxids.push(zxid);
        return this.#loadNext(cx);
      case "loaded": {
        this.#loading = undefined;
        this.#loadedFrom = file;
        loading.tree.lastProcessedZxid = zxid;
        const { digest, sessions, isOldOrCut } = loading.reader;
        if (isOldOrCut) cx.facts.log("debug", "the snapshot lacks sections that newer servers write", { file });
        return this.#startReplay(cx, loading.tree, sessions, zxid, digest);
      }
    }
  }

  // Logs

  #startReplay(
    cx: Context,
    tree: DataTree,
    sessions: Map<SessionId, Millis>,
    snapshotZxid: Zxid,
    digest: SnapshotDigest | undefined,
  ): void {
    const found = snapshotZxid >= 0;
    const from = found ? nextZxid(snapshotZxid) : ZXID_ZERO;
    this.#phase = "replaying";
    this.#found = { tree, sessions };
    this.#replay = new LogReplay(this.#config, {
      tree,
      sessions,
      from,
      logs: logsFrom(this.#logs, from),
      digest,
      // Without any snapshot the logs may begin in the middle of the story.
      refuseEntries: !found && !this.#config.snapshotTrustEmpty,
      followsSnapshot: found,
      mustReach: this.#brokenZxids,
      mutants: this.#mutants,
    });
    this.#replay.start(cx);
    this.#onReplayMoved(cx);
  }

  #onReplayMoved(cx: Context): void {
    const replay = this.#replay!;
    if (!replay.isDone) return;
    if (replay.fatal !== undefined) return this.#fatal(replay.fatal);
    this.#phase = "tidying";
    // The next log is named after the next txn; a file of that name that holds none must be out of its way.
    const last = this.#found!.tree.lastProcessedZxid;
    for (const { file, zxid } of replay.barrenLogs) {
      if (zxid <= last) continue;
      cx.facts.log("warn", "removing a transaction log without a complete entry", { file: this.#display(file) });
      this.#ops.set(cx.remove(file), undefined);
    }
    this.#settle(cx, replay.barrenLogs);
  }

  /**
   * What a killed process wrote may so far be with the kernel only: entries, and the names of files. A txn acknowledged
   * from here on goes into another file, so a loss of power could take the ones before it and leave that one. (Java
   * builds on what it has read.)
   */
  #settle(cx: Context, barrenLogs: readonly LogFile[]): void {
    const newest = this.#logs.findLast((log) => !barrenLogs.includes(log));
    if (newest !== undefined) this.#ops.set(cx.sync(newest.file), undefined);
    this.#ops.set(cx.syncDirectory(LOG_DIRECTORY), undefined);
    this.#ops.set(cx.syncDirectory(SNAPSHOT_DIRECTORY), undefined);
  }

  // The end

  #conclude(cx: Context): void {
    const { tree, sessions } = this.#found!;
    const isNew = this.#loadedFrom === undefined && this.#replay!.txnsReplayed === 0;
    if (!isNew) return this.#unmark(cx);
    if (!this.#isMarked && !this.#config.dbAutocreate) {
      tree.lastProcessedZxid = -1 as Zxid;
      return this.#finish(cx);
    }
    // Before the first txn is acknowledged there must be something its log can follow on.
    tree.lastProcessedZxid = ZXID_ZERO;
    this.#phase = "founding";
    this.#founding = new SnapshotWriter(tree, sessions, ZXID_ZERO, this.#config);
    this.#founding.step(cx, FIRST_SNAPSHOT_NODES);
  }

  #onFoundingDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    const writer = this.#founding;
    if (writer === undefined) return false;
    const progress = writer.onDiskDone(cx, op, outcome);
    if (progress === "not-mine") return false;
    if (progress === "more") writer.step(cx, FIRST_SNAPSHOT_NODES);
    if (progress === "full" || progress === "io") {
      this.#fatal(`the first snapshot cannot be written: ${this.#display(writer.file)}: ${writer.failure}`);
    }
    if (progress === "finished") {
      this.#founding = undefined;
      this.#unmark(cx);
    }
    return true;
  }

  #unmark(cx: Context): void {
    this.#phase = "unmarking";
    if (!this.#isMarked) return this.#finish(cx);
    this.#ops.set(cx.remove(INITIALIZE_MARKER), undefined);
  }

  #finish(cx: Context): void {
    const { tree, sessions } = this.#found!;
    const replay = this.#replay!;
    this.#phase = "done";
    this.#replay = undefined;
    if (replay.digestMismatches > 0) {
      cx.facts.log("error", "the tree does not have the digest it had when its transactions were logged", {
        mismatches: replay.digestMismatches,
        firstAt: formatZxid(replay.firstMismatchAt),
      });
    }
    this.result = {
      tree,
      sessions,
      lastZxid: tree.lastProcessedZxid,
      committed: replay.takeCommitted(),
      snapshot: this.#loadedFrom,
      txnsReplayed: replay.txnsReplayed,
      digestMismatches: replay.digestMismatches,
    };
  }

  #fatal(message: string): void {
    if (this.result !== undefined) return;
    this.#phase = "done";
    this.#loading = undefined;
    this.#replay = undefined;
    this.result = { fatal: message };
  }

  #display(file: FileName): string {
    return displayName(file, this.#config.description);
  }
}
