/**
 * The state that will hold once everything outstanding has been applied: what prepare validates against (Java:
 * ZooKeeperServer.outstandingChanges and outstandingChangesForPath). Also predicts the tree digest.
 *
 * Invariant: `#records[#head..]` is in zxid order, and `#newest` maps each path in it to its last record there.
 */
import type { Millis } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import type { Acl } from "../protocol/data.ts";
import type { DataTree } from "../tree/data-tree.ts";
import { NO_NODE } from "../tree/data-tree.ts";
import type { AdHash } from "../tree/digest.ts";
import { countsInDigest, nodeDigest } from "../tree/digest.ts";

/** A node as it will be after the txn `zxid`. `exists` false records a delete. */
export interface ChangeRecord {
  readonly path: string;
  zxid: Zxid;
  exists: boolean;
  czxid: Zxid;
  mzxid: Zxid;
  pzxid: Zxid;
  ctime: Millis;
  mtime: Millis;
  version: number;
  /** Stored form: creates only. */
  cversion: number;
  aversion: number;
  owner: bigint;
  childCount: number;
  acl: readonly Acl[];
  /** This and {@link digest} as signed ints: in objects those cost nothing extra. */
  digestPrefix: number;
  digest: number;
  /** There was no such node before: until {@link PendingChanges.put}, `digest` means nothing. */
  isNew: boolean;
  /** What was newest for this path before, if that was still pending. */
  previous: ChangeRecord | undefined;
  /** Whether it was {@link PendingChanges.put}, and whether a newer one was since. */
  pending: boolean;
  superseded: boolean;
}

export class PendingChanges {
  readonly #tree: DataTree;
  readonly #digestEnabled: boolean;
  #records: ChangeRecord[] = [];
  #head = 0;
  readonly #newest = new Map<string, ChangeRecord>();
  /** The tree digest once everything pending is applied. */
  digest: AdHash;

  constructor(tree: DataTree, digestEnabled: boolean) {
    this.#tree = tree;
    this.#digestEnabled = digestEnabled;
    this.digest = tree.treeDigest.copy();
  }

  get size(): number {
    return this.#records.length - this.#head;
  }

  /** The node as it will be, or undefined if it will not exist. Not to be changed: see {@link change}. */
  get(path: string): ChangeRecord | undefined {
    const pending = this.#newest.get(path);
    if (pending !== undefined) return pending.exists ? pending : undefined;
    return this.#fromTree(path);
  }

  #fromTree(path: string): ChangeRecord | undefined {
    const tree = this.#tree;
    const node = tree.find(path);
    if (node === NO_NODE) return undefined;
    return {
      path,
      zxid: tree.lastProcessedZxid,
      exists: true,
      czxid: tree.czxid(node),
      mzxid: tree.mzxid(node),
      pzxid: tree.pzxid(node),
      ctime: tree.ctime(node),
      mtime: tree.mtime(node),
      version: tree.version(node),
      cversion: tree.cversion(node),
      aversion: tree.aversion(node),
      owner: tree.owner(node),
      childCount: tree.childCount(node),
      acl: tree.acl(node),
      digestPrefix: this.#digestEnabled ? tree.digestPrefixOf(node) | 0 : 0,
      digest: this.#digestEnabled ? tree.digestOf(node) | 0 : 0,
      isNew: false,
      previous: undefined,
      pending: false,
      superseded: false,
    };
  }

  /** A record to fill in and {@link put}: `base`, which {@link get} gave, as of `zxid`. */
  change(base: ChangeRecord, zxid: Zxid): ChangeRecord {
    const record = base.pending ? copyOf(base) : base;
    record.zxid = zxid;
    return record;
  }

  /** Makes `record` the newest of its path. Its `digest` is still that of the node before, if there was one. */
  put(record: ChangeRecord): void {
    // What it was changed from is newest, unless it is new: then a pending delete of the same path may be.
    if (record.isNew) record.previous = this.#newest.get(record.path);
    if (record.previous !== undefined) record.previous.superseded = true;
    record.pending = true;
    this.#newest.set(record.path, record);
    this.#records.push(record);
    if (!this.#digestEnabled || !countsInDigest(record.path)) return;
    if (!record.isNew) this.digest.subtract(record.digest >>> 0);
    record.isNew = false;
    if (!record.exists) return;
    const digest = nodeDigest(
      record.digestPrefix,
      record.czxid,
      record.mzxid,
      record.pzxid,
      record.ctime,
      record.mtime,
      record.version,
      record.cversion,
      record.aversion,
      record.owner,
    );
    record.digest = digest | 0;
    this.digest.add(digest);
  }

  /** Where {@link rollback} returns to. */
  mark(): number {
    return this.#records.length;
  }

  /** Takes back everything put since `mark` (Java: PrepRequestProcessor.rollbackPendingChanges). */
  rollback(mark: number, digest: AdHash): void {
    while (this.#records.length > mark) {
      const { path, previous } = this.#records.pop()!;
      if (previous === undefined) this.#newest.delete(path);
      else {
        previous.superseded = false;
        this.#newest.set(path, previous);
      }
    }
    this.digest = digest.copy();
  }

  /** Everything up to `zxid` is in the tree now. */
  applied(zxid: Zxid): void {
    const records = this.#records;
    while (this.#head < records.length && records[this.#head]!.zxid <= zxid) {
      const record = records[this.#head++]!;
      if (!record.superseded) this.#newest.delete(record.path);
      // The next one of this path must not keep it alive, nor return to it.
      record.previous = undefined;
    }
    if (this.#head === records.length) {
      records.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024) {
      this.#records = records.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Pending creates and deletes of ephemerals, in order, for closing `session`: path → will exist. */
  *ephemeralChanges(session: bigint): Iterable<readonly [path: string, exists: boolean]> {
    for (let i = this.#head; i < this.#records.length; i++) {
      const record = this.#records[i]!;
      if (!record.exists) yield [record.path, false];
      else if (record.owner === session) yield [record.path, true];
    }
  }

  /** Forgets everything: none of it will be applied. */
  reset(): void {
    this.#records = [];
    this.#head = 0;
    this.#newest.clear();
    this.digest = this.#tree.treeDigest.copy();
  }
}

/** Written out: a spread costs several times as much, and this is on the path of every write to a busy node. */
function copyOf(base: ChangeRecord): ChangeRecord {
  return {
    path: base.path,
    zxid: base.zxid,
    exists: base.exists,
    czxid: base.czxid,
    mzxid: base.mzxid,
    pzxid: base.pzxid,
    ctime: base.ctime,
    mtime: base.mtime,
    version: base.version,
    cversion: base.cversion,
    aversion: base.aversion,
    owner: base.owner,
    childCount: base.childCount,
    acl: base.acl,
    digestPrefix: base.digestPrefix,
    digest: base.digest,
    isNew: false,
    previous: base,
    pending: false,
    superseded: false,
  };
}
