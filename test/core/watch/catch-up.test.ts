import { expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import { EventType } from "../../../core/protocol/headers.ts";
import { catchUp } from "../../../core/watch/catch-up.ts";
import type { CatchUpRequest, NodeZxids } from "../../../core/watch/catch-up.ts";
import { wchc, wchp, wchs } from "../../../core/watch/dump.ts";
import { READ_ALL, WatchTable, WatcherType } from "../../../core/watch/watch-table.ts";
import type { SessionId } from "../../../core/base/ids.ts";
import { Listener } from "./listener.ts";

const { nodeCreated, nodeDeleted, nodeDataChanged, nodeChildrenChanged } = EventType;
const EMPTY: CatchUpRequest = {
  relativeZxid: 10 as Zxid,
  dataWatches: [],
  existWatches: [],
  childWatches: [],
  persistentWatches: [],
  persistentRecursiveWatches: [],
};
/** /old was last changed at 10, /new at 11; their children the other way round. */
const NODES: NodeZxids = {
  mzxidOf: (path) => (path === "/old" ? 10 : path === "/new" ? 11 : undefined) as Zxid | undefined,
  pzxidOf: (path) => (path === "/old" ? 11 : path === "/new" ? 10 : undefined) as Zxid | undefined,
};

function reconnected(request: Partial<CatchUpRequest>): { watches: WatchTable; alice: Listener; done: boolean } {
  const watches = new WatchTable({ anyoneMayRead: () => false, mayRead: () => false });
  const alice = new Listener("alice");
  const done = catchUp(watches, alice, { ...EMPTY, ...request }, NODES);
  return { watches, alice, done };
}

test("a data watch is told of what it missed, or armed again", () => {
  const { watches, alice, done } = reconnected({ dataWatches: ["/old", "/new", "/gone"] });
  expect(done).toBe(true);
  expect(alice.events).toEqual([
    [nodeDataChanged, "/new", -1],
    [nodeDeleted, "/gone", -1],
  ]);
  expect(watches.has("/old", alice, WatcherType.data)).toBe(true);
  expect(watches.count).toBe(1);
});

test("a watch for a missing node is told that it exists, however old it is, or armed again", () => {
  const { watches, alice } = reconnected({ existWatches: ["/old", "/gone"] });
  expect(alice.events).toEqual([[nodeCreated, "/old", -1]]);
  expect(watches.has("/gone", alice, WatcherType.data)).toBe(true);
});

test("a child watch goes by the last change of children", () => {
  const { watches, alice } = reconnected({ childWatches: ["/old", "/new", "/gone"] });
  expect(alice.events).toEqual([
    [nodeChildrenChanged, "/old", -1],
    [nodeDeleted, "/gone", -1],
  ]);
  expect(watches.has("/new", alice, WatcherType.children)).toBe(true);
});

test("persistent watches are armed without a word, whether the node exists or not", () => {
  const { watches, alice } = reconnected({
    persistentWatches: ["/new", "/gone"],
    persistentRecursiveWatches: ["/old"],
  });
  expect(alice.events).toEqual([]);
  expect(watches.has("/gone", alice, WatcherType.persistent)).toBe(true);
  expect(watches.has("/old", alice, WatcherType.persistentRecursive)).toBe(true);
  expect(watches.count).toBe(5);
});

test("one path in two lists gives two events, in the order of the lists", () => {
  const { alice } = reconnected({ dataWatches: ["/gone"], existWatches: ["/new"], childWatches: ["/gone"] });
  expect(alice.events).toEqual([
    [nodeDeleted, "/gone", -1],
    [nodeCreated, "/new", -1],
    [nodeDeleted, "/gone", -1],
  ]);
});

test("the older request has no persistent lists", () => {
  const watches = new WatchTable(READ_ALL);
  const { relativeZxid, dataWatches, existWatches, childWatches } = EMPTY;
  const request = { relativeZxid, dataWatches, existWatches, childWatches };
  expect(catchUp(watches, new Listener("alice"), request, NODES)).toBe(true);
});

test.each(["dataWatches", "existWatches", "childWatches", "persistentWatches", "persistentRecursiveWatches"] as const)(
  "nothing happens when %s or a path in it is null",
  (list) => {
    for (const value of [null, ["/gone", null]]) {
      const { watches, alice, done } = reconnected({ dataWatches: ["/old", "/gone"], [list]: value });
      expect(done).toBe(false);
      expect(alice.events).toEqual([]);
      expect(watches.isEmpty).toBe(true);
    }
  },
);

test("a connection that leaves over an event of its catch-up leaves nothing behind", () => {
  const watches = new WatchTable(READ_ALL);
  const alice: Listener = new Listener("alice", () => watches.removeWatcher(alice));
  const lists = { dataWatches: ["/gone", "/old"], persistentWatches: ["/p"] };
  catchUp(watches, alice, { ...EMPTY, ...lists }, NODES);
  expect(watches.isEmpty).toBe(true);
});

test("the words about watches count and list data watches only", () => {
  const watches = new WatchTable(READ_ALL);
  const alice = new Listener("alice");
  const bob = new Listener("bob");
  watches.addData("/a", alice);
  watches.addData("/b", alice);
  watches.addPersistent("/a", bob, false);
  watches.addChild("/c", bob);
  const sessionOf = (watcher: unknown): SessionId => (watcher === alice ? 0x1_00n : -1n) as SessionId;
  expect(wchs(watches)).toBe("2 connections watching 2 paths\nTotal watches:3\n");
  expect([...wchc(watches, sessionOf)].join("")).toBe("0x100\n\t/a\n\t/b\n0xffffffffffffffff\n\t/a\n\n");
  expect([...wchp(watches, sessionOf)].join("")).toBe("/a\n\t0x100\n\t0xffffffffffffffff\n/b\n\t0x100\n\n");
});
