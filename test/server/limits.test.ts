import { expect, test } from "vitest";
import type { ServerConfig } from "../../core/config.ts";
import { DEFAULT_SERVER_CONFIG } from "../../core/config.ts";
import { HELD_INPUT_BYTES, SEND_QUEUE_HIGH_BYTES, SEND_QUEUE_MAX_BYTES } from "../../core/limits.ts";
import { OPEN_ACL_UNSAFE } from "../../core/protocol/data.ts";
import { writeMultiReadRequest } from "../../core/protocol/multi.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import { StandaloneServer } from "../../core/server/standalone.ts";
import { address, Simulator } from "../../sim/index.ts";
import { idle } from "../support/idle-actor.ts";
import { connectFrame, createBody, isEvent, RawClient, requestFrame, setDataBody } from "../support/raw-client.ts";
import type { Body } from "../support/raw-client.ts";
import { ServerBench } from "../support/server-bench.ts";

const getData =
  (path: string): Body =>
  (w) => (w.string(path), w.boolean(false));

test("maxClientCnxns: the connection too many is closed at once, those of other hosts are not", () => {
  const bench = new ServerBench({ maxClientCnxns: 2 });
  const [first, , third] = [1, 2, 3].map((port) => bench.accept(`10.0.0.9:${port}`));
  expect(third!.closed).toBe(true);
  expect(bench.accept("10.0.0.8:1").closed).toBe(false);
  expect(bench.accept("[::1]:1").closed).toBe(false);
  first!.cut();
  expect(bench.accept("10.0.0.9:4").closed).toBe(false);
});

test("maxCnxns counts everybody, and none that was refused", () => {
  const bench = new ServerBench({ maxCnxns: 2 });
  const peers = [1, 2, 3, 4].map((host) => bench.accept(`10.0.0.${host}:1`));
  expect(peers.map((peer) => peer.closed)).toEqual([false, false, true, true]);
  peers[0]!.cut();
  expect(bench.accept("10.0.0.5:1").closed).toBe(false);
});

test("ten thousand connections that say nothing are closed after nio.sessionlessCnxnTimeout", () => {
  const config = { ...DEFAULT_SERVER_CONFIG, preAllocSize: 0, maxClientCnxns: 0 };
  const world = new Simulator({ seed: 1 });
  const to = address("server:2181");
  let server: StandaloneServer | undefined;
  const host = world.addHost({
    name: "server",
    listens: [{ address: to, port: "client" }],
    boot: (seed) => (server = new StandaloneServer(config, seed)),
  });
  host.start();
  const crowd = { connected: 0, closed: 0 };
  const actor = { ...idle, onConnected: () => void crowd.connected++, onClosed: () => void crowd.closed++ };
  world.addHost({ name: "crowd", boot: () => actor }).start();
  world.run({ until: 500, when: () => server!.state !== undefined });
  world.host("crowd").run((cx) => {
    for (let i = 0; i < 10_000; i++) cx.connect(to);
  });
  world.run({ when: () => crowd.connected === 10_000 });
  const since = world.now / 1000;
  world.run({ until: since + 9000 });
  expect(crowd.closed).toBe(0);
  world.run({ until: since + 20_100 });
  expect(crowd.closed).toBe(10_000);
});

test("a client that never reads its replies is no longer read itself, and costs a bounded amount of memory", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench, { timeout: 60_000 });
  client.created("/big", "x".repeat(50_000));
  client.peer.stopReading();
  // One request per event: no reply alone fills a batch.
  for (let i = 0; i < 1000; i++) client.send(OpCode.getData, getData("/big"));
  expect(client.peer.unreadBytes).toBeLessThan(SEND_QUEUE_HIGH_BYTES + 128 * 1024);
  expect(client.closed).toBe(false);
  client.peer.readAgain();
  const replies = client.take();
  expect(replies.length).toBe(1000);
  expect(replies.every((reply) => !isEvent(reply) && reply.err === 0)).toBe(true);
});

test("a client that sends everything at once and never reads is held as well, and its input paused", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench, { timeout: 60_000 });
  client.created("/big", "x".repeat(5000));
  client.peer.stopReading();
  const request = requestFrame(1, OpCode.getData, getData("/big"));
  const chunk = new Uint8Array(2000 * request.length);
  for (let i = 0; i < 2000; i++) chunk.set(request, i * request.length);
  for (let i = 0; i < 5; i++) client.peer.send(chunk);
  expect(client.peer.unreadBytes).toBeLessThan(SEND_QUEUE_HIGH_BYTES + 128 * 1024);
  expect(client.peer.paused).toBe(true);
  expect(client.peer.waiting.length).toBeGreaterThan(0);
  expect(chunk.length).toBeLessThan(2 * HELD_INPUT_BYTES);
  client.peer.readAgain();
  expect(client.take().length).toBe(10_000);
});

test("writes that are answered while their client does not read are held likewise", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench, { timeout: 60_000 });
  client.created("/big", "x".repeat(50_000));
  client.peer.stopReading();
  for (let i = 0; i < 500; i++) {
    bench.diskHeld = true;
    client.send(OpCode.setData, setDataBody("/big", "y".repeat(50_000)));
    client.send(OpCode.getData, getData("/big"));
    bench.diskHeld = false;
    bench.settle();
  }
  expect(client.peer.unreadBytes).toBeLessThan(SEND_QUEUE_HIGH_BYTES + 128 * 1024);
});

test("a client that does not read its notifications is closed; others hear of every change", () => {
  const bench = new ServerBench();
  const writer = new RawClient(bench, { timeout: 60_000 });
  const deaf = new RawClient(bench, { timeout: 60_000 });
  const good = new RawClient(bench, { timeout: 60_000 });
  const path = `/${"p".repeat(10_000)}`;
  writer.created(path);
  for (const watcher of [deaf, good]) watcher.addWatch(path, 0);
  deaf.peer.stopReading();
  let changes = 0;
  let heard = 0;
  while (!deaf.closed && changes < 5000) {
    writer.setData(path, `${changes++}`);
    expect(deaf.peer.unreadBytes).toBeLessThan(SEND_QUEUE_MAX_BYTES + 128 * 1024);
    heard += good.takeEvents().length;
  }
  expect(deaf.closed).toBe(true);
  expect(heard).toBe(changes);
  expect(deaf.resume({ timeout: 60_000 }).welcome!.timeOut).toBe(60_000);
});

test("a multiRead that asks for a megabyte ten thousand times is refused, and costs little", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench, { timeout: 60_000 });
  client.created("/big", "x".repeat(1_000_000));
  const read = (count: number) => {
    const ops = Array.from({ length: count }, () => ({ type: 4 as const, request: { path: "/big", watch: false } }));
    return client.call(OpCode.multiRead, (w) => writeMultiReadRequest(w, ops));
  };
  expect(read(10_000).err).toBe(-5);
  expect(read(10)).toMatchObject({ err: 0 });
});

test("auth entries of one request multiply only so far: what is logged can always be read back", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench, { timeout: 60_000 });
  for (let i = 0; i < 200; i++) client.auth("digest", `user${i}:password`);
  const mine = (count: number) => Array.from({ length: count }, (_, perms) => ({ perms, scheme: "auth", id: "" }));
  expect(client.create("/some", "", 0, mine(20)).err).toBe(0);
  expect(client.create("/many", "", 0, mine(90)).err).toBe(-114);
  const ops = Array.from({ length: 5000 }, (_, i) => ({
    type: 1 as const,
    request: { path: `/n${i}`, data: null, acl: mine(1), flags: 0 },
  }));
  const { results } = client.multi(ops);
  expect(results!.find((result) => "err" in result && result.err !== 0)).toEqual({ type: -1, err: -114 });
  expect(client.multi(ops.slice(0, 20)).results).toMatchObject(Array(20).fill({ type: 1 }));
  bench.crashAndRestart();
  expect(bench.state.tree.acl(bench.state.tree.find("/some")).length).toBe(4000);
});

test("reads that wait for a client to read hold up nobody else", () => {
  const bench = new ServerBench({ globalOutstandingLimit: 5 });
  const deaf = new RawClient(bench, { timeout: 60_000 });
  const other = new RawClient(bench, { timeout: 60_000 });
  deaf.created("/big", "x".repeat(900_000));
  deaf.peer.stopReading();
  bench.diskHeld = true;
  deaf.send(OpCode.setData, setDataBody("/big", "y".repeat(900_000)));
  for (let i = 0; i < 5; i++) deaf.send(OpCode.getData, getData("/big"));
  bench.diskHeld = false;
  bench.settle();
  expect(deaf.peer.unreadBytes).toBeLessThan(2 * SEND_QUEUE_HIGH_BYTES);
  expect(bench.state.stats.inProcess).toBe(0);
  for (let i = 0; i < 20; i++) other.send(OpCode.getData, getData("/"));
  expect(other.take().length).toBe(20);
  deaf.peer.readAgain();
  expect(deaf.take().length).toBe(6);
  expect(bench.state.stats.inProcess).toBe(0);
});

test("globalOutstandingLimit: beyond it, connections that already have a request in are not read", () => {
  const bench = new ServerBench({ globalOutstandingLimit: 10 });
  const busy = new RawClient(bench);
  const other = new RawClient(bench);
  bench.diskHeld = true;
  for (let i = 0; i < 50; i++) busy.send(OpCode.create, createBody(`/a${i}`, "", 0, OPEN_ACL_UNSAFE));
  expect(bench.state.stats.inProcess).toBe(11);
  // Everyone may have one in, whatever the others do.
  other.send(OpCode.create, createBody("/b", "", 0, OPEN_ACL_UNSAFE));
  expect(bench.state.stats.inProcess).toBe(12);
  bench.diskHeld = false;
  bench.settle();
  expect(busy.take().length).toBe(50);
  expect(other.take().length).toBe(1);
  expect(bench.state.stats.inProcess).toBe(0);
});

test("globalOutstandingLimit: what a held connection goes on sending is left to the network", () => {
  const bench = new ServerBench({ globalOutstandingLimit: 10 });
  const client = new RawClient(bench);
  bench.diskHeld = true;
  for (let i = 0; i < 200; i++) client.send(OpCode.create, createBody(`/a${i}`, "x".repeat(1000), 0, OPEN_ACL_UNSAFE));
  expect(client.peer.paused).toBe(true);
  bench.diskHeld = false;
  bench.settle();
  expect(client.peer.paused).toBe(false);
  expect(client.take().length).toBe(200);
});

const THROTTLED: Partial<ServerConfig> = { requestThrottleLimit: 2, requestThrottleStallTime: 100 };
const create = (client: RawClient, path: string): number =>
  client.send(OpCode.create, createBody(path, "", 0, OPEN_ACL_UNSAFE));
const errs = (client: RawClient): number[] => client.take().map((packet) => (isEvent(packet) ? NaN : packet.err));

test("request_throttle_max_requests: so many are in the pipeline, the others queue before it, in order", () => {
  const bench = new ServerBench(THROTTLED);
  const client = new RawClient(bench);
  const other = new RawClient(bench);
  bench.diskHeld = true;
  const sent = [1, 2, 3, 4].map((i) => create(client, `/a${i}`));
  create(other, "/b");
  expect(bench.state.stats.inProcess).toBe(2);
  bench.diskHeld = false;
  bench.settle();
  expect(client.take().map((reply) => (isEvent(reply) ? NaN : reply.xid))).toEqual(sent);
  expect(errs(other)).toEqual([0]);
  expect(client.stat("/a4")!.czxid).toBeLessThan(client.stat("/b")!.czxid);
});

test("the throttle's queue is bounded too: a connection with requests in it is no longer read", () => {
  const bench = new ServerBench({ ...THROTTLED, globalOutstandingLimit: 10 });
  const client = new RawClient(bench);
  bench.diskHeld = true;
  for (let i = 0; i < 300; i++) client.send(OpCode.create, createBody(`/a${i}`, "x".repeat(1000), 0, OPEN_ACL_UNSAFE));
  expect(client.peer.paused).toBe(true);
  bench.diskHeld = false;
  bench.settle();
  expect(errs(client).length).toBe(300);
});

test("throttled_op_wait_time: who waited longer is answered -127 without being executed, in its turn", () => {
  const bench = new ServerBench({ ...THROTTLED, requestThrottleLimit: 1, throttledOpWaitTime: 500 });
  const client = new RawClient(bench, { timeout: 60_000 });
  bench.diskHeld = true;
  create(client, "/a");
  const late = create(client, "/b");
  client.send(OpCode.ping, () => {}, -2);
  bench.pass(600);
  expect(client.take()).toEqual([]);
  bench.diskHeld = false;
  bench.settle();
  expect(client.take()).toMatchObject([{ err: 0 }, { xid: late, err: -127 }, { xid: -2, err: 0 }]);
  expect(client.stat("/b")).toBeUndefined();
});

test("a reply of -127 does not overtake an earlier request's reply on the same connection", () => {
  const bench = new ServerBench({ ...THROTTLED, throttledOpWaitTime: 500 });
  const client = new RawClient(bench, { timeout: 60_000 });
  const other = new RawClient(bench, { timeout: 60_000 });
  bench.diskHeld = true;
  create(other, "/x");
  bench.pass(1);
  create(other, "/y");
  const waited = create(client, "/a");
  const later = create(client, "/b");
  const sent = [waited, later, client.send(OpCode.getData, getData("/"))];
  bench.pass(400);
  bench.completeDisk();
  bench.pass(200);
  while (bench.pendingCount > 0) bench.completeDisk();
  bench.diskHeld = false;
  bench.settle();
  expect(client.take().map((reply) => (isEvent(reply) ? NaN : reply.xid))).toEqual(sent);
});

test("request_throttle_drop_stale: requests of a connection that is gone are dropped", () => {
  const bench = new ServerBench({ ...THROTTLED, requestThrottleLimit: 1 });
  const client = new RawClient(bench, { timeout: 60_000 });
  bench.diskHeld = true;
  create(client, "/a");
  create(client, "/b");
  client.peer.cut();
  bench.diskHeld = false;
  bench.settle();
  expect(client.resume().children("/")).toEqual(["a", "zookeeper"]);
});

test("request_stale_latency_check: a request older than its session's timeout closes its connection, and none overtakes it", () => {
  const bench = new ServerBench({
    ...THROTTLED,
    requestThrottleLimit: 1,
    requestStaleLatencyCheck: true,
    tickTime: 1000,
    minSessionTimeout: 1000,
  });
  const slow = new RawClient(bench, { timeout: 60_000 });
  const client = new RawClient(bench, { timeout: 1000 });
  bench.diskHeld = true;
  create(slow, "/slow");
  create(client, "/a");
  bench.pass(1500);
  create(client, "/b");
  bench.diskHeld = false;
  bench.settle();
  expect(client.closed).toBe(true);
  expect(client.take()).toEqual([]);
  expect(errs(slow)).toEqual([0]);
  expect(slow.children("/")).toEqual(["slow", "zookeeper"]);
});

test("connection_throttle: without a token a connect request is closed, and tokens come back with time", () => {
  const connectionThrottle = { ...DEFAULT_SERVER_CONFIG.connectionThrottle, tokens: 2, fillTime: 1000, fillCount: 1 };
  const bench = new ServerBench({ connectionThrottle });
  const welcomed = (): boolean => new RawClient(bench, { timeout: 60_000 }).welcome !== undefined;
  expect([welcomed(), welcomed(), welcomed()]).toEqual([true, true, false]);
  bench.pass(1500);
  expect([welcomed(), welcomed()]).toEqual([true, false]);
});

test("largeRequestThreshold: large requests in flight stay within largeRequestMaxBytes, or their connection goes", () => {
  const bench = new ServerBench({ largeRequestThreshold: 1000, largeRequestMaxBytes: 5000 });
  const [one, two, three] = [1, 2, 3].map(() => new RawClient(bench));
  one!.created("/a");
  bench.diskHeld = true;
  const data = "x".repeat(3000);
  one!.send(OpCode.setData, setDataBody("/a", data));
  two!.send(OpCode.setData, setDataBody("/a", data));
  three!.send(OpCode.setData, setDataBody("/a", "small"));
  bench.diskHeld = false;
  bench.settle();
  expect([one!.closed, two!.closed, three!.closed]).toEqual([false, true, false]);
  expect([errs(one!), errs(three!)]).toEqual([[0], [0]]);
  // What is through counts no more.
  expect(one!.setData("/a", data).err).toBe(0);
  expect(two!.resume().setData("/a", data).err).toBe(0);
});

test("requests behind a connect request wait within bounds while the session is being made", () => {
  const bench = new ServerBench();
  bench.diskHeld = true;
  const peer = bench.accept();
  peer.send(connectFrame());
  for (let i = 0; i < 200; i++) peer.send(requestFrame(i, OpCode.getData, getData("x".repeat(1000))));
  expect(peer.paused).toBe(true);
  bench.diskHeld = false;
  bench.settle();
  expect(peer.takeFrames().length).toBe(201);
});
