/** The watch table against a list of watches that is searched from end to end for every event. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import { EventType } from "../../../core/protocol/headers.ts";
import { WatchTable, WatcherType } from "../../../core/watch/watch-table.ts";
import type { ReadCheck, Watcher } from "../../../core/watch/watch-table.ts";
import { Listener } from "./listener.ts";

type Mode = "standard" | "persistent" | "recursive";
interface NaiveWatch {
  readonly table: "data" | "child";
  readonly mode: Mode;
  readonly path: string;
  readonly who: number;
}
type Told = readonly [who: number, type: number, path: string];

/** Whether connection `who` may read under list `acl`; list 0 is open to all. */
function mayRead(who: number, acl: number): boolean {
  return acl === 0 || (who + acl) % 2 === 0;
}

class NaiveTable {
  watches: NaiveWatch[] = [];

  add(watch: NaiveWatch): void {
    if (!this.watches.some((other) => same(other, watch))) this.watches.push(watch);
  }

  remove(who: number, path: string, type: WatcherType): boolean {
    const doomed = this.matching(who, path, type);
    this.watches = this.watches.filter((watch) => !doomed.includes(watch));
    return doomed.length > 0;
  }

  matching(who: number, path: string, type: WatcherType): NaiveWatch[] {
    return this.watches.filter((watch) => {
      if (watch.who !== who || watch.path !== path) return false;
      if (type === WatcherType.any) return true;
      if (type === WatcherType.persistent) return watch.mode === "persistent";
      if (type === WatcherType.persistentRecursive) return watch.mode === "recursive";
      return watch.mode === "standard" && watch.table === (type === WatcherType.data ? "data" : "child");
    });
  }

  leave(who: number): void {
    this.watches = this.watches.filter((watch) => watch.who !== who);
  }

  created(path: string, acl: number, parentAcl: number): Told[] {
    return [
      ...this.#fire("data", EventType.nodeCreated, path, acl),
      ...this.#fire("child", EventType.nodeChildrenChanged, parentOf(path), parentAcl),
    ];
  }
  changed(path: string, acl: number): Told[] {
    return this.#fire("data", EventType.nodeDataChanged, path, acl);
  }
  deleted(path: string, acl: number, parentAcl: number): Told[] {
    const asData = this.#fire("data", EventType.nodeDeleted, path, acl);
    const asChild = this.#fire("child", EventType.nodeDeleted, path, acl);
    const news = asChild.filter(([who]) => !asData.some(([told]) => told === who));
    return [...asData, ...news, ...this.#fire("child", EventType.nodeChildrenChanged, parentOf(path), parentAcl)];
  }

  #fire(table: "data" | "child", type: number, path: string, acl: number): Told[] {
    const hit = this.watches.filter(
      (watch) =>
        watch.table === table && (watch.path === path || (watch.mode === "recursive" && covers(watch.path, path))),
    );
    this.watches = this.watches.filter((watch) => !(hit.includes(watch) && watch.mode === "standard"));
    const who = [...new Set(hit.map((watch) => watch.who))];
    return who.filter((one) => mayRead(one, acl)).map((one) => [one, type, path]);
  }
}

function same(a: NaiveWatch, b: NaiveWatch): boolean {
  return a.table === b.table && a.mode === b.mode && a.path === b.path && a.who === b.who;
}
function covers(ancestor: string, path: string): boolean {
  return ancestor === "/" || path.startsWith(`${ancestor}/`);
}
function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

const PATHS = ["/a", "/a/b", "/a/b/c", "/ab", "/d"];
const path = fc.constantFrom(...PATHS);
const watchedPath = fc.constantFrom("/", ...PATHS);
const who = fc.nat(3);
const acl = fc.nat(2);
const step = fc.oneof(
  fc.record({ kind: fc.constant("data" as const), who, path: watchedPath }),
  fc.record({ kind: fc.constant("child" as const), who, path: watchedPath }),
  fc.record({ kind: fc.constant("persistent" as const), who, path: watchedPath, recursive: fc.boolean() }),
  fc.record({ kind: fc.constant("remove" as const), who, path: watchedPath, type: fc.constantFrom(1, 2, 3, 4, 5) }),
  fc.record({ kind: fc.constant("leave" as const), who }),
  fc.record({ kind: fc.constant("created" as const), path, acl, parentAcl: acl }),
  fc.record({ kind: fc.constant("changed" as const), path: watchedPath, acl }),
  fc.record({ kind: fc.constant("deleted" as const), path, acl, parentAcl: acl }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

class Pair {
  readonly told: Told[] = [];
  readonly listeners: Listener[] = [0, 1, 2, 3].map((one) => {
    const listener: Listener = new Listener(String(one), () => {
      const [type, path] = listener.events.at(-1)!;
      this.told.push([one, type, path]);
    });
    return listener;
  });
  readonly check: ReadCheck = {
    anyoneMayRead: (list) => list === 0,
    mayRead: (watcher: Watcher, list) => mayRead(this.listeners.indexOf(watcher as Listener), list),
  };
  readonly table = new WatchTable(this.check);
  readonly naive = new NaiveTable();

  run(step: Step, zxid: Zxid): void {
    let expected: Told[] = [];
    switch (step.kind) {
      case "data":
      case "child": {
        const listener = this.listeners[step.who]!;
        if (step.kind === "data") this.table.addData(step.path, listener);
        else this.table.addChild(step.path, listener);
        this.naive.add({ table: step.kind, mode: "standard", path: step.path, who: step.who });
        break;
      }
      case "persistent": {
        const mode = step.recursive ? "recursive" : "persistent";
        this.table.addPersistent(step.path, this.listeners[step.who]!, step.recursive);
        this.naive.add({ table: "data", mode, path: step.path, who: step.who });
        if (!step.recursive) this.naive.add({ table: "child", mode, path: step.path, who: step.who });
        break;
      }
      case "remove": {
        const type = step.type as WatcherType;
        const removed = this.table.remove(step.path, this.listeners[step.who]!, type);
        expect(removed).toBe(this.naive.remove(step.who, step.path, type));
        break;
      }
      case "leave":
        this.table.removeWatcher(this.listeners[step.who]!);
        this.naive.leave(step.who);
        break;
      case "created":
        this.table.onCreated(step.path, zxid, step.acl, step.parentAcl);
        expected = this.naive.created(step.path, step.acl, step.parentAcl);
        break;
      case "changed":
        this.table.onDataChanged(step.path, zxid, step.acl);
        expected = this.naive.changed(step.path, step.acl);
        break;
      case "deleted":
        this.table.onDeleted(step.path, zxid, step.acl, step.parentAcl);
        expected = this.naive.deleted(step.path, step.acl, step.parentAcl);
        break;
    }
    // Each connection's events in their order; the order between connections is nobody's promise.
    for (let one = 0; one < 4; one++) {
      expect(this.told.filter((event) => event[0] === one)).toEqual(expected.filter((event) => event[0] === one));
    }
    this.told.length = 0;
    this.compare();
  }

  compare(): void {
    const pairs = (table: string): Set<string> =>
      new Set(this.naive.watches.filter((w) => w.table === table).map((w) => `${w.who} ${w.path}`));
    const data = this.naive.watches.filter((watch) => watch.table === "data");
    expect(this.table.count).toBe(pairs("data").size + pairs("child").size);
    expect(this.table.dataWatches).toBe(pairs("data").size);
    expect(this.table.dataPaths).toBe(new Set(data.map((watch) => watch.path)).size);
    expect(this.table.dataWatchers).toBe(new Set(data.map((watch) => watch.who)).size);
    expect(this.table.isEmpty).toBe(this.naive.watches.length === 0);
    const byPath = [...this.table.dataByPath()].flatMap(([path, watchers]) =>
      watchers.map((watcher) => `${(watcher as Listener).name} ${path}`),
    );
    const byWatcher = [...this.table.dataByWatcher()].flatMap(([watcher, paths]) =>
      Array.from(paths, (path) => `${(watcher as Listener).name} ${path}`),
    );
    expect(new Set(byPath)).toEqual(pairs("data"));
    expect(new Set(byWatcher)).toEqual(pairs("data"));
    expect(byPath.length).toBe(byWatcher.length);
  }

  compareEveryAnswer(): void {
    this.listeners.forEach((listener, one) => {
      for (const path of ["/", ...PATHS]) {
        for (const type of Object.values(WatcherType)) {
          expect(this.table.has(path, listener, type)).toBe(this.naive.matching(one, path, type).length > 0);
        }
      }
    });
  }
}

test("tells everybody what the naive table tells, for any order of watches and changes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const pair = new Pair();
      steps.forEach((one, i) => pair.run(one, (i + 1) as Zxid));
      pair.compareEveryAnswer();
    }),
    { seed: 1, numRuns: 120 },
  );
});
