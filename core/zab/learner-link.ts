/**
 * A leader's end of the connection to one learner: who it is, how far it has come, how long it may be silent (Java:
 * LearnerHandler's fields). What its packets mean is leader.ts's, what it is sent together with others learner-table.ts's.
 */
import type { Address, ConnId, Millis } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import { ZXID_ZERO } from "../base/zxid.ts";
import { PacketStream } from "../protocol/quorum-packets.ts";
import type { CatchUp } from "./catch-up.ts";

/**
 * The way of a learner, in this order:
 * - `arriving`: has not said who it is;
 * - `announced`: has, and waits for the epoch (LEADERINFO);
 * - `invited`: was told the epoch, its promise (ACKEPOCH) is awaited;
 * - `promised`: waits until enough others have;
 * - `catching-up`: is sent what it lacks;
 * - `forwarding`: was sent NEWLEADER, and everything proposed from then on;
 * - `acknowledged`: has it all durable, and waits for UPTODATE;
 * - `synced`: may serve;
 * - `closed`: its connection was closed here, the host has not said so yet.
 */
export type LinkState =
  | "arriving"
  | "announced"
  | "invited"
  | "promised"
  | "catching-up"
  | "forwarding"
  | "acknowledged"
  | "synced"
  | "closed";

/** Serves sessions, as far as the tracker knows: compared by identity, so a learner that returns is another one. */
export interface SessionOwner {
  readonly learner: number;
}

export class LearnerLink {
  readonly conn: ConnId;
  readonly remote: Address;
  stream: PacketStream;
  state: LinkState = "arriving";

  // From FOLLOWERINFO or OBSERVERINFO
  id = -1;
  observer = false;
  /** Not a Java server: cuts its log as it should. */
  isVivarium = false;
  owner: SessionOwner = { learner: -1 };
  /** From ACKEPOCH: where its history ended. */
  lastZxid: Zxid = ZXID_ZERO;

  catchUp: CatchUp | undefined;
  /** How much of what is shared by all learners of its kind in this event it has, or must not have. */
  handedOver = 0;
  /** What waited for the network when the host was last asked. */
  queued = 0;
  /** Bytes sent since the host was last asked how many wait. */
  sentUnasked = 0;

  /** Nothing heard until then: it is given up. */
  silentUntil: Millis;
  /** It counts as a supporter of this leader until then. */
  supportsUntil: Millis;
  /** Its last acknowledgement, and one that is awaited: proposed at the latest then. */
  acknowledged: Zxid = ZXID_ZERO;
  awaited: Zxid = ZXID_ZERO;
  awaitedSince: Millis = Infinity;

  constructor(conn: ConnId, remote: Address, dataMax: number, silentUntil: Millis, supportsUntil: Millis) {
    this.conn = conn;
    this.remote = remote;
    this.stream = new PacketStream(dataMax);
    this.silentUntil = silentUntil;
    this.supportsUntil = supportsUntil;
  }

  /** Gets every proposal, or (observers) every commit. */
  get isLive(): boolean {
    return this.state === "forwarding" || this.state === "acknowledged" || this.state === "synced";
  }
}
