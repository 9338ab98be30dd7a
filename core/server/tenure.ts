/**
 * What a server of an ensemble makes new for each role, and again when the database is replaced within one: the shared
 * state of its stages, the stage that applies, snapshots, the reaper of a leader. The role itself is zab/'s.
 */
import type { Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import { anyoneMay, checkAcl } from "../auth/acl.ts";
import type { AuthProviders } from "../auth/providers.ts";
import type { SessionId } from "../base/ids.ts";
import { formatSession } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { Reader } from "../jute/reader.ts";
import { Writer } from "../jute/writer.ts";
import { ApplyStage } from "../pipeline/apply.ts";
import { Reads } from "../pipeline/reads.ts";
import type { Replies } from "../pipeline/replies.ts";
import type { Origin } from "../pipeline/request.ts";
import { Request } from "../pipeline/request.ts";
import type { Mutants, ServerState } from "../pipeline/state.ts";
import type { ServerStats } from "../pipeline/stats.ts";
import { Perms } from "../protocol/data.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { WatchTable } from "../watch/watch-table.ts";
import type { Role } from "../zab/role.ts";
import type { Database } from "./database.ts";
import { Reaper } from "./reaper.ts";
import { Snapshots } from "./snapshots.ts";

const NO_BODY = new Reader(new Uint8Array(0));

export interface TenureParts {
  readonly config: ServerConfig;
  readonly auth: AuthProviders;
  readonly stats: ServerStats;
  readonly replies: Replies;
  readonly mutants: Mutants;
}

export class Tenure {
  readonly state: ServerState;
  readonly apply: ApplyStage;
  readonly reads: Reads;
  readonly snapshots: Snapshots;
  #reaper: Reaper | undefined;
  #leader: Role | undefined;

  constructor(parts: TenureParts, database: Database, now: Millis) {
    const { config, auth, stats, replies, mutants } = parts;
    const { tree, sessions } = database;
    const watches = new WatchTable({
      anyoneMayRead: (acl) => config.skipAcl || anyoneMay(tree.aclOf(acl), Perms.READ),
      mayRead: (watcher, acl) => checkAcl(auth, tree.aclOf(acl), Perms.READ, (watcher as Origin).ids, config.skipAcl),
    });
    this.state = { config, tree, sessions, watches, auth, stats, mutants };
    this.apply = new ApplyStage(this.state, undefined, replies);
    this.reads = new Reads(this.state, replies);
    this.snapshots = new Snapshots(this.state, now);
  }

  /** `role` leads, and serves from now on: what only a leader does by itself begins. */
  lead(cx: Context, role: Role): void {
    this.#leader = role;
    this.#reaper = new Reaper(this.state, cx.now, (then, path) => {
      role.submitWrite(then, Request.internal(OpCode.deleteContainer, then.now), bodyOfPath(path));
    });
    // What owns nodes and is no session can only be ended by a txn: the trees of all servers stay equal (Java kills it
    // in its own tree alone).
    for (const session of this.state.sessions.orphans(this.state.tree)) this.#close(cx, session);
  }

  /** `serving`: requests and sessions are looked after. */
  deadline(serving: boolean): Millis {
    if (!serving) return Infinity;
    const { sessions } = this.state;
    return Math.min(sessions.earliest(), this.snapshots.deadline(), this.#reaper?.deadline() ?? Infinity);
  }

  onDeadline(cx: Context): void {
    this.#expire(cx);
    this.#reaper?.onDeadline(cx);
    this.snapshots.onDeadline(cx);
  }

  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): void {
    this.snapshots.onDiskDone(cx, op, outcome);
  }

  /** A snapshot of what is applied, named after the last txn in it. */
  takeSnapshot(cx: Context, lastTxn: Zxid): void {
    this.snapshots.take(cx, lastTxn);
  }

  #expire(cx: Context): void {
    const { sessions, stats } = this.state;
    if (sessions.earliest() > cx.now) return;
    for (const session of sessions.takeExpired(cx.now)) {
      stats.count("stale_sessions_expired");
      cx.facts.log("info", "session expired", { session: formatSession(session) });
      this.#close(cx, session);
    }
  }

  #close(cx: Context, session: SessionId): void {
    this.#leader?.submitWrite(cx, Request.internal(OpCode.closeSession, cx.now, session), NO_BODY);
  }
}

/** A request's body that is nothing but a path. */
function bodyOfPath(path: string): Reader {
  const w = new Writer(path.length + 16);
  w.string(path);
  return new Reader(w.bytes, 0, w.length);
}
