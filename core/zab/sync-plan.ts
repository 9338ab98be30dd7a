/**
 * How a learner is brought to where its leader is: the decision alone (Java: LearnerHandler.syncFollower,
 * queueCommittedProposals; reference, section 3.5). Carrying it out is catch-up.ts's.
 *
 * What must hold, whatever the choice: the learner's history after it is the leader's. So a learner is only sent what
 * follows a txn that both have, everything it has beyond that one is cut off first, and where neither can be told it
 * gets the whole tree.
 */
import { ZXID_ZERO, counterOf, epochOf } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";

export interface SyncFacts {
  /** Where the learner's history ends, as it says. */
  readonly peer: Zxid;
  /** Where the leader's tree is: the last committed txn, or the `E:0` it began its epoch with. */
  readonly last: Zxid;
  readonly committed: CommittedTxns;
  /** The log on disk may be read. Whether it reaches back to the learner is found out by trying. */
  readonly disk: boolean;
  /**
   * The learner cuts its log before the first record beyond the zxid, whatever its snapshots hold. Java's cut after the
   * first record at or beyond it, and keep newer snapshots (reference, S04 and S05): they get the tree instead.
   */
  readonly mayTruncate: boolean;
  /** `forceSnapshotSync` */
  readonly forced: boolean;
}

/** What the decision needs of the committed log. */
export interface CommittedTxns {
  readonly base: Zxid | undefined;
  readonly max: Zxid;
  has(zxid: Zxid): boolean;
  reaches(zxid: Zxid): boolean;
  indexAfter(zxid: Zxid): number;
  zxidAt(index: number): Zxid;
}

/**
 * - `diff`: what the committed log has after `after`;
 * - `disk`: the same, but what the committed log has no longer comes from the log on disk first; the tree if that does
 *   not reach back far enough;
 * - `trunc`: a cut behind `after`, then like `diff`;
 * - `snap`: the tree.
 */
export type SyncPlan =
  { readonly kind: "diff" | "disk" | "trunc"; readonly after: Zxid } | { readonly kind: "snap"; readonly why: string };

export function planSync(facts: SyncFacts): SyncPlan {
  const { peer, last, committed } = facts;
  if (facts.forced) return snap("forceSnapshotSync is set");
  if (peer === last) return { kind: "diff", after: peer };
  // Not the end of an empty epoch: no history at all. Only a tree is sure to hold what came first (S25).
  if (peer <= ZXID_ZERO) return snap("the learner has no history");
  const endsEpoch = counterOf(peer) === 0;
  if (peer > committed.max && !endsEpoch) return truncate(facts, committed.max);
  if (committed.has(peer)) return { kind: "diff", after: peer };
  if (committed.reaches(peer) && peer <= committed.max) return planWithin(facts, endsEpoch);
  if (committed.reaches(peer)) return snap("the learner's history is another one");
  if (!facts.disk) return snap("the learner is too far behind");
  // Nobody logs `E:0`: where the learner ends there, no record shows that the log reaches back to it, and where the
  // committed log begins there (after the tree of a snapshot), none shows that it reaches up to that.
  if (endsEpoch || (committed.base !== undefined && counterOf(committed.base) === 0)) {
    return snap("no log shows what the learner lacks");
  }
  return { kind: "disk", after: peer };
}

/** The learner's last txn lies among the leader's, and is none of them. */
function planWithin(facts: SyncFacts, endsEpoch: boolean): SyncPlan {
  const { peer, committed } = facts;
  const next = committed.indexAfter(peer);
  // It was given a tree at the beginning of that epoch, and with it everything older.
  if (endsEpoch) return { kind: "diff", after: peer };
  // S01: what it has and nobody else must go. One leader proposed the whole epoch, so a learner that has a later txn
  // of it has the earlier ones; across epochs that need not be.
  const before = next > 0 ? committed.zxidAt(next - 1) : committed.base;
  if (before === undefined || epochOf(before) !== epochOf(peer)) return snap("the learner's history is another one");
  return truncate(facts, before);
}

function truncate(facts: SyncFacts, after: Zxid): SyncPlan {
  if (facts.mayTruncate) return { kind: "trunc", after };
  return snap("the learner has txns that were never committed");
}

function snap(why: string): SyncPlan {
  return { kind: "snap", why };
}
