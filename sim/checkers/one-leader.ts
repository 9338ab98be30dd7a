/**
 * At most one leader per epoch over a whole run, and only it proposes, one txn after the other (TLA+: Leadership1,
 * Leadership2, LocalPrimaryOrder; reference, sections 9.1 and 9.2: I1, I2, I7, D5).
 */
import { counterOf, epochOf } from "../../core/base/zxid.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import type { FactName } from "../facts.ts";
import type { Blame, Checker } from "./checker.ts";
import { showZxid } from "./checker.ts";

export class OneLeader implements Checker {
  readonly name = "I1 I2 I7 D5";
  readonly #blame: Blame;
  readonly #leaders: Map<number, string> = new Map();
  /** The last zxid proposed in each epoch. */
  readonly #proposed: Map<number, number> = new Map();
  premises = 0;

  constructor(blame: Blame) {
    this.#blame = blame;
  }

  /** Who led an epoch, once it was established. */
  leaderOf(epoch: number): string | undefined {
    return this.#leaders.get(epoch);
  }
  get epochs(): number {
    return this.#leaders.size;
  }

  fact(host: string, name: FactName, a: number | bigint): void {
    if (name === "established") this.#onEstablished(host, Number(a));
    else if (name === "proposed") this.#onProposed(host, Number(a));
  }

  #onEstablished(host: string, epoch: number): void {
    this.premises++;
    const before = this.#leaders.get(epoch);
    if (before !== undefined) this.#blame("I2", `${host} leads epoch ${epoch}, which ${before} has led`);
    this.#leaders.set(epoch, host);
  }

  #onProposed(host: string, zxid: number): void {
    this.premises++;
    const epoch = epochOf(zxid as Zxid);
    const leader = this.#leaders.get(epoch);
    if (leader !== host) {
      const who = leader === undefined ? "nobody leads that epoch yet" : `${leader} leads that epoch`;
      this.#blame("I1", `${host} proposed ${showZxid(zxid)}, but ${who}`);
    }
    const last = this.#proposed.get(epoch);
    this.#proposed.set(epoch, zxid);
    if (last === undefined ? counterOf(zxid as Zxid) === 0 : zxid !== last + 1) {
      const after = last === undefined ? "first" : `after ${showZxid(last)}`;
      this.#blame("D5", `${host} proposed ${showZxid(zxid)} ${after}`);
    }
  }
}
