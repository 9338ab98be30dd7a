/**
 * What servers of an ensemble say to each other on the election port: a greeting by whoever connected, then framed
 * notifications (Java: QuorumCnxManager.InitialMessage, FastLeaderElection.buildMsg and its WorkerReceiver; reference,
 * sections 2.1 to 2.4). Which connection survives and what a notification leads to is election/'s business.
 */
import type { Address } from "../actor.ts";
import { epochOf } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import { Reader } from "../jute/reader.ts";
import { decodeUtf8, utf8Length } from "../jute/utf8.ts";
import type { Writer } from "../jute/writer.ts";

/** A peer's state on this wire. */
export const PeerState = { looking: 0, following: 1, leading: 2, observing: 3 } as const;
export type PeerState = (typeof PeerState)[keyof typeof PeerState];

/**
 * Java's Long.MIN_VALUE, which is no safe integer but exact all the same: the leader, zxid and peerEpoch that a server
 * votes for which may not vote (Java: FastLeaderElection.getInitId). Smaller than everything else.
 */
export const LONG_MIN: number = -(2 ** 63);
/** Longer frames close the connection (Java: QuorumCnxManager.PACKETMAXSIZE). */
export const ELECTION_FRAME_MAX: number = 512 * 1024;

const GREETING_V1 = -65_536;
const GREETING_V2 = -65_535;
const GREETING_ADDRESS_MAX = 2048;
const NOTIFICATION_VERSION = 2;

/** Who connected. */
export interface Greeting {
  /** "anonymous": an observer that has no id; the acceptor gives it a negative one. */
  readonly id: number | "anonymous";
  /** Where it can be called back; empty in the oldest form. Text of a stranger: look at it before dialing. */
  readonly addresses: readonly Address[];
  /** How many bytes it took; frames follow. */
  readonly length: number;
}

/** Version 1, to be sent in one piece: Java reads it with one call. `address` is the own election address. */
export function writeGreeting(w: Writer, id: number, address: Address): void {
  w.long(GREETING_V1);
  w.long(id);
  w.string(address);
}

/** What a connection begins with, out of all its bytes so far. At most 2068 bytes are looked at. */
export function readGreeting(bytes: Uint8Array): Greeting | "partial" | "malformed" {
  if (bytes.length < 8) return "partial";
  const r = new Reader(bytes);
  const version = readLong(r);
  if (version === undefined) return "malformed";
  if (version === "max") return { id: "anonymous", addresses: [], length: 8 };
  if (version >= 0) return { id: version, addresses: [], length: 8 };
  if (version !== GREETING_V1 && version !== GREETING_V2) return "malformed";
  if (bytes.length < 20) return "partial";
  const id = readLong(r);
  const length = r.int();
  if (id === undefined || (id !== "max" && id < 0) || length < 1 || length > GREETING_ADDRESS_MAX) return "malformed";
  if (r.remaining < length) return "partial";
  const text = decodeUtf8(bytes, r.offset, r.offset + length);
  const addresses = (version === GREETING_V2 ? text.split("|") : [text]) as Address[];
  return { id: id === "max" ? "anonymous" : id, addresses, length: r.offset + length };
}

export interface Notification {
  readonly state: PeerState;
  /** Who is voted for: an id, or {@link LONG_MIN}. */
  readonly leader: number;
  /** From -1 on, or {@link LONG_MIN}. */
  readonly zxid: Zxid;
  /** The sender's logical clock, or the round of a settled vote (Java: electionEpoch); -1 in a vote before any round. */
  readonly round: number;
  /** Like zxid. */
  readonly peerEpoch: number;
  /** Text of the sender's configuration in force; undefined where an old one sends none. Not looked at here. */
  readonly config: string | undefined;
}

const V0_BYTES = 28;
const V1_BYTES = 40;
/** Of one that brings a configuration, without its text. */
export const NOTIFICATION_BYTES_MIN = 44;

/** With its frame's length. Without a configuration it has the form before there were any (40 bytes). */
export function writeNotification(w: Writer, n: Notification): void {
  const configLength = n.config === undefined ? 0 : utf8Length(n.config);
  w.int(n.config === undefined ? V1_BYTES : NOTIFICATION_BYTES_MIN + configLength);
  w.int(n.state);
  w.long(n.leader);
  w.long(n.zxid);
  w.long(n.round);
  w.long(n.peerEpoch);
  if (n.config === undefined) return w.int(1);
  w.int(NOTIFICATION_VERSION);
  w.string(n.config);
}

/** `bytes[start..end)` is a frame without its length. Undefined is dropped, as Java does; the connection goes on. */
export function readNotification(bytes: Uint8Array, start = 0, end: number = bytes.length): Notification | undefined {
  const size = end - start;
  if (size < V0_BYTES) return undefined;
  const r = new Reader(bytes, start, end);
  const state = r.int();
  const leader = readLong(r);
  const zxid = readLong(r);
  const round = readLong(r);
  if (!isState(state) || !isVoteField(leader) || !isVoteField(zxid) || !isVoteField(round)) {
    return undefined;
  }
  const vote = { state, leader, zxid: zxid as Zxid, round };
  if (size === V0_BYTES) {
    return { ...vote, peerEpoch: zxid < 0 ? zxid : epochOf(zxid as Zxid), config: undefined };
  }
  const peerEpoch = readLong(r);
  if (!isVoteField(peerEpoch)) return undefined;
  // Who sends this size wrote no more than a 1 after it; Java does not even read that.
  if (size === V1_BYTES) return { ...vote, peerEpoch, config: undefined };
  const version = r.int();
  const config = version >= NOTIFICATION_VERSION ? r.string() : undefined;
  if (r.failed || config === null) return undefined;
  return { ...vote, peerEpoch, config };
}

function isState(value: number): value is PeerState {
  return value >= PeerState.looking && value <= PeerState.observing;
}

function isVoteField(value: number | "max" | undefined): value is number {
  return typeof value === "number" && (value >= -1 || value === LONG_MIN);
}

/** A safe integer, or one of the two limits of Java's long. */
function readLong(r: Reader): number | "max" | undefined {
  const high = r.int();
  const low = r.int();
  if (high === 0x7fff_ffff && low === -1) return "max";
  const value = high * 0x1_0000_0000 + (low >>> 0);
  return Number.isSafeInteger(value) || (value === LONG_MIN && low === 0) ? value : undefined;
}
