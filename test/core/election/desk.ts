/**
 * One server in an election, and everybody else played by the test: what they say is given to it, what it says to them
 * is read back. Nobody else is there unless {@link Desk.connect} says so; `down` are those that refuse connections.
 */
import type { Address, CloseCause, ConnId, Facts } from "../../../core/actor.ts";
import { NO_FACTS } from "../../../core/actor.ts";
import { Prng } from "../../../core/base/prng.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import type { EnsembleConfig } from "../../../core/config.ts";
import { DEFAULT_ENSEMBLE_CONFIG } from "../../../core/config.ts";
import { Election } from "../../../core/election/election.ts";
import type { ElectionHost } from "../../../core/election/election.ts";
import type { Vote } from "../../../core/election/vote.ts";
import { Writer } from "../../../core/jute/writer.ts";
import type { EffectSink } from "../../../core/outbox.ts";
import { Outbox } from "../../../core/outbox.ts";
import type { Notification } from "../../../core/protocol/election-messages.ts";
import {
  PeerState,
  readNotification,
  writeGreeting,
  writeNotification,
} from "../../../core/protocol/election-messages.ts";
import type { QuorumConfig } from "../../../core/quorum/config.ts";
import { QuorumView } from "../../../core/quorum/view.ts";
import { configOf, placeOf } from "./members.ts";

export interface DeskOptions {
  readonly id?: number;
  /** Of the ensemble; default: 1 to 3. */
  readonly config?: QuorumConfig;
  readonly zxid?: number;
  readonly epoch?: number;
  readonly down?: readonly number[];
  readonly ensemble?: Partial<EnsembleConfig>;
}

export type Said = Partial<Notification>;

/** One connection as the other side sees it. */
export interface Wire {
  readonly conn: ConnId;
  readonly to: Address | undefined;
  sent: Uint8Array;
  open: boolean;
  /** The server under test closed it. */
  closed: boolean;
}

export class Desk implements ElectionHost {
  readonly myId: number;
  readonly ensemble: EnsembleConfig;
  readonly view: QuorumView;
  readonly election: Election;
  readonly elected: Vote[] = [];
  readonly lines: string[] = [];
  readonly wires: Map<ConnId, Wire> = new Map();
  /** The connection that each of the others has now. */
  readonly #current: Map<number, Wire> = new Map();
  readonly #down: Set<number>;
  readonly #outbox: Outbox;
  readonly #sink: EffectSink;
  #undelivered: { readonly conn: ConnId; readonly what: CloseCause | "connected" }[] = [];
  zxid: Zxid;
  epoch: number;
  now = 1000;
  newerConfigs: QuorumConfig[] = [];
  adopts = false;
  queued = 0;

  constructor(options: DeskOptions = {}) {
    this.myId = options.id ?? 1;
    this.zxid = (options.zxid ?? 0) as Zxid;
    this.epoch = options.epoch ?? 0;
    this.#down = new Set(options.down);
    this.ensemble = { ...DEFAULT_ENSEMBLE_CONFIG, ...options.ensemble };
    this.view = new QuorumView(this.myId, options.config ?? configOf([1, 2, 3]));
    const facts: Facts = { ...NO_FACTS, log: (level, message) => void this.lines.push(`${level} ${message}`) };
    this.#outbox = new Outbox(facts, () => this.queued);
    this.#sink = this.#makeSink();
    this.election = new Election(this, new Prng(1));
  }

  lastZxid(): Zxid {
    return this.zxid;
  }
  currentEpoch(): number {
    return this.epoch;
  }
  onElected(_cx: Outbox, vote: Vote): void {
    this.elected.push(vote);
  }
  onNewerConfig(cx: Outbox, config: QuorumConfig): boolean {
    this.newerConfigs.push(config);
    if (!this.adopts) return false;
    this.view.current = this.view.lastSeen = config;
    this.election.viewChanged(cx);
    return true;
  }

  start(): this {
    this.event((cx) => {
      this.election.start(cx);
      this.election.lookForLeader(cx);
    });
    return this;
  }

  /** What happens at `ms` from now on, and before. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (let due = this.election.deadline(); due <= until; due = this.election.deadline()) {
      this.now = Math.max(this.now, due);
      this.event((cx) => this.election.onDeadline(cx));
    }
    this.now = until;
  }

  event(run: (cx: Outbox) => void): void {
    this.#outbox.begin(this.now, 0);
    run(this.#outbox);
    this.#outbox.drain(this.#sink);
    const happened = this.#undelivered;
    this.#undelivered = [];
    for (const { conn, what } of happened) {
      if (what === "connected") this.event((cx) => void this.election.onConnected(cx, conn));
      else this.event((cx) => void this.election.onClosed(cx, conn, what));
    }
  }

  /** A connection from somewhere, with nothing said yet. */
  accept(): Wire {
    const conn = this.#outbox.nextConn();
    const wire: Wire = { conn, to: undefined, sent: new Uint8Array(0), open: true, closed: false };
    this.wires.set(conn, wire);
    this.event((cx) => this.election.onAccepted(cx, conn, "10.0.0.9:5000" as Address));
    return wire;
  }
  give(wire: Wire, bytes: Uint8Array): void {
    // A view of its own, overwritten afterwards: bytes are lent.
    const lent = bytes.slice();
    this.event((cx) => void this.election.onReceived(cx, wire.conn, lent));
    lent.fill(0xa5);
  }
  lose(wire: Wire, cause: CloseCause = "reset"): void {
    if (!wire.open) return;
    wire.open = false;
    this.event((cx) => void this.election.onClosed(cx, wire.conn, cause));
  }

  /** Server `id` connects and says who it is. */
  connect(id: number, place: string = placeOf(id)): Wire {
    const wire = this.accept();
    this.#current.set(id, wire);
    this.give(wire, greetingOf(id, place));
    return wire;
  }
  wireOf(id: number): Wire {
    return this.#current.get(id)!;
  }
  /** Server `id` is killed: its connections break, new ones are refused. */
  kill(id: number): void {
    this.#down.add(id);
    this.lose(this.wireOf(id));
  }

  say(id: number, said: Said): void {
    this.give(this.wireOf(id), frameOf(said));
  }
  /** A vote for `leader` in round 1 and epoch 0, unless `said` says otherwise. */
  vote(id: number, leader: number, said: Said = {}): void {
    this.say(id, { leader, ...said });
  }

  /** What `id` was told since the last time. */
  heard(id: number): Notification[] {
    const wire = this.wireOf(id);
    const { sent } = wire;
    wire.sent = new Uint8Array(0);
    return notificationsIn(sent);
  }
  /** Addresses that were called since the last time. */
  dialed(): Address[] {
    const { to } = this;
    this.to = [];
    return to;
  }
  to: Address[] = [];

  #makeSink(): EffectSink {
    const none = (): void => {};
    return {
      connect: (conn, to) => this.#onConnect(conn, to),
      send: (conn, bytes, start, end) => {
        const wire = this.wires.get(conn)!;
        const sent = new Uint8Array(wire.sent.length + end - start);
        sent.set(wire.sent);
        sent.set(bytes.subarray(start, end), wire.sent.length);
        wire.sent = sent;
      },
      close: (conn) => {
        const wire = this.wires.get(conn)!;
        if (!wire.open) return;
        wire.open = false;
        wire.closed = true;
        this.#undelivered = this.#undelivered.filter((event) => event.conn !== conn);
        this.#undelivered.push({ conn, what: "local" });
      },
      pause: none,
      resume: none,
      append: none,
      reserve: none,
      sync: none,
      syncDirectory: none,
      readAt: none,
      list: none,
      rename: none,
      remove: none,
      truncate: none,
      halt: none,
    };
  }

  #onConnect(conn: ConnId, to: Address): void {
    const wire: Wire = { conn, to, sent: new Uint8Array(0), open: true, closed: false };
    this.wires.set(conn, wire);
    this.to.push(to);
    const id = Number(/^server(\d+):/.exec(to)?.[1] ?? 0);
    // Nobody answers from anywhere else.
    if (id === 0) return;
    if (this.#down.has(id)) {
      wire.open = false;
      this.#undelivered.push({ conn, what: "refused" });
      return;
    }
    if (id < this.myId) this.#current.set(id, wire);
    this.#undelivered.push({ conn, what: "connected" });
  }
}

export function greetingOf(id: number, place: string = placeOf(id)): Uint8Array {
  const w = new Writer();
  writeGreeting(w, id, place as Address);
  return w.take();
}

export function frameOf(said: Said): Uint8Array {
  const w = new Writer();
  const base = { state: PeerState.looking, leader: 0, zxid: 0 as Zxid, round: 1, peerEpoch: 0, config: "" };
  writeNotification(w, { ...base, ...said });
  return w.take();
}

/** What a connection carried, without the greeting. */
export function notificationsIn(sent: Uint8Array): Notification[] {
  const found: Notification[] = [];
  const view = new DataView(sent.buffer, sent.byteOffset, sent.length);
  let at = sent[0] === 0xff ? 20 + view.getInt32(16) : 0;
  while (at < sent.length) {
    const length = view.getInt32(at);
    found.push(readNotification(sent, at + 4, at + 4 + length)!);
    at += 4 + length;
  }
  return found;
}
