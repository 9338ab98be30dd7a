/** The rules of an election, one at a time: this server is 1 of 1 to 3 unless a test says otherwise. */
import { expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import { LONG_MIN, PeerState } from "../../../core/protocol/election-messages.ts";
import { Desk, frameOf } from "./desk.ts";
import type { DeskOptions } from "./desk.ts";
import { configOf } from "./members.ts";

const { looking, following, leading, observing } = PeerState;
const FIVE = configOf([1, 2, 3, 4, 5]);
const z = (epoch: number, counter: number): Zxid => packZxid(epoch, counter);

/** Looking in round 1, with links to all others, who have heard its first vote. */
function among(options: DeskOptions = {}): Desk {
  const desk = new Desk(options).start();
  for (const id of desk.view.members()) {
    if (id > desk.myId && !(options.down ?? []).includes(id)) desk.connect(id);
  }
  for (const id of desk.view.members()) if (desk.wireOf(id) !== undefined) desk.heard(id);
  return desk;
}

/** Two more of the five answer as those do who follow `leader`. */
function answers(desk: Desk, leader: number, said: object = {}): void {
  for (const id of [3, 4]) desk.say(id, { state: following, leader, ...said });
  desk.say(leader, { state: leading, leader, ...said });
}

test("a better vote is taken over and passed on; it wins when everybody has cast it", () => {
  const desk = among();
  desk.vote(2, 2);
  expect(desk.heard(3)).toMatchObject([{ state: looking, leader: 2, round: 1 }]);
  desk.vote(3, 3);
  expect(desk.heard(2)).toMatchObject([{ leader: 2 }, { leader: 3 }]);
  desk.pass(0);
  expect(desk.elected).toEqual([]);
  desk.vote(2, 3);
  desk.pass(0);
  expect(desk.elected).toEqual([{ leader: 3, zxid: 0, round: 1, peerEpoch: 0 }]);
});

test("a quorum waits finalizeWait for a better vote while somebody could still cast one", () => {
  const desk = among();
  desk.vote(2, 2);
  desk.pass(199);
  expect(desk.elected).toEqual([]);
  desk.pass(1);
  expect(desk.elected).toMatchObject([{ leader: 2 }]);
});

test("a better vote within finalizeWait starts it again", () => {
  const desk = among();
  desk.vote(2, 2);
  desk.pass(150);
  desk.vote(3, 3);
  desk.pass(199);
  expect(desk.elected).toEqual([]);
  desk.pass(1);
  expect(desk.elected).toMatchObject([{ leader: 3 }]);
});

test("nobody waits for a server that refuses connections", () => {
  const desk = among({ down: [3] });
  desk.vote(2, 2);
  desk.pass(0);
  expect(desk.elected).toMatchObject([{ leader: 2 }]);
});

test("a quorum that waits is done when the last one who could object is seen to be gone", () => {
  const desk = among();
  desk.pass(5000);
  desk.vote(2, 2);
  desk.pass(0);
  expect(desk.elected).toEqual([]);
  desk.kill(3);
  desk.pass(0);
  expect(desk.elected).toMatchObject([{ leader: 2 }]);
});

test("a server that is alone in its ensemble elects itself", () => {
  const desk = new Desk({ config: configOf([1]) }).start();
  expect(desk.elected).toEqual([]);
  desk.pass(0);
  expect(desk.elected).toEqual([{ leader: 1, zxid: 0, round: 1, peerEpoch: 0 }]);
});

test("without answers the vote is sent again, at intervals that double up to the greatest", () => {
  const desk = among({ ensemble: { minNotificationInterval: 200, maxNotificationInterval: 1000 } });
  const sent: number[] = [];
  const began = desk.now;
  for (let ms = 0; ms < 4000; ms += 100) {
    desk.pass(100);
    if (desk.heard(2).length > 0) sent.push(desk.now - began);
  }
  expect(sent).toEqual([200, 600, 1400, 2400, 3400]);
});

test("votes of an earlier round are answered with the present vote and not counted", () => {
  const desk = among();
  desk.event((cx) => desk.election.lookForLeader(cx));
  desk.heard(2);
  desk.vote(2, 2, { round: 1 });
  desk.vote(3, 3, { round: 1 });
  expect(desk.heard(2)).toMatchObject([{ state: looking, leader: 1, round: 2 }]);
  desk.pass(1000);
  expect(desk.elected).toEqual([]);
});

test("a later round is joined with the better of its vote and the own one, and what was counted is forgotten", () => {
  const desk = among({ zxid: z(1, 5), epoch: 1, config: FIVE });
  desk.vote(5, 5, { zxid: z(1, 9), peerEpoch: 1 });
  desk.vote(4, 5, { zxid: z(1, 9), peerEpoch: 1 });
  desk.heard(2);
  desk.vote(2, 2, { round: 7, zxid: z(1, 2), peerEpoch: 1 });
  expect(desk.heard(2)).toMatchObject([{ leader: 1, zxid: z(1, 5), round: 7 }]);
  desk.vote(3, 3, { round: 9, zxid: z(1, 6), peerEpoch: 1 });
  expect(desk.heard(2)).toMatchObject([{ leader: 3, zxid: z(1, 6), round: 9 }]);
  desk.pass(1000);
  expect(desk.elected).toEqual([]);
});

test("one that was in a role when the votes were cast is told again, once", () => {
  const desk = among();
  desk.vote(3, 3);
  desk.heard(2);
  desk.vote(2, 2);
  expect(desk.heard(2)).toMatchObject([{ state: looking, leader: 3 }]);
  desk.vote(2, 2);
  expect(desk.heard(2)).toEqual([]);
});

test("fail-over: with the leader dead, the two that are left decide in one round trip", () => {
  const desk = among();
  desk.event(() => desk.election.settled("following", { leader: 3, zxid: z(1, 0), round: 1, peerEpoch: 1 }));
  desk.pass(60_000);
  // 2 notices first, and asks while this server still follows.
  desk.vote(2, 2, { round: 2, zxid: z(1, 7), peerEpoch: 1 });
  expect(desk.heard(2)).toMatchObject([{ state: following, leader: 3 }]);
  desk.kill(3);
  desk.zxid = z(1, 7);
  desk.epoch = 1;
  desk.event((cx) => desk.election.lookForLeader(cx));
  expect(desk.heard(2)).toMatchObject([{ state: looking, leader: 1, round: 2 }]);
  // It answers a worse vote of its round.
  desk.vote(2, 2, { round: 2, zxid: z(1, 7), peerEpoch: 1 });
  expect(desk.heard(2)).toMatchObject([{ state: looking, leader: 2, round: 2 }]);
  desk.pass(0);
  expect(desk.elected).toEqual([{ leader: 2, zxid: z(1, 7), round: 2, peerEpoch: 1 }]);
});

test("who looks is answered by who does not: the settled vote, its round, the live epoch", () => {
  const desk = among();
  desk.event(() => desk.election.settled("following", { leader: 3, zxid: z(1, 4), round: 6, peerEpoch: 1 }));
  desk.election.setVoteEpoch(2);
  desk.vote(2, 2, { round: 40 });
  expect(desk.heard(2)).toMatchObject([{ state: following, leader: 3, zxid: z(1, 4), round: 6, peerEpoch: 2 }]);
  desk.say(2, { state: following, leader: 3, round: 6 });
  desk.say(2, { state: leading, leader: 2, round: 6 });
  expect(desk.heard(2)).toEqual([]);
});

test("a running ensemble is joined on the word of a quorum that includes its leader", () => {
  const desk = among({ config: FIVE });
  answers(desk, 2, { round: 12, zxid: z(3, 1), peerEpoch: 4 });
  desk.pass(0);
  expect(desk.elected).toEqual([{ leader: 2, zxid: z(3, 1), round: 12, peerEpoch: 4 }]);
  expect(desk.election.vote).toEqual(desk.elected[0]);
});

test("an election that others have decided in this round is joined the same way", () => {
  const desk = among();
  desk.say(2, { state: following, leader: 3, round: 1 });
  desk.pass(0);
  expect(desk.elected).toEqual([]);
  desk.say(3, { state: leading, leader: 3, round: 1, peerEpoch: 7 });
  desk.pass(0);
  expect(desk.elected).toMatchObject([{ leader: 3, round: 1, peerEpoch: 7 }]);
});

test("votes of observers, for observers and for strangers are passed over", () => {
  const desk = among({ config: configOf([1, 2, 3], [8]) });
  desk.vote(2, 8);
  desk.vote(3, 9);
  desk.say(2, { state: observing, leader: 3 });
  desk.say(8, { state: looking, leader: 8, zxid: z(9, 9) });
  desk.say(3, { state: leading, leader: 9 });
  desk.pass(1000);
  expect(desk.elected).toEqual([]);
});

test("one without a vote is answered at once, and told when there is a leader", () => {
  const desk = among({ config: configOf([1, 2, 3], [8]) });
  const question = { leader: LONG_MIN, zxid: LONG_MIN as Zxid, peerEpoch: LONG_MIN, round: 9 };
  desk.say(8, question);
  expect(desk.heard(8)).toMatchObject([{ state: looking, leader: 1, round: 1 }]);
  desk.say(8, question);
  expect(desk.heard(8)).toEqual([]);
  desk.vote(2, 3);
  desk.vote(3, 3);
  desk.pass(0);
  expect(desk.heard(8)).toMatchObject([{ state: following, leader: 3 }]);
  desk.say(8, question);
  expect(desk.heard(8)).toMatchObject([{ state: following, leader: 3 }]);
  // Not to a greeting from the past, or two that lost their votes would never be quiet.
  desk.say(8, { state: observing, leader: 3 });
  expect(desk.heard(8)).toEqual([]);
});

test("an observer asks with a vote that cannot win, and follows what a quorum says", () => {
  const desk = among({ config: configOf([2, 3, 4], [1]), zxid: z(5, 5), epoch: 5 });
  desk.pass(200);
  const nothing = { leader: LONG_MIN, zxid: LONG_MIN, peerEpoch: LONG_MIN };
  expect(desk.heard(3)).toMatchObject([{ ...nothing, state: looking, round: 1 }]);
  // Votes of an open election, even a quorum of them, are not for it.
  for (const id of [2, 3, 4]) desk.vote(id, 4, { round: 6 });
  desk.pass(1000);
  expect(desk.elected).toEqual([]);
  desk.say(3, { state: following, leader: 4, round: 6 });
  desk.say(4, { state: leading, leader: 4, round: 6 });
  desk.pass(0);
  expect(desk.elected).toMatchObject([{ leader: 4, round: 6 }]);
  desk.heard(2);
  desk.vote(2, 2, { round: 7 });
  expect(desk.heard(2)).toMatchObject([{ state: observing, leader: 4, round: 6 }]);
});

test("an observer keeps asking every two seconds at least", () => {
  const desk = among({ config: configOf([2, 3], [1]) });
  desk.pass(60_000);
  desk.heard(2);
  desk.pass(10_000);
  expect(desk.heard(2).length).toBeGreaterThanOrEqual(5);
});

test("a server that is to get its vote back with data (zxid -1) neither counts nor is counted", () => {
  const empty = among({ zxid: -1 });
  empty.vote(2, 2, { zxid: z(1, 1), peerEpoch: 1 });
  empty.vote(3, 2, { zxid: z(1, 1), peerEpoch: 1 });
  empty.pass(1000);
  expect(empty.elected).toEqual([]);
  empty.say(2, { state: leading, leader: 2 });
  empty.say(3, { state: following, leader: 2 });
  empty.pass(0);
  expect(empty.elected).toMatchObject([{ leader: 2 }]);
  const desk = among();
  desk.vote(2, 2, { zxid: -1 as Zxid, peerEpoch: 9 });
  desk.pass(1000);
  expect(desk.elected).toEqual([]);
});

test("the configuration goes with every vote; a newer one ends the election and begins another", () => {
  const desk = among({ config: configOf([1, 2, 3], [], "version=100000000") });
  const newer = configOf([1, 2, 3, 4], [], "version=200000000");
  desk.vote(2, 2, { config: newer.text() });
  expect(desk.newerConfigs).toHaveLength(1);
  expect(desk.heard(3)).toMatchObject([{ config: desk.view.current.text(), leader: 2 }]);
  desk.adopts = true;
  desk.vote(2, 2, { config: newer.text() });
  expect(desk.view.current.version).toBe(z(2, 0));
  expect(desk.heard(3)).toMatchObject([{ config: newer.text(), leader: 1, round: 2 }]);
  desk.vote(2, 2, { config: configOf([1, 2], [], "version=100000000").text() });
  desk.event(() => desk.election.settled("following"));
  desk.vote(2, 2, { config: configOf([1, 2], [], "version=300000000").text() });
  expect(desk.newerConfigs).toHaveLength(2);
});

test("a vote may come in all three sizes", () => {
  const desk = among();
  const full = frameOf({ leader: 3, zxid: z(2, 1), peerEpoch: 2 });
  const wire = desk.wireOf(3);
  const cut = (size: number): Uint8Array => Uint8Array.of(0, 0, 0, size, ...full.subarray(4, 4 + size));
  for (const size of [28, 40, 48]) {
    desk.event((cx) => desk.election.lookForLeader(cx));
    const round = Uint8Array.from(cut(size === 48 ? 44 : size));
    new DataView(round.buffer).setBigInt64(24, BigInt([28, 40, 48].indexOf(size) + 2));
    desk.heard(2);
    desk.give(wire, round);
    expect(desk.heard(2).at(-1)).toMatchObject({ leader: 3, peerEpoch: 2, zxid: z(2, 1) });
  }
});

test("while a new configuration is pending, it takes a quorum of both", () => {
  const desk = among({ config: configOf([1, 2, 3], [], "version=100000000") });
  desk.view.lastSeen = configOf([1, 4, 5], [], "version=200000000");
  desk.event((cx) => desk.election.lookForLeader(cx));
  desk.connect(4);
  desk.connect(5);
  desk.vote(2, 2);
  desk.vote(3, 2);
  desk.pass(0);
  desk.pass(1000);
  expect(desk.elected).toEqual([]);
  const round = desk.heard(3).at(-1)!.round;
  for (const id of [2, 3, 4]) desk.vote(id, 4, { round });
  desk.pass(1000);
  expect(desk.elected).toMatchObject([{ leader: 4 }]);
});

test("S32: a server counts itself, and a quorum of the others alone is told so", () => {
  const desk = among({ id: 3, down: [2] });
  desk.vote(1, 3);
  desk.pass(0);
  expect(desk.elected).toMatchObject([{ leader: 3 }]);
});

test("S34: answers that name this server do not make it the leader of an ensemble that has gone on", () => {
  const desk = among({ config: FIVE, zxid: z(2, 9), epoch: 2 });
  for (const id of [2, 3, 4, 5]) desk.say(id, { state: following, leader: 1, round: 5, zxid: z(1, 3), peerEpoch: 2 });
  desk.pass(1000);
  expect(desk.elected).toEqual([]);
  // The same in a round that happens to be its own: the vote is of another life.
  for (const id of [2, 3, 4, 5]) desk.say(id, { state: following, leader: 1, round: 1, zxid: z(1, 3), peerEpoch: 2 });
  desk.pass(1000);
  expect(desk.elected).toEqual([]);
});

test("S34: nobody follows a leader who does not say that it leads", () => {
  const desk = among({ config: FIVE });
  for (const id of [2, 3, 4]) desk.say(id, { state: following, leader: 5, round: 5 });
  desk.pass(1000);
  expect(desk.elected).toEqual([]);
  desk.say(5, { state: leading, leader: 5, round: 5 });
  desk.pass(0);
  expect(desk.elected).toMatchObject([{ leader: 5 }]);
});

test("S35: others that decided for this server in its round make it the leader", () => {
  const desk = among({ id: 3, zxid: z(1, 3), epoch: 1 });
  const vote = { state: following, leader: 3, zxid: z(1, 3), peerEpoch: 1 };
  desk.say(1, { ...vote, round: 2 });
  desk.say(2, { ...vote, round: 2 });
  desk.pass(1000);
  expect(desk.elected).toEqual([]);
  desk.say(1, { ...vote, round: 1 });
  desk.pass(0);
  expect(desk.elected).toMatchObject([{ leader: 3, round: 1 }]);
});

test("S36: members that joined at different times are believed together", () => {
  const desk = among({ config: FIVE });
  desk.say(2, { state: following, leader: 5, round: 3, zxid: z(6, 1), peerEpoch: 7 });
  desk.say(3, { state: following, leader: 5, round: 9, zxid: z(5, 2), peerEpoch: 7 });
  desk.say(5, { state: leading, leader: 5, round: 4, zxid: z(6, 8), peerEpoch: 7 });
  desk.pass(0);
  expect(desk.elected).toMatchObject([{ leader: 5, round: 4 }]);
});

test("S38: a voter that changes its mind while others wait is not counted any more", () => {
  const desk = among({ config: FIVE });
  desk.vote(2, 4);
  desk.vote(4, 4);
  desk.pass(100);
  desk.vote(2, 5);
  desk.vote(5, 5);
  desk.pass(150);
  expect(desk.elected).toEqual([]);
  desk.pass(50);
  expect(desk.elected).toMatchObject([{ leader: 5 }]);
});

test("S39: votes of this election and of another are never counted together", () => {
  const desk = among({ config: FIVE });
  desk.vote(5, 5);
  desk.say(2, { state: following, leader: 5, round: 8 });
  desk.pass(1000);
  expect(desk.elected).toEqual([]);
  desk.say(3, { state: following, leader: 5, round: 8 });
  desk.pass(1000);
  expect(desk.elected).toEqual([]);
});

test("S40: a message that makes no sense is dropped, and the next one is heard", () => {
  const desk = among();
  const wire = desk.wireOf(3);
  const full = frameOf({ leader: 3 });
  const broken: Uint8Array[] = [
    Uint8Array.of(0, 0, 0, 4, 1, 2, 3, 4),
    Uint8Array.of(0, 0, 0, 43, ...full.subarray(4, 47)),
    frameOf({ leader: 3, state: 9 as PeerState }),
    frameOf({ leader: 3, round: 2 ** 52 }),
    frameOf({ leader: 3, round: LONG_MIN }),
  ];
  const negative = full.slice();
  negative.fill(0xff, 44, 48);
  const long = full.slice();
  long.fill(0x7f, 44, 48);
  for (const bytes of [...broken, negative, long]) desk.give(wire, bytes);
  expect(wire.open).toBe(true);
  expect(desk.heard(2)).toEqual([]);
  for (const config of ["version=zz", "server.x=1", "\u0000", "server.1=a:1:2;3;4;5"]) {
    desk.vote(2, 2, { config });
  }
  expect(desk.newerConfigs).toEqual([]);
  desk.vote(2, 3);
  desk.vote(3, 3, { config: "server.x=1" });
  desk.pass(0);
  expect(desk.elected).toMatchObject([{ leader: 3 }]);
});

test("S37: a server of weight 0 votes, and is not voted for", () => {
  const config = configOf([1, 2, 3], [], "group.1=1:2:3\nweight.1=1\nweight.2=1\nweight.3=0");
  const desk = among({ config });
  desk.vote(3, 3, { zxid: z(9, 9), peerEpoch: 9 });
  expect(desk.heard(2)).toEqual([]);
  expect(desk.heard(3)).toEqual([]);
  desk.vote(2, 2);
  desk.vote(3, 2);
  desk.pass(0);
  expect(desk.elected).toMatchObject([{ leader: 2 }]);
});

test("stale and repeated messages change nothing once there is a leader", () => {
  const desk = among();
  desk.vote(2, 3);
  desk.vote(3, 3);
  desk.pass(0);
  desk.vote(2, 2);
  desk.vote(3, 3, { round: 1 });
  desk.say(3, { state: leading, leader: 3 });
  desk.pass(5000);
  expect(desk.elected).toHaveLength(1);
  expect(desk.election.vote.leader).toBe(3);
  expect(desk.election.deadline()).toBe(Infinity);
});

test("a role without an election tells others of the leader it was given", () => {
  const desk = among();
  desk.event(() => desk.election.settled("leading", { ...desk.election.vote, leader: 1, round: 4 }));
  desk.vote(2, 2, { round: 5 });
  expect(desk.heard(2)).toMatchObject([{ state: leading, leader: 1, round: 4 }]);
});
