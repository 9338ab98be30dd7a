import { expect, test } from "vitest";
import type { Address, ConnId, DirectoryName, FileName } from "../../core/actor.ts";
import { NO_FACTS } from "../../core/actor.ts";
import { Outbox } from "../../core/outbox.ts";
import type { EffectSink } from "../../core/outbox.ts";

const FILE = "log/a" as FileName;
const text = (bytes: Uint8Array, start: number, end: number): string =>
  String.fromCharCode(...bytes.subarray(start, end));
const bytes = (value: string): Uint8Array => Uint8Array.from(value, (letter) => letter.charCodeAt(0));

/** Effects as lines. */
function recorder(lines: string[]): EffectSink {
  return {
    connect: (conn, to) => void lines.push(`connect ${conn} ${to}`),
    send: (conn, arena, start, end) => void lines.push(`send ${conn} ${text(arena, start, end)}`),
    close: (conn) => void lines.push(`close ${conn}`),
    pause: (conn) => void lines.push(`pause ${conn}`),
    resume: (conn) => void lines.push(`resume ${conn}`),
    append: (file, arena, start, end) => void lines.push(`append ${file} ${text(arena, start, end)}`),
    reserve: (file, length) => void lines.push(`reserve ${file} ${length}`),
    sync: (op, file) => void lines.push(`sync ${op} ${file}`),
    syncDirectory: (op, directory) => void lines.push(`syncDirectory ${op} ${directory}`),
    readAt: (op, file, offset, length) => void lines.push(`readAt ${op} ${file} ${offset} ${length}`),
    list: (op, directory) => void lines.push(`list ${op} ${directory}`),
    rename: (op, from, to) => void lines.push(`rename ${op} ${from} ${to}`),
    remove: (op, file) => void lines.push(`remove ${op} ${file}`),
    truncate: (op, file, length) => void lines.push(`truncate ${op} ${file} ${length}`),
    halt: (code, reason) => void lines.push(`halt ${code} ${reason}`),
  };
}

function event(outbox: Outbox, handler: (cx: Outbox) => void): string[] {
  const lines: string[] = [];
  outbox.begin(outbox.now + 1, 0);
  handler(outbox);
  expect(lines).toEqual([]);
  outbox.drain(recorder(lines));
  return lines;
}
const create = (queued = 0): Outbox => new Outbox(NO_FACTS, () => queued);

test("effects come in order, after the handler, and ids are never reused", () => {
  const outbox = create();
  const first = event(outbox, (cx) => {
    const conn = cx.connect("a:1" as Address);
    cx.send(conn, bytes("xhix"), 1, 3);
    cx.pause(conn);
    cx.resume(conn);
    cx.append(FILE, bytes("log"));
    cx.reserve(FILE, 64);
    cx.sync(FILE);
    cx.syncDirectory("log" as DirectoryName);
    cx.readAt(FILE, 7, 9);
    cx.close(conn);
  });
  expect(first).toEqual([
    "connect 1 a:1",
    "send 1 hi",
    "pause 1",
    "resume 1",
    "append log/a log",
    "reserve log/a 64",
    "sync 1 log/a",
    "syncDirectory 2 log",
    "readAt 3 log/a 7 9",
    "close 1",
  ]);
  const second = event(outbox, (cx) => {
    expect(cx.nextConn()).toBe(2);
    cx.connect("b:1" as Address);
    cx.list("log" as DirectoryName);
    cx.rename(FILE, "log/b" as FileName);
    cx.remove(FILE);
    cx.truncate(FILE, 3);
  });
  expect(second).toEqual([
    "connect 3 b:1",
    "list 4 log",
    "rename 5 log/a log/b",
    "remove 6 log/a",
    "truncate 7 log/a 3",
  ]);
});

test("bytes are copied when they are given, and neighbours become one effect", () => {
  const scratch = bytes("abc");
  const conn = 1 as ConnId;
  const lines = event(create(), (cx) => {
    cx.send(conn, scratch);
    scratch.fill(120);
    cx.send(conn, scratch);
    cx.append(FILE, scratch, 0, 1);
    cx.append(FILE, scratch, 0, 1);
    cx.send(2 as ConnId, scratch, 0, 1);
    cx.send(conn, scratch, 0, 1);
  });
  expect(lines).toEqual(["send 1 abcxxx", "append log/a xx", "send 2 x", "send 1 x"]);
});

test("queued counts what the host holds and what this event has sent, at any moment", () => {
  const outbox = create(10);
  const [a, b] = [1 as ConnId, 2 as ConnId];
  const lines = event(outbox, (cx) => {
    expect(cx.queued(a)).toBe(10);
    cx.send(a, bytes("xyz"));
    expect(cx.queued(a)).toBe(13);
    cx.send(a, bytes("x"));
    cx.send(b, bytes("xx"));
    expect([cx.queued(a), cx.queued(b)]).toEqual([14, 12]);
  });
  expect(lines).toEqual(["send 1 xyz", "send 1 x", "send 2 xx"]);
  event(outbox, (cx) => expect(cx.queued(a)).toBe(10));
});

test("a halt that was asked for keeps what came before it, any other drops the event", () => {
  const outbox = create();
  const handler = (code: number) => (cx: Outbox) => {
    cx.send(1 as ConnId, bytes("bye"));
    cx.halt(code, "over");
    cx.send(1 as ConnId, bytes("never"));
    cx.append(FILE, bytes("never"));
    cx.halt(9, "later");
  };
  expect(event(outbox, handler(0))).toEqual(["send 1 bye", "halt 0 over"]);
  expect(event(create(), handler(3))).toEqual(["halt 3 over"]);
});

test("a discarded event leaves nothing behind", () => {
  const outbox = create();
  outbox.begin(1, 1);
  outbox.send(1 as ConnId, bytes("never"));
  outbox.discard();
  expect(event(outbox, (cx) => cx.send(1 as ConnId, bytes("next")))).toEqual(["send 1 next"]);
});

test("events do not nest, time does not go back, and a context is good for one event", () => {
  const outbox = create();
  expect(() => outbox.close(1 as ConnId)).toThrow("one event only");
  outbox.begin(5, 5);
  expect(() => outbox.begin(6, 6)).toThrow("events never nest");
  outbox.drain(recorder([]));
  expect(() => outbox.begin(4, 4)).toThrow("never goes back");
  outbox.begin(5, 1);
  expect(() => outbox.send(1 as ConnId, bytes("abc"), 2, 4)).toThrow("bounds");
});

test("a large event is held whole", () => {
  const large = new Uint8Array(5_000_000).fill(97);
  const outbox = create();
  outbox.begin(1, 1);
  outbox.send(1 as ConnId, bytes("b"));
  outbox.send(1 as ConnId, large);
  let length = 0;
  outbox.drain({ ...recorder([]), send: (_conn, arena, start, end) => void (length = end - start + arena[1]! - 97) });
  expect(length).toBe(5_000_001);
});
