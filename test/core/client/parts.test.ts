/** The client's small parts, each by itself. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Address } from "../../../core/actor.ts";
import { Prng } from "../../../core/base/prng.ts";
import { isZooKeeperError, TransactionError, ZooKeeperError } from "../../../core/client/errors.ts";
import { FrameReader } from "../../../core/client/frames.ts";
import { HostList, parseConnectString } from "../../../core/client/hosts.ts";
import { keep } from "../../../core/client/operations.ts";
import { configOf } from "../../../core/client/options.ts";
import { Chroot, pathFault } from "../../../core/client/paths.ts";
import { SessionTimes } from "../../../core/client/session-times.ts";
import { multi } from "../../../core/client/transactions.ts";
import { WatchRegistry } from "../../../core/client/watches.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { Writer } from "../../../core/jute/writer.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { writeMultiResponse } from "../../../core/protocol/multi.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import { validatePath } from "../../../core/tree/paths.ts";
import { joined } from "../../support/client-bench.ts";

test("paths are refused here exactly when a server would refuse them", () => {
  const part = fc.oneof(
    fc.constantFrom("", ".", "..", "...", "a", ".a", "é", "\u2028", "\u0000", "\u001f", "\u007f", "\u009f", "\u00a0"),
    fc.constantFrom("\ud7ff", "\ud800", "\uf8ff", "\uf900", "\uffef", "\ufff0", "\uffff", "😀", " "),
    fc.string({ maxLength: 3 }),
  );
  const path = fc.array(part, { maxLength: 4 }).map((parts) => parts.join("/"));
  const anyPath = fc.oneof(
    path,
    path.map((text) => `/${text}`),
  );
  fc.assert(
    fc.property(anyPath, (text) => {
      expect(pathFault(text) === undefined).toBe(validatePath(text));
    }),
    { seed: 1, numRuns: 3000 },
  );
});

test.each([
  ["a", ["a:2181"], "/"],
  ["a:1,b,c:3", ["a:1", "b:2181", "c:3"], "/"],
  ["a:1, b:2 ,", ["a:1", "b:2"], "/"],
  ["a/app", ["a:2181"], "/app"],
  ["a:1/", ["a:1"], "/"],
  ["[::1],[fe80::1]:99/x/y", ["[::1]:2181", "[fe80::1]:99"], "/x/y"],
])("the connect string %s is understood", (text, servers, chroot) => {
  expect(parseConnectString(text)).toEqual({ servers, chroot });
});

test.each([
  "",
  ",",
  "/app",
  "a:0",
  "a:65536",
  "a:x",
  "a:",
  ":1",
  "::1",
  "a:1:2",
  "[::1]x",
  "[]:1",
  "a/app/",
  "a//b",
  "a/../b",
])('the connect string "%s" is refused', (text) => {
  expect(() => parseConnectString(text)).toThrow(ZooKeeperError);
});

test("a chroot maps paths there and back, and leaves alone what is not under it", () => {
  const none = new Chroot("/");
  expect([none.toServer("/"), none.toServer("/a"), none.toClient("/a")]).toEqual(["/", "/a", "/a"]);
  const app = new Chroot("/app");
  expect([app.toServer("/"), app.toServer("/a")]).toEqual(["/app", "/app/a"]);
  expect([app.toClient("/app"), app.toClient("/app/a"), app.toClient("/apple"), app.toClient("/x")]).toEqual([
    "/",
    "/a",
    "/apple",
    "/x",
  ]);
});

test("a preferred server is next, and the round goes on from there", () => {
  const servers = ["a:1", "b:1", "c:1"] as Address[];
  const hosts = new HostList(servers, new Prng(3));
  const round = [hosts.next(), hosts.next(), hosts.next()];
  hosts.prefer(round[2]!);
  expect([hosts.next(), hosts.next()]).toEqual([round[2], round[0]]);
  hosts.prefer("elsewhere:1" as Address);
  expect(hosts.next()).toBe(round[1]);
});

test("frames come out whole wherever the stream is cut", () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 8 });
  fc.assert(
    fc.property(frames, fc.array(fc.nat(60), { maxLength: 12 }), (payloads, cuts) => {
      const stream = joined(...payloads.flatMap((payload) => [Uint8Array.of(0, 0, 0, payload.length), payload]));
      const reader = new FrameReader(100);
      const got: number[][] = [];
      let at = 0;
      for (const cut of [...cuts, stream.length]) {
        const chunk = stream.slice(at, Math.max(at, Math.min(at + cut, stream.length)));
        at += chunk.length;
        const kept: Uint8Array[] = [];
        const readable = reader.push(chunk, (bytes, start, end, owned) => {
          const view = keep(bytes.subarray(start, end), owned)!;
          kept.push(view);
          return true;
        });
        expect(readable).toBe(true);
        // The chunk was lent.
        chunk.fill(0xee);
        got.push(...kept.map((bytes) => [...bytes]));
      }
      expect(got).toEqual(payloads.map((payload) => [...payload]));
    }),
    { seed: 1, numRuns: 1000 },
  );
});

test("a frame's claim to be long takes no memory before its bytes have come", () => {
  const reader = new FrameReader(0x7fff_ffff);
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 100 }, () => new FrameReader(0x7fff_ffff));
  for (const each of readers) each.push(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 1), () => true);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
  expect(reader.push(Uint8Array.of(0x80, 0, 0, 0), () => true)).toBe(false);
});

test("a kept copy of a Node buffer is a copy", () => {
  const buffer = Buffer.from("abc");
  const kept = keep(buffer, false)!;
  buffer.fill(0);
  expect([...kept]).toEqual([97, 98, 99]);
});

test.each([
  [1000, 333, 666],
  [6000, 1000, 4000],
  [10_000, 2333, 6666],
  [30_000, 9000, 20_000],
  [120_000, 10_000, 80_000],
])("a session of %i ms is pinged after %i ms and its silence borne for %i ms", (timeout, ping, silence) => {
  const times = new SessionTimes(configOf("a", {}), 3);
  times.negotiated(timeout, 0);
  expect([times.pingAt, times.silentAt]).toEqual([ping, silence]);
  expect(times.pingAt).toBeLessThan(times.silentAt);
  expect(times.attempt).toBe(Math.floor(timeout / 3));
});

test("options that cannot be meant are refused", () => {
  for (const options of [
    { sessionTimeout: 0 },
    { sessionTimeout: Number.NaN },
    { connectTimeout: -1 },
    { replyBytesMax: 1.5 },
  ]) {
    expect(() => configOf("a", options)).toThrow(ZooKeeperError);
  }
  expect(configOf("a", { connectTimeout: Infinity, auth: [{ scheme: "digest", auth: "a:b" }] })).toMatchObject({
    connectTimeout: Infinity,
    credentials: [{ scheme: "digest", auth: Uint8Array.of(97, 58, 98) }],
  });
});

test("errors tell what happened by ZooKeeper's names", () => {
  const error = new ZooKeeperError(Code.NONODE, "/a");
  expect(error).toMatchObject({ name: "ZooKeeperError", code: "NONODE", errno: -101, path: "/a" });
  expect(error.message).toBe("NONODE for /a: the node does not exist");
  expect(isZooKeeperError(error, "NODEEXISTS", "NONODE")).toBe(true);
  expect(isZooKeeperError(error, "NODEEXISTS")).toBe(false);
  expect(isZooKeeperError(new Error("NONODE"))).toBe(false);
});

test("a failed transaction's reply is OK in its header and names the culprit in its body", () => {
  const w = new Writer();
  const [ok, culprit, behind] = [Code.OK, Code.BADVERSION, Code.RUNTIMEINCONSISTENCY];
  writeMultiResponse(
    w,
    [ok, culprit, behind].map((err) => ({ type: OpCode.error, err })),
  );
  const operation = multi([
    { type: "create", path: "/a" },
    { type: "check", path: "/b", version: 3 },
    { type: "delete", path: "/c" },
  ]);
  const failure = operation.read({ reader: new Reader(w.take()), root: new Chroot("/"), owned: false });
  expect(failure).toBeInstanceOf(TransactionError);
  expect(failure).toMatchObject({ code: "BADVERSION", path: "/b", index: 1 });
  expect((failure as TransactionError).operations.map((each) => each.code)).toEqual([
    "OK",
    "BADVERSION",
    "RUNTIMEINCONSISTENCY",
  ]);
});

test("a transaction's reply with another number of results than operations does not decode", () => {
  const w = new Writer();
  writeMultiResponse(w, [{ type: OpCode.delete }]);
  const reader = new Reader(w.take());
  multi([]).read({ reader, root: new Chroot("/"), owned: false });
  expect(reader.failed).toBe(true);
});

test("what one listener watches in two ways, it hears of once", () => {
  const registry = new WatchRegistry();
  const listener = (): void => {};
  const other = (): void => {};
  registry.add("data", "/a", listener);
  registry.add("data", "/a", listener);
  registry.add("persistent", "/a", listener);
  registry.add("persistentRecursive", "/", listener);
  registry.add("data", "/a", other);
  expect([...registry.takeConcerned(3, "/a")]).toEqual([listener, other]);
  expect([...registry.takeConcerned(3, "/a")]).toEqual([listener]);
  expect([...registry.takeAll()]).toEqual([listener]);
  expect(registry.batches()).toEqual([]);
});
