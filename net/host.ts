/**
 * Runs one actor in the real world: one event at a time, its effects when the handler has returned. The contract is in
 * core/README.md, and `test/hosts/contract.test.ts` holds this host and the simulated one to it.
 *
 * A turn of the event loop delivers whatever has become readable; one `setImmediate` ends it. Then the deadline is
 * looked at, appends go to the disk and sends to the sockets: one write per file and one per connection, however many
 * events the turn had.
 */
import { performance } from "node:perf_hooks";
import type { Actor, ConnId, Context, DiskOp, DiskOutcome, Facts, Millis, Port } from "../core/actor.ts";
import { NO_FACTS } from "../core/actor.ts";
import { invariant } from "../core/invariant.ts";
import { Outbox } from "../core/outbox.ts";
import { Disk } from "./disk.ts";
import type { Volumes } from "./disk.ts";
import { Effects } from "./effects.ts";
import { Tcp } from "./tcp.ts";
import type { Dialling, Listener, TcpEvents } from "./tcp.ts";
import { Wake } from "./wake.ts";

export interface NetHostOptions {
  /** Where the actor's files are; their `version-2` directories exist. Absent: the actor must not use files. */
  readonly volumes?: Volumes | undefined;
  readonly listeners?: readonly Listener[] | undefined;
  readonly dialling?: Dialling | undefined;
  readonly facts?: Facts | undefined;
}

/** How it ended. */
export interface Halt {
  /** 0: it was asked to. Others are ZooKeeper's (org.apache.zookeeper.server.ExitCode). */
  readonly code: number;
  readonly reason: string;
}

/** After a halt with code 0, peers get this long to take what was sent to them. */
const FINISH_MS = 2000;
const EXIT_UNEXPECTED = 1;

/**
 * Opens the listeners, then starts the actor, so that whoever waits for this may connect.
 * Rejects with the system's error when a listener cannot be had; nothing is left open then.
 */
export async function startNetHost(actor: Actor, options: NetHostOptions = {}): Promise<NetHost> {
  const host = new NetHost(actor, options);
  try {
    for (const listener of options.listeners ?? []) await host.listen(listener);
  } catch (error) {
    void host.kill();
    throw error;
  }
  host.start();
  return host;
}

export class NetHost {
  /** Resolves when the actor has halted and every socket and file is closed. Never rejects. */
  readonly halted: Promise<Halt>;
  readonly #actor: Actor;
  readonly #facts: Facts;
  readonly #outbox: Outbox;
  readonly #tcp: Tcp;
  readonly #disk: Disk | undefined;
  readonly #effects: Effects;
  readonly #wake: Wake;
  readonly #ports: Map<Port, number> = new Map();
  readonly #endTurn: () => void = () => this.#turnEnded();
  #resolveHalted!: (halt: Halt) => void;
  #state: "new" | "running" | "halted" = "new";
  #inEvent = false;
  #turnEnding = false;
  /** Asked for by {@link run} during an event. */
  #later: ((cx: Context) => void)[] = [];

  constructor(actor: Actor, options: NetHostOptions = {}) {
    this.#actor = actor;
    this.#facts = options.facts ?? NO_FACTS;
    this.#outbox = new Outbox(this.#facts, (conn) => this.#tcp.queued(conn));
    this.#tcp = new Tcp(this.#tcpEvents(), () => this.#outbox.nextConn(), options.dialling);
    if (options.volumes !== undefined) {
      const done = (op: DiskOp, outcome: DiskOutcome): void => this.#diskDone(op, outcome);
      this.#disk = new Disk(options.volumes, done, () => this.#wantTurn());
    }
    this.#effects = new Effects(this.#tcp, this.#disk, (code, reason) => this.#stop(code, reason));
    this.#wake = new Wake(monotonicNow, () => this.#wantTurn());
    this.halted = new Promise((resolve) => (this.#resolveHalted = resolve));
  }

  /** The TCP port that a listener got. */
  portOf(port: Port): number | undefined {
    return this.#ports.get(port);
  }

  /** Connections that come before {@link start} are turned away. */
  async listen(listener: Listener): Promise<void> {
    this.#ports.set(listener.port, await this.#tcp.listen(listener));
    // The actor may have ended meanwhile.
    if (this.#state === "halted") this.#tcp.stopListening();
  }

  /** Connections that came in on it stay. */
  unlisten(listener: Listener): void {
    this.#tcp.unlisten(listener);
  }

  /** Delivers onStarted before it returns. */
  start(): void {
    invariant(this.#state === "new", "an actor is started once");
    this.#state = "running";
    this.#event((cx) => this.#actor.onStarted(cx));
    this.#tcp.startAccepting();
  }

  /** Tells the actor that the process is wanted to end; see {@link halted}. */
  requestStop(): void {
    this.#event((cx) => this.#actor.onStopRequested(cx));
  }

  /** An event of the caller's own: `f` may ask for effects. During an event it waits for the end of the turn. */
  run(f: (cx: Context) => void): void {
    if (!this.#inEvent) return this.#event(f);
    this.#later.push(f);
  }

  /** As if the process had been killed: no further event, nothing more is sent. Resolves when all is closed. */
  kill(): Promise<Halt> {
    this.#stop(EXIT_UNEXPECTED, "killed");
    return this.halted;
  }
  /** No further event; what was sent still goes out. Resolves when all is closed. */
  close(): Promise<Halt> {
    this.#stop(0, "closed");
    return this.halted;
  }

  // ---- events ----

  #received(conn: ConnId, bytes: Uint8Array): void {
    if (!this.#begin()) return;
    try {
      this.#actor.onReceived(this.#outbox, conn, bytes);
    } catch (error) {
      return this.#crashed(error);
    }
    this.#end();
  }
  #diskDone(op: DiskOp, outcome: DiskOutcome): void {
    if (!this.#begin()) return;
    try {
      this.#actor.onDiskDone(this.#outbox, op, outcome);
    } catch (error) {
      return this.#crashed(error);
    }
    this.#end();
  }

  #tcpEvents(): TcpEvents {
    const actor = this.#actor;
    return {
      accepted: (conn, port, from, subject) => this.#event((cx) => actor.onAccepted(cx, conn, port, from, subject)),
      connected: (conn) => this.#event((cx) => actor.onConnected(cx, conn)),
      received: (conn, bytes) => this.#received(conn, bytes),
      drained: (conn) => this.#event((cx) => actor.onDrained(cx, conn)),
      closed: (conn, cause) => this.#event((cx) => actor.onClosed(cx, conn, cause)),
      log: (level, message, fields) => this.#facts.log(level, message, fields),
    };
  }

  #event(deliver: (cx: Context) => void): void {
    if (!this.#begin()) return;
    try {
      deliver(this.#outbox);
    } catch (error) {
      return this.#crashed(error);
    }
    this.#end();
  }

  /** False when no event may be delivered any more. */
  #begin(): boolean {
    if (this.#state !== "running") return false;
    this.#outbox.begin(monotonicNow(), Date.now());
    this.#inEvent = true;
    return true;
  }

  #end(): void {
    this.#outbox.drain(this.#effects);
    this.#inEvent = false;
    this.#wantTurn();
  }

  #crashed(error: unknown): void {
    this.#outbox.discard();
    this.#inEvent = false;
    const reason = error instanceof Error ? error.message : String(error);
    this.#facts.log("error", "the actor crashed", { error });
    this.#stop(EXIT_UNEXPECTED, reason);
  }

  // ---- turns ----

  #wantTurn(): void {
    if (this.#turnEnding) return;
    this.#turnEnding = true;
    setImmediate(this.#endTurn);
  }

  #turnEnded(): void {
    if (this.#state !== "running") return;
    if (this.#later.length > 0) {
      const later = this.#later;
      this.#later = [];
      for (const f of later) this.#event(f);
    }
    let deadline = this.#deadline();
    if (deadline <= monotonicNow()) {
      this.#event((cx) => this.#actor.onDeadline(cx));
      deadline = this.#deadline();
    }
    // From here on an event asks for a turn of its own.
    this.#turnEnding = false;
    // The disk first: it works while we write to sockets.
    this.#disk?.flush();
    this.#tcp.flush();
    if (deadline <= monotonicNow()) this.#wantTurn();
    else this.#wake.set(deadline);
  }

  #deadline(): Millis {
    return this.#state === "running" ? this.#actor.deadline() : Infinity;
  }

  #stop(code: number, reason: string): void {
    if (this.#state === "halted") return;
    this.#state = "halted";
    this.#wake.stop();
    let open = 2;
    const closed = (): void => {
      if (--open === 0) this.#resolveHalted({ code, reason });
    };
    if (this.#disk === undefined) closed();
    else this.#disk.close(closed);
    if (code === 0) this.#finishSending(closed);
    else {
      this.#tcp.destroy();
      closed();
    }
  }

  #finishSending(finished: () => void): void {
    const timer = setTimeout(() => this.#tcp.destroy(), FINISH_MS);
    this.#tcp.finish(() => {
      clearTimeout(timer);
      finished();
    });
  }
}

function monotonicNow(): Millis {
  return Math.floor(performance.now());
}
