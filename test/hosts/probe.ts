/** An actor for contract tests: does what a test tells it to, and holds its host to what is true of every event. */
import type {
  Actor,
  Address,
  CloseCause,
  ConnId,
  Context,
  DiskOp,
  DiskOutcome,
  Millis,
  Port,
} from "../../core/actor.ts";
import { invariant } from "../../core/invariant.ts";

export interface Script {
  onStarted?(cx: Context): void;
  onAccepted?(cx: Context, conn: ConnId, port: Port, from: Address): void;
  onConnected?(cx: Context, conn: ConnId): void;
  onReceived?(cx: Context, conn: ConnId, bytes: Uint8Array): void;
  onDrained?(cx: Context, conn: ConnId): void;
  onClosed?(cx: Context, conn: ConnId, cause: CloseCause): void;
  onDiskDone?(cx: Context, op: DiskOp, outcome: DiskOutcome): void;
  onDeadline?(cx: Context): void;
  onStopRequested?(cx: Context): void;
}

export class Probe implements Actor {
  /** `started`, `accepted 1`, `connected 1`, `drained 1`, `closed 1 peer`, `done 1 synced`, `deadline`, `stop`. */
  readonly log: string[] = [];
  readonly received: Map<ConnId, number[]> = new Map();
  readonly outcomes: Map<DiskOp, DiskOutcome> = new Map();
  /** What must not happen and did. */
  readonly violations: string[] = [];
  wakeAt: Millis = Infinity;
  /** Set by the host's side of a test when no further event may come. */
  over = false;
  readonly #script: Script;
  readonly #changed: () => void;
  #running = "";
  #last: Millis = 0;
  readonly #closed: Set<ConnId> = new Set();
  readonly #connected: Set<ConnId> = new Set();

  constructor(script: Script, changed: () => void) {
    this.#script = script;
    this.#changed = changed;
  }

  text(conn: ConnId): string {
    return String.fromCharCode(...(this.received.get(conn) ?? []));
  }
  bytesOf(conn: ConnId): readonly number[] {
    return this.received.get(conn) ?? [];
  }
  count(event: string): number {
    return this.log.filter((line) => line === event || line.startsWith(`${event} `)).length;
  }

  onStarted(cx: Context): void {
    this.#event(cx, "started", () => this.#script.onStarted?.(cx));
  }
  onAccepted(cx: Context, conn: ConnId, port: Port, from: Address): void {
    this.#known(conn, "accepted");
    this.#event(cx, `accepted ${conn}`, () => this.#script.onAccepted?.(cx, conn, port, from));
  }
  onConnected(cx: Context, conn: ConnId): void {
    this.#known(conn, "connected");
    this.#event(cx, `connected ${conn}`, () => this.#script.onConnected?.(cx, conn));
  }
  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): void {
    this.#expect(bytes.length > 0, "no empty chunks");
    this.#expect(!this.#closed.has(conn), `no bytes after the end of ${conn}`);
    this.#expect(this.#connected.has(conn), `no bytes before the beginning of ${conn}`);
    const all = this.received.get(conn) ?? [];
    for (const byte of bytes) all.push(byte);
    this.received.set(conn, all);
    this.#event(cx, "", () => this.#script.onReceived?.(cx, conn, bytes));
  }
  onDrained(cx: Context, conn: ConnId): void {
    this.#expect(!this.#closed.has(conn), `no drained after the end of ${conn}`);
    this.#event(cx, `drained ${conn}`, () => this.#script.onDrained?.(cx, conn));
  }
  onClosed(cx: Context, conn: ConnId, cause: CloseCause): void {
    this.#expect(!this.#closed.has(conn), `${conn} ends once`);
    this.#closed.add(conn);
    this.#event(cx, `closed ${conn} ${cause}`, () => this.#script.onClosed?.(cx, conn, cause));
  }
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): void {
    this.#expect(!this.outcomes.has(op), `operation ${op} completes once`);
    this.outcomes.set(op, outcome);
    this.#event(cx, `done ${op} ${outcome.kind}`, () => this.#script.onDiskDone?.(cx, op, outcome));
  }
  onDeadline(cx: Context): void {
    this.#event(cx, "deadline", () => this.#script.onDeadline?.(cx));
  }
  onStopRequested(cx: Context): void {
    this.#event(cx, "stop", () => this.#script.onStopRequested?.(cx));
  }
  deadline(): Millis {
    this.#expect(this.#running === "", "deadline() is not asked for within an event");
    return this.wakeAt;
  }

  #event(cx: Context, line: string, handler: () => void): void {
    this.#expect(this.#running === "", `${line} does not nest in ${this.#running}`);
    this.#expect(!this.over, `no ${line} after the end`);
    this.#expect(cx.now >= this.#last, "the clock does not go back");
    this.#expect(Number.isInteger(cx.now) && Number.isInteger(cx.wall), "milliseconds are whole");
    this.#last = cx.now;
    this.#running = line === "" ? "received" : line;
    if (line !== "") this.log.push(line);
    try {
      handler();
      this.#expect(cx.now === this.#last, "the clock stands still during an event");
    } finally {
      this.#running = "";
      this.#changed();
    }
  }

  #known(conn: ConnId, how: string): void {
    this.#expect(!this.#connected.has(conn) && !this.#closed.has(conn), `${conn} is ${how} once, before its end`);
    this.#connected.add(conn);
  }
  #expect(fact: boolean, text: string): void {
    if (!fact) this.violations.push(text);
    invariant(fact, text);
  }
}
