/**
 * A real StandaloneServer on a host of memory: its disk completes when told to, its clock moves when told to, and its
 * clients are {@link Peer}s that say bytes. Everything that can happen next happens in {@link ServerBench.settle}, in a
 * fixed order, so a test reads as a conversation.
 */
import type { Actor, Address, ConnId, Context, Facts, Port } from "../../core/actor.ts";
import { NO_FACTS } from "../../core/actor.ts";
import type { ServerConfig } from "../../core/config.ts";
import { DEFAULT_SERVER_CONFIG } from "../../core/config.ts";
import { QUEUED_HIGH_WATER } from "../../core/outbox.ts";
import type { ServerState } from "../../core/pipeline/state.ts";
import { StandaloneServer } from "../../core/server/standalone.ts";
import { MemoryDisk } from "./memory-disk.ts";

/** More events than any test needs to become quiet: beyond this the server is running in circles. */
const EVENTS_MAX = 200_000;
const NOTHING = new Uint8Array(0);

/** The client's end of a connection. */
export class Peer {
  readonly conn: ConnId;
  readonly #bench: ServerBench;
  /** The server ended it. */
  closed = false;
  /** It was the client who ended it. */
  cutByClient = false;
  /** The server asked for no more bytes. */
  paused = false;
  #reading = true;
  /** Sent by the server and not read: what its host holds. */
  #unread: Uint8Array[] = [];
  unreadBytes = 0;
  /** Sent in the event at hand. */
  #burst = 0;
  #received: Uint8Array = NOTHING;
  #receivedLength = 0;
  /** Sent by the client while paused. */
  waiting: Uint8Array[] = [];

  constructor(bench: ServerBench, conn: ConnId) {
    this.#bench = bench;
    this.conn = conn;
  }

  /** Delivers `bytes`, and what follows from them. Bytes for a connection that is over are lost. */
  send(bytes: Uint8Array): void {
    if (this.closed) return;
    if (this.paused) this.waiting.push(bytes);
    else this.#bench.deliver(this, bytes);
  }

  /** The client closes its end. */
  cut(): void {
    this.#bench.cut(this);
  }

  stopReading(): void {
    this.#reading = false;
  }

  /** Reads what has come meanwhile, and everything from now on. */
  readAgain(): void {
    this.#reading = true;
    const wasFull = this.unreadBytes > QUEUED_HIGH_WATER;
    for (const bytes of this.#unread) this.#take(bytes);
    this.#unread = [];
    this.unreadBytes = 0;
    if (wasFull) this.#bench.drained(this);
  }

  /** What one event sent has gone out. */
  endBurst(): void {
    this.#burst = 0;
  }

  /** From the host. */
  arrive(bytes: Uint8Array): void {
    if (this.#burst === 0) this.#bench.bursting.push(this);
    this.#burst += bytes.length;
    if (this.#reading && this.#burst > QUEUED_HIGH_WATER) this.#bench.oweDrained(this);
    if (this.#reading) return this.#take(bytes);
    this.#unread.push(bytes.slice());
    this.unreadBytes += bytes.length;
  }

  /** Everything received and not yet taken. */
  takeBytes(): Uint8Array {
    const bytes = this.#received.slice(0, this.#receivedLength);
    this.#receivedLength = 0;
    return bytes;
  }

  /** The frames received, without their prefixes. What is left over stays. */
  takeFrames(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    const bytes = this.#received;
    let at = 0;
    while (at + 4 <= this.#receivedLength) {
      const length = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (length < 0) throw new Error(`the server sent a frame of length ${length}`);
      if (at + 4 + length > this.#receivedLength) break;
      frames.push(bytes.slice(at + 4, at + 4 + length));
      at += 4 + length;
    }
    bytes.copyWithin(0, at, this.#receivedLength);
    this.#receivedLength -= at;
    return frames;
  }

  /** Bytes received that are no whole frame yet. */
  get pendingBytes(): number {
    return this.#receivedLength;
  }

  #take(bytes: Uint8Array): void {
    const needed = this.#receivedLength + bytes.length;
    if (needed > this.#received.length) {
      const larger = new Uint8Array(Math.max(needed, this.#received.length * 2, 1024));
      larger.set(this.#received.subarray(0, this.#receivedLength));
      this.#received = larger;
    }
    this.#received.set(bytes, this.#receivedLength);
    this.#receivedLength = needed;
  }
}

export interface BenchOptions {
  readonly seed?: number;
  readonly facts?: Facts;
  /** Puts something between the host and the server: how a test breaks it. */
  readonly wrap?: (server: StandaloneServer) => Actor;
  /** Does not start. */
  readonly asleep?: boolean;
}

export class ServerBench extends MemoryDisk {
  readonly config: ServerConfig;
  readonly #options: BenchOptions;
  readonly #peers = new Map<ConnId, Peer>();
  /** Closed by the server, which has not heard of the end yet. */
  #owed: Peer[] = [];
  /** Took more in one event than a host hands to the network at once. */
  #drained: Peer[] = [];
  /** To be delivered what waited while they were paused. */
  #resumed: Peer[] = [];
  #server: StandaloneServer | undefined;
  #actor: Actor | undefined;
  #lastPort = 40_000;
  #runs = 0;
  #settling = false;
  protected override eventTakes = 0;
  /** Disk operations do not complete. */
  diskHeld = false;
  /** Deadlines that are due are not delivered either: everything is held in one turn. */
  turnHeld = false;
  /** How long a client waits for an answer that does not come at once. */
  patience = 0;
  events = 0;
  /** Those to whom the event at hand has sent something. */
  readonly bursting: Peer[] = [];

  constructor(config: Partial<ServerConfig> = {}, options: BenchOptions = {}) {
    super(options.facts ?? NO_FACTS);
    this.config = { ...DEFAULT_SERVER_CONFIG, preAllocSize: 0, ...config };
    this.#options = options;
    if (options.asleep !== true) this.start();
  }

  /** A new run of the server on the files as they are. */
  start(config: Partial<ServerConfig> = {}): void {
    this.halted = undefined;
    const server = new StandaloneServer({ ...this.config, ...config }, (this.#options.seed ?? 1) + this.#runs++);
    this.#server = server;
    this.#actor = this.#options.wrap?.(server) ?? server;
    this.#happen((actor, cx) => actor.onStarted(cx));
    this.settle();
  }

  get running(): boolean {
    return this.halted === undefined && this.#actor !== undefined;
  }
  get server(): StandaloneServer {
    return this.#server!;
  }
  get state(): ServerState {
    const { state } = this.server;
    if (state === undefined) throw new Error(`the server does not serve: ${this.halted ?? "still recovering"}`);
    return state;
  }
  /** Connections the server has not closed. */
  get openPeers(): number {
    return this.#peers.size;
  }

  /** A new connection. Without `from` every one comes from a port of its own on one host. */
  accept(from: string = `10.0.0.1:${++this.#lastPort}`, port: Port = "client", subject?: string): Peer {
    const conn = this.nextConn();
    const peer = new Peer(this, conn);
    this.#peers.set(conn, peer);
    this.#happen((actor, cx) => actor.onAccepted(cx, conn, port, from as Address, subject));
    this.settle();
    return peer;
  }

  deliver(peer: Peer, bytes: Uint8Array): void {
    this.#happen((actor, cx) => actor.onReceived(cx, peer.conn, bytes));
    this.settle();
  }

  cut(peer: Peer): void {
    if (!this.#peers.delete(peer.conn)) return;
    peer.closed = true;
    peer.cutByClient = true;
    this.#happen((actor, cx) => actor.onClosed(cx, peer.conn, "peer"));
    this.settle();
  }

  drained(peer: Peer): void {
    if (peer.closed || !this.#peers.has(peer.conn)) return;
    this.#happen((actor, cx) => actor.onDrained(cx, peer.conn));
    this.settle();
  }

  /** Within an event. */
  oweDrained(peer: Peer): void {
    if (!this.#drained.includes(peer)) this.#drained.push(peer);
  }

  requestStop(): void {
    this.#happen((actor, cx) => actor.onStopRequested(cx));
    this.settle();
  }

  /** Everything that can happen now, until nothing is left. */
  override settle(): void {
    if (this.#settling) return;
    this.#settling = true;
    try {
      for (let left = EVENTS_MAX; this.running && this.step(); left--) {
        if (left <= 0) throw new Error("the server does not become quiet");
      }
    } finally {
      this.#settling = false;
    }
  }

  /** One thing that can happen now; false when nothing can. */
  step(): boolean {
    const over = this.#owed.shift();
    if (over !== undefined) {
      this.#happen((actor, cx) => actor.onClosed(cx, over.conn, "local"));
      return true;
    }
    const resumed = this.#resumed.shift();
    if (resumed !== undefined) {
      this.#deliverWaiting(resumed);
      return true;
    }
    const drained = this.#drained.shift();
    if (drained !== undefined) {
      this.drained(drained);
      return true;
    }
    if (!this.turnHeld && this.#actor!.deadline() <= this.now) {
      this.#happen((actor, cx) => actor.onDeadline(cx));
      return true;
    }
    if (this.diskHeld || this.pendingCount === 0) return false;
    this.events++;
    this.completeOne(this.#actor!);
    return true;
  }

  /** Completes one disk operation although {@link diskHeld}, and what follows from it but for the disk. */
  completeDisk(): void {
    this.completeOne(this.#actor!);
    this.settle();
  }

  /** Time passes, with everything that falls due on the way. */
  pass(milliseconds: number): void {
    const until = this.now + milliseconds;
    this.settle();
    while (this.running) {
      const due = this.#actor!.deadline();
      if (due > until || this.turnHeld) break;
      this.advance(Math.max(0, due - this.now));
      this.settle();
    }
    this.advance(Math.max(0, until - this.now));
  }

  /** The process dies and the power goes; then a new run. */
  crashAndRestart(keep?: (name: string, unsynced: number) => number): void {
    this.#forgetPeers();
    this.crash(keep);
    this.start();
  }

  /** The process ends, if it has not by itself, and a new one begins; the disk stays as it is. */
  restart(config: Partial<ServerConfig> = {}): void {
    this.#forgetPeers();
    this.kill();
    this.start(config);
  }

  #deliverWaiting(peer: Peer): void {
    while (!peer.closed && !peer.paused) {
      const bytes = peer.waiting.shift();
      if (bytes === undefined) return;
      this.#happen((actor, cx) => actor.onReceived(cx, peer.conn, bytes));
    }
  }

  #forgetPeers(): void {
    for (const peer of this.#peers.values()) peer.closed = true;
    this.#peers.clear();
    this.#owed = [];
    this.#resumed = [];
    this.#drained = [];
  }

  #happen(call: (actor: Actor, cx: Context) => void): void {
    if (!this.running) return;
    this.events++;
    this.event((cx) => call(this.#actor!, cx));
  }

  override event<T>(body: (cx: Context) => T): T {
    try {
      return super.event(body);
    } finally {
      for (const peer of this.bursting) peer.endBurst();
      this.bursting.length = 0;
    }
  }
  protected override queued(conn: ConnId): number {
    return this.#peers.get(conn)?.unreadBytes ?? 0;
  }
  override send(conn: ConnId, bytes: Uint8Array, start: number, end: number): void {
    this.#peers.get(conn)?.arrive(bytes.subarray(start, end));
  }
  override close(conn: ConnId): void {
    const peer = this.#peers.get(conn);
    if (peer === undefined) return;
    this.#peers.delete(conn);
    peer.closed = true;
    this.#owed.push(peer);
  }
  override pause(conn: ConnId): void {
    const peer = this.#peers.get(conn);
    if (peer !== undefined) peer.paused = true;
  }
  override resume(conn: ConnId): void {
    const peer = this.#peers.get(conn);
    if (peer === undefined || !peer.paused) return;
    peer.paused = false;
    this.#resumed.push(peer);
  }
}
