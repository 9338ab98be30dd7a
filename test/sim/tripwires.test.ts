import { expect, test } from "vitest";
import { Simulator, TripwireError } from "../../sim/index.ts";
import { idle } from "../support/idle-actor.ts";

function runOnce(handler: () => void): void {
  const world = new Simulator({ seed: 1 });
  world.addHost({ name: "server", boot: () => ({ ...idle, onStarted: handler }) }).start();
  world.run();
}

test.each([
  ["Date.now", () => Date.now()],
  ["new Date()", () => new Date()],
  ["Date()", () => Date()],
  ["Math.random", () => Math.random()],
  ["setTimeout", () => setTimeout(() => {}, 1)],
  ["setInterval", () => setInterval(() => {}, 1)],
  ["setImmediate", () => setImmediate(() => {})],
  ["queueMicrotask", () => queueMicrotask(() => {})],
  ["performance.now", () => performance.now()],
] as [string, () => unknown][])("%s within a handler ends the run and is named", (name, culprit) => {
  const run = (): void => runOnce(() => void culprit());
  expect(run).toThrow(TripwireError);
  expect(run).toThrow(`onStarted of server used ${name}:`);
});

test("a handler that swallows the error is found out all the same", () => {
  const run = (): void =>
    runOnce(() => {
      try {
        Math.random();
      } catch {
        // As a careless actor would.
      }
    });
  expect(run).toThrow("onStarted of server used Math.random");
});

test("given instants may be computed with", () => {
  let seen = "";
  runOnce(() => void (seen = new Date(86_400_000).toISOString() + String(new Date(0) instanceof Date)));
  expect(seen).toBe("1970-01-02T00:00:00.000Ztrue");
});

/** By description, so that a trap in an accessor's place would show too. */
function ambient(): unknown[] {
  const owners = [globalThis, Date, Math, performance];
  return owners.flatMap((owner) =>
    Object.values(Object.getOwnPropertyDescriptors(owner)).map((one) => one.value as unknown),
  );
}

test("outside handlers, and after a run, everything is as it was", () => {
  const before = ambient();
  const world = new Simulator({ seed: 1 });
  world.addHost({ name: "server", boot: () => idle }).start();
  let between = 0;
  world.at(1, () => void (between = Date.now() + performance.now() + Math.random()));
  world.run();
  expect(between).toBeGreaterThan(0);
  expect(ambient().every((value, i) => Object.is(value, before[i]))).toBe(true);
  expect(() => runOnce(() => void Math.random())).toThrow();
  expect(ambient().every((value, i) => Object.is(value, before[i]))).toBe(true);
});
