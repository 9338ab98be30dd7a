/** An interval of integers to draw from: `[least, most]`, both possible. */
import type { Prng } from "../core/base/prng.ts";

export type Range = readonly [least: number, most: number];

export function drawFrom(prng: Prng, range: Range): number {
  const width = range[1] - range[0];
  return width === 0 ? range[0] : range[0] + prng.below(width + 1);
}
