import { expect, test } from "vitest";
import { Prng } from "../../../core/base/prng.ts";
import { DEFAULT_SERVER_CONFIG } from "../../../core/config.ts";
import type { ConnectionThrottleConfig } from "../../../core/config.ts";
import { ConnectionThrottle } from "../../../core/session/connection-throttle.ts";
import type { Admission } from "../../../core/session/connection-throttle.ts";

function throttle(config: Partial<ConnectionThrottleConfig>): ConnectionThrottle {
  return new ConnectionThrottle({ ...DEFAULT_SERVER_CONFIG.connectionThrottle, ...config }, new Prng(1), 0);
}
function admitted(bucket: ConnectionThrottle, admission: Admission, now: number, asked = 1000): number {
  let count = 0;
  for (let i = 0; i < asked; i++) if (bucket.admit(admission, now)) count++;
  return count;
}

test("without tokens configured everybody is admitted", () => {
  expect(admitted(throttle({}), "global", 0)).toBe(1000);
});

test("a burst gets the bucket's tokens, then as many as fill in", () => {
  const bucket = throttle({ tokens: 10, fillTime: 100, fillCount: 3 });
  expect(admitted(bucket, "global", 0)).toBe(10);
  expect(admitted(bucket, "global", 100)).toBe(0);
  expect(admitted(bucket, "global", 150)).toBe(4);
  expect(admitted(bucket, "global", 251)).toBe(3);
  expect(admitted(bucket, "global", 100_000)).toBe(10);
});

test("weights let a full bucket admit its number of global sessions, more resumed and most local ones", () => {
  const config = { tokens: 10, fillTime: 1000, weightEnabled: true };
  expect(admitted(throttle(config), "global", 0)).toBe(10);
  expect(admitted(throttle(config), "renew", 0)).toBe(15);
  expect(admitted(throttle(config), "local", 0)).toBe(30);
  expect(throttle({ tokens: 10 }).admit("global", 0)).toBe(true);
});

test("weights that make no sense fall back, and nothing costs less than a local session", () => {
  const zero = { globalSessionWeight: 0, localSessionWeight: -1, renewSessionWeight: 0 };
  const bucket = throttle({ tokens: 1, weightEnabled: true, ...zero });
  bucket.admit("renew", 0);
  expect(bucket.deficit).toBe(2);
  const local = { globalSessionWeight: 1, localSessionWeight: 5, renewSessionWeight: 1 };
  const raised = throttle({ tokens: 2, weightEnabled: true, ...local });
  raised.admit("renew", 0);
  expect([raised.tokens, raised.deficit]).toEqual([5, 5]);
});

test("a dry bucket raises the chance of early refusal once per freeze time, a full one lowers it", () => {
  const dry = throttle({ tokens: 1, fillTime: 1000, freezeTime: 10, dropIncrease: 0.4, dropDecrease: 0.3 });
  dry.admit("global", 0);
  dry.admit("global", 11);
  expect(dry.dropChance).toBe(0.4);
  dry.admit("global", 20);
  expect(dry.dropChance).toBe(0.4);
  dry.admit("global", 22);
  dry.admit("global", 33);
  expect(dry.dropChance).toBe(1);
  dry.admit("global", 5000);
  expect(dry.dropChance).toBeCloseTo(0.7);
});

test("with a chance of one nobody gets in, with tokens or without", () => {
  const bucket = throttle({ tokens: 5, fillTime: 1000, freezeTime: 0, dropIncrease: 1, dropDecrease: 0 });
  expect(admitted(bucket, "global", 0)).toBe(5);
  bucket.admit("global", 1);
  expect(bucket.dropChance).toBe(1);
  expect(admitted(bucket, "global", 100_000)).toBe(0);
});

test("the same seed refuses the same connections", () => {
  const run = (): boolean[] => {
    const config = { tokens: 50, fillTime: 10, fillCount: 1, freezeTime: 20, dropIncrease: 0.1 };
    const bucket = throttle(config);
    return Array.from({ length: 2000 }, (_, i) => bucket.admit("global", i));
  };
  expect(run()).toEqual(run());
});
