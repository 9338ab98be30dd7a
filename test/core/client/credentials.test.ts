import { expect, test } from "vitest";
import type { Address } from "../../../core/actor.ts";
import type { SessionId } from "../../../core/base/ids.ts";
import { create, getData } from "../../../core/client/operations.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { readAuthPacket, Xids } from "../../../core/protocol/headers.ts";
import { ascii, ClientBench, connectResponse, joined, reply, SESSION } from "../../support/client-bench.ts";

test("credentials are sent on every connection, before watches and requests, in the order in which they were given", () => {
  const bench = new ClientBench({ credentials: [{ scheme: "digest", auth: ascii("a:1") }] });
  const second = bench.addCredentials("digest", "b:2");
  bench.call(getData("/x"));
  bench.establish();
  const requests = bench.requests();
  expect(requests.map((request) => [request.name, request.xid])).toEqual([
    ["auth", Xids.auth],
    ["auth", Xids.auth],
    ["getData", 1],
  ]);
  expect(readAuthPacket(requests[1]!.body)).toEqual({ type: 0, scheme: "digest", auth: ascii("b:2") });
  bench.deliver(reply(Xids.auth, 0));
  expect(second.settled).toBe(false);
  bench.drop();
  bench.advance(1000);
  bench.establish();
  expect(bench.requests().map((request) => request.name)).toEqual(["auth", "auth"]);
  bench.deliver(joined(reply(Xids.auth, 0), reply(Xids.auth, 0)));
  expect(second).toMatchObject({ settled: true, error: undefined });
});

test("credentials given twice are sent once, and known ones are accepted at once", () => {
  const bench = new ClientBench();
  bench.establish();
  const first = bench.addCredentials("digest", "a:1");
  const same = bench.addCredentials("digest", "a:1");
  expect(bench.requests().length).toBe(1);
  bench.deliver(reply(Xids.auth, 0));
  expect([first.settled, same.settled]).toEqual([true, true]);
  expect(bench.addCredentials("digest", "a:1").settled).toBe(true);
  expect(bench.requests()).toEqual([]);
});

test("refused credentials end the client and everything that waits on it", () => {
  const bench = new ClientBench();
  bench.establish();
  const call = bench.call(create("/a"));
  const auth = bench.addCredentials("nonsense", "x");
  bench.deliver(reply(Xids.auth, 0, Code.AUTHFAILED));
  expect(bench.client.state).toBe("authFailed");
  expect(auth.error?.code).toBe("AUTHFAILED");
  expect(call.error).toMatchObject({ code: "AUTHFAILED", outcomeUnknown: true });
  expect(bench.call(create("/b")).error).toMatchObject({ code: "AUTHFAILED", outcomeUnknown: false });
  expect(bench.addCredentials("digest", "a:1").error?.code).toBe("AUTHFAILED");
  expect(bench.client.deadline()).toBe(Infinity);
});

const TWO = ["a:1", "b:2"] as Address[];

test("a read-only server is used while the others are asked, ever more rarely, for one with a quorum", () => {
  const bench = new ClientBench({ servers: TWO, readOnly: true });
  expect(bench.connected().readOnly).toBe(true);
  const main = bench.peer;
  bench.deliver(readOnlyAnswer());
  expect(bench.states).toEqual(["connectedReadOnly"]);
  const asked: number[] = [];
  const began = bench.now;
  while (bench.now - began < 5000) {
    bench.advance(1);
    bench.deliver(reply(Xids.ping, 1), main);
    if (bench.peer === main || bench.peer.closed) continue;
    asked.push(bench.now - began);
    const probe = bench.peer;
    bench.run((cx) => bench.client.onConnected(cx, probe.conn));
    expect(probe.sent).toEqual(ascii("isro"));
    bench.deliver(ascii("ro"), probe);
    expect(probe.closed).toBe(true);
  }
  expect(asked).toEqual([1, 101, 301, 701, 1501, 3101]);
});

test("a server with a quorum is moved to at once, with a session of its own for a read-only one's", () => {
  const bench = new ClientBench({ servers: TWO, readOnly: true });
  bench.connected();
  const first = bench.peer;
  bench.deliver(readOnlyAnswer());
  bench.advance(1);
  const call = bench.call(getData("/a"));
  const probe = bench.peer;
  bench.run((cx) => bench.client.onConnected(cx, probe.conn));
  bench.deliver(ascii("r"), probe);
  bench.deliver(ascii("w"), probe);
  expect(first.closed).toBe(true);
  expect(probe.closed).toBe(true);
  expect(call.error?.code).toBe("CONNECTIONLOSS");
  bench.advance(0);
  expect(bench.peer.server).toBe(probe.server);
  expect(bench.establish()).toMatchObject({ sessionId: 0n });
  expect(bench.states).toEqual(["connectedReadOnly", "connecting", "connected"]);
  expect(bench.client.session.id).toBe(SESSION);
  bench.advance(1000);
  expect(bench.peers.length).toBe(3);
});

test("a server that is asked for a quorum and says nothing does not hold up the search", () => {
  const bench = new ClientBench({ servers: TWO, readOnly: true });
  bench.connected();
  const main = bench.peer;
  bench.deliver(readOnlyAnswer());
  for (let i = 0; i < 13; i++) {
    bench.advance(100);
    bench.deliver(reply(Xids.ping, 1), main);
  }
  expect(bench.peers.length).toBe(3);
  expect(bench.peers[1]!.closed).toBe(true);
  bench.drop("refused", bench.peers[2]);
  expect(bench.client.state).toBe("connectedReadOnly");
});

function readOnlyAnswer(): Uint8Array {
  return connectResponse({ readOnly: true, sessionId: 7n as SessionId });
}
