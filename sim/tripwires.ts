/**
 * While a handler runs, the ambient clock, chance and timers of the platform throw an error that names the culprit:
 * code that reads them would pass here once and never replay. The traps are put in place for a run and ask a flag, so
 * they cost one store per event, and they are taken away when the run returns, so nobody else ever meets them.
 */
import { invariant } from "../core/invariant.ts";

/** Always a bug in the code under test. The simulator throws it out of the run; it is never a simulated crash. */
export class TripwireError extends Error {
  override readonly name = "TripwireError";
}

type Anything = Record<string, unknown>;
type Callable = (...args: unknown[]) => unknown;

const FUNCTIONS: readonly (readonly [owner: string, name: string, instead: string])[] = [
  ["", "setTimeout", "report deadline()"],
  ["", "setInterval", "report deadline()"],
  ["", "setImmediate", "report deadline()"],
  ["", "queueMicrotask", "finish within the event, or report deadline()"],
  ["", "requestAnimationFrame", "report deadline()"],
  ["performance", "now", "use cx.now"],
  ["Math", "random", "draw from a Prng given to the constructor"],
  ["crypto", "getRandomValues", "draw from a Prng given to the constructor"],
  ["crypto", "randomUUID", "draw from a Prng given to the constructor"],
];

/** Which handler is running, and whose; empty when none is. Two strings, because joining them costs at every event. */
let running = "";
let runningOn = "";
let tripped: TripwireError | undefined;
let depth = 0;
let restore: (() => void)[] = [];

/** Between these two calls a handler runs; nothing else of the simulator does. */
export function enterHandler(handler: string, host: string): void {
  running = handler;
  runningOn = host;
}
export function leaveHandler(): void {
  running = "";
}

/** What was tripped since the last call, also when the handler swallowed the error. */
export function takeTripped(): TripwireError | undefined {
  const error = tripped;
  tripped = undefined;
  return error;
}

/** Runs `body` with the traps in place. */
export function withTripwires<T>(body: () => T): T {
  if (depth++ === 0) install();
  try {
    return body();
  } finally {
    if (--depth === 0) uninstall();
  }
}

function trip(name: string, instead: string): void {
  if (running === "") return;
  const error = new TripwireError(`${running} of ${runningOn} used ${name}: ${instead} instead (no ambient authority)`);
  tripped ??= error;
  throw error;
}

function install(): void {
  invariant(restore.length === 0, "traps are laid once");
  const world = globalThis as unknown as Anything;
  for (const [ownerName, name, instead] of FUNCTIONS) {
    const owner = (ownerName === "" ? world : world[ownerName]) as Anything | undefined;
    const original = owner?.[name];
    if (owner === undefined || typeof original !== "function") continue;
    const full = ownerName === "" ? name : `${ownerName}.${name}`;
    replace(owner, name, function trap(this: unknown, ...args: unknown[]): unknown {
      trip(full, instead);
      return (original as Callable).apply(this === undefined ? owner : this, args);
    });
  }
  replace(world, "Date", dateTrap(world["Date"] as DateConstructor));
}

/** Asking for the present is forbidden; computing with given instants is not. */
function dateTrap(Real: DateConstructor): unknown {
  return new Proxy(Real, {
    construct(target, args: unknown[], newTarget) {
      if (args.length === 0) trip("new Date()", "use cx.wall");
      return Reflect.construct(target, args, newTarget) as object;
    },
    apply(target, self, args: unknown[]) {
      trip("Date()", "use cx.wall");
      return Reflect.apply(target, self, args) as string;
    },
    get(target, property, receiver) {
      if (property === "now") trip("Date.now", "use cx.now or cx.wall");
      return Reflect.get(target, property, receiver) as unknown;
    },
  });
}

function replace(owner: Anything, name: string, value: unknown): void {
  const own = Object.getOwnPropertyDescriptor(owner, name);
  try {
    Object.defineProperty(owner, name, {
      value,
      configurable: true,
      writable: true,
      enumerable: own?.enumerable ?? false,
    });
  } catch {
    // A platform that nails one of these down keeps it; the others are still trapped.
    return;
  }
  restore.push(() => {
    if (own === undefined) delete owner[name];
    else Object.defineProperty(owner, name, own);
  });
}

function uninstall(): void {
  for (const undo of restore.reverse()) undo();
  restore = [];
  running = "";
}
