import { expect, test } from "vitest";
import type { Actor, Address, ConnId, FileName } from "../../core/actor.ts";
import type { ScheduledFault } from "../../sim/index.ts";
import {
  FAST_NETWORK,
  findDivergence,
  formatDivergence,
  formatFault,
  Simulator,
  STEADY_CLOCK,
} from "../../sim/index.ts";
import { idle } from "../support/idle-actor.ts";

const ADDRESS = "server:2181" as Address;
const FILE = "log/version-2/a" as FileName;
const LISTENS = [{ address: ADDRESS, port: "client" }] as const;

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** A client that sends `x` every 10 ms and a server that echoes; `log` has what both saw. */
function pair(faults: readonly ScheduledFault[], seed = 1): { world: Simulator; log: string[] } {
  const log: string[] = [];
  const world = new Simulator({ seed, faults, network: { ...FAST_NETWORK, segmentation: "whole" } });
  const see = (who: string, what: string): void => void log.push(`${Math.floor(world.now / 1000)} ${who} ${what}`);
  const server = (run: number): Actor => ({
    ...idle,
    onStarted: () => see("server", `run ${run}`),
    onAccepted: (_cx, conn) => see("server", `accepted ${conn}`),
    onReceived: (cx, conn, chunk) => cx.send(conn, chunk),
    onClosed: (_cx, conn, cause) => see("server", `closed ${conn} ${cause}`),
  });
  const client = (): Actor => {
    let wakeAt = 0;
    let conn: ConnId | undefined;
    return {
      ...idle,
      onReceived: (_cx, _conn, chunk) => see("client", `got ${chunk.length}`),
      onClosed(_cx, old, cause) {
        see("client", `closed ${old} ${cause}`);
        conn = undefined;
      },
      onConnected: (_cx, one) => see("client", `connected ${one}`),
      onDeadline(cx) {
        wakeAt = cx.now + 10;
        if (conn === undefined) conn = cx.connect(ADDRESS);
        else cx.send(conn, bytes("x"));
      },
      deadline: () => wakeAt,
    };
  };
  world.addHost({ name: "server", listens: LISTENS, boot: (_seed, run) => server(run) }).start();
  world.addHost({ name: "client", boot: client }).start();
  return { world, log };
}

function after(log: readonly string[], millis: number): string[] {
  return log.filter((line) => Number(line.split(" ")[0]) >= millis).map((line) => line.slice(line.indexOf(" ") + 1));
}

test("a killed process closes its connections, and a new run is reached again", () => {
  const crash = { kind: "crash", host: "server", seed: 1, down: 15 } as const;
  const { world, log } = pair([{ when: { at: 35 }, fault: crash }]);
  world.run({ until: 80 });
  expect(after(log, 34)).toEqual([
    "client closed 1 peer",
    "client closed 2 refused",
    "server run 2",
    "server accepted 1",
    "client connected 3",
    "client got 1",
    "client got 1",
  ]);
});

test("a host that lost power says nothing; its peer learns from the next run's kernel", () => {
  const crash = { kind: "crash", host: "server", power: "nothing", seed: 1, down: 300 } as const;
  const { world, log } = pair([{ when: { at: 35 }, fault: crash }]);
  world.run({ until: 1500 });
  const seen = after(log, 36);
  expect(seen.slice(0, 2)).toEqual(["server run 2", "client closed 1 reset"]);
  expect(seen).toContain("client connected 2");
});

test("a blocked direction holds bytes back and delivers them when it opens; connecting fails meanwhile", () => {
  const block = { kind: "block", from: "server", to: "client", lasts: 40 } as const;
  const { world, log } = pair([{ when: { at: 35 }, fault: block }]);
  world.run({ until: 100 });
  const seen = log.filter((line) => line.includes("got"));
  expect(seen.some((line) => Number(line.split(" ")[0]) > 35 && Number(line.split(" ")[0]) < 75)).toBe(false);
  expect(seen.find((line) => line.startsWith("75"))).toMatch(/got [345]/);
  const start = pair([{ when: { at: 0 }, fault: { ...block, lasts: 5 } }]);
  start.world.run({ until: 5000 });
  expect(start.log).toContainEqual(expect.stringMatching(/client closed 1 unreachable/));
});

test("a reset is told to both sides; a half-open connection to one, and the other when it sends", () => {
  const reset = pair([{ when: { at: 35 }, fault: { kind: "cut", from: "client", to: "server", how: "reset" } }]);
  reset.world.run({ until: 38 });
  expect(after(reset.log, 35)).toEqual(["client closed 1 reset", "server closed 1 reset"]);
  const half = pair([{ when: { at: 35 }, fault: { kind: "cut", from: "server", to: "client", how: "half" } }]);
  half.world.run({ until: 39 });
  expect(after(half.log, 35)).toEqual(["server closed 1 reset"]);
  half.world.run({ until: 45 });
  expect(after(half.log, 40)).toEqual(["client closed 1 reset"]);
});

test("a partition keeps groups apart, a one-way one in one direction, and who is in no group is a bridge", () => {
  const apart = { kind: "partition", groups: [["client"], ["server"]], oneWay: false, lasts: 40 } as const;
  const both = pair([{ when: { at: 35 }, fault: apart }]);
  both.world.run({ until: 90 });
  expect(after(both.log, 37).map((line) => line.split(" ")[1])).not.toContain("closed");
  expect(both.log.filter((line) => /^(3[6-9]|[456]\d) /.test(line))).toEqual([]);
  expect(both.log.at(-1)).toMatch(/^8\d client got/);
  const asked = { client: 0, server: 0 };
  const oneWay = pair([{ when: { at: 35 }, fault: { ...apart, groups: [["server"], ["client"]], oneWay: true } }]);
  oneWay.world.network.tap = (side) => void asked[side.host.name as "client" | "server"]++;
  oneWay.world.run({ until: 74 });
  // What the client sends still arrives and is answered; the answers do not come through.
  expect(asked.server).toBe(asked.client);
  expect(oneWay.log.filter((line) => /^(3[6-9]|[456]\d) client got/.test(line))).toEqual([]);
  const bridge = pair([{ when: { at: 35 }, fault: { ...apart, groups: [["client"], ["nobody"]] } }]);
  bridge.world.run({ until: 75 });
  expect(bridge.log.at(-1)).toMatch(/^7\d client got/);
});

test("a slow link delays and keeps the order; healing ends whatever goes on", () => {
  const slow = { kind: "slow", from: "client", to: "server", by: 25, lasts: Infinity } as const;
  const { world, log } = pair([{ when: { at: 15 }, fault: slow }]);
  world.run({ until: 50 });
  expect(log.filter((line) => line.includes("got")).map((line) => Number(line.split(" ")[0]))).toEqual([10, 45]);
  const block = { kind: "block", from: "server", to: "client", lasts: Infinity } as const;
  const healed = pair([
    { when: { at: 15 }, fault: slow },
    { when: { at: 15 }, fault: block },
    { when: { at: 100 }, fault: { kind: "heal" } },
  ]);
  healed.world.run({ until: 140 });
  expect(healed.log.at(-1)).toMatch(/^1[34]\d client got 1/);
});

test("a paused process misses nothing and does everything late, its deadlines too", () => {
  const { world, log } = pair([{ when: { at: 35 }, fault: { kind: "pause", host: "client", lasts: 100 } }]);
  world.run({ until: 160 });
  const between = log.filter((line) => Number(line.split(" ")[0]) > 35 && Number(line.split(" ")[0]) < 134);
  expect(between).toEqual([]);
  expect(after(log, 135).length).toBeGreaterThan(2);
});

test("a wall clock that steps takes nobody's deadlines along", () => {
  const walls: number[] = [];
  const nows: number[] = [];
  const world = new Simulator({
    seed: 1,
    faults: [{ when: { at: 25 }, fault: { kind: "stepWall", host: "one", by: -60_000 } }],
  });
  let wakeAt = 0;
  const actor: Actor = {
    ...idle,
    onDeadline(cx) {
      walls.push(cx.wall);
      nows.push(cx.now);
      wakeAt = cx.now + 10;
    },
    deadline: () => wakeAt,
  };
  world.addHost({ name: "one", boot: () => actor }).start();
  world.run({ until: 45 });
  expect(nows.map((now) => now - nows[0]!)).toEqual([0, 10, 20, 30, 40]);
  expect(walls[3]! - walls[2]!).toBe(10 - 60_000);
});

test("a crash strikes at the protocol point it names", () => {
  const points: ScheduledFault["when"][] = [
    { host: "one", nth: 2, disk: "append" },
    { host: "one", nth: 1, disk: "sync", name: "version-2/a" },
    { host: "one", nth: 1, fact: "durable", value: 7 },
    { host: "one", nth: 1, event: "disk done" },
  ];
  const lastLines = points.map((when) => {
    const crash = { kind: "crash", host: "one", power: "everything", seed: 1, down: Infinity } as const;
    const world = new Simulator({ seed: 1, faults: [{ when, fault: crash }] });
    const { lines } = world.trace.record();
    const actor: Actor = {
      ...idle,
      onStarted(cx) {
        cx.append(FILE, bytes("1"));
        cx.sync(FILE);
        cx.append(FILE, bytes("2"));
      },
      onDiskDone(cx) {
        cx.facts.durable(7);
        cx.append(FILE, bytes("3"));
      },
    };
    world.addHost({ name: "one", boot: () => actor }).start();
    world.run();
    const at = lines.findIndex((line) => line.includes("crashed"));
    const file = [...world.host("one").disk.files()].map(([, content]) => String.fromCharCode(...content)).join();
    return `${lines[at - 2]!.slice(35).trim()} -> ${file}`;
  });
  expect(lastLines).toEqual([
    "disk did      append log/version-2/a 1 bytes -> 12",
    "disk did      sync log/version-2/a op 1 -> 1",
    // The event's effects are dropped with it.
    "disk done     op 1 synced -> 12",
    "disk done     op 1 synced                                  | append log/version-2/a 1 bytes -> 12",
  ]);
});

test("faults can be written down and read by people", () => {
  const faults: ScheduledFault[] = [
    { when: { at: 35 }, fault: { kind: "pause", host: "a", lasts: 5 } },
    { when: { host: "a", nth: 3, disk: "sync", name: "log." }, fault: { kind: "stepWall", host: "a", by: -5 } },
  ];
  expect((JSON.parse(JSON.stringify(faults)) as ScheduledFault[]).map(formatFault)).toEqual([
    "at 35 ms: pause host=a lasts=5",
    "after sync #3 of a (log.): stepWall host=a by=-5",
  ]);
});

test("a run that depends on anything but its seed is told where it first parts", () => {
  let hidden = 0;
  const run = (stray: boolean): string | undefined => {
    const found = findDivergence((attach) => {
      const { world } = pair([]);
      attach(world.trace);
      world.run({ until: 50 });
      if (stray) world.note("somebody", `draw ${++hidden}`);
      world.run({ until: 80 });
    });
    return found === undefined ? undefined : formatDivergence(found);
  };
  expect(run(false)).toBeUndefined();
  const report = run(true)!;
  expect(report).toContain("the same seed gave two runs; they part at event");
  expect(report).toMatch(/1 .*somebody +noted +draw 1\n +2 .*somebody +noted +draw 2$/);
});

test("recording lines does not change the run", () => {
  const hashes = [false, true].map((wordy) => {
    const crash = { kind: "crash", host: "server", power: "mixed", seed: 1, down: 15 } as const;
    const { world } = pair([{ when: { at: 35 }, fault: crash }]);
    if (wordy) world.trace.record();
    world.run({ until: 300 });
    return world.hash;
  });
  expect(hashes[0]).toBe(hashes[1]);
});

test("a drifting clock makes a process's timers early or late by the world's clock", () => {
  const fired = [0, 100_000, -100_000].map((drift) => {
    const world = new Simulator({ seed: 1 });
    let at = 0;
    let wakeAt = Infinity;
    const actor: Actor = {
      ...idle,
      onStarted: (cx) => void (wakeAt = cx.now + 1000),
      onDeadline() {
        at = world.now;
        wakeAt = Infinity;
      },
      deadline: () => wakeAt,
    };
    world.addHost({ name: "one", boot: () => actor, clock: { ...STEADY_CLOCK, drift } }).start();
    world.run();
    return Math.round(at / 1000);
  });
  expect(fired).toEqual([1000, 909, 1111]);
});
