/** The promise API over TCP, against our own server in this process. */
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { WatchEvent } from "../../core/client/events.ts";
import type { ClientState } from "../../core/client/events.ts";
import { TransactionError } from "../../core/client/errors.ts";
import type { ClientOptions } from "../../core/client/options.ts";
import type { ZooKeeper } from "../../core/client/zookeeper.ts";
import { Perms } from "../../core/protocol/data.ts";
import { connect, open } from "../../net/client.ts";
import { startServer } from "../../net/server.ts";
import type { RunningServer } from "../../net/server.ts";

const text = (data: Uint8Array | null): string | null => (data === null ? null : new TextDecoder().decode(data));
const directory = mkdtempSync(path.join(tmpdir(), "vivarium-client-"));
const clients: ZooKeeper[] = [];
let server: RunningServer;
let port = 0;

async function start(): Promise<void> {
  server = await startServer({ clientPort: port, dataDir: directory, tickTime: 200, forceSync: "no" });
  port = server.clientPort!;
}

async function client(options: ClientOptions = {}, chroot = ""): Promise<ZooKeeper> {
  const zk = await connect(`127.0.0.1:${port}${chroot}`, { sessionTimeout: 4000, reconnectDelayMax: 20, ...options });
  clients.push(zk);
  return zk;
}

beforeAll(start);
afterEach(async () => {
  await Promise.all(clients.splice(0).map((zk) => zk.close()));
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true });
});

test("a node is created, read, changed and deleted", async () => {
  const zk = await client();
  expect(zk.state).toBe("connected");
  expect(await zk.create("/a", "one")).toBe("/a");
  const first = await zk.getData("/a");
  expect(text(first.data)).toBe("one");
  expect((await zk.setData("/a", "two", { version: first.stat.version })).version).toBe(1);
  await expect(zk.setData("/a", "three", { version: 0 })).rejects.toMatchObject({ code: "BADVERSION", path: "/a" });
  await zk.delete("/a", { version: 1 });
  expect(await zk.exists("/a")).toBe(null);
  await expect(zk.getData("/a")).rejects.toMatchObject({
    code: "NONODE",
    errno: -101,
    path: "/a",
    outcomeUnknown: false,
  });
});

test("every mode of create makes its kind of node", async () => {
  const zk = await client();
  await zk.create("/modes", null);
  expect((await zk.getData("/modes")).data).toBe(null);
  expect(await zk.create("/modes/s-", "", { mode: "persistent_sequential" })).toBe("/modes/s-0000000000");
  const ephemeral = await zk.create2("/modes/e-", "", { mode: "ephemeral_sequential" });
  expect(ephemeral.path).toBe("/modes/e-0000000001");
  expect(ephemeral.stat.ephemeralOwner).toBe(zk.session.id);
  await zk.create("/modes/e", "", { mode: "ephemeral" });
  await zk.create("/modes/c", "", { mode: "container" });
  expect((await zk.getEphemerals("/modes")).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
    "/modes/e",
    "/modes/e-0000000001",
  ]);
  expect(await zk.getAllChildrenNumber("/modes")).toBe(4);
  await expect(zk.create("/modes/t", "", { ttl: 1000 })).rejects.toMatchObject({ code: "UNIMPLEMENTED" });
  await expect(zk.create("/modes/e/x")).rejects.toMatchObject({ code: "NOCHILDRENFOREPHEMERALS" });
});

test("children, access lists, identities and the configuration can be read", async () => {
  const zk = await client();
  await zk.create("/acl", "", { acl: [{ perms: Perms.READ | Perms.ADMIN, scheme: "world", id: "anyone" }] });
  await expect(zk.setData("/acl", "x")).rejects.toMatchObject({ code: "NOAUTH" });
  await zk.setACL("/acl", [{ perms: Perms.ALL, scheme: "world", id: "anyone" }], { version: 0 });
  const { acl, stat } = await zk.getACL("/acl");
  expect(acl).toEqual([{ perms: Perms.ALL, scheme: "world", id: "anyone" }]);
  expect(stat.aversion).toBe(1);
  expect(await zk.getChildren("/")).toContain("acl");
  const { children, stat: root } = await zk.getChildren2("/");
  expect(children.length).toBe(root.numChildren);
  await zk.addAuth("digest", "bob:pw");
  expect(await zk.whoAmI()).toContainEqual({ scheme: "digest", user: "bob" });
  expect((await zk.getConfig()).stat).toBeDefined();
  await zk.sync("/acl");
  await expect(zk.reconfig({ leaving: [1] })).rejects.toMatchObject({ code: "RECONFIGDISABLED" });
});

test("a transaction is done as a whole, or fails with the operation that stood in its way", async () => {
  const zk = await client();
  const results = await zk
    .transaction()
    .create("/tx", "1")
    .setData("/tx", "2")
    .check("/tx", { version: 1 })
    .create("/tx/seq-", "", { mode: "persistent_sequential" })
    .commit();
  expect(results.map((result) => result.type)).toEqual(["create", "setData", "check", "create"]);
  expect(results[3]).toEqual({ type: "create", path: "/tx/seq-0000000000" });
  const failure = zk.transaction().create("/tx/a").delete("/nowhere").create("/tx/b").commit();
  await expect(failure).rejects.toBeInstanceOf(TransactionError);
  await expect(failure).rejects.toMatchObject({ code: "NONODE", path: "/nowhere", index: 1 });
  expect(await zk.exists("/tx/a")).toBe(null);
  expect(await zk.multi([])).toEqual([]);
  const reads = await zk.multiRead([
    { type: "getData", path: "/tx" },
    { type: "getChildren", path: "/tx" },
    { type: "getData", path: "/nowhere" },
  ]);
  expect(reads.map((read) => read.type)).toEqual(["getData", "getChildren", "error"]);
  expect(reads[2]).toMatchObject({ error: { code: "NONODE", path: "/nowhere" } });
});

test("calls that are made together are answered in order, in one session", async () => {
  const zk = await client();
  const made = Array.from({ length: 200 }, () => zk.create("/order-", "", { mode: "ephemeral_sequential" }));
  const paths = await Promise.all(made);
  expect(paths).toEqual(paths.toSorted((a, b) => (a < b ? -1 : 1)));
});

test("a value larger than any chunk comes and goes unharmed", async () => {
  const zk = await client();
  const data = Uint8Array.from({ length: 900_000 }, (_, i) => (i * 31) & 0xff);
  await zk.create("/large", data);
  const reads = await Promise.all([zk.getData("/large"), zk.getData("/large"), zk.getData("/large")]);
  for (const read of reads) expect(Buffer.compare(read.data!, data)).toBe(0);
});

test("a watch hears of a change before the reply that shows it", async () => {
  const [zk, other] = [await client(), await client()];
  await zk.create("/w");
  const order: string[] = [];
  await zk.getData("/w", { watch: (event) => order.push(event.type) });
  await other.setData("/w", "new");
  await zk.sync("/w");
  const { data } = await zk.getData("/w");
  order.push(text(data)!);
  expect(order).toEqual(["nodeDataChanged", "new"]);
});

test("a persistent watch hears of everything until it is removed", async () => {
  const [zk, other] = [await client(), await client()];
  const events: string[] = [];
  const listener = (event: WatchEvent): void => void events.push(`${event.type} ${event.path}`);
  await zk.addWatch("/pw", "persistentRecursive", listener);
  await other.create("/pw");
  await other.create("/pw/x");
  await other.setData("/pw/x", "1");
  await other.delete("/pw/x");
  await zk.sync("/pw");
  await zk.removeWatches("/pw", listener);
  await other.delete("/pw");
  await zk.sync("/pw");
  expect(events).toEqual([
    "nodeCreated /pw",
    "nodeCreated /pw/x",
    "nodeDataChanged /pw/x",
    "nodeDeleted /pw/x",
    "persistentWatchRemoved /pw",
  ]);
  await expect(zk.removeWatches("/pw", listener)).rejects.toMatchObject({ code: "NOWATCHER" });
});

test("a chroot is invisible to those who live in it", async () => {
  const outside = await client();
  await outside.create("/home");
  const zk = await client({}, "/home");
  const events: WatchEvent[] = [];
  await zk.exists("/x", { watch: (event) => events.push(event) });
  expect(await zk.create("/x", "", { mode: "ephemeral" })).toBe("/x");
  expect(await zk.getEphemerals()).toEqual(["/x"]);
  expect(events.map((event) => event.path)).toEqual(["/x"]);
  expect(await outside.getChildren("/home")).toEqual(["x"]);
  expect(await zk.getChildren("/")).toEqual(["x"]);
});

test("arguments that are wrong reject, with what is wrong, and nothing is sent", async () => {
  const zk = await client();
  const seen = zk.lastZxidSeen;
  const bad: Promise<unknown>[] = [
    zk.getData("no-slash"),
    zk.create("/a/"),
    zk.create("/a", 7 as unknown as string),
    zk.create("/a", "", { mode: "eternal" as "ephemeral" }),
    zk.create("/a", "", { mode: "ephemeral", ttl: 5 }),
    zk.setData("/a", "x", { version: 1.5 }),
    zk.setACL("/a", "world" as unknown as []),
    zk.multi([{ type: "erase" as "delete", path: "/a" }]),
    zk.addWatch("/a", "forever" as "persistent", () => {}),
    zk.getData("/a", { watch: true as unknown as () => void }),
    zk.removeAllWatches("/a", "every" as "any"),
  ];
  for (const call of bad) await expect(call).rejects.toMatchObject({ code: "BADARGUMENTS", outcomeUnknown: false });
  expect(zk.lastZxidSeen).toBe(seen);
  // The suffix makes this one a good path.
  expect(await zk.create("/a-", "", { mode: "ephemeral_sequential" })).toMatch(/^\/a-[0-9]{10}$/);
});

test("a session outlives its server's restart: watches are set again and tell what was missed", async () => {
  const states: ClientState[] = [];
  const zk = await client({ onState: (state) => states.push(state) });
  await zk.create("/restart", "", { mode: "ephemeral" });
  const session = zk.session.id;
  const events: string[] = [];
  await zk.exists("/later", { watch: (event) => events.push(`${event.type} ${event.path}`) });
  await server.stop();
  await until(() => zk.state === "connecting");
  const waiting = zk.getData("/restart").catch((error: unknown) => error);
  await start();
  await waiting;
  const other = await client();
  await other.create("/later", "", { mode: "ephemeral" });
  await until(async () => (await zk.exists("/later").catch(() => null)) !== null);
  expect(events).toEqual(["nodeCreated /later"]);
  expect(zk.session.id).toBe(session);
  expect((await zk.exists("/restart"))?.ephemeralOwner).toBe(session);
  expect(states).toEqual(["connected", "connecting", "connected"]);
});

test("a session can be taken over by another client, and closed for good", async () => {
  const zk = await client();
  await zk.create("/mine", "", { mode: "ephemeral" });
  const heir = await client({ session: zk.session, lastZxidSeen: zk.lastZxidSeen });
  expect(heir.session.id).toBe(zk.session.id);
  await heir.close();
  const late = connect(`127.0.0.1:${port}`, { session: heir.session });
  await expect(late).rejects.toMatchObject({ code: "SESSIONEXPIRED" });
  expect(await (await client()).exists("/mine")).toBe(null);
});

test("credentials that the server refuses end the client", async () => {
  const zk = await client();
  await expect(zk.addAuth("nonsense", "x")).rejects.toMatchObject({ code: "AUTHFAILED" });
  expect(zk.state).toBe("authFailed");
  await expect(zk.getData("/")).rejects.toMatchObject({ code: "AUTHFAILED" });
});

test("without a server connecting fails in time, and so does every call", async () => {
  const free = await freePort();
  await expect(connect(`127.0.0.1:${free}`, { connectTimeout: 50 })).rejects.toMatchObject({ code: "CONNECTIONLOSS" });
  await expect(connect("nowhere:0")).rejects.toMatchObject({ code: "BADARGUMENTS" });
  const zk = open(`127.0.0.1:${free}`, { connectTimeout: 50 });
  await expect(zk.getData("/")).rejects.toMatchObject({ code: "CONNECTIONLOSS", outcomeUnknown: false });
  await zk.close();
  await expect(zk.getData("/")).rejects.toMatchObject({ code: "SESSIONEXPIRED" });
});

async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await met())) await new Promise((resolve) => setImmediate(resolve));
}

async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.once("listening", resolve));
  const free = (probe.address() as net.AddressInfo).port;
  await new Promise((resolve) => probe.close(resolve));
  return free;
}
