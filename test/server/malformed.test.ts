import { expect, test } from "vitest";
import { OpCode } from "../../core/protocol/op-codes.ts";
import {
  bytesOf,
  connectFrame,
  createBody,
  frame,
  RawClient,
  requestFrame,
  setDataBody,
} from "../support/raw-client.ts";
import { ServerBench } from "../support/server-bench.ts";
import { OPEN_ACL_UNSAFE } from "../../core/protocol/data.ts";
import { writeMultiRequest } from "../../core/protocol/multi.ts";
import { writeSaslRequest } from "../../core/protocol/requests.ts";

const MAX = 0xfffff;

function prefix(length: number): Uint8Array {
  return frame((w) => w.int(0)).map((_, i) => (i < 4 ? (length >> (24 - 8 * i)) & 0xff : 0));
}

test.each([
  ["-1", -1],
  ["-2147483648", -0x8000_0000],
  ["2147483647", 0x7fff_ffff],
  ["jute.maxbuffer and one more", MAX + 1],
  ["0", 0],
])("a frame of length %s closes the connection without a word, before and after it has a session", (_name, length) => {
  const bench = new ServerBench();
  const fresh = bench.accept();
  fresh.send(prefix(length));
  const client = new RawClient(bench);
  client.peer.send(prefix(length));
  for (const peer of [fresh, client.peer]) {
    expect(peer.closed).toBe(true);
    expect(peer.takeBytes().length).toBe(0);
  }
  expect(client.resume().welcome!.timeOut).toBe(10_000);
});

test("a frame of exactly jute.maxbuffer is served", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  client.created("/a");
  const overhead = requestFrame(0, 0, setDataBody("/a", "")).length - 4;
  expect(client.setData("/a", "x".repeat(MAX - overhead)).err).toBe(0);
  client.send(OpCode.setData, setDataBody("/a", "x".repeat(MAX - overhead + 1)));
  expect(client.closed).toBe(true);
  expect(client.take()).toEqual([]);
});

test.each([1, 4, 7])("a frame of %i bytes, shorter than a header, closes the connection", (length) => {
  const client = new RawClient(new ServerBench());
  client.peer.send(frame((w) => w.grow(length)));
  expect(client.closed).toBe(true);
  expect(client.take()).toEqual([]);
});

test("a connect request that is cut short closes the connection", () => {
  const bench = new ServerBench();
  const whole = connectFrame({ readOnlyByte: false });
  for (const length of [1, 3, 11, 20, 27, 28, 43]) {
    const peer = bench.accept();
    peer.send(frame((w) => w.raw(whole, 4, 4 + length)));
    expect(peer.closed).toBe(true);
    expect(peer.takeBytes().length).toBe(0);
  }
});

test("half a frame and then silence costs its sender the connection, and nobody else anything", () => {
  const bench = new ServerBench();
  const other = new RawClient(bench, { timeout: 60_000 });
  const client = new RawClient(bench, { timeout: 6000 });
  const whole = requestFrame(1, OpCode.create, createBody("/a", "x", 0, OPEN_ACL_UNSAFE));
  client.peer.send(whole.subarray(0, 20));
  const fresh = bench.accept();
  fresh.send(connectFrame().subarray(0, 20));
  expect(other.ping().err).toBe(0);
  bench.pass(20_000);
  expect(client.closed).toBe(true);
  expect(fresh.closed).toBe(true);
  expect(other.stat("/a")).toBeUndefined();
  expect(other.ping().err).toBe(0);
});

test("frames may arrive one byte at a time, and many at once", () => {
  const bench = new ServerBench();
  const peer = bench.accept();
  const bytes = [
    ...connectFrame(),
    ...requestFrame(1, OpCode.create, createBody("/a", "x", 0, OPEN_ACL_UNSAFE)),
    ...requestFrame(2, OpCode.ping),
  ];
  for (const byte of bytes) peer.send(new Uint8Array([byte]));
  expect(peer.takeFrames().length).toBe(3);
});

test.each([0, 10, 23, 99, 108, 1000, -1, -10, -12, 0x7fff_ffff, -0x8000_0000, OpCode.check])(
  "request type %i is nobody's: -6 with zxid -1, then the connection is closed, the session lives on",
  (type) => {
    const bench = new ServerBench();
    const client = new RawClient(bench);
    expect(client.call(type, (w) => w.grow(40), 7)).toEqual({ xid: 7, zxid: -1, err: -6, body: new Uint8Array(0) });
    expect(client.closed).toBe(true);
    const again = client.resume();
    expect(again.welcome!.timeOut).toBe(10_000);
    expect(again.ping().zxid).toBe(1);
  },
);

test("a body that does not decode is answered -5, and the connection stays open", () => {
  const client = new RawClient(new ServerBench());
  const undecodable = [
    OpCode.create,
    OpCode.delete,
    OpCode.setData,
    OpCode.setACL,
    OpCode.multi,
    OpCode.exists,
    OpCode.getData,
    OpCode.getACL,
    OpCode.getChildren,
    OpCode.getChildren2,
    OpCode.sync,
    OpCode.createTTL,
    OpCode.setWatches,
    OpCode.setWatches2,
    OpCode.addWatch,
    OpCode.checkWatches,
    OpCode.removeWatches,
    OpCode.createContainer,
    OpCode.create2,
    OpCode.getAllChildrenNumber,
    OpCode.getEphemerals,
  ];
  for (const type of undecodable) {
    expect([type, client.err(type)]).toEqual([type, -5]);
    expect([type, client.err(type, (w) => w.int(1000))]).toEqual([type, -5]);
    expect([type, client.err(type, (w) => w.int(-7))]).toEqual([type, -5]);
  }
  expect(client.closed).toBe(false);
});

test("a multiRead that holds a write has a body although it fails: the terminator; one cut short has none", () => {
  const client = new RawClient(new ServerBench());
  const write = client.call(OpCode.multiRead, (w) => {
    writeMultiRequest(w, [{ type: OpCode.delete, request: { path: "/a", version: -1 } }]);
  });
  expect(write.err).toBe(-5);
  expect([...write.body]).toEqual([255, 255, 255, 255, 1, 255, 255, 255, 255]);
  expect(client.call(OpCode.multiRead, (w) => w.int(3))).toMatchObject({ err: -5, body: new Uint8Array(0) });
});

test("bytes after a body are ignored", () => {
  const client = new RawClient(new ServerBench());
  const body = createBody("/a", "x", 0, OPEN_ACL_UNSAFE);
  const junk = bytesOf("and then some");
  expect(client.err(OpCode.create, (w) => (body(w), w.raw(junk)))).toBe(0);
  expect(client.err(OpCode.ping, (w) => w.raw(junk))).toBe(0);
});

test("invalid UTF-8 becomes replacement characters, which a path may not hold", () => {
  const client = new RawClient(new ServerBench());
  const body = (path: readonly number[]) => (w: Parameters<ReturnType<typeof createBody>>[0]) => {
    w.buffer(new Uint8Array(path));
    w.buffer(null);
    w.int(1);
    w.int(31);
    w.string("world");
    w.string("anyone");
    w.int(0);
  };
  expect(client.err(OpCode.create, body([0x2f, 0xff]))).toBe(-8);
  expect(client.err(OpCode.create, body([0x2f, 0xc3, 0xa4]))).toBe(0);
  expect(client.children("/")).toEqual(["zookeeper", "ä"]);
});

test("xids are echoed, whatever they are; a ping's is always -2", () => {
  const client = new RawClient(new ServerBench());
  for (const xid of [0, -1, -2, -4, -8, 5, 5, 0x7fff_ffff, -0x8000_0000]) {
    expect(
      client.call(OpCode.getChildren, (w) => (w.string("/"), w.boolean(false)), xid === -1 ? 1 : xid),
    ).toMatchObject({
      xid: xid === -1 ? 1 : xid,
      err: 0,
    });
    expect(client.call(OpCode.ping, () => {}, xid).xid).toBe(-2);
  }
});

test("auth with a scheme nobody knows is answered -115 with zxid 0, then the connection is closed", () => {
  const bench = new ServerBench();
  for (const scheme of ["nobody", "world", "", null, "sasl"]) {
    const client = new RawClient(bench);
    expect(client.auth(scheme, "user:password")).toEqual({ xid: -4, zxid: 0, err: -115, body: new Uint8Array(0) });
    expect(client.closed).toBe(true);
    expect(client.resume().welcome!.timeOut).toBe(10_000);
  }
});

test("a digest and an ip may be added, several times over", () => {
  const client = new RawClient(new ServerBench());
  for (const [scheme, auth] of [
    ["digest", "a:b"],
    ["digest", "c:d"],
    ["digest", "a:b"],
    ["ip", ""],
  ] as const) {
    expect(client.auth(scheme, auth)).toMatchObject({ xid: -4, zxid: 0, err: 0 });
  }
});

test("with no SASL login here, a token is answered with a null token; a null token closes", () => {
  const client = new RawClient(new ServerBench());
  const reply = client.call(OpCode.sasl, (w) => writeSaslRequest(w, { token: new Uint8Array(0) }));
  expect(reply).toMatchObject({ zxid: 0, err: 0, body: new Uint8Array([255, 255, 255, 255]) });
  expect(client.closed).toBe(false);
  client.send(OpCode.sasl, (w) => writeSaslRequest(w, { token: null }));
  expect(client.take()).toEqual([]);
  expect(client.closed).toBe(true);
});

test("where authentication is enforced, everything but auth is answered -124 until it has happened, pings included", () => {
  const auth = { ...new ServerBench().config.auth, enforcedSchemes: ["digest"] };
  const bench = new ServerBench({ auth });
  for (const type of [OpCode.ping, OpCode.getData, OpCode.create, OpCode.closeSession, 999]) {
    const client = new RawClient(bench);
    expect(client.call(type, () => {}, 3)).toMatchObject({ xid: 3, zxid: 0, err: -124 });
    expect(client.closed).toBe(true);
  }
  const client = new RawClient(bench);
  expect(client.auth("ip", "").err).toBe(0);
  expect(client.auth("digest", "a:b").err).toBe(0);
  expect(client.ping().err).toBe(0);
});

test("enforcing a scheme nobody provides stops the server", () => {
  const auth = { ...new ServerBench().config.auth, enforcedSchemes: ["sasl"] };
  expect(new ServerBench({ auth }).halted).toMatch(/^2 .*sasl/);
});
