/**
 * One side of a connection, and the direction of bytes that starts at it: what its actor sent, what is under way, what
 * waits to be read, and all the ways in which it can end: FIN, RST, and the half-open connection whose one side never
 * learns.
 */
import type { Address, CloseCause, ConnId, Port } from "../core/actor.ts";
import { invariant } from "../core/invariant.ts";
import { QUEUED_HIGH_WATER } from "../core/outbox.ts";
import type { Micros, Subject } from "./events.ts";
import type { Network } from "./network.ts";
import { Pipe } from "./pipe.ts";

/** An accepted side whose actor has not been told yet. */
export const NO_CONN: ConnId = 0 as ConnId;

/** The host of one side of a connection, as the network sees it. */
export interface NetworkUser {
  readonly name: string;
  /** It has power: its kernel answers. */
  readonly reachable: boolean;
  /** Its process is stopped: its kernel takes bytes, but nobody reads them. */
  readonly paused: boolean;
  /** Keep an event until the process goes on. */
  defer(subject: Subject, kind: number, n: number): void;
  accepted(side: Side, port: Port, from: Address): ConnId;
  connected(side: Side): void;
  received(side: Side, bytes: Uint8Array): void;
  drained(side: Side): void;
  closed(side: Side, cause: CloseCause): void;
}

/** What happens to one side of a connection. */
export const Kind = {
  segment: 0,
  deliver: 1,
  fin: 2,
  reset: 3,
  arrive: 4,
  connected: 5,
  failed: 6,
  closed: 7,
  drained: 8,
  accepted: 9,
  retransmit: 10,
} as const;
export const CAUSES: readonly CloseCause[] = ["peer", "refused", "unreachable", "reset", "local"];
/** What read bytes are overwritten with: an actor that kept its view of lent bytes reads this. */
const SCRIBBLE = 0xa5;
/** A kernel repeats what nobody acknowledges, each time waiting twice as long, and then gives the connection up. */
const RETRANSMIT_FIRST: Micros = 200_000;
const RETRANSMIT_TRIES = 12;

export class Side implements Subject {
  readonly #network: Network;
  readonly host: NetworkUser;
  readonly #out: Pipe = new Pipe();
  /** Names this side for its actor. */
  conn: ConnId;
  /** The other side; undefined before the connection stands, and when the other side's kernel has forgotten it. */
  peer: Side | undefined;
  #in: Pipe | undefined;
  #state: "connecting" | "open" | "closed" = "connecting";
  #paused = false;
  #deliveryDue = false;
  #owesDrained = false;
  /** The host that `peer` was or is on. */
  #other: NetworkUser | undefined;
  #retransmitting = false;
  readonly to: Address;

  constructor(network: Network, host: NetworkUser, conn: ConnId, to: Address) {
    this.#network = network;
    this.host = host;
    this.conn = conn;
    this.to = to;
  }

  /** Not yet closed as its actor sees it. */
  get open(): boolean {
    return this.#state !== "closed";
  }
  /** Bytes sent by the actor and not yet given to the network. */
  get queued(): number {
    return this.#out.tail - this.#out.handed;
  }

  /** Takes bytes; {@link pump} moves them. */
  send(bytes: Uint8Array, start: number, end: number): void {
    if (!this.open) return;
    this.#network.tap?.(this, this.#other?.name ?? "", bytes, start, end);
    this.#out.push(bytes, start, end);
  }

  /** Gives the network what its window and its blocks allow. */
  pump(): void {
    const out = this.#out;
    if (this.#in === undefined || out.finSent) return;
    const peer = this.peer;
    if (peer === undefined) return this.#sendToGhost();
    if (this.#network.blocked(this.host, peer.host)) return this.#noteBacklog();
    const { window } = this.#network.profile;
    const room = window - (out.handed - out.head);
    const waiting = out.tail - out.handed;
    // A little room is no use: segments would only get smaller and smaller (the silly window syndrome).
    if (waiting > 0 && (waiting <= room || room >= window >> 1)) {
      this.#network.segment(this, peer, Math.min(waiting, room));
    }
    if (out.handed < out.tail) return this.#noteBacklog();
    if (this.#owesDrained) {
      this.#owesDrained = false;
      this.#schedule(Kind.drained);
    }
    if (out.finishing) {
      out.finSent = true;
      this.#network.after(this, peer, Kind.fin);
      this.#network.forget(this);
    }
  }

  close(): void {
    if (!this.open) return;
    this.#state = "closed";
    this.#schedule(Kind.closed, CAUSES.indexOf("local"));
    this.#out.finishing = true;
    if (this.#in === undefined) this.#network.forget(this);
    else {
      this.#discardInput();
      this.pump();
    }
  }

  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.open) this.#deliverSoon();
  }

  /** The process is gone. `power`: and its kernel with it, so that nobody tells the other side. */
  abandon(power: boolean): void {
    const peer = this.peer;
    const wasOpen = this.open;
    this.#state = "closed";
    this.#network.forget(this);
    this.peer = undefined;
    if (peer === undefined) return;
    if (power || this.#network.blocked(this.host, peer.host)) {
      peer.peer = undefined;
      // What was under way is not acknowledged any more.
      peer.pump();
      return;
    }
    // A kernel that closes for a dead process sends what it was handed and then FIN, or RST if input was left unread.
    const unread = this.#in !== undefined && this.#in.arrived > this.#in.head;
    peer.peer = undefined;
    if (wasOpen || !this.#out.finSent) this.#network.after(this, peer, unread ? Kind.reset : Kind.fin);
  }

  /** One side's kernel forgets the connection and tells its actor; the other side learns when it next sends, if at all. */
  sever(): void {
    const { peer } = this;
    this.peer = undefined;
    this.#schedule(Kind.reset);
    if (peer === undefined) return;
    peer.peer = undefined;
    peer.pump();
  }

  /** Both sides learn, each after its own latency. */
  reset(): void {
    const peer = this.peer;
    this.#schedule(Kind.reset);
    if (peer !== undefined) peer.#schedule(Kind.reset);
  }

  happen(kind: number, n: number): void {
    switch (kind) {
      case Kind.segment:
        return this.#onSegment(n);
      case Kind.deliver:
        return this.#onDeliver();
      case Kind.fin:
        return this.#onFin();
      case Kind.reset:
        return this.#end("reset");
      case Kind.arrive:
        return this.#network.arrive(this);
      case Kind.connected:
        return this.#onConnected();
      case Kind.failed:
        return this.#end(CAUSES[n]!);
      case Kind.closed:
        return this.#onClosed(CAUSES[n]!);
      case Kind.drained:
        return this.#onDrained();
      case Kind.accepted:
        return this.#onAccepted();
      case Kind.retransmit:
        return this.#onRetransmit(n);
      default:
        invariant(false, "a side knows every kind of event it schedules");
    }
  }

  /** The listener's side of `this` comes into being. */
  meet(listener: Side): void {
    this.peer = listener;
    this.#other = listener.host;
    listener.peer = this;
    listener.#other = this.host;
    this.#in = listener.#out;
    listener.#in = this.#out;
    listener.#state = "open";
    listener.#schedule(Kind.accepted);
    // Nothing from the listener overtakes the news that it accepted.
    this.#network.after(listener, this, Kind.connected);
  }

  #onAccepted(): void {
    if (!this.open) return;
    if (this.host.paused) return this.host.defer(this, Kind.accepted, 0);
    this.conn = this.host.accepted(this, this.#network.portOf(this), addressOf(this.#other!));
    this.#deliverSoon();
    this.pump();
  }

  #onConnected(): void {
    if (this.#state !== "connecting") return;
    if (this.host.paused) return this.host.defer(this, Kind.connected, 0);
    this.#state = "open";
    this.host.connected(this);
    this.pump();
    this.#deliverSoon();
  }

  #onSegment(length: number): void {
    const input = this.#in!;
    input.arrived += length;
    if (this.open) this.#onDeliver();
    else this.#discardInput();
  }

  /** Gives the actor what has arrived, if it is willing. */
  #onDeliver(): void {
    this.#deliveryDue = false;
    const input = this.#in;
    if (input === undefined || this.#state !== "open" || this.#paused || this.conn === NO_CONN) return;
    if (this.host.paused) return this.#deferDelivery();
    const { head, arrived } = input;
    if (arrived > head) {
      this.host.received(this, input.bytes.subarray(head, arrived));
      // The handler's own sends go through another pipe, so this one has not moved.
      input.bytes.fill(SCRIBBLE, head, arrived);
      input.head = arrived;
      if (input.head === input.tail) input.head = input.arrived = input.handed = input.tail = 0;
      this.peer?.pump();
    }
    // A resume within that handler changes nothing, a pause keeps the FIN back.
    if (input.finArrived && this.open && !this.#paused && input.arrived === input.head) this.#end("peer");
  }

  #onFin(): void {
    const input = this.#in;
    if (input === undefined) return this.#end("peer");
    input.finArrived = true;
    if (this.open) this.#onDeliver();
  }

  /** The connection is over and the actor has not been told. */
  #end(cause: CloseCause): void {
    if (!this.open) return;
    if (this.host.paused) return this.host.defer(this, Kind.failed, CAUSES.indexOf(cause));
    this.#state = "closed";
    this.#discardInput();
    this.#network.forget(this);
    if (cause === "peer") {
      this.#out.finishing = true;
      this.pump();
    }
    this.#onClosed(cause);
  }

  #onClosed(cause: CloseCause): void {
    if (this.host.paused) return this.host.defer(this, Kind.closed, CAUSES.indexOf(cause));
    if (this.conn !== NO_CONN) this.host.closed(this, cause);
  }

  #onDrained(): void {
    if (!this.open) return;
    if (this.host.paused) return this.host.defer(this, Kind.drained, 0);
    this.host.drained(this);
  }

  /** Nobody reads here any more; the sender must not wait for room. */
  #discardInput(): void {
    const input = this.#in;
    if (input === undefined) return;
    input.head = input.arrived;
    this.peer?.pump();
  }

  /** To a kernel that has forgotten this connection: it answers RST, or is not there to answer. */
  #sendToGhost(): void {
    this.#noteBacklog();
    if (this.#out.arrived === this.#out.tail || this.#retransmitting || !this.open) return;
    this.#retransmitting = true;
    this.#onRetransmit(0);
  }

  #onRetransmit(tries: number): void {
    if (!this.open) return;
    const { agenda } = this.#network;
    const answered = this.#network.reaches(this.host, this.#other!) && this.#network.reaches(this.#other!, this.host);
    if (answered || tries === RETRANSMIT_TRIES) return this.#network.roundTrip(this, Kind.reset);
    agenda.schedule(agenda.now + RETRANSMIT_FIRST * 2 ** tries, this, Kind.retransmit, tries + 1);
  }

  #noteBacklog(): void {
    if (this.queued > QUEUED_HIGH_WATER) this.#owesDrained = true;
  }

  #deliverSoon(): void {
    if (this.#deliveryDue) return;
    this.#deliveryDue = true;
    this.#schedule(Kind.deliver);
  }
  #deferDelivery(): void {
    if (this.#deliveryDue) return;
    this.#deliveryDue = true;
    this.host.defer(this, Kind.deliver, 0);
  }
  #schedule(kind: number, n = 0): void {
    this.#network.agenda.schedule(this.#network.agenda.now, this, kind, n);
  }
  /** For the network, which knows latencies. */
  get outgoing(): Pipe {
    return this.#out;
  }
}

/** Whoever connects has no address of its own in this world; a name and a made-up port will do. */
function addressOf(host: NetworkUser): Address {
  return `${host.name}:0` as Address;
}
