/**
 * Epochs never go back, neither in what a server says nor on its disk: what was promised stays promised through crashes;
 * promised ≥ adopted ≥ the epoch of the last txn (reference, section 1.2, D3).
 */
import { epochOf } from "../../core/base/zxid.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import type { FactName } from "../facts.ts";
import type { Blame, Checker } from "./checker.ts";
import { showZxid } from "./checker.ts";
import type { DiskTruth } from "./disk-truth.ts";

interface Server {
  promised: number;
  adopted: number;
}

export class EpochsNeverGoBack implements Checker {
  readonly name = "D3";
  readonly #blame: Blame;
  readonly #truth: DiskTruth;
  readonly #servers: Map<string, Server> = new Map();
  premises = 0;

  constructor(blame: Blame, truth: DiskTruth) {
    this.#blame = blame;
    this.#truth = truth;
  }

  fact(host: string, name: FactName, a: number | bigint): void {
    const value = Number(a);
    switch (name) {
      case "promised":
        return this.#onPromised(host, value);
      case "adopted":
        return this.#onAdopted(host, value);
      case "logged":
        return this.#onLogged(host, value);
      default:
    }
  }

  #onPromised(host: string, epoch: number): void {
    this.premises++;
    const server = this.#server(host);
    if (epoch < server.promised) this.#blame("D3", `${host} promised ${epoch} after ${server.promised}`);
    server.promised = Math.max(server.promised, epoch);
    const durable = this.#truth.epochOf(host, "acceptedEpoch");
    if (durable !== epoch) this.#blame("D3", `${host} promised ${epoch}; its disk would say ${durable}`);
  }

  #onAdopted(host: string, epoch: number): void {
    this.premises++;
    const server = this.#server(host);
    if (epoch < server.adopted) this.#blame("D3", `${host} adopted ${epoch} after ${server.adopted}`);
    if (epoch > server.promised) this.#blame("D3", `${host} adopted ${epoch}, having promised ${server.promised}`);
    server.adopted = Math.max(server.adopted, epoch);
    const durable = this.#truth.epochOf(host, "currentEpoch");
    if (durable !== epoch) this.#blame("D3", `${host} adopted ${epoch}; its disk would say ${durable}`);
  }

  /** A txn is taken only from a leader whose epoch was accepted. */
  #onLogged(host: string, zxid: number): void {
    const { promised } = this.#server(host);
    if (epochOf(zxid as Zxid) > promised) {
      this.#blame("D3", `${host} logged ${showZxid(zxid)}, having promised epoch ${promised}`);
    }
  }

  #server(host: string): Server {
    let server = this.#servers.get(host);
    if (server === undefined) this.#servers.set(host, (server = { promised: -1, adopted: -1 }));
    return server;
  }
}
