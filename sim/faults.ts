/**
 * Faults are data: plain records, drawn before the run, that can be printed, saved, edited, replayed and shrunk. Nothing
 * else in the world goes wrong by itself. A fault strikes at an instant or at a protocol point.
 */
import type { DiskError, Millis } from "../core/actor.ts";
import type { DiskVerb } from "./disk.ts";
import type { Survival } from "./disk-image.ts";
import type { FactName } from "./facts.ts";
import type { Traced } from "./trace.ts";

/** Where a fault strikes. `nth` counts from 1, over all runs of the host's actor, from the moment the fault is armed. */
export type When =
  /** Milliseconds after the world began. */
  | { readonly at: Millis }
  /** After the nth event of a host: its actor's, or an operation of its disk. `event` narrows it to one kind. */
  | { readonly host: string; readonly nth: number; readonly event?: Traced }
  /** After the nth operation of a kind has taken effect on the disk, and before the actor learns of it. */
  | { readonly host: string; readonly nth: number; readonly disk: DiskVerb; readonly name?: string }
  /** When the nth fact of a name is decided (with this zxid or session, if given): a crash drops that event's effects. */
  | { readonly host: string; readonly nth: number; readonly fact: FactName; readonly value?: number };

export type Fault =
  /** The process ends. With `power`, what was not synced survives as it says. It starts again after `down`. */
  | {
      readonly kind: "crash";
      readonly host: string;
      readonly power?: Survival;
      /** Decides what survives, so that a crash does the same after the rest of the schedule was edited. */
      readonly seed: number;
      /** Infinity: never again. */
      readonly down: Millis;
    }
  | { readonly kind: "stop"; readonly host: string }
  /** Stop-the-world: the process does nothing, its kernel goes on. */
  | { readonly kind: "pause"; readonly host: string; readonly lasts: Millis }
  | { readonly kind: "stepWall"; readonly host: string; readonly by: Millis }
  /** Connections between two hosts break. `half`: `from` sees a reset, `to` is not told. */
  | { readonly kind: "cut"; readonly from: string; readonly to: string; readonly how: "reset" | "half" }
  /** Nothing passes from one host to the other. */
  | { readonly kind: "block"; readonly from: string; readonly to: string; readonly lasts: Millis }
  /**
   * Hosts of different groups do not reach each other; hosts of no group reach everybody (two groups and a bridge).
   * `oneWay`: only what an earlier group sends to a later one is lost on its way.
   */
  | {
      readonly kind: "partition";
      readonly groups: readonly (readonly string[])[];
      readonly oneWay: boolean;
      readonly lasts: Millis;
    }
  /** What one host sends to the other takes longer by so many milliseconds; nothing overtakes. */
  | { readonly kind: "slow"; readonly from: string; readonly to: string; readonly by: Millis; readonly lasts: Millis }
  /**
   * Blocks, partitions, slow links, pauses, full and broken disks are over, and what waits for a protocol point strikes no
   * more. Dead hosts stay dead.
   */
  | { readonly kind: "heal" }
  | {
      readonly kind: "diskError";
      readonly host: string;
      readonly verb: DiskVerb;
      readonly name: string;
      readonly error: DiskError;
      readonly times: number;
    }
  /** Only so many more bytes fit. */
  | { readonly kind: "diskFull"; readonly host: string; readonly room: number; readonly lasts: Millis }
  /** A durable byte changes. */
  | {
      readonly kind: "rot";
      readonly host: string;
      readonly name: string;
      readonly offset: number;
      readonly mask: number;
    };

export interface ScheduledFault {
  readonly when: When;
  readonly fault: Fault;
}

/** Bookkeeping for one fault that waits for a protocol point. */
export interface Trigger {
  readonly when: Exclude<When, { readonly at: Millis }>;
  readonly fault: Fault;
  left: number;
}

/** One line of a schedule, for people. */
export function formatFault(scheduled: ScheduledFault): string {
  return `${formatWhen(scheduled.when)}: ${describeFault(scheduled.fault)}`;
}

export function describeFault(fault: Fault): string {
  const parts = Object.entries(fault).filter(([key]) => key !== "kind");
  return `${fault.kind} ${parts.map(([key, value]) => `${key}=${describeValue(value)}`).join(" ")}`;
}

/** Whom a fault befalls, for its line. */
export function placeOf(fault: Fault): string {
  if ("host" in fault) return fault.host;
  return fault.kind === "partition" || fault.kind === "heal" ? "network" : fault.from;
}

/** Every ordered pair of hosts that a partition keeps apart. */
export function separatedPairs(fault: Fault & { readonly kind: "partition" }): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  const { groups, oneWay } = fault;
  for (let i = 0; i < groups.length; i++) {
    for (let k = oneWay ? i + 1 : 0; k < groups.length; k++) {
      if (i === k) continue;
      for (const from of groups[i]!) for (const to of groups[k]!) pairs.push([from, to]);
    }
  }
  return pairs;
}

function describeValue(value: unknown): string {
  return Array.isArray(value) ? value.map((group: readonly string[]) => group.join("+")).join("/") : String(value);
}

function formatWhen(when: When): string {
  if ("at" in when) return `at ${when.at} ms`;
  if ("disk" in when)
    return `after ${when.disk} #${when.nth} of ${when.host}${when.name === undefined ? "" : ` (${when.name})`}`;
  if ("fact" in when)
    return `at fact ${when.fact}${when.value === undefined ? "" : ` ${when.value}`} #${when.nth} of ${when.host}`;
  return `after event #${when.nth} of ${when.host}${when.event === undefined ? "" : ` (${when.event})`}`;
}
