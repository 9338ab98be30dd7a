/**
 * One session that goes from server to server all the time, and looks at every reply's header: whatever server it comes
 * to, the zxid never goes back, and what it wrote elsewhere is there.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Answer, RawClient, type Session } from "../interop/support/raw-client.ts";
import type { Ledger } from "./ledger.ts";
import { HOME } from "./worker.ts";

const OPEN = [{ perms: 31, scheme: "world", id: "anyone" }];
const OP_TIMEOUT = 2000;
const CLOSE_TRIES = 50;
const RETRY_DELAY = 20;
const STAY = 60;

export class Wanderer {
  readonly #ports: readonly number[];
  readonly #all: Ledger;
  readonly #name: string;
  readonly #timeout: number;
  #session: Session | undefined;
  #zxid = 0;
  #sent = 0;
  #acked = 0;
  #running = true;
  #paused = false;
  #idle = false;
  #loop: Promise<void> = Promise.resolve();
  /** How often it came to a server. */
  visits = 0;

  constructor(name: string, ports: readonly number[], all: Ledger, timeout: number) {
    this.#name = name;
    this.#ports = ports;
    this.#all = all;
    this.#timeout = timeout;
    this.#loop = this.#wander();
  }

  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
  }
  get isIdle(): boolean {
    return this.#idle;
  }

  abort(): void {
    this.#running = false;
    this.#paused = false;
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#paused = false;
    await this.#loop;
    for (let i = 0; i < CLOSE_TRIES; i++) {
      const client = await this.#connect(this.#ports[i % this.#ports.length]!);
      if (client === undefined) await delay(RETRY_DELAY);
      else return this.#within(client.closeSession());
    }
  }

  async #wander(): Promise<void> {
    for (let turn = 0; this.#running; turn++) {
      this.#idle = this.#paused;
      while (this.#paused) await delay(5);
      this.#idle = false;
      const client = await this.#connect(this.#ports[turn % this.#ports.length]!);
      if (client === undefined) {
        await delay(RETRY_DELAY);
        continue;
      }
      this.visits += 1;
      await this.#visit(client);
      client.drop();
    }
  }

  async #connect(port: number): Promise<RawClient | undefined> {
    const resume = this.#session === undefined ? undefined : { ...this.#session, lastZxidSeen: this.#zxid };
    const connecting = RawClient.connect(port, this.#timeout, resume);
    const client = await this.#within(connecting);
    // It may still come, and is not wanted any more.
    if (client === undefined)
      connecting.then(
        (late) => late.drop(),
        () => {},
      );
    else this.#session = client.session;
    return client;
  }

  /** Undefined when it fails or takes too long. An expired session is a problem: nobody lets it lie so long. */
  async #within<T>(promise: Promise<T>): Promise<T | undefined> {
    const controller = new AbortController();
    const late = delay(OP_TIMEOUT, undefined, { signal: controller.signal }).catch(() => undefined);
    const failed = (error: unknown): undefined => {
      if (String(error).includes("expired")) this.#all.problem(`${this.#name}: ${String(error)}`);
      return undefined;
    };
    const result = await Promise.race([promise.catch(failed), late]);
    controller.abort();
    return result;
  }

  async #visit(client: RawClient): Promise<void> {
    const path = `${HOME}/${this.#name}`;
    const until = performance.now() + STAY;
    while (this.#running && !this.#paused && performance.now() < until) {
      const read = await this.#ask(client, client.send({ type: 4, path, watch: false }));
      if (read === undefined) return;
      const value = read.err === 0 ? Number(Buffer.from(read.body.buffer()!).toString()) : 0;
      if (value < this.#acked || value > this.#sent) {
        this.#all.problem(`${this.#name}: read ${value} (error ${read.err}), acknowledged ${this.#acked}`);
      }
      const n = ++this.#sent;
      const began = performance.now();
      const data = String(n);
      const op = read.err === 0 ? { type: 5 as const, path, data, version: -1 } : undefined;
      const write = client.send(op ?? { type: 1, path, data, acl: OPEN, flags: 0 });
      const written = await this.#ask(client, write);
      if (written === undefined) return;
      if (written.err === 0) {
        this.#acked = n;
        this.#all.wrote(began);
      } else if (written.err !== -118) {
        this.#all.problem(`${this.#name}: write of ${n} failed with ${written.err}`);
      }
    }
  }

  async #ask(client: RawClient, sent: Promise<Answer | undefined>): Promise<Answer | undefined> {
    const answer = await this.#within(sent);
    if (answer === undefined) {
      client.drop();
      this.#all.unknown += 1;
      return undefined;
    }
    if (answer.zxid < this.#zxid) {
      this.#all.problem(`${this.#name}: zxid ${answer.zxid.toString(16)} after ${this.#zxid.toString(16)}`);
    }
    this.#zxid = Math.max(this.#zxid, answer.zxid);
    return answer;
  }
}
