import { expect, test } from "vitest";
import { OPEN_ACL_UNSAFE } from "../../core/protocol/data.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import { createBody, isEvent, RawClient, setDataBody } from "../support/raw-client.ts";
import type { Body } from "../support/raw-client.ts";
import { ServerBench } from "../support/server-bench.ts";

const getData =
  (path: string): Body =>
  (w) => (w.string(path), w.boolean(false));
const xids = (client: RawClient): number[] => client.take().map((packet) => (isEvent(packet) ? NaN : packet.xid));

test("nothing is acknowledged before the sync that covers it, and no read shows it", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  const other = new RawClient(bench);
  bench.diskHeld = true;
  client.send(OpCode.create, createBody("/a", "x", 0, OPEN_ACL_UNSAFE));
  expect(client.take()).toEqual([]);
  expect(other.stat("/a")).toBeUndefined();
  bench.diskHeld = false;
  bench.settle();
  expect(client.take()).toMatchObject([{ err: 0 }]);
  expect(other.stat("/a")).toBeDefined();
});

test("what arrives in one turn shares one sync, and what arrives during it the next", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  const syncs = (): number => bench.trace.filter((what) => what.startsWith("sync log/")).length;
  const before = syncs();
  bench.diskHeld = true;
  bench.turnHeld = true;
  for (let i = 0; i < 10; i++) client.send(OpCode.create, createBody(`/a${i}`, "", 0, OPEN_ACL_UNSAFE));
  bench.turnHeld = false;
  bench.settle();
  for (let i = 0; i < 10; i++) client.send(OpCode.create, createBody(`/b${i}`, "", 0, OPEN_ACL_UNSAFE));
  expect(syncs() - before).toBe(1);
  bench.diskHeld = false;
  bench.settle();
  expect(syncs() - before).toBe(2);
  expect(client.take().length).toBe(20);
});

test("replies come in the order of requests: reads wait behind their own session's writes", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  client.created("/a", "old");
  bench.diskHeld = true;
  const sent = [
    client.send(OpCode.getData, getData("/a")),
    client.send(OpCode.setData, setDataBody("/a", "new")),
    client.send(OpCode.getData, getData("/a")),
    client.send(OpCode.ping, () => {}, -2),
    client.send(OpCode.sync, (w) => w.string("/")),
    client.send(OpCode.create, createBody("/b", "", 0, OPEN_ACL_UNSAFE)),
    client.send(OpCode.whoAmI),
    client.send(OpCode.multiRead, (w) => (w.int(-1), w.boolean(true), w.int(-1))),
  ];
  expect(xids(client)).toEqual([sent[0]]);
  bench.diskHeld = false;
  bench.settle();
  const replies = client.take();
  expect(replies.map((packet) => (isEvent(packet) ? NaN : packet.xid))).toEqual(sent.slice(1));
  expect(new TextDecoder().decode((replies[1] as { body: Uint8Array }).body.slice(4, 7))).toBe("new");
});

test("reads do not wait for other sessions' writes", () => {
  const bench = new ServerBench();
  const writer = new RawClient(bench);
  const reader = new RawClient(bench);
  bench.diskHeld = true;
  writer.send(OpCode.create, createBody("/a", "", 0, OPEN_ACL_UNSAFE));
  expect(reader.exists("/a").err).toBe(-101);
});

test("sync waits for every write that reached the server before it, whoever sent it", () => {
  const bench = new ServerBench();
  const writer = new RawClient(bench);
  const reader = new RawClient(bench);
  bench.diskHeld = true;
  writer.send(OpCode.create, createBody("/a", "", 0, OPEN_ACL_UNSAFE));
  const sync = reader.send(OpCode.sync, (w) => w.string("any text at all"));
  const read = reader.send(OpCode.getData, getData("/a"));
  expect(xids(reader)).toEqual([]);
  bench.diskHeld = false;
  bench.settle();
  expect(reader.take()).toMatchObject([
    { xid: sync, err: 0, zxid: 3 },
    { xid: read, err: 0 },
  ]);
});

test("a sync with nothing before it is answered at once and echoes its path", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  bench.diskHeld = true;
  expect(client.sync("not/a path")).toMatchObject({ err: 0, zxid: 1 });
  expect(client.sync(null).err).toBe(-5);
});

test("a read parked behind a write of a client that went away is forgotten, the write is not", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  bench.diskHeld = true;
  client.send(OpCode.create, createBody("/a", "", 0, OPEN_ACL_UNSAFE));
  client.send(OpCode.getData, getData("/a"));
  client.peer.cut();
  bench.diskHeld = false;
  bench.settle();
  const again = client.resume();
  expect(again.stat("/a")).toBeDefined();
  expect(bench.state.stats.inProcess).toBe(0);
});

test("with forceSync=no a write is answered without the disk", () => {
  const bench = new ServerBench({ forceSync: false });
  const client = new RawClient(bench);
  bench.diskHeld = true;
  expect(client.create("/a").err).toBe(0);
});

test("flushDelay gathers writes for so long, maxBatchSize for so many", () => {
  const bench = new ServerBench({ flushDelay: 50, maxBatchSize: 3 });
  const client = new RawClient(bench, { timeout: 60_000 });
  expect(client.welcome).toBeUndefined();
  bench.pass(50);
  const welcome = client.peer.takeFrames();
  expect(welcome.length).toBe(1);
  const send = (path: string): number => client.send(OpCode.create, createBody(path, "", 0, OPEN_ACL_UNSAFE));
  send("/a");
  bench.pass(49);
  expect(client.take()).toEqual([]);
  bench.pass(1);
  expect(client.take().length).toBe(1);
  for (const path of ["/b", "/c", "/d"]) send(path);
  expect(client.take().length).toBe(3);
});

test("a write's reply carries its own zxid, a failed one's that of its error", () => {
  const client = new RawClient(new ServerBench());
  expect(client.create("/a")).toMatchObject({ zxid: 2, err: 0 });
  expect(client.create("/a")).toMatchObject({ zxid: 3, err: -110, body: new Uint8Array(0) });
  expect(client.getData("/no")).toMatchObject({ zxid: 3, err: -101, body: new Uint8Array(0) });
});
