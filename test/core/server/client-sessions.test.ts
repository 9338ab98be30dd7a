import { expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { OPEN_ACL_UNSAFE } from "../../../core/protocol/data.ts";
import { readConnectResponse } from "../../../core/protocol/headers.ts";
import type { ConnectResponse } from "../../../core/protocol/headers.ts";
import type { MultiOp } from "../../../core/protocol/multi.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import { CreateMode } from "../../../core/protocol/requests.ts";
import { sessionPassword } from "../../../core/session/password.ts";
import type { ConnectOptions } from "../../support/raw-client.ts";
import { connectFrame, createBody, RawClient, requestFrame } from "../../support/raw-client.ts";
import { ScriptedLeader, ScriptedServer } from "../../support/scripted-server.ts";
import type { ScriptedOptions } from "../../support/scripted-server.ts";
import type { Peer } from "../../support/server-bench.ts";

const EXPIRED = { timeOut: 0, sessionId: 0n };
const EPHEMERAL = CreateMode.ephemeral;

function follower(options: Partial<ScriptedOptions> = {}, leader = new ScriptedLeader()): ScriptedServer {
  return new ScriptedServer({ mode: "follower", leader, ...options });
}
/** A client whose connect request is not answered at once. */
function comingBack(server: ScriptedServer, session: SessionId, options: ConnectOptions = {}): Peer {
  const peer = server.bench.accept();
  peer.send(connectFrame({ sessionId: session, passwd: sessionPassword(session), timeout: 9000, ...options }));
  return peer;
}
function welcomeOf(peer: Peer): ConnectResponse | undefined {
  const [first] = peer.takeFrames();
  return first === undefined ? undefined : readConnectResponse(new Reader(first));
}
function answer(server: ScriptedServer, valid: boolean, which = 0): void {
  const [question] = server.asked.splice(which, 1);
  server.act((cx) => question!.answer(cx, valid));
}

test("a new session at a learner has the learner's id, and is welcomed when its txn is committed there", () => {
  const server = follower();
  server.slow = true;
  const peer = server.bench.accept();
  peer.send(connectFrame());
  expect(peer.takeFrames()).toEqual([]);
  expect(server.outstanding.map(({ type }) => type)).toEqual([OpCode.createSession]);
  server.commitAll();
  const welcome = welcomeOf(peer)!;
  expect(welcome).toMatchObject({ timeOut: 10_000, readOnly: false, passwd: sessionPassword(welcome.sessionId) });
  expect(server.state.sessions.isOfThisServer(welcome.sessionId)).toBe(true);
  expect([...server.state.sessions.committed()]).toEqual([[welcome.sessionId, 10_000]]);
  expect(server.state.sessions.takeTouched()).toEqual([{ id: welcome.sessionId, timeout: 10_000 }]);
  expect(server.leader!.state.sessions.get(welcome.sessionId)).toMatchObject({ owner: server, committed: true });
});

test("a client that comes back to a learner waits for the leader, also one the learner has never heard of", () => {
  const server = follower();
  const session = 0x0300_0000_0000_0007n as SessionId;
  const peer = comingBack(server, session);
  expect(server.asked).toMatchObject([{ session, timeout: 9000 }]);
  // It may say more at once, and is heard in its turn.
  peer.send(requestFrame(1, OpCode.ping));
  expect(peer.takeFrames()).toEqual([]);
  answer(server, true);
  const [welcome, pong] = peer.takeFrames();
  expect(readConnectResponse(new Reader(welcome!))).toMatchObject({ sessionId: session, timeOut: 9000 });
  expect(pong!.length).toBe(16);
  expect(server.state.sessions.takeTouched()).toEqual([{ id: session, timeout: 9000 }]);
});

test("what the leader does not know has expired", () => {
  const server = follower();
  const peer = comingBack(server, 7n as SessionId);
  answer(server, false);
  expect(welcomeOf(peer)).toMatchObject(EXPIRED);
  expect(peer.closed).toBe(true);
  expect(server.state.sessions.get(7n as SessionId)).toBeUndefined();
});

test("the password is checked before anybody is asked", () => {
  const server = follower();
  const peer = comingBack(server, 7n as SessionId, { passwd: new Uint8Array(16) });
  expect(welcomeOf(peer)).toMatchObject(EXPIRED);
  expect(server.asked).toEqual([]);
});

test("a client that leaves before the answer leaves nothing behind", () => {
  const server = follower();
  const { bench, state, port } = server;
  for (const valid of [true, false]) {
    const peer = comingBack(server, 7n as SessionId);
    peer.cut();
    answer(server, valid);
    expect(peer.takeBytes().length).toBe(0);
  }
  expect([bench.openPeers, [...port.links()].length, state.stats.inProcess, port.deadline()]).toEqual([
    0,
    0,
    0,
    Infinity,
  ]);
  expect([state.sessions.size, state.sessions.takeTouched()]).toEqual([0, []]);
  // And the session can still be had.
  const again = comingBack(server, 7n as SessionId);
  answer(server, true);
  expect(welcomeOf(again)).toMatchObject({ timeOut: 9000 });
});

test("of two connections that ask for one session the later gets it, whatever comes when", () => {
  const server = follower();
  const first = comingBack(server, 7n as SessionId);
  const second = comingBack(server, 7n as SessionId, { timeout: 8000 });
  expect(first.closed).toBe(true);
  answer(server, true);
  expect(welcomeOf(second)).toBeUndefined();
  answer(server, true);
  expect([welcomeOf(first), welcomeOf(second)!.timeOut]).toEqual([undefined, 8000]);
  expect(second.closed).toBe(false);
});

test("a session that ends while its client waits ends the waiting", () => {
  const leader = new ScriptedLeader();
  const [here, there] = [follower({}, leader), follower({ config: { serverId: 2 } }, leader)];
  const client = new RawClient(there.bench);
  const peer = comingBack(here, client.session);
  client.closeSession();
  here.act((cx) => here.hear(cx, leader.proposals.at(-1)!));
  expect(peer.closed).toBe(true);
  answer(here, false);
  expect(peer.takeBytes().length).toBe(0);
});

test("who is never answered is closed like any connection without a session", () => {
  const server = follower();
  const peer = comingBack(server, 7n as SessionId);
  server.bench.pass(20_001);
  expect(peer.closed).toBe(true);
  answer(server, true);
  expect(server.port.deadline()).toBe(Infinity);
});

test("the end of a role closes whoever has a session or waits for one, and nobody else", () => {
  const server = follower();
  const client = new RawClient(server.bench);
  server.slow = true;
  client.send(OpCode.create, createBody("/a", "", 0, OPEN_ACL_UNSAFE));
  client.send(OpCode.ping);
  const waiting = comingBack(server, 7n as SessionId);
  const opening = server.bench.accept();
  opening.send(connectFrame());
  const silent = server.bench.accept();
  const [question] = server.asked;
  server.become("observer");
  expect([client.closed, waiting.closed, opening.closed, silent.closed]).toEqual([true, true, true, false]);
  expect([server.state.stats.inProcess, [...server.port.links()].length]).toEqual([0, 1]);
  server.act((cx) => question!.answer(cx, true));
  expect(client.take()).toEqual([]);
  // The session outlives its server's role: it was committed.
  expect(server.state.sessions.isLive(client.session)).toBe(true);
  server.slow = false;
  silent.send(connectFrame());
  expect(welcomeOf(silent)!.timeOut).toBe(10_000);
});

test("between two roles nobody gets a session", () => {
  const server = follower();
  server.act((cx) => server.port.unserve(cx));
  server.serving = false;
  const peer = server.bench.accept();
  peer.send(connectFrame());
  expect([peer.closed, peer.takeBytes().length]).toEqual([true, 0]);
});

test("a session moves from a learner to another: the first loses its connection with the next write, unanswered", () => {
  const leader = new ScriptedLeader();
  const [here, there] = [follower({}, leader), follower({ config: { serverId: 2 } }, leader)];
  const client = new RawClient(here.bench);
  client.created("/mine", "", EPHEMERAL);
  const moved = comingBack(there, client.session);
  there.asked.pop()!;
  there.act((cx) => leader.state.sessions.reopen(client.session, 9000, there, cx.now));
  expect(moved.closed).toBe(false);
  client.send(OpCode.create, createBody("/late", "", 0, OPEN_ACL_UNSAFE));
  expect([client.closed, client.take()]).toEqual([true, []]);
  expect(leader.state.tree.find("/late")).toBe(-1);
  expect(leader.state.tree.ephemeralsOf(client.session)).toEqual(["/mine"]);
});

test("a multi of a session that has moved ends the connection as well", () => {
  const leader = new ScriptedLeader();
  const server = follower({}, leader);
  const client = new RawClient(server.bench);
  leader.state.sessions.setOwner(client.session, "elsewhere");
  expect(() => client.multi([{ type: OpCode.delete, request: { path: "/a", version: -1 } }])).toThrow("closed");
});

test("a leader takes its own clients' sessions over at once", () => {
  const server = new ScriptedServer({ mode: "leader" });
  const client = new RawClient(server.bench);
  client.peer.cut();
  server.state.sessions.setOwner(client.session, "a learner");
  const again = client.resume();
  expect(again.welcome).toMatchObject({ sessionId: client.session });
  expect(again.create("/a").err).toBe(0);
});

test("a closeSession from elsewhere closes the connection that was left here", () => {
  const leader = new ScriptedLeader();
  const [here, there] = [follower({}, leader), follower({ config: { serverId: 2 } }, leader)];
  const client = new RawClient(here.bench);
  comingBack(there, client.session);
  answer(there, true);
  const elsewhere = [...there.port.links()][0]!;
  expect(elsewhere.session).toBe(client.session);
  client.closeSession();
  there.act((cx) => there.hear(cx, leader.proposals.at(-1)!));
  expect(elsewhere.phase).toBe("closing");
});

test("what a learner's client says after closeSession is not heard, and its reply comes first", () => {
  const server = follower();
  const client = new RawClient(server.bench);
  server.slow = true;
  const xid = client.send(OpCode.closeSession);
  client.send(OpCode.create, createBody("/late", "", 0, OPEN_ACL_UNSAFE));
  server.commitAll();
  expect(client.take()).toMatchObject([{ xid, err: 0 }]);
  expect(client.closed).toBe(true);
  expect(server.leader!.state.tree.find("/late")).toBe(-1);
});

test("on a learner every kind of create in a multi is answered as it was asked for", () => {
  const server = follower();
  const client = new RawClient(server.bench);
  const request = { path: "/a", data: null, acl: OPEN_ACL_UNSAFE, flags: 0 };
  const ops: MultiOp[] = [
    { type: OpCode.create, request },
    { type: OpCode.create2, request: { ...request, path: "/b" } },
    { type: OpCode.createContainer, request: { ...request, path: "/c", flags: CreateMode.container } },
    { type: OpCode.setData, request: { path: "/a", data: null, version: 0 } },
    { type: OpCode.check, request: { path: "/b", version: 0 } },
    { type: OpCode.delete, request: { path: "/a", version: 1 } },
  ];
  const { results } = client.multi(ops);
  expect(results).toMatchObject([
    { type: OpCode.create, path: "/a" },
    { type: OpCode.create2, path: "/b", stat: { czxid: 2 } },
    { type: OpCode.create2, path: "/c", stat: { czxid: 2 } },
    { type: OpCode.setData, stat: { version: 1 } },
    { type: OpCode.check },
    { type: OpCode.delete },
  ]);
});

test("learners' trees become the leader's, whoever asked", () => {
  const leader = new ScriptedLeader();
  const server = follower({}, leader);
  const client = new RawClient(server.bench);
  client.created("/e", "1", EPHEMERAL);
  client.created("/s-", "2", CreateMode.persistentSequential);
  client.setData("/e", "3");
  expect(client.delete("/missing").err).toBe(Code.NONODE);
  client.closeSession();
  expect(server.state.tree.treeDigest.to53()).toBe(leader.state.tree.treeDigest.to53());
  expect([...server.state.sessions.committed()]).toEqual([...leader.state.sessions.committed()]);
  expect(server.state.tree.lastProcessedZxid).toBe(leader.state.tree.lastProcessedZxid);
});
