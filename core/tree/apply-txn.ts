/**
 * Transactions against the tree (Java: DataTree.processTxn; reference, sections 5.3 and 7.5). Total: what cannot be
 * done is a code in the result. Idempotent: a snapshot may hold effects of transactions that are then replayed.
 */
import type { SessionId } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import { Writer } from "../jute/writer.ts";
import { Code } from "../protocol/codes.ts";
import { OpCode } from "../protocol/op-codes.ts";
import type {
  CloseSessionTxn,
  CreateContainerTxn,
  CreateTtlTxn,
  CreateTxn,
  MultiTxn,
  SetAclTxn,
  SetDataTxn,
  Txn,
  TxnHeader,
} from "../protocol/txns.ts";
import {
  ACL_ID,
  AVERSION,
  CTIME,
  CVERSION,
  CZXID,
  DATA_LENGTH,
  FIRST_CHILD,
  MTIME,
  MZXID,
  NO_NODE,
  type NodeRef,
  PARENT,
  PZXID,
  ROOT,
  VERSION,
} from "./node-table.ts";
import { CONTAINER_OWNER, ownerHigh, ownerLow, ttlOwner } from "./owner.ts";
import { parentPath } from "./paths.ts";
import type { Quotas } from "./quotas.ts";
import { pathOf, writeStatOf } from "./read-node.ts";
import type { TreeState } from "./tree-state.ts";

/** Told of changes as they are made, in order. Must not change the tree. Paths are the transaction's own. */
export interface TreeListener {
  nodeCreated(path: string, zxid: Zxid, node: NodeRef): void;
  nodeDataChanged(path: string, zxid: Zxid, node: NodeRef): void;
  /** The node is gone already; its ACL can still be read under `aclId` during the call. */
  nodeDeleted(path: string, zxid: Zxid, aclId: number, parentPath: string, parentNode: NodeRef): void;
}

/** For replay: nobody watches, and no path strings are made. */
export const NO_LISTENER: TreeListener = Object.freeze({
  nodeCreated: () => {},
  nodeDataChanged: () => {},
  nodeDeleted: () => {},
});

export interface ApplyResult {
  /** The type applied; -1 for every part of a failed multi. */
  readonly type: number;
  readonly err: number;
  readonly path: string | undefined;
  /** The node created or changed, valid until the tree changes again; NO_NODE otherwise. */
  readonly node: NodeRef;
  /** Of a part of a multi, whose node may change again in it: where its Stat as of then is in {@link stats}; or -1. */
  readonly statAt: number;
  /** Of a multi: its parts' Stats in their wire form, at their {@link statAt}. Empty otherwise. */
  readonly stats: Uint8Array;
  /** The results of a multi's parts. */
  readonly results: readonly ApplyResult[];
}

type AnyCreateTxn = CreateTxn | CreateContainerTxn | CreateTtlTxn;

const NO_STATS = new Uint8Array(0);
const NO_RESULTS: readonly ApplyResult[] = Object.freeze([]);

export class TxnApplier {
  readonly #state: TreeState;
  readonly #quotas: Quotas;
  /** The node of the change just made. */
  #changed: NodeRef = NO_NODE;
  /** Reused for everything but multi. */
  readonly #result: { -readonly [Field in keyof ApplyResult]: ApplyResult[Field] } = {
    type: 0,
    err: 0,
    path: undefined,
    node: NO_NODE,
    statAt: -1,
    stats: NO_STATS,
    results: NO_RESULTS,
  };
  readonly #stats = new Writer(0);

  constructor(state: TreeState, quotas: Quotas) {
    this.#state = state;
    this.#quotas = quotas;
  }

  /** The result is valid until the next call. */
  apply(header: TxnHeader, txn: Txn, listener: TreeListener): ApplyResult {
    if (txn.type === OpCode.multi) return this.#applyMulti(header, txn, listener);
    const result = this.#result;
    result.type = txn.type;
    result.err = this.#applyOne(header, txn, listener);
    result.path = pathIn(txn);
    result.node = this.#changed;
    return result;
  }

  /** If any part is an error, nothing is applied: parts before the first error count as fine (reference, 7.3). */
  #applyMulti(header: TxnHeader, multi: MultiTxn, listener: TreeListener): ApplyResult {
    const failed = multi.txns.some((txn) => txn.type === OpCode.error);
    const results: ApplyResult[] = [];
    const stats = this.#stats.clear();
    let err = 0;
    let failedBefore = false;
    for (const txn of multi.txns) {
      let result: ApplyResult;
      if (txn.type === OpCode.error) {
        failedBefore = true;
        result = plainResult(OpCode.error, txn.err, undefined);
      } else if (failed) {
        result = plainResult(OpCode.error, failedBefore ? Code.RUNTIMEINCONSISTENCY : Code.OK, undefined);
      } else {
        const code = this.#applyOne(header, txn, listener);
        const node = this.#changed;
        const statAt = node === NO_NODE ? -1 : stats.length;
        if (node !== NO_NODE) writeStatOf(this.#state, stats, node);
        result = { type: txn.type, err: code, path: pathIn(txn), node, statAt, stats: NO_STATS, results: NO_RESULTS };
      }
      results.push(result);
      if (err === 0) err = result.err;
    }
    return { type: OpCode.multi, err, path: undefined, node: NO_NODE, statAt: -1, stats: stats.bytes, results };
  }

  #applyOne(header: TxnHeader, txn: Txn, listener: TreeListener): number {
    this.#changed = NO_NODE;
    switch (txn.type) {
      case OpCode.setData:
      case OpCode.reconfig:
        return this.#setData(header, txn, listener);
      case OpCode.create:
      case OpCode.create2:
        return this.#create(header, txn, txn.ephemeral ? header.clientId : 0n, listener);
      case OpCode.createContainer:
        return this.#create(header, txn, CONTAINER_OWNER, listener);
      case OpCode.createTTL: {
        const owner = ttlOwner(txn.ttl, this.#state.options);
        return owner === undefined ? Code.BADARGUMENTS : this.#create(header, txn, owner, listener);
      }
      case OpCode.delete:
      case OpCode.deleteContainer:
        return this.#delete(txn.path, header.zxid, listener);
      case OpCode.setACL:
        return this.#setAcl(txn);
      case OpCode.closeSession:
        this.#closeSession(header.clientId, txn, header.zxid, listener);
        return Code.OK;
      case OpCode.error:
        return txn.err;
      default:
        return Code.OK;
    }
  }

  #create(header: TxnHeader, txn: AnyCreateTxn, owner: bigint, listener: TreeListener): number {
    const state = this.#state;
    const nodes = state.nodes;
    const { path, data } = txn;
    // Registered before the path is looked up: a fuzzy snapshot may hold the node but not its ACL (8.6).
    const aclId = state.acls.internAcl(txn.acl);
    state.locate(path);
    const parent = state.locatedParent;
    const existing = state.located;
    if (parent === NO_NODE) {
      state.acls.releaseAcl(aclId);
      return Code.NONODE;
    }
    this.#raiseParent(parent, txn.parentCVersion, header.zxid);
    if (existing !== NO_NODE) {
      if (existing === ROOT) state.acls.releaseAcl(aclId);
      else this.#replaceAcl(existing, aclId);
      return Code.NODEEXISTS;
    }
    const n = state.insert(parent, data, aclId, ownerHigh(owner), ownerLow(owner), txn.digestPrefix);
    nodes.setDouble(n, CZXID, header.zxid);
    nodes.setDouble(n, MZXID, header.zxid);
    nodes.setDouble(n, PZXID, header.zxid);
    nodes.setDouble(n, CTIME, header.time);
    nodes.setDouble(n, MTIME, header.time);
    state.refreshDigest(n);
    if (state.isBelowZookeeper(n) || !this.#quotas.isEmpty) this.#quotas.onCreated(path, lengthOf(data));
    this.#changed = n;
    if (listener !== NO_LISTENER) listener.nodeCreated(path, header.zxid, n);
    return Code.OK;
  }

  /** Only forwards: the replay of a create whose node is gone again must not rewind the counter. */
  #raiseParent(parent: NodeRef, parentCVersion: number, zxid: Zxid): void {
    const nodes = this.#state.nodes;
    const current = nodes.int(parent, CVERSION);
    const next = parentCVersion === -1 ? (current + 1) | 0 : parentCVersion;
    if (next <= current) return;
    nodes.setInt(parent, CVERSION, next);
    nodes.setDouble(parent, PZXID, zxid);
    this.#state.refreshDigest(parent);
  }

  #delete(path: string, zxid: Zxid, listener: TreeListener): number {
    const state = this.#state;
    state.locate(path);
    const parent = state.locatedParent;
    const n = state.located;
    if (parent === NO_NODE) return Code.NONODE;
    if (n === ROOT) return Code.BADARGUMENTS;
    if (n !== NO_NODE) this.#removeSubtree(n, path, parent, zxid, listener);
    // The parent learns of the delete even when the child is already gone.
    this.#touchParent(parent, zxid);
    return n === NO_NODE ? Code.NONODE : Code.OK;
  }

  #touchParent(parent: NodeRef, zxid: Zxid): void {
    const nodes = this.#state.nodes;
    if (zxid <= nodes.double(parent, PZXID)) return;
    nodes.setDouble(parent, PZXID, zxid);
    this.#state.refreshDigest(parent);
  }

  /**
   * A node with children is only met in fuzzy replay, where this is an earlier node of the same path: its children
   * come from later transactions, which will be replayed too. `path` may be left out when nobody listens.
   */
  #removeSubtree(n: NodeRef, path: string | undefined, parent: NodeRef, zxid: Zxid, listener: TreeListener): void {
    const { nodes, acls } = this.#state;
    let at = n;
    for (;;) {
      const child = nodes.ref(at, FIRST_CHILD);
      if (child !== NO_NODE) {
        at = child;
        continue;
      }
      if (at === n) break;
      const above = nodes.ref(at, PARENT);
      acls.releaseAcl(this.#removeLeaf(at, undefined));
      at = above;
    }
    const aclId = this.#removeLeaf(n, path);
    if (listener !== NO_LISTENER && path !== undefined) {
      listener.nodeDeleted(path, zxid, aclId, parentPath(path), parent);
    }
    acls.releaseAcl(aclId);
  }

  /** Returns the id of the ACL, whose use is left to the caller to release. */
  #removeLeaf(n: NodeRef, knownPath: string | undefined): number {
    const state = this.#state;
    const aclId = state.nodes.int(n, ACL_ID);
    if (state.isBelowZookeeper(n) || !this.#quotas.isEmpty) {
      const path = knownPath ?? pathOf(state, n);
      const bytes = Math.max(0, state.nodes.int(n, DATA_LENGTH));
      state.remove(n);
      this.#quotas.onDeleted(path, bytes);
    } else {
      state.remove(n);
    }
    return aclId;
  }

  #setData(header: TxnHeader, txn: SetDataTxn, listener: TreeListener): number {
    const state = this.#state;
    const n = state.find(txn.path);
    if (n === NO_NODE) return Code.NONODE;
    const nodes = state.nodes;
    const before = nodes.int(n, DATA_LENGTH);
    state.setData(n, txn.data, txn.digestPrefix);
    nodes.setInt(n, VERSION, txn.version);
    nodes.setDouble(n, MZXID, header.zxid);
    nodes.setDouble(n, MTIME, header.time);
    state.refreshDigest(n);
    if (!this.#quotas.isEmpty) {
      this.#quotas.onUsageChanged(txn.path, lengthOf(txn.data) - Math.max(0, before), 0);
    }
    this.#changed = n;
    if (listener !== NO_LISTENER) listener.nodeDataChanged(txn.path, header.zxid, n);
    return Code.OK;
  }

  #setAcl(txn: SetAclTxn): number {
    const state = this.#state;
    const n = state.find(txn.path);
    if (n === NO_NODE) return Code.NONODE;
    this.#replaceAcl(n, state.acls.internAcl(txn.acl));
    state.nodes.setInt(n, AVERSION, txn.version);
    state.refreshDigest(n);
    this.#changed = n;
    return Code.OK;
  }

  /** `aclId` comes with its use already counted. */
  #replaceAcl(n: NodeRef, aclId: number): void {
    const before = this.#state.nodes.int(n, ACL_ID);
    this.#state.nodes.setInt(n, ACL_ID, aclId);
    this.#state.acls.releaseAcl(before);
  }

  /** The listed paths, then whatever else the session still owns here (Java: DataTree.killSession). */
  #closeSession(session: SessionId, txn: CloseSessionTxn, zxid: Zxid, listener: TreeListener): void {
    if (txn.paths !== undefined) for (const path of txn.paths) this.#delete(path, zxid, listener);
    const state = this.#state;
    for (let n = state.owners.firstOf(session); n !== NO_NODE; n = state.owners.firstOf(session)) {
      const parent = state.nodes.ref(n, PARENT);
      const path = listener === NO_LISTENER ? undefined : pathOf(state, n);
      this.#removeSubtree(n, path, parent, zxid, listener);
      this.#touchParent(parent, zxid);
    }
  }
}

function pathIn(txn: Txn): string | undefined {
  return "path" in txn ? txn.path : undefined;
}

function lengthOf(data: Uint8Array | null): number {
  return data === null ? 0 : data.length;
}

function plainResult(type: number, err: number, path: string | undefined): ApplyResult {
  return { type, err, path, node: NO_NODE, statAt: -1, stats: NO_STATS, results: NO_RESULTS };
}
