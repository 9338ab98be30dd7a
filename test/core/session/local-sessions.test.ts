import { expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { Writer } from "../../../core/jute/writer.ts";
import { OPEN_ACL_UNSAFE } from "../../../core/protocol/data.ts";
import type { MultiOp } from "../../../core/protocol/multi.ts";
import { writeMultiRequest } from "../../../core/protocol/multi.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import { CreateMode, writeCreateRequest } from "../../../core/protocol/requests.ts";
import { makesEphemeral } from "../../../core/session/local-sessions.ts";
import { SessionTracker } from "../../../core/session/tracker.ts";

const TICK = 2000;

function tracker(role: "leader" | "learner"): SessionTracker {
  const sessions = new SessionTracker(TICK, 1, 0x1234);
  sessions.beginRole(role, 0);
  return sessions;
}

function createOf(flags: number): { path: string; data: null; acl: typeof OPEN_ACL_UNSAFE; flags: number } {
  return { path: "/a", data: null, acl: OPEN_ACL_UNSAFE, flags };
}
function createBody(flags: number): Reader {
  const w = new Writer(64);
  writeCreateRequest(w, createOf(flags));
  return new Reader(w.take());
}
function multiBody(...ops: MultiOp[]): Reader {
  const w = new Writer(64);
  writeMultiRequest(w, ops);
  return new Reader(w.take());
}

test("local sessions expire on learners as on leaders, and are gone then", () => {
  for (const role of ["leader", "learner"] as const) {
    const sessions = tracker(role);
    const session = sessions.createLocal(4000, 0);
    const held = sessions.local.get(session)!;
    expect([sessions.earliest(), sessions.size, sessions.local.size]).toEqual([Infinity, 0, 1]);
    expect(sessions.renew(held, 4000, 3000)).toBe(true);
    expect(sessions.local.earliest()).toBe(8000);
    expect(sessions.local.takeExpired(7999)).toEqual([]);
    expect(sessions.local.takeExpired(8000)).toEqual([session]);
    expect(sessions.renew(held, 4000, 8001)).toBe(false);
    expect([sessions.local.size, sessions.local.earliest()]).toEqual([0, Infinity]);
  }
});

test("nobody is told of local sessions: not the leader, not a snapshot", () => {
  const sessions = tracker("learner");
  const session = sessions.createLocal(4000, 0);
  sessions.renew(sessions.local.get(session)!, 4000, 10);
  expect(sessions.takeTouched()).toEqual([]);
  expect([...sessions.committed()]).toEqual([]);
});

test("local and global sessions never share an id", () => {
  const sessions = tracker("leader");
  const ids = new Set<SessionId>();
  for (let i = 0; i < 10; i++) ids.add(sessions.create(4000, 0)).add(sessions.createLocal(4000, 0));
  expect(ids.size).toBe(20);
});

test("an upgraded session lives on under its id, expires no more here, and is touched for the leader", () => {
  const sessions = tracker("learner");
  const session = sessions.createLocal(4000, 0);
  const held = sessions.local.get(session)!;
  expect(sessions.upgrade(session, 10)).toBe(4000);
  expect(held).toMatchObject({ local: false, committed: false, closing: false });
  expect(sessions.local.get(session)).toBeUndefined();
  expect(sessions.local.takeExpired(1_000_000)).toEqual([]);
  expect(sessions.renew(held, 5000, 20)).toBe(true);
  expect(sessions.takeTouched()).toEqual([{ id: session, timeout: 5000 }]);
  sessions.add(session, 4000, 30);
  expect([...sessions.committed()]).toEqual([[session, 4000]]);
  expect(sessions.get(session)).toBe(held);
});

test("on a leader an upgraded session gets a deadline like any other", () => {
  const sessions = tracker("leader");
  const session = sessions.createLocal(4000, 0);
  sessions.upgrade(session, 10_000);
  expect(sessions.takeExpired(15_999)).toEqual([]);
  expect(sessions.takeExpired(16_000)).toEqual([session]);
});

test("only a local session can be upgraded, and once", () => {
  const sessions = tracker("learner");
  expect(sessions.upgrade(5n as SessionId, 0)).toBeUndefined();
  const session = sessions.createLocal(4000, 0);
  expect(sessions.upgrade(session, 0)).toBe(4000);
  expect(sessions.upgrade(session, 0)).toBeUndefined();
});

test("local sessions end with the role", () => {
  const sessions = tracker("learner");
  const session = sessions.createLocal(4000, 0);
  const held = sessions.local.get(session)!;
  sessions.beginRole("learner", 10);
  expect([sessions.local.size, sessions.local.earliest(), held.closing]).toEqual([0, Infinity, true]);
});

test("an ephemeral needs a global session: of create and create2, sequential or not, and inside a multi", () => {
  const modes = Object.values(CreateMode);
  for (const type of [OpCode.create, OpCode.create2]) {
    expect(modes.filter((flags) => makesEphemeral(type, createBody(flags)))).toEqual([1, 3]);
  }
  expect(makesEphemeral(OpCode.setData, createBody(CreateMode.ephemeral))).toBe(false);
  const plain: MultiOp = { type: OpCode.create, request: createOf(0) };
  const check: MultiOp = { type: OpCode.check, request: { path: "/", version: 0 } };
  expect(makesEphemeral(OpCode.multi, multiBody(plain, check))).toBe(false);
  for (const type of [OpCode.create, OpCode.create2] as const) {
    const ephemeral: MultiOp = { type, request: createOf(CreateMode.ephemeralSequential) };
    expect(makesEphemeral(OpCode.multi, multiBody(plain, check, ephemeral, plain))).toBe(true);
  }
});

test("looking for ephemerals leaves the body to be read, and garbage alone", () => {
  const body = createBody(CreateMode.ephemeral);
  makesEphemeral(OpCode.create, body);
  expect([body.offset, body.failed]).toEqual([0, false]);
  for (const type of [OpCode.create, OpCode.create2, OpCode.multi]) {
    const garbage = new Reader(new Uint8Array([0, 0, 0, 1, 255, 255]));
    expect(makesEphemeral(type, garbage)).toBe(false);
    expect(garbage.failed).toBe(false);
  }
});
