/**
 * The one who behaves: a session with nodes of its own, under a password of its own, that checks every answer against
 * what it knows it has done. It must never notice what others send.
 */
import type { Prng } from "../../core/base/prng.ts";
import type { RawAcl } from "../../core/protocol/data.ts";
import { RawClient } from "../support/raw-client.ts";
import type { ServerBench } from "../support/server-bench.ts";

const MINE: readonly RawAcl[] = [{ perms: 31, scheme: "auth", id: "" }];
const HOME = "/home";

export class Citizen {
  readonly #client: RawClient;
  readonly #prng: Prng;
  /** What must be below {@link HOME}. */
  readonly #nodes = new Map<string, string>();
  #sequence = 1;
  #acts = 0;

  constructor(bench: ServerBench, prng: Prng) {
    this.#prng = prng;
    this.#client = new RawClient(bench, { timeout: 60_000, from: "10.99.0.1:1" });
    this.#client.auth("digest", "citizen:secret");
    this.#client.created(HOME, "", 0, MINE);
    this.#client.created(`${HOME}/door`, "locked", 0, MINE);
    this.#nodes.set("door", "locked");
    this.#expect(this.#client.addWatch(HOME, 1).err === 0, "its watch was refused");
  }

  get session(): bigint {
    return this.#client.session;
  }

  act(): void {
    const client = this.#client;
    this.#expect(!client.closed, "it was disconnected");
    const data = `${this.#acts++}`;
    const name = `s${String(this.#sequence).padStart(10, "0")}`;
    const flags = this.#prng.chance(1, 2) ? 3 : 2;
    this.#expect(client.created(`${HOME}/s`, data, flags, MINE) === `${HOME}/${name}`, "a sequence number was taken");
    this.#sequence++;
    this.#nodes.set(name, data);
    this.#heard(1, name);
    const [oldest] = [...this.#nodes.keys()].filter((key) => key !== "door");
    this.#expect(client.setData(`${HOME}/${oldest}`, `${data}!`, 0).err === 0, "a write was refused");
    this.#nodes.set(oldest!, `${data}!`);
    this.#heard(3, oldest!);
    this.#expect(client.dataOf(`${HOME}/${oldest}`) === `${data}!`, "its data changed");
    if (this.#nodes.size > 4 || oldest === name) this.#remove(oldest!);
    else if (this.#prng.chance(1, 2)) this.#remove(name);
    this.#expect(client.children(HOME).join() === [...this.#nodes.keys()].sort().join(), "its nodes changed");
    this.#expect(client.ping().err === 0 && client.take().length === 0, "it heard of something it did not do");
  }

  leave(): void {
    this.#client.peer.cut();
  }

  #remove(name: string): void {
    this.#expect(this.#client.delete(`${HOME}/${name}`).err === 0, "a delete was refused");
    this.#nodes.delete(name);
    this.#heard(2, name);
  }

  #heard(type: number, name: string): void {
    const events = this.#client.takeEvents();
    const right = events.length === 1 && events[0]!.type === type && events[0]!.path === `${HOME}/${name}`;
    this.#expect(right, `it heard ${JSON.stringify(events)} of ${name}`);
  }

  #expect(right: boolean, otherwise: string): void {
    if (!right) throw new Error(`the well-behaved session noticed: ${otherwise}`);
  }
}
