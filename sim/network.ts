/**
 * Byte streams between hosts, as TCP gives them: in order, cut anywhere, with a window of bytes that may be under way,
 * and with the ways of ending that TCP has: FIN, RST, and the half-open connection whose one side never learns. The
 * network draws latencies and cuts from its own stream of chance; what goes wrong is decided by whoever calls
 * {@link Network.cut} and {@link Network.block}, which in a run is the fault schedule.
 */
import type { Address, CloseCause, ConnId, Port } from "../core/actor.ts";
import type { Prng } from "../core/base/prng.ts";
import { invariant } from "../core/invariant.ts";
import { QUEUED_HIGH_WATER } from "../core/outbox.ts";
import type { Agenda, Micros, Subject } from "./events.ts";
import type { Range } from "./range.ts";
import { drawFrom } from "./range.ts";

export interface NetworkProfile {
  /** One way, per segment. Order within a direction is kept whatever is drawn. */
  readonly latency: Range;
  /**
   * How what was sent is cut. `whole`: as one event sent it. `some`: now and then in two, the cut often within the
   * first bytes, where a frame has its length. `bytes`: in crumbs.
   */
  readonly segmentation: "whole" | "some" | "bytes";
  /** Bytes that may be under way or unread in one direction; what exceeds them waits with the sender. */
  readonly window: number;
  /** How long an attempt to reach somebody unreachable lasts. */
  readonly connectTimeout: Range;
}

export const FAST_NETWORK: NetworkProfile = Object.freeze<NetworkProfile>({
  latency: [50, 300],
  segmentation: "some",
  window: 64 * 1024,
  connectTimeout: [1_000_000, 3_000_000],
});

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
const Kind = {
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
const CAUSES: readonly CloseCause[] = ["peer", "refused", "unreachable", "reset", "local"];
/** What read bytes are overwritten with: an actor that kept its view of lent bytes reads this. */
const SCRIBBLE = 0xa5;
const BUFFER_INITIAL = 512;
/** A kernel repeats what nobody acknowledges, each time waiting twice as long, and then gives the connection up. */
const RETRANSMIT_FIRST: Micros = 200_000;
const RETRANSMIT_TRIES = 12;

/** One direction of a connection: what one side sent and the other has not read. Offsets count from the buffer's start. */
class Pipe {
  bytes: Uint8Array = new Uint8Array(BUFFER_INITIAL);
  /** `head <= arrived <= handed <= tail`: read by the receiver; at its host; given to the network; sent by the actor. */
  head = 0;
  arrived = 0;
  handed = 0;
  tail = 0;
  /** No segment arrives before the one sent earlier. */
  lastArrival: Micros = 0;
  /** The sender closed; a FIN follows the last byte. */
  finishing = false;
  finSent = false;
  finArrived = false;

  push(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (this.tail + length > this.bytes.length) this.#makeRoom(length);
    if (length <= 48) for (let i = 0; i < length; i++) this.bytes[this.tail + i] = source[start + i]!;
    else this.bytes.set(source.subarray(start, end), this.tail);
    this.tail += length;
  }

  #makeRoom(length: number): void {
    const held = this.tail - this.head;
    let size = this.bytes.length;
    while (size < held + length) size *= 2;
    // Moving within the same buffer pays only when most of it is free again.
    const target = size === this.bytes.length && held > size >> 1 ? size * 2 : size;
    const bytes = target === this.bytes.length ? this.bytes : new Uint8Array(target);
    if (bytes === this.bytes) bytes.copyWithin(0, this.head, this.tail);
    else bytes.set(this.bytes.subarray(this.head, this.tail));
    this.bytes = bytes;
    this.arrived -= this.head;
    this.handed -= this.head;
    this.tail -= this.head;
    this.head = 0;
  }
}

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
    if (this.open) this.#out.push(bytes, start, end);
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

/** An accepted side whose actor has not been told yet. */
export const NO_CONN: ConnId = 0 as ConnId;

interface Listener {
  readonly host: NetworkUser;
  readonly port: Port;
}

export class Network {
  readonly agenda: Agenda;
  readonly profile: NetworkProfile;
  readonly #prng: Prng;
  readonly #listeners: Map<Address, Listener> = new Map();
  /** Sides that live, in order of creation. */
  readonly #sides: Set<Side> = new Set();
  /** `from>to` of host names whose bytes do not pass, with how many faults say so. */
  readonly #blocks: Map<string, number> = new Map();

  constructor(agenda: Agenda, profile: NetworkProfile, prng: Prng) {
    this.agenda = agenda;
    this.profile = profile;
    this.#prng = prng;
  }

  listen(address: Address, host: NetworkUser, port: Port): void {
    this.#listeners.set(address, { host, port });
  }
  unlisten(address: Address): void {
    this.#listeners.delete(address);
  }

  connect(host: NetworkUser, conn: ConnId, to: Address): Side {
    const side = new Side(this, host, conn, to);
    this.#sides.add(side);
    this.agenda.schedule(this.agenda.now + this.#latency(), side, Kind.arrive);
    return side;
  }

  /** Bytes from one host to another wait until {@link unblock}; attempts to connect fail. Blocks of a pair add up. */
  block(from: string, to: string): void {
    const key = `${from}>${to}`;
    this.#blocks.set(key, (this.#blocks.get(key) ?? 0) + 1);
  }
  unblock(from: string, to: string): void {
    const key = `${from}>${to}`;
    const left = (this.#blocks.get(key) ?? 0) - 1;
    if (left > 0) this.#blocks.set(key, left);
    else this.#blocks.delete(key);
    for (const side of this.#sides) side.pump();
  }
  blocked(from: NetworkUser, to: NetworkUser): boolean {
    return this.#blocks.size > 0 && this.#blocks.has(`${from.name}>${to.name}`);
  }

  /** Ends every connection between two hosts. `half`: only the first one's kernel forgets, the other side is not told. */
  cut(one: string, other: string, how: "reset" | "half"): number {
    let count = 0;
    for (const side of [...this.#sides]) {
      if (side.host.name !== one || side.peer?.host.name !== other) continue;
      count++;
      if (how === "reset") side.reset();
      else side.sever();
    }
    return count;
  }

  /** Every connection of a host whose process is gone. */
  abandon(host: NetworkUser, power: boolean): void {
    for (const side of [...this.#sides]) if (side.host === host) side.abandon(power);
  }

  forget(side: Side): void {
    this.#sides.delete(side);
  }

  portOf(side: Side): Port {
    return this.#listeners.get(side.to)!.port;
  }
  /** An attempt to connect reaches the host it is meant for, or nobody. */
  arrive(side: Side): void {
    if (!side.open) return;
    const listener = this.#listeners.get(side.to);
    if (listener !== undefined) {
      const { host } = listener;
      if (!this.reaches(side.host, host) || !this.reaches(host, side.host)) {
        const timeout = drawFrom(this.#prng, this.profile.connectTimeout);
        return this.agenda.schedule(this.agenda.now + timeout, side, Kind.failed, CAUSES.indexOf("unreachable"));
      }
      const other = new Side(this, host, NO_CONN, side.to);
      this.#sides.add(other);
      return side.meet(other);
    }
    this.agenda.schedule(this.agenda.now + this.#latency(), side, Kind.failed, CAUSES.indexOf("refused"));
  }

  /** Sends `kind` after everything `from` has sent so far. */
  after(from: Side, to: Side, kind: number): void {
    this.agenda.schedule(this.#arrival(from), to, kind);
  }

  /** Cuts the next `length` bytes of `from` into segments and sends them on their way. */
  segment(from: Side, to: Side, length: number): void {
    const out = from.outgoing;
    out.handed += length;
    let left = length;
    while (left > 0) {
      const piece = this.#piece(left);
      this.agenda.schedule(this.#arrival(from), to, Kind.segment, piece);
      left -= piece;
    }
  }

  /** Something comes back from the other host, which is there to send it. */
  roundTrip(side: Side, kind: number): void {
    this.agenda.schedule(this.agenda.now + this.#latency() + this.#latency(), side, kind);
  }

  reaches(from: NetworkUser, to: NetworkUser): boolean {
    return to.reachable && !this.blocked(from, to);
  }

  #piece(length: number): number {
    const { segmentation } = this.profile;
    if (segmentation === "whole" || length === 1) return length;
    const roll = this.#prng.below(16);
    if (segmentation === "some") {
      if (roll < 13) return length;
      return 1 + this.#prng.below(roll === 13 ? Math.min(8, length - 1) : length - 1);
    }
    return Math.min(length, 1 + (roll < 12 ? roll & 7 : this.#prng.below(length)));
  }

  #arrival(from: Side): Micros {
    const out = from.outgoing;
    const at = Math.max(out.lastArrival, this.agenda.now + this.#latency());
    out.lastArrival = at;
    return at;
  }
  #latency(): Micros {
    return drawFrom(this.#prng, this.profile.latency);
  }
}

/** Whoever connects has no address of its own in this world; a name and a made-up port will do. */
function addressOf(host: NetworkUser): Address {
  return `${host.name}:0` as Address;
}
