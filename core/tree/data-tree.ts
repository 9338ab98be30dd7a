/**
 * The namespace (Java: DataTree, DataNode): what is there, and how it changes by transactions and snapshots. Nodes
 * are numbers into columns (tree-state.ts), because a million JS objects would cost gigabytes and pauses.
 *
 * Owns nodes, ACLs, the digest, ephemerals by session and quota usage. Leaves sessions, watches and permission checks
 * to others.
 */
import type { Millis } from "../actor.ts";
import { type Zxid, ZXID_ZERO } from "../base/zxid.ts";
import type { Writer } from "../jute/writer.ts";
import { type Acl, READ_ACL_UNSAFE, type Stat } from "../protocol/data.ts";
import type { Txn, TxnHeader } from "../protocol/txns.ts";
import { ACL_ID_MAX, OPEN_ACL_ID } from "./acl-cache.ts";
import { type ApplyResult, type TreeListener, TxnApplier } from "./apply-txn.ts";
import type { AdHash } from "./digest.ts";
import { DigestLog } from "./digest-log.ts";
import * as At from "./node-table.ts";
import { NO_NODE, type NodeRef, ROOT } from "./node-table.ts";
import { isKnownOwner, OwnerKind, ownerHigh, ownerLow, ownerOf, ttlOf } from "./owner.ts";
import { CONFIG_PATH, QUOTA_PATH, ZOOKEEPER_PATH } from "./paths.ts";
import type { CursorRegistry, CursorSource } from "./preorder-cursor.ts";
import { Quotas } from "./quotas.ts";
import * as read from "./read-node.ts";
import { type TreeOptions, TreeState } from "./tree-state.ts";

export { type ApplyResult, NO_LISTENER, type TreeListener } from "./apply-txn.ts";
export { NO_NODE, type NodeRef } from "./node-table.ts";
export { OwnerKind } from "./owner.ts";
export type { TreeOptions } from "./tree-state.ts";

/** A node's stat as snapshots store it. Mutable, so that a loader can reuse one (Java: StatPersisted). */
export interface StatPersisted {
  czxid: Zxid;
  mzxid: Zxid;
  ctime: Millis;
  mtime: Millis;
  version: number;
  cversion: number;
  aversion: number;
  ephemeralOwner: bigint;
  pzxid: Zxid;
}

const NO_DATA = new Uint8Array(0);

export class DataTree implements CursorSource {
  /** The newest transaction whose effects are all in the tree. */
  lastProcessedZxid: Zxid = ZXID_ZERO;
  readonly digestLog: DigestLog = new DigestLog();
  readonly #state: TreeState;
  readonly #quotas: Quotas;
  readonly #applier: TxnApplier;
  #loading = false;

  constructor(options: TreeOptions) {
    const state = new TreeState(options);
    this.#state = state;
    this.#quotas = new Quotas({
      find: (path) => state.find(path),
      dataOf: (n) => read.dataOf(state, n),
      replaceData: (n, data) => this.#replaceData(n, data),
      usageOf: (n) => read.usageOf(state, n),
      quotaPaths: () => read.pathsBelow(state, state.find(QUOTA_PATH)),
    });
    this.#applier = new TxnApplier(state, this.#quotas);
    this.#reservedNodesCreate();
  }

  // ---- finding and walking

  /** `""` and `/` are the root; NO_NODE when there is no such node. */
  find(path: string): NodeRef {
    return this.#state.find(path);
  }

  path(n: NodeRef): string {
    return read.pathOf(this.#state, n);
  }

  /** The last component; empty for the root. */
  name(n: NodeRef): string {
    return read.nameIn(this.#state, n);
  }

  /** NO_NODE for the root. */
  parent(n: NodeRef): NodeRef {
    return this.#state.nodes.ref(n, At.PARENT);
  }

  firstChild(n: NodeRef): NodeRef {
    return this.#state.nodes.ref(n, At.FIRST_CHILD);
  }

  nextSibling(n: NodeRef): NodeRef {
    return this.#state.nodes.ref(n, At.NEXT_SIBLING);
  }

  /** Names, newest child first. */
  children(n: NodeRef): string[] {
    const names: string[] = [];
    for (let child = this.firstChild(n); child !== NO_NODE; child = this.nextSibling(child))
      names.push(this.name(child));
    return names;
  }

  childCount(n: NodeRef): number {
    return this.#state.nodes.int(n, At.CHILD_COUNT);
  }

  /** Nodes below, at any depth. Walks them, except for the root. */
  descendantCount(n: NodeRef): number {
    return (n === ROOT ? this.nodeCount : read.usageOf(this.#state, n).count) - 1;
  }

  /** For preorder-cursor.ts. */
  get cursors(): CursorRegistry {
    return this.#state.cursors;
  }

  // ---- stat, in stored forms unless said otherwise

  czxid(n: NodeRef): Zxid {
    return this.#state.nodes.double(n, At.CZXID) as Zxid;
  }
  mzxid(n: NodeRef): Zxid {
    return this.#state.nodes.double(n, At.MZXID) as Zxid;
  }
  pzxid(n: NodeRef): Zxid {
    return this.#state.nodes.double(n, At.PZXID) as Zxid;
  }
  ctime(n: NodeRef): Millis {
    return this.#state.nodes.double(n, At.CTIME);
  }
  mtime(n: NodeRef): Millis {
    return this.#state.nodes.double(n, At.MTIME);
  }
  version(n: NodeRef): number {
    return this.#state.nodes.int(n, At.VERSION);
  }
  /** Counts creates of children only; clients see {@link DataTree.stat}'s. */
  cversion(n: NodeRef): number {
    return this.#state.nodes.int(n, At.CVERSION);
  }
  aversion(n: NodeRef): number {
    return this.#state.nodes.int(n, At.AVERSION);
  }
  /** The stored ephemeralOwner: also of containers and TTL nodes. */
  owner(n: NodeRef): bigint {
    return ownerOf(this.#state.nodes.int(n, At.OWNER_HIGH), this.#state.nodes.int(n, At.OWNER_LOW));
  }
  ownerKind(n: NodeRef): OwnerKind {
    return this.#state.owners.kindOf(n);
  }
  /** Such a node may not have children. */
  isSessionEphemeral(n: NodeRef): boolean {
    return this.#state.owners.kindOf(n) === OwnerKind.session;
  }
  /** Of a TTL node. */
  ttl(n: NodeRef): Millis {
    const { nodes, options } = this.#state;
    return ttlOf(nodes.int(n, At.OWNER_HIGH), nodes.int(n, At.OWNER_LOW), options);
  }

  /** What clients see. */
  stat(n: NodeRef): Stat {
    return read.statOf(this.#state, n);
  }
  /** What clients see, as jute. */
  writeStat(w: Writer, n: NodeRef): void {
    read.writeStatOf(this.#state, w, n);
  }

  // ---- data, children and ACL

  /** 0 for null data. */
  dataLength(n: NodeRef): number {
    return Math.max(0, this.#state.nodes.int(n, At.DATA_LENGTH));
  }
  isNullData(n: NodeRef): boolean {
    return this.#state.nodes.int(n, At.DATA_LENGTH) < 0;
  }
  /** A copy. */
  data(n: NodeRef): Uint8Array | null {
    return read.dataOf(this.#state, n);
  }
  /** As a jute buffer. */
  writeData(w: Writer, n: NodeRef): void {
    read.writeDataOf(this.#state, w, n);
  }
  /** As a jute vector of names, newest child first. */
  writeChildren(w: Writer, n: NodeRef): void {
    read.writeChildrenOf(this.#state, w, n);
  }
  /** As a snapshot's record, with `aclId` for its access list. */
  writeSnapshotNode(w: Writer, n: NodeRef, aclId: number): void {
    read.writeSnapshotNodeOf(this.#state, w, n, aclId);
  }

  aclId(n: NodeRef): number {
    return this.#state.nodes.int(n, At.ACL_ID);
  }
  /** Nodes with the same id give the same object. */
  acl(n: NodeRef): readonly Acl[] {
    return this.#state.acls.aclOf(this.aclId(n));
  }
  aclOf(id: number): readonly Acl[] {
    return this.#state.acls.aclOf(id);
  }
  /** The snapshot's ACL map; the open ACL of id -1 is not in it. */
  aclEntries(): [number, readonly Acl[]][] {
    return this.#state.acls.entries();
  }

  // ---- the whole

  /** The root counts once (ZooKeeper reports one more). */
  get nodeCount(): number {
    return this.#state.nodes.size;
  }
  get ephemeralCount(): number {
    return this.#state.owners.ephemeralCount;
  }
  /** Path and data bytes as ZooKeeper reports them: the root's second name `/` counts too. */
  get approximateDataSize(): number {
    return this.#state.contentBytes + 1;
  }
  /** Memory held for paths and data, used or not. */
  get reservedBytes(): number {
    return this.#state.slab.reservedBytes;
  }

  /** Paths in the order of creation. */
  ephemeralsOf(session: bigint): string[] {
    const paths: string[] = [];
    const { owners } = this.#state;
    for (let n = owners.firstOf(session); n !== NO_NODE; n = owners.next(n)) paths.push(this.path(n));
    return paths.reverse();
  }
  sessionsWithEphemerals(): IterableIterator<bigint> {
    return this.#state.owners.sessions();
  }
  /** Do not change the tree while iterating. */
  containers(): IterableIterator<NodeRef> {
    return this.#state.owners.containers();
  }
  /** Do not change the tree while iterating. */
  ttls(): IterableIterator<NodeRef> {
    return this.#state.owners.ttls();
  }

  // ---- digest

  /** The live sum: copy it to keep it. Stays 0 with digests off. */
  get treeDigest(): AdHash {
    return this.#state.digest;
  }
  /** The CRC state over path and data; 0 for nodes that do not count. */
  digestPrefixOf(n: NodeRef): number {
    return this.#state.nodes.int(n, At.DIGEST_PREFIX) >>> 0;
  }
  /** The node's share of the sum; 0 for nodes that do not count. */
  digestOf(n: NodeRef): number {
    return this.#state.nodes.int(n, At.DIGEST) >>> 0;
  }

  // ---- changing

  /** Never throws for what a transaction asks. The result is valid until the next call. */
  apply(header: TxnHeader, txn: Txn, listener: TreeListener): ApplyResult {
    const result = this.#applier.apply(header, txn, listener);
    if (header.zxid > this.lastProcessedZxid) this.lastProcessedZxid = header.zxid;
    if (this.#state.options.digest) this.digestLog.record(header.zxid, this.#state.digest);
    return result;
  }

  /** False if a hard quota forbids the change (enforceQuota); deltas of 0 are not checked. */
  quotaCheck(path: string, bytesDelta: number, countDelta: number): boolean {
    return this.#quotas.allows(path, bytesDelta, countDelta);
  }

  /** Counts every quota's usage anew, as Java does after loading. */
  recomputeQuotas(): void {
    this.#quotas.setUp();
  }

  /** Fills /zookeeper/config outside any transaction: the stat says since when (reference, section 5.9). */
  fillConfig(data: Uint8Array, mzxid: Zxid, mtime: Millis): void {
    const { nodes } = this.#state;
    let n = this.find(CONFIG_PATH);
    if (n === NO_NODE) n = this.#configCreate();
    this.#replaceData(n, data);
    nodes.setInt(n, At.VERSION, -1);
    nodes.setDouble(n, At.MZXID, mzxid);
    nodes.setDouble(n, At.MTIME, mtime);
  }

  // ---- loading a snapshot

  /** Registers an entry of the snapshot's ACL map. False if it cannot be kept. */
  loadAcl(id: number, acl: readonly Acl[]): boolean {
    this.#beginLoading();
    return this.#state.acls.load(id, acl);
  }

  /**
   * Adds a node as a snapshot stores it; the root has the empty path. False if that makes no sense: no parent, an
   * owner or ACL id nobody gives. The first call of this or {@link DataTree.loadAcl} empties the tree.
   */
  insertRaw(path: string, data: Uint8Array | null, aclId: number, stat: StatPersisted): boolean {
    this.#beginLoading();
    const high = ownerHigh(stat.ephemeralOwner);
    if (path === "/" || !isKnownOwner(high, this.#state.options)) return false;
    if (!Number.isInteger(aclId) || aclId < OPEN_ACL_ID || aclId > ACL_ID_MAX) return false;
    const state = this.#state;
    let n: NodeRef = ROOT;
    if (path !== "") {
      state.locate(path);
      if (state.locatedParent === NO_NODE || state.located !== NO_NODE) return false;
      n = state.insert(state.locatedParent, data, aclId, high, ownerLow(stat.ephemeralOwner), undefined);
    } else {
      state.setData(ROOT, data, undefined);
      state.nodes.setInt(ROOT, At.ACL_ID, aclId);
    }
    state.acls.addUse(aclId);
    this.#setStat(n, stat);
    return true;
  }

  /** Forgets ACLs no node uses and counts the quotas' usage. */
  finishLoad(): void {
    this.#beginLoading();
    this.#loading = false;
    this.#state.acls.purgeUnused();
    this.#quotas.setUp();
  }

  #beginLoading(): void {
    if (this.#loading) return;
    this.#loading = true;
    const state = this.#state;
    let n: NodeRef = ROOT;
    while (state.nodes.size > 1) {
      while (this.firstChild(n) !== NO_NODE) n = this.firstChild(n);
      const above = this.parent(n);
      state.remove(n);
      n = above;
    }
    state.acls.clear();
  }

  #setStat(n: NodeRef, stat: StatPersisted): void {
    const { nodes } = this.#state;
    nodes.setDouble(n, At.CZXID, stat.czxid);
    nodes.setDouble(n, At.MZXID, stat.mzxid);
    nodes.setDouble(n, At.PZXID, stat.pzxid);
    nodes.setDouble(n, At.CTIME, stat.ctime);
    nodes.setDouble(n, At.MTIME, stat.mtime);
    nodes.setInt(n, At.VERSION, stat.version);
    nodes.setInt(n, At.CVERSION, stat.cversion);
    nodes.setInt(n, At.AVERSION, stat.aversion);
    this.#state.refreshDigest(n);
  }

  // ---- the reserved nodes

  #reservedNodesCreate(): void {
    const state = this.#state;
    state.nodes.setInt(ROOT, At.ACL_ID, OPEN_ACL_ID);
    state.setData(ROOT, NO_DATA, undefined);
    state.refreshDigest(ROOT);
    this.#reservedCreate(ZOOKEEPER_PATH, OPEN_ACL_ID);
    this.#reservedCreate(QUOTA_PATH, OPEN_ACL_ID);
    this.#configCreate();
  }

  #configCreate(): NodeRef {
    if (this.find(ZOOKEEPER_PATH) === NO_NODE) this.#reservedCreate(ZOOKEEPER_PATH, OPEN_ACL_ID);
    const config = this.#reservedCreate(CONFIG_PATH, this.#state.acls.internAcl(READ_ACL_UNSAFE));
    this.#state.nodes.setInt(config, At.AVERSION, -1);
    return config;
  }

  #reservedCreate(path: string, aclId: number): NodeRef {
    const state = this.#state;
    state.locate(path);
    const n = state.insert(state.locatedParent, NO_DATA, aclId, 0, 0, undefined);
    state.refreshDigest(n);
    return n;
  }

  #replaceData(n: NodeRef, data: Uint8Array): void {
    this.#state.setData(n, data, undefined);
    this.#state.refreshDigest(n);
  }
}
