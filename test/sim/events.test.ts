import fc from "fast-check";
import { expect, test } from "vitest";
import { Agenda } from "../../sim/events.ts";

test("events happen in the order of their instants, and of scheduling within one", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 200 }), (instants) => {
      const agenda = new Agenda();
      const happened: [number, number][] = [];
      const subject = { happen: (_kind: number, n: number) => void happened.push([agenda.now, n]) };
      instants.forEach((at, n) => agenda.schedule(at, subject, 0, n));
      while (agenda.step());
      const expected = instants
        .map((at, n): [number, number] => [at, n])
        .toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
      expect(happened).toEqual(expected);
    }),
    { seed: 1, numRuns: 200 },
  );
});

test("what is scheduled while an event happens comes in its turn, and never in the past", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(9), fc.nat(3)), { minLength: 1, maxLength: 60 }), (steps) => {
      const agenda = new Agenda();
      let last = -1;
      let next = 0;
      const subject = {
        happen(_kind: number, n: number): void {
          expect(agenda.now).toBeGreaterThanOrEqual(last);
          last = agenda.now;
          // One that asks for the past and some that ask for the future.
          for (let i = 0; i < n && next < steps.length; i++) {
            const [delay, children] = steps[next++]!;
            agenda.schedule(agenda.now + delay - 2, subject, 0, children);
          }
        },
      };
      agenda.schedule(5, subject, 0, 3);
      while (agenda.step());
      expect(agenda.happened).toBe(next + 1);
    }),
    { seed: 2, numRuns: 200 },
  );
});

test("time stands at the event that happens and can idle no further than the next one", () => {
  const agenda = new Agenda();
  agenda.schedule(100, { happen() {} }, 0);
  agenda.idleUntil(60);
  expect([agenda.now, agenda.next]).toEqual([60, 100]);
  expect(() => agenda.idleUntil(101)).toThrow("does not pass over an event");
  agenda.step();
  expect([agenda.now, agenda.next]).toEqual([100, Infinity]);
});
