import { expect, test } from "vitest";
import type { Address } from "../../../core/actor.ts";
import type { SessionId } from "../../../core/base/ids.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { Calls } from "../../../core/client/calls.ts";
import { create, exists, getData, setData } from "../../../core/client/operations.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { writeStat } from "../../../core/protocol/data.ts";
import type { Stat } from "../../../core/protocol/data.ts";
import { Xids } from "../../../core/protocol/headers.ts";
import type { Writer } from "../../../core/jute/writer.ts";
import {
  ascii,
  ClientBench,
  connectResponse,
  joined,
  notification,
  packet,
  PASSWORD,
  reply,
  SESSION,
} from "../../support/client-bench.ts";

const zxid = (value: number): Zxid => value as Zxid;
const STAT: Stat = {
  czxid: zxid(1),
  mzxid: zxid(2),
  ctime: 3,
  mtime: 4,
  version: 5,
  cversion: 6,
  aversion: 7,
  ephemeralOwner: 0n,
  dataLength: 2,
  numChildren: 0,
  pzxid: zxid(1),
};
const nodeData = (w: Writer): void => {
  w.buffer(ascii("hi"));
  writeStat(w, STAT);
};
const THREE = ["a:1", "b:2", "c:3"] as Address[];

test("a first handshake asks for a new session and takes what the server decided", () => {
  const bench = new ClientBench();
  expect(bench.peer.server).toBe("a:2181");
  const request = bench.establish({ timeOut: 6000 });
  expect(request).toMatchObject({ sessionId: 0n, lastZxidSeen: 0, timeOut: 9000, readOnly: false, hasReadOnly: true });
  expect(request.passwd).toEqual(new Uint8Array(16));
  expect(bench.states).toEqual(["connected"]);
  expect(bench.client.session).toEqual({ id: SESSION, password: PASSWORD });
  expect(bench.client.sessionTimeout).toBe(6000);
});

test("nothing but the handshake is sent before the server has answered it", () => {
  const bench = new ClientBench();
  const early = bench.call(getData("/early"));
  bench.connected();
  bench.call(getData("/late"));
  expect(bench.requests()).toEqual([]);
  bench.deliver(connectResponse({}));
  expect(bench.requests().map((request) => [request.xid, request.body.string()])).toEqual([
    [1, "/early"],
    [2, "/late"],
  ]);
  expect(early.settled).toBe(false);
});

test("what a call sends is what its data was when it was made", () => {
  const bench = new ClientBench();
  const data = ascii("before");
  bench.call(setData("/a", data));
  data.fill(0);
  bench.establish();
  const { body } = bench.request();
  expect([body.string(), body.buffer()]).toEqual(["/a", ascii("before")]);
});

test("replies are read wherever the stream is cut", () => {
  const stream = joined(
    reply(1, 7, 0, nodeData),
    reply(2, 8, Code.NONODE),
    notification("nodeCreated", "/x"),
    reply(3, 9),
  );
  for (let cut = 0; cut <= stream.length; cut++) {
    const bench = new ClientBench();
    bench.establish();
    const calls = [bench.call(getData("/a")), bench.call(getData("/b")), bench.call(setDataLike())];
    bench.deliver(stream.subarray(0, cut));
    bench.deliver(stream.subarray(cut));
    expect(calls.map((call) => call.settled)).toEqual([true, true, true]);
    expect(calls[0]!.value).toEqual({ data: ascii("hi"), stat: STAT });
    expect(calls[1]!.error).toMatchObject({ code: "NONODE", path: "/b", outcomeUnknown: false });
    expect(bench.client.lastZxidSeen).toBe(9);
  }
});

test("a stream that comes byte by byte is read the same", () => {
  const bench = new ClientBench();
  bench.connected();
  for (const byte of connectResponse({})) bench.deliver(Uint8Array.of(byte));
  const call = bench.call(getData("/a"));
  for (const byte of reply(1, 7, 0, nodeData)) bench.deliver(Uint8Array.of(byte));
  expect(call.value).toEqual({ data: ascii("hi"), stat: STAT });
});

test("a reply out of order ends the connection and leaves the outcome of every call unknown", () => {
  const bench = new ClientBench();
  bench.establish();
  const first = bench.call(create("/a"));
  const second = bench.call(create("/b"));
  bench.deliver(
    joined(
      reply(2, 5, 0, (w) => w.string("/b")),
      reply(1, 6, 0, (w) => w.string("/a")),
    ),
  );
  expect(bench.peer.closed).toBe(true);
  for (const call of [first, second])
    expect(call.error).toMatchObject({ code: "CONNECTIONLOSS", outcomeUnknown: true });
  expect(bench.states).toEqual(["connected", "connecting"]);
  expect(bench.client.lastZxidSeen).toBe(0);
});

test.each([
  ["shorter than its header", packet((w) => w.int(1))],
  ["of a negative length", Uint8Array.of(0xff, 0xff, 0xff, 0xff)],
  ["of a length beyond the bound", Uint8Array.of(0x7f, 0xff, 0xff, 0xff)],
  ["without a body where there must be one", reply(1, 5)],
  ["that nobody asked for", reply(9, 5)],
  ["to credentials that were never sent", reply(Xids.auth, 0)],
  ["that is a notification cut short", reply(Xids.notification, -1, 0, (w) => w.int(1))],
])("a packet %s ends the connection, not the client", (_, bytes) => {
  const bench = new ClientBench();
  bench.establish();
  const call = bench.call(getData("/a"));
  bench.deliver(bytes);
  expect(bench.peer.closed).toBe(true);
  expect(call.settled).toBe(true);
  expect(bench.client.state).toBe("connecting");
  bench.advance(1000);
  bench.establish();
  expect(bench.client.state).toBe("connected");
});

test("a lost connection settles calls in order, then later ones wait for the next connection", () => {
  const bench = new ClientBench();
  bench.establish();
  bench.call(getData("/a"), "a");
  bench.call(getData("/b"), "b");
  bench.drop();
  const later = bench.call(getData("/c"), "c");
  expect(bench.log).toEqual(["connected", "a: CONNECTIONLOSS", "b: CONNECTIONLOSS", "connecting"]);
  bench.advance(1000);
  const again = bench.establish();
  expect(again).toMatchObject({ sessionId: SESSION });
  expect(again.passwd).toEqual(PASSWORD);
  const request = bench.request();
  expect(request.body.string()).toBe("/c");
  bench.deliver(reply(request.xid, 9, 0, nodeData));
  expect(later.value?.data).toEqual(ascii("hi"));
});

test("a call that could not be sent is given up when every server has been tried, and was certainly not done", () => {
  const bench = new ClientBench({ servers: THREE });
  bench.establish();
  bench.drop();
  const call = bench.call(create("/a"));
  for (let i = 0; i < 3; i++) {
    expect(call.settled).toBe(false);
    bench.advance(1000);
    bench.drop("refused");
  }
  expect(call.error).toMatchObject({ code: "CONNECTIONLOSS", outcomeUnknown: false, path: "/a" });
});

test("servers are tried in turn, in an order that the seed decides", () => {
  const orders = new Set<string>();
  for (let seed = 1; seed <= 40; seed++) {
    const bench = new ClientBench({ servers: THREE }, seed);
    for (let i = 0; i < 5; i++) {
      bench.drop("refused");
      bench.advance(1000);
    }
    const order = bench.peers.map((peer) => peer.server);
    expect(order.slice(3)).toEqual(order.slice(0, 3));
    expect(order.slice(0, 3).toSorted((a, b) => (a < b ? -1 : 1))).toEqual(THREE);
    orders.add(order.slice(0, 3).join());
  }
  expect(orders.size).toBe(6);
});

test("a server that does not answer is left after its share of the session's timeout", () => {
  const bench = new ClientBench({ servers: THREE });
  bench.advance(2999);
  expect(bench.peer.closed).toBe(false);
  bench.advance(1);
  expect(bench.peers[0]!.closed).toBe(true);
  bench.advance(1000);
  expect(bench.peers.length).toBe(2);
  bench.connected();
  bench.advance(2999);
  expect(bench.peer.closed).toBe(false);
  bench.advance(1);
  expect(bench.peers[1]!.closed).toBe(true);
});

test("an idle connection is pinged in time and given up after two thirds of the timeout in silence", () => {
  const bench = new ClientBench();
  bench.establish({ timeOut: 9000 });
  bench.advance(1999);
  expect(bench.requests()).toEqual([]);
  bench.advance(1);
  expect(bench.requests().map((request) => [request.xid, request.name])).toEqual([[Xids.ping, "ping"]]);
  bench.deliver(reply(Xids.ping, 3));
  bench.advance(5999);
  expect(bench.requests().length).toBe(2);
  expect(bench.client.state).toBe("connected");
  bench.advance(1);
  expect(bench.client.state).toBe("connecting");
  expect(bench.client.lastZxidSeen).toBe(0);
});

test("a server that knows the session no more ends the client", () => {
  const bench = new ClientBench();
  bench.establish();
  bench.call(getData("/a", bench.listener("watch")), "read");
  bench.deliver(reply(1, 4, 0, nodeData));
  bench.drop();
  const waiting = bench.call(create("/b"), "waiting");
  bench.advance(1000);
  bench.establish({ timeOut: 0, sessionId: 0n as SessionId });
  expect(bench.peer.closed).toBe(true);
  expect(waiting.error).toMatchObject({ code: "SESSIONEXPIRED", outcomeUnknown: false });
  expect(bench.call(getData("/a")).error?.code).toBe("SESSIONEXPIRED");
  expect(bench.log).toEqual([
    "connected",
    "read: ok",
    "connecting",
    "waiting: SESSIONEXPIRED",
    "expired",
    "watch: none expired",
  ]);
  expect(bench.client.deadline()).toBe(Infinity);
});

test("without word from any server the session is over after four thirds of its timeout", () => {
  const bench = new ClientBench();
  bench.establish({ timeOut: 9000 });
  bench.advance(11_999);
  expect(bench.client.state).toBe("connecting");
  bench.advance(1);
  expect(bench.client.state).toBe("expired");
});

test("a client that was not given a local end goes on until a server tells", () => {
  const bench = new ClientBench({ expireLocally: false });
  bench.establish();
  bench.advance(60_000);
  expect(bench.client.state).toBe("connecting");
});

test("after a pause longer than the session the client knows before it speaks to anyone", () => {
  const bench = new ClientBench();
  bench.establish({ timeOut: 9000 });
  bench.now += 3_600_000;
  bench.run((cx) => bench.client.onDeadline(cx));
  bench.advance(0);
  expect(bench.client.state).toBe("expired");
  expect(bench.peers.length).toBe(1);
});

test("a session of another client is resumed, or its password refused", () => {
  const session = { id: SESSION, password: PASSWORD };
  const bench = new ClientBench({ session, lastZxidSeen: zxid(77) });
  expect(bench.connected()).toMatchObject({ sessionId: SESSION, passwd: PASSWORD, lastZxidSeen: 77 });
  bench.deliver(connectResponse({ timeOut: 0, sessionId: 0n as SessionId }));
  expect(bench.client.state).toBe("expired");
});

test("the highest zxid that was seen goes into the next handshake, and a notification's does not count", () => {
  const bench = new ClientBench();
  bench.establish();
  bench.call(getData("/a"));
  bench.call(create("/b"));
  bench.deliver(reply(1, 0x5_0000_0002, 0, nodeData));
  bench.deliver(reply(2, 0x5_0000_0003, Code.NODEEXISTS));
  bench.deliver(notification("nodeCreated", "/zzz", 0x5_0000_0009));
  bench.deliver(reply(Xids.ping, 0x5_0000_0008));
  bench.drop();
  bench.advance(1000);
  expect(bench.connected().lastZxidSeen).toBe(0x5_0000_0003);
});

test("no server within the time given for the first connection ends the client", () => {
  const bench = new ClientBench({ connectTimeout: 5000 });
  const call = bench.call(getData("/a"));
  bench.advance(4999);
  expect(bench.client.state).toBe("connecting");
  bench.advance(1);
  expect(bench.states).toEqual(["closed"]);
  expect(call.error?.code).toBe("CONNECTIONLOSS");
  expect(bench.call(getData("/a")).error?.code).toBe("CONNECTIONLOSS");
});

test("a request that is not answered in time fails by itself and takes its connection along", () => {
  const bench = new ClientBench({ requestTimeout: 1000 });
  bench.establish();
  const first = bench.call(getData("/a"));
  bench.advance(400);
  const second = bench.call(getData("/b"));
  bench.advance(599);
  expect(first.settled).toBe(false);
  bench.advance(1);
  expect(first.error).toMatchObject({ code: "REQUESTTIMEOUT", outcomeUnknown: true });
  expect(second.error).toMatchObject({ code: "CONNECTIONLOSS", outcomeUnknown: true });
});

test("closing answers what was asked before, then ends the session, and refuses what comes later", () => {
  const bench = new ClientBench();
  bench.establish();
  bench.call(getData("/a"), "a");
  bench.close();
  const late = bench.call(getData("/b"));
  expect(late.error?.code).toBe("SESSIONEXPIRED");
  expect(bench.requests().map((request) => request.name)).toEqual(["getData", "closeSession"]);
  bench.deliver(joined(reply(1, 4, 0, nodeData), reply(2, 5)));
  expect(bench.log).toEqual(["connected", "a: ok", "closed", "close: ok"]);
  expect(bench.peer.closed).toBe(true);
  expect(bench.close().settled).toBe(true);
});

test("closing during the handshake ends the session that it makes", () => {
  const bench = new ClientBench();
  bench.connected();
  const close = bench.close();
  bench.deliver(connectResponse({}));
  const request = bench.request();
  expect(request.name).toBe("closeSession");
  expect(close.settled).toBe(false);
  bench.drop();
  expect(close.settled).toBe(true);
  expect(bench.client.state).toBe("closed");
});

test("closing does not wait for a server that says nothing, nor for a connection", () => {
  const silent = new ClientBench();
  silent.establish();
  const close = silent.close();
  silent.advance(9000);
  expect(close.settled).toBe(true);
  const alone = new ClientBench();
  expect(alone.close().settled).toBe(true);
  expect(alone.peer.closed).toBe(true);
});

test("a host that stops the client has the session closed first", () => {
  const bench = new ClientBench();
  bench.establish();
  bench.run((cx) => bench.client.onStopRequested(cx));
  expect(bench.request().name).toBe("closeSession");
  expect(bench.halted).toBe(undefined);
  bench.deliver(reply(1, 3));
  expect(bench.halted).toBe(0);
});

test("xids go round after the largest without ever being negative or zero", () => {
  const calls = new Calls(0x7fff_fffd);
  expect([calls.nextXid(), calls.nextXid(), calls.nextXid(), calls.nextXid()]).toEqual([
    0x7fff_fffe, 0x7fff_ffff, 1, 2,
  ]);
});

test("a missing node is an answer to exists and to nothing else", () => {
  const bench = new ClientBench();
  bench.establish();
  const found = bench.call(exists("/a"));
  const missing = bench.call(exists("/b"));
  const denied = bench.call(exists("/c"));
  bench.deliver(
    joined(
      reply(1, 4, 0, (w) => writeStat(w, STAT)),
      reply(2, 4, Code.NONODE),
      reply(3, 4, Code.NOAUTH),
    ),
  );
  expect(found.value).toEqual(STAT);
  expect(missing.value).toBe(null);
  expect(denied.error?.code).toBe("NOAUTH");
});

test("a code that no ZooKeeper has defined yet is an error like any other", () => {
  const bench = new ClientBench();
  bench.establish();
  const call = bench.call(getData("/a"));
  bench.deliver(reply(1, 4, -999));
  expect(call.error).toMatchObject({ code: "code -999", errno: -999 });
});

function setDataLike(): ReturnType<typeof exists> {
  return { ...exists("/c"), read: () => null };
}
