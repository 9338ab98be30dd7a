/**
 * What a learner tells its leader it has, it has (reference: D2): the acknowledgement of a txn leaves after the txn is
 * durable, that of NEWLEADER after everything that brought the learner up to date is, and then the epoch. Held against
 * the disk, not against what the server says of it.
 */
import { counterOf, epochOf } from "../../core/base/zxid.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import type { FactName } from "../facts.ts";
import { SYNC_CODES } from "../facts.ts";
import type { Blame, Checker, Electorate } from "./checker.ts";
import { showZxid } from "./checker.ts";
import type { DiskTruth } from "./disk-truth.ts";

interface Server {
  promised: number;
  adopted: number;
  /** The newest txn of an earlier epoch that was given to the log and must be durable before the epoch is adopted. */
  history: number;
  /** The zxid of the snapshot that it must have durably; -1: none. */
  snapshot: number;
}

export class Acknowledgements implements Checker {
  readonly name = "D2";
  readonly #blame: Blame;
  readonly #truth: DiskTruth;
  readonly #electorate: () => Electorate;
  readonly #servers: Map<string, Server> = new Map();
  premises = 0;

  constructor(blame: Blame, truth: DiskTruth, electorate: () => Electorate) {
    this.#blame = blame;
    this.#truth = truth;
    this.#electorate = electorate;
  }

  fact(host: string, name: FactName, a: number | bigint, b: number): void {
    const value = Number(a);
    switch (name) {
      case "promised":
        this.#server(host).promised = value;
        return;
      case "logged": {
        const server = this.#server(host);
        if (epochOf(value as Zxid) < server.promised) server.history = value;
        return;
      }
      case "synced": {
        const server = this.#server(host);
        if (value !== SYNC_CODES.diff) server.history = -1;
        server.snapshot = value === SYNC_CODES.snap ? b : -1;
        return;
      }
      case "adopted":
        this.#server(host).adopted = value;
        return this.#hasHistory(host, `adopted epoch ${value}`);
      case "acknowledged":
        return this.#onAcknowledged(host, value);
      default:
    }
  }

  ended(host: string): void {
    const server = this.#server(host);
    server.history = -1;
    server.snapshot = -1;
  }

  #onAcknowledged(host: string, zxid: number): void {
    this.premises++;
    const { promised, adopted } = this.#server(host);
    const epoch = epochOf(zxid as Zxid);
    // No quorum ever counts the promise, or the acknowledgement, of a server without a vote: it follows whoever leads.
    const isBound = this.#electorate().voters.includes(host);
    if (isBound ? epoch !== promised : epoch > promised) {
      this.#blame("D2", `${host} acknowledged ${showZxid(zxid)}, having promised epoch ${promised}`);
    }
    if (epoch !== adopted) {
      this.#blame("D2", `${host} acknowledged ${showZxid(zxid)}, having adopted epoch ${adopted}`);
    }
    if (counterOf(zxid as Zxid) === 0) return this.#hasHistory(host, `acknowledged NEWLEADER of epoch ${epoch}`);
    if (this.#truth.holds(host, zxid)) return;
    this.#blame("D2", `${host} acknowledged ${showZxid(zxid)}, which it would not have after a loss of power`);
  }

  #hasHistory(host: string, did: string): void {
    this.premises++;
    const { history, snapshot } = this.#server(host);
    if (history >= 0 && !this.#truth.holds(host, history)) {
      this.#blame("D2", `${host} ${did}, but ${showZxid(history)} would be lost with power`);
    }
    if (snapshot >= 0 && this.#truth.snapshotOf(host) < snapshot) {
      this.#blame("D2", `${host} ${did}, but the snapshot of ${showZxid(snapshot)} would be lost with power`);
    }
  }

  #server(host: string): Server {
    let server = this.#servers.get(host);
    if (server === undefined) {
      server = { promised: -1, adopted: -1, history: -1, snapshot: -1 };
      this.#servers.set(host, server);
    }
    return server;
  }
}
