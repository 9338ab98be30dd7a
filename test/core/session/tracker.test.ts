import { expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import { formatSession } from "../../../core/base/ids.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { dumpSessions, formatJavaDate } from "../../../core/session/dump.ts";
import { SessionTracker, firstSessionId, isValidServerId } from "../../../core/session/tracker.ts";

const TICK = 2000;

function tracker(seedFrom = 0x12_3456_789a): SessionTracker {
  return new SessionTracker(TICK, 1, seedFrom);
}

test("ids carry the server in the top byte, then 40 bits of clock, then a counter from 0", () => {
  const sessions = tracker();
  expect(formatSession(sessions.create(4000, 0))).toBe("0x1123456789a0000");
  expect(formatSession(sessions.create(4000, 0))).toBe("0x1123456789a0001");
  expect(formatSession(firstSessionId(0xff, 0))).toBe("0xff00000000000000");
  expect(formatSession(firstSessionId(2, 1_700_000_000_000))).toBe("0x28bcfe568000000");
});

test("the id that means container is never given", () => {
  expect(formatSession(firstSessionId(0x80, 0))).toBe("0x8000000000000001");
});

test("a server id that marks TTL owners is refused with extended types", () => {
  expect([0, 1, 254, 255].map((id) => isValidServerId(id, true))).toEqual([true, true, true, false]);
  expect(isValidServerId(255, false)).toBe(true);
  expect(isValidServerId(-1, false)).toBe(false);
});

test("an id in use is not given again after the clock was set back", () => {
  const first = tracker().create(4000, 0);
  const again = tracker();
  again.add(first, 4000, 0);
  expect(again.create(4000, 0)).toBe(first + 1n);
});

test("a session never expires early and at most one tick late", () => {
  for (let now = 0; now < 2 * TICK; now += 137) {
    const sessions = tracker();
    const session = sessions.create(4000, now);
    const at = sessions.earliest();
    expect(at).toBeGreaterThan(now + 4000);
    expect(at).toBeLessThanOrEqual(now + 4000 + TICK);
    expect(sessions.takeExpired(at - 1)).toEqual([]);
    expect(sessions.takeExpired(at)).toEqual([session]);
  }
});

test("a touch moves the deadline by the connection's timeout, also to earlier, and leaves the stored one alone", () => {
  const sessions = tracker();
  const session = sessions.create(40_000, 0);
  sessions.add(session, 40_000, 0);
  expect(sessions.touch(session, 4000, 1000)).toBe(true);
  expect(sessions.earliest()).toBe(6000);
  expect([...sessions.committed()]).toEqual([[session, 40_000]]);
  expect(sessions.renew(sessions.get(session)!, 4000, 3000)).toBe(true);
  expect(sessions.earliest()).toBe(8000);
});

test("an expired session is closing: it can no longer be touched, and stays until its closeSession is applied", () => {
  const sessions = tracker();
  const session = sessions.create(4000, 0);
  expect(sessions.isLive(session)).toBe(true);
  const held = sessions.get(session)!;
  expect(sessions.takeExpired(100_000)).toEqual([session]);
  expect(sessions.takeExpired(200_000)).toEqual([]);
  expect(sessions.earliest()).toBe(Infinity);
  expect(sessions.touch(session, 4000, 100_000)).toBe(false);
  expect(sessions.renew(held, 4000, 100_000)).toBe(false);
  expect(sessions.isClosing(session)).toBe(true);
  expect(sessions.size).toBe(1);
  sessions.remove(session);
  expect(sessions.get(session)).toBeUndefined();
  expect(sessions.isClosing(session)).toBe(false);
});

test("a session removed while somebody holds it cannot be renewed into the table", () => {
  const sessions = tracker();
  const session = sessions.create(4000, 0);
  const held = sessions.get(session)!;
  sessions.remove(session);
  expect(sessions.renew(held, 4000, 0)).toBe(false);
  expect(sessions.earliest()).toBe(Infinity);
  expect(sessions.touch(session, 4000, 0)).toBe(false);
});

test("a created session is no part of snapshots until its txn is applied", () => {
  const sessions = tracker();
  const session = sessions.create(4000, 0);
  expect([...sessions.committed()]).toEqual([]);
  sessions.add(session, 4000, 3000);
  expect([...sessions.committed()]).toEqual([[session, 4000]]);
  expect(sessions.earliest()).toBe(6000);
});

test("after recovery every session has a full fresh timeout", () => {
  const sessions = tracker();
  for (let i = 1; i <= 3; i++) sessions.add(BigInt(i) as SessionId, 4000 * i, 50_000);
  expect(sessions.takeExpired(53_999)).toEqual([]);
  expect(sessions.takeExpired(56_000)).toEqual([1n]);
  expect(sessions.takeExpired(64_000)).toEqual([2n, 3n]);
});

test("sessions whose closing came to nothing live on with a full timeout", () => {
  const sessions = tracker();
  const expired = sessions.create(4000, 0);
  const closed = sessions.create(40_000, 0);
  const live = sessions.create(40_000, 0);
  sessions.takeExpired(6000);
  sessions.setClosing(closed);
  expect([expired, closed, live].map((id) => sessions.isLive(id))).toEqual([false, false, true]);
  sessions.reopenClosing(10_000);
  expect([expired, closed, live].map((id) => sessions.isLive(id))).toEqual([true, true, true]);
  expect(sessions.earliest()).toBe(16_000);
});

test("the first to act for a session owns it; who moves it takes it", () => {
  const sessions = tracker();
  const session = sessions.create(4000, 0);
  const one = { name: "one" };
  const two = { name: "two" };
  expect(sessions.checkOwner(session, one)).toBe(Code.OK);
  expect(sessions.checkOwner(session, two)).toBe(Code.SESSIONMOVED);
  expect(sessions.setOwner(session, two)).toBe(true);
  expect(sessions.checkOwner(session, one)).toBe(Code.SESSIONMOVED);
  expect(sessions.checkOwner(session, two)).toBe(Code.OK);
  sessions.setClosing(session);
  expect(sessions.checkOwner(session, two)).toBe(Code.SESSIONEXPIRED);
  expect(sessions.setOwner(session, one)).toBe(false);
  expect(sessions.checkOwner(7n as SessionId, one)).toBe(Code.UNKNOWNSESSION);
});

test("dump lists sessions by deadline", () => {
  const sessions = tracker();
  sessions.add(0x100n as SessionId, 9000, 0);
  sessions.add(0x101n as SessionId, 4000, 0);
  sessions.add(-1n as SessionId, 5000, 0);
  const base = 1_700_000_000_000;
  expect([...dumpSessions(sessions, (at) => base + at)].join("")).toBe(
    "Session Sets (2)/(3):\n" +
      "2 expire at Tue Nov 14 22:13:26 UTC 2023:\n\t0x101\n\t0xffffffffffffffff\n" +
      "1 expire at Tue Nov 14 22:13:30 UTC 2023:\n\t0x100\n",
  );
});

test("dates are those of the calendar", () => {
  for (let i = 0; i < 3000; i++) {
    const wall = -62_000_000_000_000 + i * 45_678_901_234;
    const date = new Date(wall);
    const [weekday, day, month] = date.toUTCString().replace(",", "").split(" ");
    const year = String(date.getUTCFullYear()).padStart(4, "0");
    const time = date.toISOString().slice(-13, -5);
    expect(formatJavaDate(wall)).toBe(`${weekday} ${month} ${day} ${time} UTC ${year}`);
  }
});
