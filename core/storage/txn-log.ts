/**
 * The transaction log as it is written: entries, padding, group commit, the change to a new file (Java: FileTxnLog,
 * FilePadding; reference, section 8.2). When to commit and when to roll is the pipeline's decision; reading back is
 * recovery's.
 *
 * A new file receives its first entry only when everything in the one before it is durable. Java writes both at once;
 * a crash between the two can then leave the later txns without the earlier ones.
 */
import type { Context, DiskOp, DiskOutcome, FileName, Millis } from "../actor.ts";
import { adler32 } from "../base/checksums.ts";
import { ZXID_ZERO, formatZxid } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { invariant } from "../invariant.ts";
import { Writer } from "../jute/writer.ts";
import { LOG_DIRECTORY, logFileName } from "./files.ts";
import { ENTRY_END, ENTRY_OVERHEAD_BYTES, ENTRY_PREFIX_BYTES, logHeader } from "./formats.ts";

export type TxnLogConfig = Pick<
  ServerConfig,
  "preAllocSize" | "txnLogSizeLimit" | "forceSync" | "fsyncWarningThreshold"
>;

/**
 * What a completed disk operation meant:
 * - `not-mine`: it is somebody else's;
 * - `waiting`: nothing to act upon yet;
 * - `durable`: {@link TxnLog.durableZxid} has moved;
 * - `full`, `io`: the commit (or abandoning) failed, {@link TxnLog.failure} says how. Nothing after durableZxid may be
 *   acknowledged; the caller halts, or lets go of those txns with {@link TxnLog.abandonTail};
 * - `abandoned`: the tail is gone for good, appending may go on from durableZxid.
 */
export type LogProgress = "not-mine" | "waiting" | "durable" | "full" | "io" | "abandoned";

/** Bugs that tests put back (pipeline/state.ts). */
const NO_MUTANTS: ReadonlySet<string> = new Set();
/** Room that must be left before the padding is extended (Java: FilePadding). */
const PADDING_MARGIN = 4096;
/** With forceSync=no nobody waits for the disk, but its errors should still be seen: it is synced this often. */
const UNFORCED_SYNC_BYTES = 16 * 1024 * 1024;
/** Below this a loop beats `set`, which has to make a view first. */
const COPY_BY_LOOP = 128;
/** An entry larger than this does not keep the scratch frame enlarged. */
const FRAME_KEPT_BYTES = 256 * 1024;

type Activity = "idle" | "committing" | "cutting" | "settling-cut";

export class TxnLog {
  readonly #config: TxnLogConfig;
  readonly #syncsDirectory: boolean;
  /** The file that takes entries; undefined until the first one. */
  #file: FileName | undefined;
  /** What {@link #file} holds, how much of it is durable, and how far it is padded. */
  #position = 0;
  #durablePosition = 0;
  #padded = 0;
  #nameDurable = true;
  /** The zxid of the last entry in {@link #file}. */
  #filedZxid: Zxid;
  #rolled = false;
  /** Entries for the next file, kept until this one is durable, and the first one's zxid, which names that file. */
  readonly #held = new Writer(0);
  #heldSince: Zxid = ZXID_ZERO;
  #appendedZxid: Zxid;
  #durableZxid: Zxid;

  #activity: Activity = "idle";
  readonly #ops: DiskOp[] = [];
  /** Syncs nobody waits for. */
  readonly #background: DiskOp[] = [];
  #commitTarget: Zxid;
  #syncingZxid: Zxid;
  #syncingPosition = 0;
  #syncStarted: Millis = 0;
  /** The worst that the operations under way have come to, and, once they are all back, what the commit came to. */
  #worst: "full" | "io" | undefined;
  #failed: "full" | "io" | undefined;
  #failure = "";
  #frame = new Uint8Array(4096);

  /** Entries and bytes appended since {@link roll}: what snapCount and snapSizeLimit are compared with. */
  txnsSinceRoll = 0;
  bytesSinceRoll = 0;
  /** How long the last sync took, and how many there have been. */
  lastSyncDuration: Millis = 0;
  syncCount = 0;

  /** `lastZxid` is where recovery ended. Existing files are never appended to. `mutants` is for tests only. */
  constructor(config: TxnLogConfig, lastZxid: Zxid, mutants: ReadonlySet<string> = NO_MUTANTS) {
    this.#config = config;
    this.#syncsDirectory = !mutants.has("skip-directory-sync");
    this.#appendedZxid = lastZxid;
    this.#durableZxid = lastZxid;
    this.#filedZxid = lastZxid;
    this.#commitTarget = lastZxid;
    this.#syncingZxid = lastZxid;
  }

  /** Everything up to here survives a crash (or, with forceSync=no, is as good as it gets). */
  get durableZxid(): Zxid {
    return this.#durableZxid;
  }
  get appendedZxid(): Zxid {
    return this.#appendedZxid;
  }
  /** A commit, or {@link abandonTail}, is under way. Appending is allowed during a commit. */
  get syncing(): boolean {
    return this.#activity !== "idle";
  }
  /** Something was appended that the last commit does not cover. */
  get uncommitted(): boolean {
    return this.#appendedZxid !== this.#commitTarget;
  }
  /** What went wrong last, for people. */
  get failure(): string {
    return this.#failure;
  }
  /** The file that takes entries. */
  get file(): FileName | undefined {
    return this.#file;
  }

  /** Adds an entry: `payload[start..end)` is a serialised txn header, txn and digest. Not durable until a commit. */
  append(cx: Context, zxid: Zxid, payload: Uint8Array, start = 0, end: number = payload.length): void {
    invariant(this.#failed === undefined, "nothing is appended to a log that failed");
    const length = end - start;
    const total = length + ENTRY_OVERHEAD_BYTES;
    if (total > this.#frame.length) this.#frame = new Uint8Array(total * 2);
    const frame = this.#frame;
    patchInt(frame, 4, adler32(payload, start, end));
    patchInt(frame, 8, length);
    if (length <= COPY_BY_LOOP) for (let i = 0; i < length; i++) frame[ENTRY_PREFIX_BYTES + i] = payload[start + i]!;
    else frame.set(payload.subarray(start, end), ENTRY_PREFIX_BYTES);
    frame[total - 1] = ENTRY_END;

    this.txnsSinceRoll++;
    this.bytesSinceRoll += total;
    this.#appendedZxid = zxid;
    if (this.#mustHold()) {
      if (this.#held.length === 0) this.#heldSince = zxid;
      this.#held.raw(frame, 0, total);
    } else {
      if (this.#file === undefined || this.#rolled) this.#open(cx, zxid);
      this.#filedZxid = zxid;
      this.#write(cx, frame, total);
    }
    if (total > FRAME_KEPT_BYTES) this.#frame = new Uint8Array(4096);
    cx.facts.logged(zxid);
  }

  /** The next entry begins a new file, and the counters begin again: a snapshot is about to be taken. */
  roll(): void {
    this.#rolled = this.#file !== undefined;
    this.txnsSinceRoll = 0;
    this.bytesSinceRoll = 0;
  }

  /**
   * Starts to make durable what has been appended. One commit at a time: ask {@link syncing} first. True when it is
   * durable already, because there is nothing to commit or forceSync is off: no `onDiskDone` will report it.
   */
  commit(cx: Context): boolean {
    invariant(!this.syncing, "one commit at a time");
    invariant(this.#failed === undefined, "a log that failed is not committed");
    this.#commitTarget = this.#appendedZxid;
    if (!this.#config.forceSync) return this.#commitUnforced(cx);
    return !this.#syncNext(cx);
  }

  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): LogProgress {
    if (!this.#config.forceSync && take(this.#background, op)) return this.#onBackgroundDone(outcome);
    if (!take(this.#ops, op)) return "not-mine";
    // A file that is already gone is as good as removed.
    if (outcome.kind === "failed" && !(this.#activity === "cutting" && outcome.error === "missing")) {
      this.#failure = `${this.#file ?? LOG_DIRECTORY}: ${outcome.detail}`;
      if (this.#worst !== "io") this.#worst = outcome.error === "full" ? "full" : "io";
    }
    if (this.#ops.length > 0) return "waiting";
    if (this.#worst !== undefined) {
      this.#activity = "idle";
      this.#failed = this.#worst;
      this.#worst = undefined;
      return this.#failed;
    }
    if (this.#activity === "committing") return this.#onSynced(cx);
    return this.#onCut(cx);
  }

  /**
   * After a failed commit: lets go of every txn that is not durable, in memory and in the file, so that their zxids
   * may be used again. `onDiskDone` reports `abandoned` when that is itself durable; until then nothing is appended.
   */
  abandonTail(cx: Context): void {
    invariant(!this.syncing, "a commit that is under way cannot be abandoned");
    this.#failed = undefined;
    this.#held.clear();
    this.#rolled = false;
    this.#appendedZxid = this.#durableZxid;
    this.#commitTarget = this.#durableZxid;
    this.#activity = "cutting";
    if (this.#file === undefined) this.#ops.push(cx.syncDirectory(LOG_DIRECTORY));
    else if (this.#durablePosition === 0) this.#ops.push(cx.remove(this.#file));
    else this.#ops.push(cx.truncate(this.#file, this.#durablePosition));
  }

  /**
   * The old file first: see the head of this file. And nothing behind bytes that are known to be missing, while the rest
   * of a failed commit is still under way: a start would find it there.
   */
  #mustHold(): boolean {
    if (this.#held.length > 0 || this.#worst !== undefined) return true;
    return this.#rolled && this.#position > this.#durablePosition && this.#config.forceSync;
  }

  #open(cx: Context, zxid: Zxid): void {
    if (this.#file !== undefined && !this.#config.forceSync) this.#background.push(cx.sync(this.#file));
    this.#file = logFileName(zxid);
    this.#rolled = false;
    this.#position = 0;
    this.#durablePosition = 0;
    this.#nameDurable = false;
    const header = logHeader();
    cx.append(this.#file, header);
    this.#position = header.length;
    this.#padded = header.length;
  }

  #write(cx: Context, frames: Uint8Array, length: number): void {
    const file = this.#file!;
    const step = this.#config.preAllocSize;
    if (step > 0 && this.#position + PADDING_MARGIN >= this.#padded) {
      if (this.#position > this.#padded) this.#padded = Math.floor((this.#position + step) / step) * step;
      else this.#padded += step;
      cx.reserve(file, this.#padded);
    }
    cx.append(file, frames, 0, length);
    this.#position += length;
  }

  /** Moves what was held into its file. Everything before it must be durable. */
  #release(cx: Context): void {
    if (this.#held.length === 0) return;
    this.#open(cx, this.#heldSince);
    this.#write(cx, this.#held.bytes, this.#held.length);
    this.#held.clear();
    this.#filedZxid = this.#appendedZxid;
  }

  /** Syncs the next file that needs it. False when nothing does. */
  #syncNext(cx: Context): boolean {
    if (this.#position === this.#durablePosition) this.#release(cx);
    if (this.#file === undefined || this.#position === this.#durablePosition) {
      this.#activity = "idle";
      return false;
    }
    this.#activity = "committing";
    this.#syncStarted = cx.now;
    this.#syncingPosition = this.#position;
    this.#syncingZxid = this.#filedZxid;
    this.#ops.push(cx.sync(this.#file));
    if (!this.#nameDurable && this.#syncsDirectory) this.#ops.push(cx.syncDirectory(LOG_DIRECTORY));
    return true;
  }

  #onSynced(cx: Context): LogProgress {
    this.lastSyncDuration = cx.now - this.#syncStarted;
    this.syncCount++;
    if (this.lastSyncDuration > this.#config.fsyncWarningThreshold) {
      cx.facts.log("warn", "syncing the transaction log was slow and delays every write", {
        file: this.#file,
        milliseconds: this.lastSyncDuration,
        size: this.#syncingPosition,
      });
    }
    this.#nameDurable = true;
    this.#durablePosition = this.#syncingPosition;
    this.#activity = "idle";
    this.#durableZxid = this.#syncingZxid;
    cx.facts.durable(this.#durableZxid);
    const limit = this.#config.txnLogSizeLimit;
    if (limit > 0 && this.#position > limit) this.#rolled = true;
    // A commit that reaches into the next file goes on with that one.
    if (this.#durableZxid !== this.#commitTarget) this.#syncNext(cx);
    return "durable";
  }

  #commitUnforced(cx: Context): boolean {
    this.#durableZxid = this.#appendedZxid;
    cx.facts.durable(this.#durableZxid);
    const limit = this.#config.txnLogSizeLimit;
    if (limit > 0 && this.#position > limit) this.#rolled = true;
    if (this.#file !== undefined && this.#position - this.#durablePosition > UNFORCED_SYNC_BYTES) {
      this.#background.push(cx.sync(this.#file));
      this.#durablePosition = this.#position;
    }
    return true;
  }

  /** What was acknowledged may be lost, so a full disk is no better than a broken one. */
  #onBackgroundDone(outcome: DiskOutcome): LogProgress {
    if (outcome.kind !== "failed") return "waiting";
    this.#failure = outcome.detail;
    this.#failed = "io";
    return "io";
  }

  /** Cutting must be durable before the zxids are used again, or a crash could bring the old txns back. */
  #onCut(cx: Context): LogProgress {
    if (this.#activity === "settling-cut" || this.#file === undefined) {
      this.#activity = "idle";
      this.#file = undefined;
      this.#position = 0;
      this.#durablePosition = 0;
      this.#filedZxid = this.#durableZxid;
      cx.facts.log("warn", "gave up the transactions that could not be written", {
        after: formatZxid(this.#durableZxid),
      });
      return "abandoned";
    }
    this.#activity = "settling-cut";
    if (this.#durablePosition === 0) this.#ops.push(cx.syncDirectory(LOG_DIRECTORY));
    else this.#ops.push(cx.sync(this.#file));
    return "waiting";
  }
}

/** Removes `op` from `ops`; false when it is not among them. */
function take(ops: DiskOp[], op: DiskOp): boolean {
  const at = ops.indexOf(op);
  if (at >= 0) ops.splice(at, 1);
  return at >= 0;
}

function patchInt(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
