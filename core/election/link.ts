/** What links.ts keeps: one record per connection, one per server that it connects to; and the times it goes by. */
import type { Address, ConnId, Context, Millis } from "../actor.ts";
import { FrameBuffer } from "../jute/frames.ts";
import type { QuorumView } from "../quorum/view.ts";
import { ELECTION_FRAME_MAX } from "../protocol/election-messages.ts";

/** Who connected and has not said who it is is closed after this long. Java waits `tickTime * syncLimit`, in its listener. */
export const GREETING_TIMEOUT: Millis = 3000;
/** A peer with a larger id that was greeted gets this long to call back. A link this young is not replaced by a greeting. */
export const CALLBACK_WAIT: Millis = 1000;
/** Between attempts to reach one peer: doubling from the one to the other. */
export const RETRY_MIN: Millis = 100;
export const RETRY_MAX: Millis = 2000;
/** A link that has brought nothing for this long may be dead without anybody knowing. */
export const SILENCE_MAX: Millis = 5000;
export const NO_BYTES: Uint8Array = new Uint8Array(0);

export interface LinksHost {
  readonly myId: number;
  readonly view: QuorumView;
}

export interface LinksListener {
  /** A frame, lent, from `id`: negative for observers without one. */
  onFrame(cx: Context, id: number, bytes: Uint8Array, start: number, end: number): void;
  /** A link came up or broke, or an attempt failed. */
  onReachChanged(cx: Context, id: number): void;
}

export interface Link {
  readonly conn: ConnId;
  /** Closing: this side has closed it, and its last event is still to come. */
  state: "dialing" | "greeting" | "open" | "closing";
  /** Whose it is; undefined before its greeting. */
  peer: Peer | undefined;
  /** What it is waiting for must have come by then; Infinity once open. */
  until: Millis;
  readonly since: Millis;
  /** Dialing: where to, if this fails. */
  places: readonly Address[];
  /** Its greeting so far. */
  head: Uint8Array;
  readonly frames: FrameBuffer;
}

/** Another server, for as long as it belongs to the view or has a connection. */
export interface Peer {
  readonly id: number;
  link: Link | undefined;
  /** At most one at a time. */
  attempt: Link | undefined;
  /** Where it says it can be called back. */
  advertised: readonly Address[];
  /** The last message for it, with its frame's length: sent again when a link comes up, for nobody confirms anything. */
  last: Uint8Array | undefined;
  /** It has not left yet. */
  waiting: boolean;
  /** A link to it is wanted: tried again at `retryAt` until there is one. */
  wanted: boolean;
  retryAt: Millis;
  retryPause: Millis;
  triedAt: Millis;
  /** All its places turned the last attempt down, and it has not been heard of since. */
  down: boolean;
  heardAt: Millis;
}

export function newLink(cx: Context, conn: ConnId, state: Link["state"], peer: Peer | undefined, wait: Millis): Link {
  const frames = new FrameBuffer(ELECTION_FRAME_MAX);
  return { conn, state, peer, until: cx.now + wait, since: cx.now, places: [], head: NO_BYTES, frames };
}

export function newPeer(id: number): Peer {
  return {
    id,
    link: undefined,
    attempt: undefined,
    advertised: [],
    last: undefined,
    waiting: false,
    wanted: false,
    retryAt: -Infinity,
    retryPause: 0,
    triedAt: -Infinity,
    down: false,
    heardAt: -Infinity,
  };
}

/** The earliest instant at which one of them waits no longer. */
export function nextDue(links: Iterable<Link>, peers: Iterable<Peer>): Millis {
  let due = Infinity;
  for (const link of links) if (link.until < due) due = link.until;
  for (const peer of peers) {
    if (peer.wanted && peer.link === undefined && peer.attempt === undefined && peer.retryAt < due) due = peer.retryAt;
  }
  return due;
}

/** Who has waited longest among those that have not said who they are, and how many they are. */
export function ungreeted(links: Iterable<Link>): [oldest: Link | undefined, count: number] {
  let count = 0;
  let oldest: Link | undefined;
  for (const link of links) {
    if (link.state !== "greeting") continue;
    count++;
    oldest ??= link;
  }
  return [oldest, count];
}

export function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
