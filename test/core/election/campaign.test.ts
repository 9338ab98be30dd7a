/**
 * Elections under faults: whatever happened, once it is over the servers agree, and soon. A few seeds stand here for every
 * change; `SEEDS=2000 npx vitest run test/core/election` runs many, `FROM=77 SEEDS=1` one.
 */
import { expect, test } from "vitest";
import { Prng } from "../../../core/base/prng.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import type { Fault, NetworkProfile, ScheduledFault } from "../../../sim/index.ts";
import { FAST_NETWORK, findDivergence, formatDivergence, formatFault } from "../../../sim/index.ts";
import { configOf } from "./members.ts";
import type { Disk } from "./server.ts";
import { World } from "./world.ts";

const SEEDS = Number(process.env["SEEDS"] ?? 60);
const FROM = Number(process.env["FROM"] ?? 1);
const TROUBLE = 12_000;
const LIMIT = 4000;

interface Plan {
  readonly voters: readonly number[];
  readonly observers: readonly number[];
  readonly disks: ReadonlyMap<number, Disk>;
  readonly network: NetworkProfile;
  readonly faults: readonly ScheduledFault[];
}

function drawPlan(seed: number): Plan {
  const prng = new Prng(seed);
  const count = [3, 3, 4, 5, 5, 7][prng.below(6)]!;
  const ids = Array.from({ length: count + (prng.chance(1, 3) ? 1 : 0) }, (_, i) => i + 1);
  const observer = ids.length > count ? 1 + prng.below(ids.length) : undefined;
  const disks = new Map(ids.map((id) => [id, { epoch: prng.below(3), zxid: packZxid(0, prng.below(4)) }]));
  const latency = ([FAST_NETWORK.latency, [1000, 20_000], [50, 150_000]] as const)[prng.below(3)]!;
  const segmentation = (["whole", "some", "bytes"] as const)[prng.below(3)]!;
  const faults = Array.from({ length: prng.below(14) }, () => ({
    when: { at: prng.below(TROUBLE) },
    fault: drawFault(prng, ids),
  }));
  return {
    voters: ids.filter((id) => id !== observer),
    observers: observer === undefined ? [] : [observer],
    disks,
    network: { ...FAST_NETWORK, latency, segmentation },
    faults,
  };
}

function drawFault(prng: Prng, ids: readonly number[]): Fault {
  const host = `server${ids[prng.below(ids.length)]!}`;
  const other = `server${ids[prng.below(ids.length)]!}`;
  const lasts = prng.below(4000);
  switch (prng.below(6)) {
    case 0:
      return { kind: "crash", host, seed: 1, down: prng.below(3) === 0 ? prng.below(5) : lasts };
    case 1:
      return { kind: "crash", host, power: "nothing", seed: 1, down: lasts };
    case 2:
      return { kind: "cut", from: host, to: other, how: prng.chance(1, 2) ? "reset" : "half" };
    case 3:
      return { kind: "block", from: host, to: other, lasts };
    case 4:
      return { kind: "pause", host, lasts };
    default: {
      const mixed = ids.map((id) => ({ id: `server${id}`, group: prng.below(2) }));
      const groups = [0, 1].map((group) => mixed.filter((one) => one.group === group).map(({ id }) => id));
      return { kind: "partition", groups, oneWay: prng.chance(1, 4), lasts };
    }
  }
}

function worldOf(seed: number): World {
  const { voters, observers, disks, network, faults } = drawPlan(seed);
  // The plan is run more than once; what is on the disks changes.
  const copies = new Map([...disks].map(([id, disk]) => [id, { ...disk }]));
  const world = new World(configOf(voters, observers), { seed, network, faults, disks: copies });
  const prng = new Prng(seed).fork("starts");
  for (const id of world.config.members.keys()) world.startAt(prng.below(prng.chance(1, 2) ? 3 : 3000), id);
  return world;
}

test("whatever happened to them, servers agree within seconds, and stay agreed", { timeout: 3_600_000 }, () => {
  const times: number[] = [];
  for (let seed = FROM; seed < FROM + SEEDS; seed++) {
    const world = worldOf(seed);
    // Whoever is down or stands still then is back four seconds later.
    world.pass(TROUBLE + 4000);
    world.simulator.strike({ kind: "heal" });
    const all = [...world.config.members.keys()];
    const took = world.agreement(LIMIT, all);
    const leader = world.leader(all);
    world.pass(3000);
    times.push(took);
    if (took <= LIMIT && world.leader(all) === leader) continue;
    const { faults } = drawPlan(seed);
    expect.fail(
      [`seed ${seed}: ${took} ms, leader ${leader}, then ${world.leader()}`, ...faults.map(formatFault)].join("\n"),
    );
  }
  times.sort((a, b) => b - a);
  if (SEEDS > 1000) console.log("longest", times.slice(0, 10));
});

test("the same seed gives the same election", () => {
  for (let seed = FROM; seed < FROM + 2; seed++) {
    const found = findDivergence((attach) => {
      const world = worldOf(seed);
      attach(world.simulator.trace);
      world.pass(TROUBLE);
    });
    expect(found === undefined ? "" : formatDivergence(found)).toBe("");
  }
});
