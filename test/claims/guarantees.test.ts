/**
 * What ZooKeeper promises its clients, and what it does not (reference, section 9.2, C1 to C7, E1, E2, L1, L2), each in the
 * situation it is about. The campaign holds the same promises against whole lives (sim/campaigns/history-judge.ts).
 */
import { expect, test } from "vitest";
import type { Actor, ConnId } from "../../core/actor.ts";
import * as zk from "../../core/client/operations.ts";
import { address } from "../../sim/index.ts";
import { idle } from "../support/idle-actor.ts";
import { Scene } from "./scene.ts";

function text(data: { readonly data: Uint8Array | null }): string {
  return String.fromCharCode(...(data.data ?? []));
}

test("sequential consistency (C2): a client's requests take effect in the order it made them, across servers", () => {
  const scene = Scene.started();
  const client = scene.client();
  const asked = Array.from({ length: 20 }, (_, i) =>
    client.ask(zk.create("/s", String(i), { mode: "persistent_sequential" })),
  );
  const names = asked.map((pending) => scene.wait(pending));
  expect([...names].sort((a, b) => (a < b ? -1 : 1))).toEqual(names);
  expect(scene.blamed).toEqual([]);
});

test("a client sees its own writes, and reads behind them wait (C4)", () => {
  const scene = Scene.started();
  const client = scene.client(scene.followers[0]!);
  client.ask(zk.create("/a", "1"));
  client.ask(zk.setData("/a", "2"));
  expect(text(scene.do(client, zk.getData("/a")))).toBe("2");
});

test("no time passes between clients without sync (C4): a lagging server shows the past, and sync the present (C6)", () => {
  const scene = Scene.started();
  const [lagging, other] = scene.followers;
  const reader = scene.client(lagging!);
  const writer = scene.client(other!);
  scene.do(writer, zk.create("/a", "1"));
  scene.do(reader, zk.sync("/"));
  scene.ensemble.strike({ kind: "slow", from: scene.leader, to: lagging!, by: 60, lasts: 1000 });
  scene.do(writer, zk.setData("/a", "2"));
  expect(text(scene.do(reader, zk.getData("/a")))).toBe("1");
  scene.do(reader, zk.sync("/"));
  expect(text(scene.do(reader, zk.getData("/a")))).toBe("2");
  expect(scene.blamed).toEqual([]);
});

test("single system image (C3): a server that is behind a client does not take it", () => {
  const scene = Scene.started();
  const [lagging, other] = scene.followers;
  const client = scene.client(lagging!, other!);
  const at = client.client.server!.split(":")[0]!;
  const elsewhere = at === lagging ? other! : lagging!;
  scene.ensemble.strike({ kind: "slow", from: scene.leader, to: elsewhere, by: 80, lasts: 2000 });
  scene.do(client, zk.create("/a", "1"));
  scene.ensemble.strike({ kind: "cut", from: client.name, to: at, how: "reset" });
  scene.ensemble.strike({ kind: "block", from: client.name, to: at, lasts: 40 });
  scene.until(() => client.client.state !== "connected", "the loss");
  scene.until(() => client.client.state === "connected", "another connection");
  expect(text(scene.do(client, zk.getData("/a")))).toBe("1");
  expect(scene.said).toContain(`${elsewhere}: refused a client that has seen a newer state than this server's`);
  expect(scene.blamed).toEqual([]);
});

test("a lost connection says nothing about the last write, which happened once or not at all (C7)", () => {
  const found = new Set<string>();
  for (let seed = 1; seed <= 10; seed++) {
    const scene = Scene.started({ seed });
    const client = scene.client();
    scene.do(client, zk.create("/n", null));
    const at = client.client.server!.split(":")[0]!;
    const lost = client.ask(zk.create("/n/s", null, { mode: "persistent_sequential" }));
    scene.pass(seed % 2);
    scene.ensemble.crash(at);
    scene.until(() => lost.settled);
    scene.ensemble.start();
    scene.settle();
    scene.do(client, zk.sync("/"));
    const children = scene.do(client, zk.getChildren("/n"));
    expect(children.length).toBeLessThanOrEqual(1);
    if (lost.error === undefined) expect(children.length).toBe(1);
    found.add(`${lost.error ?? "done"} ${children.length}`);
    expect(scene.blamed).toEqual([]);
  }
  expect(found.size).toBeGreaterThan(1);
});

test("a watch fires once, before its client sees the change, also where somebody else's server made it (C5)", () => {
  const scene = Scene.started();
  const watcher = scene.client(scene.followers[0]!);
  const writer = scene.client(scene.followers[1]!);
  scene.do(writer, zk.create("/a", "1"));
  scene.do(watcher, zk.sync("/"));
  scene.do(
    watcher,
    zk.getData("/a", () => {}),
  );
  scene.do(writer, zk.setData("/a", "2"));
  scene.do(writer, zk.setData("/a", "3"));
  scene.until(() => watcher.events.length > 0, "the event");
  scene.do(watcher, zk.sync("/"));
  expect(text(scene.do(watcher, zk.getData("/a")))).toBe("3");
  expect(watcher.events.map(({ type, path }) => `${type} ${path}`)).toEqual(["nodeDataChanged /a"]);
});

test("an ephemeral lives as long as its session, on all servers, also when the session moves (E1)", () => {
  const scene = Scene.started();
  const client = scene.client();
  scene.do(client, zk.create("/e", "x", { mode: "ephemeral" }));
  scene.until(() => scene.isOne());
  for (let moves = 0; moves < 3; moves++) {
    const at = client.client.server!.split(":")[0]!;
    scene.ensemble.strike({ kind: "cut", from: client.name, to: at, how: "reset" });
    scene.do(client, zk.exists("/e"));
    scene.pass(600);
    for (const name of scene.ensemble.names) expect(scene.dataOn(name, "/e")).toBe("x");
  }
  scene.ensemble.crash(client.name);
  const died = scene.ensemble.world.now;
  scene.until(() => scene.ensemble.names.every((name) => scene.dataOn(name, "/e") === undefined), "the end");
  // Not before its time-out, and two ticks and a ping after it at the latest (E2).
  const after = (scene.ensemble.world.now - died) / 1000;
  expect(after).toBeGreaterThan(1000 - 300);
  expect(after).toBeLessThan(1000 + 400);
  expect(scene.blamed).toEqual([]);
});

test("a new leader gives every session its whole time-out (E2)", () => {
  const scene = Scene.started();
  const client = scene.client(...scene.followers);
  scene.do(client, zk.create("/e", "x", { mode: "ephemeral" }));
  scene.until(() => scene.isOne());
  scene.ensemble.crash(client.name);
  scene.pass(700);
  scene.ensemble.crash(scene.leader);
  scene.until(() => scene.ensemble.leader() !== undefined);
  const began = scene.ensemble.world.now;
  scene.until(() => scene.dataOn(scene.leader, "/e") === undefined, "the end");
  expect((scene.ensemble.world.now - began) / 1000).toBeGreaterThanOrEqual(1000);
});

test("fail-over takes less than a second with these ticks, and clients go on with their sessions (L1)", () => {
  const scene = Scene.started();
  const client = scene.client(...scene.followers);
  scene.do(client, zk.create("/a", "1"));
  const session = client.client.session.id;
  for (let i = 0; i < 4; i++) {
    const gone = scene.leader;
    scene.ensemble.crash(gone, "nothing");
    const began = scene.ensemble.world.now;
    // A leader without power says nothing: its silence is what is noticed, after syncLimit ticks.
    const names = scene.ensemble.names.filter((name) => name !== gone);
    scene.settle(names);
    expect((scene.ensemble.world.now - began) / 1000).toBeLessThan(1000);
    scene.ensemble.start(gone);
    scene.settle();
    scene.until(() => client.client.state === "connected");
    scene.do(client, zk.setData("/a", String(i)));
  }
  expect(client.client.session.id).toBe(session);
  expect(scene.blamed).toEqual([]);
});

test("no stranger's bytes on the servers' ports end anything but their connection (L2)", () => {
  const scene = Scene.started();
  const prng = scene.ensemble.world.fork("stranger");
  let closed = 0;
  const ports = scene.ensemble.names.flatMap((name) => [address(`${name}:2888`), address(`${name}:3888`)]);
  const stranger: Actor = {
    ...idle,
    onStarted(cx) {
      for (let i = 0; i < 60; i++) cx.connect(ports[i % ports.length]!);
    },
    onConnected(cx, conn: ConnId) {
      const bytes = prng.bytes(1 + prng.below(400));
      // Half of them begin like somebody who belongs here.
      if (prng.chance(1, 2)) bytes.set([0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0].slice(0, bytes.length));
      cx.send(conn, bytes);
    },
    onClosed: () => void closed++,
  };
  scene.ensemble.world.addHost({ name: "stranger", boot: () => stranger }).start();
  const client = scene.client();
  for (let i = 0; i < 20; i++) {
    scene.do(client, zk.create(`/n${i}`, null));
    scene.pass(100);
  }
  expect(closed).toBeGreaterThan(0);
  expect(scene.ensemble.names.every((name) => scene.ensemble.host(name).runs === 1)).toBe(true);
  expect(scene.isOne()).toBe(true);
  expect(scene.blamed).toEqual([]);
});
