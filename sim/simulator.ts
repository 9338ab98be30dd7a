/**
 * A world of actors in virtual time. One seed decides everything: which latencies, which cuts, which losses. It owns the
 * agenda, the network, the hosts and the fault schedule; it does not know what the actors are. The same seed and the
 * same inputs give the same run on every engine, and {@link Simulator.hash} says so.
 */
import type { Actor, Address, DiskOutcome, Millis } from "../core/actor.ts";
import { Prng } from "../core/base/prng.ts";
import { invariant } from "../core/invariant.ts";
import type { ClockProfile } from "./clock.ts";
import { Clock, STEADY_CLOCK } from "./clock.ts";
import type { DiskProfile, DiskRequest } from "./disk.ts";
import { Disk, FAST_DISK } from "./disk.ts";
import type { Micros, Subject } from "./events.ts";
import { Agenda, MICROS_PER_MILLI } from "./events.ts";
import type { FactListener, FactName } from "./facts.ts";
import type { Fault, ScheduledFault, Trigger } from "./faults.ts";
import { describeFault, placeOf, separatedPairs } from "./faults.ts";
import type { Exit, HostWorld, Listening } from "./host-parts.ts";
import { SimHost } from "./host.ts";
import type { NetworkProfile } from "./network.ts";
import { FAST_NETWORK, Network } from "./network.ts";
import type { Range } from "./range.ts";
import type { Traced } from "./trace.ts";
import { Trace } from "./trace.ts";
import { withTripwires } from "./tripwires.ts";

export interface SimulatorOptions {
  /** Any safe integer. There is no unseeded mode. */
  readonly seed: number;
  readonly network?: NetworkProfile;
  /** Told of every fact of every host. */
  readonly listeners?: readonly FactListener[];
  readonly faults?: readonly ScheduledFault[];
  /** Told when a run of an actor ends, whyever it ends. May start it again ({@link SimHost.startLater}). */
  readonly onExit?: (host: SimHost, exit: Exit) => void;
}

export interface HostOptions {
  readonly name: string;
  /** A new run of the actor, on the disk as it is. `run` counts from 1. */
  readonly boot: (seed: number, run: number) => Actor;
  readonly listens?: readonly Listening[];
  readonly clock?: ClockProfile;
  readonly disk?: DiskProfile;
  /** dataLogDir is not set: `log/…` and `data/…` are the same place. */
  readonly oneVolume?: boolean;
  /** Between what an actor wants at once and its getting it. */
  readonly turn?: Range;
}

export interface RunLimits {
  /** Milliseconds since the world began. */
  readonly until?: Millis;
  /** Events from now on. */
  readonly events?: number;
  /** Asked after every event. */
  readonly when?: () => boolean;
}

const DEFAULT_TURN: Range = [1, 40];
/** What happens to the simulator itself. */
const Kind = { fault: 0, unblock: 1, room: 2, call: 3, reunite: 4, hasten: 5 } as const;

export class Simulator implements Subject {
  readonly seed: number;
  readonly trace: Trace = new Trace();
  readonly network: Network;
  readonly #agenda: Agenda = new Agenda();
  readonly #prng: Prng;
  readonly #listeners: FactListener[];
  readonly #onExit: ((host: SimHost, exit: Exit) => void) | undefined;
  readonly #hosts: Map<string, SimHost> = new Map();
  readonly #world: HostWorld;
  /** Faults that wait for a protocol point, per host; most runs of most hosts have none. */
  readonly #triggers: Map<string, Trigger[]> = new Map();
  /** Faults that struck within the event that is happening. */
  #struck: Fault[] = [];

  constructor(options: SimulatorOptions) {
    this.seed = options.seed;
    this.#prng = new Prng(options.seed);
    this.network = new Network(this.#agenda, options.network ?? FAST_NETWORK, this.#prng.fork("network"));
    const points: FactListener = { fact: (host, name, a) => this.#onFact(host, name, a) };
    this.#listeners = [points, ...(options.listeners ?? [])];
    this.#onExit = options.onExit;
    this.#world = {
      agenda: this.#agenda,
      network: this.network,
      trace: this.trace,
      passed: (host, event, request, outcome) => this.#passed(host, event, request, outcome),
      strikes: () => this.#struck.some((fault) => fault.kind === "crash"),
      exited: (host, exit) => this.#onExit?.(host, exit),
    };
    for (const fault of options.faults ?? []) this.arm(fault);
  }

  /** Virtual time, microseconds. */
  get now(): Micros {
    return this.#agenda.now;
  }
  /** Events that happened: those of actors, disks, and of the network between them. */
  get events(): number {
    return this.#agenda.happened;
  }
  /** 53 bits over everything that happened. */
  get hash(): number {
    return this.trace.hash;
  }

  /** Faults that wait for a protocol point that has not come yet. */
  get faultsWaiting(): number {
    let waiting = 0;
    for (const triggers of this.#triggers.values()) waiting += triggers.length;
    return waiting;
  }

  /** A stream of chance of its own for somebody outside: a workload, a checker. */
  fork(label: string): Prng {
    return this.#prng.fork(label);
  }

  /** One more listener, from now on. */
  hear(listener: FactListener): void {
    this.#listeners.push(listener);
  }

  addHost(options: HostOptions): SimHost {
    const { name } = options;
    invariant(!this.#hosts.has(name), "a host's name is its own");
    const prng = this.#prng.fork(`host ${name}`);
    const clock = options.clock ?? STEADY_CLOCK;
    const host = new SimHost(this.#world, {
      name,
      number: this.#hosts.size,
      clock: new Clock(clock),
      timerSlack: clock.timerSlack,
      turn: options.turn ?? DEFAULT_TURN,
      listens: options.listens ?? [],
      boot: options.boot,
      listeners: this.#listeners,
      disk: (user) =>
        new Disk(this.#agenda, options.disk ?? FAST_DISK, prng.fork("disk"), user, options.oneVolume ?? false),
      prng,
    });
    this.#hosts.set(name, host);
    return host;
  }

  host(name: string): SimHost {
    const host = this.#hosts.get(name);
    invariant(host !== undefined, "a host is added before it is asked for");
    return host;
  }
  hosts(): Iterable<SimHost> {
    return this.#hosts.values();
  }

  /** Has a fault happen when it says. */
  arm(scheduled: ScheduledFault): void {
    const { when, fault } = scheduled;
    if ("at" in when) return this.#agenda.schedule(when.at * MICROS_PER_MILLI, this, Kind.fault, 0, fault);
    const triggers = this.#triggers.get(when.host) ?? [];
    triggers.push({ when, fault, left: when.nth });
    this.#triggers.set(when.host, triggers);
  }

  /** Runs `call` between events. */
  at(instant: Millis, call: () => void): void {
    this.#agenda.schedule(instant * MICROS_PER_MILLI, this, Kind.call, 0, { call });
  }

  /** A line of the transcript, and a part of the hash, for somebody outside. */
  note(who: string, text: string): void {
    this.trace.begin(this.now, who, 0xff, "noted", 0, 0);
    this.trace.text(text);
    this.trace.detail(text);
    this.trace.end();
  }

  /** Lets things happen until a limit is reached or nothing is left to happen; says which. */
  run(limits: RunLimits = {}): "quiet" | "time" | "events" | "when" {
    const { when } = limits;
    const until = (limits.until ?? Infinity) * MICROS_PER_MILLI;
    let left = limits.events ?? Infinity;
    const agenda = this.#agenda;
    return withTripwires(() => {
      for (;;) {
        if (when !== undefined && when()) return "when";
        if (left-- <= 0) return "events";
        if (agenda.next > until) {
          if (agenda.next === Infinity && until === Infinity) return "quiet";
          agenda.idleUntil(until);
          return "time";
        }
        if (!agenda.step()) return "quiet";
      }
    });
  }

  happen(kind: number, n: number, what: object | undefined): void {
    switch (kind) {
      case Kind.fault:
        return this.strike(what as Fault);
      case Kind.unblock: {
        const block = what as Fault & { kind: "block" };
        return this.network.unblock(block.from, block.to);
      }
      case Kind.reunite: {
        const apart = what as Fault & { kind: "partition" };
        for (const [from, to] of separatedPairs(apart)) this.network.unblock(from, to);
        return;
      }
      case Kind.hasten: {
        const slow = what as Fault & { kind: "slow" };
        return this.network.slow(slow.from, slow.to, 0);
      }
      case Kind.room:
        return this.host((what as SimHost).name).disk.setCapacity(n);
      case Kind.call:
        return (what as { call: () => void }).call();
      default:
        invariant(false, "the simulator knows every kind of event it schedules");
    }
  }

  /** Has a fault happen now. */
  strike(fault: Fault): void {
    this.#traceFault(fault);
    switch (fault.kind) {
      case "crash":
        return this.#crash(fault);
      case "stop":
        return this.host(fault.host).requestStop();
      case "pause":
        return this.host(fault.host).pause(fault.lasts * MICROS_PER_MILLI);
      case "stepWall":
        return this.host(fault.host).clock.stepWall(fault.by);
      case "cut":
        this.network.cut(fault.from, fault.to, fault.how);
        return;
      case "block":
        this.network.block(fault.from, fault.to);
        return this.#later(fault.lasts, Kind.unblock, 0, fault);
      case "partition":
        for (const [from, to] of separatedPairs(fault)) this.network.block(from, to);
        return this.#later(fault.lasts, Kind.reunite, 0, fault);
      case "slow":
        this.network.slow(fault.from, fault.to, fault.by * MICROS_PER_MILLI);
        return this.#later(fault.lasts, Kind.hasten, 0, fault);
      case "heal":
        this.network.heal();
        this.#triggers.clear();
        for (const host of this.#hosts.values()) {
          host.disk.heal();
          host.proceed();
        }
        return;
      case "diskError":
        return this.host(fault.host).disk.fail({ ...fault });
      case "diskFull": {
        const host = this.host(fault.host);
        host.disk.setCapacity(host.disk.used + fault.room);
        return this.#later(fault.lasts, Kind.room, Infinity, host);
      }
      case "rot":
        this.host(fault.host).disk.file(fault.name)?.rot(fault.offset, fault.mask);
        return;
    }
  }

  #traceFault(fault: Fault): void {
    this.trace.begin(this.now, placeOf(fault), 0xff, "fault", 0, 0);
    this.trace.text(fault.kind);
    if (this.trace.wordy) this.trace.detail(describeFault(fault));
    this.trace.end();
  }

  #crash(fault: Fault & { kind: "crash" }): void {
    const host = this.host(fault.host);
    const wasRunning = host.running;
    host.crash(fault.power, new Prng(fault.seed));
    if (wasRunning && fault.down !== Infinity) host.startLater(fault.down * MICROS_PER_MILLI);
  }

  #later(delay: Millis, kind: number, n: number, what: object): void {
    if (delay === Infinity) return;
    this.#agenda.schedule(this.now + delay * MICROS_PER_MILLI, this, kind, n, what);
  }

  #passed(host: SimHost, event: Traced, request?: DiskRequest, outcome?: DiskOutcome): void {
    if (request !== undefined) for (const listener of this.#listeners) listener.did?.(host.name, request, outcome!);
    const triggers = this.#triggers.get(host.name);
    if (triggers !== undefined) {
      let spent = false;
      for (const trigger of triggers) {
        const { when } = trigger;
        if ("fact" in when) {
          spent ||= trigger.left <= 0;
          continue;
        }
        if ("disk" in when) {
          if (request === undefined || request.verb !== when.disk) continue;
          if (when.name !== undefined && !request.name.includes(when.name)) continue;
        } else if (when.event !== undefined && when.event !== event) continue;
        if (--trigger.left > 0) continue;
        this.#struck.push(trigger.fault);
        spent = true;
      }
      if (spent) this.#forgetSpent(host.name, triggers);
    }
    if (this.#struck.length === 0) return;
    const struck = this.#struck;
    this.#struck = [];
    for (const fault of struck) this.strike(fault);
  }

  #onFact(hostName: string, name: FactName, a: number | bigint): void {
    const triggers = this.#triggers.get(hostName);
    if (triggers === undefined) return;
    for (const trigger of triggers) {
      const { when } = trigger;
      if (!("fact" in when) || when.fact !== name) continue;
      if (when.value !== undefined && BigInt(when.value) !== BigInt(a)) continue;
      if (--trigger.left === 0) this.#struck.push(trigger.fault);
    }
  }

  #forgetSpent(host: string, triggers: readonly Trigger[]): void {
    const left = triggers.filter((trigger) => trigger.left > 0);
    if (left.length === 0) this.#triggers.delete(host);
    else this.#triggers.set(host, left);
  }
}

/** `host:port` as an address. */
export function address(text: string): Address {
  return text as Address;
}
