/** Whole elections, in virtual time: latencies are 50 to 300 microseconds one way. */
import { expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import type { QuorumConfig } from "../../../core/quorum/config.ts";
import type { Disk } from "./server.ts";
import { configOf } from "./members.ts";
import { World } from "./world.ts";

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
const disk = (epoch: number, counter: number): Disk => ({ epoch, zxid: packZxid(epoch, counter) });

function permutations(ids: readonly number[]): number[][] {
  if (ids.length < 2) return [[...ids]];
  return ids.flatMap((id) => permutations(ids.filter((other) => other !== id)).map((rest) => [id, ...rest]));
}

test.each([3, 5, 7])("%i servers that start together agree within a few round trips", (n) => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = new World(configOf(range(n)), { seed }).start();
    expect(world.agreement(1000)).toBeLessThan(25);
    world.pass(3000);
    expect(world.leader()).toBeGreaterThan(n / 2);
  }
});

test("three servers agree whatever the order and the times in which they start", () => {
  for (const order of permutations([1, 2, 3])) {
    for (const gap of [0, 1, 3, 150, 1100, 5000]) {
      const world = new World(configOf([1, 2, 3]), { seed: gap + 1 });
      for (const [i, id] of order.entries()) world.startAt(i * gap, id);
      world.pass(2 * gap + 1);
      const took = world.agreement(10_000);
      expect(took, `${order.join()} every ${gap} ms`).toBeLessThan(gap < 1000 ? 1500 : 500);
      const leader = world.leader();
      world.pass(5000);
      expect(world.leader()).toBe(leader);
    }
  }
});

test.each([3, 5, 7])("of %i servers the leader is killed: the others have another one within milliseconds", (n) => {
  for (let seed = 1; seed <= 10; seed++) {
    const world = new World(configOf(range(n)), { seed }).start();
    world.agreement(1000);
    world.pass(20_000);
    const leader = world.leader()!;
    world.kill(leader);
    expect(world.agreement(1000)).toBeLessThan(10);
    expect(world.leader()).not.toBe(leader);
  }
});

test("it does not matter which one leads, or that it dies young", () => {
  for (const leader of [1, 2, 3]) {
    for (const age of [0, 10, 500, 2000]) {
      const disks = new Map([[leader, disk(4, 7)]]);
      const world = new World(configOf([1, 2, 3]), { disks, seed: age + 1 }).start();
      world.agreement(1000);
      expect(world.leader()).toBe(leader);
      world.pass(age);
      world.kill(leader);
      // Links that were made just now are not made again at once; a vote waits no longer than finalizeWait for that.
      expect(world.agreement(3000)).toBeLessThan(age < 2000 ? 300 : 10);
    }
  }
});

test("S33: the latest epoch wins, then the longest history, among five", () => {
  const disks = new Map([
    [1, disk(2, 3)],
    [2, disk(2, 1)],
    [3, disk(1, 900)],
    [4, disk(2, 2)],
    [5, { epoch: 1, zxid: packZxid(1, 950) }],
  ]);
  const world = new World(configOf(range(5)), { disks }).start();
  expect(world.agreement(1000)).toBeLessThan(25);
  expect(world.leader()).toBe(1);
});

test("S34, S36: whoever is restarted, also again and again, joins the leader that is there", () => {
  const world = new World(configOf(range(5))).start();
  world.agreement(1000);
  world.pass(1000);
  const leader = world.leader()!;
  for (let i = 0; i < 12; i++) {
    const id = [1, 2, 3, 4, 5].filter((other) => other !== leader)[i % 4]!;
    world.kill(id, i % 3 === 2);
    world.pass(i * 40);
    world.start([id]);
    expect(world.agreement(3000), `restart ${i}`).toBeLessThan(1500);
    expect(world.leader()).toBe(leader);
  }
});

test("a leader that is restarted at once does not lead by its followers' old votes", () => {
  for (let down = 0; down < 30; down++) {
    const world = new World(configOf([1, 2, 3]), { seed: down + 1 }).start();
    world.agreement(1000);
    world.pass(5000);
    world.kill(3);
    world.pass(down / 10);
    world.start([3]);
    expect(world.agreement(5000)).toBeLessThan(1500);
  }
});

test("a minority elects nobody, and is part of the ensemble soon after others come", () => {
  const world = new World(configOf(range(5))).start([1, 4]);
  world.pass(60_000);
  expect([1, 4].map((id) => world.servers.get(id)!.election.looking)).toEqual([true, true]);
  expect([1, 4].map((id) => world.servers.get(id)!.electedAt)).toEqual([Infinity, Infinity]);
  world.start([2]);
  expect(world.agreement(5000)).toBeLessThan(30);
  world.start([3, 5]);
  expect(world.agreement(5000)).toBeLessThan(30);
});

test("a partition leaves a leader on the side of the quorum only; healed, all are one", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const world = new World(configOf(range(5)), { seed }).start();
    world.agreement(1000);
    world.pass(2000);
    const leader = world.leader()!;
    const minority = [leader, (leader % 5) + 1];
    const majority = range(5).filter((id) => !minority.includes(id));
    const groups = [minority, majority].map((ids) => ids.map((id) => `server${id}`));
    world.simulator.strike({ kind: "partition", groups, oneWay: false, lasts: 20_000 });
    expect(world.agreement(10_000, majority)).toBeLessThan(4000);
    world.pass(5000);
    expect(majority).toContain(world.leader(majority));
    for (const id of minority) expect(world.servers.get(id)!.leader).toBeUndefined();
    world.pass(15_000);
    expect(world.agreement(10_000)).toBeLessThan(6000);
  }
});

test("S41: servers that do not answer delay nobody", () => {
  const world = new World(configOf(range(5))).start();
  world.agreement(1000);
  world.pass(2000);
  const leader = world.leader()!;
  const [one, two] = range(5).filter((id) => id !== leader);
  world.kill(one!, true);
  world.kill(two!, true);
  world.pass(2000);
  world.kill(leader);
  expect(world.agreement(5000, world.running)).toBe(Infinity);
  world.start([leader]);
  expect(world.agreement(5000)).toBeLessThan(1000);
});

test("observers find the leader, now and after a fail-over, and never lead", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const disks = new Map([[9, disk(7, 7)]]);
    const world = new World(configOf([2, 3, 4], [1, 9]), { seed, disks }).start([9, 1]);
    world.pass(3000);
    world.start([2, 3, 4]);
    disks.get(9)!.epoch = 0;
    expect(world.agreement(5000)).toBeLessThan(2000);
    world.pass(2000);
    world.kill(world.leader()!);
    expect(world.agreement(5000)).toBeLessThan(500);
    expect([2, 3, 4]).toContain(world.leader());
  }
});

test("groups and weights decide what a quorum is, and who cannot lead", () => {
  const groups = "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\nweight.9=0\nweight.7=0";
  const config: QuorumConfig = configOf(range(9), [], groups);
  const world = new World(config).start([1, 2, 3, 4, 9, 7]);
  // One whole group, and less than half of the two others: 7 and 9 weigh nothing.
  world.pass(5000);
  expect(world.running.every((id) => world.servers.get(id)!.election.looking)).toBe(true);
  world.start([8]);
  expect(world.agreement(5000)).toBeLessThan(300);
  expect(world.leader()).toBe(8);
  world.start([5]);
  expect(world.agreement(5000)).toBeLessThan(300);
  world.kill(8);
  world.pass(50);
  expect(world.agreement(5000)).toBeLessThan(2000);
  expect([1, 2, 3, 4, 5]).toContain(world.leader());
});

test("S37: an ensemble in which the best history has no weight elects somebody else", () => {
  const config = configOf([1, 2, 3, 4], [], "group.1=1:2:3:4\nweight.4=0");
  const disks = new Map([[4, { epoch: 0, zxid: 9 as Zxid }]]);
  const world = new World(config, { disks }).start();
  expect(world.agreement(5000)).toBeLessThan(1500);
  expect(world.leader()).toBe(3);
});
