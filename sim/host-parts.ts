/** What a simulated host is made of and what it wants from its world: the words that host.ts and simulator.ts share. */
import type { Actor, Address, DiskOutcome, Port } from "../core/actor.ts";
import type { Prng } from "../core/base/prng.ts";
import type { Clock } from "./clock.ts";
import type { Disk, DiskRequest, DiskUser } from "./disk.ts";
import type { Agenda, Micros } from "./events.ts";
import type { FactListener } from "./facts.ts";
import type { SimHost } from "./host.ts";
import type { Network } from "./network.ts";
import type { Range } from "./range.ts";
import type { Trace, Traced } from "./trace.ts";

/** How the last run of a host's actor ended. */
export type Exit =
  | { readonly kind: "halted"; readonly code: number; readonly reason: string }
  | { readonly kind: "threw"; readonly error: unknown }
  | { readonly kind: "crashed" };

export interface Listening {
  readonly address: Address;
  readonly port: Port;
}

/** What a host wants from its world. */
export interface HostWorld {
  readonly agenda: Agenda;
  readonly network: Network;
  readonly trace: Trace;
  /** After every event of a host's actor and every operation of its disk; the host may be crashed here. */
  passed(host: SimHost, event: Traced, request?: DiskRequest, outcome?: DiskOutcome): void;
  /** Before the effects of an event are applied: true when the host is to crash with them dropped. */
  strikes(host: SimHost): boolean;
  exited(host: SimHost, exit: Exit): void;
}

export interface HostParts {
  readonly name: string;
  readonly number: number;
  readonly clock: Clock;
  readonly timerSlack: Micros;
  /** Between two events of the actor's own making (a deadline that has passed, a call): a handler takes time. */
  readonly turn: Range;
  readonly listens: readonly Listening[];
  /** A new run of the actor. `run` counts from 1. */
  readonly boot: (seed: number, run: number) => Actor;
  readonly listeners: readonly FactListener[];
  /** Host and disk know each other. */
  readonly disk: (user: DiskUser) => Disk;
  readonly prng: Prng;
}
