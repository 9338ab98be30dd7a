/**
 * Commits happen with a quorum behind them and stay (Zab, section 4; TLA+: the commit rule; reference: Q1, D1, D8, I9): when
 * a leader calls a txn committed, a quorum of voters has it durable, as their disks tell it; commits come in order; what a
 * learner is told is committed was; every later leader's history has it; nobody cuts it off; and a quorum keeps it.
 */
import { counterOf, epochOf } from "../../core/base/zxid.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import type { FactName } from "../facts.ts";
import { ROLE_CODES, SYNC_CODES } from "../facts.ts";
import type { Agreement } from "./agreement.ts";
import type { Blame, Checker, Electorate } from "./checker.ts";
import { showZxid } from "./checker.ts";
import type { DiskTruth } from "./disk-truth.ts";

interface Established {
  readonly host: string;
  readonly epoch: number;
  /** The end of its history at that moment; -1 when there was none. */
  readonly tip: number;
}

export class Commits implements Checker {
  readonly name = "Q1 D1 D8 I9";
  readonly #blame: Blame;
  readonly #truth: DiskTruth;
  readonly #agreement: Agreement;
  readonly #electorate: () => Electorate;
  readonly #established: Established[] = [];
  /** By each epoch's leader. */
  readonly #lastOf: Map<number, number> = new Map();
  /** The epoch that a server leads. */
  readonly #leads: Map<string, number> = new Map();
  readonly #serving: Set<string> = new Set();
  #newest = 0;
  #told = 0;
  #found = 0;

  constructor(blame: Blame, truth: DiskTruth, agreement: Agreement, electorate: () => Electorate) {
    this.#blame = blame;
    this.#truth = truth;
    this.#agreement = agreement;
    this.#electorate = electorate;
  }

  get premises(): number {
    return this.#found + this.#told;
  }
  /** The newest txn that some leader has committed, or that lay in a history it was established with. */
  get newest(): number {
    return this.#newest;
  }

  fact(host: string, name: FactName, a: number | bigint, b: number): void {
    switch (name) {
      case "committed":
        return this.#onCommitted(host, Number(a));
      case "established":
        return this.#onEstablished(host, Number(a), b);
      case "synced":
        return Number(a) === SYNC_CODES.trunc ? this.#onTruncated(host, b) : undefined;
      case "role":
        return this.#onRole(host, Number(a), b);
      case "adopted":
        return this.#kept(`when ${host} adopted epoch ${Number(a)}`);
      default:
    }
  }

  ended(host: string): void {
    this.#onRole(host, ROLE_CODES.looking, 0);
    this.#kept(`when ${host} ended`);
  }

  /** A role has its epoch from the moment it serves. */
  #onRole(host: string, role: number, epoch: number): void {
    if (role !== ROLE_CODES.looking && role !== ROLE_CODES.readonly && epoch > 0) return void this.#serving.add(host);
    this.#serving.delete(host);
    this.#leads.delete(host);
  }

  #onCommitted(host: string, zxid: number): void {
    const epoch = epochOf(zxid as Zxid);
    if (this.#leads.get(host) !== epoch) return this.#onTold(host, zxid);
    this.#found++;
    const last = this.#lastOf.get(epoch);
    this.#lastOf.set(epoch, zxid);
    if (last !== undefined && zxid !== last + 1) {
      this.#blame("Q1", `${host} committed ${showZxid(zxid)} after ${showZxid(last)}`);
    }
    const holders = this.#holders(zxid);
    if (!this.#electorate().isQuorum(holders)) {
      const who = [...holders].join(", ") || "nobody";
      this.#blame("Q1", `${host} committed ${showZxid(zxid)}, which only ${who} would have after a loss of power`);
    }
    // A leader may find its quorum after a later one was established, if that one's history has the txn.
    for (const later of this.#established) {
      if (later.epoch > epoch && this.#agreement.contains(later.tip, zxid) === false) {
        this.#blame(
          "D1",
          `${host} committed ${showZxid(zxid)}, but ${later.host} leads epoch ${later.epoch} without it`,
        );
      }
    }
    this.#newest = Math.max(this.#newest, zxid);
  }

  /** While it is brought up to date a learner takes its leader's history as committed, before a quorum has: it serves nobody. */
  #onTold(host: string, zxid: number): void {
    if (!this.#serving.has(host)) return;
    this.#told++;
    if (zxid > this.#newest)
      this.#blame("Q1", `${host} was told that ${showZxid(zxid)} is committed; no leader found so`);
  }

  #onEstablished(host: string, epoch: number, zxid: number): void {
    this.#found++;
    this.#leads.set(host, epoch);
    const last = this.#agreement.lastOf(host);
    const tip = counterOf(zxid as Zxid) === 0 ? last : zxid;
    this.#established.push({ host, epoch, tip });
    if (zxid < this.#newest) {
      const found = `${host} leads epoch ${epoch} with a history up to ${showZxid(zxid)}`;
      this.#blame("D1", `${found}; ${showZxid(this.#newest)} was committed before`);
    } else if (tip > 0 && counterOf(tip as Zxid) !== 0 && this.#agreement.contains(tip, this.#newest) === false) {
      const found = `the history that ${host} leads epoch ${epoch} with`;
      this.#blame(
        "D1",
        `${found} ends in ${showZxid(tip)} and has no ${showZxid(this.#newest)}, which was committed before`,
      );
    }
    if (tip > 0 && counterOf(tip as Zxid) !== 0) this.#newest = Math.max(this.#newest, tip);
    this.#kept(`when ${host} was established`);
  }

  /**
   * Whatever is cut off must not have been committed, unless a quorum of the others holds it: their leader may have
   * committed it between saying so and being heard, and proposes it to this server again.
   */
  #onTruncated(host: string, zxid: number): void {
    this.#found++;
    const others = this.#holders(this.#newest);
    others.delete(host);
    if (this.#electorate().isQuorum(others)) return;
    if (zxid < this.#newest && this.#truth.logged(host, this.#newest)) {
      this.#blame("D8", `${host} cuts its log back to ${showZxid(zxid)}; ${showZxid(this.#newest)} is committed`);
    }
  }

  #kept(when: string): void {
    if (this.#newest === 0 || this.#electorate().isQuorum(this.#holders(this.#newest))) return;
    this.#blame("D1", `${when}, no quorum had ${showZxid(this.#newest)} durable, which is committed`);
  }

  #holders(zxid: number): Set<string> {
    const holders = new Set<string>();
    for (const voter of this.#electorate().voters) if (this.#truth.holds(voter, zxid)) holders.add(voter);
    return holders;
  }
}
