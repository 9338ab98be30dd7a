/** The client and our server in one simulated world, with connections that break, pauses and crashes. */
import { expect, test } from "vitest";
import type { Address, Context } from "../../../core/actor.ts";
import { Prng } from "../../../core/base/prng.ts";
import { Client } from "../../../core/client/client.ts";
import { DEFAULT_CLIENT_CONFIG } from "../../../core/client/config.ts";
import type { ZooKeeperError } from "../../../core/client/errors.ts";
import type { ClientState, WatchEvent } from "../../../core/client/events.ts";
import { create, getData, setData } from "../../../core/client/operations.ts";
import type { Operation } from "../../../core/client/operations.ts";
import { isFinal, ZooKeeper } from "../../../core/client/zookeeper.ts";
import { DEFAULT_SERVER_CONFIG } from "../../../core/config.ts";
import { StandaloneServer } from "../../../core/server/standalone.ts";
import type { Fault, NetworkProfile, ScheduledFault } from "../../../sim/index.ts";
import { FAST_NETWORK, Simulator } from "../../../sim/index.ts";

const SERVER = "server:2181" as Address;
const FAULTS_UNTIL = 20_000;
const MINUTE = 60_000;
/** So that a virtual minute holds few calls. */
const SLOW_NETWORK: NetworkProfile = { ...FAST_NETWORK, latency: [2000, 8000] };

type Run = (f: (cx: Context) => void) => void;

/** One application: it goes on setting `/n` to the next number and reading it, and believes only what it was told. */
class Application {
  readonly states: ClientState[] = [];
  readonly events: WatchEvent[] = [];
  client: Client | undefined;
  asked = 0;
  settled = 0;
  unknown = 0;
  acknowledged = 0;
  /** What went wrong that must not. */
  readonly faults: string[] = [];
  #zxid = 0;
  #lastRead = 0;
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  boot(seed: number): Client {
    this.client = new Client({ ...DEFAULT_CLIENT_CONFIG, servers: [SERVER], sessionTimeout: 6000 }, seed, {
      stateChanged: (state) => this.states.push(state),
      watchFired: (listener, event) => listener(event),
    });
    return this.client;
  }

  ask<T>(operation: Operation<T>, done: (value: T | undefined, error: ZooKeeperError | undefined) => void): void {
    this.asked++;
    let settled = false;
    const settle = (value: T | undefined, error: ZooKeeperError | undefined): void => {
      if (settled) this.faults.push("a call was settled twice");
      settled = true;
      this.settled++;
      const { lastZxidSeen } = this.client!;
      if (lastZxidSeen < this.#zxid) this.faults.push("the zxid went back");
      this.#zxid = lastZxidSeen;
      if (error?.outcomeUnknown === true) this.unknown++;
      done(value, error);
    };
    this.#run((cx) =>
      this.client!.submit(cx, operation, {
        resolve: (value) => settle(value, undefined),
        reject: (error) => settle(undefined, error),
      }),
    );
  }

  begin(): void {
    this.ask(create("/n", "0"), () => this.#next(1));
  }

  #next(value: number): void {
    if (isFinal(this.client!.state)) return;
    this.ask(setData("/n", String(value)), (stat) => {
      if (stat !== undefined) this.acknowledged = value;
    });
    const acknowledgedBefore = this.acknowledged;
    this.ask(
      getData("/n", (event) => this.events.push(event)),
      (read) => {
        if (read !== undefined) {
          const seen = Number(String.fromCharCode(...read.data!));
          if (seen < acknowledgedBefore || seen < this.#lastRead) this.faults.push(`read ${seen}, an old value`);
          this.#lastRead = seen;
        }
        this.#next(value + 1);
      },
    );
  }
}

function storm(seed: number): ScheduledFault[] {
  const prng = new Prng(seed);
  const faults: ScheduledFault[] = [];
  for (let at = 1000; at < FAULTS_UNTIL; at += 200 + prng.below(2000)) {
    const kinds: Fault[] = [
      { kind: "cut", from: "app", to: "server", how: "reset" },
      { kind: "cut", from: "server", to: "app", how: "half" },
      { kind: "block", from: "server", to: "app", lasts: prng.below(6000) },
      { kind: "pause", host: "server", lasts: prng.below(3000) },
      { kind: "pause", host: "app", lasts: prng.below(3000) },
      { kind: "crash", host: "server", seed: prng.next(), down: prng.below(2000) },
    ];
    faults.push({ when: { at }, fault: kinds[prng.below(kinds.length)]! });
  }
  return faults;
}

function play(seed: number): { world: Simulator; app: Application } {
  const world = new Simulator({ seed, faults: storm(seed), network: SLOW_NETWORK });
  const config = { ...DEFAULT_SERVER_CONFIG, tickTime: 1000, minSessionTimeout: 2000, preAllocSize: 65_536 };
  const server = world.addHost({
    name: "server",
    listens: [{ address: SERVER, port: "client" }],
    boot: (bootSeed) => new StandaloneServer(config, bootSeed),
  });
  const app = new Application((call) => host.run(call));
  const host = world.addHost({ name: "app", boot: (bootSeed) => app.boot(bootSeed) });
  server.start();
  host.start();
  app.begin();
  return { world, app };
}

test("through cuts, pauses and crashes every call is settled once and no answer is older than one before it", () => {
  const totals = { lost: 0, unknown: 0, expired: 0 };
  for (let seed = 1; seed <= 12; seed++) {
    const { world, app } = play(seed);
    world.run({ until: FAULTS_UNTIL });
    const before = app.settled;
    world.run({ until: FAULTS_UNTIL + MINUTE, when: () => app.settled > before + 50 });
    expect(app.faults).toEqual([]);
    // What was asked is answered; while it lives, the client goes on, once the faults are over.
    const alive = !isFinal(app.client!.state);
    expect(alive ? app.settled > before + 50 : app.asked === app.settled).toBe(true);
    totals.lost += app.states.filter((state) => state === "connecting").length;
    totals.unknown += app.unknown;
    if (!alive) totals.expired++;
  }
  // The storm was one.
  expect(totals.lost).toBeGreaterThan(10);
  expect(totals.unknown).toBeGreaterThan(10);
});

test("the same seed gives the same run", () => {
  const hashes = [7, 7].map((seed) => {
    const { world } = play(seed);
    world.run({ until: 3000 });
    return world.hash;
  });
  expect(hashes[0]).toBe(hashes[1]);
});

test("the promise API runs on the simulated host as it does on TCP", async () => {
  const world = new Simulator({ seed: 3 });
  const server = { name: "server", listens: [{ address: SERVER, port: "client" }] as const };
  world.addHost({ ...server, boot: (seed) => new StandaloneServer(DEFAULT_SERVER_CONFIG, seed) }).start();
  const zk = new ZooKeeper(SERVER, {}, 1, (actor) => {
    const host = world.addHost({ name: "app", boot: () => actor });
    host.start();
    return { run: (f) => host.run(f), close: () => {} };
  });
  const story = (async (): Promise<string[]> => {
    const told: string[] = [];
    await zk.connected();
    await zk.create("/a", "1");
    await zk.getData("/a", { watch: (event) => told.push(event.type) });
    await zk.setData("/a", "2");
    told.push(await zk.create("/a/b-", "", { mode: "ephemeral_sequential" }));
    await zk.close();
    return told;
  })();
  // Promises go on between events.
  for (let turns = 0; turns < 5000 && zk.state !== "closed"; turns++) {
    world.run({ events: 1 });
    await Promise.resolve();
  }
  expect(await story).toEqual(["nodeDataChanged", "/a/b-0000000000"]);
});
