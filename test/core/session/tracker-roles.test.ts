import { expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { dumpGlobalSessions } from "../../../core/session/dump.ts";
import { SessionTracker } from "../../../core/session/tracker.ts";

const TICK = 2000;
const learner = { learner: 2 };
const id = (value: number): SessionId => BigInt(value) as SessionId;

function tracker(role: "leader" | "learner", ...committed: [number, number][]): SessionTracker {
  const sessions = new SessionTracker(TICK, 1, 0x1234);
  sessions.replaceAll(
    committed.map(([session, timeout]) => [id(session), timeout] as const),
    0,
  );
  sessions.beginRole(role, 0);
  return sessions;
}

test("on a learner nothing expires", () => {
  const sessions = tracker("learner", [7, 4000]);
  const own = sessions.create(4000, 0);
  sessions.add(own, 4000, 0);
  expect(sessions.earliest()).toBe(Infinity);
  expect(sessions.touch(own, 4000, 100)).toBe(true);
  expect(sessions.takeExpired(1_000_000)).toEqual([]);
});

test("a touch is noted once for the leader, with the timeout heard last, and again after it was told", () => {
  const sessions = tracker("learner", [7, 4000], [8, 5000], [9, 6000]);
  sessions.touch(id(8), 5000, 10);
  const held = sessions.get(id(7))!;
  for (let now = 0; now < 100; now++) sessions.renew(held, 4000, now);
  sessions.renew(held, 9000, 100);
  expect(sessions.takeTouched()).toEqual([
    { id: 8n, timeout: 5000 },
    { id: 7n, timeout: 9000 },
  ]);
  expect(sessions.takeTouched()).toEqual([]);
  sessions.renew(held, 9000, 200);
  expect(sessions.takeTouched()).toEqual([{ id: 7n, timeout: 9000 }]);
});

test("a leader notes nothing", () => {
  const sessions = tracker("leader", [7, 4000]);
  sessions.touch(id(7), 4000, 10);
  expect(sessions.takeTouched()).toEqual([]);
});

test("what a learner reports moves deadlines; sessions that are unknown or closing stay so", () => {
  const sessions = tracker("leader", [7, 4000], [8, 4000]);
  sessions.setClosing(id(8));
  sessions.touchFromLearner(id(7), 4000, 10_000);
  sessions.touchFromLearner(id(8), 4000, 10_000);
  sessions.touchFromLearner(id(99), 4000, 10_000);
  expect(sessions.takeExpired(6000)).toEqual([8n]);
  expect(sessions.takeExpired(16_000)).toEqual([7n]);
  expect(sessions.get(id(99))).toBeUndefined();
});

test("a negative timeout from a learner expires the session, and breaks nothing", () => {
  const sessions = tracker("leader", [7, 4000]);
  sessions.touchFromLearner(id(7), -5_000_000, 10_000);
  expect(sessions.takeExpired(12_000)).toEqual([7n]);
});

test("a new leader gives every session its full timeout, whatever was closing, and nobody owns anything", () => {
  const sessions = tracker("leader", [7, 4000], [8, 10_000]);
  sessions.setOwner(id(7), learner);
  sessions.setClosing(id(8));
  sessions.beginRole("leader", 100_000);
  expect(sessions.isLive(id(8))).toBe(true);
  expect(sessions.earliest()).toBeGreaterThan(104_000);
  expect(sessions.checkOwner(id(7), "another")).toBe(Code.OK);
});

test("a role takes what was never committed with it; whoever holds it finds it closing", () => {
  const sessions = tracker("learner");
  const session = sessions.create(4000, 0);
  const held = sessions.get(session)!;
  sessions.touch(session, 4000, 0);
  sessions.beginRole("learner", 10);
  expect(sessions.get(session)).toBeUndefined();
  expect(sessions.renew(held, 4000, 20)).toBe(false);
  expect(sessions.takeTouched()).toEqual([]);
});

test("ids go on from role to role", () => {
  const sessions = tracker("leader");
  const first = sessions.create(4000, 0);
  sessions.beginRole("learner", 10);
  expect(sessions.create(4000, 10)).toBe(first + 1n);
});

test("another history has its own sessions and no others", () => {
  const sessions = tracker("learner", [7, 4000], [8, 4000]);
  const held = sessions.get(id(7))!;
  sessions.touch(id(8), 4000, 0);
  sessions.replaceAll(new Map([[id(9), 5000]]), 10);
  expect([...sessions.committed()]).toEqual([[9n, 5000]]);
  expect(sessions.takeTouched()).toEqual([]);
  expect(sessions.renew(held, 4000, 20)).toBe(false);
  expect(sessions.earliest()).toBe(Infinity);
});

test("whoever reopens a session serves it from then on; who did is told that it moved", () => {
  const sessions = tracker("leader", [7, 4000]);
  expect(sessions.checkOwner(id(7), learner)).toBe(Code.OK);
  expect(sessions.reopen(id(7), 8000, "here", 1000)).toBe(true);
  expect(sessions.checkOwner(id(7), learner)).toBe(Code.SESSIONMOVED);
  expect(sessions.checkOwner(id(7), "here")).toBe(Code.OK);
  expect(sessions.earliest()).toBe(10_000);
});

test("a session that is closing, or that nobody knows, cannot be reopened", () => {
  const sessions = tracker("leader", [7, 4000]);
  expect(sessions.reopen(id(8), 4000, learner, 0)).toBe(false);
  sessions.setClosing(id(7));
  expect(sessions.reopen(id(7), 4000, learner, 0)).toBe(false);
});

test("ephemerals without a session are found", () => {
  const sessions = tracker("leader", [7, 4000]);
  expect(sessions.orphans({ sessionsWithEphemerals: () => [7n, 8n, -3n] })).toEqual([8n, -3n]);
});

test("ids tell the server that gave them", () => {
  const sessions = new SessionTracker(TICK, 254, 0);
  expect(sessions.isOfThisServer(sessions.create(4000, 0))).toBe(true);
  expect(sessions.isOfThisServer(new SessionTracker(TICK, 2, 0).create(4000, 0))).toBe(false);
});

test("a learner lists the sessions it knows of, by id, with their timeouts", () => {
  const sessions = tracker("learner", [9, 4000], [7, 5000], [-1, 6000]);
  sessions.create(4000, 0);
  expect([...dumpGlobalSessions(sessions)].join("")).toBe(
    "Global Sessions(3):\n0xffffffffffffffff\t6000ms\n0x7\t5000ms\n0x9\t4000ms\n",
  );
});
