/**
 * Quotas: usage is kept in the tree itself, beside any transaction and outside the digest (Java: Quotas, StatsTrack,
 * DataTree.updateQuotaStat, ZooKeeperServer.checkQuota; reference, section 5.7). The deepest prefix with a limits
 * node is the one that counts.
 */
import { decodeUtf8, encodeUtf8 } from "../jute/utf8.ts";
import { NO_NODE, type NodeRef } from "./node-table.ts";
import { QUOTA_PATH } from "./paths.ts";

const LIMITS = "/zookeeper_limits";
const STATS = "/zookeeper_stats";
const UNLIMITED = -1;

/** What the quotas need of the tree. */
export interface QuotaHost {
  find(path: string): NodeRef;
  dataOf(n: NodeRef): Uint8Array | null;
  /** Replaces data without touching the stat. */
  replaceData(n: NodeRef, data: Uint8Array): void;
  /** Nodes and data bytes of a subtree, its top included. */
  usageOf(n: NodeRef): { readonly count: number; readonly bytes: number };
  /** Every path below /zookeeper/quota. */
  quotaPaths(): readonly string[];
}

export class Quotas {
  readonly #host: QuotaHost;
  /** Paths with a limits node. */
  readonly #prefixes = new Set<string>();

  constructor(host: QuotaHost) {
    this.#host = host;
  }

  /** Whether changes outside /zookeeper/quota need not be reported at all. */
  get isEmpty(): boolean {
    return this.#prefixes.size === 0;
  }

  /** After a create: a limits node registers its prefix, a stats node is filled in, then usage grows. */
  onCreated(path: string, bytes: number): void {
    const limited = limitedPath(path, LIMITS);
    if (limited !== undefined) this.#prefixes.add(limited);
    else {
      const counted = limitedPath(path, STATS);
      if (counted !== undefined) this.#recount(counted);
    }
    this.onUsageChanged(path, bytes, 1);
  }

  onDeleted(path: string, bytes: number): void {
    const limited = limitedPath(path, LIMITS);
    if (limited !== undefined) this.#prefixes.delete(limited);
    this.onUsageChanged(path, -bytes, -1);
  }

  onUsageChanged(path: string, bytesDelta: number, countDelta: number): void {
    const prefix = this.#prefixOf(path);
    if (prefix === undefined) return;
    const n = this.#host.find(QUOTA_PATH + prefix + STATS);
    if (n === NO_NODE) return;
    const usage = parseQuota(this.#host.dataOf(n));
    usage.set("count", valueOf(usage, "count") + countDelta);
    usage.set("bytes", valueOf(usage, "bytes") + bytesDelta);
    this.#host.replaceData(n, encodeUtf8(formatQuota(usage)));
  }

  /** False if a hard limit forbids the change. Soft limits never do. */
  allows(path: string, bytesDelta: number, countDelta: number): boolean {
    const prefix = this.#prefixOf(path);
    if (prefix === undefined) return true;
    const limitsNode = this.#host.find(QUOTA_PATH + prefix + LIMITS);
    const statsNode = this.#host.find(QUOTA_PATH + prefix + STATS);
    if (limitsNode === NO_NODE || statsNode === NO_NODE) return true;
    const limits = parseQuota(this.#host.dataOf(limitsNode));
    const usage = parseQuota(this.#host.dataOf(statsNode));
    return (
      isWithin(valueOf(limits, "countHardLimit"), valueOf(usage, "count"), countDelta) &&
      isWithin(valueOf(limits, "byteHardLimit"), valueOf(usage, "bytes"), bytesDelta)
    );
  }

  /** After a snapshot is loaded: registers every limits node and counts what is below its prefix. */
  setUp(): void {
    this.#prefixes.clear();
    for (const path of this.#host.quotaPaths()) {
      const limited = limitedPath(path, LIMITS);
      if (limited === undefined) continue;
      this.#prefixes.add(limited);
      this.#recount(limited);
    }
  }

  #recount(prefix: string): void {
    const stats = this.#host.find(QUOTA_PATH + prefix + STATS);
    if (stats === NO_NODE) return;
    const n = this.#host.find(prefix);
    const { count, bytes } = n === NO_NODE ? { count: 0, bytes: 0 } : this.#host.usageOf(n);
    this.#host.replaceData(stats, encodeUtf8(`count=${count},bytes=${bytes}`));
  }

  #prefixOf(path: string): string | undefined {
    if (this.#prefixes.size === 0) return undefined;
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
      const prefix = path.slice(0, end);
      if (this.#prefixes.has(prefix)) return prefix;
    }
    return undefined;
  }
}

function isWithin(hardLimit: number, used: number, delta: number): boolean {
  return delta === 0 || hardLimit <= UNLIMITED || used + delta <= hardLimit;
}

/** The path whose quota node this is, or undefined. The root has no quota. */
function limitedPath(path: string, ending: string): string | undefined {
  if (!path.startsWith(QUOTA_PATH) || !path.endsWith(ending)) return undefined;
  const end = path.length - ending.length;
  return end > QUOTA_PATH.length && path.charAt(QUOTA_PATH.length) === "/"
    ? path.slice(QUOTA_PATH.length, end)
    : undefined;
}

/** The numbers of a limits or stats node. What cannot be read is missing, where Java would throw while applying. */
export function parseQuota(data: Uint8Array | null): Map<string, number> {
  const values = new Map<string, number>();
  if (data === null) return values;
  for (const pair of decodeUtf8(data, 0, data.length).split(/[,;]+/)) {
    const [key, value] = pair.split("=");
    if (key === undefined || key === "") continue;
    const number = value === undefined || value === "" ? UNLIMITED : Number(value);
    if (Number.isSafeInteger(number)) values.set(key, number);
  }
  return values;
}

/** The lone `=` before the first `;` keeps parsers from before hard limits working. */
export function formatQuota(values: ReadonlyMap<string, number>): string {
  const extra = [...values.keys()].filter((key) => key !== "count" && key !== "bytes").sort(byCodeUnits);
  const base = `count=${valueOf(values, "count")},bytes=${valueOf(values, "bytes")}`;
  return extra.length === 0 ? base : `${base}=;${extra.map((key) => `${key}=${values.get(key)!}`).join(";")}`;
}

function valueOf(values: ReadonlyMap<string, number>, key: string): number {
  return values.get(key) ?? UNLIMITED;
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
