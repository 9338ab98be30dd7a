import { describe, expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import { PacketType, writePacket } from "../../../core/protocol/quorum-packets.ts";
import { LeaderBench, TICK, show, stretch, z } from "./leader-bench.ts";

/** How a learner without a history joins where there is none to speak of. */
const EMPTY = ["SNAP 1:0", "tree of 0"];
const HISTORY = stretch(1, 1, 3);

describe("discovery", () => {
  test("an epoch later than any a quorum has accepted is durable before anybody hears of it", () => {
    const bench = new LeaderBench({ history: HISTORY });
    bench.diskHeld = true;
    bench.lead();
    const learner = bench.accept(1);
    learner.announce(4);
    expect([bench.journal, learner.takeHeard(), bench.leader.epoch]).toEqual([[], [], 0]);
    bench.diskHeld = false;
    bench.run();
    expect([bench.journal, learner.takeHeard()]).toEqual([["promised 5"], ["LEADERINFO 5:0"]]);
    expect(bench.leader.epoch).toBe(5);
  });

  test("neither observers nor strangers count for the epoch, but theirs is passed", () => {
    const bench = new LeaderBench({ observers: [4] }).lead();
    bench.accept(4).announce(7, { observer: true });
    bench.accept(9).announce(3);
    bench.run();
    expect(bench.journal).toEqual([]);
    bench.accept(2).announce(0);
    bench.run();
    expect(bench.journal).toEqual(["promised 8"]);
  });

  test("a server that comes after the epoch is fixed gets that one", () => {
    const bench = new LeaderBench({ observers: [4] }).lead();
    bench.join(1, { until: "announced" });
    const late = bench.accept(2);
    late.announce(1);
    const observer = bench.accept(4);
    observer.announce(9, { observer: true });
    expect([late.takeHeard(), observer.takeHeard()]).toEqual([["LEADERINFO 1:0"], ["LEADERINFO 1:0"]]);
  });

  test("but a voter that has promised a later one can only follow after another election", () => {
    const bench = new LeaderBench().lead();
    bench.join(1);
    const late = bench.accept(2);
    late.announce(9);
    bench.run();
    expect([late.takeHeard(), bench.left, bench.epochs.accepted]).toEqual([
      [],
      "server 2 has promised epoch 9 before",
      9,
    ]);
  });

  test("a learner that has more than the leader is turned away, and the leader waits for others", () => {
    const bench = new LeaderBench({ history: HISTORY }).lead();
    const longer = bench.join(1, { last: z("1:4"), current: 1, until: "promised" });
    const newer = bench.join(2, { last: z("1:1"), current: 2, accepted: 1, until: "promised" });
    expect([longer.closed, newer.closed, bench.left]).toEqual([true, true, undefined]);
    expect(bench.journal.at(-1)).toBe("closing a learner's connection: it is ahead of this leader");
    bench.join(1, { last: z("1:2") });
    expect(bench.serving).toBe(true);
  });

  test("a promise given before does not count again, and no history to speak of does not count at all", () => {
    const bench = new LeaderBench({ history: HISTORY }).lead();
    const again = bench.join(1, { last: z("1:3"), current: -1, until: "promised" });
    const empty = bench.join(2, { last: -1 as Zxid, current: 0, accepted: 0, until: "promised" });
    expect([again.closed, empty.closed, again.takeHeard()]).toEqual([false, false, ["LEADERINFO 2:0"]]);
    expect(bench.journal).toEqual(["promised 2"]);
  });

  test("whoever cannot be talked to is turned away with one line", () => {
    const bench = new LeaderBench().lead();
    const why = (): string => bench.journal.at(-1)!.replace(/^closing a learner's connection: /, "");
    const reasons: string[] = [];
    const turnedAway = (act: (learner: ReturnType<LeaderBench["accept"]>) => void): void => {
      const learner = bench.accept(1);
      act(learner);
      expect(learner.closed).toBe(true);
      reasons.push(why());
      bench.run();
    };
    turnedAway((learner) => learner.announce(0, { info: { protocolVersion: 1 } }));
    turnedAway((learner) => learner.announce(0, { info: { protocolVersion: 0x11000 } }));
    turnedAway((learner) => learner.announce(0, { info: { configVersion: 5 as Zxid } }));
    turnedAway((learner) => learner.announce(0, { info: { serverId: 3 } }));
    turnedAway((learner) => learner.say((w) => writePacket(w, PacketType.followerInfo, 0 as Zxid, new Uint8Array(7))));
    turnedAway((learner) => learner.ack(z("1:1")));
    turnedAway((learner) => learner.sayBytes(new Uint8Array(64).fill(0x7f)));
    turnedAway((learner) => learner.sayBytes(new Uint8Array(64).fill(0xff)));
    turnedAway((learner) => {
      learner.announce(0);
      bench.run();
      learner.ack(z("1:1"));
    });
    expect(reasons).toEqual([
      "it speaks version 1 of the protocol",
      "it speaks version 69632 of the protocol",
      "it knows a newer configuration",
      "it says that it is this server",
      "it does not say who it is",
      "ACK is not what it may send now (arriving)",
      "it sends what is no packet",
      "type -1 is not what it may send now (arriving)",
      "ACK is not what it may send now (invited)",
    ]);
    expect(bench.left).toBe(undefined);
  });

  test("of two connections of one server the older is closed", () => {
    const bench = new LeaderBench().lead();
    const older = bench.join(1, { until: "announced" });
    const newer = bench.join(1);
    expect([older.closed, newer.closed, bench.serving]).toEqual([true, false, true]);
    expect(bench.leader.describe().learners.map(({ id }) => id)).toEqual([1]);
  });

  test.each([
    ["no quorum came to agree on an epoch in time", () => {}],
    ["no quorum promised to follow in time", (bench: LeaderBench) => void bench.join(1, { until: "announced" })],
    [
      "no quorum acknowledged this leader's history in time",
      (bench: LeaderBench) => void bench.join(1, { until: "promised" }),
    ],
  ])("%s: the leader gives up after initLimit ticks", (reason, prepare) => {
    const bench = new LeaderBench().lead();
    prepare(bench);
    bench.pass(9 * TICK);
    expect(bench.left).toBe(undefined);
    bench.pass(2 * TICK);
    expect(bench.left).toBe(reason);
  });

  test("leader.maxTimeToWaitForEpoch makes the first wait shorter", () => {
    const bench = new LeaderBench({ ensemble: { maxTimeToWaitForEpoch: 500 } }).lead();
    bench.pass(600);
    expect(bench.left).toBe("no quorum came to agree on an epoch in time");
  });
});

describe("becoming established", () => {
  test("a leader serves once a quorum has its history and its own epoch is durable", () => {
    const bench = new LeaderBench({ history: HISTORY }).lead();
    const learner = bench.join(1, { last: z("1:3"), until: "promised" });
    expect(learner.takeHeard()).toEqual(["LEADERINFO 2:0", "DIFF 1:3", "NEWLEADER 2:0"]);
    expect(bench.journal).toEqual(["promised 2", "adopted 2"]);
    expect([bench.serving, bench.leader.describe().learners[0]!.synced]).toEqual([false, false]);
    learner.ack(z("2:0"));
    expect(learner.takeHeard()).toEqual(["UPTODATE -1"]);
    expect(bench.journal.slice(2)).toEqual(["established 2 with 1:3", "serves"]);
    expect([bench.voteEpoch, show(bench.tree.lastProcessedZxid)]).toEqual([2, "2:0"]);
    expect(bench.leader.describe().learners[0]).toMatchObject({ id: 1, synced: true, observer: false });
    // It says so again after UPTODATE.
    learner.ack(z("2:0"));
    expect(learner.takeHeard()).toEqual([]);
  });

  test("acknowledgements that come before the leader's own epoch is durable count once it is", () => {
    const bench = new LeaderBench().lead();
    const learner = bench.join(1, { until: "announced" });
    bench.diskHeld = true;
    learner.promise(z("0:0"), 0);
    learner.ack(z("1:0"));
    expect(bench.serving).toBe(false);
    bench.diskHeld = false;
    bench.run();
    expect(bench.serving).toBe(true);
  });

  test("an ensemble of one needs nobody", () => {
    const bench = new LeaderBench({ voters: [3] }).lead().run();
    expect(bench.journal).toEqual(["promised 1", "adopted 1", "established 1 with 0:0", "serves"]);
    bench.create("/a");
    bench.run();
    expect(bench.committed.map(({ zxid }) => show(zxid))).toEqual(["1:1"]);
  });

  test("the first configuration of all gets a version with the first epoch, where reconfiguration is on", () => {
    const bench = new LeaderBench({ config: { reconfigEnabled: true } }).lead();
    const learner = bench.join(1, { until: "promised" });
    expect(Buffer.from(learner.lastData!).toString()).toMatch(/^server\.1=.*\nversion=100000000$/s);
    learner.ack(z("1:0"));
    expect(bench.journal).toEqual([
      "promised 1",
      "config 1:0 proposed",
      "adopted 1",
      "established 1 with 0:0",
      "config 1:0 in force, nobody designated",
      "serves",
    ]);
  });

  test("late and lagging learners are served while the leader works", () => {
    const bench = new LeaderBench({ history: HISTORY }).lead();
    bench.join(1, { last: z("1:3") });
    const late = bench.join(2, { last: z("1:1"), current: 0 });
    expect(late.takeHeard()).toEqual([
      "LEADERINFO 2:0",
      "DIFF 1:3",
      "PROPOSAL 1:2",
      "COMMIT 1:2",
      "PROPOSAL 1:3",
      "COMMIT 1:3",
      "NEWLEADER 2:0",
      "UPTODATE -1",
    ]);
  });

  test("sessions have their full timeouts from the moment there is a leader", () => {
    const bench = new LeaderBench().lead();
    bench.happen((cx) => bench.state.sessions.add(77n as never, 4000, cx.now));
    bench.pass(8 * TICK);
    bench.join(1);
    expect(bench.state.sessions.earliest()).toBeGreaterThanOrEqual(bench.now + 4000);
  });
});

describe("an established leader", () => {
  function established(...options: ConstructorParameters<typeof LeaderBench>): {
    bench: LeaderBench;
    one: ReturnType<LeaderBench["join"]>;
    two: ReturnType<LeaderBench["join"]>;
  } {
    const bench = new LeaderBench(...options).lead();
    const one = bench.join(1);
    const two = bench.join(2);
    one.takeHeard();
    two.takeHeard();
    bench.journal.length = 0;
    return { bench, one, two };
  }

  test("S06: a follower that comes before the first txn is sent that txn", () => {
    const bench = new LeaderBench({ history: HISTORY }).lead();
    bench.join(1, { last: z("1:3") });
    const late = bench.join(2, { last: z("1:3") });
    bench.create("/a");
    expect(late.takeHeard().at(-1)).toBe("PROPOSAL 2:1");
  });

  test("commits what a quorum has logged, in order, itself counted when its log is durable", () => {
    const { bench, one, two } = established();
    bench.diskHeld = true;
    bench.create("/a");
    bench.create("/b");
    expect(one.takeHeard()).toEqual(["PROPOSAL 1:1", "PROPOSAL 1:2"]);
    one.ack(z("1:2"));
    expect(bench.committed).toEqual([]);
    // Followers alone are a quorum; the second one has a quorum already.
    two.ack(z("1:1"));
    one.ack(z("1:1"));
    expect(bench.committed.map(({ zxid }) => show(zxid))).toEqual(["1:1"]);
    expect([one.takeHeard(), two.takeHeard()]).toEqual([
      ["COMMIT 1:1"],
      ["PROPOSAL 1:1", "PROPOSAL 1:2", "COMMIT 1:1"],
    ]);
    bench.diskHeld = false;
    bench.run();
    expect(one.takeHeard()).toEqual(["COMMIT 1:2"]);
    expect(bench.journal).toEqual(["proposed 1:1", "proposed 1:2", "committed 1:1", "durable 1:2", "committed 1:2"]);
    expect([bench.leader.outstanding, bench.releases]).toEqual([0, 2]);
  });

  test("neither an unknown zxid nor somebody without a vote commits anything", () => {
    const { bench, one } = established();
    bench.diskHeld = true;
    const stranger = bench.join(9);
    bench.create("/a");
    one.ack(z("1:5"));
    one.ack(z("7:1"));
    stranger.ack(z("1:1"));
    one.ack(z("1:1"));
    one.ack(z("1:1"));
    expect(bench.committed).toEqual([]);
    expect(one.closed).toBe(false);
  });

  test("S16: a follower that acknowledges a proposal before its history counts with both", () => {
    const { bench, one, two } = established();
    two.cut();
    bench.diskHeld = true;
    bench.create("/a");
    const late = bench.join(2, { until: "promised" });
    expect(late.takeHeard()).toEqual(["LEADERINFO 1:0", ...EMPTY, "NEWLEADER 1:0", "PROPOSAL 1:1"]);
    late.ack(z("1:1"));
    one.ack(z("1:1"));
    expect(bench.committed).toEqual([]);
    late.ack(z("1:0"));
    expect(late.takeHeard()).toEqual(["UPTODATE -1", "COMMIT 1:1"]);
    expect(bench.committed.length).toBe(1);
  });

  test("S16: and with the very quorum the leader waits for", () => {
    const bench = new LeaderBench({ history: HISTORY }).lead();
    const learner = bench.join(1, { last: z("1:2"), current: 0, until: "promised" });
    learner.ack(z("1:3"));
    expect([bench.serving, learner.closed]).toEqual([false, false]);
    learner.ack(z("2:0"));
    expect(bench.serving).toBe(true);
  });

  test("S15: nothing uncommitted comes before NEWLEADER, and what comes after may be committed at any time", () => {
    const { bench, one } = established();
    bench.diskHeld = true;
    bench.create("/a");
    bench.create("/b");
    one.ack(z("1:1"));
    const late = bench.join(4, { until: "promised" });
    expect(late.takeHeard()).toEqual(["LEADERINFO 1:0", ...EMPTY, "NEWLEADER 1:0", "PROPOSAL 1:1", "PROPOSAL 1:2"]);
    bench.create("/c");
    bench.diskHeld = false;
    bench.run();
    expect(late.takeHeard()).toEqual(["PROPOSAL 1:3", "COMMIT 1:1"]);
    late.ack(z("1:0"));
    expect(late.takeHeard()).toEqual(["UPTODATE -1"]);
  });

  test("observers hear of commits only, with all there is to know", () => {
    const { bench } = established({ observers: [5] });
    const observer = bench.join(5, { observer: true });
    expect(observer.takeHeard()).toEqual(["LEADERINFO 1:0", ...EMPTY, "NEWLEADER 1:0", "UPTODATE -1"]);
    bench.diskHeld = true;
    bench.create("/a");
    expect(observer.takeHeard()).toEqual([]);
    [...bench.learners.values()][0]!.ack(z("1:1"));
    [...bench.learners.values()][1]!.ack(z("1:1"));
    expect(observer.takeHeard()).toEqual(["INFORM 1:1"]);
    expect(observer.lastData!.length).toBeGreaterThan(32);
  });

  test("S26: the last zxid of an epoch is never given", () => {
    const bench = new LeaderBench({ ensemble: { initialCounter: 0xffff_fffd } }).lead();
    const one = bench.join(1);
    one.takeHeard();
    bench.create("/a");
    bench.create("/b");
    expect(bench.left).toBe("the epoch has run out of zxids");
    expect(one.takeHeard()).toEqual([`PROPOSAL ${show(packZxid(1, 0xffff_fffe))}`]);
    expect(bench.unapplied.map(({ request }) => show(request.zxid))).toEqual([show(packZxid(1, 0xffff_fffe))]);
  });

  test("what was proposed and not committed is handed back when the role ends", () => {
    const { bench, one, two } = established();
    bench.diskHeld = true;
    bench.create("/a");
    bench.create("/b");
    one.ack(z("1:1"));
    two.ack(z("1:1"));
    one.cut();
    two.cut();
    bench.pass(20 * TICK);
    expect(bench.left).toBe("a quorum no longer supports this leader");
    expect(bench.unapplied.map(({ request }) => show(request.zxid))).toEqual(["1:2"]);
    expect(bench.committed.length).toBe(1);
  });

  test("a full disk ends the process: what it cannot log others may have", () => {
    const { bench } = established();
    bench.capacity = 0;
    bench.create("/a");
    bench.run();
    expect(bench.halted).toMatch(/^1 no room for the transaction log: /);
    expect(bench.committed).toEqual([]);
  });
});
