/** What the stages of one server share. Each part is owned by its own file; this only names them together. */
import type { Context } from "../actor.ts";
import type { ServerConfig } from "../config.ts";
import type { AuthProviders } from "../auth/providers.ts";
import type { Reader } from "../jute/reader.ts";
import type { Txn } from "../protocol/txns.ts";
import type { SessionTracker } from "../session/tracker.ts";
import type { DataTree } from "../tree/data-tree.ts";
import type { WatchTable } from "../watch/watch-table.ts";
import type { PrepareStage } from "./prepare.ts";
import type { Request } from "./request.ts";
import type { ServerStats } from "./stats.ts";

export interface ServerState {
  readonly config: ServerConfig;
  readonly tree: DataTree;
  readonly sessions: SessionTracker;
  readonly watches: WatchTable;
  readonly auth: AuthProviders;
  readonly stats: ServerStats;
  readonly mutants: Mutants;
  /** Of a leader whose ensemble can be changed. */
  readonly reconfig?: ReconfigGate;
}

/** What decides on requests to change the ensemble (Java: PrepRequestProcessor, case reconfig). */
export interface ReconfigGate {
  /**
   * The reconfig txn that `request` makes (its zxid is given, and is the version), or the code of the first check that
   * fails (reference, section 7.3). Switch and session were looked at before; permission is last, so nothing may
   * change by this call. `body` is lent; `stage` shows what is pending.
   */
  prepare(cx: Context, request: Request, body: Reader, stage: PrepareStage): Txn | number;
}

/**
 * Bugs that can be put back, by name, so that tests know the checks can fail. Only a test constructs a server with any:
 * nothing that `serve` reads leads here.
 */
export const STORAGE_MUTANTS = ["ack-before-sync", "skip-directory-sync", "misreplay-multi"] as const;
/** Of ensembles. The number is that of the bug in ZooKeeper's history that it stands for (reference, section 10). */
export const ENSEMBLE_MUTANTS = [
  /** A learner acknowledges a txn on receipt. */
  "ack-proposal-before-sync",
  /** NEWLEADER is acknowledged while its history is on its way to the disk (S12, S14). */
  "newleader-ack-before-log",
  /** The epoch is on the disk before its history (S13). */
  "epoch-before-log",
  /** A leader commits what its own disk has. */
  "commit-without-quorum",
  /** Neither election nor discovery looks at who knows most (S33). */
  "vote-ignores-history",
  /** A promise is in memory before it is on the disk (S18). */
  "epoch-in-memory-first",
  /** When a role ends, what is logged and not committed stays out of memory (S07, S08). */
  "skip-fast-forward",
  /** A learner that has what its leader has not is sent what follows all the same (S01). */
  "diff-when-absent",
  /** A learner with nothing is sent txns from wherever memory begins (S25). */
  "diff-from-nothing",
  /** A learner believes that it is where DIFF says (S20). */
  "memory-zxid-from-diff",
  /** A snapshot's sessions are passed over (S46). */
  "sessions-not-synced",
  /** A session acts wherever it once was. */
  "owner-not-checked",
  /** A session acts although it is closed, or about to be (S47). */
  "session-not-checked",
  /** A server that is behind takes a client that has seen more. */
  "newer-clients-accepted",
  /** What learners say of their clients is not listened to. */
  "touches-ignored",
  /** A learner answers a sync without its leader. */
  "sync-is-local",
] as const;
export type MutantName = (typeof STORAGE_MUTANTS)[number] | (typeof ENSEMBLE_MUTANTS)[number];
export const MUTANT_NAMES: readonly MutantName[] = [...STORAGE_MUTANTS, ...ENSEMBLE_MUTANTS];
export type Mutants = ReadonlySet<MutantName>;
export const NO_MUTANTS: Mutants = new Set<MutantName>();
