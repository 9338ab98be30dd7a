import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import { epochOf } from "../../../core/base/zxid.ts";
import { CommittedLog } from "../../../core/zab/committed-log.ts";
import type { SyncFacts } from "../../../core/zab/sync-plan.ts";
import { planSync } from "../../../core/zab/sync-plan.ts";
import { show, stretch, z } from "./leader-bench.ts";

const PAYLOAD = new Uint8Array(1);

/** A leader whose committed log has `zxids`, after `base`. */
function leader(base: Zxid, zxids: readonly Zxid[]): CommittedLog {
  const log = new CommittedLog(500, [], base);
  for (const zxid of zxids) log.add(zxid, PAYLOAD);
  return log;
}

function plan(peer: string, committed: CommittedLog, more: Partial<SyncFacts> = {}): string {
  const facts = { peer: z(peer), last: committed.max, committed, disk: true, mayTruncate: true, forced: false };
  const decided = planSync({ ...facts, ...more });
  return decided.kind === "snap" ? "snap" : `${decided.kind} after ${show(decided.after)}`;
}

describe("the decision, row by row", () => {
  const log = leader(z("2:4"), [...stretch(2, 5, 9), ...stretch(3, 1, 4)]);

  test("a server that always wants trees sent sends trees", () => {
    expect(plan("3:4", log, { forced: true })).toBe("snap");
  });
  test("a learner that is where the leader is needs nothing", () => {
    expect(plan("3:4", log)).toBe("diff after 3:4");
    expect(plan("5:0", log, { last: z("5:0") })).toBe("diff after 5:0");
  });
  test("a learner that is ahead cuts what it has too much, or gets a tree if it cannot be trusted to", () => {
    expect(plan("3:7", log)).toBe("trunc after 3:4");
    expect(plan("4:1", log)).toBe("trunc after 3:4");
    expect(plan("3:7", log, { mayTruncate: false })).toBe("snap");
  });
  test("a learner that is a few txns behind gets those", () => {
    expect(plan("2:5", log)).toBe("diff after 2:5");
    expect(plan("3:3", log)).toBe("diff after 3:3");
    expect(plan("2:9", log, { last: z("4:0") })).toBe("diff after 2:9");
  });
  test("a learner that is right in front of the oldest entry gets all of them", () => {
    expect(plan("2:4", log)).toBe("diff after 2:4");
  });
  test("S01: a learner whose last txn nobody else has does not keep it", () => {
    expect(plan("2:11", log)).toBe("trunc after 2:9");
    expect(plan("2:11", log, { mayTruncate: false })).toBe("snap");
  });
  test("no cut goes across the end of an epoch", () => {
    const later = leader(z("2:4"), [...stretch(2, 5, 9), ...stretch(5, 1, 4)]);
    expect(plan("4:2", later)).toBe("snap");
  });
  test("a learner that was given a tree at the beginning of an epoch has everything before it", () => {
    expect(plan("3:0", log)).toBe("diff after 3:0");
    expect(plan("3:0", leader(z("2:9"), stretch(3, 1, 4)))).toBe("diff after 3:0");
    expect(plan("3:0", leader(z("3:2"), stretch(3, 3, 4)))).toBe("snap");
  });
  test("a learner that is further behind gets txns from the disk, where that is allowed", () => {
    expect(plan("2:2", log)).toBe("disk after 2:2");
    expect(plan("2:2", log, { disk: false })).toBe("snap");
  });
  test("a committed log that follows on the tree of an epoch's beginning cannot be joined to the log on disk", () => {
    expect(plan("2:2", leader(z("3:0"), stretch(3, 1, 4)))).toBe("snap");
    expect(plan("2:2", leader(z("3:0"), []), { last: z("4:0") })).toBe("snap");
  });
  test("S25: no history at all is not the end of an empty epoch", () => {
    expect(plan("0:0", leader(z("0:0"), stretch(1, 1, 3)))).toBe("snap");
    expect(plan("0:0", leader(z("1:7"), []))).toBe("snap");
    expect(planSync({ ...facts(leader(z("1:7"), [])), peer: -1 as Zxid }).kind).toBe("snap");
    expect(plan("0:0", leader(z("0:0"), []))).toBe("diff after 0:0");
  });
  test("an empty committed log stands where the history ends", () => {
    const empty = leader(z("4:9"), []);
    expect(plan("4:9", empty, { last: z("5:0") })).toBe("diff after 4:9");
    expect(plan("4:11", empty, { last: z("5:0") })).toBe("trunc after 4:9");
    expect(plan("4:7", empty, { last: z("5:0") })).toBe("disk after 4:7");
  });
  test("what was recovered is not known to follow on anything", () => {
    const recovered = new CommittedLog(
      500,
      stretch(2, 5, 9).map((zxid) => ({ zxid, payload: PAYLOAD })),
      z("2:9"),
    );
    expect(recovered.base).toBe(undefined);
    expect(plan("2:4", recovered)).toBe("disk after 2:4");
    expect(plan("2:5", recovered)).toBe("diff after 2:5");
  });
});

function facts(committed: CommittedLog): SyncFacts {
  return { peer: z("0:0"), last: committed.max, committed, disk: true, mayTruncate: true, forced: false };
}

/**
 * Histories as Zab makes them: a quorum promises an epoch and its best server leads; some adopt that server's history;
 * if they are a quorum, it proposes, and each logs a part of that. So txns of several epochs survive here and there.
 */
interface World {
  readonly servers: readonly (readonly Zxid[])[];
  /** Whose history the next leader has: the best of a quorum. Others may have more. */
  readonly leader: number;
}

const IDS = [0, 1, 2, 3, 4];
const mask = (bits: number): number[] => IDS.filter((id) => (bits & (1 << id)) !== 0);

const worlds: fc.Arbitrary<World> = fc
  .tuple(
    fc.array(
      fc.record({
        promising: fc.nat(31),
        adopting: fc.nat(31),
        proposed: fc.nat(4),
        logged: fc.array(fc.nat(4), { minLength: 5, maxLength: 5 }),
      }),
      { minLength: 1, maxLength: 7 },
    ),
    fc.nat(31),
  )
  .map(([epochs, last]) => {
    const servers: Zxid[][] = IDS.map(() => []);
    const adopted = IDS.map(() => 0);
    const bestOf = (ids: readonly number[]): number =>
      ids.reduce((best, id) => (isBetter(adopted, servers, id, best) ? id : best));
    epochs.forEach(({ promising, adopting, proposed, logged }, index) => {
      const epoch = index + 1;
      const quorum = mask(promising);
      if (quorum.length < 3) return;
      const best = bestOf(quorum);
      const initial = [...servers[best]!];
      const adopters = IDS.filter((id) => id === best || mask(adopting).includes(id));
      for (const id of adopters) {
        const count = adopters.length < 3 ? 0 : id === best ? proposed : Math.min(proposed, logged[id]!);
        servers[id] = [...initial, ...stretch(epoch, 1, count)];
        adopted[id] = epoch;
      }
    });
    return { servers, leader: bestOf(mask(last).length < 3 ? IDS : mask(last)) };
  });

function isBetter(adopted: readonly number[], servers: readonly Zxid[][], a: number, b: number): boolean {
  if (adopted[a] !== adopted[b]) return adopted[a]! > adopted[b]!;
  return (servers[a]!.at(-1) ?? 0) > (servers[b]!.at(-1) ?? 0);
}

test("whatever the plan, the learner has the leader's history after it", () => {
  fc.assert(
    fc.property(
      worlds,
      fc.nat(12),
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      (world, kept, disk, mayTruncate, begun) => {
        const history = world.servers[world.leader]!;
        const forgotten = Math.max(0, history.length - kept);
        const committed = leader(history[forgotten - 1] ?? z("0:0"), history.slice(forgotten));
        const last = begun ? z("9:0") : committed.max;
        for (const log of world.servers) {
          const peer = log.at(-1) ?? z("0:0");
          const decided = planSync({ peer, last, committed, disk, mayTruncate, forced: false });
          expect(after(decided, log, history, disk)).toEqual(history);
          if (decided.kind === "trunc") expect(mayTruncate).toBe(true);
          if (decided.kind === "diff" && decided.after !== last) expect(committed.reaches(decided.after)).toBe(true);
        }
      },
    ),
    { seed: 11, numRuns: 5000 },
  );
});

function after(
  decided: ReturnType<typeof planSync>,
  log: readonly Zxid[],
  history: readonly Zxid[],
  disk: boolean,
): readonly Zxid[] {
  if (decided.kind === "snap") return history;
  const from = decided.after;
  // Whether the log on disk has the learner's last txn is found out by reading it.
  if (decided.kind === "disk" && (!disk || !history.includes(from))) return history;
  const kept = decided.kind === "trunc" ? log.filter((zxid) => zxid <= from) : log;
  return [...kept, ...history.filter((zxid) => zxid > from)];
}

test("a learner that knows nothing of this history's epochs is never sent a part of it", () => {
  const committed = leader(z("4:2"), stretch(4, 3, 9));
  for (const peer of ["3:9", "2:1", "1:0", "0:0"]) {
    const decided = planSync({ ...facts(committed), peer: z(peer), disk: false });
    expect([peer, decided.kind]).toEqual([peer, "snap"]);
  }
  expect(epochOf(committed.min)).toBe(4);
});
