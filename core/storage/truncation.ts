/**
 * Forgets everything after a zxid, as a leader tells a learner to (TRUNC; Java: FileTxnLog.truncate,
 * ZKDatabase.truncateLog; reference of the quorum, S02 to S05, S22).
 *
 * - Cut is before the first record beyond the zxid. (Java cuts after the first one at or beyond it: S04.)
 * - Snapshots that hold effects of later txns go: by their name, and by the txn that was the last when their writing
 *   ended, since they are fuzzy. (Java loads them again: S05.)
 * - Before anything is destroyed, what will be left is read: a snapshot that loads, and logs from there to the zxid
 *   without a hole. If that is not there, nothing is changed.
 *
 * What is left is complete and durable when {@link Truncation.result} is `done`; a crash on the way leaves the history
 * as it was, or a note that the next start acts upon (history-rewrite.ts). Then a new Recovery loads it.
 */
import type { Context, DiskOp, DiskOutcome } from "../actor.ts";
import { counterOf, epochOf, formatZxid, nextZxid } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { DataTree } from "../tree/data-tree.ts";
import { displayName, logsFrom, logsIn, snapshotsIn } from "./files.ts";
import type { LogFile, SnapshotFile } from "./files.ts";
import { BothListings, HistoryRewrite } from "./history-rewrite.ts";
import type { Cut, RewriteResult } from "./history-rewrite.ts";
import { SnapshotLoading } from "./snapshot-loading.ts";
import { TxnLogReader, zxidIn } from "./txn-log-reader.ts";

export class Truncation {
  /** Set by the last disk operation. A failure that is not `untouched` must stop the server. */
  result: RewriteResult | undefined;
  readonly #config: ServerConfig;
  readonly #zxid: Zxid;
  readonly #isNoted: boolean;
  readonly #listings: BothListings = new BothListings();
  /** Newest first. Those that go, and those that may be what is left. */
  #doomed: SnapshotFile[] = [];
  #candidates: SnapshotFile[] = [];
  #loading: SnapshotLoading | undefined;
  /** Those that may hold what stays; later ones go. */
  #logs: readonly LogFile[] = [];
  #index = 0;
  #reader: TxnLogReader | undefined;
  #op: DiskOp | undefined;
  /** How far what stays reaches. */
  #last: Zxid;
  readonly #cuts: Cut[] = [];
  #rewrite: HistoryRewrite | undefined;

  /** Nothing after `zxid` stays. Whoever logs must have stopped. `isNoted`: an earlier run began it. */
  constructor(config: ServerConfig, zxid: Zxid, isNoted = false) {
    this.#config = config;
    this.#zxid = zxid;
    this.#isNoted = isNoted;
    this.#last = zxid;
  }

  start(cx: Context): void {
    this.#listings.start(cx);
  }

  /** False when `op` is not ours. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    if (this.#rewrite !== undefined) {
      if (!this.#rewrite.onDiskDone(cx, op, outcome)) return false;
      this.result = this.#rewrite.result;
    } else if (this.#listings.onDiskDone(op, outcome)) {
      if (this.#listings.isComplete) this.#onListed(cx);
    } else if (this.#loading?.onDiskDone(cx, op, outcome)) {
      this.#onLoadingMoved(cx);
    } else if (op === this.#op) {
      this.#op = undefined;
      this.#onRead(cx, outcome);
    } else return false;
    return true;
  }

  #onListed(cx: Context): void {
    const { failure, snapshots } = this.#listings;
    if (failure !== undefined) return this.#refuse(failure);
    for (const snapshot of snapshotsIn(snapshots)) {
      if (snapshot.zxid > this.#zxid) this.#doomed.push(snapshot);
      else this.#candidates.push(snapshot);
    }
    this.#loadNext(cx);
  }

  // What will be left: a snapshot

  #loadNext(cx: Context): void {
    const snapshot = this.#candidates.shift();
    if (snapshot === undefined) {
      return this.#refuse(`there is no snapshot from before ${formatZxid(this.#zxid)} that could be gone back to`);
    }
    const { juteMaxBuffer, juteMaxBufferExtra, extendedTypesEnabled, emulate353TTLNodes } = this.#config;
    const options = { extendedTypes: extendedTypesEnabled, emulate353: emulate353TTLNodes, digest: false };
    this.#loading = new SnapshotLoading(snapshot, () => new DataTree(options), juteMaxBuffer + juteMaxBufferExtra);
    this.#loading.start(cx);
    this.#onLoadingMoved(cx);
  }

  #onLoadingMoved(cx: Context): void {
    const { state, snapshot, reader } = this.#loading!;
    if (state === "loading") return;
    this.#loading = undefined;
    if (state !== "loaded") return this.#loadNext(cx);
    const writtenUntil = Math.max(reader.digest?.zxid ?? 0, reader.lastZxid ?? 0);
    if (writtenUntil > this.#zxid) {
      this.#doomed.push(snapshot);
      return this.#loadNext(cx);
    }
    this.#last = snapshot.zxid;
    this.#logs = logsFrom(logsIn(this.#listings.logs), nextZxid(snapshot.zxid)).filter(
      ({ zxid }) => zxid <= this.#zxid,
    );
    this.#openNext(cx);
  }

  // And the logs behind it

  #openNext(cx: Context): void {
    const log = this.#logs[this.#index];
    if (log === undefined) return this.#carryOut(cx);
    this.#reader = new TxnLogReader(log.zxid, this.#config.juteMaxBuffer + this.#config.juteMaxBufferExtra);
    this.#op = cx.readAt(log.file, this.#reader.wantedOffset, this.#reader.wantedLength);
  }

  #onRead(cx: Context, outcome: DiskOutcome): void {
    const reader = this.#reader!;
    const log = this.#logs[this.#index]!;
    if (outcome.kind !== "read") {
      return this.#refuse(`${this.#name(log)}: ${outcome.kind === "failed" ? outcome.detail : outcome.kind}`);
    }
    reader.feed(outcome.bytes, outcome.endOfFile || outcome.bytes.length < reader.wantedLength);
    for (;;) {
      switch (reader.next()) {
        case "entry": {
          const zxid = zxidIn(reader.bytes, reader.start);
          if (zxid > this.#zxid) return this.#cut(cx, log, reader.entryOffset);
          if (!this.#take(zxid)) return;
          break;
        }
        case "more":
          this.#op = cx.readAt(log.file, reader.wantedOffset, reader.wantedLength);
          return;
        case "end":
          return this.#onLogEnd(cx);
        case "damaged":
          return this.#onDamage(cx, log, reader);
      }
    }
  }

  /** False after refusing. */
  #take(zxid: Zxid): boolean {
    const last = this.#last;
    if (zxid > last + 1 && epochOf(zxid) === epochOf(last)) {
      this.#refuse(`in the log ${formatZxid(zxid)} comes after ${formatZxid(last)}`);
      return false;
    }
    if (zxid > last) this.#last = zxid;
    return true;
  }

  #onDamage(cx: Context, log: LogFile, reader: TxnLogReader): void {
    // Behind everything that stays. Left alone it might stop a start: the files that make up for it go.
    if (reader.lastZxid >= this.#zxid) return this.#cut(cx, log, reader.damageOffset);
    if (reader.isTorn && this.#logs[this.#index + 1]?.zxid === nextZxid(reader.lastZxid)) return this.#onLogEnd(cx);
    this.#refuse(`${this.#name(log)} is damaged at offset ${reader.damageOffset}: ${reader.damage}`);
  }

  #cut(cx: Context, { file }: LogFile, length: number): void {
    this.#cuts.push({ file, length });
    this.#onLogEnd(cx);
  }

  #onLogEnd(cx: Context): void {
    this.#index++;
    this.#openNext(cx);
  }

  #carryOut(cx: Context): void {
    const zxid = this.#zxid;
    // Nobody logs the first zxid of an epoch: all that was before it is what there is to go back to.
    if (this.#last !== zxid && counterOf(zxid) !== 0) {
      return this.#refuse(`there is no ${formatZxid(zxid)} here to go back to, ${formatZxid(this.#last)} is the last`);
    }
    const files = {
      snapshots: this.#doomed.map(({ file }) => file),
      logs: logsIn(this.#listings.logs)
        .filter((log) => log.zxid > zxid)
        .map(({ file }) => file),
      cuts: this.#cuts,
    };
    this.#rewrite = new HistoryRewrite({ kind: "truncate", zxid }, files, this.#isNoted);
    this.#rewrite.start(cx);
    this.result = this.#rewrite.result;
  }

  #refuse(failed: string): void {
    this.result = { failed: `nothing was cut off after ${formatZxid(this.#zxid)}: ${failed}`, untouched: true };
  }

  #name({ file }: LogFile): string {
    return displayName(file, this.#config.description);
  }
}
