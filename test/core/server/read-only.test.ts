import { expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import { sessionPassword } from "../../../core/session/password.ts";
import { ask, RawClient } from "../../support/raw-client.ts";
import { ScriptedServer } from "../../support/scripted-server.ts";
import type { ScriptedOptions } from "../../support/scripted-server.ts";

const READ_ONLY = { readOnly: true };

/** Led an ensemble, has a node and a session, and lost its quorum. */
function cutOff(options: Partial<ScriptedOptions> = {}): { server: ScriptedServer; session: SessionId } {
  const server = new ScriptedServer({ mode: "leader", ...options });
  const client = new RawClient(server.bench);
  client.created("/a", "kept");
  server.become("read-only");
  return { server, session: client.session };
}

test("only those are served who will do with reading, and they are told", () => {
  const { server } = cutOff();
  const writer = new RawClient(server.bench);
  expect([writer.welcome, writer.closed]).toEqual([undefined, true]);
  const reader = new RawClient(server.bench, READ_ONLY);
  expect(reader.welcome).toMatchObject({ readOnly: true, timeOut: 10_000, passwd: sessionPassword(reader.session) });
});

test("reads and watches are answered, everything else with NOTREADONLY, in order", () => {
  const { server } = cutOff();
  const zxid = server.state.tree.lastProcessedZxid;
  const client = new RawClient(server.bench, READ_ONLY);
  expect([client.dataOf("/a"), client.exists("/b", true).err, client.ping().err]).toEqual(["kept", Code.NONODE, 0]);
  for (const type of [
    OpCode.create,
    OpCode.create2,
    OpCode.createContainer,
    OpCode.createTTL,
    OpCode.delete,
    OpCode.setData,
    OpCode.setACL,
    OpCode.multi,
    OpCode.reconfig,
    OpCode.sync,
  ]) {
    expect(client.call(type)).toMatchObject({ err: Code.NOTREADONLY, zxid });
  }
  expect(client.dataOf("/a")).toBe("kept");
  expect(server.outstanding).toEqual([]);
});

test("nothing that happens there touches the tree, its zxid or the sessions of the ensemble", () => {
  const { server } = cutOff();
  const { tree, sessions } = server.state;
  const before = [tree.lastProcessedZxid, tree.treeDigest.to53(), [...sessions.committed()]];
  const client = new RawClient(server.bench, { ...READ_ONLY, timeout: 7000 });
  client.create("/b", "", 1);
  const other = new RawClient(server.bench, READ_ONLY);
  expect(other.closeSession().err).toBe(0);
  expect(other.closed).toBe(true);
  server.bench.pass(20_000);
  expect([client.closed, sessions.local.size]).toEqual([true, 0]);
  expect([tree.lastProcessedZxid, tree.treeDigest.to53(), [...sessions.committed()]]).toEqual(before);
});

test("sessions that begin there can be resumed there, and end with the mode", () => {
  const { server } = cutOff();
  const client = new RawClient(server.bench, READ_ONLY);
  client.peer.cut();
  const again = client.resume(READ_ONLY);
  expect(again.welcome).toMatchObject({ sessionId: client.session, readOnly: true });
  server.become("leader");
  expect(again.closed).toBe(true);
  expect(client.resume().welcome!.timeOut).toBe(0);
});

test("a session of the ensemble may go on reading, and cannot be closed there", () => {
  const { server, session } = cutOff();
  const client = new RawClient(server.bench, { ...READ_ONLY, sessionId: session, passwd: sessionPassword(session) });
  expect(client.welcome).toMatchObject({ sessionId: session, readOnly: true });
  expect(client.dataOf("/a")).toBe("kept");
  expect(client.call(OpCode.closeSession).err).toBe(Code.NOTREADONLY);
  server.become("leader");
  expect(client.resume().create("/b").err).toBe(0);
});

test("where sessions may be local, one that is not is sent away, not declared dead", () => {
  const { server } = cutOff({ ensemble: { localSessionsEnabled: true } });
  const global = 0x0200_0000_0000_0001n as SessionId;
  server.state.sessions.add(global, 4000, 0);
  const client = new RawClient(server.bench, { ...READ_ONLY, sessionId: global, passwd: sessionPassword(global) });
  expect([client.welcome, client.closed]).toEqual([undefined, true]);
});

test("a session nobody here knows is sent away, not declared dead", () => {
  const { server } = cutOff();
  const session = 0x0200_0000_0000_0001n as SessionId;
  const client = new RawClient(server.bench, { ...READ_ONLY, sessionId: session, passwd: sessionPassword(session) });
  expect([client.welcome, client.closed]).toEqual([undefined, true]);
});

test("four-letter words say so", () => {
  const { server } = cutOff();
  expect(ask(server.bench, "isro")).toBe("ro");
  expect(ask(server.bench, "srvr")).toMatch(
    /^Zookeeper version: .*\nREAD-ONLY mode; serving only read-only clients\n[^]*Mode: read-only\n/,
  );
  expect(ask(server.bench, "mntr")).toMatch(/zk_server_state\tread-only\nzk_peer_state\tlooking\n/);
});
