import { expect, test } from "vitest";
import type { SessionId } from "../../core/base/ids.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import { sessionPassword } from "../../core/session/password.ts";
import { connectFrame, RawClient, requestFrame } from "../support/raw-client.ts";
import { ServerBench } from "../support/server-bench.ts";

const REFUSED = { protocolVersion: 0, timeOut: 0, sessionId: 0n, passwd: new Uint8Array(16) };
const TICK = 3000;

test("a new session gets an id of this server, its password and the timeout it asked for, and costs one zxid", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench, { timeout: 10_000 });
  expect(client.welcome).toMatchObject({ protocolVersion: 0, timeOut: 10_000, readOnly: false, hasReadOnly: true });
  expect(client.session >> 56n).toBe(1n);
  expect(client.welcome!.passwd).toEqual(sessionPassword(client.session));
  expect(client.ping()).toMatchObject({ xid: -2, zxid: 1, err: 0 });
  expect(new RawClient(bench).session).toBe((client.session + 1n) as SessionId);
});

test("timeouts are clamped into what the server allows", () => {
  const bench = new ServerBench({ minSessionTimeout: 4000, maxSessionTimeout: 20_000 });
  const negotiated = [-5, 0, 1, 4000, 12_345, 20_000, 20_001, 0x7fff_ffff].map(
    (timeout) => new RawClient(bench, { timeout }).welcome!.timeOut,
  );
  expect(negotiated).toEqual([4000, 4000, 4000, 4000, 12_345, 20_000, 20_000, 20_000]);
});

test("a null password is as good as any for a new session", () => {
  expect(new RawClient(new ServerBench(), { passwd: null }).welcome!.timeOut).toBe(10_000);
});

test("a client whose connect request lacks the readOnly byte is answered without it", () => {
  const bench = new ServerBench();
  const peer = bench.accept();
  peer.send(connectFrame({ readOnlyByte: false }));
  expect(peer.takeFrames()[0]!.length).toBe(36);
  const refused = bench.accept();
  refused.send(connectFrame({ readOnlyByte: false, sessionId: 5n as SessionId }));
  expect(refused.takeFrames()[0]!.length).toBe(36);
  const other = bench.accept();
  other.send(connectFrame());
  expect(other.takeFrames()[0]!.length).toBe(37);
});

test("a session is resumed with its password, under the timeout asked for now", () => {
  const bench = new ServerBench();
  const first = new RawClient(bench, { timeout: 20_000 });
  first.peer.cut();
  const second = first.resume({ timeout: 7000 });
  expect(second.welcome).toMatchObject({ timeOut: 7000, sessionId: first.session, passwd: first.welcome!.passwd });
  expect(second.ping().zxid).toBe(1);
  bench.pass(7000 + TICK);
  expect(second.closed).toBe(true);
  expect(first.resume().welcome!.timeOut).toBe(0);
});

test("resuming on a second connection closes the first", () => {
  const bench = new ServerBench();
  const first = new RawClient(bench);
  const second = first.resume();
  expect(first.closed).toBe(true);
  expect(first.take()).toEqual([]);
  expect(second.ping().err).toBe(0);
});

test("a wrong password is answered like an unknown session, and still disconnects the one who has it", () => {
  const bench = new ServerBench();
  const rightful = new RawClient(bench);
  for (const passwd of [new Uint8Array(16), new Uint8Array(3), null]) {
    const impostor = rightful.resume({ passwd });
    expect(impostor.welcome).toMatchObject(REFUSED);
    expect(impostor.closed).toBe(true);
  }
  expect(rightful.closed).toBe(true);
  expect(rightful.resume().welcome!.timeOut).toBe(10_000);
});

test("an unknown session is refused, whatever its password", () => {
  const sessionId = 0x1234n as SessionId;
  const client = new RawClient(new ServerBench(), { sessionId, passwd: sessionPassword(sessionId) });
  expect(client.welcome).toMatchObject(REFUSED);
  expect(client.closed).toBe(true);
});

test("a client that has seen a later zxid than ours is closed without a word, one that has seen ours is not", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  for (const lastZxidSeen of [2, 2 ** 32, 2 ** 53, 2 ** 63 - 1025]) {
    const ahead = new RawClient(bench, { lastZxidSeen });
    expect(ahead.welcome).toBeUndefined();
    expect(ahead.closed).toBe(true);
  }
  expect(new RawClient(bench, { lastZxidSeen: 1 }).welcome!.timeOut).toBe(10_000);
  expect(new RawClient(bench, { lastZxidSeen: -1 }).welcome!.timeOut).toBe(10_000);
  // The refusal came before the session was looked at.
  client.resume({ lastZxidSeen: 1000 });
  expect(client.closed).toBe(false);
});

test("a session never expires early, lives at most a tick longer, and takes its ephemerals with it", () => {
  const bench = new ServerBench();
  const watcher = new RawClient(bench, { timeout: 60_000 });
  const client = new RawClient(bench, { timeout: 6000 });
  client.created("/mine", "", 1);
  watcher.exists("/mine", true);
  client.peer.cut();
  bench.pass(5999);
  expect(bench.state.sessions.get(client.session)).toBeDefined();
  bench.pass(TICK + 1);
  expect(bench.state.sessions.get(client.session)).toBeUndefined();
  expect(watcher.takeEvents()).toMatchObject([{ type: 2, path: "/mine" }]);
  expect(client.resume().welcome!.timeOut).toBe(0);
});

test("when a session expires while it is connected, the connection is closed without a word", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench, { timeout: 6000 });
  bench.pass(6000 + TICK);
  expect(client.closed).toBe(true);
  expect(client.take()).toEqual([]);
});

test("pings keep a session alive", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench, { timeout: 6000 });
  client.created("/mine", "", 1);
  for (let i = 0; i < 20; i++) {
    bench.pass(3000);
    expect(client.ping().err).toBe(0);
  }
  expect(client.stat("/mine")!.ephemeralOwner).toBe(client.session);
});

test("closing a session answers, deletes its ephemerals, closes the connection and cannot be undone", () => {
  const bench = new ServerBench();
  const watcher = new RawClient(bench);
  const client = new RawClient(bench);
  client.created("/a", "", 1);
  client.created("/b", "", 1);
  watcher.getChildren("/", true);
  expect(client.closeSession()).toMatchObject({ err: 0, zxid: 5, body: new Uint8Array(0) });
  expect(client.closed).toBe(true);
  expect(watcher.takeEvents()).toMatchObject([{ type: 4, path: "/" }]);
  expect(watcher.children("/")).toEqual(["zookeeper"]);
  expect(client.resume().welcome!.timeOut).toBe(0);
});

test("what a client sends after closeSession is dropped", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench);
  bench.diskHeld = true;
  const create = client.send(OpCode.create);
  const close = client.send(OpCode.closeSession);
  for (const type of [OpCode.ping, OpCode.create, 999, OpCode.auth, OpCode.sasl]) client.send(type);
  bench.diskHeld = false;
  bench.settle();
  expect(client.take()).toMatchObject([
    { xid: create, err: -5 },
    { xid: close, err: 0 },
  ]);
  expect(client.closed).toBe(true);
});

test("a client may pipeline requests behind its connect request", () => {
  const bench = new ServerBench();
  const peer = bench.accept();
  peer.send(new Uint8Array([...connectFrame(), ...requestFrame(1, OpCode.ping), ...requestFrame(2, OpCode.whoAmI)]));
  expect(peer.takeFrames().length).toBe(3);
});

test("a session whose client went away before it was durable exists all the same, and expires", () => {
  const bench = new ServerBench();
  bench.diskHeld = true;
  const peer = bench.accept();
  peer.send(connectFrame({ timeout: 6000 }));
  peer.cut();
  bench.diskHeld = false;
  bench.settle();
  expect(bench.state.sessions.size).toBe(1);
  bench.pass(6000 + TICK);
  expect(bench.state.sessions.size).toBe(0);
});

test("sessions survive a restart with a full fresh timeout", () => {
  const bench = new ServerBench();
  const client = new RawClient(bench, { timeout: 6000 });
  client.created("/mine", "", 1);
  bench.pass(5000);
  bench.crashAndRestart();
  bench.pass(5999);
  const again = client.resume({ timeout: 6000 });
  expect(again.welcome!.timeOut).toBe(6000);
  expect(again.stat("/mine")!.ephemeralOwner).toBe(client.session);
});

test("nobody gets a session before the server has recovered", () => {
  const bench = new ServerBench({}, { asleep: true });
  bench.diskHeld = true;
  bench.start();
  const early = bench.accept();
  early.send(connectFrame());
  expect(early.closed).toBe(true);
  expect(early.takeBytes().length).toBe(0);
  bench.diskHeld = false;
  bench.settle();
  expect(new RawClient(bench).welcome!.timeOut).toBe(10_000);
});
