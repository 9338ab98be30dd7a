import fc from "fast-check";
import { expect, test } from "vitest";
import { Buckets } from "../../../core/base/buckets.ts";

test("a deadline is rounded up to the next interval, even when it falls on one", () => {
  const buckets = new Buckets<string>(2000);
  buckets.touch("a", 4000);
  expect(buckets.earliest()).toBe(6000);
  buckets.touch("a", 3999);
  expect(buckets.earliest()).toBe(4000);
});

test("a key lives until its rounded deadline and is expired once", () => {
  const buckets = new Buckets<string>(10);
  buckets.touch("a", 15);
  expect(buckets.takeExpired(19)).toEqual([]);
  expect(buckets.takeExpired(20)).toEqual(["a"]);
  expect(buckets.takeExpired(20)).toEqual([]);
  expect(buckets.size).toBe(0);
  expect(buckets.earliest()).toBe(Infinity);
  expect(buckets.takeExpired(Infinity)).toEqual([]);
});

test("expired keys come oldest bucket first, and within a bucket in the order in which they entered it", () => {
  const buckets = new Buckets<string>(10);
  buckets.touch("late", 25);
  buckets.touch("b", 11);
  buckets.touch("a", 19);
  buckets.touch("b", 12);
  buckets.touch("early", 1);
  expect(buckets.takeExpired(30)).toEqual(["early", "b", "a", "late"]);
});

test("entries show each bucket with its keys, soonest first", () => {
  const buckets = new Buckets<string>(10);
  buckets.touch("b", 15);
  buckets.touch("a", 5);
  buckets.touch("c", 16);
  expect(buckets.entries().map(([at, keys]) => [at, [...keys]])).toEqual([
    [10, ["a"]],
    [20, ["b", "c"]],
  ]);
  expect(buckets.bucketCount).toBe(2);
});

test("buckets equal a map from keys to rounded deadlines", () => {
  const key = fc.nat(6);
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("touch" as const), key, at: fc.nat(100) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), key, at: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("expire" as const), key, at: fc.nat(100) }) },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 60 }), (interval, steps) => {
      const buckets = new Buckets<number>(interval);
      const model = new Map<number, number>();
      for (const { kind, key, at } of steps) {
        if (kind === "touch") {
          buckets.touch(key, at);
          model.set(key, (Math.floor(at / interval) + 1) * interval);
        } else if (kind === "remove") {
          buckets.remove(key);
          model.delete(key);
        } else {
          const expected = [...model.keys()].filter((key) => model.get(key)! <= at);
          expect(new Set(buckets.takeExpired(at))).toEqual(new Set(expected));
          for (const key of expected) model.delete(key);
        }
        expect(buckets.size).toBe(model.size);
        expect(buckets.has(key)).toBe(model.has(key));
        expect(buckets.earliest()).toBe(Math.min(...model.values()));
        expect(buckets.bucketCount).toBe(new Set(model.values()).size);
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});
