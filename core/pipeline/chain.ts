/**
 * A standalone server's pipeline, in the order a request travels: prepare → log and sync → apply (Java:
 * ZooKeeperServer.setupRequestProcessors). Reads do not come here; what must wait for writes passes as a barrier.
 */
import type { Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import type { Prng } from "../base/prng.ts";
import type { Reader } from "../jute/reader.ts";
import type { TxnLog } from "../storage/txn-log.ts";
import { ApplyStage } from "./apply.ts";
import type { LogSink } from "./log-and-sync.ts";
import { LogAndSync } from "./log-and-sync.ts";
import { PrepareStage } from "./prepare.ts";
import type { Replies } from "./replies.ts";
import type { Request } from "./request.ts";
import type { ServerState } from "./state.ts";

export class StandaloneChain {
  readonly prepare: PrepareStage;
  readonly logAndSync: LogAndSync;
  readonly apply: ApplyStage;

  constructor(state: ServerState, log: TxnLog, replies: Replies, prng: Prng, end: LogSink) {
    this.logAndSync = new LogAndSync(state, log, prng, end);
    this.prepare = new PrepareStage(state, this.logAndSync);
    this.apply = new ApplyStage(state, this.prepare.pending, replies);
  }

  /** `body` is lent. */
  submit(cx: Context, request: Request, body: Reader): void {
    this.prepare.prepare(cx, request, body);
  }
  submitBarrier(cx: Context, request: Request): void {
    this.logAndSync.barrier(cx, request);
  }

  deadline(): Millis {
    return this.logAndSync.deadline();
  }
  onDeadline(cx: Context): void {
    this.logAndSync.onDeadline(cx);
  }
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    return this.logAndSync.onDiskDone(cx, op, outcome);
  }
}
