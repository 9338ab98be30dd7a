/**
 * What a validated request will change, noted in the pending state, and the txn that changes it (Java:
 * PrepRequestProcessor.addChangeRecord and what is done before it). Decides nothing: prepare.ts has.
 */
import type { Millis } from "../actor.ts";
import { ByteArena } from "../base/arena.ts";
import type { SessionId } from "../base/ids.ts";
import { SESSION_NONE } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import { ZXID_ZERO } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import type { Acl } from "../protocol/data.ts";
import { OpCode } from "../protocol/op-codes.ts";
import type { SetAclTxn, SetDataTxn, SubTxn } from "../protocol/txns.ts";
import { digestPrefix } from "../tree/digest.ts";
import type { OwnerOptions } from "../tree/owner.ts";
import { CONTAINER_OWNER, ttlOwner } from "../tree/owner.ts";
import type { CreateFields } from "./prepare.ts";
import type { ChangeRecord, PendingChanges } from "./pending-changes.ts";

export class ChangeRecorder {
  readonly #pending: PendingChanges;
  readonly #digestEnabled: boolean;
  readonly #arena = new ByteArena();
  readonly ownerOptions: OwnerOptions;

  /** What the sub-operations of the request at hand share. */
  #zxid: Zxid = ZXID_ZERO;
  #time: Millis = 0;
  #session: SessionId = SESSION_NONE;
  /** Data are views of bytes that nobody else writes to. */
  bodyIsKept = false;

  constructor(pending: PendingChanges, config: ServerConfig) {
    const { digestEnabled, extendedTypesEnabled: extendedTypes, emulate353TTLNodes: emulate353 } = config;
    this.#pending = pending;
    this.#digestEnabled = digestEnabled;
    this.ownerOptions = { extendedTypes, emulate353 };
  }

  begin(zxid: Zxid, time: Millis, session: SessionId): void {
    this.#zxid = zxid;
    this.#time = time;
    this.#session = session;
  }

  /** A copy that lives as long as its txn. */
  copy(bytes: Uint8Array): Uint8Array {
    return this.#arena.keep(bytes);
  }

  create(fields: CreateFields, path: string, acl: readonly Acl[], parentBefore: ChangeRecord): SubTxn {
    const zxid = this.#zxid;
    const ephemeral = fields.flags === 1 || fields.flags === 3;
    const data = this.#keep(fields.data);
    const prefix = this.#digestEnabled ? digestPrefix(path, data) : 0;
    const parent = this.#pending.change(parentBefore, zxid);
    // Wraps after 2^31 - 1; the tree then ignores it, as it is not greater (reference, section 5.4).
    const parentCVersion = (parent.cversion + 1) | 0;
    if (parentCVersion > parent.cversion) {
      parent.cversion = parentCVersion;
      parent.pzxid = zxid;
    }
    parent.childCount++;
    this.#pending.put(parent);
    let txn: SubTxn;
    let owner = 0n;
    if (fields.type === OpCode.createTTL) {
      owner = ttlOwner(fields.ttl, this.ownerOptions)!;
      txn = { type: OpCode.createTTL, path, data, acl, parentCVersion, ttl: fields.ttl, digestPrefix: prefix };
    } else if (fields.type === OpCode.createContainer) {
      owner = CONTAINER_OWNER;
      txn = { type: OpCode.createContainer, path, data, acl, parentCVersion, digestPrefix: prefix };
    } else {
      if (ephemeral) owner = this.#session;
      const type = fields.type === OpCode.create2 ? OpCode.create2 : OpCode.create;
      txn = { type, path, data, acl, ephemeral, parentCVersion, digestPrefix: prefix };
    }
    this.#put(path, owner, acl, prefix);
    return txn;
  }

  #put(path: string, owner: bigint, acl: readonly Acl[], prefix: number): void {
    const zxid = this.#zxid;
    this.#pending.put({
      path,
      zxid,
      exists: true,
      czxid: zxid,
      mzxid: zxid,
      pzxid: zxid,
      ctime: this.#time,
      mtime: this.#time,
      version: 0,
      cversion: 0,
      aversion: 0,
      owner,
      childCount: 0,
      acl,
      digestPrefix: prefix | 0,
      digest: 0,
      isNew: true,
      previous: undefined,
      pending: false,
      superseded: false,
    });
  }

  delete(nodeBefore: ChangeRecord, parentBefore: ChangeRecord): void {
    const zxid = this.#zxid;
    const parent = this.#pending.change(parentBefore, zxid);
    parent.childCount--;
    if (zxid > parent.pzxid) parent.pzxid = zxid;
    this.#pending.put(parent);
    const node = this.#pending.change(nodeBefore, zxid);
    node.exists = false;
    this.#pending.put(node);
  }

  setData(before: ChangeRecord, data: Uint8Array | null): SetDataTxn {
    const kept = this.#keep(data);
    const node = this.#change(before, (before.version + 1) | 0, kept);
    return {
      type: OpCode.setData,
      path: node.path,
      data: kept,
      version: node.version,
      digestPrefix: node.digestPrefix,
    };
  }

  /** `data` stays as it is; the version is the one given, not the next. */
  reconfig(before: ChangeRecord, txn: SetDataTxn): void {
    this.#change(before, txn.version, txn.data);
  }

  setAcl(before: ChangeRecord, acl: readonly Acl[]): SetAclTxn {
    const node = this.#pending.change(before, this.#zxid);
    node.aversion = (before.aversion + 1) | 0;
    node.acl = acl;
    this.#pending.put(node);
    return { type: OpCode.setACL, path: node.path, acl, version: node.aversion };
  }

  #change(before: ChangeRecord, version: number, data: Uint8Array | null): ChangeRecord {
    const node = this.#pending.change(before, this.#zxid);
    node.version = version;
    node.mzxid = this.#zxid;
    node.mtime = this.#time;
    if (this.#digestEnabled) node.digestPrefix = digestPrefix(node.path, data) | 0;
    this.#pending.put(node);
    return node;
  }

  #keep(data: Uint8Array | null): Uint8Array | null {
    return data === null || this.bodyIsKept ? data : this.#arena.keep(data);
  }
}
