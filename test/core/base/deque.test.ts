import fc from "fast-check";
import { expect, test } from "vitest";
import { Deque } from "../../../core/base/deque.ts";

test("a deque behaves like an array through any pushes, shifts and clears", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant("push" as const) },
    { weight: 5, arbitrary: fc.constant("shift" as const) },
    { weight: 1, arbitrary: fc.constant("burst" as const) },
    { weight: 1, arbitrary: fc.constant("clear" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const deque = new Deque<number>();
      let model: number[] = [];
      let pushed = 0;
      for (const kind of steps) {
        if (kind === "shift") expect(deque.shift()).toBe(model.shift());
        else if (kind === "clear") {
          deque.clear();
          model = [];
        } else {
          for (let n = kind === "burst" ? 50 : 1; n > 0; n--) {
            deque.push(pushed);
            model.push(pushed++);
          }
        }
        expect(deque.length).toBe(model.length);
        expect(deque.peek()).toBe(model[0]);
        for (const index of [-1, 0, model.length - 1, model.length]) expect(deque.at(index)).toBe(model[index]);
      }
    }),
    { seed: 1, numRuns: 200 },
  );
});

test("a deque works on after it grew far and was emptied", () => {
  const deque = new Deque<number>();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 10_000; i++) deque.push(i);
    for (let i = 0; i < 10_000; i++) expect(deque.shift()).toBe(i);
    expect(deque.shift()).toBeUndefined();
    expect(deque.length).toBe(0);
  }
});
