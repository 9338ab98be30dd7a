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
export const MUTANT_NAMES = ["ack-before-sync", "skip-directory-sync", "misreplay-multi"] as const;
export type MutantName = (typeof MUTANT_NAMES)[number];
export type Mutants = ReadonlySet<MutantName>;
export const NO_MUTANTS: Mutants = new Set<MutantName>();
