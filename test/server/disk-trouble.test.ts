/** A disk that is full, and an orderly end: what was acknowledged stays, what was not is never promised. */
import { expect, test } from "vitest";
import { Code } from "../../core/protocol/codes.ts";
import { OPEN_ACL_UNSAFE } from "../../core/protocol/data.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import { ask, createBody, isEvent, RawClient } from "../support/raw-client.ts";
import { ServerBench } from "../support/server-bench.ts";

/** A server whose disk has no room left, with a client that has just lost a write to that. */
function full(): { bench: ServerBench; reader: RawClient; writer: RawClient } {
  const bench = new ServerBench({ fourLetterWords: ["*"] });
  const reader = new RawClient(bench, { timeout: 60_000 });
  const writer = new RawClient(bench, { timeout: 60_000 });
  reader.created("/a", "kept");
  reader.created("/mine", "", 1);
  bench.capacity = used(bench) + 10;
  writer.send(OpCode.create, createBody("/lost", "", 0, OPEN_ACL_UNSAFE));
  return { bench, reader, writer };
}

function used(bench: ServerBench): number {
  return bench.names().reduce((sum, name) => sum + bench.files.get(name)!.position, 0);
}

test("the connection of a write that was lost is closed: its client must not believe anything about it", () => {
  const { reader, writer } = full();
  expect(writer.closed).toBe(true);
  expect(writer.take()).toEqual([]);
  expect(reader.closed).toBe(false);
});

test("while the disk is full writes are refused with NOTREADONLY and reads, watches and pings served", () => {
  const { bench, reader, writer } = full();
  expect(reader.dataOf("/a")).toBe("kept");
  expect(reader.create("/b")).toMatchObject({ err: Code.NOTREADONLY, zxid: 4 });
  expect(reader.multi([]).err).toBe(Code.NOTREADONLY);
  expect(reader.setData("/a", "x").err).toBe(Code.NOTREADONLY);
  expect(reader.delete("/a").err).toBe(Code.NOTREADONLY);
  expect(reader.err(OpCode.closeSession)).toBe(Code.NOTREADONLY);
  expect(reader.ping().err).toBe(0);
  expect(reader.sync("/").err).toBe(0);
  expect(reader.stat("/lost")).toBeUndefined();
  expect(writer.resume({ timeout: 60_000 }).dataOf("/a")).toBe("kept");
  expect(ask(bench, "ruok")).toBe("imok");
});

test("while the disk is full no new session can begin: the connection is closed, other servers may have room", () => {
  const { bench } = full();
  const client = new RawClient(bench);
  expect(client.welcome).toBeUndefined();
  expect(client.closed).toBe(true);
});

test("when there is room again writes are taken by themselves, under zxids that go on where they had stopped", () => {
  const { bench, reader } = full();
  bench.pass(10_000);
  expect(reader.create("/b").err).toBe(Code.NOTREADONLY);
  bench.capacity = Infinity;
  bench.pass(2100);
  expect(reader.create("/b")).toMatchObject({ err: 0, zxid: 5 });
  expect(bench.names().filter((name) => name.includes("probe"))).toEqual([]);
  bench.crashAndRestart();
  const again = reader.resume({ timeout: 60_000 });
  expect(again.welcome!.timeOut).toBe(60_000);
  expect(again.children("/")).toEqual(["a", "b", "mine", "zookeeper"]);
});

test("nothing acknowledged is lost when the process dies while the disk is full", () => {
  const { bench, reader } = full();
  bench.capacity = Infinity;
  bench.crashAndRestart((_name, unsynced) => unsynced);
  expect(reader.resume().children("/")).toEqual(["a", "mine", "zookeeper"]);
});

test("sessions do not expire while that could not be written; they do when it can", () => {
  const { bench, reader, writer } = full();
  reader.peer.cut();
  bench.pass(200_000);
  expect(bench.state.sessions.size).toBe(2);
  bench.capacity = Infinity;
  bench.pass(100_000);
  expect(bench.state.sessions.size).toBe(0);
  expect(writer.resume().welcome!.timeOut).toBe(0);
  expect(new RawClient(bench).children("/")).toEqual(["a", "zookeeper"]);
});

test("a disk that fills again and again loses no acknowledged write and gives each zxid to one", () => {
  const bench = new ServerBench({ snapCount: 20 });
  let client = new RawClient(bench, { timeout: 60_000 });
  const acknowledged: string[] = [];
  const zxids = new Set<number>();
  for (let round = 0; round < 30; round++) {
    bench.capacity = used(bench) + 100 + 37 * round;
    for (let i = 0; i < 20; i++) {
      const name = `n${round}-${i}`;
      if (client.closed) client = client.resume({ timeout: 60_000 });
      client.send(OpCode.create, createBody(`/${name}`, "data", 0, OPEN_ACL_UNSAFE));
      for (const packet of client.take()) {
        if (isEvent(packet) || packet.err !== 0) continue;
        acknowledged.push(name);
        expect(zxids.has(packet.zxid)).toBe(false);
        zxids.add(packet.zxid);
      }
    }
    bench.capacity = Infinity;
    bench.pass(2500);
    if (round % 5 === 4) bench.crashAndRestart((_name, unsynced) => Math.floor(unsynced / 2));
  }
  const final = client.resume({ timeout: 60_000 });
  expect(acknowledged.length).toBeGreaterThan(50);
  expect(final.children("/")).toEqual([...acknowledged, "zookeeper"].sort());
});

test("a snapshot that finds no room is given up, and costs nothing else", () => {
  const bench = new ServerBench({ snapCount: 10 });
  const client = new RawClient(bench, { timeout: 60_000 });
  for (let i = 0; i < 5; i++) client.created(`/big${i}`, "x".repeat(10_000));
  bench.pass(100);
  const snapshots = (): string[] => bench.names().filter((name) => name.startsWith("data/"));
  const before = snapshots();
  // Room for the log's entries, not for a copy of the tree.
  bench.capacity = used(bench) + 30_000;
  for (let i = 0; i < 20; i++) expect(client.create(`/n${i}`).err).toBe(0);
  bench.pass(100);
  expect(snapshots()).toEqual(before);
  expect(bench.state.stats.counters.get("snapshot_error_count")).toBeGreaterThan(0);
  bench.capacity = Infinity;
  for (let i = 20; i < 50; i++) expect(client.create(`/n${i}`).err).toBe(0);
  bench.pass(100);
  expect(snapshots().length).toBeGreaterThan(before.length);
  bench.crashAndRestart();
  expect(client.resume({ timeout: 60_000 }).children("/").length).toBe(56);
});

test("an error of the log's disk other than a full one ends the process: nothing can be promised any more", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  client.created("/a");
  for (const [name, file] of bench.files) if (name.startsWith("log/")) file.failure = "io";
  client.send(OpCode.create, createBody("/b", "", 0, OPEN_ACL_UNSAFE));
  expect(bench.halted).toMatch(/^1 .*log/);
  expect(client.take()).toEqual([]);
  bench.restart();
  expect(client.resume().stat("/a")).toBeDefined();
});

test.each([true, false])(
  "asked to stop, it finishes and answers what it took, then ends with code 0 (forceSync %s)",
  (forceSync) => {
    const bench = new ServerBench({ forceSync });
    const client = new RawClient(bench);
    bench.diskHeld = true;
    bench.turnHeld = true;
    for (let i = 0; i < 5; i++) client.send(OpCode.create, createBody(`/a${i}`, "", 0, OPEN_ACL_UNSAFE));
    bench.requestStop();
    client.send(OpCode.create, createBody("/late", "", 0, OPEN_ACL_UNSAFE));
    expect(bench.halted).toBeUndefined();
    bench.turnHeld = false;
    bench.diskHeld = false;
    bench.settle();
    expect(bench.halted).toBe("0 stopped");
    expect(client.take().length).toBe(5);
    bench.crashAndRestart(forceSync ? () => 0 : (_name, unsynced) => unsynced);
  },
);

test("asked to stop while it recovers, it ends as soon as that is over", () => {
  const bench = new ServerBench({}, { asleep: true });
  bench.diskHeld = true;
  bench.start();
  bench.requestStop();
  bench.diskHeld = false;
  bench.settle();
  expect(bench.halted).toBe("0 stopped");
});

test("asked to stop with nothing to do, or with a full disk, it ends at once", () => {
  const idle = new ServerBench();
  idle.requestStop();
  expect(idle.halted).toBe("0 stopped");
  const { bench } = full();
  bench.requestStop();
  expect(bench.halted).toBe("0 stopped");
});

test("what was acknowledged before an orderly end is all there after it", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench, { timeout: 60_000 });
  for (let i = 0; i < 50; i++) client.created(`/a${i}`, `${i}`, i % 2);
  const digest = bench.state.tree.treeDigest.toBigInt();
  bench.requestStop();
  bench.crashAndRestart();
  expect(bench.state.tree.treeDigest.toBigInt()).toBe(digest);
  expect(client.resume().children("/").length).toBe(51);
});
