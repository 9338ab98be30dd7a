/**
 * The namespace as an obvious program: one object per node, everything derived by looking at all of them. What
 * core/tree must equal (Java: DataTree; reference, sections 5, 7.5 and 7.6).
 */
import { crc32 } from "node:zlib";
import type { Zxid } from "../../core/base/zxid.ts";
import { type Acl, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, type Stat } from "../../core/protocol/data.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import type { CreateContainerTxn, CreateTtlTxn, CreateTxn, Txn, TxnHeader } from "../../core/protocol/txns.ts";
import { formatQuota, parseQuota } from "../../core/tree/quotas.ts";

export interface NaiveNode {
  data: Uint8Array | null;
  acl: readonly Acl[];
  owner: bigint;
  czxid: number;
  mzxid: number;
  pzxid: number;
  ctime: number;
  mtime: number;
  version: number;
  cversion: number;
  aversion: number;
}

export type NaiveEvent = readonly [kind: "created" | "changed" | "deleted", path: string, zxid: number];

export const CONTAINER = -0x8000_0000_0000_0000n;
const NO_BYTES = new Uint8Array(0);

export class NaiveTree {
  /** By path; the root is `/`. */
  readonly nodes = new Map<string, NaiveNode>();
  readonly events: NaiveEvent[] = [];
  lastProcessedZxid = 0;

  constructor() {
    for (const path of ["/", "/zookeeper", "/zookeeper/quota"]) this.nodes.set(path, node(NO_BYTES, OPEN_ACL_UNSAFE));
    this.nodes.set("/zookeeper/config", { ...node(NO_BYTES, READ_ACL_UNSAFE), aversion: -1 });
  }

  parentOf(path: string): string {
    return path.slice(0, Math.max(1, path.lastIndexOf("/")));
  }

  children(path: string): string[] {
    const prefix = path === "/" ? "/" : `${path}/`;
    return [...this.nodes.keys()]
      .filter((other) => other !== "/" && other.startsWith(prefix) && !other.includes("/", prefix.length))
      .map((other) => other.slice(prefix.length));
  }

  isEphemeral(path: string): boolean {
    const { owner } = this.nodes.get(path)!;
    return owner !== 0n && owner !== CONTAINER && !isTtl(owner);
  }

  ephemeralsOf(session: bigint): string[] {
    return [...this.nodes.keys()].filter((path) => this.nodes.get(path)!.owner === session && this.isEphemeral(path));
  }

  stat(path: string): Stat {
    const n = this.nodes.get(path)!;
    const numChildren = this.children(path).length;
    return {
      czxid: n.czxid as Zxid,
      mzxid: n.mzxid as Zxid,
      ctime: n.ctime,
      mtime: n.mtime,
      version: n.version,
      cversion: 2 * n.cversion - numChildren,
      aversion: n.aversion,
      ephemeralOwner: this.isEphemeral(path) ? n.owner : 0n,
      dataLength: n.data?.length ?? 0,
      numChildren,
      pzxid: n.pzxid as Zxid,
    };
  }

  digest(): bigint {
    let sum = 0n;
    for (const [path, n] of this.nodes) if (!path.startsWith("/zookeeper/")) sum += BigInt(digestOf(path, n));
    return BigInt.asUintN(64, sum);
  }

  /** The code of the result: of a multi's first failure. */
  apply(header: TxnHeader, txn: Txn): number {
    const code = this.#applyAny(header, txn);
    this.lastProcessedZxid = Math.max(this.lastProcessedZxid, header.zxid);
    return code;
  }

  #applyAny(header: TxnHeader, txn: Txn): number {
    if (txn.type === OpCode.multi) {
      const failure = txn.txns.find((sub) => sub.type === OpCode.error);
      if (failure !== undefined) return firstError(txn.txns.map((sub) => (sub.type === OpCode.error ? sub.err : 0)));
      return firstError(txn.txns.map((sub) => this.#applyAny(header, sub)));
    }
    if (txn.type === OpCode.create || txn.type === OpCode.create2) {
      return this.#create(header, txn, txn.ephemeral ? header.clientId : 0n);
    }
    if (txn.type === OpCode.createContainer) return this.#create(header, txn, CONTAINER);
    if (txn.type === OpCode.createTTL)
      return this.#create(header, txn, BigInt.asIntN(64, (0xffn << 56n) | BigInt(txn.ttl)));
    if (txn.type === OpCode.delete || txn.type === OpCode.deleteContainer) return this.#delete(txn.path, header.zxid);
    if (txn.type === OpCode.setData || txn.type === OpCode.reconfig) {
      const n = this.nodes.get(txn.path);
      if (n === undefined) return -101;
      this.#countUsage(txn.path, (txn.data?.length ?? 0) - (n.data?.length ?? 0), 0, () => {
        Object.assign(n, { data: copyOf(txn.data), version: txn.version, mzxid: header.zxid, mtime: header.time });
      });
      this.events.push(["changed", txn.path, header.zxid]);
      return 0;
    }
    if (txn.type === OpCode.setACL) {
      const n = this.nodes.get(txn.path);
      if (n === undefined) return -101;
      Object.assign(n, { acl: txn.acl, aversion: txn.version });
      return 0;
    }
    if (txn.type === OpCode.closeSession) {
      for (const path of txn.paths ?? []) this.#delete(path, header.zxid);
      // Newest first, which is core/tree's choice: the order is nobody's promise.
      for (const path of this.ephemeralsOf(header.clientId).reverse()) this.#delete(path, header.zxid);
      return 0;
    }
    return txn.type === OpCode.error ? txn.err : 0;
  }

  #create(header: TxnHeader, txn: CreateTxn | CreateContainerTxn | CreateTtlTxn, owner: bigint): number {
    const parent = this.nodes.get(this.parentOf(txn.path));
    if (parent === undefined) return -101;
    const cversion = txn.parentCVersion === -1 ? parent.cversion + 1 : txn.parentCVersion;
    if (cversion > parent.cversion) Object.assign(parent, { cversion, pzxid: header.zxid });
    const existing = this.nodes.get(txn.path);
    if (existing !== undefined) {
      existing.acl = txn.acl;
      return -110;
    }
    const { zxid, time } = header;
    const created = {
      ...node(copyOf(txn.data), txn.acl),
      owner,
      czxid: zxid,
      mzxid: zxid,
      pzxid: zxid,
      ctime: time,
      mtime: time,
    };
    this.nodes.set(txn.path, created);
    const counted = /^\/zookeeper\/quota(\/.*)\/zookeeper_stats$/.exec(txn.path)?.[1];
    if (counted !== undefined) {
      const below = [...this.nodes].filter(([path]) => path === counted || path.startsWith(`${counted}/`));
      const bytes = below.reduce((sum, [, n]) => sum + (n.data?.length ?? 0), 0);
      created.data = Buffer.from(`count=${below.length},bytes=${bytes}`);
    }
    this.#countUsage(txn.path, txn.data?.length ?? 0, 1);
    this.events.push(["created", txn.path, header.zxid]);
    return 0;
  }

  #delete(path: string, zxid: number): number {
    const parent = this.nodes.get(this.parentOf(path));
    if (parent === undefined) return -101;
    parent.pzxid = Math.max(parent.pzxid, zxid);
    if (!this.nodes.has(path)) return -101;
    for (const below of [...this.nodes.keys()].filter((other) => other.startsWith(`${path}/`)).reverse())
      this.#remove(below);
    this.#remove(path);
    this.events.push(["deleted", path, zxid]);
    return 0;
  }

  #remove(path: string): void {
    const bytes = this.nodes.get(path)!.data?.length ?? 0;
    this.nodes.delete(path);
    this.#countUsage(path, -bytes, -1);
  }

  /** The deepest path with a limits node has its stats node changed, if there is one. */
  #countUsage(path: string, bytes: number, count: number, change?: () => void): void {
    change?.();
    for (let prefix = path; prefix !== "/"; prefix = this.parentOf(prefix)) {
      if (!this.nodes.has(`/zookeeper/quota${prefix}/zookeeper_limits`)) continue;
      const stats = this.nodes.get(`/zookeeper/quota${prefix}/zookeeper_stats`);
      if (stats === undefined) return;
      const usage = parseQuota(stats.data);
      usage.set("count", (usage.get("count") ?? -1) + count);
      usage.set("bytes", (usage.get("bytes") ?? -1) + bytes);
      stats.data = Buffer.from(formatQuota(usage));
      return;
    }
  }
}

export function isTtl(owner: bigint): boolean {
  return BigInt.asUintN(64, owner) >> 40n === 0xff_0000n;
}

function digestOf(path: string, n: NaiveNode): number {
  const stat = Buffer.alloc(60);
  [n.czxid, n.mzxid, n.pzxid, n.ctime, n.mtime].forEach((long, i) => stat.writeBigInt64BE(BigInt(long), i * 8));
  [n.version, n.cversion, n.aversion].forEach((int, i) => stat.writeInt32BE(int, 40 + i * 4));
  stat.writeBigInt64BE(n.owner, 52);
  return crc32(Buffer.concat([Buffer.from(path === "/" ? "" : path), n.data ?? NO_BYTES, stat]));
}

function node(data: Uint8Array | null, acl: readonly Acl[]): NaiveNode {
  const zeros = { czxid: 0, mzxid: 0, pzxid: 0, ctime: 0, mtime: 0, version: 0, cversion: 0, aversion: 0 };
  return { data, acl, owner: 0n, ...zeros };
}

function copyOf(data: Uint8Array | null): Uint8Array | null {
  return data === null ? null : Uint8Array.from(data);
}

function firstError(codes: readonly number[]): number {
  return codes.find((code) => code !== 0) ?? 0;
}
