/**
 * Transactions onto disk, and on to the next stage once they are durable, in order (Java: SyncRequestProcessor). Group
 * commit: one sync at a time; what arrives meanwhile shares the next. Nothing that promises durability leaves this
 * stage before the sync that covers it has completed (style rule 3).
 */
import type { Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import { Deque } from "../base/deque.ts";
import type { Prng } from "../base/prng.ts";
import type { Zxid } from "../base/zxid.ts";
import type { TxnLog } from "../storage/txn-log.ts";
import type { TxnSink } from "./prepare.ts";
import type { Request } from "./request.ts";
import type { ServerState } from "./state.ts";

/** The stage that travels after this one, and what else follows from the log's progress. */
export interface LogSink {
  /** The txn of `request`, or what it waited for, is durable. */
  onLogged(cx: Context, request: Request): void;
  /** Enough was logged that a snapshot is due (Java: shouldSnapshot). */
  onSnapshotDue(cx: Context): void;
  /** No room: everything in `lost` was never durable and will not be. */
  onLogFull(cx: Context, lost: Iterable<Request>): void;
  /** What was lost is gone from the disk as well: its zxids may be used again. */
  onLogEmptied(cx: Context): void;
}

export class LogAndSync implements TxnSink {
  readonly #state: ServerState;
  readonly #log: TxnLog;
  readonly #next: LogSink;
  readonly #prng: Prng;
  readonly #queue = new Deque<Request>();
  /** Txns appended since the last commit was begun. */
  #uncommitted = 0;
  #flushAt: Millis = Infinity;
  #snapshotAfterTxns = 0;
  #snapshotAfterBytes = 0;
  #lastLogged: Zxid;

  constructor(state: ServerState, log: TxnLog, prng: Prng, next: LogSink) {
    this.#state = state;
    this.#log = log;
    this.#next = next;
    this.#prng = prng;
    this.#lastLogged = state.tree.lastProcessedZxid;
    this.#drawSnapshotThresholds();
  }

  /** Requests that wait for the disk. */
  get waiting(): number {
    return this.#queue.length;
  }

  logTxn(cx: Context, request: Request, payload: Uint8Array, length: number): void {
    this.#log.append(cx, request.zxid, payload, 0, length);
    this.#lastLogged = request.zxid;
    this.#uncommitted++;
    if (this.#state.mutants.has("ack-before-sync")) this.#next.onLogged(cx, request);
    else this.#queue.push(request);
    this.#considerSnapshot(cx);
    if (this.#uncommitted >= this.#state.config.maxBatchSize) this.#commit(cx);
    else if (this.#flushAt === Infinity) this.#flushAt = cx.now + this.#state.config.flushDelay;
  }

  /** Passes `request` on once everything logged before it is durable: at once when it is. */
  barrier(cx: Context, request: Request): void {
    if (this.#queue.length === 0) return this.#next.onLogged(cx, request);
    request.zxid = this.#lastLogged;
    this.#queue.push(request);
  }

  deadline(): Millis {
    return this.#flushAt;
  }

  onDeadline(cx: Context): void {
    if (cx.now >= this.#flushAt) this.#commit(cx);
  }

  /** Returns false when `op` is not the log's. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    switch (this.#log.onDiskDone(cx, op, outcome)) {
      case "not-mine":
        return false;
      case "waiting":
        return true;
      case "durable":
        this.#release(cx);
        // What came in during the sync has waited long enough: it goes with the next one at once.
        if (this.#uncommitted > 0) this.#commit(cx);
        return true;
      case "full":
        this.#onFull(cx);
        return true;
      case "abandoned":
        this.#next.onLogEmptied(cx);
        return true;
      case "io":
        cx.halt(1, `the transaction log can no longer be trusted: ${this.#log.failure}`);
        return true;
    }
  }

  #commit(cx: Context): void {
    this.#flushAt = Infinity;
    if (this.#log.syncing || this.#uncommitted === 0) return;
    this.#uncommitted = 0;
    // With forceSync=no it is durable as far as anyone will wait.
    if (this.#log.commit(cx)) this.#release(cx);
  }

  #release(cx: Context): void {
    const durable = this.#log.durableZxid;
    for (;;) {
      const request = this.#queue.peek();
      if (request === undefined || request.zxid > durable) return;
      this.#queue.shift();
      this.#next.onLogged(cx, request);
    }
  }

  #considerSnapshot(cx: Context): void {
    const due =
      this.#log.txnsSinceRoll > this.#snapshotAfterTxns ||
      (this.#snapshotAfterBytes > 0 && this.#log.bytesSinceRoll > this.#snapshotAfterBytes);
    if (!due) return;
    this.#drawSnapshotThresholds();
    this.#log.roll();
    this.#next.onSnapshotDue(cx);
  }

  /** Spread out, so that the servers of an ensemble do not all take theirs at once (reference, section 8.4). */
  #drawSnapshotThresholds(): void {
    const { snapCount, snapSizeLimit } = this.#state.config;
    const half = Math.floor(snapCount / 2);
    this.#snapshotAfterTxns = half + this.#prng.below(Math.max(1, half));
    const halfKib = Math.floor(snapSizeLimit / 2048);
    this.#snapshotAfterBytes = halfKib > 0 ? (halfKib + this.#prng.below(halfKib)) * 1024 : 0;
  }

  #onFull(cx: Context): void {
    const lost: Request[] = [];
    for (let request = this.#queue.shift(); request !== undefined; request = this.#queue.shift()) lost.push(request);
    this.#uncommitted = 0;
    this.#flushAt = Infinity;
    this.#lastLogged = this.#state.tree.lastProcessedZxid;
    this.#log.abandonTail(cx);
    this.#next.onLogFull(cx, lost);
  }
}
