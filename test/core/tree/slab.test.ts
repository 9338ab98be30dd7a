/** The slab against copies kept apart: what was stored stays until it is freed, and memory comes back. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type BlockRef, Slab } from "../../../core/tree/slab.ts";

const LENGTHS = [1, 7, 8, 9, 30, 30, 100, 100, 128, 129, 160, 161, 1024, 16384, 16385];

test("a block keeps its bytes while others come and go", () => {
  const step = fc.record({ length: fc.constantFrom(...LENGTHS), pick: fc.nat(), isFree: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
      const slab = new Slab();
      const held: { block: BlockRef; bytes: Uint8Array }[] = [];
      steps.forEach(({ length, pick, isFree }, i) => {
        if (isFree && held.length > 0) slab.free(held.splice(pick % held.length, 1)[0]!.block);
        else {
          const bytes = new Uint8Array(length).fill(i);
          held.push({ block: slab.store(bytes, 0, length), bytes });
        }
      });
      for (const { block, bytes } of held) {
        const read = new Uint8Array(bytes.length);
        slab.read(block, bytes.length, read, 0);
        expect(Buffer.compare(read, bytes)).toBe(0);
      }
    }),
    { seed: 5, numRuns: 30 },
  );
});

test("freed blocks are used again, and empty pages are given back", () => {
  const slab = new Slab();
  const fill = (length: number): BlockRef[] => Array.from({ length: 5000 }, () => slab.allocate(length));
  const first = fill(100);
  const reserved = slab.reservedBytes;
  expect(reserved).toBeLessThan(5000 * 104 + 70_000);
  for (const block of first) slab.free(block);
  expect(slab.reservedBytes).toBeLessThan(70_000);
  const second = fill(100);
  expect(slab.reservedBytes).toBeLessThanOrEqual(reserved + 70_000);
  for (let i = 0; i < second.length; i += 2) slab.free(second[i]!);
  const before = slab.reservedBytes;
  for (let i = 0; i < second.length; i += 2) slab.allocate(100);
  expect(slab.reservedBytes).toBe(before);
});

test("a value may stay in its block exactly when a new block would be of the same size", () => {
  const slab = new Slab();
  expect(slab.fits(97, 104)).toBe(true);
  expect(slab.fits(104, 105)).toBe(false);
  expect(slab.fits(161, 192)).toBe(true);
  expect(slab.fits(16_385, 16_384)).toBe(false);
  expect(slab.fits(70_000, 70_000)).toBe(true);
  expect(slab.fits(70_000, 70_001)).toBe(false);
});
