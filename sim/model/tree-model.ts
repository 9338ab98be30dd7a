/**
 * ZooKeeper's data as an obvious sequential program: what the transactions of a log, applied one after the other, must
 * amount to (reference for every recovered or replicated state). One object per node, nothing cached, no idempotence:
 * a log applied from its beginning never meets a node that is already there. Java: DataTree without its optimizations.
 */
import { crc32 } from "../../core/base/checksums.ts";
import { epochOf } from "../../core/base/zxid.ts";
import { CONTAINER_OWNER } from "../../core/tree/owner.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import type { Acl } from "../../core/protocol/data.ts";
import { OPEN_ACL_UNSAFE, READ_ACL_UNSAFE } from "../../core/protocol/data.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import type {
  CreateContainerTxn,
  CreateTtlTxn,
  CreateTxn,
  SubTxn,
  TxnEntry,
  TxnHeader,
} from "../../core/protocol/txns.ts";
import type { DataTree } from "../../core/tree/data-tree.ts";
import { NO_NODE } from "../../core/tree/data-tree.ts";

export interface ModelNode {
  data: Uint8Array | null;
  acl: readonly Acl[];
  /** As stored: 0, a session, container, or TTL. */
  owner: bigint;
  czxid: number;
  mzxid: number;
  pzxid: number;
  ctime: number;
  mtime: number;
  version: number;
  /** As stored: creates of children only. */
  cversion: number;
  aversion: number;
}

/** What a txn did to a node, told as it happens. */
export type Change = "created" | "changed" | "deleted";

const EMPTY = new Uint8Array(0);
const TTL_TOP = 0xff00_0000_0000_0000n;

export class TreeModel {
  /** By path; the root is `/`. */
  readonly nodes: Map<string, ModelNode> = new Map();
  /** Timeouts of the sessions there are. */
  readonly sessions: Map<bigint, number> = new Map();
  lastZxid = 0;
  readonly #onChange: (path: string, change: Change) => void;

  constructor(onChange: (path: string, change: Change) => void = () => {}) {
    this.#onChange = onChange;
    for (const path of ["/", "/zookeeper", "/zookeeper/quota"]) this.nodes.set(path, freshNode(EMPTY, OPEN_ACL_UNSAFE));
    this.nodes.set("/zookeeper/config", { ...freshNode(EMPTY, READ_ACL_UNSAFE), aversion: -1 });
  }

  /** What is wrong with the txn as the next one of this history; undefined when nothing is. */
  apply({ header, txn }: TxnEntry): string | undefined {
    // Numbers go on within an epoch; a later epoch begins where it likes.
    const follows = header.zxid === this.lastZxid + 1 || epochOf(header.zxid) > epochOf(this.lastZxid as Zxid);
    if (!follows) return `zxid ${header.zxid} follows ${this.lastZxid}`;
    this.lastZxid = header.zxid;
    switch (txn.type) {
      case OpCode.createSession:
        if (this.sessions.has(header.clientId)) return "the session is there already";
        this.sessions.set(header.clientId, txn.timeOut);
        return undefined;
      case OpCode.closeSession:
        return this.#closeSession(header, txn.paths);
      case OpCode.multi: {
        if (txn.txns.some((sub) => sub.type === OpCode.error)) return undefined;
        for (const sub of txn.txns) {
          const wrong = this.#applySub(header, sub);
          if (wrong !== undefined) return wrong;
        }
        return undefined;
      }
      default:
        return this.#applySub(header, txn);
    }
  }

  children(path: string): string[] {
    const prefix = path === "/" ? "/" : `${path}/`;
    const names: string[] = [];
    for (const other of this.nodes.keys()) {
      if (other !== "/" && other.startsWith(prefix) && !other.includes("/", prefix.length)) {
        names.push(other.slice(prefix.length));
      }
    }
    return names;
  }

  /**
   * The first difference to a server's tree; undefined when they are the same. `ignored`: a node that servers write to
   * without a txn (`/zookeeper/config`).
   */
  difference(tree: DataTree, ignored?: string): string | undefined {
    for (const [path, node] of this.nodes) {
      if (path === ignored) continue;
      const n = tree.find(path);
      if (n === NO_NODE) return `${path} is missing`;
      const there: ModelNode = {
        data: tree.data(n),
        acl: tree.acl(n),
        owner: tree.owner(n),
        czxid: tree.czxid(n),
        mzxid: tree.mzxid(n),
        pzxid: tree.pzxid(n),
        ctime: tree.ctime(n),
        mtime: tree.mtime(n),
        version: tree.version(n),
        cversion: tree.cversion(n),
        aversion: tree.aversion(n),
      };
      const expected = describeNode(node);
      const found = describeNode(there);
      if (found !== expected) return `${path} is ${found}, not ${expected}`;
    }
    // Every node of the model is there, so a tree of the same size has no others. The root is counted twice.
    const extra = tree.nodeCount - this.nodes.size;
    if (tree.descendantCount(tree.find("/")) !== this.nodes.size - 1) return `${extra} nodes too many`;
    return undefined;
  }

  #applySub(header: TxnHeader, txn: SubTxn): string | undefined {
    switch (txn.type) {
      case OpCode.create:
      case OpCode.create2:
        return this.#create(header, txn, txn.ephemeral ? header.clientId : 0n);
      case OpCode.createContainer:
        return this.#create(header, txn, CONTAINER_OWNER);
      case OpCode.createTTL:
        return this.#create(header, txn, BigInt.asIntN(64, TTL_TOP | BigInt(txn.ttl)));
      case OpCode.delete:
      case OpCode.deleteContainer:
        return this.#delete(header, txn.path);
      case OpCode.setData:
      case OpCode.reconfig: {
        const node = this.nodes.get(txn.path);
        if (node === undefined) return `setData of ${txn.path}, which is not there`;
        if (txn.version !== node.version + 1) return `setData of ${txn.path} skips a version`;
        node.data = copyOf(txn.data);
        node.version = txn.version;
        node.mzxid = header.zxid;
        node.mtime = header.time;
        this.#onChange(txn.path, "changed");
        return undefined;
      }
      case OpCode.setACL: {
        const node = this.nodes.get(txn.path);
        if (node === undefined) return `setACL of ${txn.path}, which is not there`;
        node.acl = txn.acl;
        node.aversion = txn.version;
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #create(header: TxnHeader, txn: CreateTxn | CreateContainerTxn | CreateTtlTxn, owner: bigint): string | undefined {
    const parent = this.nodes.get(parentOf(txn.path));
    if (parent === undefined) return `create of ${txn.path} without its parent`;
    if (this.nodes.has(txn.path)) return `create of ${txn.path}, which is there`;
    if (owner !== 0n && owner === header.clientId && !this.sessions.has(owner)) {
      return `create of ${txn.path} by a session that is not there`;
    }
    if (txn.parentCVersion !== parent.cversion + 1) return `create of ${txn.path} skips a cversion of its parent`;
    parent.cversion = txn.parentCVersion;
    parent.pzxid = header.zxid;
    const { zxid, time } = header;
    const node = freshNode(copyOf(txn.data), txn.acl);
    this.nodes.set(txn.path, {
      ...node,
      owner,
      czxid: zxid,
      mzxid: zxid,
      pzxid: zxid,
      ctime: time,
      mtime: time,
    });
    this.#onChange(txn.path, "created");
    return undefined;
  }

  #delete(header: TxnHeader, path: string): string | undefined {
    if (!this.nodes.delete(path)) return `delete of ${path}, which is not there`;
    this.nodes.get(parentOf(path))!.pzxid = header.zxid;
    this.#onChange(path, "deleted");
    return this.children(path).length > 0 ? `delete of ${path}, which has children` : undefined;
  }

  #closeSession(header: TxnHeader, paths: readonly string[] | undefined): string | undefined {
    // A session may be closed by its client and expire at once: the second closeSession finds nothing left to do.
    this.sessions.delete(header.clientId);
    const owned = [...this.nodes].filter(([, node]) => node.owner === header.clientId).map(([path]) => path);
    if (paths !== undefined && [...paths].sort(byUnit).join() !== owned.sort(byUnit).join()) {
      return `closeSession deletes ${paths.join()} and not ${owned.join()}`;
    }
    for (const path of owned) this.#delete(header, path);
    return undefined;
  }
}

function freshNode(data: Uint8Array | null, acl: readonly Acl[]): ModelNode {
  const stat = { czxid: 0, mzxid: 0, pzxid: 0, ctime: 0, mtime: 0, version: 0, cversion: 0, aversion: 0 };
  return { data, acl, owner: 0n, ...stat };
}

function describeNode(node: ModelNode): string {
  const { data, acl, owner, czxid, mzxid, pzxid, ctime, mtime, version, cversion, aversion } = node;
  const sum = data === null ? "null" : `${data.length}:${crc32(data, 0, data.length)}`;
  const rights = acl.map((one) => `${one.perms}:${one.scheme}:${one.id}`).join(" ");
  return `${sum} owner ${owner} z ${czxid} ${mzxid} ${pzxid} t ${ctime} ${mtime} v ${version} ${cversion} ${aversion} acl ${rights}`;
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}
function copyOf(data: Uint8Array | null): Uint8Array | null {
  return data === null ? null : data.slice();
}
function byUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
