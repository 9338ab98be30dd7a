import fc from "fast-check";
import { expect, test } from "vitest";
import { Prng } from "../../../core/base/prng.ts";

/** xoshiro128** from its definition, in bigints, from the state that seed 0 gives. */
function naiveDraws(count: number): number[] {
  const word = (value: bigint) => BigInt.asUintN(32, value);
  const rotate = (value: bigint, by: bigint) => word(value << by) | (value >> (32n - by));
  const mix = (value: bigint) => {
    let z = word(value);
    z = word((z ^ (z >> 16n)) * 0x21f0aaadn);
    z = word((z ^ (z >> 15n)) * 0x735a2d97n);
    return z ^ (z >> 15n);
  };
  let a = mix(0x9e3779b9n);
  let b = mix(a ^ 0x3c6ef372n);
  let c = mix(b + 0xdaa66d2bn);
  let d = mix(c ^ 0x78dde6e4n);
  return Array.from({ length: count }, () => {
    const result = word(rotate(word(b * 5n), 7n) * 9n);
    const shifted = word(b << 9n);
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11n);
    return Number(result);
  });
}

const draw = (prng: Prng, count: number) => Array.from({ length: count }, () => prng.next());

test("a seed gives the numbers it always gave", () => {
  // Seeds are kept in scenarios and bug reports: a change here makes all of them worthless.
  expect(draw(new Prng(0), 4)).toEqual([680060660, 1578252952, 2746778504, 3358690110]);
  expect(draw(new Prng(7).fork("network"), 4)).toEqual([2586759728, 316191798, 920996731, 2684404595]);
  expect(new Prng(-1).below(1000)).toBe(18);
});

test("draws are those of xoshiro128**", () => {
  expect(draw(new Prng(0), 1000)).toEqual(naiveDraws(1000));
});

test("every bit of the seed counts", () => {
  const firsts = new Set<string>();
  for (let bit = 0; bit < 53; bit++) firsts.add(draw(new Prng(2 ** bit), 2).join());
  for (const seed of [0, -1, -2, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    firsts.add(draw(new Prng(seed), 2).join());
  }
  expect(firsts.size).toBe(58);
});

test("draws are unsigned 32-bit integers spread over the whole range", () => {
  const prng = new Prng(1);
  const counts = new Uint32Array(16);
  const values = draw(prng, 16_000);
  expect(values.every((value) => value >>> 0 === value)).toBe(true);
  for (const value of values) counts[value >>> 28]!++;
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

test("below stays in range and reaches every outcome", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.integer({ min: 1, max: 40 }), (seed, n) => {
      const prng = new Prng(seed);
      const seen = new Set<number>();
      for (let i = 0; i < 40 * n; i++) seen.add(prng.below(n));
      expect([...seen].every((value) => Number.isInteger(value) && value >= 0 && value < n)).toBe(true);
      expect(seen.size).toBe(n);
    }),
    { seed: 1, numRuns: 50 },
  );
  expect(() => new Prng(1).below(0)).toThrow("between 1 and 2^32");
  expect(new Prng(1).below(0x1_0000_0000)).toBe(new Prng(1).next());
});

test("chance keeps to its odds and draws even when they are none", () => {
  const prng = new Prng(3);
  let hits = 0;
  for (let i = 0; i < 10_000; i++) if (prng.chance(1, 4)) hits++;
  expect(Math.abs(hits - 2500)).toBeLessThan(200);
  const never = new Prng(5);
  const other = new Prng(5);
  expect(never.chance(0, 10)).toBe(false);
  other.chance(10, 10);
  expect(never.next()).toBe(other.next());
});

test("bytes fills lengths that are no multiple of a word", () => {
  for (const count of [0, 1, 3, 4, 5, 17]) expect(new Prng(1).bytes(count)).toHaveLength(count);
  expect(new Prng(1).bytes(5).subarray(0, 4)).toEqual(new Prng(1).bytes(4));
  expect(new Set(new Prng(1).bytes(4096)).size).toBe(256);
});

test("a fork depends on the seed and its label, not on what was drawn before", () => {
  const parent = new Prng(9);
  const before = draw(parent.fork("disk"), 3);
  draw(parent, 100);
  parent.fork("network");
  expect(draw(parent.fork("disk"), 3)).toEqual(before);
  expect(draw(new Prng(10).fork("disk"), 3)).not.toEqual(before);
});

test("forks do not repeat each other or their parent", () => {
  const firsts = new Set<string>([draw(new Prng(1), 2).join()]);
  for (let i = 0; i < 2000; i++) firsts.add(draw(new Prng(1).fork(`client ${i}`), 2).join());
  for (let seed = 2; seed < 502; seed++) firsts.add(draw(new Prng(seed).fork("client 0"), 2).join());
  const child = new Prng(1).fork("a");
  firsts.add(draw(child.fork("b"), 2).join());
  firsts.add(draw(new Prng(1).fork("b").fork("a"), 2).join());
  firsts.add(draw(new Prng(1).fork("ab"), 2).join());
  expect(firsts.size).toBe(2504);
});
