import { expect, test } from "vitest";
import { Code } from "../../core/protocol/codes.ts";
import { OPEN_ACL_UNSAFE } from "../../core/protocol/data.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import { createBody, RawClient } from "../support/raw-client.ts";
import { ServerBench } from "../support/server-bench.ts";

/** A create that is not waited for. */
function sendCreate(client: RawClient, path: string, flags: number): void {
  client.send(OpCode.create, createBody(path, "", flags, OPEN_ACL_UNSAFE));
}

test.each(["/a\0", "/\u0001", "/\u001f", "/\u007f", "/\u009f", "/\ud83d\ude00", "/\ue000", "/\ufff0", "/\uffff"])(
  "a path with a character that is not allowed is refused: %j",
  (path) => {
    const client = new RawClient(new ServerBench());
    expect(client.create(path).err).toBe(Code.BADARGUMENTS);
    expect(client.setData(path, "").err).toBe(Code.BADARGUMENTS);
  },
);

test.each([
  ["//a", Code.BADARGUMENTS],
  ["/a//b", Code.NONODE],
  ["/a/", Code.BADARGUMENTS],
  ["/.", Code.BADARGUMENTS],
  ["/..", Code.BADARGUMENTS],
  ["/a/.", Code.BADARGUMENTS],
  ["/./a", Code.NONODE],
  ["/a/../b", Code.NONODE],
])("a path with an empty, dotted or missing component is refused: %s", (path, expected) => {
  const client = new RawClient(new ServerBench());
  client.created("/a");
  expect(client.create(path).err).toBe(expected);
  expect(client.setData(path, "").err).toBe(Code.BADARGUMENTS);
});

test.each(["/ ", "/..a", "/.x", "/...", "/a..", "/\u00a0", "/\ud7ff", "/\u2028", "/\uf900", "/\uffef"])(
  "a path that only looks odd is served: %j",
  (path) => {
    const client = new RawClient(new ServerBench());
    expect(client.created(path, "x")).toBe(path);
    expect(client.dataOf(path)).toBe("x");
    expect(client.delete(path).err).toBe(0);
  },
);

test("sequence numbers count creates below the parent, whatever kind, and no deletes, and no failures", () => {
  const client = new RawClient(new ServerBench());
  client.created("/p");
  expect(client.created("/p/a-", "", 2)).toBe("/p/a-0000000000");
  client.created("/p/plain");
  expect(client.create("/p/plain").err).toBe(Code.NODEEXISTS);
  expect(client.delete("/p/plain").err).toBe(0);
  expect(client.created("/p/b-", "", 3)).toBe("/p/b-0000000002");
  expect(client.created("/p/", "", 2)).toBe("/p/0000000003");
  expect(client.created("/", "", 2)).toBe("/0000000001");
});

test("sequence numbers are given in the pipeline, not after it", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  const other = new RawClient(bench);
  client.created("/p");
  bench.diskHeld = true;
  const paths: string[] = [];
  for (let i = 0; i < 6; i++) sendCreate(i % 2 === 0 ? client : other, `/p/n${i}-`, 2);
  bench.diskHeld = false;
  bench.settle();
  client.take();
  for (let i = 0; i < 6; i++) paths.push(`n${i}-000000000${i}`);
  expect(client.children("/p")).toEqual(paths);
});

test("stats: what each operation changes", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  client.created("/p", "data"); // zxid 2
  client.created("/p/a"); // 3
  client.created("/p/b"); // 4
  client.delete("/p/a"); // 5
  client.setData("/p", "other"); // 6
  client.setAcl("/p", [{ perms: 31, scheme: "world", id: "anyone" }]); // 7
  expect(client.stat("/p")).toMatchObject({
    czxid: 2,
    mzxid: 6,
    pzxid: 5,
    version: 1,
    cversion: 3,
    aversion: 1,
    dataLength: 5,
    numChildren: 1,
    ephemeralOwner: 0n,
  });
});

test("ephemerals go when their session closes or expires, and stay when only its connection ends", () => {
  const bench = new ServerBench();
  const watcher = new RawClient(bench, { timeout: 60_000 });
  const [closer, expirer, mover] = [1, 2, 3].map(() => new RawClient(bench, { timeout: 20_000 }));
  closer!.created("/closed", "", 1);
  expirer!.created("/expired", "", 1);
  mover!.created("/moved", "", 1);
  closer!.closeSession();
  expect(watcher.children("/")).toEqual(["expired", "moved", "zookeeper"]);
  expirer!.peer.cut();
  mover!.peer.cut();
  const again = mover!.resume({ timeout: 60_000 });
  bench.pass(25_000);
  expect(watcher.children("/")).toEqual(["moved", "zookeeper"]);
  expect(again.stat("/moved")!.ephemeralOwner).toBe(mover!.session);
});

test("an ephemeral created in the pipeline just before its session closes goes with it", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  bench.diskHeld = true;
  sendCreate(client, "/mine", 1);
  client.send(OpCode.closeSession);
  bench.diskHeld = false;
  bench.settle();
  expect(client.take()).toMatchObject([{ err: 0 }, { err: 0 }]);
  expect(new RawClient(bench).children("/")).toEqual(["zookeeper"]);
});

test("a container goes once it has had children and has none, and not before", () => {
  const bench = new ServerBench({ containerCheckInterval: 1000 });
  const client = new RawClient(bench, { timeout: 60_000 });
  for (const path of ["/used", "/unused", "/full"]) expect(client.createContainer(path).err).toBe(0);
  client.created("/used/x");
  client.created("/full/x");
  client.delete("/used/x");
  client.exists("/used", true);
  bench.pass(2100);
  expect(client.takeEvents()).toMatchObject([{ type: 2, path: "/used" }]);
  expect(client.children("/")).toEqual(["full", "unused", "zookeeper"]);
});

test("a container never used goes after a while, where that is asked for", () => {
  const bench = new ServerBench({ containerCheckInterval: 1000, containerMaxNeverUsedInterval: 5000 });
  const client = new RawClient(bench, { timeout: 60_000 });
  client.createContainer("/unused");
  bench.pass(4900);
  expect(client.stat("/unused")).toMatchObject({ ephemeralOwner: 0n });
  bench.pass(2000);
  expect(client.stat("/unused")).toBeUndefined();
});

test("a child made after a container was chosen to go keeps it", () => {
  const bench = new ServerBench({ containerCheckInterval: 1000 });
  const client = new RawClient(bench, { timeout: 60_000 });
  client.createContainer("/c");
  client.created("/c/x");
  client.delete("/c/x");
  bench.diskHeld = true;
  sendCreate(client, "/c/y", 0);
  bench.pass(1100);
  bench.diskHeld = false;
  bench.settle();
  client.take();
  expect(client.children("/c")).toEqual(["y"]);
});

test("a TTL node goes when nothing was written to it for so long and it has no children", () => {
  const bench = new ServerBench({ containerCheckInterval: 1000, extendedTypesEnabled: true });
  const client = new RawClient(bench, { timeout: 60_000 });
  for (const path of ["/written", "/parent", "/idle"]) expect(client.createTtl(path, 5, 3000).err).toBe(0);
  client.created("/parent/x");
  bench.pass(2500);
  client.setData("/written", "x");
  bench.pass(2600);
  expect(client.children("/")).toEqual(["parent", "written", "zookeeper"]);
  client.delete("/parent/x");
  bench.pass(2600);
  expect(client.children("/")).toEqual(["zookeeper"]);
});

test("containers and TTL nodes are reaped across restarts, and no faster than allowed", () => {
  const config = { containerCheckInterval: 1000, containerMaxPerMinute: 60 };
  const bench = new ServerBench(config);
  const client = new RawClient(bench, { timeout: 60_000 });
  for (const path of ["/a", "/b", "/c"]) {
    client.createContainer(path);
    client.created(`${path}/x`);
    client.delete(`${path}/x`);
  }
  bench.crashAndRestart();
  const again = client.resume({ timeout: 60_000 });
  bench.pass(1500);
  expect(again.children("/").length).toBe(3);
  bench.pass(1000);
  expect(again.children("/").length).toBe(2);
});

test("quotas are counted, enforced where hard and only then, and recounted after a restart", () => {
  const bench = new ServerBench({ enforceQuota: true });
  const client = new RawClient(bench);
  client.created("/q", "12");
  client.created("/q/a", "345");
  client.created("/zookeeper/quota/q");
  client.created("/zookeeper/quota/q/zookeeper_limits", "count=-1,bytes=1=;byteHardLimit=8;countHardLimit=3");
  client.created("/zookeeper/quota/q/zookeeper_stats", "");
  const usage = () => client.dataOf("/zookeeper/quota/q/zookeeper_stats");
  expect(usage()).toBe("count=2,bytes=5");
  expect(client.create("/q/b", "6789").err).toBe(Code.QUOTAEXCEEDED);
  expect(client.create("/q/b", "678").err).toBe(0);
  expect(client.create("/q/c", "").err).toBe(Code.QUOTAEXCEEDED);
  expect(client.setData("/q/b", "6789").err).toBe(Code.QUOTAEXCEEDED);
  expect(client.setData("/q/b", "abc").err).toBe(0);
  expect(client.setData("/q/a", "").err).toBe(0);
  expect(client.setData("/q/b", "abcdef").err).toBe(0);
  expect(usage()).toBe("count=3,bytes=8");
  expect(client.delete("/q/a").err).toBe(0);
  expect(usage()).toBe("count=2,bytes=8");
  bench.crashAndRestart();
  const again = client.resume();
  expect(again.dataOf("/zookeeper/quota/q/zookeeper_stats")).toBe("count=2,bytes=8");
  expect(again.create("/q/d", "x").err).toBe(Code.QUOTAEXCEEDED);
  expect(again.delete("/zookeeper/quota/q/zookeeper_limits").err).toBe(0);
  expect(again.create("/q/d", "x").err).toBe(0);
});

test("limits and stats that cannot be read limit nothing and break nothing", () => {
  const client = new RawClient(new ServerBench({ enforceQuota: true }));
  client.created("/q");
  client.created("/zookeeper/quota/q");
  client.created("/zookeeper/quota/q/zookeeper_limits", "==;;count=x,bytes=1e999=;byteHardLimit=;=,=");
  client.created("/zookeeper/quota/q/zookeeper_stats", "");
  client.setData("/zookeeper/quota/q/zookeeper_stats", "\u0000,,,===");
  expect(client.create("/q/a", "x").err).toBe(0);
  expect(client.delete("/q/a").err).toBe(0);
});

test("null data and empty data are two things", () => {
  const client = new RawClient(new ServerBench());
  client.created("/empty", "");
  client.multi([
    { type: 1, request: { path: "/null", data: null, acl: [{ perms: 31, scheme: "world", id: "anyone" }], flags: 0 } },
  ]);
  expect([client.dataOf("/empty"), client.dataOf("/null")]).toEqual(["", "null"]);
});
