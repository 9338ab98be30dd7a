/**
 * Applies what the logs hold to a tree and the session table (Java: FileTxnSnapLog.fastForwardFromEdits,
 * processTransaction; reference, sections 7.5 and 8.5). Bytes become entries in txn-log-reader.ts.
 */
import type { Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import { Deque } from "../base/deque.ts";
import type { SessionId } from "../base/ids.ts";
import { ZXID_ZERO, epochOf, formatZxid } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { Reader } from "../jute/reader.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { readTxnEntry } from "../protocol/txns.ts";
import type { Txn, TxnDigest } from "../protocol/txns.ts";
import { NO_LISTENER } from "../tree/data-tree.ts";
import { DIGEST_VERSION } from "../tree/digest.ts";
import type { DataTree } from "../tree/data-tree.ts";
import { displayName } from "./files.ts";
import type { LogFile } from "./files.ts";
import type { SnapshotDigest } from "./snapshot-reader.ts";
import { TxnLogReader, zxidIn } from "./txn-log-reader.ts";

/** A txn as it is in the log and on the quorum's wire: header, record, digest. */
export interface LoggedTxn {
  readonly zxid: Zxid;
  readonly payload: Uint8Array;
}

export interface ReplayInput {
  readonly tree: DataTree;
  readonly sessions: Map<SessionId, Millis>;
  /** Entries before it are skipped. */
  readonly from: Zxid;
  /** Ascending. */
  readonly logs: readonly LogFile[];
  /** The digest the snapshot promises. */
  readonly digest: SnapshotDigest | undefined;
  /** Any entry at all is fatal: there is no snapshot it could follow on. */
  readonly refuseEntries: boolean;
  /** The first entry follows on the tree's lastProcessedZxid. */
  readonly followsSnapshot: boolean;
  /**
   * Of later snapshots that could not be loaded. Each is of a txn that was the last of something: when the logs pass it
   * by without having it, then what came before it was in that snapshot alone.
   */
  readonly mustReach: readonly Zxid[];
  readonly mutants: ReadonlySet<string>;
}

/** Java: ZKDatabase.DEFAULT_COMMIT_LOG_COUNT, also the least. */
const COMMITTED_TXNS_MIN = 500;

export class LogReplay {
  /** Everything is replayed, or {@link LogReplay.fatal} says why not. */
  isDone = false;
  fatal: string | undefined;
  txnsReplayed = 0;
  digestMismatches = 0;
  firstMismatchAt: Zxid = ZXID_ZERO;
  /** Logs without a single entry. */
  readonly barrenLogs: LogFile[] = [];

  readonly #config: ServerConfig;
  readonly #input: ReplayInput;
  readonly #committedMax: number;
  readonly #committed: Deque<LoggedTxn> = new Deque();
  readonly #entryReader: Reader;
  #index = 0;
  #reader: TxnLogReader | undefined;
  #op: DiskOp | undefined;
  /** Compared once replay has come to its zxid; until then no digest is, because the snapshot is fuzzy. */
  #promised: SnapshotDigest | undefined;
  #lastZxid: Zxid;

  constructor(config: ServerConfig, input: ReplayInput) {
    this.#config = config;
    this.#input = input;
    this.#committedMax = Math.max(COMMITTED_TXNS_MIN, config.commitLogCount);
    this.#entryReader = new Reader(new Uint8Array(0), 0, 0, config.juteMaxBuffer + config.juteMaxBufferExtra);
    this.#lastZxid = input.tree.lastProcessedZxid;
    const { digest, tree } = input;
    this.#promised = digest !== undefined && digest.zxid >= tree.lastProcessedZxid ? digest : undefined;
    this.#settlePromise(tree.lastProcessedZxid);
  }

  start(cx: Context): void {
    this.#openNext(cx);
  }

  /** False when `op` is not ours. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    if (op !== this.#op) return false;
    this.#op = undefined;
    const reader = this.#reader!;
    if (outcome.kind === "read") {
      reader.feed(outcome.bytes, outcome.endOfFile || outcome.bytes.length < reader.wantedLength);
      this.#takeEntries(cx, reader);
    } else {
      this.#end(`${this.#name()} cannot be read: ${outcome.kind === "failed" ? outcome.detail : outcome.kind}`);
    }
    return true;
  }

  takeCommitted(): LoggedTxn[] {
    const committed: LoggedTxn[] = [];
    for (let txn = this.#committed.shift(); txn !== undefined; txn = this.#committed.shift()) committed.push(txn);
    return committed;
  }

  get #log(): LogFile {
    return this.#input.logs[this.#index]!;
  }

  #openNext(cx: Context): void {
    const log = this.#input.logs[this.#index];
    if (log === undefined) {
      this.isDone = true;
      return;
    }
    this.#reader = new TxnLogReader(log.zxid, this.#config.juteMaxBuffer + this.#config.juteMaxBufferExtra);
    this.#read(cx, this.#reader);
  }

  #read(cx: Context, reader: TxnLogReader): void {
    this.#op = cx.readAt(this.#log.file, reader.wantedOffset, reader.wantedLength);
  }

  #takeEntries(cx: Context, reader: TxnLogReader): void {
    for (;;) {
      switch (reader.next()) {
        case "entry":
          this.#onEntry(cx, reader);
          if (this.isDone) return;
          break;
        case "more":
          return this.#read(cx, reader);
        case "end":
          return this.#onLogEnd(cx, reader);
        case "damaged":
          if (this.#wasGivenUp(reader)) return this.#onLogEnd(cx, reader);
          return this.#end(this.#damageReport(reader.damage, reader.damageOffset));
      }
    }
  }

  /** An earlier start took the damage for a torn tail, and its zxids have been used again since: too late to object. */
  #wasGivenUp(reader: TxnLogReader): boolean {
    return reader.isTorn && this.#input.logs[this.#index + 1]?.zxid === reader.lastZxid + 1;
  }

  #onLogEnd(cx: Context, reader: TxnLogReader): void {
    const log = this.#log;
    // Only the newest log can have been interrupted before its header was durable; an older one was used before.
    if (reader.isStillborn && log.size > 0 && this.#index < this.#input.logs.length - 1) {
      return this.#end(this.#damageReport("the file ends inside its header", 0));
    }
    if (reader.entryCount === 0) this.barrenLogs.push(log);
    if (!reader.endedCleanly) cx.facts.log("info", "a transaction log ends in a partial entry", { file: this.#name() });
    this.#index++;
    this.#openNext(cx);
  }

  #onEntry(cx: Context, reader: TxnLogReader): void {
    const { bytes, start, end } = reader;
    const zxid = zxidIn(bytes, start);
    if (this.#input.refuseEntries) {
      return this.#end(
        `${this.#name()} holds transactions (${formatZxid(zxid)} is the first), but there is no snapshot in ` +
          `${this.#config.description.dataDir}/version-2 that they could follow on. Put the snapshots back; or, if ` +
          `the logs are known to begin with the first transaction of all, start once with snapshot.trust.empty=true`,
      );
    }
    if (zxid < this.#input.from) return;
    const entry = readTxnEntry(this.#entryReader.reset(bytes, start, end));
    if (entry === undefined) {
      return this.#end(
        this.#damageReport(`the transaction ${formatZxid(zxid)} is of an unknown kind`, reader.entryOffset),
      );
    }
    const isNew = zxid > this.#lastZxid;
    if (!this.#checkOrder(cx, zxid)) return;
    const { header, txn, digest } = entry;
    if (txn.type === OpCode.createSession) this.#input.sessions.set(header.clientId, txn.timeOut);
    else if (txn.type === OpCode.closeSession) this.#input.sessions.delete(header.clientId);
    this.#input.tree.apply(header, this.#mutated(txn), NO_LISTENER);
    this.txnsReplayed++;
    this.#compareDigest(zxid, digest);
    if (isNew) this.#committed.push({ zxid, payload: bytes.subarray(start, end) });
    if (this.#committed.length > this.#committedMax) this.#committed.shift();
  }

  /**
   * Neither is an error to Java. But a hole inside an epoch is left where a log has been lost, and what came after it
   * was made on top of what is missing. (Between two epochs nothing can be told. Replaying twice does no harm.) False
   * after ending.
   */
  #checkOrder(cx: Context, zxid: Zxid): boolean {
    const last = this.#lastZxid;
    const isFirst = this.txnsReplayed === 0;
    if (zxid <= last && !isFirst) {
      cx.facts.log("warn", "transactions in the log are not in order", {
        file: this.#name(),
        zxid: formatZxid(zxid),
        after: formatZxid(last),
      });
    } else if (zxid > last + 1 && epochOf(zxid) === epochOf(last) && (!isFirst || this.#input.followsSnapshot)) {
      this.#end(this.#holeReport(last, zxid));
      return false;
    }
    const passed = this.#input.mustReach.find((one) => one > last && one < zxid);
    if (passed !== undefined) {
      this.#end(this.#holeReport(last, zxid));
      return false;
    }
    this.#lastZxid = Math.max(last, zxid) as Zxid;
    return true;
  }

  #compareDigest(zxid: Zxid, digest: TxnDigest | undefined): void {
    if (!this.#config.digestEnabled) return;
    if (this.#promised !== undefined) return this.#settlePromise(zxid);
    if (digest?.version !== DIGEST_VERSION || this.#input.tree.treeDigest.equals(digest)) return;
    this.#mismatch(zxid);
  }

  #settlePromise(zxid: Zxid): void {
    const promised = this.#promised;
    if (promised === undefined || zxid < promised.zxid) return;
    this.#promised = undefined;
    const same = this.#input.tree.treeDigest.equals(promised);
    if (zxid === promised.zxid && !same && this.#config.digestEnabled) this.#mismatch(zxid);
  }

  #mismatch(zxid: Zxid): void {
    if (this.digestMismatches++ === 0) this.firstMismatchAt = zxid;
  }

  #mutated(txn: Txn): Txn {
    if (txn.type !== OpCode.multi || !this.#input.mutants.has("misreplay-multi")) return txn;
    // Forgets that one failed part undoes all of them.
    return { type: txn.type, txns: txn.txns.filter((sub) => sub.type !== OpCode.error) };
  }

  #holeReport(last: Zxid, zxid: Zxid): string {
    const offset = this.#reader!.entryOffset;
    return (
      `transactions are missing: in ${this.#name()}, at offset ${offset}, ${formatZxid(zxid)} comes after ` +
      `${formatZxid(last)}. Put back the log, or the snapshot, that holds those in between. To do without them and all ` +
      `after them instead, cut the file there (truncate -s ${offset}) and move the logs after it away, if there are ` +
      `any; or, in an ensemble most of whose servers run, move all of version-2 away: this server gets it from them`
    );
  }

  #damageReport(damage: string, offset: number): string {
    return (
      `${this.#name()} is damaged at offset ${offset}: ${damage}. Put back an intact copy of the file. To do without ` +
      `this transaction and all after it instead, cut the file there (truncate -s ${offset}) and move the logs after ` +
      `it away, if there are any; they would be lost, also where clients were told they had succeeded`
    );
  }

  #name(): string {
    return displayName(this.#log.file, this.#config.description);
  }

  #end(fatal: string): void {
    this.fatal = fatal;
    this.isDone = true;
  }
}
