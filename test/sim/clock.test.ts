import fc from "fast-check";
import { expect, test } from "vitest";
import { Clock, STEADY_CLOCK } from "../../sim/clock.ts";

test("a deadline's instant is the first at which the clock shows it, whatever the drift", () => {
  const drifts = fc.integer({ min: -500_000, max: 500_000 });
  fc.assert(
    fc.property(drifts, fc.integer({ min: 1001, max: 10_000_000 }), (drift, deadline) => {
      const clock = new Clock({ ...STEADY_CLOCK, drift });
      const at = clock.whenMonotonic(deadline);
      expect(clock.monotonic(at)).toBeGreaterThanOrEqual(deadline);
      expect(clock.monotonic(at - 1)).toBeLessThan(deadline);
    }),
    { seed: 3, numRuns: 500 },
  );
});

test("a step moves the wall clock and nothing else", () => {
  const clock = new Clock(STEADY_CLOCK);
  const before = [clock.monotonic(5_000_000), clock.wall(5_000_000)];
  clock.stepWall(-3_600_000);
  expect([clock.monotonic(5_000_000), clock.wall(5_000_000)]).toEqual([before[0], before[1]! - 3_600_000]);
});

test("a fast clock gains what its drift says", () => {
  const clock = new Clock({ ...STEADY_CLOCK, drift: 100, monotonicOrigin: 0 });
  expect(clock.monotonic(10_000_000_000)).toBe(10_001_000);
});
