/**
 * What servers of an ensemble say to each other on the quorum port (Java: QuorumPacket, LearnerInfo, the byte buffers
 * of Learner and LearnerHandler; reference, section 3.1). There is no length prefix: records follow each other. Who says
 * what when is zab/'s business; the raw snapshot that follows a SNAP is read by storage/.
 */
import type { Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import { ChunkBuffer } from "../jute/chunks.ts";
import { Reader } from "../jute/reader.ts";
import { decodeUtf8 } from "../jute/utf8.ts";
import type { Writer } from "../jute/writer.ts";
import type { Id } from "./data.ts";

export const PacketType = {
  request: 1,
  proposal: 2,
  ack: 3,
  commit: 4,
  ping: 5,
  revalidate: 6,
  sync: 7,
  inform: 8,
  commitAndActivate: 9,
  newLeader: 10,
  followerInfo: 11,
  upToDate: 12,
  diff: 13,
  trunc: 14,
  snap: 15,
  observerInfo: 16,
  leaderInfo: 17,
  ackEpoch: 18,
  informAndActivate: 19,
} as const;
export type PacketType = (typeof PacketType)[keyof typeof PacketType];

const NAMES = new Map<number, string>(Object.entries(PacketType).map(([name, type]) => [type, name.toUpperCase()]));

/** ZooKeeper's name of a packet type, or `type N`. */
export function packetName(type: number): string {
  return NAMES.get(type) ?? `type ${type}`;
}

/** Where a packet has no zxid to tell. */
export const ZXID_NONE: Zxid = -1 as Zxid;
/** Of the dialogue between leader and learner, the only one spoken here: others are refused. */
export const PROTOCOL_VERSION = 0x10000;

const NO_IDS: readonly Id[] = [];
const TWO_32 = 0x1_0000_0000;
/** A high half below it makes, with any low half, a safe integer. */
const HIGH_LIMIT = 0x20_0000;
/** Type, zxid and the length of data. */
const HEAD_BYTES = 16;

/** authinfo is null, as in every packet but REQUEST. `data[start..end)` is copied; null and empty differ on the wire. */
export function writePacket(
  w: Writer,
  type: number,
  zxid: Zxid,
  data: Uint8Array | null,
  start = 0,
  end: number = data === null ? 0 : data.length,
): void {
  w.int(type);
  w.long(zxid);
  if (data === null) {
    w.int(-1);
  } else {
    w.int(end - start);
    w.raw(data, start, end);
  }
  w.int(-1);
}

/** A client's request on its way to the leader; `ids` are the identities of its connection. */
export function writeRequestPacket(
  w: Writer,
  session: SessionId,
  cxid: number,
  type: number,
  body: Uint8Array,
  start: number,
  end: number,
  ids: readonly Id[],
): void {
  w.int(PacketType.request);
  w.long(ZXID_NONE);
  w.int(REQUEST_HEAD_BYTES + end - start);
  w.int64(session);
  w.int(cxid);
  w.int(type);
  w.raw(body, start, end);
  w.int(ids.length);
  for (const { scheme, id } of ids) {
    w.string(scheme);
    w.string(id);
  }
}

/** What a REQUEST's data begins with; the request's body follows. */
export const REQUEST_HEAD_BYTES = 16;
export interface RequestHead {
  readonly session: SessionId;
  readonly cxid: number;
  readonly type: number;
}

/** Leaves `r` at the body. */
export function readRequestHead(r: Reader): RequestHead {
  return { session: r.sessionId(), cxid: r.int(), type: r.int() };
}

export type PacketStatus = "packet" | "partial" | "malformed";

/**
 * Packets out of chunks of any size. After "packet" its fields are those of the packet, and `data` is a view that is
 * valid until the next call of anything. After "malformed" nothing more can be read.
 */
export class PacketStream {
  type = 0;
  /** A safe integer from -1 on. */
  zxid: Zxid = ZXID_NONE;
  data: Uint8Array | null = null;
  /** Empty where it is null. */
  authinfo: readonly Id[] = NO_IDS;

  readonly #chunks = new ChunkBuffer();
  readonly #dataMax: number;
  /** How far authinfo of a packet that is still partial was looked through, from the packet's begin; 0: not yet. */
  #scanned = 0;
  #idsLeft = 0;

  /** Data, and authinfo altogether, of more than `dataMax` bytes are malformed. */
  constructor(dataMax: number) {
    this.#dataMax = dataMax;
  }

  /** Bytes that have arrived and were not yet part of a packet. */
  get buffered(): number {
    return this.#chunks.buffered;
  }

  /** Takes what arrived. Call {@link keep} before the event ends. */
  accept(bytes: Uint8Array): void {
    this.#chunks.accept(bytes);
  }

  next(): PacketStatus {
    const chunks = this.#chunks;
    const at = chunks.at;
    const buffered = chunks.limit - at;
    if (buffered < HEAD_BYTES) return "partial";
    const length = chunks.intAt(at + 12);
    if (length < -1 || length > this.#dataMax) return "malformed";
    const high = chunks.intAt(at + 4);
    const low = chunks.intAt(at + 8);
    // No zxid is negative but -1, and none is beyond what a number can hold exactly (base/zxid.ts).
    if (high >= HIGH_LIMIT || (high < 0 && (high !== -1 || low !== -1))) return "malformed";
    const dataEnd = length < 0 ? HEAD_BYTES : HEAD_BYTES + length;
    if (buffered < dataEnd + 4) return "partial";
    const count = chunks.intAt(at + dataEnd);
    if (count > 0) {
      const status = this.#scanIds(at, dataEnd, count);
      if (status !== "packet") return status;
      this.authinfo = this.#readIds(at + dataEnd + 4, count);
      chunks.at = at + this.#scanned;
      this.#scanned = 0;
    } else {
      if (count < -1) return "malformed";
      this.authinfo = NO_IDS;
      chunks.at = at + dataEnd + 4;
    }
    this.type = chunks.intAt(at);
    this.zxid = (high * TWO_32 + (low >>> 0)) as Zxid;
    this.data = length < 0 ? null : chunks.bytes.subarray(at + HEAD_BYTES, at + dataEnd);
    return "packet";
  }

  /** Is all of authinfo there? Each byte is looked at once, in however many chunks it comes. */
  #scanIds(at: number, dataEnd: number, count: number): PacketStatus {
    const chunks = this.#chunks;
    if (this.#scanned === 0) {
      if (count * 8 > this.#dataMax) return "malformed";
      this.#scanned = dataEnd + 4;
      this.#idsLeft = count * 2;
    }
    const buffered = chunks.limit - at;
    const scannedMax = dataEnd + 4 + this.#dataMax;
    for (; this.#idsLeft > 0; this.#idsLeft--) {
      if (buffered < this.#scanned + 4) return "partial";
      const length = chunks.intAt(at + this.#scanned);
      if (length < -1) return "malformed";
      const end = this.#scanned + 4 + Math.max(0, length);
      if (end > scannedMax) return "malformed";
      if (buffered < end) return "partial";
      this.#scanned = end;
    }
    return "packet";
  }

  /** They are known to be there. */
  #readIds(at: number, count: number): Id[] {
    const ids: Id[] = [];
    const r = new Reader(this.#chunks.bytes, at, this.#chunks.limit);
    for (let i = 0; i < count; i++) ids.push({ scheme: r.string() ?? "", id: r.string() ?? "" });
    return ids;
  }

  /**
   * A view of what follows the packet just returned: not packets, but the snapshot's own bytes. They count as read; what
   * follows the snapshot has to be given to {@link accept} again.
   */
  takeRest(): Uint8Array {
    const rest = this.#chunks.unread();
    this.#chunks.at = this.#chunks.limit;
    return rest;
  }

  /** The end of an event: copies what is left. */
  keep(): void {
    this.data = null;
    this.#chunks.keep();
  }
}

/** FOLLOWERINFO and OBSERVERINFO: who a learner is. Their zxid is its acceptedEpoch with counter 0. */
export interface LearnerInfo {
  readonly serverId: number;
  readonly protocolVersion: number;
  /** Of the configuration in force there. */
  readonly configVersion: Zxid;
  /** It cuts a log as {@link PacketType} TRUNC means it; Apache's servers can leave too much (reference, S04 and S05). */
  readonly isVivarium: boolean;
}

/** `VIVA`, after what Java's leader reads. */
const VIVARIUM_MARK = 0x56495641;
const LEARNER_INFO_BYTES = 20;

export function writeLearnerInfo(w: Writer, info: LearnerInfo): void {
  w.long(info.serverId);
  w.int(info.protocolVersion);
  w.long(info.configVersion);
  if (info.isVivarium) w.int(VIVARIUM_MARK);
}

/** Undefined for what nobody we speak with says: too short, or an id or a version that is no safe integer from 0 on. */
export function readLearnerInfo(data: Uint8Array | null): LearnerInfo | undefined {
  if (data === null || data.length < LEARNER_INFO_BYTES) return undefined;
  const r = new Reader(data);
  const serverId = r.long();
  const protocolVersion = r.int();
  const configVersion = r.zxid();
  if (!isCount(serverId) || !isCount(configVersion)) return undefined;
  return { serverId, protocolVersion, configVersion, isVivarium: r.remaining >= 4 && r.int() === VIVARIUM_MARK };
}

function isCount(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value);
}

/** LEADERINFO's data, ACKEPOCH's: one int. Undefined: it is not there. */
export function readIntData(data: Uint8Array | null): number | undefined {
  if (data === null || data.length < 4) return undefined;
  return new Reader(data).int();
}

/** LEADERINFO: zxid is the new epoch with counter 0. */
export function writeLeaderInfo(w: Writer, zxid: Zxid): void {
  writeIntPacket(w, PacketType.leaderInfo, zxid, PROTOCOL_VERSION);
}

/** ACKEPOCH: the learner's last logged zxid and currentEpoch; -1 where it had already promised this epoch. */
export function writeAckEpoch(w: Writer, lastZxid: Zxid, currentEpoch: number): void {
  writeIntPacket(w, PacketType.ackEpoch, lastZxid, currentEpoch);
}

function writeIntPacket(w: Writer, type: number, zxid: Zxid, value: number): void {
  w.int(type);
  w.long(zxid);
  w.int(4);
  w.int(value);
  w.int(-1);
}

/** NEWLEADER's data is the text of a configuration. Malformed UTF-8 is replaced: the text's reader refuses it then. */
export function readTextData(data: Uint8Array | null): string {
  return data === null ? "" : decodeUtf8(data, 0, data.length);
}

/** A session that was heard of at a learner. */
export interface Touch {
  readonly id: SessionId;
  readonly timeout: Millis;
}

const TOUCH_BYTES = 12;

/** A learner's PING: never without data, which Java's leader would close the connection for. */
export function writePingReply(w: Writer, zxid: Zxid, touched: readonly Touch[]): void {
  w.int(PacketType.ping);
  w.long(zxid);
  w.int(touched.length * TOUCH_BYTES);
  for (const { id, timeout } of touched) {
    w.int64(id);
    w.int(timeout);
  }
  w.int(-1);
}

/** Undefined when it is not whole. */
export function readTouches(data: Uint8Array | null): Touch[] | undefined {
  if (data === null || data.length % TOUCH_BYTES !== 0) return undefined;
  const touches: Touch[] = [];
  const r = new Reader(data);
  while (r.remaining > 0) touches.push({ id: r.sessionId(), timeout: r.int() });
  return touches;
}

/** REVALIDATE, asked by a learner. */
export function writeRevalidate(w: Writer, session: SessionId, timeout: Millis): void {
  w.int(PacketType.revalidate);
  w.long(ZXID_NONE);
  w.int(TOUCH_BYTES);
  w.int64(session);
  w.int(timeout);
  w.int(-1);
}

export function readRevalidate(data: Uint8Array | null): Touch | undefined {
  if (data === null || data.length < TOUCH_BYTES) return undefined;
  const r = new Reader(data);
  return { id: r.sessionId(), timeout: r.int() };
}

/** REVALIDATE, answered by the leader. */
export function writeRevalidateReply(w: Writer, session: SessionId, valid: boolean): void {
  w.int(PacketType.revalidate);
  w.long(ZXID_NONE);
  w.int(9);
  w.int64(session);
  w.boolean(valid);
  w.int(-1);
}

export function readRevalidateReply(
  data: Uint8Array | null,
): { readonly session: SessionId; readonly valid: boolean } | undefined {
  if (data === null || data.length < 9) return undefined;
  const r = new Reader(data);
  return { session: r.sessionId(), valid: r.boolean() };
}

/**
 * COMMITANDACTIVATE (`proposal` null), or INFORMANDACTIVATE, which brings the proposal's bytes as well. `designated` is
 * the next leader's id.
 */
export function writeActivate(w: Writer, zxid: Zxid, designated: number, proposal: Uint8Array | null): void {
  w.int(proposal === null ? PacketType.commitAndActivate : PacketType.informAndActivate);
  w.long(zxid);
  w.int(8 + (proposal === null ? 0 : proposal.length));
  w.long(designated);
  if (proposal !== null) w.raw(proposal);
  w.int(-1);
}

/** What both begin with; `proposal` is a view, empty for COMMITANDACTIVATE. */
export function readActivate(
  data: Uint8Array | null,
): { readonly designated: number; readonly proposal: Uint8Array } | undefined {
  if (data === null || data.length < 8) return undefined;
  const designated = new Reader(data).long();
  return isCount(designated) ? { designated, proposal: data.subarray(8) } : undefined;
}
