import fc from "fast-check";
import { expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import type { CastVote, Vote } from "../../../core/election/vote.ts";
import { isBetter, isLedBy, isSame, supporters } from "../../../core/election/vote.ts";
import { PeerState } from "../../../core/protocol/election-messages.ts";
import { QuorumView } from "../../../core/quorum/view.ts";
import { configOf } from "./members.ts";

const view = new QuorumView(1, configOf([1, 2, 3]));
const vote = (leader: number, zxid = 0, peerEpoch = 0, round = 1): Vote => ({
  leader,
  zxid: zxid as Zxid,
  peerEpoch,
  round,
});
const cast = (state: PeerState, of: Vote, unversioned = false): CastVote => ({ ...of, state, unversioned });

test("S33: a later epoch beats a longer history, a longer history a larger id", () => {
  expect(isBetter(view, vote(1, packZxid(1, 5), 2), vote(3, packZxid(1, 900), 1))).toBe(true);
  expect(isBetter(view, vote(1, packZxid(1, 6), 1), vote(3, packZxid(1, 5), 1))).toBe(true);
  expect(isBetter(view, vote(3, packZxid(1, 5), 1), vote(2, packZxid(1, 5), 1))).toBe(true);
  expect(isBetter(view, vote(3), vote(3))).toBe(false);
});

test("S37: a server without weight is never better", () => {
  const weighted = new QuorumView(1, configOf([1, 2, 3], [], "group.1=1:2:3\nweight.1=1\nweight.2=1\nweight.3=0"));
  expect(isBetter(weighted, vote(3, 100, 5), vote(1))).toBe(false);
  expect(isBetter(weighted, vote(2), vote(1))).toBe(true);
});

test("of two different votes exactly one is better, and better is transitive", () => {
  const some = fc.record({
    leader: fc.integer({ min: 1, max: 3 }),
    zxid: fc.integer({ min: -1, max: 3 }).map((zxid) => zxid as Zxid),
    round: fc.constant(1),
    peerEpoch: fc.integer({ min: 0, max: 2 }),
  });
  fc.assert(
    fc.property(some, some, some, (a, b, c) => {
      const same = a.leader === b.leader && a.zxid === b.zxid && a.peerEpoch === b.peerEpoch;
      expect(Number(isBetter(view, a, b)) + Number(isBetter(view, b, a))).toBe(same ? 0 : 1);
      if (isBetter(view, a, b) && isBetter(view, b, c)) expect(isBetter(view, a, c)).toBe(true);
    }),
    { seed: 33 },
  );
});

test("S36: votes of those in a role are the same by leader and epoch, in an open election by everything", () => {
  const one = cast(PeerState.following, vote(3, 5, 2, 1));
  expect(isSame(one, cast(PeerState.leading, vote(3, 9, 2, 7)))).toBe(true);
  expect(isSame(one, cast(PeerState.leading, vote(3, 9, 3, 7)))).toBe(false);
  expect(isSame(one, cast(PeerState.leading, vote(2, 5, 2, 1)))).toBe(false);
  expect(isSame(one, cast(PeerState.looking, vote(3, 9, 2, 1)))).toBe(false);
  expect(isSame(one, cast(PeerState.looking, vote(3, 5, 2, 1)))).toBe(true);
});

test("a message without a version does not know live epochs: only its leader is compared, unless both are such", () => {
  const old = cast(PeerState.following, vote(3, 0, 1), true);
  expect(isSame(old, cast(PeerState.leading, vote(3, 0, 2)))).toBe(true);
  expect(isSame(old, cast(PeerState.leading, vote(3, 0, 2), true))).toBe(false);
});

test("S34, S35: a leader must have said so itself; this server leads only by the vote it cast", () => {
  const votes = new Map([
    [2, cast(PeerState.following, vote(3))],
    [4, cast(PeerState.following, vote(3))],
  ]);
  expect([...supporters(votes, cast(PeerState.following, vote(3)))]).toEqual([2, 4]);
  expect(isLedBy(votes, vote(3), vote(1), 1)).toBe(false);
  votes.set(3, cast(PeerState.leading, vote(3)));
  expect(isLedBy(votes, vote(3), vote(1), 1)).toBe(true);
  expect(isLedBy(votes, vote(1, 7, 0, 2), vote(1, 7, 0, 2), 1)).toBe(true);
  expect(isLedBy(votes, vote(1, 7, 0, 1), vote(1, 7, 0, 2), 1)).toBe(false);
  expect(isLedBy(votes, vote(1, 5, 0, 2), vote(1, 7, 0, 2), 1)).toBe(false);
});
