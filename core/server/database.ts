/**
 * What a server of an ensemble keeps from role to role: tree, sessions, log, the last committed txns (Java: ZKDatabase,
 * ZOOKEEPER-2678). Between roles it equals what the log on disk holds, so a vote never understates the log.
 */
import type { Context } from "../actor.ts";
import type { ServerConfig } from "../config.ts";
import type { Mutants } from "../pipeline/state.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { SessionTracker } from "../session/tracker.ts";
import type { Recovered } from "../storage/recovery.ts";
import { TxnLog } from "../storage/txn-log.ts";
import type { DataTree } from "../tree/data-tree.ts";
import { NO_LISTENER } from "../tree/data-tree.ts";
import { CommittedLog } from "../zab/committed-log.ts";
import type { Proposal } from "../zab/role.ts";

export class Database {
  readonly #config: ServerConfig;
  readonly #mutants: Mutants;
  readonly sessions: SessionTracker;
  tree: DataTree;
  log: TxnLog;
  committedLog: CommittedLog;

  constructor(cx: Context, config: ServerConfig, recovered: Recovered, mutants: Mutants) {
    this.#config = config;
    this.#mutants = mutants;
    this.sessions = new SessionTracker(config.tickTime, config.serverId, cx.wall);
    this.tree = recovered.tree;
    this.log = this.#newLog();
    this.committedLog = this.#newCommittedLog(recovered);
    this.sessions.replaceAll(recovered.sessions, cx.now);
  }

  /** Another history takes the place of this one (SNAP, TRUNC). */
  replace(cx: Context, recovered: Recovered): void {
    this.tree = recovered.tree;
    this.log = this.#newLog();
    this.committedLog = this.#newCommittedLog(recovered);
    this.sessions.replaceAll(recovered.sessions, cx.now);
  }

  /** What is logged but was not committed while the role lasted: memory must not stay behind the log (S07, S08). */
  fastForward(cx: Context, proposal: Proposal): void {
    const { request, payload } = proposal;
    const txn = request.txn!;
    this.tree.apply(
      { clientId: request.session, cxid: request.xid, zxid: request.zxid, time: request.time, type: txn.type },
      txn,
      NO_LISTENER,
    );
    if (txn.type === OpCode.createSession) this.sessions.add(request.session, txn.timeOut, cx.now);
    else if (txn.type === OpCode.closeSession) this.sessions.remove(request.session);
    this.committedLog.add(request.zxid, payload);
    cx.facts.applied(request.zxid, this.tree.treeDigest.to53());
  }

  #newLog(): TxnLog {
    return new TxnLog(this.#config, this.tree.lastProcessedZxid, this.#mutants);
  }
  #newCommittedLog(recovered: Recovered): CommittedLog {
    return new CommittedLog(this.#config.commitLogCount, recovered.committed, recovered.lastZxid);
  }
}
