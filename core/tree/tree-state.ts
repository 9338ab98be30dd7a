/**
 * The tree's state and its primitive changes: records, bytes, index, sibling links, owner lists, digest, cursors.
 * Every change leaves all of them agreeing with each other.
 *
 * Leaves the rules of transactions to apply-txn.ts and reading to data-tree.ts.
 */
import { crc32 } from "../base/checksums.ts";
import { encodeUtf8, encodeUtf8Into } from "../jute/utf8.ts";
import { AclCache } from "./acl-cache.ts";
import { AdHash, digestOfParts } from "./digest.ts";
import {
  ACL_ID,
  AVERSION,
  CHILD_COUNT,
  CTIME,
  CVERSION,
  CZXID,
  DATA_BLOCK,
  DATA_LENGTH,
  DIGEST,
  DIGEST_PREFIX,
  FIRST_CHILD,
  FLAGS,
  MTIME,
  MZXID,
  NEXT_SIBLING,
  NO_NODE,
  type NodeRef,
  NodeTable,
  OWNER_HIGH,
  OWNER_LOW,
  PARENT,
  PATH_BLOCK,
  PATH_LENGTH,
  PREVIOUS_SIBLING,
  PZXID,
  ROOT,
  VERSION,
} from "./node-table.ts";
import type { OwnerOptions } from "./owner.ts";
import { OwnerLists } from "./owner-lists.ts";
import { PathIndex } from "./path-index.ts";
import { ZOOKEEPER_PATH } from "./paths.ts";
import { CursorRegistry } from "./preorder-cursor.ts";
import { type BlockRef, Slab } from "./slab.ts";

export interface TreeOptions extends OwnerOptions {
  /** `zookeeper.digest.enabled`. Without it no digest is kept and {@link TreeState.digest} stays 0. */
  readonly digest: boolean;
}

const SLASH = 0x2f;
/** Lookups remembered, and lookups not remembered after a node has gone. */
const RECENT_MAX = 2048;
const RECENT_REST = 256;
/** The node is /zookeeper. */
const FLAG_ZOOKEEPER = 1;
/** The node is below /zookeeper and does not count in the digest. */
const FLAG_BELOW_ZOOKEEPER = 2;
const ZOOKEEPER_BYTES = encodeUtf8(ZOOKEEPER_PATH);

/** Pure scratch: the UTF-8 of the path in hand. Nothing in it outlives a call from outside. */
let scratch = new Uint8Array(512);

/** Puts the path's UTF-8 into the scratch and returns its length. */
function encodePath(path: string): number {
  const length = path.length;
  if (length * 3 > scratch.length) scratch = new Uint8Array(length * 4);
  const bytes = scratch;
  for (let i = 0; i < length; i++) {
    const unit = path.charCodeAt(i);
    if (unit >= 0x80) return encodeUtf8Into(path, bytes, 0);
    bytes[i] = unit;
  }
  return length;
}

export class TreeState {
  readonly options: TreeOptions;
  readonly nodes: NodeTable = new NodeTable();
  readonly slab: Slab = new Slab();
  readonly index: PathIndex = new PathIndex(this.nodes, this.slab);
  readonly cursors: CursorRegistry = new CursorRegistry(this.nodes);
  readonly acls: AclCache = new AclCache();
  readonly digest: AdHash = new AdHash();
  readonly owners: OwnerLists;
  /** Path bytes plus data bytes of all nodes. */
  contentBytes = 0;
  located: NodeRef = NO_NODE;
  locatedParent: NodeRef = NO_NODE;
  #length = 0;
  /** Paths that were just found, for those that are asked for again and again. Only nodes that are there. */
  readonly #recent = new Map<string, NodeRef>();
  /** Lookups to go until they are remembered again. */
  #recentRests = 0;

  constructor(options: TreeOptions) {
    this.options = options;
    this.owners = new OwnerLists(this.nodes, options);
    this.nodes.allocate();
    this.nodes.setInt(ROOT, DATA_LENGTH, -1);
  }

  /** `""` and `/` are the root. */
  find(path: string): NodeRef {
    if (path.length <= 1 && (path === "" || path === "/")) return ROOT;
    if (this.#recentRests > 0) {
      this.#recentRests--;
      return this.index.find(scratch, encodePath(path));
    }
    const known = this.#recent.get(path);
    if (known !== undefined) return known;
    const n = this.index.find(scratch, encodePath(path));
    if (n === NO_NODE) return n;
    if (this.#recent.size >= RECENT_MAX) this.#recent.clear();
    this.#recent.set(path, n);
    return n;
  }

  /** Where nodes come and go all the time, remembering them would cost more than it saves. */
  #forgetRecent(): void {
    if (this.#recent.size > 0) this.#recent.clear();
    this.#recentRests = RECENT_REST;
  }

  /**
   * Looks up a path and its parent by the last slash, into {@link TreeState.located} and
   * {@link TreeState.locatedParent}, and holds the path for {@link TreeState.insert}. The parent is NO_NODE if it is
   * missing or there is no slash.
   */
  locate(path: string): void {
    const slash = path.lastIndexOf("/");
    const length = encodePath(path);
    this.#length = length;
    this.located = path.length <= 1 ? this.find(path) : this.index.find(scratch, length);
    if (slash < 0) this.locatedParent = NO_NODE;
    else if (slash === 0 || (slash === 1 && path.charCodeAt(0) === SLASH)) this.locatedParent = ROOT;
    else this.locatedParent = this.index.find(scratch, lastSlash(scratch, length));
  }

  /**
   * Adds a leaf in front of its siblings, with zero stat fields, under the path given to {@link TreeState.locate} just
   * before, which found nothing there. The caller sets the stat and then calls {@link TreeState.refreshDigest};
   * `digestPrefix` saves summing the payload.
   */
  insert(
    parent: NodeRef,
    data: Uint8Array | null,
    aclId: number,
    ownerHigh: number,
    ownerLow: number,
    digestPrefix: number | undefined,
  ): NodeRef {
    const nodes = this.nodes;
    const length = this.#length;
    const n = nodes.allocate();
    nodes.setInt(n, PATH_BLOCK, this.slab.store(scratch, 0, length));
    nodes.setInt(n, PATH_LENGTH, length);
    this.index.insert(n, scratch, length);
    nodes.setInt(n, FLAGS, this.#flagsBelow(parent, length));
    nodes.setInt(n, ACL_ID, aclId);
    nodes.setInt(n, OWNER_HIGH, ownerHigh);
    nodes.setInt(n, OWNER_LOW, ownerLow);
    nodes.setInt(n, PARENT, parent);
    const sibling = nodes.ref(parent, FIRST_CHILD);
    nodes.setInt(n, NEXT_SIBLING, sibling);
    if (sibling !== NO_NODE) nodes.setInt(sibling, PREVIOUS_SIBLING, n);
    nodes.setInt(parent, FIRST_CHILD, n);
    nodes.setInt(parent, CHILD_COUNT, nodes.int(parent, CHILD_COUNT) + 1);
    nodes.setInt(n, DATA_LENGTH, -1);
    this.contentBytes += length;
    this.setData(n, data, digestPrefix);
    if ((ownerHigh | ownerLow) !== 0) this.owners.add(n);
    return n;
  }

  /** Takes a leaf out. Its use of the ACL stays counted: the caller may still need the list, and releases it. */
  remove(n: NodeRef): void {
    const nodes = this.nodes;
    this.#forgetRecent();
    this.cursors.onRemoving(n);
    this.owners.remove(n);
    this.digest.subtract(nodes.int(n, DIGEST) >>> 0);
    this.index.remove(n);
    const parent = nodes.ref(n, PARENT);
    const next = nodes.ref(n, NEXT_SIBLING);
    const previous = nodes.ref(n, PREVIOUS_SIBLING);
    if (next !== NO_NODE) nodes.setInt(next, PREVIOUS_SIBLING, previous);
    if (previous !== NO_NODE) nodes.setInt(previous, NEXT_SIBLING, next);
    else nodes.setInt(parent, FIRST_CHILD, next);
    nodes.setInt(parent, CHILD_COUNT, nodes.int(parent, CHILD_COUNT) - 1);
    this.slab.free(nodes.int(n, PATH_BLOCK));
    const dataLength = nodes.int(n, DATA_LENGTH);
    if (dataLength > 0) this.slab.free(nodes.int(n, DATA_BLOCK));
    this.contentBytes -= nodes.int(n, PATH_LENGTH) + Math.max(0, dataLength);
    nodes.release(n);
  }

  /** Replaces the data, nothing of the stat. The caller then calls {@link TreeState.refreshDigest}. */
  setData(n: NodeRef, data: Uint8Array | null, digestPrefix: number | undefined): void {
    const nodes = this.nodes;
    const before = nodes.int(n, DATA_LENGTH);
    const length = data === null ? -1 : data.length;
    if (before > 0 && (length <= 0 || !this.slab.fits(before, length))) this.slab.free(nodes.int(n, DATA_BLOCK));
    if (data !== null && length > 0) {
      let block: BlockRef = nodes.int(n, DATA_BLOCK);
      if (before <= 0 || !this.slab.fits(before, length)) {
        block = this.slab.allocate(length);
        nodes.setInt(n, DATA_BLOCK, block);
      }
      this.slab.write(block, data, 0, length);
    }
    nodes.setInt(n, DATA_LENGTH, length);
    this.contentBytes += Math.max(0, length) - Math.max(0, before);
    if (this.countsInDigest(n)) nodes.setInt(n, DIGEST_PREFIX, digestPrefix ?? this.#prefixOf(n, data));
  }

  /** Whether the node's digest is kept. */
  countsInDigest(n: NodeRef): boolean {
    return this.options.digest && (this.nodes.int(n, FLAGS) & FLAG_BELOW_ZOOKEEPER) === 0;
  }

  /** After the stat or the data of a node changed. */
  refreshDigest(n: NodeRef): void {
    if (!this.countsInDigest(n)) return;
    const nodes = this.nodes;
    const digest = digestOfParts(
      nodes.int(n, DIGEST_PREFIX) >>> 0,
      nodes.double(n, CZXID),
      nodes.double(n, MZXID),
      nodes.double(n, PZXID),
      nodes.double(n, CTIME),
      nodes.double(n, MTIME),
      nodes.int(n, VERSION),
      nodes.int(n, CVERSION),
      nodes.int(n, AVERSION),
      nodes.int(n, OWNER_HIGH),
      nodes.int(n, OWNER_LOW),
    );
    this.digest.subtract(nodes.int(n, DIGEST) >>> 0);
    this.digest.add(digest);
    nodes.setInt(n, DIGEST, digest);
  }

  /** Whether the node is below /zookeeper, where the quota machinery looks. */
  isBelowZookeeper(n: NodeRef): boolean {
    return (this.nodes.int(n, FLAGS) & FLAG_BELOW_ZOOKEEPER) !== 0;
  }

  #flagsBelow(parent: NodeRef, length: number): number {
    if (this.nodes.int(parent, FLAGS) !== 0) return FLAG_BELOW_ZOOKEEPER;
    const isZookeeper =
      parent === ROOT && length === ZOOKEEPER_BYTES.length && ZOOKEEPER_BYTES.every((byte, i) => scratch[i] === byte);
    return isZookeeper ? FLAG_ZOOKEEPER : 0;
  }

  #prefixOf(n: NodeRef, data: Uint8Array | null): number {
    let state = 0;
    const length = this.nodes.int(n, PATH_LENGTH);
    if (length > 0) {
      const block = this.nodes.int(n, PATH_BLOCK);
      const at = this.slab.offset(block);
      state = crc32(this.slab.page(block), at, at + length);
    }
    return data === null || data.length === 0 ? state : crc32(data, 0, data.length, state);
  }
}

function lastSlash(bytes: Uint8Array, length: number): number {
  let at = length - 1;
  while (bytes[at] !== SLASH) at--;
  return at;
}
