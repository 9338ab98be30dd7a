/**
 * The log read back for a learner that is too far behind for what is kept in memory (Java: FileTxnLog.read,
 * FileTxnIterator as LearnerHandler uses it; reference of the quorum, section 3.5). Pulled a piece at a time, so memory
 * is bounded by a piece however long the log is; the file that is being appended to is read as far as it goes.
 *
 * What it hands out is one stretch of this server's history that begins right behind the txn asked for. Where that
 * cannot be shown it says `gap`, and the learner gets the tree: a log may be what an earlier history left (reference,
 * S24), a file may be missing (S27). Inside an epoch zxids tell; between two the rest of the earlier one might be
 * missing, which shows in a snapshot of a zxid that is no entry's. All of it is looked through before the first txn is
 * handed out: what stands before a gap may never have been committed, and a learner that has begun cannot be sent the
 * tree any more.
 */
import type { Context, DirectoryName, DiskOp, DiskOutcome } from "../actor.ts";
import { counterOf, epochOf, formatZxid, nextZxid } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { invariant } from "../invariant.ts";
import { LOG_DIRECTORY, SNAPSHOT_DIRECTORY, displayName, logsFrom, logsIn, snapshotsIn } from "./files.ts";
import type { LogFile, SnapshotFile } from "./files.ts";
import type { LoggedTxn } from "./log-replay.ts";
import { LOG_CHUNK_BYTES, TxnLogReader, zxidIn } from "./txn-log-reader.ts";

/**
 * - `ready`: the files are known, see {@link LogTail.logBytes}; call {@link LogTail.next};
 * - `reading`: `onDiskDone` will move it on;
 * - `batch`: {@link LogTail.batch} holds txns; call `next` for more;
 * - `end`: everything that was in the log when it was last looked at has been handed out; `next` looks again;
 * - `gap`: what follows cannot be had from the log, {@link LogTail.reason} says why. For good. After a batch it comes
 *   only when a file was removed or damaged meanwhile.
 */
export type TailState = "listing" | "ready" | "reading" | "batch" | "end" | "gap";

export type LogTailConfig = Pick<ServerConfig, "juteMaxBuffer" | "juteMaxBufferExtra" | "description">;

export class LogTail {
  state: TailState = "listing";
  /** In zxid order, never empty in state `batch`. Payloads are views of the piece that was read: copy what is kept. */
  batch: readonly LoggedTxn[] = [];
  /** Why there is a gap, for people. */
  reason = "";
  /** From `ready` on: of the files that would have to be read (padding included, as Java counts), and of the newest snapshot. */
  logBytes = 0;
  snapshotBytes = 0;

  readonly #config: LogTailConfig;
  readonly #from: Zxid;
  readonly #chunk: number;
  readonly #listings: Map<DiskOp, DirectoryName> = new Map();
  #snapshots: readonly SnapshotFile[] = [];
  #logs: readonly LogFile[] = [];
  #index = 0;
  #reader: TxnLogReader | undefined;
  #op: DiskOp | undefined;
  /** The first time through nothing is handed out. */
  #checking = true;
  /** The last entry seen, handed out or not. */
  #last: Zxid | undefined;

  /** Hands out what comes after `from`. `chunk`: how many bytes are read at once. */
  constructor(config: LogTailConfig, from: Zxid, chunk: number = LOG_CHUNK_BYTES) {
    this.#config = config;
    this.#from = from;
    this.#chunk = chunk;
  }

  start(cx: Context): void {
    for (const directory of [SNAPSHOT_DIRECTORY, LOG_DIRECTORY]) this.#listings.set(cx.list(directory), directory);
  }

  /** Asks for the next batch. In states `ready`, `batch` and `end` only. */
  next(cx: Context): void {
    invariant(this.state === "ready" || this.state === "batch" || this.state === "end", "one batch at a time");
    const state = this.state;
    this.batch = [];
    this.state = "reading";
    if (state === "end") this.#reader!.resume();
    if (state === "batch") this.#takeEntries(cx, this.#reader!);
    else if (this.#reader === undefined) this.#open(cx);
    else this.#read(cx, this.#reader);
  }

  /** False when `op` is not ours. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    const directory = this.#listings.get(op);
    if (directory !== undefined) {
      this.#listings.delete(op);
      this.#onListed(cx, directory, outcome);
      return true;
    }
    if (op !== this.#op) return false;
    this.#op = undefined;
    const reader = this.#reader!;
    if (outcome.kind === "read") {
      reader.feed(outcome.bytes, outcome.endOfFile || outcome.bytes.length < reader.wantedLength);
      this.#takeEntries(cx, reader);
    } else this.#gap(`${this.#name()} cannot be read: ${outcome.kind === "failed" ? outcome.detail : outcome.kind}`);
    return true;
  }

  #onListed(cx: Context, directory: DirectoryName, outcome: DiskOutcome): void {
    if (outcome.kind !== "listed") {
      return this.#gap(`${directory} cannot be listed: ${outcome.kind === "failed" ? outcome.detail : outcome.kind}`);
    }
    if (this.state === "reading") return this.#onListedAgain(cx, logsIn(outcome.files));
    if (directory === SNAPSHOT_DIRECTORY) this.#snapshots = snapshotsIn(outcome.files);
    else this.#logs = logsFrom(logsIn(outcome.files), nextZxid(this.#from));
    if (this.#listings.size > 0 || this.state !== "listing") return;
    this.snapshotBytes = this.#snapshots[0]?.size ?? 0;
    for (const { size } of this.#logs) this.logBytes += size;
    if (this.#logs.length === 0) return this.#gap("there is no log");
    this.state = "ready";
  }

  /** The end of the newest file known was reached. A later one was begun only when this one was complete. */
  #onListedAgain(cx: Context, logs: readonly LogFile[]): void {
    const newest = this.#logs.at(-1)!;
    const later = logs.filter(({ zxid }) => zxid > newest.zxid);
    if (later.length === 0) {
      this.state = "end";
      return;
    }
    this.#logs = [newest, ...later];
    this.#index = 0;
    // What came into this file between the last look and the beginning of the next.
    this.#reader!.resume();
    this.#read(cx, this.#reader!);
  }

  #open(cx: Context): void {
    const lengthMax = this.#config.juteMaxBuffer + this.#config.juteMaxBufferExtra;
    this.#reader = new TxnLogReader(this.#logs[this.#index]!.zxid, lengthMax, this.#chunk);
    this.#read(cx, this.#reader);
  }

  #read(cx: Context, reader: TxnLogReader): void {
    this.#op = cx.readAt(this.#logs[this.#index]!.file, reader.wantedOffset, reader.wantedLength);
  }

  #takeEntries(cx: Context, reader: TxnLogReader): void {
    const batch: LoggedTxn[] = [];
    for (;;) {
      const step = reader.next();
      if (step === "entry") {
        const zxid = zxidIn(reader.bytes, reader.start);
        if (!this.#follows(zxid)) return;
        if (zxid > this.#from && !this.#checking)
          batch.push({ zxid, payload: reader.bytes.subarray(reader.start, reader.end) });
        continue;
      }
      if (step === "damaged" && !this.#wasGivenUp(reader)) {
        return this.#gap(`${this.#name()} is damaged at offset ${reader.damageOffset}: ${reader.damage}`);
      }
      // What was taken is handed out first; `next` comes back to this step.
      if (batch.length > 0) {
        this.batch = batch;
        this.state = "batch";
        return;
      }
      if (step === "more") return this.#read(cx, reader);
      return this.#onFileEnd(cx);
    }
  }

  #onFileEnd(cx: Context): void {
    if (this.#index < this.#logs.length - 1) {
      this.#index++;
      return this.#open(cx);
    }
    if (this.#checking) {
      const last = this.#last;
      if (last === undefined || (last < this.#from && counterOf(this.#from) !== 0)) {
        return this.#gap(`the log ${last === undefined ? "is empty" : `ends with ${formatZxid(last)}`}`);
      }
      this.#checking = false;
      this.#index = 0;
      this.#last = undefined;
      return this.#open(cx);
    }
    this.#listings.set(cx.list(LOG_DIRECTORY), LOG_DIRECTORY);
  }

  /** Checks that `zxid` comes right behind what was seen before; false after saying that it does not. */
  #follows(zxid: Zxid): boolean {
    const last = this.#last;
    const from = this.#from;
    if (last === undefined) {
      if (zxid > nextZxid(from)) return this.#noted(`the log begins with ${formatZxid(zxid)}`);
    } else if (!this.#isNext(last, zxid)) {
      return this.#noted(`in the log ${formatZxid(zxid)} comes after ${formatZxid(last)}`);
    } else if (zxid > from && last < from && counterOf(from) !== 0) {
      return this.#noted(`the log has ${formatZxid(last)} and ${formatZxid(zxid)}, but not ${formatZxid(from)}`);
    }
    this.#last = zxid;
    return true;
  }

  #isNext(last: Zxid, zxid: Zxid): boolean {
    if (zxid === nextZxid(last)) return true;
    if (epochOf(zxid) <= epochOf(last) || counterOf(zxid) !== 1) return false;
    return !this.#snapshots.some((snapshot) => snapshot.zxid > last && snapshot.zxid < zxid);
  }

  #wasGivenUp(reader: TxnLogReader): boolean {
    return reader.isTorn && this.#logs[this.#index + 1]?.zxid === nextZxid(reader.lastZxid);
  }

  #noted(reason: string): false {
    this.#gap(reason);
    return false;
  }

  #gap(reason: string): void {
    this.state = "gap";
    this.reason = reason;
    this.batch = [];
  }

  #name(): string {
    return displayName(this.#logs[this.#index]!.file, this.#config.description);
  }
}
