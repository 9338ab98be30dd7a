/**
 * What a server has acknowledged or called durable is there after every crash, and no more than it had (reference: D4).
 */
import { counterOf } from "../../core/base/zxid.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import type { FactName } from "../facts.ts";
import { SYNC_CODES } from "../facts.ts";
import type { Blame, Checker } from "./checker.ts";
import { showZxid } from "./checker.ts";

interface Server {
  durable: number;
  logged: number;
  /** A sync is replacing what it has. */
  replacing: boolean;
}

export class RecoversWhatWasDurable implements Checker {
  readonly name = "D4";
  readonly #blame: Blame;
  readonly #servers: Map<string, Server> = new Map();
  premises = 0;

  constructor(blame: Blame) {
    this.#blame = blame;
  }

  fact(host: string, name: FactName, a: number | bigint, b: number): void {
    const value = Number(a);
    switch (name) {
      case "logged":
      // An observer may keep snapshots only.
      case "applied": {
        const server = this.#server(host);
        server.logged = Math.max(server.logged, value);
        return;
      }
      case "durable": {
        const server = this.#server(host);
        server.durable = Math.max(server.durable, value);
        return;
      }
      case "synced":
        return this.#onSynced(host, value, b);
      case "adopted":
        this.#server(host).replacing = false;
        return;
      case "recovered":
        return this.#onRecovered(host, value);
      default:
    }
  }

  #onSynced(host: string, how: number, zxid: number): void {
    const server = this.#server(host);
    // What is cut off or replaced may be found for as long as that is not durable.
    if (how === SYNC_CODES.diff) return;
    server.durable = Math.min(server.durable, zxid);
    server.replacing = true;
    if (how === SYNC_CODES.snap) server.logged = Math.max(server.logged, zxid);
  }

  #onRecovered(host: string, zxid: number): void {
    this.premises++;
    const server = this.#server(host);
    if (zxid < server.durable) {
      this.#blame("D4", `${host} recovered up to ${showZxid(zxid)}; it had ${showZxid(server.durable)} durable`);
    }
    // A leader's snapshot may bear its epoch's own zxid, which is nobody's txn.
    if (zxid > server.logged && counterOf(zxid as Zxid) !== 0) {
      this.#blame("D4", `${host} recovered up to ${showZxid(zxid)}; it never had more than ${showZxid(server.logged)}`);
    }
    server.durable = zxid;
    if (!server.replacing) server.logged = zxid;
  }

  #server(host: string): Server {
    let server = this.#servers.get(host);
    if (server === undefined) this.#servers.set(host, (server = { durable: 0, logged: 0, replacing: false }));
    return server;
  }
}
