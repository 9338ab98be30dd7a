/**
 * A learner's history as it grows: what the leader proposes is appended on receipt, made durable, acknowledged, and
 * applied when it is committed (Java: FollowerZooKeeperServer.logRequest and commit, pendingTxns, SyncRequestProcessor
 * with SendAckRequestProcessor; reference, sections 3.7, 4.3 and 4.4). One path for what comes while a learner is brought
 * up to date and for what comes after.
 *
 * What makes no sense is returned as the reason why the role must end; ending it is the learner's.
 */
import type { Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import { ByteArena } from "../base/arena.ts";
import { Deque } from "../base/deque.ts";
import type { Zxid } from "../base/zxid.ts";
import { counterOf, epochOf, formatZxid, nextZxid } from "../base/zxid.ts";
import { Reader } from "../jute/reader.ts";
import { LEARNER_BACKLOG_BYTES } from "../limits.ts";
import type { LogSink } from "../pipeline/log-and-sync.ts";
import { LogAndSync } from "../pipeline/log-and-sync.ts";
import { Request } from "../pipeline/request.ts";
import { OpCode } from "../protocol/op-codes.ts";
import type { TxnDigest, TxnEntry } from "../protocol/txns.ts";
import { readTxnEntry } from "../protocol/txns.ts";
import { DIGEST_VERSION } from "../tree/digest.ts";
import type { Forwarding } from "./forwarding.ts";
import type { LeaderLink } from "./leader-link.ts";
import { Pause } from "./leader-link.ts";
import type { LearnerConfig } from "./learner-config.ts";
import type { Proposal, RoleHost } from "./role.ts";

/** Java: ExitCode.UNEXPECTED_ERROR. */
const EXIT_LOG = 1;
const TWO_32 = 0x1_0000_0000;

/** A txn that was received and not committed. */
interface PendingTxn extends Proposal {
  /** It answers a request of a client here. */
  readonly isLocal: boolean;
}

/** Voters, and who might become one, say what they hold; an observer's acks nobody counts. */
export interface LearnerLogOptions {
  readonly acknowledges: boolean;
  /** False: an observer that keeps nothing on disk (syncEnabled=false). */
  readonly logs: boolean;
  /** The digests of txns tell nothing yet: the tree came from a snapshot that was taken while it changed. */
  readonly isFuzzy: boolean;
}

export class LearnerLog implements LogSink {
  readonly #host: RoleHost;
  readonly #link: LeaderLink;
  readonly #forwarding: Forwarding;
  readonly #config: LearnerConfig;
  readonly #options: LearnerLogOptions;
  readonly #logAndSync: LogAndSync;
  readonly #arena = new ByteArena();
  readonly #reader: Reader;
  /** In zxid order. */
  readonly #pending = new Deque<PendingTxn>();
  #isFuzzy: boolean;
  /** The newest txn there is here, and the newest committed one. */
  #last: Zxid;
  #committed: Zxid;
  /** Bytes appended since nothing waited for the disk. */
  #backlog = 0;
  #onSettled: ((cx: Context) => void) | undefined;

  #acksFlow = false;
  /** The history that NEWLEADER stands for ends here. Later txns are acknowledged one by one, whatever becomes of them. */
  #adopted: Zxid | undefined;
  /** Later ones, durable before the first acknowledgement could go. */
  readonly #early: Zxid[] = [];

  /** Requests of clients here that are on their way, and whether one has arrived in this event. */
  outstanding = 0;
  released = false;

  constructor(
    host: RoleHost,
    link: LeaderLink,
    forwarding: Forwarding,
    learnerConfig: LearnerConfig,
    options: LearnerLogOptions,
  ) {
    const { state, config } = host;
    this.#host = host;
    this.#link = link;
    this.#forwarding = forwarding;
    this.#config = learnerConfig;
    this.#options = options;
    this.#isFuzzy = options.isFuzzy;
    this.#logAndSync = new LogAndSync(state, host.log, host.prng.fork("log"), this);
    this.#reader = new Reader(new Uint8Array(0), 0, 0, config.juteMaxBuffer + config.juteMaxBufferExtra);
    this.#last = state.tree.lastProcessedZxid;
    this.#committed = this.#last;
  }

  get last(): Zxid {
    return this.#last;
  }
  get committed(): Zxid {
    return this.#committed;
  }
  get pendingCount(): number {
    return this.#pending.length;
  }

  /** `data` is lent. A txn that is here already is passed over. Returns why the role must end, if it must. */
  propose(cx: Context, zxid: Zxid, data: Uint8Array | null): string | undefined {
    // A snapshot may hold more than its zxid says, and be followed by what it holds (reference, section 4.6).
    if (zxid <= this.#last) return undefined;
    if (!this.#follows(zxid)) {
      return `the leader proposed ${formatZxid(zxid)} where ${formatZxid(nextZxid(this.#last))} has to come`;
    }
    const payload = this.#arena.keep(data ?? NO_BYTES);
    const entry = readTxnEntry(this.#reader.reset(payload, 0, payload.length));
    if (entry === undefined) return `the leader proposed ${formatZxid(zxid)}, which cannot be decoded`;
    if (entry.header.zxid !== zxid) {
      return `the leader proposed ${formatZxid(zxid)} with the txn of ${formatZxid(entry.header.zxid)}`;
    }
    const local = this.#forwarding.match(entry.header);
    const request = this.#requestOf(cx, entry, local);
    if (entry.txn.type === OpCode.reconfig) {
      const reason = this.#config.onProposed(cx, request);
      if (reason !== undefined) return reason;
    }
    this.#last = zxid;
    this.#pending.push({ request, payload, isLocal: local !== undefined });
    if (!this.#options.logs) return undefined;
    this.#logAndSync.logTxn(cx, request, payload, payload.length);
    this.#backlog += payload.length;
    if (this.#backlog > LEARNER_BACKLOG_BYTES) this.#link.pause(cx, Pause.backlog);
    if (this.#acksFlow && this.#host.state.mutants.has("ack-proposal-before-sync")) this.#link.ack(zxid);
    return undefined;
  }

  /**
   * Applies it at once. `designated`: it is a reconfig, and names the leader from now on. Returns why the role must end,
   * if it must; it may have ended already.
   */
  commit(cx: Context, zxid: Zxid, designated?: number): string | undefined {
    if (zxid <= this.#committed) return undefined;
    const head = this.#pending.peek();
    if (head === undefined) return `the leader committed ${formatZxid(zxid)}, which it had not proposed`;
    if (head.request.zxid !== zxid) {
      return `the leader committed ${formatZxid(zxid)} where ${formatZxid(head.request.zxid)} has to come`;
    }
    this.#pending.shift();
    this.#committed = zxid;
    if (head.isLocal) {
      this.outstanding--;
      this.released = true;
    }
    cx.facts.committed(zxid);
    this.#host.commit(cx, head);
    return designated === undefined ? undefined : this.#config.onCommitted(cx, head.request, designated);
  }

  /**
   * NEWLEADER: what is here is what it stands for. `then` is called once all of that is durable: now, if it is. By now
   * the leader has also committed everything that its snapshot may have held too early.
   */
  adopt(cx: Context, then: (cx: Context) => void): void {
    this.#adopted = this.#last;
    this.#isFuzzy = false;
    if (this.#host.state.mutants.has("newleader-ack-before-log")) return then(cx);
    this.#onSettled = then;
    const barrier = Request.internal(OpCode.sync, cx.now);
    if (this.#options.logs) this.#logAndSync.barrier(cx, barrier);
    else this.onLogged(cx, barrier);
  }

  /** The acknowledgement of NEWLEADER has been written: those of txns may follow. */
  beginAcks(): void {
    this.#acksFlow = this.#options.acknowledges;
    if (!this.#acksFlow) return;
    for (let i = 0; i < this.#pending.length; i++) {
      const { zxid } = this.#pending.at(i)!.request;
      if (zxid <= this.#adopted!) this.#link.ack(zxid);
    }
    for (const zxid of this.#early) this.#link.ack(zxid);
    this.#early.length = 0;
  }

  deadline(): Millis {
    return this.#logAndSync.deadline();
  }
  onDeadline(cx: Context): void {
    this.#logAndSync.onDeadline(cx);
    this.#considerBacklog(cx);
  }
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    if (!this.#logAndSync.onDiskDone(cx, op, outcome)) return false;
    this.#considerBacklog(cx);
    return true;
  }

  /** What is in the log, or on its way there, and not committed. Nothing more happens here. */
  stop(): readonly Proposal[] {
    this.#onSettled = undefined;
    if (!this.#options.logs) return [];
    const left: Proposal[] = [];
    for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) left.push(next);
    return left;
  }

  // What the log says

  onLogged(cx: Context, request: Request): void {
    if (request.txn === undefined) {
      const then = this.#onSettled;
      this.#onSettled = undefined;
      return then?.(cx);
    }
    if (!this.#options.acknowledges) return;
    if (this.#acksFlow) this.#link.ack(request.zxid);
    else if (this.#adopted !== undefined && request.zxid > this.#adopted) this.#early.push(request.zxid);
  }

  onSnapshotDue(cx: Context): void {
    this.#host.takeSnapshot(cx);
  }

  onLogFull(cx: Context): void {
    // Others have room: they go on without this server, and it comes back to them when it has room again.
    cx.halt(EXIT_LOG, `no room for the transaction log: ${this.#host.log.failure}`);
  }

  onLogEmptied(): void {}

  /** Contiguous within an epoch; a later epoch begins where it begins. */
  #follows(zxid: Zxid): boolean {
    const last = this.#last;
    if (zxid === nextZxid(last) || epochOf(zxid) > epochOf(last)) return true;
    // testingonly.initialZxid lets the first epoch begin elsewhere.
    return this.#host.ensemble.initialCounter > 0 && counterOf(last) === 0;
  }

  #requestOf(cx: Context, { header, txn, digest }: TxnEntry, local: Request | undefined): Request {
    const request = local ?? new Request(undefined, header.clientId, header.cxid, header.type, cx.now);
    request.txn = txn;
    request.zxid = header.zxid;
    request.time = header.time;
    if (digest !== undefined && this.#tells(digest)) request.digest = (digest.high & 0x1f_ffff) * TWO_32 + digest.low;
    return request;
  }

  #tells(digest: TxnDigest): boolean {
    return !this.#isFuzzy && digest.version === DIGEST_VERSION && this.#host.config.digestEnabled;
  }

  #considerBacklog(cx: Context): void {
    if (this.#logAndSync.waiting > 0) return;
    this.#backlog = 0;
    this.#link.resume(cx, Pause.backlog);
  }
}

const NO_BYTES = new Uint8Array(0);
