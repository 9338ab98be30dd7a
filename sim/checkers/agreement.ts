/**
 * What servers apply is one sequence: after the same zxid the same tree, before it the same zxid (TLA+: PrefixConsistency,
 * Agreement, TotalOrder, GlobalPrimaryOrder; reference: I3, I5, I6, I8, D6). A txn that is applied without being
 * committed, when a role ends, obeys too: a zxid is one txn with one history behind it, whoever has it.
 *
 * Snapshots are fuzzy: a tree that came from one has changes that are newer than its zxid. Such a tree is compared again
 * from the first zxid on that is newer than whatever it can contain.
 */
import { counterOf, epochOf } from "../../core/base/zxid.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import type { FactName } from "../facts.ts";
import { SYNC_CODES } from "../facts.ts";
import type { Blame, Checker } from "./checker.ts";
import { showZxid } from "./checker.ts";

interface Server {
  /** The last zxid applied; -1 when what is there came in one piece. */
  last: number;
  /** The newest zxid it ever applied. */
  newest: number;
  /** Up to here its digests mean nothing. Infinity: while a snapshot arrives. */
  fuzzyTo: number;
}

interface Applied {
  readonly digest: number;
  readonly by: string;
}

export class Agreement implements Checker {
  readonly name = "I3 I5 I6 I8 D6";
  readonly #blame: Blame;
  readonly #servers: Map<string, Server> = new Map();
  readonly #applied: Map<number, Applied> = new Map();
  readonly #before: Map<number, number> = new Map();
  /** What the history ended with that each epoch was established with. */
  readonly #tips: Map<number, number> = new Map();
  #newest = 0;
  /** Digests and predecessors compared. */
  premises = 0;

  constructor(blame: Blame) {
    this.#blame = blame;
  }

  lastOf(host: string): number {
    return this.#server(host).last;
  }

  /**
   * Whether the history that ends with `tip` has `zxid`; undefined when nobody who applied the part in between said how
   * it goes on.
   */
  contains(tip: number, zxid: number): boolean | undefined {
    let at: number | undefined = tip;
    while (at !== undefined && at > zxid) at = this.#predecessor(at);
    return at === undefined ? undefined : at === zxid;
  }

  /**
   * The zxids that lead to `tip`, in order; undefined when the way back is lost. `known`: every txn that was ever logged.
   */
  historyUpTo(tip: number, known: ReadonlyMap<number, unknown>): number[] | undefined {
    const chain: number[] = [];
    let at: number | undefined = tip;
    for (; at !== undefined && at > 0; at = this.#predecessor(at)) {
      if (counterOf(at as Zxid) === 0) continue;
      if (!known.has(at)) return undefined;
      chain.push(at);
    }
    return at === undefined ? undefined : chain.reverse();
  }

  /** Txns that were recovered by all and applied by none are known by their numbers, and by how their epoch began. */
  #predecessor(zxid: number): number | undefined {
    const seen = this.#before.get(zxid);
    if (seen !== undefined) return seen;
    return counterOf(zxid as Zxid) > 1 ? zxid - 1 : this.#tips.get(epochOf(zxid as Zxid));
  }

  fact(host: string, name: FactName, a: number | bigint, b: number): void {
    switch (name) {
      case "applied":
        return this.#onApplied(host, Number(a), b);
      case "recovered":
        return this.#onRecovered(host, Number(a), b);
      case "synced":
        return this.#onSynced(host, Number(a));
      case "established":
        this.#tips.set(Number(a), b);
        return;
      case "adopted": {
        const server = this.#server(host);
        // The snapshot has arrived; it cannot have more than somebody had applied by now.
        if (server.fuzzyTo === Infinity) server.fuzzyTo = this.#newest;
        return;
      }
      default:
    }
  }

  #onApplied(host: string, zxid: number, digest: number): void {
    const server = this.#server(host);
    const { last } = server;
    if (zxid <= last) this.#blame("I6", `${host} applied ${showZxid(zxid)} after ${showZxid(last)}`);
    server.last = zxid;
    server.newest = Math.max(server.newest, zxid);
    this.#newest = Math.max(this.#newest, zxid);
    // An epoch's own zxid is nobody's txn; what came before it is not known from it.
    if (last >= 0 && counterOf(last as Zxid) !== 0) this.#follows(host, zxid, last);
    else if (last < 0 || epochOf(last as Zxid) !== epochOf(zxid as Zxid)) this.premises++;
    if (zxid > server.fuzzyTo) this.#compare(host, zxid, digest);
  }

  #follows(host: string, zxid: number, last: number): void {
    const known = this.#before.get(zxid);
    if (known === undefined) {
      this.#before.set(zxid, last);
      return;
    }
    this.premises++;
    if (known === last) return;
    const found = `${host} applied ${showZxid(zxid)} after ${showZxid(last)}`;
    this.#blame("I6", `${found}, others after ${showZxid(known)}`);
  }

  #compare(host: string, zxid: number, digest: number): void {
    const known = this.#applied.get(zxid);
    if (known === undefined) {
      this.#applied.set(zxid, { digest, by: host });
      return;
    }
    this.premises++;
    if (known.digest === digest) return;
    const found = `after ${showZxid(zxid)} ${host} has the digest ${digest.toString(16)}`;
    this.#blame("D6", `${found}, ${known.by} ${known.digest.toString(16)}`);
  }

  #onRecovered(host: string, zxid: number, digest: number): void {
    const server = this.#server(host);
    server.last = zxid;
    // The snapshot it began from may have been written while txns were applied that the log does not have.
    server.fuzzyTo = server.newest > zxid ? Math.max(server.newest, finite(server.fuzzyTo)) : finite(server.fuzzyTo);
    if (zxid > server.fuzzyTo && this.#applied.has(zxid)) this.#compare(host, zxid, digest);
  }

  #onSynced(host: string, how: number): void {
    if (how === SYNC_CODES.diff) return;
    const server = this.#server(host);
    server.last = -1;
    if (how === SYNC_CODES.snap) server.fuzzyTo = Infinity;
  }

  #server(host: string): Server {
    let server = this.#servers.get(host);
    if (server === undefined) this.#servers.set(host, (server = { last: -1, newest: 0, fuzzyTo: 0 }));
    return server;
  }
}

function finite(zxid: number): number {
  return zxid === Infinity ? 0 : zxid;
}
