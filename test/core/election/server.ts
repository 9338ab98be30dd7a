/**
 * A server that does nothing but elect, and of the rest so much that an election has consequences: a leader gathers a
 * quorum of followers on the quorum port, takes an epoch, pings; who loses the other side looks again. No promises, no
 * log: what a campaign checks here is that elections end, not what Zab makes of them.
 */
import type { Actor, Address, CloseCause, ConnId, Context, DiskOp, Millis, Port } from "../../../core/actor.ts";
import { Prng } from "../../../core/base/prng.ts";
import { TimerTable } from "../../../core/base/timers.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import type { EnsembleConfig } from "../../../core/config.ts";
import { DEFAULT_ENSEMBLE_CONFIG } from "../../../core/config.ts";
import { Election } from "../../../core/election/election.ts";
import type { ElectionHost } from "../../../core/election/election.ts";
import type { Vote } from "../../../core/election/vote.ts";
import { Writer } from "../../../core/jute/writer.ts";
import type { QuorumConfig } from "../../../core/quorum/config.ts";
import { QuorumView } from "../../../core/quorum/view.ts";
import { quorumPlaceOf } from "./members.ts";

/** What survives a crash. */
export interface Disk {
  zxid: Zxid;
  epoch: number;
}

const BEAT: Millis = 100;
/** A role ends when the other side was silent, or no quorum came, for as long as this. */
const PATIENCE: Millis = 1000;
const RETRIES = 5;
/** id and epoch. */
const PACKET_BYTES = 16;

interface Contact {
  readonly conn: ConnId;
  heardAt: Millis;
  id: number | undefined;
  epoch: number;
  rest: number[];
}

type Role =
  | { readonly kind: "leading"; quorumAt: Millis; epoch: number }
  | { readonly kind: "learning"; readonly leader: number; contact: Contact; retries: number; epoch: number };

export class ElectionServer implements Actor, ElectionHost {
  readonly myId: number;
  readonly ensemble: EnsembleConfig;
  readonly view: QuorumView;
  readonly election: Election;
  readonly #disk: Disk;
  readonly #timers: TimerTable<"beat" | "connect"> = new TimerTable();
  /** Those that came to the quorum port, by connection: learners, or those that may become such. */
  readonly #learners: Map<ConnId, Contact> = new Map();
  #role: Role | undefined;
  electedAt: Millis = Infinity;

  constructor(id: number, config: QuorumConfig, disk: Disk, seed: number) {
    this.myId = id;
    this.ensemble = { ...DEFAULT_ENSEMBLE_CONFIG, electionConnectTimeout: 1000 };
    this.view = new QuorumView(id, config);
    this.#disk = disk;
    this.election = new Election(this, new Prng(seed));
  }

  /** Whom it follows, or itself, once that has been agreed with it; undefined while there is nobody. */
  get leader(): number | undefined {
    const role = this.#role;
    if (role === undefined || role.epoch === 0) return undefined;
    return role.kind === "leading" ? this.myId : role.leader;
  }

  lastZxid(): Zxid {
    return this.#disk.zxid;
  }
  currentEpoch(): number {
    return this.#disk.epoch;
  }

  onElected(cx: Context, vote: Vote): void {
    this.electedAt = cx.now;
    this.#timers.arm("beat", cx.now + BEAT);
    if (vote.leader === this.myId) {
      this.#role = { kind: "leading", quorumAt: cx.now, epoch: 0 };
      for (const learner of this.#learners.values()) learner.heardAt = cx.now;
      return this.#count(cx);
    }
    for (const conn of this.#learners.keys()) cx.close(conn);
    this.#learners.clear();
    this.#role = { kind: "learning", leader: vote.leader, contact: this.#call(cx, vote.leader), retries: 0, epoch: 0 };
  }
  onNewerConfig(): boolean {
    return false;
  }

  onStarted(cx: Context): void {
    this.election.start(cx);
    this.election.lookForLeader(cx);
  }

  onAccepted(cx: Context, conn: ConnId, port: Port, from: Address): void {
    if (port === "election") return this.election.onAccepted(cx, conn, from);
    if (this.#role?.kind === "learning") return cx.close(conn);
    this.#learners.set(conn, newContact(conn, cx.now));
  }

  onConnected(cx: Context, conn: ConnId): void {
    if (this.election.onConnected(cx, conn)) return;
    if (this.#role?.kind === "learning" && this.#role.contact.conn === conn) this.#say(cx, conn, this.#disk.epoch);
  }

  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): void {
    if (this.election.onReceived(cx, conn, bytes)) return;
    const role = this.#role;
    const contact = role?.kind === "learning" ? role.contact : this.#learners.get(conn);
    if (contact?.conn !== conn) return;
    contact.heardAt = cx.now;
    contact.rest.push(...bytes);
    while (contact.rest.length >= PACKET_BYTES) {
      const packet = new DataView(Uint8Array.from(contact.rest.splice(0, PACKET_BYTES)).buffer);
      contact.id = Number(packet.getBigInt64(0));
      contact.epoch = Number(packet.getBigInt64(8));
      if (role?.kind === "learning") this.#onLed(cx, role, contact.epoch);
    }
    if (role?.kind === "leading") this.#count(cx);
  }

  onClosed(cx: Context, conn: ConnId, cause: CloseCause): void {
    if (this.election.onClosed(cx, conn, cause)) return;
    this.#learners.delete(conn);
    const role = this.#role;
    if (role?.kind === "learning" && role.contact.conn === conn) {
      if (role.epoch > 0 || role.retries++ === RETRIES) return this.#look(cx);
      this.#timers.arm("connect", cx.now + BEAT);
    } else if (role?.kind === "leading") this.#count(cx);
  }

  onDrained(cx: Context, conn: ConnId): void {
    this.election.onDrained(cx, conn);
  }
  onDiskDone(_cx: Context, _op: DiskOp): void {}
  onStopRequested(cx: Context): void {
    cx.halt(0, "asked to");
  }

  deadline(): Millis {
    return Math.min(this.election.deadline(), this.#timers.earliest());
  }

  onDeadline(cx: Context): void {
    this.election.onDeadline(cx);
    for (let due = this.#timers.takeExpired(cx.now); due !== undefined; due = this.#timers.takeExpired(cx.now)) {
      const role = this.#role;
      if (role === undefined) continue;
      if (due === "beat") this.#beat(cx, role);
      else if (role.kind === "learning") role.contact = this.#call(cx, role.leader);
    }
  }

  #beat(cx: Context, role: Role): void {
    this.#timers.arm("beat", cx.now + BEAT);
    if (role.kind === "learning") {
      if (cx.now - role.contact.heardAt > PATIENCE) this.#look(cx);
      else if (role.epoch > 0) this.#say(cx, role.contact.conn, role.epoch);
      return;
    }
    for (const learner of this.#learners.values()) {
      if (cx.now - learner.heardAt > PATIENCE) this.#learners.delete(learner.conn);
      else if (role.epoch > 0) this.#say(cx, learner.conn, role.epoch);
    }
    this.#count(cx);
    if (cx.now - role.quorumAt > PATIENCE) this.#look(cx);
  }

  #count(cx: Context): void {
    const role = this.#role;
    if (role?.kind !== "leading") return;
    const ids = new Set([this.myId]);
    for (const { id } of this.#learners.values()) if (id !== undefined) ids.add(id);
    if (!this.view.containsQuorum(ids)) return;
    role.quorumAt = cx.now;
    let epoch = this.#disk.epoch;
    for (const learner of this.#learners.values()) epoch = Math.max(epoch, learner.epoch);
    // One that heard of an epoch which only a few did: with it, there will be a later one.
    if (role.epoch > 0) return epoch > role.epoch ? this.#look(cx) : this.#greet(cx, role.epoch);
    role.epoch = epoch + 1;
    this.#adopt(role.epoch);
    this.#greet(cx, role.epoch);
  }

  #greet(cx: Context, epoch: number): void {
    for (const { conn, id, epoch: known } of this.#learners.values()) {
      if (id !== undefined && known !== epoch) this.#say(cx, conn, epoch);
    }
  }

  #onLed(cx: Context, role: Role & { kind: "learning" }, epoch: number): void {
    if (epoch < this.#disk.epoch) return this.#look(cx);
    role.epoch = epoch;
    this.#adopt(epoch);
  }

  #adopt(epoch: number): void {
    if (this.#disk.epoch !== epoch) this.#disk.zxid = packZxid(epoch, 1);
    this.#disk.epoch = epoch;
    this.election.setVoteEpoch(epoch);
  }

  #look(cx: Context): void {
    const role = this.#role;
    if (role?.kind === "learning") cx.close(role.contact.conn);
    for (const conn of this.#learners.keys()) cx.close(conn);
    this.#learners.clear();
    this.#role = undefined;
    this.#timers.disarm("beat");
    this.#timers.disarm("connect");
    this.electedAt = Infinity;
    this.election.lookForLeader(cx);
  }

  #call(cx: Context, leader: number): Contact {
    return newContact(cx.connect(quorumPlaceOf(leader)), cx.now);
  }

  #say(cx: Context, conn: ConnId, epoch: number): void {
    const w = new Writer(PACKET_BYTES);
    w.long(this.myId);
    w.long(epoch);
    cx.send(conn, w.bytes);
  }
}

function newContact(conn: ConnId, heardAt: Millis): Contact {
  return { conn, heardAt, id: undefined, epoch: 0, rest: [] };
}
