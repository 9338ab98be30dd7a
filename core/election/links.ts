/**
 * The connections of the election port: one per pair of servers, made by the one with the larger id, used both ways
 * (Java: QuorumCnxManager; reference, sections 2.1 to 2.3). Here is who connects to whom and when, what survives when
 * two connections meet, and one message per peer that waits. What messages say is election.ts's business.
 *
 * Beyond Java: who has a smaller id than a peer that stays silent calls it again; a refused connection is tried again
 * after a tenth of a second, then less often, for as long as this server looks for a leader, not when a notification is
 * due; nobody who connects may stay without a greeting.
 */
import type { Address, CloseCause, ConnId, Context, Millis } from "../actor.ts";
import type { Prng } from "../base/prng.ts";
import { ELECTION_STRANGERS_MAX } from "../limits.ts";
import { QUEUED_HIGH_WATER } from "../outbox.ts";
import { readGreeting, writeGreeting } from "../protocol/election-messages.ts";
import type { Greeting } from "../protocol/election-messages.ts";
import { Writer } from "../jute/writer.ts";
import {
  CALLBACK_WAIT,
  GREETING_TIMEOUT,
  newLink,
  newPeer,
  nextDue,
  joined,
  ungreeted,
  NO_BYTES,
  RETRY_MAX,
  RETRY_MIN,
  SILENCE_MAX,
} from "./link.ts";
import type { Link, LinksHost, LinksListener, Peer } from "./link.ts";
import { placesOf, usablePlaces } from "./places.ts";

export class Links {
  readonly #host: LinksHost;
  readonly #listener: LinksListener;
  readonly #prng: Prng;
  readonly #connectTimeout: Millis;
  readonly #conns: Map<ConnId, Link> = new Map();
  readonly #peers: Map<number, Peer> = new Map();
  readonly #writer = new Writer();
  #running = false;
  /** Links that break are made again. */
  #seeking = false;
  #lastAnonymous = 0;
  /** Where this server can be called back, kept when it is no longer a member. */
  #ownPlace: Address = "0.0.0.0:0" as Address;
  /** The next instant at which something here is due; {@link Links.#look} finds it. */
  #due: Millis = Infinity;

  constructor(host: LinksHost, listener: LinksListener, connectTimeout: Millis, prng: Prng) {
    this.#host = host;
    this.#listener = listener;
    this.#connectTimeout = connectTimeout;
    this.#prng = prng;
  }

  start(): void {
    this.#running = true;
  }

  stop(cx: Context): void {
    this.#running = false;
    for (const link of this.#conns.values()) this.#drop(cx, link);
    this.#peers.clear();
    this.#due = Infinity;
  }

  /** Those `ids` are to be reached, now and until {@link rest}: what was learned of who is down is forgotten. */
  seek(cx: Context, ids: readonly number[]): void {
    this.#seeking = true;
    for (const id of ids) {
      if (id === this.#host.myId) continue;
      const peer = this.#peerOf(id);
      peer.wanted = true;
      peer.retryPause = 0;
      if (peer.down) peer.retryAt = cx.now;
      peer.down = false;
      this.#reach(cx, peer);
    }
    this.#look();
  }

  /** Broken links need not be made again, until somebody connects or there is something to say. */
  rest(): void {
    this.#seeking = false;
    for (const peer of this.#peers.values()) peer.wanted = false;
    this.#look();
  }

  /** `message` is kept, not copied. It takes the place of one that has not left yet. Strangers need a link. */
  send(cx: Context, id: number, message: Uint8Array): void {
    const peer = this.#host.view.has(id) ? this.#peerOf(id) : this.#peers.get(id);
    if (peer === undefined) return;
    peer.last = message;
    peer.waiting = true;
    if (peer.link !== undefined) return this.#flush(cx, peer, peer.link);
    peer.wanted = true;
    this.#reach(cx, peer);
    this.#look();
  }

  /** What `id` gets when it connects anew, in place of what was sent to it before. */
  replaceLast(id: number, message: Uint8Array): void {
    const peer = this.#peers.get(id);
    if (peer?.last !== undefined) peer.last = message;
  }

  /** Has links that may be dead made anew; whoever is alive answers on the new one. */
  renewSilent(cx: Context): void {
    for (const peer of this.#peers.values()) {
      const { link } = peer;
      if (link === undefined || peer.id < 0 || !this.#host.view.has(peer.id)) continue;
      if (cx.now - Math.max(link.since, peer.heardAt, peer.triedAt) >= SILENCE_MAX) this.#dial(cx, peer);
    }
    this.#look();
  }

  /** There is no link to `id`, and since the last {@link seek} every place it could be at has turned an attempt down. */
  isDown(id: number): boolean {
    const peer = this.#peers.get(id);
    return peer !== undefined && peer.link === undefined && peer.down;
  }

  /** Links to servers that no configuration names any more are closed. */
  viewChanged(cx: Context): void {
    for (const peer of this.#peers.values()) {
      if (peer.id < 0 || this.#host.view.has(peer.id)) continue;
      this.#peers.delete(peer.id);
      if (peer.link !== undefined) this.#drop(cx, peer.link);
      if (peer.attempt !== undefined) this.#drop(cx, peer.attempt);
    }
    this.#look();
  }

  onAccepted(cx: Context, conn: ConnId, _from: Address): void {
    const link = this.#newLink(cx, conn, "greeting", undefined, GREETING_TIMEOUT);
    if (!this.#running) return this.#drop(cx, link);
    const [oldest, count] = ungreeted(this.#conns.values());
    if (count > ELECTION_STRANGERS_MAX) this.#refuse(cx, oldest!, "too many connections without a greeting");
    this.#look();
  }

  onConnected(cx: Context, conn: ConnId): boolean {
    const link = this.#conns.get(conn);
    if (link === undefined) return false;
    if (link.state !== "dialing") return true;
    const peer = link.peer!;
    peer.attempt = undefined;
    peer.retryPause = 0;
    peer.down = false;
    this.#ownPlace = this.#host.view.electionAddressOf(this.#host.myId) ?? this.#ownPlace;
    // In one piece, and at once: Java reads it with one call, in the thread that accepts.
    writeGreeting(this.#writer.clear(), this.#host.myId, this.#ownPlace);
    cx.send(conn, this.#writer.bytes, 0, this.#writer.length);
    if (peer.id > this.#host.myId) {
      // The larger id connects: it knows now that this server is there.
      this.#drop(cx, link);
      peer.retryAt = cx.now + CALLBACK_WAIT;
    } else this.#open(cx, link, peer);
    this.#look();
    return true;
  }

  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): boolean {
    const link = this.#conns.get(conn);
    if (link === undefined) return false;
    if (link.state === "greeting") this.#onGreetingBytes(cx, link, bytes);
    else if (link.state === "open") this.#onFrameBytes(cx, link, bytes);
    this.#look();
    return true;
  }

  onDrained(cx: Context, conn: ConnId): boolean {
    const link = this.#conns.get(conn);
    if (link === undefined) return false;
    if (link.state === "open" && link.peer!.waiting) this.#flush(cx, link.peer!, link);
    return true;
  }

  onClosed(cx: Context, conn: ConnId, cause: CloseCause): boolean {
    const link = this.#conns.get(conn);
    if (link === undefined) return false;
    this.#conns.delete(conn);
    if (link.state === "dialing") this.#onAttemptFailed(cx, link, cause);
    else if (link.state === "open") this.#onBroken(cx, link.peer!, cause);
    this.#look();
    return true;
  }

  deadline(): Millis {
    return this.#due;
  }

  onDeadline(cx: Context): void {
    if (cx.now < this.#due) return;
    for (const link of this.#conns.values()) {
      if (link.until > cx.now) continue;
      if (link.state === "dialing") {
        this.#drop(cx, link);
        this.#onAttemptFailed(cx, link, "unreachable");
      } else this.#refuse(cx, link, "no greeting came");
    }
    for (const peer of this.#peers.values()) this.#reach(cx, peer);
    this.#look();
  }

  // Connecting

  /** Dials if a link is wanted, there is none, and it is time. */
  #reach(cx: Context, peer: Peer): void {
    if (!this.#running || !peer.wanted || peer.link !== undefined || peer.attempt !== undefined) return;
    if (peer.retryAt <= cx.now) this.#dial(cx, peer);
  }

  #dial(cx: Context, peer: Peer): void {
    const { attempt } = peer;
    if (attempt !== undefined) {
      // Packets to a server that was down may still be repeated in vain, seconds apart, when it is up again.
      if (cx.now - attempt.since < CALLBACK_WAIT) return;
      this.#drop(cx, attempt);
    }
    const places = placesOf(this.#host.view, peer.id, peer.advertised);
    peer.triedAt = cx.now;
    if (places.length === 0) return this.#giveUp(cx, peer, "it has no address");
    this.#dialNext(cx, peer, places);
  }

  #dialNext(cx: Context, peer: Peer, places: readonly Address[]): void {
    const link = this.#newLink(cx, cx.connect(places[0]!), "dialing", peer, this.#connectTimeout);
    link.places = places.slice(1);
    peer.attempt = link;
  }

  #onAttemptFailed(cx: Context, link: Link, cause: CloseCause): void {
    const peer = link.peer!;
    if (peer.attempt !== link) return;
    peer.attempt = undefined;
    if (link.places.length > 0) this.#dialNext(cx, peer, link.places);
    else this.#giveUp(cx, peer, cause);
  }

  #giveUp(cx: Context, peer: Peer, cause: string): void {
    cx.facts.log("debug", "cannot connect for elections", { server: peer.id, cause });
    peer.down = true;
    // It was silent for long, or there would have been no attempt.
    if (peer.link !== undefined) this.#drop(cx, peer.link);
    peer.link = undefined;
    peer.wanted &&= this.#seeking;
    peer.retryPause = Math.min(Math.max(peer.retryPause * 2, RETRY_MIN), RETRY_MAX);
    peer.retryAt = cx.now + peer.retryPause + this.#prng.below(RETRY_MIN / 4);
    this.#forgetStranger(peer);
    this.#listener.onReachChanged(cx, peer.id);
  }

  #onBroken(cx: Context, peer: Peer, cause: CloseCause): void {
    cx.facts.log("debug", "an election link broke", { server: peer.id, cause });
    peer.link = undefined;
    // At once, for whether the other side is still there decides how long an election waits for it. But not again and
    // again: two servers with one id, or a larger one that is about to call back, would keep us busy.
    const pause = peer.id > this.#host.myId ? CALLBACK_WAIT : RETRY_MIN;
    peer.retryAt = Math.max(cx.now, peer.triedAt + pause);
    peer.wanted &&= this.#seeking;
    this.#forgetStranger(peer);
    this.#reach(cx, peer);
    this.#listener.onReachChanged(cx, peer.id);
  }

  // Greetings

  #onGreetingBytes(cx: Context, link: Link, bytes: Uint8Array): void {
    const head = joined(link.head, bytes);
    const greeting = readGreeting(head);
    if (greeting === "malformed") return this.#refuse(cx, link, "malformed greeting");
    if (greeting === "partial") return void (link.head = head);
    link.head = NO_BYTES;
    const peer = this.#onGreeting(cx, link, greeting);
    if (peer === undefined) return;
    this.#open(cx, link, peer);
    if (link.state === "open" && greeting.length < head.length) {
      this.#onFrameBytes(cx, link, head.subarray(greeting.length));
    }
  }

  /** Whose link this becomes; undefined when it has been closed. */
  #onGreeting(cx: Context, link: Link, greeting: Greeting): Peer | undefined {
    const { myId, view } = this.#host;
    if (greeting.id === myId) return this.#refuse(cx, link, `it says it is ${myId}, as this server is`);
    const known = greeting.id !== "anonymous" && view.has(greeting.id);
    if (!known && this.#strangers() >= ELECTION_STRANGERS_MAX)
      return this.#refuse(cx, link, "too many unknown servers");
    if (greeting.id === "anonymous") return this.#peerOf(--this.#lastAnonymous);
    const peer = this.#peerOf(greeting.id);
    peer.advertised = usablePlaces(greeting.addresses);
    peer.down = false;
    if (peer.id > myId) return peer;
    this.#drop(cx, link);
    // It may have called before it heard from us. A link that is older is one that it has lost.
    if (peer.link !== undefined) {
      if (cx.now - peer.link.since < CALLBACK_WAIT) return undefined;
      this.#drop(cx, peer.link);
      peer.link = undefined;
    }
    peer.wanted = true;
    this.#dial(cx, peer);
    return undefined;
  }

  #open(cx: Context, link: Link, peer: Peer): void {
    if (peer.link !== undefined) this.#drop(cx, peer.link);
    link.state = "open";
    link.until = Infinity;
    link.peer = peer;
    peer.link = link;
    peer.heardAt = cx.now;
    peer.down = false;
    peer.retryPause = 0;
    if (peer.attempt !== undefined) {
      this.#drop(cx, peer.attempt);
      peer.attempt = undefined;
    }
    cx.facts.log("debug", "an election link is up", { server: peer.id });
    if (peer.last !== undefined) this.#flush(cx, peer, link);
    this.#listener.onReachChanged(cx, peer.id);
  }

  // Messages

  #flush(cx: Context, peer: Peer, link: Link): void {
    // Who does not read gets the newest when it reads again, not all that it missed.
    peer.waiting = cx.queued(link.conn) > QUEUED_HIGH_WATER;
    if (!peer.waiting) cx.send(link.conn, peer.last!);
  }

  #onFrameBytes(cx: Context, link: Link, bytes: Uint8Array): void {
    const { frames } = link;
    const peer = link.peer!;
    peer.heardAt = cx.now;
    frames.accept(bytes);
    for (;;) {
      const status = frames.next();
      if (status === "malformed" || (status === "frame" && frames.start === frames.end)) {
        this.#refuse(cx, link, "malformed frame");
        peer.link = undefined;
        peer.retryAt = cx.now + CALLBACK_WAIT;
        this.#forgetStranger(peer);
        return this.#listener.onReachChanged(cx, peer.id);
      }
      if (status === "partial") break;
      this.#listener.onFrame(cx, peer.id, frames.bytes, frames.start, frames.end);
      // What it said may have ended it.
      if (link.state !== "open") return;
    }
    frames.keep();
  }

  // Bookkeeping

  #newLink(cx: Context, conn: ConnId, state: Link["state"], peer: Peer | undefined, wait: Millis): Link {
    const link = newLink(cx, conn, state, peer, wait);
    this.#conns.set(conn, link);
    return link;
  }

  #peerOf(id: number): Peer {
    const peer = this.#peers.get(id) ?? newPeer(id);
    this.#peers.set(id, peer);
    return peer;
  }

  #strangers(): number {
    let count = 0;
    for (const id of this.#peers.keys()) if (!this.#host.view.has(id)) count++;
    return count;
  }

  #forgetStranger(peer: Peer): void {
    if (peer.link === undefined && peer.attempt === undefined && !this.#host.view.has(peer.id)) {
      this.#peers.delete(peer.id);
    }
  }

  #refuse(cx: Context, link: Link, reason: string): undefined {
    cx.facts.log("warn", "closing an election connection", { server: link.peer?.id ?? "unknown", reason });
    this.#drop(cx, link);
  }

  #drop(cx: Context, link: Link): void {
    if (link.state === "closing") return;
    link.state = "closing";
    link.until = Infinity;
    link.head = NO_BYTES;
    link.frames.clear();
    cx.close(link.conn);
  }

  /** Finds out when something is due next. Few links, and nothing of this runs while all is well. */
  #look(): void {
    this.#due = this.#running ? nextDue(this.#conns.values(), this.#peers.values()) : Infinity;
  }
}
