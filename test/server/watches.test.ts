/** What watches promise, claim by claim; the names are those of the claims that simulations check. */
import { expect, test } from "vitest";
import { OPEN_ACL_UNSAFE } from "../../core/protocol/data.ts";
import { EventType } from "../../core/protocol/headers.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import type { SetWatches2Request } from "../../core/protocol/requests.ts";
import {
  writePathWatchRequest,
  writeSetWatches2Request,
  writeSetWatchesRequest,
  writeWatchTypeRequest,
} from "../../core/protocol/requests.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import { createBody, isEvent, RawClient, setDataBody } from "../support/raw-client.ts";
import { ServerBench } from "../support/server-bench.ts";

const { nodeCreated, nodeDeleted, nodeDataChanged, nodeChildrenChanged } = EventType;

/** A server with `/a`, somebody who changes things and somebody who watches. */
function scene(): { bench: ServerBench; writer: RawClient; watcher: RawClient } {
  const bench = new ServerBench();
  const writer = new RawClient(bench);
  writer.created("/a", "0");
  return { bench, writer, watcher: new RawClient(bench) };
}

/** The events since the last look, as type and path. */
function events(client: RawClient): [number, string | null][] {
  return client.takeEvents().map(({ type, path }) => [type, path]);
}

function setWatches(client: RawClient, lists: Partial<SetWatches2Request>): number {
  const none: string[] = [];
  const whole = {
    relativeZxid: 0 as Zxid,
    dataWatches: none,
    existWatches: none,
    childWatches: none,
    persistentWatches: none,
    persistentRecursiveWatches: none,
    ...lists,
  };
  return client.send(OpCode.setWatches2, (w) => writeSetWatches2Request(w, whole), -8);
}

const removeWatches = (client: RawClient, path: string, type: number, op: 17 | 18 = OpCode.removeWatches) =>
  client.err(op, (w) => writeWatchTypeRequest(w, { path, type }));

test("W1: a one-shot watch fires at most once, and tells of the zxid that fired it", () => {
  const { writer, watcher } = scene();
  watcher.getData("/a", true);
  const { zxid } = writer.setData("/a", "1");
  writer.setData("/a", "2");
  expect(watcher.takeEvents()).toEqual([{ type: nodeDataChanged, state: 3, path: "/a", zxid }]);
  writer.delete("/a");
  expect(events(watcher)).toEqual([]);
});

test("W1: each kind of read arms what belongs to it", () => {
  const { writer, watcher } = scene();
  watcher.exists("/a", true);
  watcher.getChildren("/a", true);
  watcher.exists("/b", true);
  watcher.getData("/c", true);
  watcher.getChildren("/c", true);
  writer.created("/a/x");
  writer.setData("/a/x", "1");
  writer.setData("/a", "1");
  writer.created("/b");
  writer.created("/c");
  expect(events(watcher)).toEqual([
    [nodeChildrenChanged, "/a"],
    [nodeDataChanged, "/a"],
    [nodeCreated, "/b"],
  ]);
});

test("W2: a client sees the event before the new data, also of its own write", () => {
  const { writer, watcher } = scene();
  for (const client of [watcher, writer]) client.getData("/a", true);
  writer.send(OpCode.setData, setDataBody("/a", "1"));
  watcher.send(OpCode.getData, (w) => writePathWatchRequest(w, { path: "/a", watch: false }));
  expect(writer.take().map(isEvent)).toEqual([true, false]);
  expect(watcher.take().map(isEvent)).toEqual([true, false]);
});

test("W2: a read that waits behind a write of its own hears of the change before it sees it", () => {
  const { bench, writer, watcher } = scene();
  watcher.getData("/a", true);
  bench.diskHeld = true;
  writer.send(OpCode.setData, setDataBody("/a", "1"));
  watcher.send(OpCode.create, createBody("/w", "", 0, OPEN_ACL_UNSAFE));
  watcher.send(OpCode.getData, (w) => writePathWatchRequest(w, { path: "/a", watch: false }));
  bench.diskHeld = false;
  bench.settle();
  expect(watcher.take().map(isEvent)).toEqual([true, false, false]);
});

test("W3: events arrive in the order of zxids, and inside a multi in the order of its operations", () => {
  const { writer, watcher } = scene();
  watcher.addWatch("/", 1);
  const one = { type: OpCode.create, request: { path: "/m", data: null, acl: OPEN_ACL_UNSAFE, flags: 0 } } as const;
  const two = { type: OpCode.setData, request: { path: "/a", data: null, version: -1 } } as const;
  const three = { type: OpCode.delete, request: { path: "/m", version: -1 } } as const;
  writer.multi([one, two, three]);
  writer.setData("/a", "1");
  const seen = watcher.takeEvents();
  expect(seen.map(({ type, path }) => [type, path])).toEqual([
    [nodeCreated, "/m"],
    [nodeDataChanged, "/a"],
    [nodeDeleted, "/m"],
    [nodeDataChanged, "/a"],
  ]);
  const zxids = seen.map(({ zxid }) => zxid);
  expect(zxids).toEqual([4, 4, 4, 5]);
});

test("W4: events and replies keep their order on a connection", () => {
  const { bench, writer, watcher } = scene();
  watcher.addWatch("/", 1);
  watcher.take();
  bench.diskHeld = true;
  for (let i = 0; i < 4; i++) {
    writer.send(OpCode.setData, setDataBody("/a", `${i}`));
    watcher.send(OpCode.sync, (w) => w.string("/"));
  }
  bench.diskHeld = false;
  bench.settle();
  expect(watcher.take().map(isEvent)).toEqual([true, false, true, false, true, false, true, false]);
});

test("W5: after reconnecting, what was missed fires before the reply, the rest is armed", () => {
  const { writer, watcher } = scene();
  for (const path of ["/same", "/changed", "/gone", "/parent"]) writer.created(path);
  const seen = watcher.ping().zxid;
  watcher.peer.cut();
  writer.setData("/changed", "1");
  writer.delete("/gone");
  writer.created("/new");
  writer.created("/parent/x");
  const again = watcher.resume();
  const xid = setWatches(again, {
    relativeZxid: seen as Zxid,
    dataWatches: ["/same", "/changed", "/gone"],
    existWatches: ["/new", "/later"],
    childWatches: ["/parent", "/same", "/gone"],
  });
  expect(again.take()).toMatchObject([
    { type: nodeDataChanged, path: "/changed", zxid: -1 },
    { type: nodeDeleted, path: "/gone" },
    { type: nodeCreated, path: "/new" },
    { type: nodeChildrenChanged, path: "/parent" },
    { type: nodeDeleted, path: "/gone" },
    { xid, err: 0 },
  ]);
  writer.setData("/same", "1");
  writer.created("/same/x");
  writer.created("/later");
  expect(events(again)).toEqual([
    [nodeDataChanged, "/same"],
    [nodeChildrenChanged, "/same"],
    [nodeCreated, "/later"],
  ]);
});

test("W5: setWatches is the same without persistent lists, and a null list is an error that arms nothing", () => {
  const { bench, watcher } = scene();
  const lists = { relativeZxid: 0 as Zxid, existWatches: [], childWatches: [] };
  watcher.send(OpCode.setWatches, (w) => writeSetWatchesRequest(w, { ...lists, dataWatches: ["/a"] }));
  expect(watcher.take()).toMatchObject([{ type: nodeDataChanged, path: "/a" }, { err: 0 }]);
  watcher.send(OpCode.setWatches, (w) => writeSetWatchesRequest(w, { ...lists, dataWatches: null }));
  expect(watcher.take()).toMatchObject([{ err: -5 }]);
  expect(bench.state.watches.count).toBe(0);
});

test("W6: persistent watches stay, through deletion and creation; each change is an event of its own", () => {
  const { writer, watcher } = scene();
  expect(watcher.addWatch("/a", 0)).toMatchObject({ err: 0, body: new Uint8Array(4) });
  writer.setData("/a", "1");
  writer.setData("/a", "2");
  writer.created("/a/x");
  writer.setData("/a/x", "1");
  writer.delete("/a/x");
  writer.delete("/a");
  writer.created("/a");
  expect(events(watcher)).toEqual([
    [nodeDataChanged, "/a"],
    [nodeDataChanged, "/a"],
    [nodeChildrenChanged, "/a"],
    [nodeChildrenChanged, "/a"],
    [nodeDeleted, "/a"],
    [nodeCreated, "/a"],
  ]);
});

test("W6: recursive watches tell of everything below and never of children", () => {
  const { writer, watcher } = scene();
  watcher.addWatch("/a", 1);
  writer.created("/a/x");
  writer.created("/a/x/y");
  writer.setData("/a/x/y", "1");
  writer.created("/ab");
  writer.delete("/a/x/y");
  writer.setData("/a", "1");
  expect(events(watcher)).toEqual([
    [nodeCreated, "/a/x"],
    [nodeCreated, "/a/x/y"],
    [nodeDataChanged, "/a/x/y"],
    [nodeDeleted, "/a/x/y"],
    [nodeDataChanged, "/a"],
  ]);
});

test("W6: a plain watch on the same path does not downgrade a persistent one", () => {
  const { writer, watcher } = scene();
  watcher.addWatch("/a", 1);
  watcher.getData("/a", true);
  writer.setData("/a", "1");
  writer.setData("/a", "2");
  expect(events(watcher)).toEqual([
    [nodeDataChanged, "/a"],
    [nodeDataChanged, "/a"],
  ]);
});

test("W6: persistent watches set again after reconnecting catch up on nothing", () => {
  const { writer, watcher } = scene();
  watcher.peer.cut();
  writer.setData("/a", "1");
  const again = watcher.resume();
  setWatches(again, { persistentWatches: ["/a", "/none"], persistentRecursiveWatches: ["/a"] });
  expect(again.take()).toMatchObject([{ err: 0 }]);
  writer.setData("/a", "2");
  writer.created("/none");
  expect(events(again)).toEqual([
    [nodeDataChanged, "/a"],
    [nodeCreated, "/none"],
  ]);
});

test("W7: a watch that was removed is gone, and the server sends no event for that", () => {
  const { writer, watcher } = scene();
  const kinds: [type: number, arm: () => void][] = [
    [1, () => watcher.getChildren("/a", true)],
    [2, () => watcher.getData("/a", true)],
    [3, () => watcher.exists("/a", true)],
    [4, () => watcher.addWatch("/a", 0)],
    [5, () => watcher.addWatch("/a", 1)],
  ];
  for (const [type, arm] of kinds) {
    expect(removeWatches(watcher, "/a", type)).toBe(-121);
    arm();
    expect(removeWatches(watcher, "/a", type, OpCode.checkWatches)).toBe(0);
    expect(removeWatches(writer, "/a", type, OpCode.checkWatches)).toBe(-121);
    expect(removeWatches(watcher, "/a", type)).toBe(0);
    expect(removeWatches(watcher, "/a", type)).toBe(-121);
    writer.setData("/a", "x");
    expect(events(watcher)).toEqual([]);
  }
  expect(removeWatches(watcher, "/a", 6)).toBe(-5);
});

test("W8: one connection that watches twice is told once", () => {
  const { writer, watcher } = scene();
  watcher.getData("/a", true);
  watcher.exists("/a", true);
  watcher.addWatch("/a", 1);
  watcher.addWatch("/", 1);
  watcher.getChildren("/a", true);
  writer.delete("/a");
  expect(events(watcher)).toEqual([[nodeDeleted, "/a"]]);
});

test("W9: a watch dies with its connection; a new one of the same session has none", () => {
  const { bench, writer, watcher } = scene();
  watcher.getData("/a", true);
  watcher.addWatch("/", 1);
  watcher.peer.cut();
  const again = watcher.resume();
  writer.setData("/a", "1");
  expect(events(again)).toEqual([]);
  expect(bench.state.watches.count).toBe(0);
});

test("W10: no event without a change: neither failed writes nor setACL nor reads fire", () => {
  const { writer, watcher } = scene();
  watcher.addWatch("/", 1);
  watcher.getData("/a", true);
  writer.setData("/a", "1", 77);
  writer.create("/a");
  writer.delete("/none");
  writer.setAcl("/a", OPEN_ACL_UNSAFE);
  const failing = { type: OpCode.delete, request: { path: "/none", version: -1 } } as const;
  writer.multi([{ type: OpCode.setData, request: { path: "/a", data: null, version: -1 } }, failing]);
  writer.getData("/a");
  writer.sync("/a");
  expect(events(watcher)).toEqual([]);
});

test("a delete tells of the node before its parent, a create likewise", () => {
  const { writer, watcher } = scene();
  watcher.getChildren("/", true);
  watcher.exists("/b", true);
  writer.created("/b");
  watcher.take();
  watcher.getChildren("/", true);
  watcher.getData("/b", true);
  writer.delete("/b");
  expect(events(watcher)).toEqual([
    [nodeDeleted, "/b"],
    [nodeChildrenChanged, "/"],
  ]);
});

test("a read that is refused arms nothing", () => {
  const { bench, writer, watcher } = scene();
  writer.setAcl("/a", [{ perms: 2, scheme: "world", id: "anyone" }]);
  expect([watcher.getData("/a", true).err, watcher.getChildren("/a", true).err]).toEqual([-102, -102]);
  expect(watcher.exists("/a", true).err).toBe(-102);
  expect(bench.state.watches.count).toBe(0);
});

test("who may not read a node is not told of it, and the watch is spent all the same", () => {
  const { bench, writer, watcher } = scene();
  watcher.getData("/a", true);
  writer.setAcl("/a", [{ perms: 2, scheme: "world", id: "anyone" }]);
  writer.setData("/a", "1");
  expect(events(watcher)).toEqual([]);
  expect(bench.state.watches.count).toBe(0);
});

test("two thousand connections that watch one node are each told once, in the event that changed it", () => {
  const bench = new ServerBench({ maxClientCnxns: 0 });
  const writer = new RawClient(bench, { timeout: 60_000 });
  writer.created("/a");
  const watchers = Array.from({ length: 2000 }, () => new RawClient(bench, { timeout: 60_000 }));
  for (const watcher of watchers) watcher.getData("/a", true);
  writer.setData("/a", "1");
  expect(watchers.every((watcher) => watcher.takeEvents().length === 1)).toBe(true);
});
