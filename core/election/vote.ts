/**
 * Votes: which is better, which are the same, which make a decision (Java: Vote, SyncedLearnerTracker, and the three
 * predicates of FastLeaderElection; reference, section 2.6). Pure: whose turn it is and who is told, is election.ts's.
 */
import type { Zxid } from "../base/zxid.ts";
import { PeerState } from "../protocol/election-messages.ts";
import type { QuorumView } from "../quorum/view.ts";

/** What an election settles on. */
export interface Vote {
  readonly leader: number;
  /** The last zxid of the proposed leader, as the voter knew it. */
  readonly zxid: Zxid;
  /** The round (logical clock) it was cast in. */
  readonly round: number;
  /** The leader's currentEpoch; once somebody serves in its epoch, that one. */
  readonly peerEpoch: number;
}

/** A vote with what else its message said. */
export interface CastVote extends Vote {
  readonly state: PeerState;
  /** The message was of a form without a version, or the vote is kept as if it were (Java: version 0). */
  readonly unversioned: boolean;
}

/**
 * The total order: epoch, then zxid, then id. The epoch comes first because a long history of an old epoch may be one
 * that was never committed (reference, S33). Who has no weight never wins (S37).
 */
export function isBetter(view: QuorumView, vote: Vote, than: Vote): boolean {
  if (view.weightOf(vote.leader) === 0) return false;
  if (vote.peerEpoch !== than.peerEpoch) return vote.peerEpoch > than.peerEpoch;
  if (vote.zxid !== than.zxid) return vote.zxid > than.zxid;
  return vote.leader > than.leader;
}

/**
 * Members of one healthy ensemble report different zxids and rounds for the same leader, as they joined at different
 * times; only votes in an open election must agree in everything (reference, S36).
 */
export function isSame(one: CastVote, other: CastVote): boolean {
  if (one.leader !== other.leader) return false;
  if (one.state === PeerState.looking || other.state === PeerState.looking) {
    return one.zxid === other.zxid && one.round === other.round && one.peerEpoch === other.peerEpoch;
  }
  return one.unversioned !== other.unversioned || one.peerEpoch === other.peerEpoch;
}

/** The ids of those whose vote in `votes` is the same as `vote`. */
export function supporters(votes: ReadonlyMap<number, CastVote>, vote: CastVote): Set<number> {
  const ids = new Set<number>();
  for (const [id, cast] of votes) if (isSame(cast, vote)) ids.add(id);
  return ids;
}

/**
 * May `vote`, which a quorum of servers that are no longer looking holds, be believed? Its leader must itself have said
 * that it leads, or a server that comes back would follow, or be, one that is long gone (reference, S34). If the leader
 * is this server, it must be the very vote it cast in this round (S35; Java compares the round only, which a leader that
 * restarts at once in round 1 passes by accident).
 */
export function isLedBy(votes: ReadonlyMap<number, CastVote>, vote: Vote, cast: Vote, myId: number): boolean {
  if (vote.leader === myId) return vote.round === cast.round && vote.zxid === cast.zxid;
  return votes.get(vote.leader)?.state === PeerState.leading;
}
