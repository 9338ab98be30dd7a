import { expect, test } from "vitest";
import { DEFAULT_ENSEMBLE_CONFIG } from "../../../core/config.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { OPEN_ACL_UNSAFE } from "../../../core/protocol/data.ts";
import type { MultiOp } from "../../../core/protocol/multi.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import { CreateMode } from "../../../core/protocol/requests.ts";
import { createBody, RawClient } from "../../support/raw-client.ts";
import { ScriptedLeader, ScriptedServer } from "../../support/scripted-server.ts";

const LOCAL = { localSessionsEnabled: true, localSessionsUpgradingEnabled: true };
const EPHEMERAL = CreateMode.ephemeral;
const ephemeralAt = (path: string): MultiOp => ({
  type: OpCode.create,
  request: { path, data: null, acl: OPEN_ACL_UNSAFE, flags: EPHEMERAL },
});

function leaderOf(): ScriptedLeader {
  return new ScriptedLeader({ ensemble: { ...DEFAULT_ENSEMBLE_CONFIG, ...LOCAL } });
}
function follower(upgrading = true, leader = leaderOf()): ScriptedServer {
  const ensemble = { ...LOCAL, localSessionsUpgradingEnabled: upgrading };
  return new ScriptedServer({ mode: "follower", leader, ensemble });
}

test("a local session costs no txn, and nobody else knows it", () => {
  const server = follower();
  const client = new RawClient(server.bench, { timeout: 7000 });
  expect(client.welcome).toMatchObject({ timeOut: 7000, readOnly: false });
  expect(client.ping().err).toBe(0);
  expect(server.leader!.proposals).toEqual([]);
  expect([server.state.sessions.size, server.state.sessions.local.size]).toEqual([0, 1]);
  expect(server.state.sessions.takeTouched()).toEqual([]);
});

test("its writes go to the leader, who lets them pass without knowing it", () => {
  const server = follower();
  const client = new RawClient(server.bench);
  expect([client.created("/a"), client.setData("/a", "1").err, client.delete("/a").err]).toEqual(["/a", 0, 0]);
  expect(server.leader!.state.sessions.size).toBe(0);
});

test("it expires where it is, and closes its connection", () => {
  const server = follower();
  const client = new RawClient(server.bench, { timeout: 7000 });
  server.bench.pass(6000);
  client.ping();
  client.peer.stopReading();
  server.bench.pass(11_000);
  expect([client.closed, server.state.sessions.local.size, server.port.deadline()]).toEqual([true, 0, Infinity]);
  // By now it is a session like any other that is not known here.
  client.resume();
  expect(server.asked).toMatchObject([{ session: client.session }]);
});

test("it can be resumed here, without asking anybody, and nowhere else", () => {
  const leader = leaderOf();
  const [here, there] = [follower(true, leader), follower(true, leader)];
  const client = new RawClient(here.bench);
  client.peer.cut();
  expect(client.resume().welcome).toMatchObject({ sessionId: client.session });
  expect(here.asked).toEqual([]);
  const elsewhere = new RawClient(there.bench, { sessionId: client.session, passwd: client.welcome!.passwd });
  const [question] = there.asked;
  expect(leader.state.sessions.reopen(question!.session, question!.timeout, there, 0)).toBe(false);
  there.act((cx) => question!.answer(cx, false));
  expect(elsewhere.closed).toBe(true);
});

test("its first ephemeral makes it global: createSession goes ahead, with cxid 0 and the same id", () => {
  const server = follower();
  const client = new RawClient(server.bench);
  server.slow = true;
  client.send(OpCode.create, createBody("/e", "", EPHEMERAL, OPEN_ACL_UNSAFE));
  expect(server.outstanding).toMatchObject([
    { session: client.session, xid: 0, type: OpCode.createSession, origin: undefined },
    { session: client.session, xid: 1, type: OpCode.create },
  ]);
  server.commitAll();
  expect(client.take()).toMatchObject([{ xid: 1, err: 0 }]);
  const { leader, state } = server;
  expect(leader!.state.tree.ephemeralsOf(client.session)).toEqual(["/e"]);
  expect([...leader!.state.sessions.committed()]).toEqual([[client.session, 10_000]]);
  expect([state.sessions.size, state.sessions.local.size]).toEqual([1, 0]);
  server.slow = false;
  client.created("/f", "", EPHEMERAL);
  expect(leader!.proposals.length).toBe(3);
});

test("an ephemeral inside a multi upgrades as well", () => {
  const server = follower();
  const client = new RawClient(server.bench);
  expect(client.multi([ephemeralAt("/e")]).results).toMatchObject([{ type: OpCode.create, path: "/e" }]);
  expect(server.leader!.state.tree.ephemeralsOf(client.session)).toEqual(["/e"]);
});

test("while the upgrade is on its way the session neither expires here nor is forgotten when its client leaves", () => {
  const server = follower();
  const client = new RawClient(server.bench, { timeout: 7000 });
  server.slow = true;
  client.send(OpCode.create, createBody("/e", "", EPHEMERAL, OPEN_ACL_UNSAFE));
  client.peer.cut();
  server.bench.pass(60_000);
  server.commitAll();
  const { leader } = server;
  expect(leader!.state.sessions.isLive(client.session)).toBe(true);
  expect(server.state.sessions.isLive(client.session)).toBe(true);
  const again = client.resume();
  const [question] = server.asked;
  expect(leader!.state.sessions.reopen(question!.session, question!.timeout, server, 0)).toBe(true);
  server.act((cx) => question!.answer(cx, true));
  expect(again.closed).toBe(false);
});

test("where upgrading is off an ephemeral is refused, in its turn, and the session stays local", () => {
  const server = follower(false);
  const client = new RawClient(server.bench);
  server.slow = true;
  client.send(OpCode.create, createBody("/a", "", 0, OPEN_ACL_UNSAFE));
  client.send(OpCode.create, createBody("/e", "", EPHEMERAL, OPEN_ACL_UNSAFE));
  expect(client.take()).toEqual([]);
  server.commitAll();
  expect(client.take()).toMatchObject([
    { xid: 1, err: 0 },
    { xid: 2, err: Code.EPHEMERALONLOCALSESSION },
  ]);
  expect(() => client.multi([ephemeralAt("/e")])).not.toThrow();
  expect(server.leader!.proposals.length).toBe(1);
  expect(server.state.sessions.local.size).toBe(1);
});

test("closing a local session waits for its writes, answers, closes, and costs no txn", () => {
  const server = follower();
  const client = new RawClient(server.bench);
  server.slow = true;
  client.send(OpCode.create, createBody("/a", "", 0, OPEN_ACL_UNSAFE));
  client.send(OpCode.closeSession);
  client.send(OpCode.create, createBody("/late", "", 0, OPEN_ACL_UNSAFE));
  expect([client.closed, server.outstanding.length]).toEqual([false, 1]);
  server.commitAll();
  expect(client.take()).toMatchObject([
    { xid: 1, err: 0 },
    { xid: 2, err: 0 },
  ]);
  expect([client.closed, server.state.sessions.local.size, server.state.stats.inProcess]).toEqual([true, 0, 0]);
  expect(server.leader!.proposals.length).toBe(1);
});

test("a leader's own local sessions write, upgrade and close in the same way", () => {
  const server = new ScriptedServer({ mode: "leader", ensemble: LOCAL });
  const client = new RawClient(server.bench);
  expect(client.created("/a")).toBe("/a");
  expect(server.state.sessions.size).toBe(0);
  client.created("/e", "", EPHEMERAL);
  expect(server.state.sessions.get(client.session)).toMatchObject({ committed: true, local: false });
  client.closeSession();
  expect(server.state.tree.ephemeralCount).toBe(0);
  const other = new RawClient(server.bench);
  other.closeSession();
  expect([other.closed, server.state.sessions.local.size]).toEqual([true, 0]);
});

test("a leader refuses ids of its own that it does not know, and ephemerals of any it does not know", () => {
  const leader = leaderOf();
  const server = new ScriptedServer({ mode: "follower", leader, ensemble: LOCAL, config: { serverId: 9 } });
  expect(new RawClient(server.bench).create("/a").err).toBe(Code.SESSIONEXPIRED);
  const other = follower(true, leader);
  const client = new RawClient(other.bench);
  // As if the upgrade had been lost on the way.
  other.state.sessions.upgrade(client.session, 0);
  expect(client.create("/e", "", EPHEMERAL).err).toBe(Code.SESSIONEXPIRED);
  expect(client.create("/a").err).toBe(0);
});

test("a leader without local sessions refuses every id it does not know", () => {
  const server = follower(true, new ScriptedLeader());
  expect(new RawClient(server.bench).create("/a").err).toBe(Code.SESSIONEXPIRED);
});

test("local sessions end with the role that gave them", () => {
  const server = follower();
  const client = new RawClient(server.bench);
  server.become("leader");
  expect([client.closed, server.state.sessions.local.size]).toEqual([true, 0]);
});
