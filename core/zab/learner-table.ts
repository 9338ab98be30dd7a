/**
 * The learners of a leader, and what they are sent (Java: Leader.learners, forwardingFollowers, observingLearners,
 * LearnerHandler.queuedPackets). What all learners of a kind get is encoded once, gathered for the length of an event
 * and handed over at its end; what one learner gets alone goes at once, after what it shares with others.
 */
import type { ConnId, Context } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import { Writer } from "../jute/writer.ts";
import { LEARNER_BATCH_BYTES } from "../limits.ts";
import { PacketType, writeActivate, writePacket } from "../protocol/quorum-packets.ts";
import type { LearnerLink } from "./learner-link.ts";

export class LearnerTable {
  readonly #queueMax: number;
  readonly #byConn = new Map<ConnId, LearnerLink>();
  /** The same, in order of arrival. */
  #links: readonly LearnerLink[] = [];
  readonly #forFollowers = new Writer(1024);
  readonly #forObservers = new Writer(0);
  readonly #alone = new Writer(1024);
  #observersLive = 0;
  #followersLive = 0;
  /** Learners that did not keep up with what they are sent, for the leader to close. */
  #overrun: LearnerLink[] = [];

  /** `queueMax` bytes may wait for a learner on its way to the network (`EnsembleConfig.learnerQueueBytes`). */
  constructor(queueMax: number) {
    this.#queueMax = queueMax;
  }

  /** Closed ones included, until the host has said so. */
  get links(): readonly LearnerLink[] {
    return this.#links;
  }
  find(conn: ConnId): LearnerLink | undefined {
    return this.#byConn.get(conn);
  }
  /** The one that is connected and has said that it is `id`. */
  withId(id: number): LearnerLink | undefined {
    return this.#links.find((link) => link.id === id && link.state !== "closed" && link.state !== "arriving");
  }

  add(link: LearnerLink): void {
    this.#byConn.set(link.conn, link);
    this.#links = [...this.#links, link];
  }

  remove(link: LearnerLink): void {
    this.#byConn.delete(link.conn);
    this.#links = this.#links.filter((other) => other !== link);
  }

  /** What is shared from here on is for `link` too. */
  goLive(link: LearnerLink): void {
    link.state = "forwarding";
    if (link.observer) this.#observersLive++;
    else this.#followersLive++;
    link.handedOver = this.#shared(link).length;
  }

  /** Sends what is gathered for it, then closes it. It stays in the table until the host says that it is over. */
  close(cx: Context, link: LearnerLink): void {
    this.#leave(cx, link);
    cx.close(link.conn);
  }

  /** Its connection is over. */
  onClosed(cx: Context, link: LearnerLink): void {
    this.#leave(cx, link);
    this.remove(link);
  }

  #leave(cx: Context, link: LearnerLink): void {
    if (link.isLive) {
      this.#handOver(cx, link);
      if (link.observer) this.#observersLive--;
      else this.#followersLive--;
    }
    link.state = "closed";
  }

  // For all

  propose(cx: Context, zxid: Zxid, payload: Uint8Array, start: number, end: number): void {
    if (this.#followersLive === 0) return;
    writePacket(this.#forFollowers, PacketType.proposal, zxid, payload, start, end);
    if (this.#forFollowers.length > LEARNER_BATCH_BYTES) this.handOver(cx);
  }

  commit(cx: Context, zxid: Zxid, payload: Uint8Array): void {
    if (this.#followersLive > 0) writePacket(this.#forFollowers, PacketType.commit, zxid, null);
    if (this.#observersLive === 0) return;
    writePacket(this.#forObservers, PacketType.inform, zxid, payload);
    if (this.#forObservers.length > LEARNER_BATCH_BYTES) this.handOver(cx);
  }

  /** The commit of a reconfig: `designated` leads from now on. */
  commitAndActivate(zxid: Zxid, payload: Uint8Array, designated: number): void {
    if (this.#followersLive > 0) writeActivate(this.#forFollowers, zxid, designated, null);
    if (this.#observersLive > 0) writeActivate(this.#forObservers, zxid, designated, payload);
  }

  ping(lastProposed: Zxid): void {
    if (this.#followersLive > 0) writePacket(this.#forFollowers, PacketType.ping, lastProposed, null);
    if (this.#observersLive > 0) writePacket(this.#forObservers, PacketType.ping, lastProposed, null);
  }

  /** Everything gathered becomes the host's: at the end of every event. */
  handOver(cx: Context): void {
    if (this.#forFollowers.length === 0 && this.#forObservers.length === 0) return;
    for (const link of this.#links) {
      if (link.isLive) this.#handOver(cx, link);
      link.handedOver = 0;
    }
    restart(this.#forFollowers);
    restart(this.#forObservers);
  }

  // For one

  /** An empty writer, for packets that {@link send} is to send. Its content is gone at the next call of anything here. */
  packet(): Writer {
    return this.#alone.clear();
  }
  tell(cx: Context, link: LearnerLink, type: number, zxid: Zxid): void {
    writePacket(this.#alone.clear(), type, zxid, null);
    this.send(cx, link, this.#alone);
  }

  /** Bytes of whole packets (or, during a SNAP, of the tree) for one learner. */
  send(cx: Context, link: LearnerLink, w: Writer): void {
    if (link.isLive) this.#handOver(cx, link);
    this.#count(cx, link, w.length);
    cx.send(link.conn, w.bytes, 0, w.length);
  }

  /** Learners that have more waiting for them than they may. */
  takeOverrun(): readonly LearnerLink[] {
    if (this.#overrun.length === 0) return this.#overrun;
    const overrun = this.#overrun;
    this.#overrun = [];
    return overrun;
  }

  #shared(link: LearnerLink): Writer {
    return link.observer ? this.#forObservers : this.#forFollowers;
  }

  #handOver(cx: Context, link: LearnerLink): void {
    const shared = this.#shared(link);
    const from = link.handedOver;
    if (shared.length === from) return;
    link.handedOver = shared.length;
    this.#count(cx, link, shared.length - from);
    cx.send(link.conn, shared.bytes, from, shared.length);
  }

  /** The host is asked now and then only: it has to look. */
  #count(cx: Context, link: LearnerLink, length: number): void {
    link.sentUnasked += length;
    if (link.sentUnasked < LEARNER_BATCH_BYTES) return;
    link.sentUnasked = 0;
    if (cx.queued(link.conn) > this.#queueMax) this.#overrun.push(link);
  }
}

function restart(w: Writer): void {
  w.length = 0;
  if (w.bytes.length > 4 * LEARNER_BATCH_BYTES) w.bytes = new Uint8Array(1024);
}
