import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import type { ScriptedLearner } from "./leader-bench.ts";
import { LeaderBench, TICK, show, stretch, z } from "./leader-bench.ts";

const LONG = stretch(1, 1, 1300);

/** A leader in epoch 2 that is established with server 1, which has its whole history. */
function established(...[options]: ConstructorParameters<typeof LeaderBench>): LeaderBench {
  const bench = new LeaderBench(options).lead();
  const last = options?.history?.at(-1) ?? z("0:0");
  bench.join(1, { last });
  expect(bench.serving).toBe(true);
  bench.journal.length = 0;
  return bench;
}

function withHistory(bench: LeaderBench, id: number, history: readonly Zxid[]): ScriptedLearner {
  const learner = bench.accept(id);
  learner.history = [...history];
  return learner;
}

describe("bringing a learner up to date", () => {
  test("from the log on disk, then from memory, when it is far behind", () => {
    const bench = established({ history: LONG });
    const learner = withHistory(bench, 2, LONG.slice(0, 100));
    learner.join();
    const heard = learner.takeHeard();
    expect(heard.slice(0, 4)).toEqual(["LEADERINFO 2:0", "DIFF 1:1300", "PROPOSAL 1:101", "COMMIT 1:101"]);
    expect(heard.slice(-4)).toEqual(["PROPOSAL 1:1300", "COMMIT 1:1300", "NEWLEADER 2:0", "UPTODATE -1"]);
    expect([learner.history, show(learner.committed)]).toEqual([LONG, "1:1300"]);
  });

  test("by the tree when the log on disk does not have its last txn", () => {
    const bench = established({ history: LONG });
    const learner = withHistory(bench, 2, [...stretch(1, 1, 100), z("1:2000")]);
    learner.join({ info: { isVivarium: false } });
    expect(learner.takeHeard().slice(0, 3)).toEqual(["LEADERINFO 2:0", "SNAP 2:0", "tree of 1300"]);
  });

  test("by the tree when the log on disk is not to be used, or is longer than a share of the snapshot", () => {
    for (const ensemble of [{ snapshotSizeFactor: -1 }, { snapshotSizeFactor: 0.0001 }]) {
      const bench = established({ history: LONG, ensemble });
      const learner = withHistory(bench, 2, LONG.slice(0, 100));
      learner.join();
      expect(learner.takeHeard().slice(1, 3)).toEqual(["SNAP 2:0", "tree of 1300"]);
    }
  });

  test("by a cut and what follows, when it has what nobody else has", () => {
    const bench = established({ history: [...stretch(1, 1, 5), ...stretch(2, 1, 2)] });
    const learner = withHistory(bench, 2, stretch(1, 1, 8));
    learner.join();
    expect(learner.takeHeard().slice(1, 4)).toEqual(["TRUNC 1:5", "PROPOSAL 2:1", "COMMIT 2:1"]);
    expect(learner.history).toEqual([...stretch(1, 1, 5), ...stretch(2, 1, 2)]);
  });

  test("S04, S05: a Java learner gets the tree where others would cut", () => {
    const bench = established({ history: stretch(1, 1, 5) });
    const learner = withHistory(bench, 2, stretch(1, 1, 8));
    learner.join({ info: { isVivarium: false } });
    expect(learner.takeHeard().slice(1, 3)).toEqual(["SNAP 2:0", "tree of 5"]);
    expect(learner.history).toEqual(stretch(1, 1, 5));
  });

  test("S25: a new server gets the tree, however short the history", () => {
    const bench = established({ history: stretch(1, 1, 2) });
    const learner = withHistory(bench, 2, []);
    learner.join();
    expect(learner.takeHeard().slice(1, 3)).toEqual(["SNAP 2:0", "tree of 2"]);
  });

  test("S09: NEWLEADER comes behind everything that was committed while the tree was sent", () => {
    const bench = established({ history: stretch(1, 1, 3000) });
    bench.join(2, { last: z("1:3000") });
    const followers = [...bench.learners.values()];
    const learner = withHistory(bench, 5, []);
    learner.announce(0);
    learner.promise(z("0:0"), 0);
    // The first slice is on its way; txns are committed before the next.
    for (let i = 1; i <= 3; i++) {
      bench.create(`/during-${i}`);
      for (const follower of followers) follower.ack(z(`2:${i}`));
    }
    expect(bench.committed.length).toBe(3);
    expect(learner.takeHeard().join(" ")).toBe("LEADERINFO 2:0 SNAP 2:0");
    bench.run();
    expect(learner.takeHeard()).toEqual([
      "tree of 3000",
      "PROPOSAL 2:1",
      "COMMIT 2:1",
      "PROPOSAL 2:2",
      "COMMIT 2:2",
      "PROPOSAL 2:3",
      "COMMIT 2:3",
      "NEWLEADER 2:0",
    ]);
  });

  test("more than memory holds is committed while the tree is sent: the rest comes from the disk", () => {
    const bench = established({ history: stretch(1, 1, 2500) });
    const learner = withHistory(bench, 2, []);
    learner.stalled = true;
    learner.announce(0);
    learner.promise(z("0:0"), 0);
    for (let i = 1; i <= 1200; i++) bench.create(`/z2:${i}`);
    bench.diskHeld = false;
    while (bench.pendingCount > 0) bench.completeDisk();
    const one = bench.learners.values().next().value!;
    for (let i = 1; i <= 1200; i++) one.ack(z(`2:${i}`));
    expect(bench.committed.length).toBe(1200);
    learner.resume();
    bench.run();
    const heard = learner.takeHeard();
    expect(heard.slice(-3)).toEqual(["PROPOSAL 2:1200", "COMMIT 2:1200", "NEWLEADER 2:0"]);
    expect(learner.history).toEqual([...stretch(1, 1, 2500), ...stretch(2, 1, 1200)]);
  });

  test("at the pace of the network: what waits for a slow learner stays bounded", () => {
    const bench = established({ history: stretch(1, 1, 400), bytesOfData: 20_000 });
    const learner = withHistory(bench, 2, []);
    learner.stalled = true;
    learner.announce(0);
    learner.promise(z("0:0"), 0);
    let rounds = 0;
    let most = 0;
    for (; !learner.takeHeard().includes("NEWLEADER 2:0"); rounds++) {
      expect(rounds).toBeLessThan(100);
      bench.run();
      most = Math.max(most, learner.unread);
      learner.resume();
      learner.stalled = true;
    }
    expect(rounds).toBeGreaterThan(5);
    expect(most).toBeLessThan(2 * 1024 * 1024);
    expect(learner.history.length).toBe(400);
  });

  test("at the pace of the network: the same with txns it missed", () => {
    const bench = established({ history: stretch(1, 1, 600), bytesOfData: 20_000 });
    for (const behind of [400, 30]) {
      const learner = withHistory(bench, 2, stretch(1, 1, behind));
      learner.stalled = true;
      learner.announce(1);
      learner.promise(learner.history.at(-1)!, 1);
      for (let rounds = 0; !learner.takeHeard().includes("NEWLEADER 2:0"); rounds++) {
        expect(rounds).toBeLessThan(100);
        bench.run();
        expect(learner.unread).toBeLessThan(2 * 1024 * 1024);
        learner.resume();
        learner.stalled = true;
      }
      expect(learner.history).toEqual(stretch(1, 1, 600));
    }
  });

  test("one that takes nothing is given up after initLimit ticks, one that takes a little is not", () => {
    const bench = established({ history: stretch(1, 1, 400), bytesOfData: 20_000 });
    const dead = withHistory(bench, 2, []);
    const slow = withHistory(bench, 4, []);
    for (const learner of [dead, slow]) {
      learner.stalled = true;
      learner.announce(0);
      learner.promise(z("0:0"), 0);
    }
    for (let i = 0; i < 4; i++) {
      bench.learners.values().next().value!.ack(z("2:0"));
      bench.pass(4 * TICK);
      slow.resume();
      slow.stalled = true;
    }
    expect([dead.closed, slow.closed]).toEqual([true, false]);
  });

  test("several at once, and only observers are turned away when it is too many", () => {
    const bench = established({
      history: stretch(1, 1, 400),
      bytesOfData: 20_000,
      observers: [7, 8],
      ensemble: { maxConcurrentSnapSyncs: 1 },
    });
    const joined = [2, 4, 7].map((id) => {
      const learner = withHistory(bench, id, []);
      learner.stalled = true;
      learner.join({ observer: id === 7, until: "promised" });
      return learner;
    });
    expect(joined.map(({ closed }) => closed)).toEqual([false, false, true]);
    expect(bench.journal.at(-1)).toBe("closing a learner's connection: too many are brought up to date");
  });

  test("a connection that ends in the middle leaves nothing behind", () => {
    const bench = established({ history: stretch(1, 1, 3000) });
    const learner = withHistory(bench, 2, []);
    learner.announce(0);
    learner.promise(z("0:0"), 0);
    expect(bench.tree.cursors.size).toBe(1);
    learner.cut();
    expect(bench.tree.cursors.size).toBe(0);
    const again = withHistory(bench, 2, []);
    again.announce(0);
    again.promise(z("0:0"), 0);
    bench.happen((cx) => bench.leave(cx, "test"));
    expect(bench.tree.cursors.size).toBe(0);
  });
});

test("whatever a learner has, it has the leader's history when it is sent NEWLEADER", () => {
  const steps = fc.record({
    /** How far it shares the leader's history, what it has beyond that, and whether that is of an epoch of its own. */
    shared: fc.nat(1300),
    extra: fc.nat(3),
    foreign: fc.boolean(),
    isVivarium: fc.boolean(),
  });
  const history = [...stretch(1, 1, 400), ...stretch(2, 1, 450), ...stretch(4, 1, 450)];
  fc.assert(
    fc.property(fc.array(steps, { minLength: 1, maxLength: 4 }), (learners) => {
      const bench = established({ history });
      for (const { shared, extra, foreign, isVivarium } of learners) {
        const kept = history.slice(0, shared);
        const last = kept.at(-1) ?? z("0:0");
        const learner = withHistory(bench, 2, [...kept, ...beyond(last, history, extra, foreign)]);
        learner.join({ accepted: 4, current: 0, info: { isVivarium } });
        expect(learner.takeHeard().at(-1)).toBe("UPTODATE -1");
        expect(learner.history).toEqual(history);
        expect(isVivarium || !learner.wasCut).toBe(true);
      }
    }),
    { seed: 3, numRuns: 15 },
  );
});

/** Txns that were proposed after `last` and are in no other history: of an epoch that got no further, or the rest of one. */
function beyond(last: Zxid, history: readonly Zxid[], count: number, foreign: boolean): Zxid[] {
  if (foreign && last >= z("2:450")) return last === z("2:450") ? stretch(3, 1, count) : [];
  const ends = ["1:400", "2:450", "4:450"].map(z);
  if (!ends.includes(last) || !history.includes(last)) return [];
  return Array.from({ length: count }, (_, i) => (last + 1 + i) as Zxid);
}
