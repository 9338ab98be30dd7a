/**
 * What a server of an ensemble is at one time, and what the roles ask of the server they belong to. The server
 * (server/peer.ts) routes events and owns what outlives a role: the database, the epochs, the view of the ensemble, the
 * clients' port. A role owns its connections to other servers and everything on its way through them.
 */
import type { Address, CloseCause, ConnId, Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import type { EnsembleConfig, ServerConfig } from "../config.ts";
import type { Reader } from "../jute/reader.ts";
import type { Replies } from "../pipeline/replies.ts";
import type { Request } from "../pipeline/request.ts";
import type { ServerState } from "../pipeline/state.ts";
import type { QuorumConfig } from "../quorum/config.ts";
import type { QuorumView } from "../quorum/view.ts";
import type { Epochs } from "../storage/epochs.ts";
import type { Recovered } from "../storage/recovery.ts";
import type { TxnLog } from "../storage/txn-log.ts";
import type { Prng } from "../base/prng.ts";
import type { CommittedLog } from "./committed-log.ts";

/** A txn on its way: in the log, or on its way there, and not applied. `payload` is its own copy: header, txn, digest. */
export interface Proposal {
  /** Its txn, zxid, time and predicted digest are set. The one a client of this server waits for, where there is one. */
  readonly request: Request;
  readonly payload: Uint8Array;
}

export interface RoleHost {
  readonly config: ServerConfig;
  readonly ensemble: EnsembleConfig;
  readonly myId: number;
  readonly view: QuorumView;
  readonly epochs: Epochs;
  /** For this role: made new at its beginning, and by {@link replaceDatabase}. */
  readonly state: ServerState;
  /** Written to by whoever appends; kept from role to role. Replaced by {@link replaceDatabase}. */
  readonly log: TxnLog;
  readonly committedLog: CommittedLog;
  readonly replies: Replies;
  /** Forked for this role. */
  readonly prng: Prng;

  /** A txn is committed: into the tree, the sessions, the committed log; the reply, if a client here waits. In zxid order. */
  commit(cx: Context, proposal: Proposal): void;
  /** Everything `request` (a sync of a client here) had to wait for is applied. */
  answerSync(cx: Context, request: Request): void;
  /** Clients may come, from now until the role ends. */
  serve(cx: Context): void;
  /** The role has ended. Calls {@link Role.stop}; after that nothing reaches the role any more. */
  leave(cx: Context, reason: string): void;
  /**
   * The database is another one from here on (SNAP, TRUNC): a new tree, new sessions, a new log object, an empty
   * committed log but for what `recovered.committed` has.
   */
  replaceDatabase(cx: Context, recovered: Recovered): void;
  /** The epoch that the settled vote tells others from now on (reference, section 2.7). */
  setVoteEpoch(epoch: number): void;
  /** Enough was logged: take a snapshot of what is applied. */
  takeSnapshot(cx: Context): void;
  /** Requests have left the pipeline: who was held back may go on. Once per event, at its end. */
  released(cx: Context): void;

  /** A newer configuration was proposed to this server: `view.lastSeen`, kept on disk as well. */
  proposeConfig(cx: Context, config: QuorumConfig): void;
  /**
   * `config` is in force. `designated` is the leader a committed reconfig named. True when this server's role or its
   * leader changes by it: the role then ends through {@link leaveForConfig}, once it has passed the commit on.
   */
  activateConfig(cx: Context, config: QuorumConfig, designated: number | undefined): boolean;
  /** Like {@link leave}, but the next role is taken without an election: leading if `designated` is this server. */
  leaveForConfig(cx: Context, designated: number | undefined): void;
}

export interface Role {
  readonly kind: "leading" | "following" | "observing";
  /** The epoch it serves in; 0 until that is agreed. */
  readonly epoch: number;
  start(cx: Context): void;
  /**
   * Ends it: its connections are closed, nothing more is sent, appended or synced. Returns what was handed to the log
   * and not committed, in zxid order: the server applies it once the log is durable, so that memory is never behind the
   * log (reference, S07 and S08). Requests of clients here that were only forwarded are dropped.
   */
  stop(cx: Context): readonly Proposal[];

  /** A connection to the quorum port (leading only; others are closed by the server). */
  onAccepted(cx: Context, conn: ConnId, from: Address): void;
  /** The next four: false when the connection, or operation, is not this role's. */
  onConnected(cx: Context, conn: ConnId): boolean;
  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): boolean;
  onClosed(cx: Context, conn: ConnId, cause: CloseCause): boolean;
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean;
  onDrained(cx: Context, conn: ConnId): boolean;
  deadline(): Millis;
  onDeadline(cx: Context): void;
  /** The end of every event: what was gathered for other servers is handed over. */
  flush(cx: Context): void;

  // What clients of this server ask, while it serves. `body` is lent.

  submitWrite(cx: Context, request: Request, body: Reader): void;
  /** `request.session` is the new session's id; global sessions only. */
  submitCreateSession(cx: Context, request: Request, timeout: Millis): void;
  submitSync(cx: Context, request: Request): void;
  /** May a client go on with `session` here? Answered now or later, once, unless the role ends before. */
  revalidate(cx: Context, session: SessionId, timeout: Millis, answer: (cx: Context, valid: boolean) => void): void;
  /** Writes accepted and not yet committed. */
  readonly outstanding: number;

  /** For four-letter words and checkers. */
  describe(): RoleDescription;
}

export interface RoleDescription {
  readonly epoch: number;
  /** Leading: learners that are connected, by id. */
  readonly learners: readonly LearnerDescription[];
  readonly proposalsOutstanding: number;
  readonly lastProposed: Zxid;
  readonly lastCommitted: Zxid;
  /** Learning: who leads. */
  readonly leader: number | undefined;
  /** Leading: syncs that wait for a commit. */
  readonly pendingSyncs?: number;
}

export interface LearnerDescription {
  readonly id: number;
  readonly observer: boolean;
  readonly synced: boolean;
  readonly remote: Address;
  readonly queuedBytes: number;
}
