/**
 * The host contract (core/actor.ts, core/README.md): one body, two arms. What is proved of an actor in the simulator
 * holds on a real machine only as far as both hosts keep the same promises.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Address, ConnId, Context, DirectoryName, DiskOp, DiskOutcome, FileName } from "../../core/actor.ts";
import { QUEUED_HIGH_WATER } from "../../core/outbox.ts";
import { NetWorld, SimWorld } from "./arms.ts";
import type { Running, World } from "./arms.ts";
import type { Script } from "./probe.ts";

const DIRECTORY = "log/version-2" as DirectoryName;
const A = "log/version-2/a" as FileName;
const B = "log/version-2/b" as FileName;
const FIRST = 1 as ConnId;

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
function textOf(outcome: DiskOutcome | undefined): string {
  return outcome?.kind === "read" ? String.fromCharCode(...outcome.bytes) : `not read: ${JSON.stringify(outcome)}`;
}

describe.each([
  ["sim", () => new SimWorld(1)],
  ["sim, another seed", () => new SimWorld(2)],
  ["net", () => new NetWorld()],
] as [string, () => World][])("on %s", (_name, make) => {
  let world: World;
  const all: Running[] = [];
  beforeEach(() => void (world = make()));
  afterEach(async () => {
    await world.end();
    for (const { probe } of all.splice(0)) expect(probe.violations).toEqual([]);
  });

  async function start(script: Script = {}, disk?: string): Promise<Running> {
    const running = await world.start(script, disk);
    all.push(running);
    return running;
  }
  /** A host whose actor connects at once; `FIRST` is the connection's name there. */
  function dial(to: Address, script: Script = {}): Promise<Running> {
    return start({ ...script, onStarted: (cx) => void cx.connect(to) });
  }
  /** Runs `ask` as an event and waits for everything it asked of the disk. */
  async function disk(running: Running, ask: (cx: Context) => DiskOp[]): Promise<DiskOutcome[]> {
    let ops: DiskOp[] | undefined;
    running.run((cx) => void (ops = ask(cx)));
    await world.until(() => ops !== undefined && ops.every((op) => running.probe.outcomes.has(op)));
    return ops!.map((op) => running.probe.outcomes.get(op)!);
  }

  describe("events", () => {
    test("onStarted is the first, and calls of the host's owner are events of their own", async () => {
      const called: string[] = [];
      const one = await start();
      one.run((cx) => {
        called.push("outer");
        one.run(() => void called.push("inner"));
        called.push(`still outer at ${cx.now === cx.now}`);
      });
      await world.until(() => called.length === 3);
      expect(one.probe.log[0]).toBe("started");
      expect(called).toEqual(["outer", "still outer at true", "inner"]);
    });

    test("a deadline comes at or after its instant and never before", async () => {
      const waited: number[] = [];
      const one = await start({
        onDeadline(cx) {
          waited.push(cx.now - one.probe.wakeAt);
          one.probe.wakeAt = waited.length < 5 ? cx.now + 3 * waited.length : Infinity;
        },
      });
      one.run((cx) => void (one.probe.wakeAt = cx.now + 7));
      await world.until(() => waited.length >= 5);
      // Calls before the instant would be allowed only if the actor could ignore them; ours would count them.
      expect(waited.every((late) => late >= 0)).toBe(true);
    });

    test("a deadline that has passed comes after the event, not within it, and again as long as it stays", async () => {
      const order: string[] = [];
      const one = await start({
        onDeadline() {
          order.push("deadline");
          if (order.length > 3) one.probe.wakeAt = Infinity;
        },
      });
      one.run((cx) => {
        one.probe.wakeAt = cx.now - 1000;
        order.push("call");
      });
      await world.until(() => order.length > 3);
      expect(order.slice(0, 4)).toEqual(["call", "deadline", "deadline", "deadline"]);
    });

    test("a deadline that another event moves forward comes then", async () => {
      let cameAt = 0;
      const one = await start({
        onDeadline(cx) {
          cameAt = cx.now;
          one.probe.wakeAt = Infinity;
        },
      });
      let soon = 0;
      one.run((cx) => void (one.probe.wakeAt = cx.now + 3_600_000));
      one.run((cx) => void (one.probe.wakeAt = soon = cx.now + 2));
      await world.until(() => cameAt > 0);
      expect(cameAt).toBeGreaterThanOrEqual(soon);
      expect(cameAt).toBeLessThan(soon + 3_000_000);
    });

    test("a stop is asked for once, and the actor decides", async () => {
      const one = await start({ onStopRequested: (cx) => cx.halt(0, "asked to") });
      one.requestStop();
      await world.until(() => one.exit() !== undefined);
      expect(one.exit()).toBe(0);
      expect(one.probe.log).toEqual(["started", "stop"]);
    });
  });

  describe("connections", () => {
    test("both sides learn of a connection, once", async () => {
      const server = await start();
      const client = await dial(server.address);
      await world.until(() => client.probe.count("connected") > 0 && server.probe.count("accepted") > 0);
      expect(client.probe.log).toEqual(["started", "connected 1"]);
      expect(server.probe.log).toEqual(["started", "accepted 1"]);
    });

    test("bytes arrive in order and complete, both ways, however they were sent", async () => {
      const sent = Array.from({ length: 40_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
      const scratch = new Uint8Array(1000);
      const server = await start({ onReceived: (cx, conn, chunk) => cx.send(conn, chunk) });
      const client = await dial(server.address, {
        onConnected(cx, conn) {
          for (let at = 0, size = 1; at < sent.length; size = (size * 3) % 997) {
            const piece = sent.slice(at, at + size);
            // One scratch buffer for all of them: send copies.
            scratch.set(piece, 3);
            cx.send(conn, scratch, 3, 3 + piece.length);
            at += piece.length;
          }
          scratch.fill(0);
        },
      });
      await world.until(() => client.probe.bytesOf(FIRST).length >= sent.length);
      expect(server.probe.bytesOf(FIRST)).toEqual(sent);
      expect(client.probe.bytesOf(FIRST)).toEqual(sent);
    });

    test("what is sent before the connection stands is sent then", async () => {
      const server = await start();
      await start({ onStarted: (cx) => cx.send(cx.connect(server.address), bytes("early")) });
      await world.until(() => server.probe.text(FIRST) === "early");
    });

    test("an attempt to reach nobody ends once, as refused", async () => {
      const client = await dial(await world.nobody());
      await world.until(() => client.probe.count("closed") > 0);
      expect(client.probe.log).toEqual(["started", "closed 1 refused"]);
    });

    test("an attempt that is given up at once ends once, as local", async () => {
      const server = await start();
      const client = await start({ onStarted: (cx) => cx.close(cx.connect(server.address)) });
      const other = await dial(server.address);
      await world.until(() => client.probe.count("closed") > 0 && other.probe.count("connected") > 0);
      expect(client.probe.log).toEqual(["started", "closed 1 local"]);
    });

    test("close delivers what was sent before, nothing of what is sent after, and ends in one event on each side", async () => {
      const server = await start({
        onReceived(cx, conn) {
          cx.send(conn, bytes("bye"));
          cx.close(conn);
          cx.send(conn, bytes("too late"));
          cx.close(conn);
        },
      });
      const client = await dial(server.address, { onConnected: (cx, conn) => cx.send(conn, bytes("hello")) });
      await world.until(() => client.probe.count("closed") > 0 && server.probe.count("closed") > 0);
      expect(client.probe.text(FIRST)).toBe("bye");
      expect(client.probe.log).toEqual(["started", "connected 1", "closed 1 peer"]);
      expect(server.probe.log).toEqual(["started", "accepted 1", "closed 1 local"]);
    });

    test("nothing is received after close, though the other side goes on sending", async () => {
      const server = await start({ onReceived: (cx, conn) => cx.close(conn) });
      const client = await dial(server.address, {
        onConnected(cx, conn) {
          cx.send(conn, bytes("a"));
          client.probe.wakeAt = cx.now;
        },
        onDeadline: (cx) => cx.send(FIRST, bytes("b")),
        onClosed: () => void (client.probe.wakeAt = Infinity),
      });
      await world.until(() => client.probe.count("closed") > 0 && server.probe.count("closed") > 0);
      // The probe itself objects to bytes after the end; here they must also not have come between close and its event.
      expect(server.probe.count("closed")).toBe(1);
    });

    test("a connection may be closed where it is accepted", async () => {
      const server = await start({ onAccepted: (cx, conn) => cx.close(conn) });
      const client = await dial(server.address);
      await world.until(() => client.probe.count("closed") > 0 && server.probe.count("closed") > 0);
      expect(server.probe.log).toEqual(["started", "accepted 1", "closed 1 local"]);
    });

    test("the death of one side is the end of the connection on the other", async () => {
      const server = await start();
      const client = await dial(server.address);
      await world.until(() => client.probe.count("connected") > 0 && server.probe.count("accepted") > 0);
      await server.kill();
      await world.until(() => client.probe.count("closed") > 0);
      expect(client.probe.log.at(-1)).toMatch(/^closed 1 (peer|reset)$/);
    });

    test("names of connections are not reused, whoever made them", async () => {
      const server = await start();
      const names: ConnId[] = [];
      const one = await start({
        onAccepted: (_cx, conn) => void names.push(conn),
        onClosed(cx) {
          if (names.length < 6) names.push(cx.connect(server.address));
        },
        onConnected: (cx, conn) => cx.close(conn),
      });
      one.run((cx) => void names.push(cx.connect(server.address)));
      await dial(one.address);
      await dial(one.address);
      await world.until(() => one.probe.count("closed") > 3 && one.probe.count("accepted") === 2);
      expect(new Set(names).size).toBe(names.length);
    });

    test("effects on a connection that is over are ignored", async () => {
      const server = await start({ onAccepted: (cx, conn) => cx.close(conn) });
      let after = false;
      const client = await dial(server.address, {
        onClosed(cx, conn) {
          cx.send(conn, bytes("x"));
          cx.pause(conn);
          cx.resume(conn);
          cx.close(conn);
          cx.send(99 as ConnId, bytes("x"));
          after = true;
        },
      });
      await world.until(() => after);
      const [outcome] = await disk(client, (cx) => [cx.list(DIRECTORY)]);
      expect(outcome!.kind).toBe("listed");
      expect(client.probe.count("closed")).toBe(1);
    });
  });

  describe("backpressure", () => {
    test("queued counts what this event has sent", async () => {
      const server = await start();
      const seen: number[] = [];
      await dial(server.address, {
        onConnected(cx, conn) {
          seen.push(cx.queued(conn));
          cx.send(conn, bytes("abc"));
          seen.push(cx.queued(conn));
          cx.send(conn, bytes("de"), 1);
          seen.push(cx.queued(conn));
        },
      });
      await world.until(() => server.probe.text(FIRST) === "abce");
      expect(seen).toEqual([0, 3, 4]);
    });

    test("a paused connection delivers nothing, and everything after resume", async () => {
      const server = await start({
        onAccepted: (cx, conn) => void (conn === FIRST && cx.pause(conn)),
        onReceived: (cx) => cx.resume(FIRST),
      });
      const slow = await dial(server.address, { onConnected: (cx, conn) => cx.send(conn, bytes("one")) });
      await world.until(() => slow.probe.count("connected") > 0);
      slow.run((cx) => cx.send(FIRST, bytes(" two")));
      const other = await dial(server.address);
      await world.until(() => other.probe.count("connected") > 0 && server.probe.count("accepted") > 1);
      expect(server.probe.text(FIRST)).toBe("");
      other.run((cx) => cx.send(FIRST, bytes("go")));
      await world.until(() => server.probe.text(FIRST) === "one two");
    });

    test("pause within onReceived holds what comes next; resume in the same event takes it back", async () => {
      const server = await start({
        onReceived(cx, conn, chunk) {
          cx.pause(conn);
          if (chunk[chunk.length - 1] !== "!".charCodeAt(0)) cx.resume(conn);
        },
      });
      const client = await dial(server.address, { onConnected: (cx, conn) => cx.send(conn, bytes("abc")) });
      await world.until(() => server.probe.text(FIRST) === "abc");
      client.run((cx) => cx.send(FIRST, bytes("d!")));
      await world.until(() => server.probe.text(FIRST) === "abcd!");
      client.run((cx) => cx.send(FIRST, bytes("e")));
      client.run((cx) => cx.close(FIRST));
      await world.until(() => client.probe.count("closed") > 0);
      expect(server.probe.text(FIRST)).toBe("abcd!");
      server.run((cx) => cx.resume(FIRST));
      await world.until(() => server.probe.count("closed") > 0);
      expect(server.probe.text(FIRST)).toBe("abcd!e");
    });

    test("the end of a paused connection comes after its bytes", async () => {
      const server = await start({ onAccepted: (cx, conn) => cx.pause(conn) });
      const client = await dial(server.address, {
        onConnected(cx, conn) {
          cx.send(conn, bytes("last words"));
          cx.close(conn);
        },
      });
      await world.until(() => client.probe.count("closed") > 0 && server.probe.count("accepted") > 0);
      server.run((cx) => cx.resume(FIRST));
      await world.until(() => server.probe.count("closed") > 0);
      expect(server.probe.text(FIRST)).toBe("last words");
    });

    test("a sender past the high-water mark is told once when all of it is with the network", async () => {
      const chunk = new Uint8Array(QUEUED_HIGH_WATER);
      const chunks = 64;
      let received = 0;
      let whenDrained = -1;
      let queuedAtOnce = 0;
      const server = await start({
        onAccepted: (cx, conn) => cx.pause(conn),
      });
      server.probe.onReceived = (_cx, _conn, piece) => void (received += piece.length);
      const client = await dial(server.address, {
        onConnected(cx, conn) {
          for (let i = 0; i < chunks; i++) cx.send(conn, chunk);
          queuedAtOnce = cx.queued(conn);
        },
        onDrained: (cx, conn) => void (whenDrained = cx.queued(conn)),
      });
      await world.until(() => queuedAtOnce > 0 && server.probe.count("accepted") > 0);
      expect(queuedAtOnce).toBe(chunks * QUEUED_HIGH_WATER);
      expect(whenDrained).toBe(-1);
      // Nobody reads, so the rest stays queued.
      let held = 0;
      client.run((cx) => void (held = cx.queued(FIRST)));
      await world.until(() => held > 0);
      server.run((cx) => cx.resume(FIRST));
      const finish = (): boolean => whenDrained >= 0;
      await world.until(finish);
      expect(whenDrained).toBe(0);
      client.run((cx) => cx.close(FIRST));
      await world.until(() => server.probe.count("closed") > 0);
      expect(received).toBe(chunks * QUEUED_HIGH_WATER);
      expect(client.probe.count("drained")).toBe(1);
    });
  });

  describe("files", () => {
    test("reads see earlier appends, synced or not, and end where the file ends", async () => {
      const one = await start();
      const outcomes = await disk(one, (cx) => {
        cx.append(A, bytes("hello "));
        cx.append(A, bytes("[world]"), 1, 6);
        return [cx.readAt(A, 0, 100), cx.readAt(A, 6, 3), cx.readAt(A, 6, 5), cx.readAt(A, 11, 4), cx.readAt(A, 50, 4)];
      });
      expect(outcomes.map(textOf)).toEqual(["hello world", "wor", "world", "", ""]);
      expect(outcomes.map((outcome) => outcome.kind === "read" && outcome.endOfFile)).toEqual([
        true,
        false,
        true,
        true,
        true,
      ]);
    });

    test("operations on one file complete in the order in which they were asked for", async () => {
      const one = await start();
      const outcomes = await disk(one, (cx) => {
        cx.append(A, bytes("abcdef"));
        const ops = [cx.readAt(A, 0, 10), cx.truncate(A, 3), cx.readAt(A, 0, 10)];
        cx.append(A, bytes("xyz"));
        ops.push(
          cx.sync(A),
          cx.readAt(A, 0, 10),
          cx.rename(A, B),
          cx.readAt(B, 0, 10),
          cx.remove(B),
          cx.readAt(B, 0, 1),
        );
        return ops;
      });
      const shown = outcomes.map((one) => (one.kind === "read" ? textOf(one) : one.kind));
      expect(shown).toEqual([
        "abcdef",
        "truncated",
        "abc",
        "synced",
        "abcxyz",
        "renamed",
        "abcxyz",
        "removed",
        "failed",
      ]);
      const done = one.probe.log.filter((line) => line.startsWith("done")).map((line) => Number(line.split(" ")[1]));
      expect(done).toEqual(done.toSorted((a, b) => a - b));
    });

    test("what is not there is missing, in every operation that needs it", async () => {
      const one = await start();
      const outcomes = await disk(one, (cx) => [
        cx.readAt(A, 0, 1),
        cx.sync(A),
        cx.truncate(A, 0),
        cx.remove(A),
        cx.rename(A, B),
      ]);
      expect(outcomes.map((one) => one.kind === "failed" && one.error)).toEqual(Array(5).fill("missing"));
    });

    test("a list has what was appended before, sorted by code unit; of a missing directory it is empty", async () => {
      const one = await start();
      const names = ["log.a", "log.10", "log.9", "snapshot.1", "Log.z", "log.A"];
      const [listed, nothing] = await disk(one, (cx) => {
        for (const [index, name] of names.entries()) {
          cx.append(`log/version-2/${name}` as FileName, new Uint8Array(index));
        }
        return [cx.list(DIRECTORY), cx.list("log/elsewhere" as DirectoryName)];
      });
      expect(listed).toEqual({
        kind: "listed",
        files: [
          { name: "Log.z", size: 4 },
          { name: "log.10", size: 1 },
          { name: "log.9", size: 2 },
          { name: "log.A", size: 5 },
          { name: "log.a", size: 0 },
          { name: "snapshot.1", size: 3 },
        ],
      });
      expect(nothing).toEqual({ kind: "listed", files: [] });
    });

    test("reserve adds zeros and does not move the place where appends go", async () => {
      const one = await start();
      const [read, listed] = await disk(one, (cx) => {
        cx.append(A, bytes("ab"));
        cx.reserve(A, 6);
        cx.append(A, bytes("cd"));
        cx.reserve(A, 3);
        return [cx.readAt(A, 0, 100), cx.list(DIRECTORY), cx.sync(A)];
      });
      expect(textOf(read)).toBe("abcd\0\0");
      expect(listed).toEqual({ kind: "listed", files: [{ name: "a", size: 6 }] });
    });

    test("after truncate appends go to the new end, and what lay behind is gone", async () => {
      const one = await start();
      const [, read] = await disk(one, (cx) => {
        cx.append(A, bytes("abcdef"));
        const ops = [cx.truncate(A, 2)];
        cx.append(A, bytes("X"));
        cx.reserve(A, 6);
        ops.push(cx.readAt(A, 0, 10), cx.sync(A));
        return ops;
      });
      expect(textOf(read)).toBe("abX\0\0\0");
    });

    test("rename replaces what had the name, and appends follow the file to its new name", async () => {
      const one = await start();
      const [, , read, listed] = await disk(one, (cx) => {
        cx.append(B, bytes("old"));
        cx.append(A, bytes("new"));
        const ops = [cx.sync(A), cx.rename(A, B)];
        cx.append(B, bytes("er"));
        cx.append(A, bytes("another"));
        ops.push(cx.readAt(B, 0, 10), cx.list(DIRECTORY), cx.syncDirectory(DIRECTORY));
        return ops;
      });
      expect(textOf(read)).toBe("newer");
      expect(listed).toEqual({
        kind: "listed",
        files: [
          { name: "a", size: 7 },
          { name: "b", size: 5 },
        ],
      });
    });

    test("a removed file starts again empty", async () => {
      const one = await start();
      const [, read] = await disk(one, (cx) => {
        cx.append(A, bytes("old"));
        const ops = [cx.remove(A)];
        cx.append(A, bytes("new"));
        ops.push(cx.readAt(A, 0, 10), cx.sync(A), cx.syncDirectory(DIRECTORY));
        return ops;
      });
      expect(textOf(read)).toBe("new");
    });

    test("the bytes of a read belong to the actor", async () => {
      const one = await start();
      const [first] = await disk(one, (cx) => {
        cx.append(A, bytes("abc"));
        return [cx.readAt(A, 0, 3)];
      });
      if (first?.kind === "read") first.bytes.fill(0x7a);
      const [second] = await disk(one, (cx) => [cx.readAt(A, 0, 3)]);
      expect([textOf(first), textOf(second)]).toEqual(["zzz", "abc"]);
    });

    test("files outlive their actor, and the next one appends at their end", async () => {
      const first = await start({}, "kept");
      await disk(first, (cx) => {
        cx.append(A, bytes("one"));
        return [cx.sync(A), cx.syncDirectory(DIRECTORY)];
      });
      await first.kill();
      const second = await start({}, "kept");
      const [read] = await disk(second, (cx) => {
        cx.append(A, bytes(" two"));
        return [cx.readAt(A, 0, 10)];
      });
      expect(textOf(read)).toBe("one two");
    });

    test("names of operations are not reused", async () => {
      const one = await start();
      const ops: DiskOp[] = [];
      for (let i = 0; i < 3; i++) {
        await disk(one, (cx) => {
          const asked = [cx.list(DIRECTORY), cx.list(DIRECTORY)];
          ops.push(...asked);
          return asked;
        });
      }
      expect(new Set(ops).size).toBe(6);
    });
  });

  describe("the end", () => {
    test("halt with code 0 delivers what was sent before it, and no event follows", async () => {
      const server = await start({
        onReceived(cx, conn) {
          cx.send(conn, bytes("last words"));
          cx.halt(0, "asked to");
          cx.send(conn, bytes(" and more"));
          server.probe.wakeAt = cx.now;
        },
        onDeadline: () => void (server.probe.over = true),
      });
      const client = await dial(server.address, { onConnected: (cx, conn) => cx.send(conn, bytes("x")) });
      await world.until(() => client.probe.count("closed") > 0 && server.exit() !== undefined);
      expect(server.exit()).toBe(0);
      expect(client.probe.text(FIRST)).toBe("last words");
      expect(server.probe.log).toEqual(["started", "accepted 1"]);
    });

    test.each([
      ["halt with another code", (cx: Context) => cx.halt(10, "a disk failed"), 10],
      [
        "a throw",
        (): void => {
          throw new Error("a bug");
        },
        -1,
      ],
    ] as [string, (cx: Context) => void, number][])(
      "%s is a crash: that event's effects are dropped",
      async (_, end, code) => {
        const server = await start(
          {
            onReceived(cx, conn) {
              cx.append(A, bytes("never"));
              cx.sync(A);
              cx.send(conn, bytes("never"));
              server.probe.wakeAt = cx.now;
              end(cx);
            },
          },
          "crashed",
        );
        const client = await dial(server.address, { onConnected: (cx, conn) => cx.send(conn, bytes("x")) });
        await world.until(() => client.probe.count("closed") > 0 && server.exit() !== undefined);
        expect(server.exit()).toBe(code);
        expect(client.probe.text(FIRST)).toBe("");
        expect(server.probe.log).toEqual(["started", "accepted 1"]);
        const next = await start({}, "crashed");
        const [listed] = await disk(next, (cx) => [cx.list(DIRECTORY)]);
        expect(listed).toEqual({ kind: "listed", files: [] });
      },
    );
  });
});
