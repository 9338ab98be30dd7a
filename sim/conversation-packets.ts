/** One line for each packet of the quorum port; belongs to conversation.ts. */
import { Reader } from "../core/jute/reader.ts";
import type { Zxid } from "../core/base/zxid.ts";
import { epochOf } from "../core/base/zxid.ts";
import { OpCode, opName } from "../core/protocol/op-codes.ts";
import {
  PacketType,
  packetName,
  readActivate,
  readIntData,
  readLearnerInfo,
  readRequestHead,
  readRevalidate,
  readRevalidateReply,
  readTouches,
} from "../core/protocol/quorum-packets.ts";
import type { Txn } from "../core/protocol/txns.ts";
import { readTxnEntry } from "../core/protocol/txns.ts";
import { showZxid } from "./checkers/checker.ts";
import { nameOf } from "./session-name.ts";

export interface PacketLine {
  /** Undefined: not worth one (pings that say nothing). */
  readonly line: string | undefined;
  readonly beginsSnapshot: boolean;
}

export function describePacket(type: number, zxid: Zxid, data: Uint8Array | null): PacketLine {
  const details = detailsOf(type, zxid, data);
  const line = details === undefined ? undefined : `${packetName(type)} ${details}`.trimEnd();
  return { line, beginsSnapshot: type === PacketType.snap };
}

function detailsOf(type: number, zxid: Zxid, data: Uint8Array | null): string | undefined {
  switch (type) {
    case PacketType.ping: {
      const touches = data === null ? [] : (readTouches(data) ?? []);
      return touches.length === 0 ? undefined : `touches ${touches.map(({ id }) => nameOf(id)).join(", ")}`;
    }
    case PacketType.followerInfo:
    case PacketType.observerInfo:
      return `accepted ${epochOf(zxid)}, id ${readLearnerInfo(data)?.serverId}`;
    case PacketType.leaderInfo:
    case PacketType.newLeader:
      return `epoch ${epochOf(zxid)}`;
    case PacketType.ackEpoch: {
      const current = readIntData(data);
      return `current ${current === -1 ? "promised before" : current}, last ${showZxid(zxid)}`;
    }
    case PacketType.proposal:
    case PacketType.inform:
      return `${showZxid(zxid)} ${describeTxn(data)}`;
    case PacketType.informAndActivate:
    case PacketType.commitAndActivate:
      return `${showZxid(zxid)} leader ${readActivate(data)?.designated}`;
    case PacketType.request: {
      const { session, type: op } = readRequestHead(new Reader(data!));
      return `${opName(op)} of session ${nameOf(session)}`;
    }
    case PacketType.revalidate: {
      const reply = data?.length === 9 ? readRevalidateReply(data) : undefined;
      if (reply !== undefined) return `session ${nameOf(reply.session)} is ${reply.valid ? "valid" : "gone"}`;
      return `session ${nameOf(readRevalidate(data)!.id)}?`;
    }
    case PacketType.sync:
    case PacketType.upToDate:
      return "";
    default:
      return showZxid(zxid);
  }
}

function describeTxn(data: Uint8Array | null): string {
  const entry = data === null ? undefined : readTxnEntry(new Reader(data));
  if (entry === undefined) return "that cannot be read";
  const { header, txn } = entry;
  const what = `${opName(txn.type)}${detailsOfTxn(txn)}`;
  return header.type === OpCode.createSession || header.type === OpCode.closeSession
    ? `${what} ${nameOf(header.clientId)}`
    : what;
}

function detailsOfTxn(txn: Txn): string {
  if (txn.type === OpCode.multi) return ` of ${txn.txns.length}`;
  if (txn.type === OpCode.error) return ` ${txn.err}`;
  return "path" in txn ? ` ${txn.path}` : "";
}

/** The signature that every snapshot on the wire ends with (reference, section 3.6), as a jute string. */
const SIGNATURE: Uint8Array = Uint8Array.from("\0\0\0\x0aBenWasHere", (letter) => letter.charCodeAt(0));

/** Reads past a snapshot's bytes. */
export class SnapshotSkip {
  #bytes: Uint8Array = new Uint8Array(0);
  summary = "";

  /** What follows the snapshot, once it is over. */
  accept(bytes: Uint8Array): Uint8Array | undefined {
    const all = new Uint8Array(this.#bytes.length + bytes.length);
    all.set(this.#bytes);
    all.set(bytes, this.#bytes.length);
    this.#bytes = all;
    const end = indexOf(all, SIGNATURE);
    if (end < 0) return undefined;
    const sessions = new Reader(all).int();
    this.summary = `${sessions} ${sessions === 1 ? "session" : "sessions"}`;
    return all.slice(end + SIGNATURE.length);
  }
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = 0; at + wanted.length <= bytes.length; at++) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}
