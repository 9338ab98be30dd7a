/**
 * Byte streams between hosts, as TCP gives them: in order, cut anywhere, with a window of bytes that may be under way,
 * and with the ways of ending that TCP has. Here is who listens where, who reaches whom, and how long it takes; what one
 * side of a connection lives through is in side.ts. The network draws latencies and cuts from its own stream of chance;
 * what goes wrong is decided by whoever calls {@link Network.cut} and {@link Network.block}, which in a run is the fault
 * schedule.
 */
import type { Address, ConnId, Port } from "../core/actor.ts";
import type { Prng } from "../core/base/prng.ts";
import type { Agenda, Micros } from "./events.ts";
import type { Range } from "./range.ts";
import { drawFrom } from "./range.ts";
import { CAUSES, Kind, NO_CONN, Side } from "./side.ts";
import type { NetworkUser } from "./side.ts";

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

/** Somebody who reads along: bytes as an actor sends them, before anything can happen to them. */
export type Tap = (from: Side, to: string, bytes: Uint8Array, start: number, end: number) => void;

interface Listener {
  readonly host: NetworkUser;
  readonly port: Port;
}

export class Network {
  readonly agenda: Agenda;
  readonly profile: NetworkProfile;
  /** Must not change the world. */
  tap: Tap | undefined;
  readonly #prng: Prng;
  readonly #listeners: Map<Address, Listener> = new Map();
  /** Sides that live, in order of creation. */
  readonly #sides: Set<Side> = new Set();
  /** `from>to` of host names whose bytes do not pass, with how many faults say so. */
  readonly #blocks: Map<string, number> = new Map();
  /** `from>to` and how much longer it takes there. */
  readonly #delays: Map<string, Micros> = new Map();

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
  /** What `from` sends to `to` takes this much longer; 0 ends it. */
  slow(from: string, to: string, by: Micros): void {
    if (by > 0) this.#delays.set(`${from}>${to}`, by);
    else this.#delays.delete(`${from}>${to}`);
  }
  /** Ends every block and every delay. */
  heal(): void {
    this.#blocks.clear();
    this.#delays.clear();
    for (const side of this.#sides) side.pump();
  }
  blocked(from: NetworkUser, to: NetworkUser): boolean {
    return this.#blocks.size > 0 && this.#blocks.has(`${from.name}>${to.name}`);
  }

  /** Ends every connection between two hosts. `half`: only the first one's kernel forgets, the other side is not told. */
  cut(one: string, other: string, how: "reset" | "half"): number {
    let count = 0;
    for (const side of this.#sides) {
      if (side.host.name !== one || side.peer?.host.name !== other) continue;
      count++;
      if (how === "reset") side.reset();
      else side.sever();
    }
    return count;
  }

  /** Every connection of a host whose process is gone. */
  abandon(host: NetworkUser, power: boolean): void {
    for (const side of this.#sides) if (side.host === host) side.abandon(power);
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
    this.agenda.schedule(this.#arrival(from, to), to, kind);
  }

  /** Cuts the next `length` bytes of `from` into segments and sends them on their way. */
  segment(from: Side, to: Side, length: number): void {
    const out = from.outgoing;
    out.handed += length;
    let left = length;
    while (left > 0) {
      const piece = this.#piece(left);
      this.agenda.schedule(this.#arrival(from, to), to, Kind.segment, piece);
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

  #arrival(from: Side, to: Side): Micros {
    const out = from.outgoing;
    const slower = this.#delays.size === 0 ? 0 : (this.#delays.get(`${from.host.name}>${to.host.name}`) ?? 0);
    const at = Math.max(out.lastArrival, this.agenda.now + this.#latency() + slower);
    out.lastArrival = at;
    return at;
  }
  #latency(): Micros {
    return drawFrom(this.#prng, this.profile.latency);
  }
}
