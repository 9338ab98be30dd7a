/** Sessions, their ephemerals and their ends in an ensemble as a whole: real servers in a simulated world. */
import { expect, test } from "vitest";
import type { EnsembleConfig } from "../../../core/config.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { OPEN_ACL_UNSAFE } from "../../../core/protocol/data.ts";
import { readMultiResponse, writeMultiRequest } from "../../../core/protocol/multi.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import { CreateMode, writePathRequest } from "../../../core/protocol/requests.ts";
import { Peer } from "../../../core/server/peer.ts";
import { Ensemble } from "../../../sim/ensemble.ts";
import { FAST_NETWORK } from "../../../sim/index.ts";
import { createBody } from "../../support/raw-client.ts";
import { WireClient } from "../../support/wire-client.ts";

const EPHEMERAL = CreateMode.ephemeral;

class World {
  readonly ensemble: Ensemble;
  readonly clients: WireClient[] = [];

  constructor(ensemble: Partial<EnsembleConfig> = {}, observers = 0) {
    this.ensemble = new Ensemble({
      seed: 7,
      servers: 3,
      observers,
      network: FAST_NETWORK,
      ensemble,
      config: { fourLetterWords: ["*"], readOnlyModeEnabled: true },
      boot: (config, seed) => new Peer(config, seed),
    });
    this.ensemble.start();
    expect(this.ensemble.settle(10_000)).toBe(true);
  }

  client(): WireClient {
    const client = new WireClient(this.ensemble, `client${this.clients.length + 1}`);
    this.clients.push(client);
    return client;
  }
  get leader(): string {
    return this.ensemble.leader()!;
  }
  /** Those who do not lead, observers last. */
  get learners(): readonly string[] {
    return this.ensemble.names.filter((name) => name !== this.leader);
  }
  pass(milliseconds: number): void {
    this.ensemble.until(() => false, milliseconds);
  }
  peer(name: string): Peer {
    return this.ensemble.host(name).actor as Peer;
  }
  ephemeralsEverywhere(): number[] {
    return this.ensemble.serving().map((name) => this.peer(name).database!.tree.ephemeralCount);
  }
  sessionsEverywhere(): bigint[][] {
    return this.ensemble.serving().map((name) => {
      const ids = [...this.peer(name).database!.sessions.committed()].map(([id]) => id);
      return ids.sort((a, b) => (a < b ? -1 : 1));
    });
  }
}

test("a session lives by its learner's reports, on followers and observers, and ends everywhere when its client is gone", () => {
  const world = new World({}, 1);
  const clients = world.ensemble.names.map((name) => {
    const client = world.client();
    expect(client.connect(name)).toBe(true);
    expect(client.create(`/e-${name}`, EPHEMERAL)).toBe(0);
    return client;
  });
  for (let i = 0; i < 20; i++) {
    for (const client of clients) client.call(OpCode.ping);
    world.pass(200);
  }
  expect(world.ephemeralsEverywhere()).toEqual([4, 4, 4, 4]);
  for (const client of clients) client.cut();
  world.pass(3000);
  expect(world.ephemeralsEverywhere()).toEqual([0, 0, 0, 0]);
  expect(world.sessionsEverywhere().flat()).toEqual([]);
});

test("a session moves between servers with what it owns; who still uses the old connection loses it", () => {
  const world = new World();
  const [first, second] = world.learners as [string, string];
  const [client, elsewhere] = [world.client(), world.client()];
  client.connect(first);
  expect(client.create("/mine", EPHEMERAL)).toBe(0);
  for (const server of [second, world.leader, first]) {
    expect(elsewhere.resume(server, client)).toBe(true);
    expect(elsewhere.session).toBe(client.session);
    expect(elsewhere.create(`/at-${server}`)).toBe(0);
  }
  elsewhere.resume(second, client);
  expect(client.closed).toBe(true);
  client.resume(first, elsewhere);
  expect(elsewhere.call(OpCode.create, createBody("/too-late", "", 0, OPEN_ACL_UNSAFE))).toBeUndefined();
  expect([elsewhere.closed, client.create("/still")]).toEqual([true, 0]);
  world.pass(500);
  expect(world.ephemeralsEverywhere()).toEqual([1, 1, 1]);
});

test("a session is kept over the leader's end, with a full timeout under the next", () => {
  const world = new World();
  const client = world.client();
  client.connect(world.learners[0]!, { timeout: 2000 });
  expect(client.create("/mine", EPHEMERAL)).toBe(0);
  const old = world.leader;
  world.ensemble.crash(old);
  const rest = world.ensemble.names.filter((name) => name !== old);
  expect(world.ensemble.settle(10_000, rest)).toBe(true);
  expect(client.resume(rest[1]!, client, { timeout: 2000 })).toBe(true);
  expect(client.create("/more", EPHEMERAL)).toBe(0);
  client.cut();
  world.pass(5000);
  expect(world.ephemeralsEverywhere()).toEqual([0, 0]);
});

test("a session that nobody knows, or that has ended, has expired at every server", () => {
  const world = new World();
  const client = world.client();
  client.connect(world.learners[0]!);
  const { welcome } = client;
  expect(client.call(OpCode.closeSession)).toMatchObject({ err: 0 });
  expect([client.take(), client.closed]).toEqual([undefined, true]);
  for (const server of world.ensemble.names) {
    expect(client.connect(server, { sessionId: welcome!.sessionId, passwd: welcome!.passwd })).toBe(false);
    expect(client.welcome).toMatchObject({ timeOut: 0 });
  }
});

test("a learner's client is answered as if the leader were its server: multis, errors, sync", () => {
  const world = new World();
  const client = world.client();
  client.connect(world.learners[0]!);
  const request = { path: "/a", data: null, acl: OPEN_ACL_UNSAFE, flags: 0 };
  const reply = client.call(OpCode.multi, (w) =>
    writeMultiRequest(w, [
      { type: OpCode.create, request },
      { type: OpCode.create2, request: { ...request, path: "/b" } },
    ]),
  );
  expect(readMultiResponse(new Reader(reply!.body))).toMatchObject([
    { type: OpCode.create, path: "/a" },
    { type: OpCode.create2, path: "/b", stat: { version: 0 } },
  ]);
  expect([client.create("/a"), client.create("/missing/a"), client.create("/c")]).toEqual([
    Code.NODEEXISTS,
    Code.NONODE,
    0,
  ]);
  const xid = client.send(OpCode.sync, (w) => writePathRequest(w, { path: "/" }));
  const next = client.send(OpCode.exists, (w) => {
    writePathRequest(w, { path: "/c" });
    w.boolean(false);
  });
  expect([client.take(), client.take()]).toMatchObject([
    { xid, err: 0 },
    { xid: next, err: 0 },
  ]);
});

test("local sessions cost the ensemble nothing until they own something", () => {
  const world = new World({ localSessionsEnabled: true, localSessionsUpgradingEnabled: true });
  const client = world.client();
  for (const server of world.ensemble.names) {
    client.connect(server);
    expect(client.create(`/of-${server}`)).toBe(0);
    expect(world.sessionsEverywhere().flat()).toEqual([]);
    const other = client.session;
    expect(client.resume(server)).toBe(true);
    expect(client.session).toBe(other);
  }
  const home = world.learners[0]!;
  client.connect(home);
  expect(client.resume(world.leader)).toBe(false);
  client.connect(home);
  expect(client.create("/e", EPHEMERAL)).toBe(0);
  world.pass(200);
  expect(world.sessionsEverywhere()).toEqual([[client.session], [client.session], [client.session]]);
  expect(client.resume(world.leader)).toBe(true);
  client.cut();
  world.pass(4000);
  expect(world.ephemeralsEverywhere()).toEqual([0, 0, 0]);
  expect(world.sessionsEverywhere().flat()).toEqual([]);
});

test("without a quorum a server reads on for those who will do with that, and forgets them when there is one", () => {
  const world = new World();
  const [left, ...others] = [world.leader, ...world.learners];
  const client = world.client();
  client.connect(left);
  client.create("/kept");
  for (const name of others) world.ensemble.crash(name);
  world.pass(6000);
  expect(client.connect(left)).toBe(false);
  expect(client.connect(left, { readOnly: true })).toBe(true);
  expect(client.welcome).toMatchObject({ readOnly: true });
  expect(client.create("/lost")).toBe(Code.NOTREADONLY);
  expect(world.client().ask(left, "isro")).toBe("ro");
  world.ensemble.start();
  expect(world.ensemble.settle(10_000)).toBe(true);
  expect(client.closed).toBe(true);
  expect(client.resume(left, client, { readOnly: true })).toBe(false);
  expect(client.connect(left)).toBe(true);
  expect([client.create("/kept"), client.create("/lost")]).toEqual([Code.NODEEXISTS, 0]);
});

test("four-letter words tell who is what", () => {
  const world = new World({}, 1);
  const asking = world.client();
  const modes = world.ensemble.names.map((name) => /Mode: (.*)/.exec(asking.ask(name, "srvr"))![1]);
  expect(modes.filter((mode) => mode === "leader").length).toBe(1);
  expect(modes.filter((mode) => mode === "follower").length).toBe(2);
  expect(modes[3]).toBe("observer");
  const metrics = asking.ask(world.leader, "mntr");
  expect(metrics).toMatch(/zk_synced_followers\t2\n[^]*zk_synced_observers\t1\n/);
  expect(asking.ask(world.leader, "conf")).toContain("membership: \nserver.1=");
});
