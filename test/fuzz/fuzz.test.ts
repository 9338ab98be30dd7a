import { expect, test } from "vitest";
import type { Actor, Context } from "../../core/actor.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import type { StandaloneServer } from "../../core/server/standalone.ts";
import { NO_LISTENER } from "../../core/tree/data-tree.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import type { SessionId } from "../../core/base/ids.ts";
import { Finding, fuzz } from "./fuzzer.ts";

const SMALL = { seed: 1, frames: 20_000, framesPerEpisode: 2_000 };

test("twenty thousand hostile frames: no throw, every closure as ZooKeeper's, nobody else disturbed, all recovered", () => {
  const report = fuzz(SMALL);
  expect(report).toMatchObject({ frames: 20_000, episodes: 10, recoveries: 10 });
  expect(report.framesAccepted).toBeGreaterThan(15_000);
  expect(report.txns).toBeGreaterThan(8_000);
  // The generator reaches what it is there for.
  expect(report.closures.size).toBeGreaterThan(10);
});

test("the same seed does the same", () => {
  const once = fuzz({ seed: 7, frames: 2000 });
  expect(fuzz({ seed: 7, frames: 2000 })).toEqual(once);
});

/** What the fuzzer says of a server that is broken so. */
function finding(wrap: (server: StandaloneServer) => Actor): string {
  try {
    fuzz({ ...SMALL, wrap });
  } catch (error) {
    if (error instanceof Finding) return error.message;
    throw error;
  }
  return "nothing";
}

/** The server, but for some of its handlers. */
function broken(server: StandaloneServer, handlers: Partial<Actor>): Actor {
  const actor: Actor = {
    onStarted: (cx) => server.onStarted(cx),
    onAccepted: (cx, conn, port, from) => server.onAccepted(cx, conn, port, from),
    onConnected: (cx, conn) => server.onConnected(cx, conn),
    onReceived: (cx, conn, bytes) => server.onReceived(cx, conn, bytes),
    onDrained: (cx, conn) => server.onDrained(cx, conn),
    onClosed: (cx, conn, cause) => server.onClosed(cx, conn, cause),
    onDiskDone: (cx, op, outcome) => server.onDiskDone(cx, op, outcome),
    onDeadline: (cx) => server.onDeadline(cx),
    onStopRequested: (cx) => server.onStopRequested(cx),
    deadline: () => server.deadline(),
  };
  return { ...actor, ...handlers };
}

/** `cx` with one of its verbs replaced. */
function instead(cx: Context, verb: "send" | "close", call: (...args: never[]) => void): Context {
  return new Proxy(cx, {
    get(target, key) {
      if (key === verb) return call;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

test("a handler that throws on a list of -1 entries is found", () => {
  const endsSo = (bytes: Uint8Array): boolean => bytes.length > 8 && bytes.subarray(-4).every((byte) => byte === 255);
  const wrap = (server: StandaloneServer): Actor =>
    broken(server, {
      onReceived(cx, conn, bytes) {
        if (endsSo(bytes) && bytes[7] === OpCode.getACL) throw new RangeError("a count of -1");
        server.onReceived(cx, conn, bytes);
      },
    });
  expect(finding(wrap)).toMatch(/--seed 1 --episode \d+, after \d+ frames: RangeError: a count of -1/);
});

test("a server that now and then forgets to close a connection is found", () => {
  let closures = 0;
  const wrap = (server: StandaloneServer): Actor =>
    broken(server, {
      onReceived(cx, conn, bytes) {
        const close = (which: typeof conn): void => void (++closures % 50 === 0 || cx.close(which));
        server.onReceived(instead(cx, "close", close as never), conn, bytes);
      },
    });
  expect(finding(wrap)).toMatch(/did not close its connection/);
});

test("a server that loses one reply in five hundred is found", () => {
  let sends = 0;
  const wrap = (server: StandaloneServer): Actor =>
    broken(server, {
      onReceived(cx, conn, bytes) {
        const send = (...args: Parameters<Context["send"]>): void => void (++sends % 500 === 0 || cx.send(...args));
        server.onReceived(instead(cx, "send", send as never), conn, bytes);
      },
    });
  expect(finding(wrap)).toMatch(/no answer to|where .* was next|a reply to nothing|does not decode|noticed/);
});

test("a server that runs in circles is found", () => {
  let frames = 0;
  const wrap = (server: StandaloneServer): Actor =>
    broken(server, {
      onReceived(cx, conn, bytes) {
        frames++;
        server.onReceived(cx, conn, bytes);
      },
      deadline: () => (frames > 500 ? 0 : server.deadline()),
    });
  expect(finding(wrap)).toMatch(/does not become quiet/);
});

test("a change that never went through the log is found", () => {
  let frames = 0;
  const wrap = (server: StandaloneServer): Actor =>
    broken(server, {
      onReceived(cx, conn, bytes) {
        server.onReceived(cx, conn, bytes);
        const tree = server.state?.tree;
        if (tree === undefined || ++frames !== 1500) return;
        const txn = { type: OpCode.setData, path: "/zookeeper", data: new Uint8Array(3), version: 1 } as const;
        const header = { clientId: 0n as SessionId, cxid: 0, zxid: tree.lastProcessedZxid as Zxid, time: 0 };
        tree.apply({ ...header, type: OpCode.setData }, txn, NO_LISTENER);
      },
    });
  expect(finding(wrap)).toMatch(/a digest was not as predicted|was .* and is|noticed/);
});
