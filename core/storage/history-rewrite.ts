/**
 * Changes to a history that take several files (truncation.ts, history-reset.ts): what is to be done is written down
 * first, in a file of its own, then done, then the note is removed. Recovery does what it finds noted before it looks
 * at anything else, so a crash leaves either the old history, whole, or in the end the new one; there is no third.
 *
 * Without the note no order of the steps would do. Snapshots are fuzzy: one without the logs behind it shows parts of
 * transactions, so logs cannot go first. And logs may have holes that only a snapshot covers, so snapshots cannot go
 * first either. (Java has no such note, and ignores ours.)
 */
import type { Context, DirectoryName, DiskOp, DiskOutcome, FileEntry, FileName } from "../actor.ts";
import { parseZxidHex, zxidHex } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import { LOG_DIRECTORY, SNAPSHOT_DIRECTORY, fileIn } from "./files.ts";
import { SmallFileWrite } from "./small-file.ts";

const NOTE_NAME = "rewriting";
export const REWRITE_NOTE: FileName = fileIn(SNAPSHOT_DIRECTORY, NOTE_NAME);

export type Rewrite =
  /** Nothing after `zxid` is to be left. */
  | { readonly kind: "truncate"; readonly zxid: Zxid }
  /** The snapshot of this name (its last part) is all that is to be left. */
  | { readonly kind: "keep"; readonly snapshot: string };

export function hasRewriteNote(snapshotDirectory: readonly FileEntry[]): boolean {
  return snapshotDirectory.some(({ name }) => name === NOTE_NAME);
}

function noteText(rewrite: Rewrite): string {
  return rewrite.kind === "truncate" ? `truncate ${zxidHex(rewrite.zxid)}` : `keep ${rewrite.snapshot}`;
}

/** Undefined: nobody of ours wrote that. */
export function parseRewriteNote(text: string): Rewrite | undefined {
  const [kind, subject, more] = text.split(" ");
  if (subject === undefined || more !== undefined) return undefined;
  if (kind === "keep") return { kind, snapshot: subject };
  const zxid = parseZxidHex(subject);
  return kind === "truncate" && zxid !== undefined ? { kind, zxid } : undefined;
}

/** Cut to `length` bytes. */
export interface Cut {
  readonly file: FileName;
  readonly length: number;
}

/** What carrying a rewrite out comes to. `untouched`: nothing was changed, the history is what it was. */
export type RewriteResult = "done" | { readonly failed: string; readonly untouched: boolean };

type Step = "noting" | "snapshots" | "snapshot-names" | "logs" | "log-names" | "clearing" | "cleared" | "done";

/** Notes, does, removes the note. Each step waits for the one before to be durable. */
export class HistoryRewrite {
  result: RewriteResult | undefined;
  readonly #snapshots: readonly FileName[];
  readonly #logs: readonly FileName[];
  readonly #cuts: readonly Cut[];
  readonly #note: SmallFileWrite | undefined;
  readonly #ops: Set<DiskOp> = new Set();
  #step: Step = "noting";
  #failure: string | undefined;

  /** `snapshots` and `logs` go. `isNoted`: the note is there already. */
  constructor(
    rewrite: Rewrite,
    files: {
      readonly snapshots: readonly FileName[];
      readonly logs: readonly FileName[];
      readonly cuts: readonly Cut[];
    },
    isNoted: boolean,
  ) {
    this.#snapshots = files.snapshots;
    this.#logs = files.logs;
    this.#cuts = files.cuts;
    if (!isNoted) this.#note = new SmallFileWrite(SNAPSHOT_DIRECTORY, REWRITE_NOTE, noteText(rewrite));
  }

  start(cx: Context): void {
    if (this.#note === undefined) this.#onward(cx);
    else this.#note.start(cx);
  }

  /** False when `op` is not ours. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    const note = this.#note;
    if (note?.onDiskDone(cx, op, outcome)) {
      if (note.result === "failed") this.result = { failed: `${REWRITE_NOTE}: ${note.failure}`, untouched: true };
      else if (note.result === "done") this.#onward(cx);
      return true;
    }
    if (!this.#ops.delete(op)) return false;
    // What is gone needs no removing; only removals can meet that.
    if (outcome.kind === "failed" && outcome.error !== "missing") this.#failure ??= outcome.detail;
    if (this.#ops.size === 0) this.#onward(cx);
    return true;
  }

  /** The step before is done. */
  #onward(cx: Context): void {
    // Half done: nothing may be built on it. The next start finishes it.
    if (this.#failure !== undefined) {
      this.result = { failed: this.#failure, untouched: false };
      return;
    }
    while (this.#ops.size === 0 && this.result === undefined) this.#begin(cx);
  }

  #begin(cx: Context): void {
    switch (this.#step) {
      case "noting":
        for (const file of this.#snapshots) this.#ops.add(cx.remove(file));
        return void (this.#step = "snapshots");
      case "snapshots":
        this.#ops.add(cx.syncDirectory(SNAPSHOT_DIRECTORY));
        return void (this.#step = "snapshot-names");
      case "snapshot-names":
        for (const file of this.#logs) this.#ops.add(cx.remove(file));
        for (const { file, length } of this.#cuts) this.#ops.add(cx.truncate(file, length));
        return void (this.#step = "logs");
      case "logs":
        for (const { file } of this.#cuts) this.#ops.add(cx.sync(file));
        this.#ops.add(cx.syncDirectory(LOG_DIRECTORY));
        return void (this.#step = "log-names");
      case "log-names":
        this.#ops.add(cx.remove(REWRITE_NOTE));
        return void (this.#step = "clearing");
      case "clearing":
        this.#ops.add(cx.syncDirectory(SNAPSHOT_DIRECTORY));
        return void (this.#step = "cleared");
      case "cleared":
        this.#step = "done";
        this.result = "done";
        return;
      case "done":
    }
  }
}

/** The two directories' contents, asked for together. */
export class BothListings {
  snapshots: readonly FileEntry[] = [];
  logs: readonly FileEntry[] = [];
  failure: string | undefined;
  readonly #ops: Map<DiskOp, DirectoryName> = new Map();

  start(cx: Context): void {
    for (const directory of [SNAPSHOT_DIRECTORY, LOG_DIRECTORY]) this.#ops.set(cx.list(directory), directory);
  }

  get isComplete(): boolean {
    return this.#ops.size === 0;
  }

  /** False when `op` is not ours. */
  onDiskDone(op: DiskOp, outcome: DiskOutcome): boolean {
    const directory = this.#ops.get(op);
    if (directory === undefined) return false;
    this.#ops.delete(op);
    if (outcome.kind !== "listed") {
      this.failure ??= `${directory}: ${outcome.kind === "failed" ? outcome.detail : outcome.kind}`;
    } else if (directory === SNAPSHOT_DIRECTORY) this.snapshots = outcome.files;
    else this.logs = outcome.files;
    return true;
  }
}
