import { expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import { EventType } from "../../../core/protocol/headers.ts";
import { READ_ALL, WatchTable, WatcherType, isWatcherType } from "../../../core/watch/watch-table.ts";
import type { ReadCheck } from "../../../core/watch/watch-table.ts";
import { Listener } from "./listener.ts";

const { nodeCreated, nodeDeleted, nodeDataChanged, nodeChildrenChanged } = EventType;
const OPEN = 1;
const Z = 7 as Zxid;

function open(): WatchTable {
  return new WatchTable(READ_ALL);
}

test("a data watch fires once, with the zxid of the txn", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addData("/a", alice);
  watches.onDataChanged("/a", 5 as Zxid, OPEN);
  watches.onDataChanged("/a", 6 as Zxid, OPEN);
  expect(alice.events).toEqual([[nodeDataChanged, "/a", 5]]);
  expect(watches.isEmpty).toBe(true);
});

test("watches of one kind set twice on a path by one connection collapse into one", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addData("/a", alice);
  watches.addData("/a", alice);
  expect(watches.count).toBe(1);
  watches.onDeleted("/a", Z, OPEN, OPEN);
  expect(alice.take()).toEqual([[nodeDeleted, "/a", 7]]);
});

test("a watch for a missing node hears of its creation, before the parent's child watchers do", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addData("/a/b", alice);
  watches.addChild("/a", alice);
  watches.onCreated("/a/b", Z, OPEN, OPEN);
  expect(alice.events).toEqual([
    [nodeCreated, "/a/b", 7],
    [nodeChildrenChanged, "/a", 7],
  ]);
});

test("the parent of a top level node is reported as /", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addChild("/", alice);
  watches.onCreated("/a", Z, OPEN, OPEN);
  watches.addChild("/", alice);
  watches.onDeleted("/a", Z, OPEN, OPEN);
  expect(alice.events).toEqual([
    [nodeChildrenChanged, "/", 7],
    [nodeChildrenChanged, "/", 7],
  ]);
});

test("a connection with a data and a child watch on a deleted node hears of it once, and both are spent", () => {
  const watches = open();
  const alice = new Listener("alice");
  const bob = new Listener("bob");
  watches.addData("/a", alice);
  watches.addChild("/a", alice);
  watches.addChild("/a", bob);
  watches.addChild("/", alice);
  watches.onDeleted("/a", Z, OPEN, OPEN);
  expect(alice.events).toEqual([
    [nodeDeleted, "/a", 7],
    [nodeChildrenChanged, "/", 7],
  ]);
  expect(bob.events).toEqual([[nodeDeleted, "/a", 7]]);
  expect(watches.isEmpty).toBe(true);
});

test("two deletions in a row are two events even while nobody watches data", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addPersistent("/a", alice, false);
  watches.remove("/a", alice, WatcherType.any);
  for (let i = 0; i < 3; i++) {
    watches.addChild("/a", alice);
    watches.onDeleted("/a", Z, OPEN, OPEN);
  }
  expect(alice.events).toHaveLength(3);
});

test("setting a child's data fires nothing at its parent", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addChild("/a", alice);
  watches.addData("/a", alice);
  watches.onDataChanged("/a/b", Z, OPEN);
  expect(alice.events).toEqual([]);
});

test("a child watch does not hear of the node's own data or creation", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addChild("/a", alice);
  watches.onDataChanged("/a", Z, OPEN);
  watches.onCreated("/a", Z, OPEN, OPEN);
  expect(alice.events).toEqual([]);
});

test("a persistent watch hears every kind of event on its path, again and again, and nothing below it", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addPersistent("/a", alice, false);
  for (let round = 0; round < 2; round++) {
    watches.onCreated("/a", Z, OPEN, OPEN);
    watches.onDataChanged("/a", Z, OPEN);
    watches.onCreated("/a/b", Z, OPEN, OPEN);
    watches.onDataChanged("/a/b", Z, OPEN);
    watches.onDeleted("/a/b", Z, OPEN, OPEN);
    watches.onDeleted("/a", Z, OPEN, OPEN);
    expect(alice.take().map(([type, path]) => [type, path])).toEqual([
      [nodeCreated, "/a"],
      [nodeDataChanged, "/a"],
      [nodeChildrenChanged, "/a"],
      [nodeChildrenChanged, "/a"],
      [nodeDeleted, "/a"],
    ]);
  }
});

test("a recursive watch hears of its path and everything below, never of children changed", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addPersistent("/a", alice, true);
  watches.onCreated("/a", Z, OPEN, OPEN);
  watches.onCreated("/a/b", Z, OPEN, OPEN);
  watches.onCreated("/a/b/c", Z, OPEN, OPEN);
  watches.onDataChanged("/a/b/c", Z, OPEN);
  watches.onDataChanged("/ab", Z, OPEN);
  watches.onDataChanged("/", Z, OPEN);
  watches.onDeleted("/a/b/c", Z, OPEN, OPEN);
  expect(alice.events.map(([type, path]) => [type, path])).toEqual([
    [nodeCreated, "/a"],
    [nodeCreated, "/a/b"],
    [nodeCreated, "/a/b/c"],
    [nodeDataChanged, "/a/b/c"],
    [nodeDeleted, "/a/b/c"],
  ]);
});

test("a recursive watch on / covers everything, / included", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addPersistent("/", alice, true);
  watches.onDataChanged("/", Z, OPEN);
  watches.onDataChanged("/zookeeper/config", Z, OPEN);
  watches.onCreated("/a", Z, OPEN, OPEN);
  expect(alice.events.map(([, path]) => path)).toEqual(["/", "/zookeeper/config", "/a"]);
});

test("a connection hears of a change once, however many of its watches match", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addPersistent("/", alice, true);
  watches.addPersistent("/a", alice, true);
  watches.addPersistent("/a/b", alice, true);
  watches.addPersistent("/a/b", alice, false);
  watches.addData("/a/b", alice);
  watches.onDataChanged("/a/b", Z, OPEN);
  expect(alice.take()).toEqual([[nodeDataChanged, "/a/b", 7]]);
  watches.onDeleted("/a/b", Z, OPEN, OPEN);
  expect(alice.take()).toEqual([[nodeDeleted, "/a/b", 7]]);
});

test("modes are independent: a spent standard watch leaves the persistent and the recursive one in place", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addPersistent("/a", alice, true);
  watches.addPersistent("/a", alice, false);
  watches.addData("/a", alice);
  watches.onDataChanged("/a", Z, OPEN);
  expect(watches.has("/a", alice, WatcherType.data)).toBe(false);
  expect(watches.has("/a", alice, WatcherType.persistent)).toBe(true);
  expect(watches.has("/a", alice, WatcherType.persistentRecursive)).toBe(true);
});

test("removing data or children takes the standard watch only", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addPersistent("/a", alice, false);
  expect(watches.remove("/a", alice, WatcherType.data)).toBe(false);
  expect(watches.remove("/a", alice, WatcherType.children)).toBe(false);
  watches.addData("/a", alice);
  watches.addChild("/a", alice);
  expect(watches.remove("/a", alice, WatcherType.data)).toBe(true);
  expect(watches.remove("/a", alice, WatcherType.children)).toBe(true);
  expect(watches.has("/a", alice, WatcherType.persistent)).toBe(true);
});

test("removing any takes everything the connection has on the path, and nothing of others", () => {
  const watches = open();
  const alice = new Listener("alice");
  const bob = new Listener("bob");
  watches.addData("/a", alice);
  watches.addChild("/a", alice);
  watches.addPersistent("/a", alice, false);
  watches.addPersistent("/a", alice, true);
  watches.addData("/a", bob);
  expect(watches.remove("/a", alice, WatcherType.any)).toBe(true);
  expect(watches.remove("/a", alice, WatcherType.any)).toBe(false);
  expect(watches.has("/a", alice, WatcherType.any)).toBe(false);
  expect(watches.has("/a", bob, WatcherType.any)).toBe(true);
  watches.onDeleted("/a", Z, OPEN, OPEN);
  expect(alice.events).toEqual([]);
});

test("a check does not answer for what another connection watches", () => {
  const watches = open();
  const alice = new Listener("alice");
  const bob = new Listener("bob");
  watches.addData("/a", alice);
  for (const type of Object.values(WatcherType)) expect(watches.has("/a", bob, type)).toBe(false);
});

test("a persistent watch is removed from both tables", () => {
  const watches = open();
  const alice = new Listener("alice");
  watches.addPersistent("/a", alice, false);
  expect(watches.count).toBe(2);
  expect(watches.remove("/a", alice, WatcherType.persistent)).toBe(true);
  expect(watches.isEmpty).toBe(true);
});

test("watchers of a path are told in the order in which they came, whoever left in between", () => {
  const watches = open();
  const told: string[] = [];
  const all = ["a", "b", "c", "d", "e"].map((name) => new Listener(name, () => told.push(name)));
  for (const listener of all) watches.addPersistent("/x", listener, false);
  watches.removeWatcher(all[0]!);
  watches.removeWatcher(all[2]!);
  watches.addPersistent("/x", all[0]!, false);
  watches.onDataChanged("/x", Z, OPEN);
  expect(told).toEqual(["b", "d", "e", "a"]);
});

test("standard and persistent watchers side by side: firing keeps the persistent ones only, in order", () => {
  const watches = open();
  const told: string[] = [];
  const all = ["a", "b", "c", "d", "e"].map((name) => new Listener(name, () => told.push(name)));
  all.forEach((listener, i) => {
    if (i % 2 === 1) watches.addPersistent("/x", listener, false);
    else watches.addData("/x", listener);
  });
  watches.onDataChanged("/x", Z, OPEN);
  watches.onDataChanged("/x", Z, OPEN);
  expect(told).toEqual(["a", "b", "c", "d", "e", "b", "d"]);
  watches.removeWatcher(all[3]!);
  watches.onDataChanged("/x", Z, OPEN);
  expect(told.slice(7)).toEqual(["b"]);
});

test("who may not read is not told, and a standard watch is spent all the same", () => {
  const alice = new Listener("alice");
  const bob = new Listener("bob");
  const asked: number[] = [];
  const check: ReadCheck = {
    anyoneMayRead: (acl) => acl === OPEN,
    mayRead: (watcher, acl) => {
      asked.push(acl);
      return watcher === bob;
    },
  };
  const watches = new WatchTable(check);
  for (const listener of [alice, bob]) {
    watches.addData("/a", listener);
    watches.addChild("/a", listener);
    watches.addChild("/", listener);
  }
  watches.onDeleted("/a", Z, 2, OPEN);
  expect(alice.events).toEqual([[nodeChildrenChanged, "/", 7]]);
  expect(bob.events).toEqual([
    [nodeDeleted, "/a", 7],
    [nodeChildrenChanged, "/", 7],
  ]);
  expect(asked).toEqual([2, 2]);
  expect(watches.isEmpty).toBe(true);
});

test("nobody's permission is asked when nobody watches the path", () => {
  const watches = new WatchTable({
    anyoneMayRead: () => expect.unreachable(),
    mayRead: () => expect.unreachable(),
  });
  watches.addData("/other", new Listener("alice"));
  watches.addChild("/other", new Listener("alice"));
  watches.onDataChanged("/a", Z, OPEN);
  watches.onDeleted("/a", Z, OPEN, OPEN);
});

test("a connection that leaves takes all its watches with it", () => {
  const watches = open();
  const alice = new Listener("alice");
  const bob = new Listener("bob");
  for (let i = 0; i < 10; i++) {
    watches.addData(`/${i}`, alice);
    watches.addPersistent(`/${i}`, alice, i % 2 === 0);
    watches.addData(`/${i}`, bob);
  }
  watches.removeWatcher(alice);
  watches.removeWatcher(alice);
  expect(watches.count).toBe(10);
  expect(watches.dataWatchers).toBe(1);
  for (let i = 0; i < 10; i++) watches.onDataChanged(`/${i}`, Z, OPEN);
  expect(alice.events).toEqual([]);
  expect(bob.events).toHaveLength(10);
  expect(watches.isEmpty).toBe(true);
});

test("a connection may leave while it is being told; the same event still reaches the others", () => {
  const watches = open();
  const alice: Listener = new Listener("alice", () => watches.removeWatcher(alice));
  const bob: Listener = new Listener("bob", () => watches.removeWatcher(carol));
  const carol = new Listener("carol");
  const dave = new Listener("dave");
  for (const listener of [alice, bob, carol, dave]) {
    watches.addPersistent("/a", listener, false);
    watches.addPersistent("/", listener, true);
  }
  watches.onDeleted("/a", Z, OPEN, OPEN);
  expect([alice, bob, carol, dave].map((listener) => listener.events.length)).toEqual([1, 1, 0, 1]);
  expect(watches.dataWatchers).toBe(2);
  watches.onDeleted("/a", Z, OPEN, OPEN);
  expect([alice, bob, carol, dave].map((listener) => listener.events.length)).toEqual([1, 2, 0, 2]);
});

test("setting a watch from within an event is refused as our own bug", () => {
  const watches = open();
  const alice: Listener = new Listener("alice", () => watches.addData("/a", alice));
  watches.addData("/a", alice);
  expect(() => watches.onDataChanged("/a", Z, OPEN)).toThrow("watches stay as they are");
});

test("only the five types of removal are types", () => {
  expect([0, 1, 2, 3, 4, 5, 6, -1, 1.5].filter(isWatcherType)).toEqual([1, 2, 3, 4, 5]);
});

test("a thousand watchers of one path share its string and are woken and armed again in any number", () => {
  const watches = open();
  const all = Array.from({ length: 1000 }, (_, i) => new Listener(String(i)));
  for (let round = 0; round < 3; round++) {
    for (const listener of all) watches.addData("/hot", listener);
    expect(watches.dataPaths).toBe(1);
    watches.onDataChanged("/hot", Z, OPEN);
    expect(watches.isEmpty).toBe(true);
  }
  expect(all.every((listener) => listener.events.length === 3)).toBe(true);
});
