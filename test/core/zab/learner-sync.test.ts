/** A learner whose history is replaced: the leader's snapshot, or its own log cut; and what a crash leaves of that. */
import { expect, test } from "vitest";
import { formatZxid, packZxid } from "../../../core/base/zxid.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { LearnerBench } from "./learner-bench.ts";
import { asked, serving } from "./learner-scenes.ts";
import {
  History,
  commit,
  diff,
  leaderInfo,
  newLeader,
  pair,
  ping,
  proposal,
  trunc,
  upToDate,
} from "./scripted-leader.ts";

/** A learner that has `mine`, served in epoch 1, and has been asked by a leader of epoch 2. */
function withHistory(mine: History, bench: LearnerBench = new LearnerBench()): LearnerBench {
  serving(bench, mine, 1);
  bench.cut();
  bench.settleRole();
  return asked(bench, 2);
}

function expectTree(bench: LearnerBench, history: History): void {
  expect(bench.tree.treeDigest.equals(history.tree.treeDigest)).toBe(true);
  expect(new Map(bench.state.sessions.committed())).toEqual(history.sessions);
  expect(bench.lastZxid).toBe(formatZxid(history.last));
}

function cutInto(bytes: Uint8Array, size: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.slice(at, at + size));
  return parts;
}

// SNAP

test("a snapshot takes the place of everything, in memory and on the disk, in however many pieces it comes", () => {
  const theirs = new History(1).fill(200, "/n", "y".repeat(100));
  theirs.createSession(0x300n, 4000);
  theirs.create("/e", "x", 0x300n, 1, true);
  theirs.closeSession(0x301n);
  for (const size of [1, 13, 4096, 1 << 20]) {
    const bench = withHistory(new History(1).fill(2, "/old"));
    const rest = [newLeader(2), ping(0 as Zxid)];
    for (const part of cutInto(theirs.snap(), size)) bench.say(part);
    if (!bench.paused) throw new Error("the leader has to wait until the snapshot is durable");
    bench.run();
    bench.say(...rest);
    bench.run();
    expect(bench.heardLines()).toEqual(["ACK 0x200000000"]);
    bench.say(upToDate());
    expectTree(bench, theirs);
    bench.restart(true);
    expectTree(bench, theirs);
    expect(bench.names().filter((name) => /snapshot|log\./.test(name))).toEqual([
      `data/version-2/snapshot.${theirs.last.toString(16)}`,
    ]);
  }
});

test("what comes in the same bytes as the end of the snapshot waits until that is durable", () => {
  const theirs = new History(1).fill(3);
  const snap = theirs.snap();
  const [a, b] = [theirs.create("/a"), theirs.create("/b")];
  const bench = withHistory(new History(1));
  bench.say(snap, ...pair(a), proposal(b), newLeader(2), commit(b));
  expect(bench.paused).toBe(true);
  expect(bench.tree.find("/n0")).toBeLessThan(0);
  expect(bench.names().some((name) => name.endsWith("log.100000004"))).toBe(false);
  while (!bench.names().some((name) => name.startsWith("log/"))) {
    expect(bench.step()).toBe(true);
  }
  expect(bench.trace).toContain("database 0x100000003");
  expect(bench.paused).toBe(false);
  bench.run();
  expect(bench.heardLines()).toEqual(["ACK 0x200000000"]);
  expectTree(bench, theirs);
  expect(bench.trace.filter((line) => line.startsWith("error"))).toEqual([]);
});

test("S11: the snapshot is durable under its name before anything is acknowledged", () => {
  const theirs = new History(1).fill(3);
  for (let steps = 0; ; steps++) {
    const bench = withHistory(new History(1).fill(1, "/old"));
    bench.say(theirs.snap(), newLeader(2));
    let left = steps;
    while (left > 0 && bench.step()) left--;
    const acknowledged = bench.heardLines().includes("ACK 0x200000000");
    bench.restart(true);
    if (acknowledged) {
      expectTree(bench, theirs);
      expect(bench.epochs.current).toBe(2);
    }
    if (left > 0) return;
  }
});

test("S10: a snapshot that does not come to its end leaves everything as it was", () => {
  const mine = new History(1).fill(2, "/mine");
  const theirs = new History(1).fill(50);
  const snap = theirs.snap();
  for (const part of [20, 30, 500, snap.length - 1]) {
    const bench = withHistory(mine);
    bench.say(snap.slice(0, part));
    bench.cut("reset");
    expect(bench.left).toBe("the connection to the leader is gone (reset)");
    bench.settleRole();
    expectTree(bench, mine);
    asked(bench, 3);
    bench.say(diff(mine.last));
    expectTree(bench, mine);
    bench.restart(true);
    expectTree(bench, mine);
  }
});

test("a damaged snapshot ends the role and leaves everything as it was", () => {
  const mine = new History(1).fill(2, "/mine");
  const snap = new History(1).fill(5).snap();
  snap[snap.length - 3]! ^= 1;
  const bench = withHistory(mine);
  bench.say(snap);
  expect(bench.left).toMatch(/^the leader's snapshot is damaged: .*signature/);
  bench.settleRole();
  expectTree(bench, mine);
});

test("when the role ends at any step of a snapshot's way to the disk, memory and disk are one history, old or new", () => {
  const mine = new History(1).fill(2, "/mine");
  const theirs = new History(1).fill(5);
  const outcomes = new Set<string>();
  for (let steps = 0; ; steps++) {
    const bench = withHistory(mine);
    bench.say(theirs.snap());
    let left = steps;
    while (left > 0 && bench.step()) left--;
    bench.cut();
    bench.run();
    expect(bench.left).toBe("the connection to the leader is gone (peer)");
    bench.settleRole();
    const [zxid, digest] = [bench.lastZxid, bench.tree.treeDigest.to53()];
    outcomes.add(zxid);
    const history = zxid === formatZxid(mine.last) ? mine : theirs;
    expectTree(bench, history);
    bench.restart(true);
    expect([bench.lastZxid, bench.tree.treeDigest.to53()]).toEqual([zxid, digest]);
    if (left > 0) break;
  }
  expect(outcomes).toEqual(new Set(["0x100000002", "0x100000005"]));
});

test("when the power fails at any step of a snapshot's way to the disk, the disk has one history, old or new", () => {
  const mine = new History(1).fill(2, "/mine");
  const theirs = new History(2).fill(5);
  const outcomes = new Set<string>();
  for (let steps = 0; ; steps++) {
    const bench = withHistory(mine);
    bench.say(theirs.snap(), newLeader(2));
    let left = steps;
    while (left > 0 && bench.step()) left--;
    bench.restart(true);
    outcomes.add(bench.lastZxid);
    expectTree(bench, bench.lastZxid === formatZxid(mine.last) ? mine : theirs);
    if (left > 0) break;
  }
  expect(outcomes).toEqual(new Set(["0x100000002", "0x200000005"]));
});

test("a snapshot may hold more than its zxid says: what follows is applied again, and no digest is missed", () => {
  const theirs = new History(2).fill(3);
  const zxid = theirs.last;
  const [a, b] = [theirs.create("/a"), theirs.create("/b")];
  const bench = withHistory(new History(1));
  bench.say(theirs.snap(zxid));
  bench.run();
  expect(bench.lastZxid).toBe("0x200000003");
  bench.say(...pair(theirs.txns[2]!), ...pair(a), ...pair(b), newLeader(2));
  bench.run();
  bench.say(upToDate(), ...pair(theirs.create("/c")));
  expectTree(bench, theirs);
  expect(bench.trace.filter((line) => line.startsWith("error"))).toEqual([]);
});

test("a disk without room for the snapshot ends the server", () => {
  const bench = withHistory(new History(1).fill(1));
  bench.capacity = 0;
  bench.say(new History(1).fill(5).snap());
  bench.run();
  expect(bench.halted).toMatch(/^3 the leader's snapshot: data.*full/);
});

test("a leader that waits for our disk is not silent", () => {
  const bench = withHistory(new History(1).fill(1));
  bench.say(new History(1).fill(5).snap());
  while (bench.learner.deadline() !== Infinity) expect(bench.step()).toBe(true);
  expect(bench.left).toBeUndefined();
  bench.advance(100_000);
  bench.run();
  expect(bench.left).toBeUndefined();
  bench.say(newLeader(2));
  bench.run();
  expect(bench.heardLines()).toEqual(["ACK 0x200000000"]);
});

// TRUNC

/** Logged in epoch 1, the last two by nobody else. */
function diverged(): { readonly mine: History; readonly theirs: History } {
  const mine = new History(1).fill(5);
  const theirs = mine.forkAt(packZxid(1, 3));
  return { mine, theirs };
}

test("after a TRUNC everything beyond is gone, from memory, log and snapshots, for good", () => {
  const { mine, theirs } = diverged();
  const bench = withHistory(mine);
  bench.say(trunc(theirs.last));
  expect(bench.paused).toBe(true);
  bench.run();
  expect(bench.paused).toBe(false);
  expectTree(bench, theirs);
  expect(bench.committedLog.max).toBe(theirs.last);
  bench.restart(true);
  expectTree(bench, theirs);
});

test("S03: what is logged after a TRUNC follows right on what was left", () => {
  const { mine, theirs } = diverged();
  const bench = withHistory(mine);
  theirs.beginEpoch(2);
  const [a, b] = [theirs.create("/a"), theirs.create("/b")];
  bench.say(trunc(packZxid(1, 3)), ...pair(a), newLeader(2), proposal(b));
  bench.run();
  expect(bench.heardLines()).toEqual(["ACK 0x200000000", "ACK 0x200000002"]);
  bench.restart(true);
  expectTree(bench, theirs);
  expect(bench.epochs.current).toBe(2);
});

test("when the role or the power ends at any step of a TRUNC, there is one history, old or new", () => {
  for (const power of [false, true]) {
    const outcomes = new Set<string>();
    for (let steps = 0; ; steps++) {
      const { mine, theirs } = diverged();
      const bench = withHistory(mine);
      bench.say(trunc(theirs.last));
      let left = steps;
      while (left > 0 && bench.step()) left--;
      if (!power) {
        bench.cut();
        bench.run();
        expect(bench.left).toBe("the connection to the leader is gone (peer)");
        bench.settleRole();
        expectTree(bench, theirs);
      }
      bench.restart(power);
      outcomes.add(bench.lastZxid);
      expectTree(bench, bench.lastZxid === formatZxid(mine.last) ? mine : theirs);
      if (left > 0) break;
    }
    expect(outcomes).toEqual(new Set(power ? ["0x100000005", "0x100000003"] : ["0x100000003"]));
  }
});

test("a TRUNC to where this server's files do not reach back to: it asks the same leader for the tree", () => {
  const theirs = new History(1).fill(3);
  const bench = asked(new LearnerBench(), 1);
  // All there is here is a snapshot of 1:3: nothing leads to 1:1.
  bench.say(theirs.snap(), newLeader(1));
  bench.run();
  bench.cut();
  bench.settleRole();
  asked(bench, 2);
  bench.say(trunc(packZxid(1, 1)));
  bench.run();
  expect(bench.left).toBeUndefined();
  expectTree(bench, theirs);
  bench.connected();
  expect(bench.heardLines()).toEqual(["FOLLOWERINFO 0x200000000"]);
  bench.say(leaderInfo(2));
  const [answer] = bench.heard();
  // It does not count with this answer, or it would be less than it has acknowledged.
  expect(answer).toMatchObject({ type: "ACKEPOCH", zxid: 0 });
  expect([...answer!.data!]).toEqual([255, 255, 255, 255]);
  const shorter = theirs.forkAt(packZxid(1, 1));
  bench.say(shorter.snap(), newLeader(2));
  bench.run();
  expect(bench.heardLines()).toEqual(["ACK 0x200000000"]);
  expectTree(bench, shorter);
});

test("who asked for the tree takes nothing else", () => {
  const bench = asked(new LearnerBench(), 1);
  bench.say(new History(1).fill(3).snap(), newLeader(1));
  bench.run();
  bench.cut();
  bench.settleRole();
  asked(bench, 2);
  bench.say(trunc(packZxid(1, 1)));
  bench.run();
  bench.connected();
  bench.say(leaderInfo(2), diff(packZxid(2, 0)));
  expect(bench.left).toBe("the leader sent DIFF, which cannot come while choosing");
});

test("S22: a TRUNC that the disk cannot carry out ends the server", () => {
  const { mine, theirs } = diverged();
  const bench = withHistory(mine);
  bench.say(trunc(theirs.last));
  while (!bench.trace.some((line) => line.startsWith("truncate log"))) expect(bench.step()).toBe(true);
  for (const [name, file] of bench.files) if (name.startsWith("log/")) file.failure = "io";
  bench.run();
  expect(bench.halted).toMatch(/^3 the transaction log cannot be cut after 0x100000003/);
  bench.restart(false);
  expectTree(bench, theirs);
});
