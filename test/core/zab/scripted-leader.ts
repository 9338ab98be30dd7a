/** What a leader says, as bytes, and a history to say it about: a tree of its own, so that digests are right. */
import type { SessionId } from "../../../core/base/ids.ts";
import { counterOf, epochOf, packZxid } from "../../../core/base/zxid.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { encodeUtf8 } from "../../../core/jute/utf8.ts";
import { Writer } from "../../../core/jute/writer.ts";
import { OPEN_ACL_UNSAFE } from "../../../core/protocol/data.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import {
  PacketType,
  writeActivate,
  writeLeaderInfo,
  writePacket,
  writeRevalidateReply,
} from "../../../core/protocol/quorum-packets.ts";
import type { Txn } from "../../../core/protocol/txns.ts";
import { writeTxnEntry } from "../../../core/protocol/txns.ts";
import { SnapshotStreamWriter } from "../../../core/storage/snapshot-stream.ts";
import { DataTree, NO_LISTENER } from "../../../core/tree/data-tree.ts";
import { DIGEST_VERSION } from "../../../core/tree/digest.ts";

export interface Logged {
  readonly zxid: Zxid;
  readonly payload: Uint8Array;
}

export function packet(type: number, zxid: Zxid, data: Uint8Array | null = null): Uint8Array {
  const w = new Writer();
  writePacket(w, type, zxid, data);
  return w.take();
}

export const diff = (zxid: Zxid): Uint8Array => packet(PacketType.diff, zxid);
export const trunc = (zxid: Zxid): Uint8Array => packet(PacketType.trunc, zxid);
export const upToDate = (): Uint8Array => packet(PacketType.upToDate, -1 as Zxid);
export const sync = (): Uint8Array => packet(PacketType.sync, 0 as Zxid);
export const ping = (zxid: Zxid): Uint8Array => packet(PacketType.ping, zxid);
export const proposal = ({ zxid, payload }: Logged): Uint8Array => packet(PacketType.proposal, zxid, payload);
export const commit = ({ zxid }: Logged): Uint8Array => packet(PacketType.commit, zxid);
export const inform = ({ zxid, payload }: Logged): Uint8Array => packet(PacketType.inform, zxid, payload);
/** A committed txn, as it goes to a learner that is being brought up to date. */
export const pair = (txn: Logged): Uint8Array[] => [proposal(txn), commit(txn)];

export function leaderInfo(epoch: number): Uint8Array {
  const w = new Writer();
  writeLeaderInfo(w, packZxid(epoch, 0));
  return w.take();
}

export function newLeader(epoch: number, config: string | null = null): Uint8Array {
  return packet(PacketType.newLeader, packZxid(epoch, 0), config === null ? null : encodeUtf8(config));
}

export function revalidated(session: bigint, valid: boolean): Uint8Array {
  const w = new Writer();
  writeRevalidateReply(w, session as SessionId, valid);
  return w.take();
}

export function activate({ zxid, payload }: Logged, designated: number, informs = false): Uint8Array {
  const w = new Writer();
  writeActivate(w, zxid, designated, informs ? payload : null);
  return w.take();
}

export class History {
  readonly tree: DataTree = new DataTree({ extendedTypes: false, emulate353: false, digest: true });
  readonly sessions: Map<SessionId, number> = new Map();
  readonly txns: Logged[] = [];
  #zxid: Zxid;

  constructor(epoch = 1) {
    this.#zxid = packZxid(epoch, 0);
  }

  get last(): Zxid {
    return this.tree.lastProcessedZxid;
  }
  beginEpoch(epoch: number): void {
    this.#zxid = packZxid(epoch, 0);
  }

  /** Another one with the same beginning, up to `zxid`. */
  forkAt(zxid: Zxid): History {
    const fork = new History(epochOf(zxid));
    for (const { txn, session, cxid, time, at } of this.#made.filter((made) => made.at <= zxid)) {
      fork.#zxid = (at - 1) as Zxid;
      fork.txn(txn, session, cxid, time);
    }
    return fork;
  }
  readonly #made: {
    readonly txn: Txn;
    readonly session: bigint;
    readonly cxid: number;
    readonly time: number;
    readonly at: Zxid;
  }[] = [];

  txn(txn: Txn, session = 5n, cxid = 1, time = 1000): Logged {
    const zxid = packZxid(epochOf(this.#zxid), counterOf(this.#zxid) + 1);
    this.#zxid = zxid;
    this.#made.push({ txn, session, cxid, time, at: zxid });
    const header = { clientId: session as SessionId, cxid, zxid, time, type: txn.type };
    this.tree.apply(header, txn, NO_LISTENER);
    if (txn.type === OpCode.createSession) this.sessions.set(header.clientId, txn.timeOut);
    else if (txn.type === OpCode.closeSession) this.sessions.delete(header.clientId);
    const { high, low } = this.tree.treeDigest;
    const digest = txn.type === OpCode.error ? undefined : { version: DIGEST_VERSION, high, low };
    const w = new Writer();
    writeTxnEntry(w, { header, txn, digest });
    const logged = { zxid, payload: w.take() };
    this.txns.push(logged);
    return logged;
  }

  /** A large one, and only its bytes: nothing here is to apply it. */
  bulk(data: Uint8Array): Logged {
    const zxid = packZxid(epochOf(this.#zxid), counterOf(this.#zxid) + 1);
    this.#zxid = zxid;
    const txn = { type: OpCode.setData, path: "/bulk", data, version: 1 } as const;
    const header = { clientId: 5n as SessionId, cxid: 1, zxid, time: 1000, type: txn.type };
    const w = new Writer(data.length + 200);
    writeTxnEntry(w, { header, txn, digest: undefined });
    return { zxid, payload: w.bytes.subarray(0, w.length) };
  }
  create(path: string, data = "x", session = 5n, cxid = 1, ephemeral = false): Logged {
    const acl = OPEN_ACL_UNSAFE;
    const parent = this.tree.find(path.slice(0, path.lastIndexOf("/")));
    const parentCVersion = this.tree.cversion(parent) + 1;
    return this.txn(
      { type: OpCode.create, path, data: encodeUtf8(data), acl, ephemeral, parentCVersion },
      session,
      cxid,
    );
  }
  error(err: number, session = 5n, cxid = 1): Logged {
    return this.txn({ type: OpCode.error, err }, session, cxid);
  }
  createSession(session: bigint, timeOut = 10_000): Logged {
    return this.txn({ type: OpCode.createSession, timeOut }, session, 0);
  }
  closeSession(session: bigint, paths: readonly string[] = []): Logged {
    return this.txn({ type: OpCode.closeSession, paths }, session, 0);
  }
  /** `count` nodes. */
  fill(count: number, prefix = "/n", data = "x"): this {
    for (let i = 0; i < count; i++) this.create(`${prefix}${i}`, data);
    return this;
  }

  /** SNAP and the tree as it is now. */
  snap(zxid: Zxid = this.last): Uint8Array {
    const w = new Writer();
    writePacket(w, PacketType.snap, zxid, null);
    const writer = new SnapshotStreamWriter(this.tree, this.sessions);
    while (!writer.produce(w, 1000));
    return w.take();
  }
}
