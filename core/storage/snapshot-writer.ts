/**
 * Writes a snapshot in slices while transactions go on being applied (Java: FileSnap, SnapStream; reference, sections
 * 8.3 and 8.6). It is fuzzy: named after the last txn applied when it began, it may hold effects of later ones, and
 * replay from there sets that right. When to begin, and how long to pause between slices, is the caller's decision.
 *
 * The file gets its final name when it is complete and synced, so no crash leaves half a snapshot under that name, not
 * even where one of the same zxid is replaced.
 */
import type { Context, DiskOp, DiskOutcome, FileName, Millis } from "../actor.ts";
import { adler32 } from "../base/checksums.ts";
import type { SessionId } from "../base/ids.ts";
import { counterOf } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { Writer } from "../jute/writer.ts";
import type { DataTree } from "../tree/data-tree.ts";
import { DIGEST_VERSION } from "../tree/digest.ts";
import { SNAPSHOT_DIRECTORY, snapshotFileName, temporaryNameOf } from "./files.ts";
import { TERMINATOR, snapshotHeader } from "./formats.ts";
import { SnapshotBodyWriter } from "./snapshot-body.ts";
import { encoderFor } from "./snapshot-codecs.ts";
import type { SnapshotEncoder } from "./snapshot-codecs.ts";

export type SnapshotConfig = Pick<ServerConfig, "snapshotCompression" | "digestEnabled" | "serializeLastProcessedZxid">;

/**
 * - `more`: call {@link SnapshotWriter.step} again;
 * - `waiting`: for the disk, `onDiskDone` says what comes next;
 * - `finished`: the snapshot is durable under its name;
 * - `full`, `io`: it could not be written and is gone again; {@link SnapshotWriter.failure} says why. The server can go
 *   on: its older snapshots and its logs are untouched.
 */
export type SnapshotProgress = "more" | "waiting" | "finished" | "full" | "io";

/** Synced this often. One such stretch may be on its way to the disk while the next is produced, so twice this is the
 * most that is queued, and no later sync of the log waits behind a whole snapshot. */
const STRETCH_BYTES: number = 4 * 1024 * 1024;

type Phase = "body" | "closing" | "written";
type Finish = "writing" | "syncing" | "renaming" | "naming" | "done" | "removing";

export class SnapshotWriter {
  readonly zxid: Zxid;
  /** Its final name. */
  readonly file: FileName;
  readonly #temporary: FileName;
  readonly #config: SnapshotConfig;
  readonly #tree: DataTree;
  readonly #body: SnapshotBodyWriter;
  readonly #encoder: SnapshotEncoder;

  /** Serialised; up to #encoded of it also encoded and appended. */
  readonly #raw = new Writer(64 * 1024);
  #encoded = 0;
  #summed = 0;
  #sum = 1;
  #phase: Phase = "body";

  #finish: Finish = "writing";
  #started = false;
  #ops: DiskOp[] = [];
  #stretch = 0;
  #failed: "full" | "io" | undefined;
  #failure = "";
  /** Of the file, so far. */
  size = 0;

  /** `sessions` are those of committed createSession txns; `zxid` is the last txn applied. Both as of now. */
  constructor(tree: DataTree, sessions: Iterable<readonly [SessionId, Millis]>, zxid: Zxid, config: SnapshotConfig) {
    this.zxid = zxid;
    this.file = snapshotFileName(zxid, config.snapshotCompression);
    this.#temporary = temporaryNameOf(this.file);
    this.#config = config;
    this.#tree = tree;
    this.#body = new SnapshotBodyWriter(tree, sessions);
    this.#encoder = encoderFor(config.snapshotCompression);
    this.#raw.raw(snapshotHeader());
  }

  get failure(): string {
    return this.#failure;
  }
  get nodeCount(): number {
    return this.#body.nodeCount;
  }

  /** Writes at most `nodes` more nodes, and about a megabyte (less when it compresses). */
  step(cx: Context, nodes: number): SnapshotProgress {
    if (!this.#started) {
      this.#started = true;
      // What an earlier run left there would come before what is appended now.
      this.#ops.push(cx.remove(this.#temporary));
      return "waiting";
    }
    if (this.#isBlocked()) return "waiting";
    this.#produce(nodes);
    this.#encode(cx);
    if (this.#phase === "written" && this.#encoded === this.#raw.length) {
      this.#finish = "syncing";
      if (this.#ops.length === 0) this.#onward(cx);
      return "waiting";
    }
    return this.#isBlocked() ? "waiting" : "more";
  }

  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): "not-mine" | SnapshotProgress {
    const at = this.#ops.indexOf(op);
    if (at < 0) return "not-mine";
    this.#ops.splice(at, 1);
    if (outcome.kind === "failed" && !(outcome.error === "missing" && this.#isRemoving())) {
      this.#fail(outcome.error === "full" ? "full" : "io", outcome.detail);
    }
    if (this.#ops.length > 0) return "waiting";
    if (this.#failed !== undefined) return this.#cleanUp(cx);
    if (this.#finish === "writing") return "more";
    return this.#onward(cx);
  }

  /** Complete, and on its way to its final name, or on its way out: it can no longer be abandoned. */
  get isNaming(): boolean {
    return this.#finish === "naming" || this.#finish === "done" || this.#finish === "removing";
  }

  /** Stops without finishing; the file is left to the next start. */
  abandon(): void {
    this.#body.close();
  }

  #isBlocked(): boolean {
    if (this.#finish !== "writing") return true;
    return this.#ops.length > 0 && (this.#stretch >= STRETCH_BYTES || this.#isRemoving());
  }

  #isRemoving(): boolean {
    return this.#finish === "removing" || this.size === 0;
  }

  #produce(nodes: number): void {
    const raw = this.#raw;
    const enough = this.#encoder.sliceBytes + this.#encoded;
    let left = nodes;
    while (left-- > 0 && raw.length < enough && this.#phase !== "written") this.#produceOne();
    this.#addToSum();
  }

  #produceOne(): void {
    const raw = this.#raw;
    if (this.#phase === "closing") {
      this.#writeEnd();
      this.#phase = "written";
    } else if (!this.#body.next(raw)) this.#phase = "closing";
  }

  #writeEnd(): void {
    const raw = this.#raw;
    const { lastProcessedZxid, treeDigest } = this.#tree;
    this.#seal();
    if (this.#config.digestEnabled) {
      // As of now, not as of the beginning: whoever replays compares when it has come this far. That must be a txn, and
      // what was left out must have come by then.
      const { high, low } = treeDigest;
      const some = counterOf(lastProcessedZxid) > 0 && !this.#body.isShortOf(lastProcessedZxid);
      raw.long(some ? lastProcessedZxid : 0);
      raw.int(DIGEST_VERSION);
      raw.int(some ? high : 0);
      raw.int(some ? low : 0);
      this.#seal();
    }
    if (this.#config.serializeLastProcessedZxid) {
      raw.long(lastProcessedZxid);
      this.#seal();
    }
  }

  #seal(): void {
    this.#addToSum();
    this.#raw.long(this.#sum);
    this.#raw.string(TERMINATOR);
  }

  #addToSum(): void {
    this.#sum = adler32(this.#raw.bytes, this.#summed, this.#raw.length, this.#sum);
    this.#summed = this.#raw.length;
  }

  /** A slice of what was produced, and all that remains of it when the slice is large enough. */
  #encode(cx: Context): void {
    const raw = this.#raw;
    const end = Math.min(raw.length, this.#encoded + this.#encoder.sliceBytes);
    const last = this.#phase === "written" && end === raw.length;
    this.#encoder.encode(raw.bytes, this.#encoded, end, last, (bytes, from, to) => {
      cx.append(this.#temporary, bytes, from, to);
      this.size += to - from;
      this.#stretch += to - from;
    });
    this.#encoded = end;
    if (end === raw.length && !last) {
      raw.clear();
      this.#encoded = 0;
      this.#summed = 0;
    }
    if (this.#stretch >= STRETCH_BYTES && this.#ops.length === 0 && !last) {
      this.#ops.push(cx.sync(this.#temporary));
      this.#stretch = 0;
    }
  }

  #onward(cx: Context): SnapshotProgress {
    switch (this.#finish) {
      case "syncing":
        this.#ops.push(cx.sync(this.#temporary));
        this.#finish = "renaming";
        return "waiting";
      case "renaming":
        this.#ops.push(cx.rename(this.#temporary, this.file));
        this.#finish = "naming";
        return "waiting";
      case "naming":
        this.#ops.push(cx.syncDirectory(SNAPSHOT_DIRECTORY));
        this.#finish = "done";
        return "waiting";
      case "writing":
      case "removing":
      case "done":
        return "finished";
    }
  }

  #fail(error: "full" | "io", detail: string): void {
    // A failure to remove the remains must not hide why they are there.
    if (this.#failed !== undefined) return;
    this.#failed = error;
    this.#failure = `${this.file}: ${detail}`;
  }

  #cleanUp(cx: Context): SnapshotProgress {
    if (this.#finish === "removing") return this.#failed!;
    this.#body.close();
    this.#finish = "removing";
    this.#ops.push(cx.remove(this.#temporary));
    return "waiting";
  }
}
