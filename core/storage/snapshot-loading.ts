/**
 * Brings one snapshot from its file into a new tree: the cheap test first, then all of it, two pieces on their way at a
 * time (Java: FileSnap.findNValidSnapshots, SnapStream.isValidSnapshot). What is in the pieces is snapshot-reader.ts's.
 */
import type { Context, DiskOp, DiskOutcome } from "../actor.ts";
import type { DataTree } from "../tree/data-tree.ts";
import type { SnapshotFile } from "./files.ts";
import { GZIP_MAGIC, SNAPPY_MAGIC, SNAPSHOT_BYTES_MIN, SNAPSHOT_TAIL } from "./formats.ts";
import { SnapshotReader } from "./snapshot-reader.ts";

/** How much is read at once: a few thousand nodes, some milliseconds of work. */
const CHUNK_BYTES: number = 512 * 1024;
/** A compressed piece unfolds into several times as much. */
const COMPRESSED_CHUNK_BYTES: number = 128 * 1024;
const READS_AHEAD = 2;

/** `rejected`: fails the cheap test. `broken`: passes it, and still cannot be loaded. */
export type LoadingState = "loading" | "rejected" | "broken" | "loaded";

/** The cheap test of a snapshot: which bytes to look at, and what they have to be. */
export interface SnapshotProbe {
  readonly offset: number;
  readonly expected: readonly number[];
}

/** Undefined: too short to be one. */
export function probeOf({ compression, size }: SnapshotFile): SnapshotProbe | undefined {
  if (compression === "gz") return size < GZIP_MAGIC.length ? undefined : { offset: 0, expected: GZIP_MAGIC };
  if (compression === "snappy") return size < SNAPPY_MAGIC.length ? undefined : { offset: 0, expected: SNAPPY_MAGIC };
  if (size < SNAPSHOT_BYTES_MIN) return undefined;
  return { offset: size - SNAPSHOT_TAIL.length, expected: SNAPSHOT_TAIL };
}

export function passesProbe(probe: SnapshotProbe, bytes: Uint8Array): boolean {
  return bytes.length === probe.expected.length && probe.expected.every((byte, i) => bytes[i] === byte);
}

export class SnapshotLoading {
  readonly snapshot: SnapshotFile;
  state: LoadingState = "loading";
  failure = "";
  readonly tree: DataTree;
  readonly reader: SnapshotReader;
  readonly #chunk: number;
  #probe: SnapshotProbe | undefined;
  #probeOp: DiskOp | undefined;
  /** In the order of their offsets, which is the order they complete in. */
  readonly #reads: DiskOp[] = [];
  #offset = 0;

  constructor(snapshot: SnapshotFile, newTree: () => DataTree, lengthMax: number) {
    this.snapshot = snapshot;
    this.tree = newTree();
    this.reader = new SnapshotReader(this.tree, snapshot.compression, lengthMax);
    this.#chunk = snapshot.compression === "none" ? CHUNK_BYTES : COMPRESSED_CHUNK_BYTES;
  }

  start(cx: Context): void {
    this.#probe = probeOf(this.snapshot);
    if (this.#probe === undefined) this.#end("rejected", `it has only ${this.snapshot.size} bytes`);
    else this.#probeOp = cx.readAt(this.snapshot.file, this.#probe.offset, this.#probe.expected.length);
  }

  /** False when `op` is not ours. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    if (op === this.#probeOp) {
      this.#probeOp = undefined;
      this.#onProbed(cx, outcome);
      return true;
    }
    const at = this.#reads.indexOf(op);
    if (at < 0) return false;
    this.#reads.splice(at, 1);
    if (this.state === "loading") this.#onRead(cx, outcome);
    return true;
  }

  #onProbed(cx: Context, outcome: DiskOutcome): void {
    // What cannot be read is not incomplete: as if it were not there, a server could begin anew without what it has.
    if (outcome.kind !== "read") {
      return this.#end("broken", outcome.kind === "failed" ? outcome.detail : outcome.kind);
    }
    if (!passesProbe(this.#probe!, outcome.bytes)) {
      return this.#end("rejected", this.#probe!.offset === 0 ? "it begins wrongly" : "its end is missing");
    }
    for (let ahead = 0; ahead < READS_AHEAD; ahead++) this.#readOn(cx);
  }

  #readOn(cx: Context): void {
    if (this.#offset >= this.snapshot.size && this.#offset > 0) return;
    this.#reads.push(cx.readAt(this.snapshot.file, this.#offset, this.#chunk));
    this.#offset += this.#chunk;
  }

  #onRead(cx: Context, outcome: DiskOutcome): void {
    if (outcome.kind !== "read") {
      return this.#end("broken", outcome.kind === "failed" ? outcome.detail : outcome.kind);
    }
    const last = outcome.endOfFile || outcome.bytes.length < this.#chunk;
    const step = this.reader.feed(outcome.bytes, last);
    if (step === "failed") this.#end("broken", this.reader.failure);
    else if (step === "loaded") this.state = "loaded";
    else this.#readOn(cx);
  }

  #end(state: "rejected" | "broken", failure: string): void {
    this.state = state;
    this.failure = failure;
  }
}
