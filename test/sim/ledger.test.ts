/** The simulator against a server that is broken on purpose: each class of bug is found, and the sound one never blamed. */
import { expect, test } from "vitest";
import type { Address } from "../../core/actor.ts";
import { Prng } from "../../core/base/prng.ts";
import type { ScheduledFault, Survival } from "../../sim/index.ts";
import { findDivergence, Simulator } from "../../sim/index.ts";
import type { Trace } from "../../sim/index.ts";
import type { Put } from "../support/ledger.ts";
import { Ledger, LedgerClient } from "../support/ledger.ts";

const ADDRESS = "server:2181" as Address;
const SURVIVALS: readonly Survival[] = ["nothing", "everything", "prefix", "suffix", "sectors", "mixed"];

function crashes(seed: number): ScheduledFault[] {
  const prng = new Prng(seed).fork("crashes");
  const faults: ScheduledFault[] = [];
  let nth = 0;
  for (let i = 0; i < 6; i++) {
    // Now and then so soon that it falls into the recovery from the one before.
    nth += 1 + prng.below(prng.chance(1, 3) ? 8 : 120);
    const power = prng.chance(1, 8) ? {} : { power: SURVIVALS[prng.below(SURVIVALS.length)]! };
    const fault = { kind: "crash", host: "server", seed: prng.next(), down: prng.below(10), ...power } as const;
    faults.push({ when: { host: "server", nth }, fault });
  }
  return faults;
}

/** What is wrong after a life of crashes, or nothing. */
function live(seed: number, mutants: ReadonlySet<string>, attach?: (trace: Trace) => void): string | undefined {
  const sent: Put[] = [];
  const acknowledged = new Set<number>();
  const world = new Simulator({ seed, faults: crashes(seed) });
  attach?.(world.trace);
  const listens = [{ address: ADDRESS, port: "client" } as const];
  const server = world.addHost({ name: "server", listens, boot: () => new Ledger(mutants) });
  const draws = world.fork("workload");
  world
    .addHost({ name: "client", boot: () => new LedgerClient(ADDRESS, (n) => draws.below(n), sent, acknowledged) })
    .start();
  server.start();
  let checkedRun = 0;
  let wrong: string | undefined;
  world.run({
    until: 1000,
    events: 2000,
    when() {
      const ledger = server.actor as Ledger | undefined;
      if (ledger?.recovered !== true || server.runs === checkedRun) return wrong !== undefined;
      checkedRun = server.runs;
      wrong = judge(ledger, sent, acknowledged);
      return wrong !== undefined;
    },
  });
  return wrong;
}

function judge(ledger: Ledger, sent: readonly Put[], acknowledged: ReadonlySet<number>): string | undefined {
  const found = new Set(ledger.ids);
  for (const id of acknowledged) if (!found.has(id)) return `put ${id} was acknowledged and is lost`;
  if (ledger.ids.some((id, i) => i > 0 && id <= ledger.ids[i - 1]!)) return "the log is out of order";
  const values = new Map<number, number>();
  for (const id of ledger.ids) for (const [key, value] of sent[id - 1]!.puts) values.set(key, value);
  for (const [key, value] of values) if (ledger.values.get(key) !== value) return `key ${key} is not what was logged`;
  return undefined;
}

function seedsUntilCaught(mutant: string): number {
  for (let seed = 1; seed <= 200; seed++) if (live(seed, new Set([mutant])) !== undefined) return seed;
  return Infinity;
}

test("a sound server survives every crash", () => {
  for (let seed = 1; seed <= 150; seed++) expect(live(seed, new Set()), `seed ${seed}`).toBeUndefined();
});

test.each(["ack-before-sync", "skip-directory-sync", "misreplay-multi"])("%s is caught within 200 seeds", (mutant) => {
  expect(seedsUntilCaught(mutant)).toBeLessThanOrEqual(200);
});

test("the same seed gives the same run, event by event", () => {
  for (let seed = 1; seed <= 5; seed++) {
    expect(findDivergence((attach) => void live(seed, new Set(), attach))).toBeUndefined();
  }
});

test("different seeds give different runs", () => {
  const ends = new Set<number>();
  for (let seed = 1; seed <= 20; seed++) {
    let last = 0;
    live(seed, new Set(), (trace) => trace.listen((_index, hash) => void (last = hash)));
    ends.add(last);
  }
  expect(ends.size).toBe(20);
});
