/**
 * What the Zab paper and its TLA+ specifications claim of the protocol, claim by claim (reference, sections 9.1 and 9.2; the
 * letters are theirs). First each claim over a few lives of ensembles in which everything goes wrong, with the count of how
 * often there was something to hold it against; then the situations that the claims are about, one by one.
 */
import { describe, expect, test } from "vitest";
import * as zk from "../../core/client/operations.ts";
import { packZxid } from "../../core/base/zxid.ts";
import { runEnsemble } from "../../sim/campaigns/ensemble.ts";
import { nameOf } from "../../sim/ensemble.ts";
import type { Fault, When } from "../../sim/faults.ts";
import { Scene } from "./scene.ts";

const SEEDS = [7, 8, 11, 20, 23, 41, 71, 97];

describe("over whole lives", () => {
  const lives = SEEDS.map((seed) => runEnsemble(seed, { servers: seed % 2 === 0 ? 5 : 3 }));
  const claims: readonly (readonly [claim: string, invariant: string])[] = [
    ["leadership (I1, I2): an epoch has one leader, over the whole run", "I1"],
    ["local primary order (I7): what a leader proposes, it proposes one after the other", "I7"],
    ["integrity (I4): what anybody logs under a zxid is one and the same txn", "I4"],
    ["prefix consistency and agreement (I3, I5): histories are prefixes of one history", "I3"],
    ["total order (I6) and global primary order (I8): all apply in one order, epoch by epoch", "I6"],
    ["primary integrity (I9): whoever begins to lead has all that earlier epochs committed", "I9"],
    ["commits (Q1) have a quorum's disks behind them and come in order", "Q1"],
    ["committed stays (D1), whoever leads and whoever crashes", "D1"],
    ["acknowledged (D2) is durable; NEWLEADER is acknowledged after history and epoch are", "D2"],
    ["epochs (D3) never go back, on the disk either", "D3"],
    ["recovery (D4) finds what was durable", "D4"],
    ["equal zxids (D6) mean equal trees", "D6"],
  ];
  test.each(claims)("%s", (_, invariant) => {
    for (const life of lives) expect(life.violation).toBeUndefined();
    const counts = lives.flatMap(({ premises }) =>
      [...premises].filter(([name]) => name.split(" ").includes(invariant)),
    );
    expect(counts.length).toBeGreaterThanOrEqual(lives.length);
    for (const [name, count] of counts) expect(count, name).toBeGreaterThan(0);
  });
});

test("a leader that is cut off commits nothing (Q1, S42), and steps down by itself", () => {
  const scene = Scene.started();
  const old = scene.leader;
  const client = scene.client(old);
  scene.do(client, zk.create("/a", "1"));
  scene.ensemble.isolate(old);
  const lost = client.ask(zk.setData("/a", "2"));
  scene.until(() => lost.settled);
  expect(lost.error).toBe("CONNECTIONLOSS");
  expect(scene.ensemble.leader()).not.toBe(old);
  scene.ensemble.heal();
  scene.settle();
  expect(scene.isOne()).toBe(true);
  expect(scene.dataOn(old, "/a")).toBe("1");
  expect(scene.blamed).toEqual([]);
});

test("what was acknowledged survives the loss of power of all servers at once (D1, D4)", () => {
  const scene = Scene.started();
  const client = scene.client();
  for (let i = 0; i < 20; i++) scene.do(client, zk.create(`/n${i}`, String(i)));
  for (const name of scene.ensemble.names) scene.ensemble.crash(name, "nothing");
  scene.ensemble.start();
  scene.settle();
  for (const name of scene.ensemble.names) expect(scene.dataOn(name, "/n19")).toBe("19");
  expect(scene.blamed).toEqual([]);
});

test("a leader that dies after a follower has its proposal: the txn happened, or it did not, on all servers alike", () => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 12; seed++) {
    const scene = Scene.started({ seed });
    const { leader } = scene;
    const client = scene.client(leader);
    scene.do(client, zk.create("/a", "1"));
    const [near] = scene.followers;
    // Some die before the proposal has left, some after one has it, some after both have.
    if (seed % 3 > 0) scene.ensemble.partition([[leader], seed % 3 === 1 ? [near!] : scene.followers], 60);
    const lost = client.ask(zk.setData("/a", "2"));
    scene.pass(seed % 2 === 0 ? 1 : 30);
    scene.ensemble.crash(leader, seed % 2 === 0 ? "nothing" : "everything");
    scene.until(() => lost.settled);
    scene.ensemble.heal();
    scene.ensemble.start();
    scene.settle();
    scene.until(() => scene.isOne());
    outcomes.add(`${scene.dataOn(leader, "/a")} ${lost.error ?? "acknowledged"}`);
    expect(scene.blamed).toEqual([]);
  }
  expect(outcomes).toContain("1 CONNECTIONLOSS");
  expect([...outcomes].filter((outcome) => outcome.startsWith("2")).length).toBeGreaterThan(0);
  expect(outcomes).not.toContain("1 acknowledged");
});

/** Where a server may die between two steps of what brings it up to date (S11 to S18). */
const STEPS: readonly (readonly [step: string, when: (host: string) => When])[] = [
  ["the promise is on the disk", (host) => ({ host, fact: "promised", nth: 1 })],
  ["the way it is brought up to date is known", (host) => ({ host, fact: "synced", nth: 1 })],
  ["the history is appended", (host) => ({ host, disk: "append", name: "/log.", nth: 1 })],
  ["the history is synced, the epoch is not (S17)", (host) => ({ host, disk: "sync", name: "/log.", nth: 2 })],
  ["the epoch has a name, which is not durable", (host) => ({ host, disk: "rename", name: "currentEpoch", nth: 1 })],
  ["the epoch is durable, and not acknowledged", (host) => ({ host, fact: "adopted", nth: 1 })],
  ["NEWLEADER is acknowledged", (host) => ({ host, fact: "acknowledged", nth: 1 })],
];

test.each(STEPS)("a follower that loses power when %s comes back, whatever its disk kept", (_, when) => {
  for (const survival of ["nothing", "everything", "prefix"] as const) {
    const scene = Scene.started();
    const client = scene.client(scene.leader);
    const [away] = scene.followers;
    scene.ensemble.crash(away!);
    for (let i = 0; i < 5; i++) scene.do(client, zk.create(`/n${i}`, String(i)));
    const crash: Fault = { kind: "crash", host: away!, power: survival, seed: 1, down: 20 };
    scene.ensemble.world.arm({ when: when(away!), fault: crash });
    // Another epoch, so that there is one to promise and to adopt.
    scene.ensemble.crash(scene.leader);
    scene.ensemble.start();
    scene.until(() => scene.ensemble.world.faultsWaiting === 0, "the crash");
    scene.settle();
    scene.until(() => scene.isOne());
    expect(scene.dataOn(away!, "/n4")).toBe("4");
    expect(scene.blamed).toEqual([]);
  }
});

test("a voter that promised a later epoch than its leader's comes to follow it all the same (L1)", () => {
  const scene = Scene.started();
  const [away] = scene.followers;
  scene.ensemble.crash(away!);
  const host = scene.ensemble.host(away!);
  const file = host.disk.file("data/version-2/acceptedEpoch")!;
  file.truncate(0);
  file.append(Uint8Array.from("9", (digit) => digit.charCodeAt(0)));
  file.sync();
  scene.ensemble.start(away!);
  scene.settle();
  expect(scene.ensemble.roles.of(scene.leader).epoch).toBeGreaterThanOrEqual(9);
});

test("whoever has committed txns leads, not who has the longer history (S33)", () => {
  const scene = Scene.started();
  const old = scene.leader;
  const client = scene.client(old);
  scene.do(client, zk.create("/a", "1"));
  scene.ensemble.isolate(old);
  for (let i = 0; i < 10; i++) client.ask(zk.setData("/a", `alone ${i}`));
  scene.until(() => scene.ensemble.leader() !== undefined && scene.ensemble.leader() !== old);
  const other = scene.client(...scene.followers.filter((name) => name !== old), scene.leader);
  scene.do(other, zk.setData("/a", "agreed"));
  // The one with the long history and one of the others are all there is.
  const gone = scene.leader;
  scene.ensemble.crash(gone);
  scene.ensemble.heal();
  scene.settle(scene.ensemble.names.filter((name) => name !== gone));
  expect(scene.leader).not.toBe(old);
  expect(scene.dataOn(old, "/a")).toBe("agreed");
  expect(scene.blamed).toEqual([]);
});

test("five servers serve with any two gone, and with three gone nobody commits", () => {
  const scene = Scene.started({ servers: 5 });
  scene.ensemble.crash(nameOf(5));
  scene.ensemble.crash(nameOf(4));
  const three = scene.ensemble.names.slice(0, 3);
  scene.settle(three);
  const client = scene.client(...three);
  scene.do(client, zk.create("/a", "1"));
  scene.ensemble.crash(scene.leader);
  scene.until(() => scene.ensemble.serving().length === 0, "the end of service");
  scene.pass(2000);
  expect(scene.ensemble.leader()).toBeUndefined();
  scene.ensemble.start();
  scene.settle();
  expect(scene.blamed).toEqual([]);
});

test("observers hear of everything and decide nothing (Q1)", () => {
  const scene = Scene.started({ servers: 3, observers: 2 });
  const client = scene.client("server4", "server5");
  scene.do(client, zk.create("/a", "1"));
  scene.until(() => scene.isOne());
  expect(scene.dataOn("server5", "/a")).toBe("1");
  for (const voter of scene.followers) scene.ensemble.crash(voter);
  const lost = client.ask(zk.setData("/a", "2"));
  scene.until(() => lost.settled || scene.ensemble.serving().length === 0);
  scene.pass(1000);
  expect(lost.value).toBeUndefined();
  expect(scene.dataOn("server5", "/a")).toBe("1");
  expect(scene.blamed).toEqual([]);
});

test("an epoch that has run out of zxids is followed by another, without a hole (S26)", () => {
  const scene = Scene.started({ ensemble: { initialCounter: 0xffff_fff8 } });
  const { epoch } = scene.ensemble.roles.of(scene.leader);
  const client = scene.client();
  let written = 0;
  for (let i = 0; written < 12 && i < 40; i++) {
    const pending = client.ask(zk.create(`/n${i}`, null));
    scene.until(() => pending.settled);
    if (pending.error === undefined) written++;
  }
  expect(written).toBe(12);
  expect(scene.ensemble.roles.of(scene.leader).epoch).toBeGreaterThan(epoch);
  expect(scene.checkers.commits.newest).toBeGreaterThan(packZxid(epoch + 1, 0));
  scene.until(() => scene.isOne());
  expect(scene.blamed).toEqual([]);
});
