import { expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import { addWatch, create, exists, getChildren, getConfig, getData } from "../../../core/client/operations.ts";
import type { Writer } from "../../../core/jute/writer.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { writeStat } from "../../../core/protocol/data.ts";
import { Xids } from "../../../core/protocol/headers.ts";
import { readSetWatches2Request, readSetWatchesRequest } from "../../../core/protocol/requests.ts";
import { ClientBench, joined, notification, reply } from "../../support/client-bench.ts";

const zxid = (value: number): Zxid => value as Zxid;
const stat = (w: Writer): void =>
  writeStat(w, {
    czxid: zxid(1),
    mzxid: zxid(1),
    ctime: 0,
    mtime: 0,
    version: 0,
    cversion: 0,
    aversion: 0,
    ephemeralOwner: 0n,
    dataLength: 0,
    numChildren: 0,
    pzxid: zxid(1),
  });
const nodeData = (w: Writer): void => {
  w.buffer(null);
  stat(w);
};
const noChildren = (w: Writer): void => w.int(0);
const ok = (w: Writer): void => w.int(0);

/** A connected client that watches /d (data), /e (exists, missing), /c (children), /p and /r (persistent). */
function watching(zxidSeen = 50, chroot = "/"): ClientBench {
  const bench = new ClientBench({ chroot });
  bench.establish();
  bench.call(getData("/d", bench.listener("d")));
  bench.call(exists("/e", bench.listener("e")));
  bench.call(getChildren("/c", bench.listener("c")));
  bench.call(addWatch("/p", "persistent", bench.listener("p")));
  bench.call(addWatch("/r", "persistentRecursive", bench.listener("r")));
  bench.deliver(
    joined(
      reply(1, zxidSeen, 0, nodeData),
      reply(2, zxidSeen, Code.NONODE),
      reply(3, zxidSeen, 0, noChildren),
      reply(4, zxidSeen, 0, ok),
      reply(5, zxidSeen, 0, ok),
    ),
  );
  bench.requests();
  bench.log.length = 0;
  return bench;
}

test("a one-shot watch hears of one change, with the zxid if the server tells it", () => {
  const bench = watching();
  bench.deliver(notification("nodeDataChanged", "/d", 60));
  bench.deliver(notification("nodeDataChanged", "/d", 61));
  expect(bench.events).toEqual([{ type: "nodeDataChanged", state: "connected", path: "/d", zxid: 60 }]);
});

test("a notification comes before the reply behind it, as the server ordered them", () => {
  const bench = watching();
  bench.call(getData("/d"), "read");
  bench.deliver(joined(notification("nodeDataChanged", "/d"), reply(6, 60, 0, nodeData)));
  expect(bench.log).toEqual(["d: nodeDataChanged /d", "read: ok"]);
});

test("a watch on a missing node hears that it was created; one that failed to be set hears nothing", () => {
  const bench = watching();
  bench.call(getData("/x", bench.listener("x")));
  bench.deliver(reply(6, 60, Code.NONODE));
  bench.deliver(joined(notification("nodeCreated", "/e"), notification("nodeCreated", "/x")));
  expect(bench.log).toEqual(["e: nodeCreated /e"]);
});

test("a deletion uses up data and child watches, and tells a listener of both once", () => {
  const bench = watching();
  const both = bench.listener("both");
  bench.call(getData("/b", both));
  bench.call(getChildren("/b", both));
  bench.deliver(joined(reply(6, 60, 0, nodeData), reply(7, 60, 0, noChildren)));
  bench.deliver(notification("nodeDeleted", "/b"));
  bench.deliver(notification("nodeChildrenChanged", "/b"));
  expect(bench.log).toEqual(["both: nodeDeleted /b"]);
});

test("data watches do not hear of children, nor child watches of data", () => {
  const bench = watching();
  bench.deliver(joined(notification("nodeChildrenChanged", "/d"), notification("nodeDataChanged", "/c")));
  expect(bench.log).toEqual([]);
  bench.deliver(joined(notification("nodeChildrenChanged", "/c"), notification("nodeDeleted", "/d")));
  expect(bench.log).toEqual(["c: nodeChildrenChanged /c", "d: nodeDeleted /d"]);
});

test("persistent watches stay; recursive ones hear of all below, but never of children as such", () => {
  const bench = watching();
  bench.deliver(
    joined(
      notification("nodeCreated", "/p"),
      notification("nodeChildrenChanged", "/p"),
      notification("nodeDeleted", "/p"),
      notification("nodeDataChanged", "/p/below"),
      notification("nodeCreated", "/r/a/b"),
      notification("nodeChildrenChanged", "/r"),
      notification("nodeDeleted", "/r"),
      notification("nodeCreated", "/rother"),
    ),
  );
  expect(bench.log).toEqual([
    "p: nodeCreated /p",
    "p: nodeChildrenChanged /p",
    "p: nodeDeleted /p",
    "r: nodeCreated /r/a/b",
    "r: nodeDeleted /r",
  ]);
});

test("a recursive watch on the root hears of everything", () => {
  const bench = watching();
  bench.call(addWatch("/", "persistentRecursive", bench.listener("root")));
  bench.deliver(reply(6, 60, 0, ok));
  bench.deliver(joined(notification("nodeCreated", "/"), notification("nodeCreated", "/a/b")));
  expect(bench.log).toEqual(["root: nodeCreated /", "root: nodeCreated /a/b"]);
});

test("after a reconnect every watch is set again before anything else is asked", () => {
  const bench = watching(50);
  bench.call(getData("/d", bench.listener("lost")));
  bench.drop();
  bench.call(getData("/later"));
  bench.advance(1000);
  bench.establish();
  const requests = bench.requests();
  expect(requests.map((request) => [request.name, request.xid])).toEqual([
    ["setWatches2", Xids.setWatches],
    ["getData", 7],
  ]);
  expect(readSetWatches2Request(requests[0]!.body)).toEqual({
    relativeZxid: 50,
    dataWatches: ["/d"],
    existWatches: ["/e"],
    childWatches: ["/c"],
    persistentWatches: ["/p"],
    persistentRecursiveWatches: ["/r"],
  });
});

test("what changed in between is told first, and uses its watch up", () => {
  const bench = watching();
  bench.drop();
  bench.advance(1000);
  bench.establish();
  bench.call(getData("/d"), "read");
  bench.log.length = 0;
  bench.deliver(
    joined(
      notification("nodeDataChanged", "/d"),
      notification("nodeCreated", "/e"),
      notification("nodeDeleted", "/c"),
      reply(Xids.setWatches, 70),
      reply(6, 70, 0, nodeData),
    ),
  );
  expect(bench.log).toEqual(["d: nodeDataChanged /d", "e: nodeCreated /e", "c: nodeDeleted /c", "read: ok"]);
  bench.drop();
  bench.advance(1000);
  bench.establish();
  expect(readSetWatches2Request(bench.request().body)).toMatchObject({
    relativeZxid: 70,
    dataWatches: [],
    existWatches: [],
    childWatches: [],
    persistentWatches: ["/p"],
    persistentRecursiveWatches: ["/r"],
  });
});

test("persistent watches are told that there was a gap; one-shot ones have none and are not", () => {
  const bench = watching();
  bench.drop();
  bench.advance(1000);
  bench.establish();
  expect(bench.log).toEqual(["connecting", "connected", "p: none connected", "r: none connected"]);
});

test("without persistent watches the older request is used, which servers before 3.6 know", () => {
  const bench = new ClientBench();
  bench.establish();
  bench.call(getData("/d", bench.listener()));
  bench.deliver(reply(1, 9, 0, nodeData));
  bench.drop();
  bench.advance(1000);
  bench.requests();
  bench.establish();
  const request = bench.request();
  expect(request.name).toBe("setWatches");
  expect(readSetWatchesRequest(request.body)).toMatchObject({
    dataWatches: ["/d"],
    existWatches: [],
    childWatches: [],
  });
});

test("many watches are set again in packets of bounded size, all relative to the same zxid", () => {
  const bench = new ClientBench();
  bench.establish();
  const paths = Array.from({ length: 3000 }, (_, i) => `/${String(i).padStart(99, "0")}`);
  for (const path of paths) bench.call(exists(path, bench.listener()));
  for (let i = 1; i <= paths.length; i++) bench.deliver(reply(i, 40, 0, stat));
  bench.drop();
  bench.advance(1000);
  bench.establish();
  const batches = bench.requests().map((request) => readSetWatchesRequest(request.body));
  expect(batches.length).toBe(3);
  for (const batch of batches) {
    expect(batch.relativeZxid).toBe(40);
    expect(batch.dataWatches!.length).toBeLessThanOrEqual(1310);
  }
  expect(batches.flatMap((batch) => batch.dataWatches!)).toEqual(paths);
});

test("a server that does not set the watches again is left", () => {
  const bench = watching();
  bench.drop();
  bench.advance(1000);
  bench.establish();
  bench.deliver(reply(Xids.setWatches, 70, Code.MARSHALLINGERROR));
  expect(bench.peer.closed).toBe(true);
  expect(bench.client.state).toBe("connecting");
});

test("under a chroot every path is the server's on the wire and the application's everywhere else", () => {
  const bench = watching(50, "/app");
  bench.deliver(joined(notification("nodeDataChanged", "/app/d"), notification("nodeCreated", "/app/r/x")));
  bench.deliver(joined(notification("nodeChildrenChanged", "/c"), notification("nodeChildrenChanged", "/apple")));
  expect(bench.log).toEqual(["d: nodeDataChanged /d", "r: nodeCreated /r/x"]);
  const made = bench.call(create("/n"));
  const root = bench.call(getData("/", bench.listener("root")));
  const requests = bench.requests();
  expect(requests.map((request) => request.body.string())).toEqual(["/app/n", "/app"]);
  bench.deliver(
    joined(
      reply(6, 60, 0, (w) => w.string("/app/n")),
      reply(7, 60, 0, nodeData),
    ),
  );
  expect(made.value).toBe("/n");
  expect(root.settled).toBe(true);
  bench.deliver(notification("nodeDataChanged", "/app"));
  expect(bench.log.at(-1)).toBe("root: nodeDataChanged /");
  bench.drop();
  bench.advance(1000);
  bench.establish();
  expect(readSetWatches2Request(bench.request().body)).toMatchObject({
    existWatches: ["/app/e"],
    persistentWatches: ["/app/p"],
  });
});

test("the ensemble's configuration is outside every chroot", () => {
  const bench = new ClientBench({ chroot: "/app" });
  bench.establish();
  bench.call(getConfig(bench.listener("config")));
  expect(bench.request().body.string()).toBe("/zookeeper/config");
  bench.deliver(reply(1, 2, 0, nodeData));
  bench.deliver(notification("nodeDataChanged", "/zookeeper/config"));
  expect(bench.log.at(-1)).toBe("config: nodeDataChanged /zookeeper/config");
});

test("removing the only watch of a path asks the server to forget all of it", () => {
  const bench = new ClientBench();
  bench.establish();
  const listener = bench.listener("w");
  bench.call(getData("/a", listener));
  bench.deliver(reply(1, 2, 0, nodeData));
  bench.requests();
  const removal = bench.removeWatches("/a", "data", listener);
  const request = bench.request();
  expect([request.name, request.body.string(), request.body.int()]).toEqual(["removeWatches", "/a", 3]);
  expect(removal.settled).toBe(false);
  bench.deliver(reply(request.xid, 3));
  expect(removal).toMatchObject({ settled: true, error: undefined });
  expect(bench.log.at(-1)).toBe("w: dataWatchRemoved /a");
  bench.deliver(notification("nodeDataChanged", "/a"));
  expect(bench.events.length).toBe(1);
});

test("removing one of several listeners leaves the server's watch alone", () => {
  const bench = new ClientBench();
  bench.establish();
  const [one, other] = [bench.listener("one"), bench.listener("other")];
  bench.call(getData("/a", one));
  bench.call(getData("/a", other));
  bench.deliver(joined(reply(1, 2, 0, nodeData), reply(2, 2, 0, nodeData)));
  bench.requests();
  expect(bench.removeWatches("/a", "data", one)).toMatchObject({ settled: true, error: undefined });
  expect(bench.requests()).toEqual([]);
  bench.deliver(notification("nodeDataChanged", "/a"));
  expect(bench.log.slice(-2)).toEqual(["one: dataWatchRemoved /a", "other: nodeDataChanged /a"]);
});

test("a one-shot watch is removed without touching a persistent one on the same path", () => {
  const bench = watching();
  bench.call(getData("/p", bench.listener("once")));
  bench.deliver(reply(6, 60, 0, nodeData));
  bench.requests();
  expect(bench.removeWatches("/p", "data")).toMatchObject({ settled: true, error: undefined });
  expect(bench.requests()).toEqual([]);
  bench.removeWatches("/p", "persistent");
  const request = bench.request();
  expect([request.body.string(), request.body.int()]).toEqual(["/p", 3]);
  bench.deliver(reply(request.xid, 61));
  expect(bench.log).toEqual(["once: dataWatchRemoved /p", "p: persistentWatchRemoved /p"]);
});

test("a removal that the connection does not survive has happened, for the watch died with it", () => {
  const bench = watching();
  const removal = bench.removeWatches("/d", "any");
  bench.drop();
  expect(removal).toMatchObject({ settled: true, error: undefined });
  expect(bench.removeWatches("/e", "any")).toMatchObject({ settled: true, error: undefined });
  bench.advance(1000);
  bench.establish();
  expect(readSetWatches2Request(bench.request().body)).toMatchObject({ dataWatches: [], existWatches: [] });
});

test("removing what is not there is refused without asking", () => {
  const bench = watching();
  expect(bench.removeWatches("/d", "children").error?.code).toBe("NOWATCHER");
  expect(bench.removeWatches("/nowhere", "any").error?.code).toBe("NOWATCHER");
  expect(bench.removeWatches("/d", "any", bench.listener()).error?.code).toBe("NOWATCHER");
  expect(bench.requests()).toEqual([]);
});

test("a watch that fires on the way of its removal tells so, and the removal finds nothing", () => {
  const bench = watching();
  const removal = bench.removeWatches("/d", "data");
  const { xid } = bench.request();
  bench.deliver(joined(notification("nodeDataChanged", "/d"), reply(xid, 60, Code.NOWATCHER)));
  expect(removal.error?.code).toBe("NOWATCHER");
  expect(bench.log).toEqual(["d: nodeDataChanged /d"]);
});

test("closing tells every watch that it is over, once", () => {
  const bench = watching();
  bench.close();
  const { xid } = bench.request();
  bench.deliver(reply(xid, 70));
  expect(bench.log.toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
    "c: none closed",
    "close: ok",
    "closed",
    "d: none closed",
    "e: none closed",
    "p: none closed",
    "r: none closed",
  ]);
});
