/**
 * Runs one actor in the simulator: one event at a time, effects after it, exactly as the contract of core/actor.ts says
 * and as net/host.ts does it on a real machine. It survives its actor: crash, restart on the same disk, pause.
 */
import type { Actor, Address, CloseCause, ConnId, Context, DiskOp, DiskOutcome, Port } from "../core/actor.ts";
import type { Prng } from "../core/base/prng.ts";
import { invariant } from "../core/invariant.ts";
import { Outbox } from "../core/outbox.ts";
import type { Clock } from "./clock.ts";
import type { Disk, DiskRequest, DiskUser } from "./disk.ts";
import { describeRequest } from "./disk.ts";
import type { Survival } from "./disk-image.ts";
import { Effects } from "./effects.ts";
import type { Micros, Subject } from "./events.ts";
import { MICROS_PER_MILLI } from "./events.ts";
import { HostFacts } from "./facts.ts";
import type { Exit, HostParts, HostWorld } from "./host-parts.ts";
import { drawFrom } from "./range.ts";
import type { NetworkUser, Side } from "./side.ts";
import type { Traced } from "./trace.ts";
import { enterHandler, leaveHandler, takeTripped } from "./tripwires.ts";

const Kind = { start: 0, deadline: 1, call: 2, stop: 3, proceed: 4, deferred: 5, restart: 6 } as const;
interface Call {
  readonly call: (cx: Context) => void;
}
interface Deferred {
  readonly subject: Subject;
  readonly kind: number;
  readonly n: number;
  readonly what: object | undefined;
}

export class SimHost implements Subject, NetworkUser, DiskUser {
  readonly name: string;
  readonly clock: Clock;
  readonly #world: HostWorld;
  readonly #parts: HostParts;
  readonly #facts: HostFacts;
  readonly disk: Disk;

  #actor: Actor | undefined;
  #outbox: Outbox;
  #run = 0;
  #paused = false;
  #exit: Exit | undefined;
  /** When the one deadline event on the agenda will happen; Infinity when there is none. */
  #wakeAt: Micros = Infinity;
  #lastCall: Micros = 0;
  #deferred: Deferred[] = [];
  readonly #effects: Effects;

  constructor(world: HostWorld, parts: HostParts) {
    this.#world = world;
    this.#parts = parts;
    this.name = parts.name;
    this.clock = parts.clock;
    this.#facts = new HostFacts(parts.name, parts.listeners);
    this.disk = parts.disk(this);
    this.#effects = new Effects(this, world.network, this.disk, world.trace, (exit) => this.#halted(exit));
    this.#outbox = this.#newOutbox();
  }

  get running(): boolean {
    return this.#actor !== undefined;
  }
  get reachable(): boolean {
    return this.#actor !== undefined;
  }
  get paused(): boolean {
    return this.#paused;
  }
  /** How many runs of the actor there were. */
  get runs(): number {
    return this.#run;
  }
  /** How the last run ended; undefined while one goes on. */
  get exit(): Exit | undefined {
    return this.#exit;
  }
  /** The running actor, for checkers that look inside. */
  get actor(): Actor | undefined {
    return this.#actor;
  }

  // What the world does to a host.

  /** A new run of the actor, on the disk as it is. */
  start(): void {
    invariant(this.#actor === undefined, "a host runs one actor at a time");
    this.#run++;
    this.#exit = undefined;
    this.#outbox = this.#newOutbox();
    this.#actor = this.#parts.boot(this.#parts.prng.fork(`run ${this.#run}`).next(), this.#run);
    for (const { address, port } of this.#parts.listens) this.#world.network.listen(address, this, port);
    this.#schedule(this.#world.agenda.now, Kind.start);
  }

  /** Starts again later, unless somebody started it by then. */
  startLater(delay: Micros): void {
    this.#world.agenda.schedule(this.#world.agenda.now + delay, this, Kind.restart, this.#run);
  }

  /** Runs `call` as an event of its own (net's host has the same): how an application reaches its client. */
  run(call: (cx: Context) => void): void {
    const what: Call = { call };
    // Calls keep their order.
    this.#lastCall = Math.max(this.#lastCall, this.#nextTurn());
    this.#schedule(this.#lastCall, Kind.call, what);
  }

  /** SIGTERM. */
  requestStop(): void {
    this.#schedule(this.#world.agenda.now, Kind.stop);
  }

  /** The process ends. `survival`: power is lost, and this is what the disk keeps of what was not synced. */
  crash(survival: Survival | undefined, prng: Prng): void {
    if (this.#actor !== undefined) {
      this.#note("crashed", survival ?? "process only");
      return this.#finish({ kind: "crashed" }, survival, prng);
    }
    // Nobody is running, but what the kernel holds for the last one can still be lost.
    if (survival === undefined) return;
    this.disk.crash(survival, prng);
    for (const listener of this.#parts.listeners) listener.ended?.(this.name, true);
  }

  pause(lasts: Micros): void {
    if (this.#actor === undefined || this.#paused) return;
    this.#paused = true;
    this.#note("paused", `for ${lasts / MICROS_PER_MILLI} ms`);
    this.#schedule(this.#world.agenda.now + lasts, Kind.proceed);
  }

  defer(subject: Subject, kind: number, n: number, what?: object): void {
    this.#deferred.push({ subject, kind, n, what });
  }

  happen(kind: number, run: number, what: object | undefined): void {
    if (run !== this.#run) return;
    if (kind === Kind.restart) {
      if (this.#actor === undefined) this.start();
      return;
    }
    if (this.#actor === undefined) return;
    if (kind === Kind.proceed) return this.proceed();
    if (this.#paused) return kind === Kind.deadline ? undefined : this.defer(this, kind, run, what);
    switch (kind) {
      case Kind.start:
        return this.#onStarted();
      case Kind.deadline:
        return this.#onDeadline();
      case Kind.call:
        return this.#onCall((what as Call).call);
      case Kind.stop:
        return this.#onStop();
      case Kind.deferred: {
        const late = what as Deferred;
        return late.subject.happen(late.kind, late.n, late.what);
      }
      default:
        invariant(false, "a host knows every kind of event it schedules");
    }
  }

  /** A pause ends, if there is one. */
  proceed(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#note("resumed", "");
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const late of deferred) this.#schedule(this.#world.agenda.now, Kind.deferred, late);
    this.#wakeAt = Infinity;
    this.#wake();
  }

  // The events of the actor. Each one: begin, handler, end.

  #onStarted(): void {
    this.#deliver("started", "onStarted", this.#run, `run ${this.#run}`, (actor, cx) => actor.onStarted(cx));
  }

  #onDeadline(): void {
    const { agenda } = this.#world;
    // Left over from before the deadline was moved forward.
    if (agenda.now !== this.#wakeAt) return;
    this.#wakeAt = Infinity;
    const due = this.#actor!.deadline();
    if (this.clock.monotonic(agenda.now) < due) return this.#wake();
    const actor = this.#begin("deadline", "onDeadline", due, 0);
    if (this.#wordy) this.#world.trace.detail(`of ${due}`);
    try {
      actor.onDeadline(this.#outbox);
    } catch (error) {
      return this.#threw(error);
    }
    this.#end("deadline");
  }

  #onCall(call: (cx: Context) => void): void {
    this.#deliver("called", "a call", 0, "", (_actor, cx) => call(cx));
  }

  #onStop(): void {
    this.#deliver("asked to stop", "onStopRequested", 0, "", (actor, cx) => actor.onStopRequested(cx));
  }

  accepted(side: Side, port: Port, from: Address): ConnId {
    const conn = this.#outbox.nextConn();
    // The handler may already send on it.
    side.conn = conn;
    this.#effects.adopt(side);
    const details = this.#wordy ? `conn ${conn} on ${port} from ${from}` : "";
    this.#deliver("accepted", "onAccepted", conn, details, (actor, cx) => actor.onAccepted(cx, conn, port, from));
    return conn;
  }

  connected({ conn, to }: Side): void {
    const details = this.#wordy ? `conn ${conn} to ${to}` : "";
    this.#deliver("connected", "onConnected", conn, details, (actor, cx) => actor.onConnected(cx, conn));
  }

  received(side: Side, bytes: Uint8Array): void {
    const actor = this.#begin("received", "onReceived", side.conn, bytes.length);
    const { trace } = this.#world;
    trace.bytes(bytes, 0, bytes.length);
    if (trace.wordy) trace.detail(`conn ${side.conn} ${bytes.length} bytes`);
    try {
      actor.onReceived(this.#outbox, side.conn, bytes);
    } catch (error) {
      return this.#threw(error);
    }
    this.#end("received");
  }

  drained({ conn }: Side): void {
    const details = this.#wordy ? `conn ${conn}` : "";
    this.#deliver("drained", "onDrained", conn, details, (actor, cx) => actor.onDrained(cx, conn));
  }

  closed(side: Side, cause: CloseCause): void {
    if (!this.#effects.release(side)) return;
    const { conn } = side;
    const details = this.#wordy ? `conn ${conn} by ${cause}` : "";
    this.#world.trace.text(cause);
    this.#deliver("closed", "onClosed", conn, details, (actor, cx) => actor.onClosed(cx, conn, cause));
  }

  diskDid(request: DiskRequest, outcome: DiskOutcome): void {
    const { trace } = this.#world;
    trace.begin(this.#world.agenda.now, this.name, this.#parts.number, "disk did", request.op, request.length);
    trace.text(request.name);
    if (request.bytes !== undefined) trace.bytes(request.bytes, 0, request.bytes.length);
    if (trace.wordy) trace.detail(describeRequest(request));
    trace.end();
    this.#world.passed(this, "disk did", request, outcome);
  }

  diskDone(op: DiskOp, outcome: DiskOutcome): void {
    if (this.#paused) return this.defer({ happen: () => this.diskDone(op, outcome) }, 0, 0);
    if (this.#actor === undefined) return;
    const actor = this.#begin("disk done", "onDiskDone", op, outcome.kind.length);
    const { trace } = this.#world;
    if (outcome.kind === "read") trace.bytes(outcome.bytes, 0, outcome.bytes.length);
    if (trace.wordy) trace.detail(`op ${op} ${describeOutcome(outcome)}`);
    try {
      actor.onDiskDone(this.#outbox, op, outcome);
    } catch (error) {
      return this.#threw(error);
    }
    this.#end("disk done");
  }

  /** The rarer events; the three that are most of a run spare themselves the closure. */
  #deliver(
    event: Traced,
    handler: string,
    a: number,
    details: string,
    handle: (actor: Actor, cx: Context) => void,
  ): void {
    const actor = this.#begin(event, handler, a, 0);
    this.#world.trace.detail(details);
    try {
      handle(actor, this.#outbox);
    } catch (error) {
      return this.#threw(error);
    }
    this.#end(event);
  }

  #begin(event: Traced, handler: string, a: number, b: number): Actor {
    const { trace, agenda } = this.#world;
    const { now } = agenda;
    trace.begin(now, this.name, this.#parts.number, event, a, b);
    this.#outbox.begin(this.clock.monotonic(now), this.clock.wall(now));
    enterHandler(handler, this.name);
    return this.#actor!;
  }

  #end(event: Traced): void {
    leaveHandler();
    const tripped = takeTripped();
    if (tripped !== undefined) throw tripped;
    const struck = this.#world.strikes(this);
    if (struck) this.#outbox.discard();
    else this.#outbox.drain(this.#effects);
    this.#effects.flush();
    this.#world.trace.end();
    if (this.#actor !== undefined && !struck) this.#wake();
    this.#world.passed(this, event);
  }

  /** A handler threw: the event never was, and the process is gone. */
  #threw(error: unknown): void {
    leaveHandler();
    const tripped = takeTripped();
    if (tripped !== undefined) throw tripped;
    this.#outbox.discard();
    this.#world.trace.end();
    this.#note("threw", error instanceof Error ? error.message : String(error));
    this.#finish({ kind: "threw", error }, undefined, this.#parts.prng);
  }

  #halted(exit: Exit & { readonly kind: "halted" }): void {
    this.#finish(exit, undefined, this.#parts.prng);
  }

  #finish(exit: Exit, survival: Survival | undefined, prng: Prng): void {
    const power = survival !== undefined;
    this.#actor = undefined;
    this.#exit = exit;
    this.#paused = false;
    this.#deferred = [];
    this.#wakeAt = Infinity;
    this.#effects.clear();
    for (const { address } of this.#parts.listens) if (!power) this.#world.network.unlisten(address);
    this.#world.network.abandon(this, power);
    this.disk.crash(survival, prng);
    for (const listener of this.#parts.listeners) listener.ended?.(this.name, power);
    this.#world.exited(this, exit);
  }

  /** Sees to it that an event happens at the actor's deadline; an event that turns out to be early comes back here. */
  #wake(): void {
    const deadline = this.#actor!.deadline();
    if (deadline === Infinity) return;
    invariant(deadline === deadline, "a deadline is a number");
    const { now } = this.#world.agenda;
    const when = this.clock.whenMonotonic(deadline);
    if (when >= this.#wakeAt) return;
    const { timerSlack, prng } = this.#parts;
    // A deadline that has passed comes after what can already be read, and time goes on in a busy process too.
    const at = when <= now ? this.#nextTurn() : when + (timerSlack === 0 ? 0 : prng.below(timerSlack + 1));
    if (at >= this.#wakeAt) return;
    this.#wakeAt = at;
    this.#schedule(at, Kind.deadline);
  }

  #nextTurn(): Micros {
    return this.#world.agenda.now + drawFrom(this.#parts.prng, this.#parts.turn);
  }
  #schedule(at: Micros, kind: number, what?: object): void {
    this.#world.agenda.schedule(at, this, kind, this.#run, what);
  }
  get #wordy(): boolean {
    return this.#world.trace.wordy;
  }

  /** A line of its own for something that is not an event of the actor. */
  #note(event: Traced, text: string): void {
    const { trace } = this.#world;
    trace.begin(this.#world.agenda.now, this.name, this.#parts.number, event, 0, 0);
    trace.text(text);
    trace.detail(text);
    trace.end();
  }

  #newOutbox(): Outbox {
    return new Outbox(this.#facts, (conn) => this.#effects.queued(conn));
  }
}

function describeOutcome(outcome: DiskOutcome): string {
  if (outcome.kind === "failed") return `failed: ${outcome.detail}`;
  if (outcome.kind === "read") return `read ${outcome.bytes.length} bytes`;
  return outcome.kind === "listed" ? `listed ${outcome.files.map((file) => file.name).join(" ")}` : outcome.kind;
}
