import fc from "fast-check";
import { expect, test } from "vitest";
import { WatchIndex, WatchMode, WatcherRecord } from "../../../core/watch/watch-index.ts";
import type { Watch } from "../../../core/watch/watch-index.ts";
import { Listener } from "./listener.ts";

const PATHS = ["/a", "/b"];
const step = fc.record({
  kind: fc.constantFrom("add", "add", "add", "remove", "leave", "fire"),
  who: fc.nat(4),
  path: fc.constantFrom(...PATHS),
  mode: fc.constantFrom(...Object.values(WatchMode)),
});

/** Walks both ways round; the list must close. */
function listOf(index: WatchIndex, path: string): Watch[] {
  const head = index.head(path);
  if (head === undefined) return [];
  const list = [head];
  for (let watch = head.next; watch !== head; watch = watch.next) list.push(watch);
  for (const watch of list) {
    expect(watch.next.previous).toBe(watch);
    expect(watch.previous.next).toBe(watch);
  }
  return list;
}

test("after any order of changes the lists close both ways and every figure can be counted", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      const index = new WatchIndex("data");
      const records = [0, 1, 2, 3, 4].map((who) => new WatcherRecord(new Listener(String(who))));
      for (const { kind, who, path, mode } of steps) {
        const record = records[who]!;
        const told: WatcherRecord[] = [];
        const before = listOf(index, path).map((watch) => watch.record);
        if (kind === "add") index.add(record, path, mode);
        else if (kind === "remove") index.remove(record, path, mode);
        else if (kind === "leave") index.removeWatcher(record);
        else if (before.length > 0) {
          index.fire(index.head(path)!, { tell: (one) => void told.push(one) });
          expect(told).toEqual(before);
        }
        const all = PATHS.flatMap((one) => listOf(index, one));
        expect(index.size).toBe(all.length);
        expect(index.paths).toBe(new Set(all.map((watch) => watch.path)).size);
        expect(index.watchers).toBe(new Set(all.map((watch) => watch.record)).size);
        expect(index.recursive).toBe(all.filter((watch) => (watch.modes & WatchMode.recursive) !== 0).length);
        for (const watch of all) expect(index.modesOf(watch.record, watch.path)).toBe(watch.modes);
      }
    }),
    { seed: 1, numRuns: 120 },
  );
});
