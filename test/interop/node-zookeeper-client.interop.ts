/** The npm client node-zookeeper-client: callbacks, no types, so the little we call is declared here. */
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ServerFixture } from "./support/fixture.ts";
import { eventually } from "./support/processes.ts";

type Callback<T> = (error: Error | null, result: T) => void;
interface NodeStat {
  readonly version: number;
  readonly cversion: number;
  readonly numChildren: number;
  readonly ephemeralOwner: Buffer;
}
interface NodeEvent {
  readonly type: number;
  readonly path: string;
}
interface Transaction {
  create(path: string, data?: Buffer): Transaction;
  check(path: string, version: number): Transaction;
  setData(path: string, data: Buffer, version?: number): Transaction;
  remove(path: string, version?: number): Transaction;
  commit(callback: Callback<unknown[]>): void;
}
interface Client {
  connect(): void;
  close(): void;
  once(event: "connected" | "disconnected", listener: () => void): void;
  getSessionId(): Buffer;
  addAuthInfo(scheme: string, auth: Buffer): void;
  create(path: string, data: Buffer | null, acls: unknown, mode: number, callback: Callback<string>): void;
  mkdirp(path: string, callback: Callback<string>): void;
  remove(path: string, version: number, callback: Callback<void>): void;
  removeRecursive(path: string, version: number, callback: Callback<void>): void;
  setData(path: string, data: Buffer | null, version: number, callback: Callback<NodeStat>): void;
  getData(
    path: string,
    watcher: ((event: NodeEvent) => void) | null,
    callback: (error: Error | null, data: Buffer, stat: NodeStat) => void,
  ): void;
  getChildren(
    path: string,
    watcher: ((event: NodeEvent) => void) | null,
    callback: (error: Error | null, children: string[], stat: NodeStat) => void,
  ): void;
  exists(path: string, watcher: ((event: NodeEvent) => void) | null, callback: Callback<NodeStat | null>): void;
  getACL(path: string, callback: (error: Error | null, acl: { id: { id: string } }[], stat: NodeStat) => void): void;
  setACL(path: string, acls: unknown, version: number, callback: Callback<NodeStat>): void;
  transaction(): Transaction;
}
interface Library {
  createClient(address: string, options: { readonly sessionTimeout: number; readonly retries?: number }): Client;
  readonly CreateMode: Readonly<Record<string, number>>;
  readonly ACL: Readonly<Record<string, unknown>>;
  readonly Event: Readonly<Record<string, number>>;
}

const zookeeper = createRequire(import.meta.url)("node-zookeeper-client") as Library;
const { PERSISTENT, PERSISTENT_SEQUENTIAL, EPHEMERAL } = zookeeper.CreateMode as Record<string, number>;
const { NODE_CREATED, NODE_DATA_CHANGED, NODE_CHILDREN_CHANGED, NODE_DELETED } = zookeeper.Event as Record<
  string,
  number
>;
const OPEN = zookeeper.ACL["OPEN_ACL_UNSAFE"];

const server = new ServerFixture();
let zk: Client;

async function connect(): Promise<Client> {
  const client = zookeeper.createClient(server.address, { sessionTimeout: 8000 });
  const connected = new Promise<void>((resolve) => client.once("connected", resolve));
  client.connect();
  await connected;
  return client;
}

/** Calls a method that ends in a callback; the callback's results as a list. */
function call<T>(start: (callback: (error: Error | null, ...results: never[]) => void) => void): Promise<T> {
  return promisify((done: (error: Error | null, results: unknown) => void) =>
    start((error, ...results) => done(error, results)),
  )() as Promise<T>;
}

beforeAll(async () => {
  zk = await connect();
});
afterAll(() => zk.close());

test("nodes are made, read, changed and removed", async () => {
  const [path] = await call<[string]>((done) => zk.create("/n", Buffer.from("one"), OPEN, PERSISTENT!, done as never));
  expect(path).toBe("/n");
  await expect(call((done) => zk.create("/n", null, OPEN, PERSISTENT!, done as never))).rejects.toThrow(/NODE_EXISTS/);
  const [data, stat] = await call<[Buffer, NodeStat]>((done) => zk.getData("/n", null, done as never));
  expect(data.toString()).toBe("one");
  expect(stat.version).toBe(0);
  const [changed] = await call<[NodeStat]>((done) => zk.setData("/n", Buffer.from("two"), 0, done as never));
  expect(changed.version).toBe(1);
  await expect(call((done) => zk.setData("/n", Buffer.from("x"), 0, done as never))).rejects.toThrow(/BAD_VERSION/);
  const [named] = await call<[string]>((done) => zk.create("/n/s", null, OPEN, PERSISTENT_SEQUENTIAL!, done as never));
  expect(named).toBe("/n/s0000000000");
  await call((done) => zk.mkdirp("/n/ä/日本", done as never));
  const [children, after] = await call<[string[], NodeStat]>((done) => zk.getChildren("/n", null, done as never));
  expect(children.toSorted()).toEqual(["s0000000000", "ä"]);
  expect(after.numChildren).toBe(2);
  await expect(call((done) => zk.remove("/n", -1, done as never))).rejects.toThrow(/NOT_EMPTY/);
  await call((done) => zk.remove("/n/ä/日本", -1, done as never));
  // It lists two levels only.
  await call((done) => zk.removeRecursive("/n", -1, done as never));
  const [gone] = await call<[NodeStat | null]>((done) => zk.exists("/n", null, done as never));
  expect(gone).toBeNull();
});

test("watches fire", async () => {
  const events: NodeEvent[] = [];
  const see = (event: NodeEvent): void => void events.push(event);
  const arrived = (count: number): Promise<void> =>
    eventually(`${count} events`, 10_000, () => events.length === count);
  await call((done) => zk.exists("/w", see, done as never));
  await call((done) => zk.create("/w", null, OPEN, PERSISTENT!, done as never));
  await arrived(1);
  await call((done) => zk.getData("/w", see, done as never));
  await call((done) => zk.setData("/w", Buffer.from("x"), -1, done as never));
  await arrived(2);
  await call((done) => zk.getChildren("/w", see, done as never));
  await call((done) => zk.create("/w/c", null, OPEN, PERSISTENT!, done as never));
  await arrived(3);
  await call((done) => zk.exists("/w/c", see, done as never));
  await call((done) => zk.remove("/w/c", -1, done as never));
  await arrived(4);
  expect(events.map(({ type, path }) => [type, path])).toEqual([
    [NODE_CREATED, "/w"],
    [NODE_DATA_CHANGED, "/w"],
    [NODE_CHILDREN_CHANGED, "/w"],
    [NODE_DELETED, "/w/c"],
  ]);
});

test("a transaction happens wholly or not at all", async () => {
  const make = zk.transaction().create("/t", Buffer.from("x")).setData("/t", Buffer.from("y")).check("/t", 1);
  await call((done) => make.commit(done as never));
  const fail = zk.transaction().setData("/t", Buffer.from("z")).remove("/t/none");
  await expect(call((done) => fail.commit(done as never))).rejects.toThrow(/NO_NODE/);
  const [data] = await call<[Buffer]>((done) => zk.getData("/t", null, done as never));
  expect(data.toString()).toBe("y");
});

test("access is checked", async () => {
  const bob = await connect();
  bob.addAuthInfo("digest", Buffer.from("bob:pw"));
  await call((done) => bob.create("/acl", null, zookeeper.ACL["CREATOR_ALL_ACL"], PERSISTENT!, done as never));
  await expect(call((done) => zk.getData("/acl", null, done as never))).rejects.toThrow(/NO_AUTH/);
  const [acl] = await call<[{ id: { id: string } }[]]>((done) => bob.getACL("/acl", done as never));
  expect(acl.map(({ id }) => id.id)).toEqual(["bob:ikIaKsbtGweaHnb/jKn7OHqbunM="]);
  await call((done) => bob.setACL("/acl", OPEN, -1, done as never));
  await call((done) => zk.getData("/acl", null, done as never));
  bob.close();
});

test("ephemerals belong to their session and go when it closes", async () => {
  const other = await connect();
  await call((done) => other.create("/e", null, OPEN, EPHEMERAL!, done as never));
  const [stat] = await call<[NodeStat]>((done) => zk.exists("/e", null, done as never));
  expect(stat.ephemeralOwner.toString("hex")).toBe(other.getSessionId().toString("hex"));
  const closed = new Promise<void>((resolve) => other.once("disconnected", resolve));
  other.close();
  await closed;
  const [gone] = await call<[NodeStat | null]>((done) => zk.exists("/e", null, done as never));
  expect(gone).toBeNull();
});
