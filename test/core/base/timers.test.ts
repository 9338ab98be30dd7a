import fc from "fast-check";
import { expect, test } from "vitest";
import { TimerTable } from "../../../core/base/timers.ts";

test("an empty table has no deadline and nothing expired", () => {
  const timers = new TimerTable<"flush">();
  expect(timers.earliest()).toBe(Infinity);
  expect(timers.isArmed("flush")).toBe(false);
  expect(timers.takeExpired(Number.MAX_SAFE_INTEGER)).toBeUndefined();
  expect(timers.takeExpired(Infinity)).toBeUndefined();
});

test("a timer expires at its deadline, once", () => {
  const timers = new TimerTable<"flush">();
  timers.arm("flush", 10);
  expect(timers.takeExpired(9)).toBeUndefined();
  expect(timers.takeExpired(10)).toBe("flush");
  expect(timers.takeExpired(10)).toBeUndefined();
  expect(timers.isArmed("flush")).toBe(false);
});

test("arming again moves a timer in either direction", () => {
  const timers = new TimerTable<"a" | "b">();
  timers.arm("a", 10);
  timers.arm("b", 20);
  timers.arm("a", 30);
  expect(timers.earliest()).toBe(20);
  timers.arm("a", 5);
  expect(timers.earliest()).toBe(5);
  timers.disarm("a");
  expect(timers.earliest()).toBe(20);
});

test("expired timers come most overdue first, and ties in the order in which names first appeared", () => {
  const timers = new TimerTable<"late" | "second" | "first">();
  timers.arm("late", 3);
  timers.arm("second", 2);
  timers.arm("first", 1);
  timers.arm("late", 2);
  const order = [];
  for (let name = timers.takeExpired(3); name !== undefined; name = timers.takeExpired(3)) order.push(name);
  expect(order).toEqual(["first", "late", "second"]);
});

test("a table equals a map searched for its minimum", () => {
  const name = fc.constantFrom("a" as const, "b" as const, "c" as const, "d" as const);
  const step = fc.oneof(
    fc.record({ kind: fc.constant("arm" as const), name, at: fc.nat(20) }),
    fc.record({ kind: fc.constant("disarm" as const), name, at: fc.constant(0) }),
    fc.record({ kind: fc.constant("take" as const), name, at: fc.nat(20) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const timers = new TimerTable<"a" | "b" | "c" | "d">();
      const model = new Map<string, number>();
      for (const { kind, name, at } of steps) {
        if (kind === "arm") {
          timers.arm(name, at);
          model.set(name, at);
        } else if (kind === "disarm") {
          timers.disarm(name);
          model.delete(name);
        } else {
          const earliest = Math.min(...model.values());
          const taken = timers.takeExpired(at);
          if (earliest > at) expect(taken).toBeUndefined();
          else {
            expect(model.get(taken!)).toBe(earliest);
            model.delete(taken!);
          }
        }
        expect(timers.earliest()).toBe(Math.min(...model.values()));
        for (const each of ["a", "b", "c", "d"] as const) expect(timers.isArmed(each)).toBe(model.has(each));
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});
