/** The dialogue of a learner and its leader, from the first byte until clients may come. */
import { expect, test } from "vitest";
import { packZxid } from "../../../core/base/zxid.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { PacketType } from "../../../core/protocol/quorum-packets.ts";
import { LearnerBench, MEMBERS } from "./learner-bench.ts";
import { inDiff, serving } from "./learner-scenes.ts";
import {
  History,
  commit,
  diff,
  leaderInfo,
  newLeader,
  packet,
  pair,
  ping,
  proposal,
  sync,
  upToDate,
} from "./scripted-leader.ts";

test("a follower says what Java's says, and four bytes more about itself", () => {
  const bench = new LearnerBench();
  bench.begin();
  expect(bench.dialled).toEqual(["10.0.0.3:2888"]);
  bench.connected();
  expect(bench.heardBytes()).toBe(
    "0000000b00000000000000000000001800000000000000010001000000000000000000005649" + "5641ffffffff",
  );
  bench.say(leaderInfo(1));
  bench.run();
  expect(bench.heardBytes()).toBe("0000001200000000000000000000000400000000ffffffff");
  bench.say(diff(0 as Zxid), newLeader(1));
  bench.run();
  expect(bench.heardBytes()).toBe("000000030000000100000000ffffffffffffffff");
  bench.say(upToDate());
  expect(bench.heardBytes()).toBe("000000030000000100000000ffffffffffffffff");
  expect(bench.serving).toBe(true);
  expect(bench.voteEpoch).toBe(1);
  bench.say(ping(packZxid(1, 7)));
  expect(bench.heardBytes()).toBe("00000005000000010000000700000000ffffffff");
});

test("an observer introduces itself as one", () => {
  const bench = new LearnerBench({ observer: true });
  bench.begin();
  bench.connected();
  expect(bench.heardLines()).toEqual(["OBSERVERINFO 0x0"]);
  expect(bench.learner.kind).toBe("observing");
});

test("a promise is durable before it is given", () => {
  const bench = new LearnerBench();
  bench.begin();
  bench.connected();
  bench.heard();
  bench.say(leaderInfo(4));
  while (bench.epochs.accepted < 4) {
    expect(bench.heard()).toEqual([]);
    expect(bench.step()).toBe(true);
  }
  expect(bench.heardLines()).toEqual(["ACKEPOCH 0x0"]);
  bench.restart(true);
  expect(bench.epochs.accepted).toBe(4);
});

test("an epoch that was promised before is answered with -1, an earlier one ends the role", () => {
  const bench = new LearnerBench();
  inDiff(bench, 4);
  bench.cut();
  expect(bench.left).toContain("the connection to the leader is gone");
  bench.begin();
  bench.connected();
  bench.heard();
  bench.say(leaderInfo(4));
  const [answer] = bench.heard();
  expect(answer).toMatchObject({ type: "ACKEPOCH", zxid: 0 });
  expect([...answer!.data!]).toEqual([255, 255, 255, 255]);
  bench.cut();
  bench.begin();
  bench.connected();
  bench.say(leaderInfo(3));
  expect(bench.left).toBe("the leader's epoch 3 is over: this server has promised not to go below 4");
});

test("without a vote an earlier epoch will do, and the later one stays noted", () => {
  const bench = inDiff(new LearnerBench({ observer: true }), 5);
  bench.say(newLeader(5));
  bench.run();
  bench.cut();
  bench.makeStranger();
  inDiff(bench, 4);
  bench.say(newLeader(4));
  bench.run();
  expect(bench.heardLines()).toEqual(["ACK 0x400000000"]);
  expect([bench.epochs.accepted, bench.epochs.current]).toEqual([5, 5]);
});

test("a leader of another version of the protocol is refused", () => {
  const bench = new LearnerBench();
  bench.begin();
  bench.connected();
  bench.say(packet(PacketType.leaderInfo, packZxid(1, 0), Uint8Array.of(0, 1, 0x10, 0)));
  expect(bench.left).toContain("the leader speaks version 69632 of the protocol");
});

test("the leader is dialled ten times, with pauses, and then given up", () => {
  const bench = new LearnerBench();
  bench.begin();
  const times: number[] = [];
  for (let i = 0; i < 9; i++) {
    bench.cut("refused");
    times.push(bench.learner.deadline() - bench.now);
    bench.toDeadline();
  }
  expect(times).toEqual(Array.from({ length: 9 }, () => 100));
  expect(bench.dialled.length).toBe(10);
  bench.cut("refused");
  expect(bench.left).toBe("the leader cannot be reached (refused)");
});

test("a connection that ends before the leader said a word is a failed try", () => {
  const bench = new LearnerBench();
  bench.begin();
  bench.connected();
  bench.heard();
  bench.cut("peer");
  expect(bench.left).toBeUndefined();
  expect(bench.learner.deadline() - bench.now).toBe(100);
  bench.toDeadline();
  expect(bench.dialled.length).toBe(2);
  bench.connected();
  expect(bench.heardLines()).toEqual(["FOLLOWERINFO 0x0"]);
});

test("all tries together take no longer than initLimit, however long one hangs", () => {
  const bench = new LearnerBench();
  bench.begin();
  const began = bench.now;
  expect(bench.toDeadline() - began).toBe(10_000);
  expect(bench.left).toBe("the leader could not be reached in time");
  expect(bench.closed).toBe(true);
});

test("a leader whose address nobody knows is looked for as long as one that refuses", () => {
  const bench = new LearnerBench();
  (bench.view.current.members as Map<number, never>).delete(3);
  bench.begin();
  for (let i = 0; i < 9; i++) bench.toDeadline();
  expect(bench.left).toBe("nobody knows the leader's address");
  expect(bench.dialled).toEqual([]);
});

test("a silent leader is left: after initLimit before NEWLEADER, after syncLimit from then on", () => {
  const early = inDiff(new LearnerBench(), 1);
  const heardAt = early.now;
  expect(early.toDeadline() - heardAt).toBeGreaterThan(9_000);
  expect(early.left).toMatch(/^the leader was silent for 100\d\d ms$/);
  const bench = serving(new LearnerBench(), new History(1).fill(1), 1);
  const at = bench.now;
  const deadline = bench.toDeadline();
  expect(deadline - at).toBeGreaterThan(4_900);
  expect(deadline - at).toBeLessThanOrEqual(5_000);
  expect(bench.left).toMatch(/^the leader was silent/);
});

test("S20: the zxid of a DIFF is not taken for one's own", () => {
  const bench = new LearnerBench();
  bench.begin();
  bench.connected();
  bench.say(leaderInfo(1));
  bench.run();
  bench.say(diff(packZxid(1, 9)));
  bench.cut();
  expect(bench.lastZxid).toBe("0x0");
  bench.settleRole();
  bench.begin();
  bench.connected();
  bench.heard();
  bench.say(leaderInfo(2));
  bench.run();
  expect(bench.heardLines()).toEqual(["ACKEPOCH 0x0"]);
});

test("S46: what comes in a DIFF is applied like anything else, sessions too", () => {
  const history = new History(1);
  history.createSession(0x300n, 4000);
  history.create("/a", "hello");
  history.create("/e", "x", 0x300n, 2, true);
  const bench = serving(new LearnerBench(), history, 1);
  expect(bench.tree.treeDigest.equals(history.tree.treeDigest)).toBe(true);
  expect([...bench.state.sessions.committed()]).toEqual([[0x300n, 4000]]);
  expect(bench.committedLog.max).toBe(history.last);
  expect(bench.trace.filter((line) => line.startsWith("error"))).toEqual([]);
});

test("S12, S13, S14: the history is durable before the epoch, and the epoch before NEWLEADER is acknowledged", () => {
  const bench = inDiff(new LearnerBench(), 1);
  const history = new History(1).fill(3);
  bench.trace.length = 0;
  bench.say(...history.txns.flatMap(pair), newLeader(1));
  bench.run();
  const order = bench.trace.map((line) => line.replace(/\/version-2\//, ":"));
  expect(order).toEqual([
    "sync log:log.100000001",
    "syncDirectory log/version-2",
    "remove data:currentEpoch.tmp",
    "sync data:currentEpoch.tmp",
    "rename data:currentEpoch.tmp data/version-2/currentEpoch",
    "syncDirectory data/version-2",
    "adopted 1",
    "said ACK 0x100000000",
  ]);
});

test("S13: whenever the power fails before NEWLEADER is acknowledged, the epoch is not ahead of the history", () => {
  const history = new History(1).fill(3);
  for (let steps = 0; ; steps++) {
    const bench = inDiff(new LearnerBench(), 1);
    bench.say(...history.txns.flatMap(pair), newLeader(1));
    let left = steps;
    while (left > 0 && bench.step()) left--;
    const acknowledged = bench.heardLines().includes("ACK 0x100000000");
    bench.restart(true);
    if (bench.epochs.current === 1) expect(bench.lastZxid).toBe("0x100000003");
    if (acknowledged) expect(bench.epochs.current).toBe(1);
    if (left > 0) break;
  }
});

test("S16: the first acknowledgement is NEWLEADER's, and then come those of txns that are not committed", () => {
  const bench = inDiff(new LearnerBench(), 1);
  const history = new History(1).fill(4);
  const [a, b, c, d] = history.txns;
  bench.say(...pair(a!), proposal(b!), proposal(c!));
  bench.run();
  expect(bench.heard()).toEqual([]);
  bench.say(newLeader(1), proposal(d!));
  bench.run();
  expect(bench.heardLines()).toEqual(["ACK 0x100000000", "ACK 0x100000002", "ACK 0x100000003", "ACK 0x100000004"]);
});

test("S15: a commit may come between NEWLEADER and UPTODATE for what came before NEWLEADER", () => {
  const bench = inDiff(new LearnerBench(), 1);
  const [a, b] = new History(1).fill(2).txns;
  bench.say(proposal(a!), newLeader(1), commit(a!));
  expect(bench.lastZxid).toBe("0x100000001");
  bench.run();
  bench.say(proposal(b!), commit(b!), upToDate());
  bench.run();
  expect(bench.lastZxid).toBe("0x100000002");
  // What came after NEWLEADER is acknowledged even if others were faster: a leader watches for it.
  expect(bench.heardLines()).toEqual(["ACK 0x100000000", "ACK 0x100000000", "ACK 0x100000002"]);
  expect(bench.left).toBeUndefined();
});

test("NEWLEADER of another epoch ends the role", () => {
  const bench = inDiff(new LearnerBench(), 2);
  bench.say(newLeader(1));
  expect(bench.left).toBe("the leader said NEWLEADER of 0x100000000 in epoch 2");
});

test("txns that are here already are passed over, and so are their commits", () => {
  const history = new History(1).fill(3);
  const bench = serving(new LearnerBench(), history, 1);
  bench.say(...history.txns.flatMap(pair));
  expect(bench.left).toBeUndefined();
  expect(bench.committed.length).toBe(3);
});

test("a gap inside an epoch ends the role, a later epoch goes on from wherever the last one ended", () => {
  const history = new History(1).fill(2);
  history.beginEpoch(3);
  history.create("/later");
  history.create("/latest");
  const [a, b, c, d] = history.txns;
  const gap = inDiff(new LearnerBench(), 3);
  gap.say(...pair(a!), ...pair(c!), proposal({ zxid: packZxid(3, 3), payload: d!.payload }));
  expect(gap.left).toBe("the leader proposed 0x300000003 where 0x300000002 has to come");
  const within = inDiff(new LearnerBench(), 3);
  within.say(...pair(b!));
  expect(within.left).toBeUndefined();
  within.say(...pair(c!), ...pair(d!));
  expect(within.lastZxid).toBe("0x300000002");
});

test("a commit for what was not proposed, or not next, ends the role", () => {
  const [a, b] = new History(1).fill(2).txns;
  const unknown = inDiff(new LearnerBench(), 1);
  unknown.say(commit(a!));
  expect(unknown.left).toBe("the leader committed 0x100000001, which it had not proposed");
  const early = inDiff(new LearnerBench(), 1);
  early.say(proposal(a!), proposal(b!), commit(b!));
  expect(early.left).toBe("the leader committed 0x100000002 where 0x100000001 has to come");
  expect(early.unapplied.map(({ request }) => request.zxid)).toEqual([a!.zxid, b!.zxid]);
});

test("a proposal that is no txn, or another one, ends the role and is not logged", () => {
  const [a, b] = new History(1).fill(2).txns;
  const garbage = inDiff(new LearnerBench(), 1);
  garbage.say(proposal({ zxid: a!.zxid, payload: a!.payload.slice(0, 40) }));
  expect(garbage.left).toBe("the leader proposed 0x100000001, which cannot be decoded");
  const other = inDiff(new LearnerBench(), 1);
  other.say(proposal({ zxid: a!.zxid, payload: b!.payload }));
  expect(other.left).toBe("the leader proposed 0x100000001 with the txn of 0x100000002");
  for (const bench of [garbage, other]) {
    bench.settleRole();
    expect(bench.names().some((name) => name.startsWith("log/"))).toBe(false);
  }
});

test("bytes that are no packet end the role", () => {
  const bench = inDiff(new LearnerBench(), 1);
  bench.say(new Uint8Array(20).fill(0x7f));
  expect(bench.left).toBe("the leader sent what is not a packet");
  expect(bench.closed).toBe(true);
});

test("A5: a packet that cannot come now ends the role, with a line that says which and when", () => {
  const zxid = packZxid(1, 1);
  const known = Object.values(PacketType);
  const expected = new Map<string, readonly number[]>([
    ["introduced", [PacketType.leaderInfo]],
    ["choosing", [PacketType.diff, PacketType.trunc, PacketType.snap]],
    ["syncing", [2, 4, 5, 9, 10]],
    ["adopted", [2, 4, 5, 9, 12]],
    ["broadcasting", [2, 4, 5, 6, 7, 9, 12]],
  ]);
  for (const [phase, may] of expected) {
    for (const type of known.filter((each) => !may.includes(each))) {
      const bench = new LearnerBench();
      bench.begin();
      bench.connected();
      if (phase !== "introduced") bench.say(leaderInfo(1));
      bench.run();
      if (phase !== "introduced" && phase !== "choosing") bench.say(diff(0 as Zxid));
      if (phase === "adopted" || phase === "broadcasting") bench.say(newLeader(1));
      bench.run();
      if (phase === "broadcasting") bench.say(upToDate());
      bench.say(packet(type, zxid));
      expect(bench.left).toMatch(new RegExp(`^the leader sent [A-Z]+, which cannot come while ${phase}$`));
    }
  }
});

test("a type that nobody knows, and UPTODATE said again, are passed over", () => {
  const bench = serving(new LearnerBench(), new History(1).fill(1), 1);
  bench.say(packet(77, 0 as Zxid), upToDate(), packet(-5, 0 as Zxid), ping(packZxid(1, 1)));
  expect(bench.left).toBeUndefined();
  expect(bench.heardLines()).toEqual(["PING 0x100000001"]);
  expect(bench.trace.at(-2)).toBe("error: the leader said UPTODATE again");
});

test("pings before UPTODATE are not answered", () => {
  const bench = inDiff(new LearnerBench(), 1);
  bench.say(ping(0 as Zxid), newLeader(1), ping(0 as Zxid));
  bench.run();
  bench.say(ping(0 as Zxid));
  expect(bench.heardLines()).toEqual(["ACK 0x100000000"]);
});

test("SYNC and answers about sessions mean nothing before UPTODATE", () => {
  const bench = inDiff(new LearnerBench(), 1);
  bench.say(sync());
  expect(bench.left).toBe("the leader sent SYNC, which cannot come while syncing");
});

test("it makes no difference how the bytes are cut", () => {
  const history = new History(1).fill(3);
  const whole = [diff(0 as Zxid), ...history.txns.flatMap(pair), newLeader(1)];
  for (const size of [1, 7, 64]) {
    const bench = new LearnerBench();
    bench.begin();
    bench.connected();
    bench.say(leaderInfo(1));
    bench.run();
    bench.heard();
    const bytes = whole.flatMap((each) => [...each]);
    for (let at = 0; at < bytes.length; at += size) bench.say(Uint8Array.from(bytes.slice(at, at + size)));
    bench.run();
    expect(bench.heardLines()).toEqual(["ACK 0x100000000"]);
    expect(bench.tree.treeDigest.equals(history.tree.treeDigest)).toBe(true);
  }
});

test("S07: what was logged and not committed is handed back, so that memory and log are one history again", () => {
  const history = new History(1).fill(2);
  const bench = serving(new LearnerBench(), history, 1);
  const [c, d] = [history.create("/c"), history.create("/d")];
  bench.say(proposal(c), proposal(d), commit(c));
  bench.cut();
  expect(bench.unapplied.map(({ request }) => request.zxid)).toEqual([d.zxid]);
  bench.settleRole();
  expect(bench.lastZxid).toBe("0x100000004");
  bench.begin();
  bench.connected();
  bench.heard();
  bench.say(leaderInfo(2));
  bench.run();
  expect(bench.heardLines()).toEqual(["ACKEPOCH 0x100000004"]);
  bench.restart(true);
  expect(bench.lastZxid).toBe("0x100000004");
  expect(bench.tree.treeDigest.equals(history.tree.treeDigest)).toBe(true);
});

test("with reconfig off the leader's configuration is not kept; with it on it counts at once and is in force at UPTODATE", () => {
  const text = `${MEMBERS}\nversion=100000000`;
  const off = inDiff(new LearnerBench(), 1);
  off.say(newLeader(1, text));
  off.run();
  off.say(upToDate());
  expect(off.trace.filter((line) => /proposed|activated/.test(line))).toEqual([]);
  const on = inDiff(new LearnerBench({ config: { reconfigEnabled: true } }), 1);
  on.trace.length = 0;
  on.say(newLeader(1, text));
  expect(on.trace[0]).toBe("proposed 100000000");
  on.run();
  expect(on.trace.filter((line) => line.startsWith("activated"))).toEqual([]);
  on.trace.length = 0;
  on.say(upToDate());
  expect(on.trace).toEqual(["activated 100000000 -", "serves", "said ACK 0x100000000"]);
  const bad = inDiff(new LearnerBench({ config: { reconfigEnabled: true } }), 1);
  bad.say(newLeader(1, "nonsense"));
  expect(bad.left).toContain("the leader's configuration is none");
});

test("a role that the leader's configuration changes ends at UPTODATE", () => {
  const bench = inDiff(new LearnerBench({ config: { reconfigEnabled: true } }), 1);
  bench.changesRole = true;
  bench.say(newLeader(1, `${MEMBERS}\nversion=100000000`));
  bench.run();
  bench.say(upToDate());
  expect(bench.left).toBe("configuration, - leads");
  expect(bench.serving).toBe(false);
});
