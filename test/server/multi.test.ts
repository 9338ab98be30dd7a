import { expect, test } from "vitest";
import { Code } from "../../core/protocol/codes.ts";
import { OPEN_ACL_UNSAFE } from "../../core/protocol/data.ts";
import { Reader } from "../../core/jute/reader.ts";
import type { MultiOp } from "../../core/protocol/multi.ts";
import {
  readMultiResponse,
  writeMultiEnd,
  writeMultiHeader,
  writeMultiReadRequest,
  writeMultiRequest,
} from "../../core/protocol/multi.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import { writeCreateRequest, writePathWatchRequest, writeSetAclRequest } from "../../core/protocol/requests.ts";
import { bytesOf, RawClient } from "../support/raw-client.ts";
import { ServerBench } from "../support/server-bench.ts";

const create = (path: string, flags = 0, type: 1 | 15 | 19 = OpCode.create): MultiOp => ({
  type,
  request: { path, data: null, acl: OPEN_ACL_UNSAFE, flags },
});
const remove = (path: string, version = -1): MultiOp => ({ type: OpCode.delete, request: { path, version } });
const set = (path: string, data: string, version = -1): MultiOp => ({
  type: OpCode.setData,
  request: { path, data: bytesOf(data), version },
});
const check = (path: string, version: number): MultiOp => ({ type: OpCode.check, request: { path, version } });
const error = (err: number) => ({ type: OpCode.error, err });

test("a multi's operations see one another, share one zxid and answer each in its own way", () => {
  const client = new RawClient(new ServerBench());
  client.created("/p");
  const { err, results } = client.multi([
    create("/a"),
    create("/a/b", 0, OpCode.create2),
    set("/a", "data", 0),
    check("/a", 1),
    create("/p/s-", 2),
    create("/p/s-", 2),
    create("/c", 4, OpCode.createContainer),
    remove("/a/b"),
    create("/a/b"),
  ]);
  expect(err).toBe(0);
  const zxid = 3;
  expect(results).toMatchObject([
    { type: OpCode.create, path: "/a" },
    { type: OpCode.create2, path: "/a/b", stat: { czxid: zxid, version: 0 } },
    { type: OpCode.setData, stat: { czxid: zxid, mzxid: zxid, version: 1, dataLength: 4 } },
    { type: OpCode.check },
    { type: OpCode.create, path: "/p/s-0000000000" },
    { type: OpCode.create, path: "/p/s-0000000001" },
    { type: OpCode.create2, path: "/c", stat: { czxid: zxid } },
    { type: OpCode.delete },
    { type: OpCode.create, path: "/a/b" },
  ]);
  expect(client.stat("/a/b")).toMatchObject({ czxid: zxid, pzxid: zxid });
  expect(client.ping().zxid).toBe(zxid);
});

test("the first failure takes everything back: 0 before it, its code, -2 after it, and a header without an error", () => {
  const client = new RawClient(new ServerBench());
  client.created("/p");
  const before = client.stat("/p");
  const { err, results } = client.multi([create("/p/s-", 2), remove("/no"), create("/x"), check("/no", 0)]);
  expect(err).toBe(0);
  expect(results).toEqual([error(0), error(Code.NONODE), error(-2), error(-2)]);
  expect(client.stat("/p")).toEqual(before);
  expect(client.ping().zxid).toBe(3);
  expect(client.created("/p/s-", "", 2)).toBe("/p/s-0000000000");
});

test("what a failed multi took back is also gone for requests that were waiting behind it", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  client.created("/p");
  bench.diskHeld = true;
  client.send(OpCode.multi, (w) => writeMultiRequest(w, [create("/p/a-", 2), remove("/p"), create("/p/b-", 2)]));
  client.send(OpCode.create, (w) => writeCreateRequest(w, create("/p/c-", 2).request as never));
  client.send(OpCode.multi, (w) => writeMultiRequest(w, [create("/p/d-", 2), create("/p/e-", 2)]));
  bench.diskHeld = false;
  bench.settle();
  client.take();
  expect(client.children("/p")).toEqual(["c-0000000000", "d-0000000001", "e-0000000002"]);
});

test("a multi without operations is legal, answers with the terminator and takes a zxid", () => {
  const client = new RawClient(new ServerBench());
  const reply = client.call(OpCode.multi, writeMultiEnd);
  expect([...reply.body]).toEqual([255, 255, 255, 255, 1, 255, 255, 255, 255]);
  expect(reply).toMatchObject({ err: 0, zxid: 2 });
});

test("a multi with anything that does not belong in one does not decode: -5, a zxid, no body", () => {
  const client = new RawClient(new ServerBench());
  const foreign = client.call(OpCode.multi, (w) => {
    writeMultiHeader(w, OpCode.setACL, false, -1);
    writeSetAclRequest(w, { path: "/", acl: OPEN_ACL_UNSAFE, version: -1 });
    writeMultiEnd(w);
  });
  const reads = client.call(OpCode.multi, (w) => {
    writeMultiHeader(w, OpCode.getData, false, -1);
    writePathWatchRequest(w, { path: "/", watch: false });
    writeMultiEnd(w);
  });
  const endless = client.call(OpCode.multi, (w) => writeMultiHeader(w, OpCode.create, false, -1));
  const zxids = [foreign, reads, endless].map(({ err, zxid, body }) => [err, zxid, body.length]);
  expect(zxids).toEqual([
    [-5, 2, 0],
    [-5, 3, 0],
    [-5, 4, 0],
  ]);
});

test("a multi that fails changes nothing on disk either", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  client.multi([create("/a"), create("/b"), remove("/no")]);
  client.multi([create("/c"), create("/d")]);
  bench.crashAndRestart();
  expect(client.resume().children("/")).toEqual(["c", "d", "zookeeper"]);
});

test("a multi is checked against the ACLs as they are, operation by operation", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  client.created("/locked", "", 0, [{ perms: 1, scheme: "world", id: "anyone" }]);
  const { results } = client.multi([create("/open"), create("/locked/x"), create("/other")]);
  expect(results).toEqual([error(0), error(Code.NOAUTH), error(-2)]);
  expect(client.stat("/open")).toBeUndefined();
});

test("a multiRead answers each operation by itself, takes no zxid and arms no watch", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  client.created("/a", "data");
  client.created("/hidden", "", 0, [{ perms: 4, scheme: "world", id: "anyone" }]);
  const path = (type: 4 | 8, text: string) => ({ type, request: { path: text, watch: true } });
  const reply = client.call(OpCode.multiRead, (w) =>
    writeMultiReadRequest(w, [path(4, "/a"), path(4, "/no"), path(8, "/"), path(8, "/hidden"), path(8, "/a")]),
  );
  expect(reply).toMatchObject({ err: 0, zxid: 3 });
  expect(readMultiResponse(new Reader(reply.body))).toMatchObject([
    { type: OpCode.getData, data: bytesOf("data"), stat: { version: 0 } },
    error(Code.NONODE),
    { type: OpCode.getChildren, children: expect.arrayContaining(["a", "hidden", "zookeeper"]) },
    error(Code.NOAUTH),
    { type: OpCode.getChildren, children: [] },
  ]);
  expect(bench.state.watches.count).toBe(0);
});
