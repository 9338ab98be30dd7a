/**
 * One session that writes and reads through whichever server it finds, and checks what it is told: its reads include
 * its own writes and never go back, also over reconnects; what is acknowledged stays; the session does not end.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Prng } from "../../core/base/prng.ts";
import { OPEN_ACL_UNSAFE, Perms, ZooKeeperError } from "../../core/client/index.ts";
import type { ZooKeeper } from "../../core/client/index.ts";
import { connect } from "../../net/client.ts";
import { type Ledger, WorkerLedger } from "./ledger.ts";

export const HOME = "/chaos";
export const REGISTER = `${HOME}/register`;
/** Sequential nodes that one worker keeps. */
const NODES_MAX = 100;
const SEQUENCE_DIGITS = 10;

export interface WorkerOptions {
  readonly sessionTimeout: number;
  /** Leave a server that does not answer for so long, ms. */
  readonly requestTimeout?: number;
  /** Calls under way at a time. */
  readonly window: number;
  /** Mean pause between two calls, ms. */
  readonly pace: number;
}

/** Codes after which a call may or may not have been carried out. */
const UNKNOWN = new Set(["CONNECTIONLOSS", "REQUESTTIMEOUT", "SESSIONMOVED"]);

export class Worker {
  readonly ledger: WorkerLedger;
  readonly #all: Ledger;
  readonly #zk: ZooKeeper;
  readonly #prng: Prng;
  readonly #options: WorkerOptions;
  readonly #home: string;
  #running = true;
  #paused = false;
  #lanes: Promise<unknown> = Promise.resolve();
  /** The register's version when the watch on it was set; undefined without a watch. */
  #watched: number | undefined;

  private constructor(name: string, all: Ledger, zk: ZooKeeper, prng: Prng, options: WorkerOptions) {
    this.ledger = new WorkerLedger(name);
    this.#all = all;
    this.#zk = zk;
    this.#prng = prng;
    this.#options = options;
    this.#home = `${HOME}/${name}`;
  }

  static async start(name: string, hosts: string, all: Ledger, prng: Prng, options: WorkerOptions): Promise<Worker> {
    const { sessionTimeout, requestTimeout } = options;
    const zk = await connect(hosts, { sessionTimeout, requestTimeout, reconnectDelayMax: 100 });
    const worker = new Worker(name, all, zk, prng, options);
    zk.onState((state) => {
      if (state === "expired" && worker.#running) all.problem(`${name}: the session expired`);
    });
    await worker.#prepare();
    all.workers.push(worker.ledger);
    worker.#lanes = Promise.all(Array.from({ length: options.window }, () => worker.#lane()));
    return worker;
  }

  get session(): string {
    return BigInt.asUintN(64, this.#zk.session.id).toString(16);
  }

  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
  }
  /** Nothing of this worker's is under way. */
  idle = 0;
  get isIdle(): boolean {
    return this.idle === this.#options.window;
  }

  /** Lets go of everything at once, after a failure. */
  abort(): void {
    this.#running = false;
    this.#paused = false;
    this.#zk.close().catch(() => {});
  }

  /** Ends the loops and the session. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#paused = false;
    await this.#lanes;
    this.ledger.ephemeral = undefined;
    await this.#zk.close();
  }

  async #prepare(): Promise<void> {
    const zk = this.#zk;
    for (const path of [HOME, this.#home, `${this.#home}/q`]) await existing(zk.create(path));
    await existing(zk.create(REGISTER, "0"));
    await existing(zk.create(`${this.#home}/counter`, "0"));
    await existing(zk.create(`${this.#home}/twin`, "0"));
    this.ledger.ephemeral = await zk.create(`${this.#home}/here`, this.session, { mode: "ephemeral" });
  }

  async #lane(): Promise<void> {
    while (this.#running) {
      if (this.#paused) {
        this.idle += 1;
        while (this.#paused) await delay(5);
        this.idle -= 1;
      }
      try {
        await this.#one();
      } catch (error) {
        this.#failed(error);
      }
      const { pace } = this.#options;
      if (pace > 0) await delay(this.#prng.below(2 * pace + 1));
    }
  }

  #failed(error: unknown): void {
    if (!(error instanceof ZooKeeperError)) throw error;
    if (UNKNOWN.has(error.code)) this.#all.unknown += 1;
    else if (this.#running) this.#all.problem(`${this.ledger.name}: ${error.message}`);
    if (error.code === "SESSIONEXPIRED") this.#running = false;
  }

  #one(): Promise<void> {
    const choice = this.#prng.below(20);
    if (choice < 4) return this.#count();
    if (choice < 6) return this.#countTwins();
    if (choice < 8) return this.#churn();
    if (choice < 11) return this.#append();
    if (choice < 13) return this.#compareAndSet();
    if (choice < 14) return this.#watchRegister();
    if (choice < 17) return this.#readOther();
    return this.#readOwn();
  }

  async #count(): Promise<void> {
    const n = ++this.ledger.sent;
    const began = performance.now();
    await this.#zk.setData(`${this.#home}/counter`, String(n));
    this.ledger.acked = Math.max(this.ledger.acked, n);
    this.#all.wrote(began);
  }

  /** Counter and twin in one transaction. */
  async #countTwins(): Promise<void> {
    const n = ++this.ledger.sent;
    const began = performance.now();
    await this.#zk.multi([
      { type: "setData", path: `${this.#home}/counter`, data: String(n) },
      { type: "setData", path: `${this.#home}/twin`, data: String(n) },
    ]);
    this.ledger.acked = Math.max(this.ledger.acked, n);
    this.#all.wrote(began);
  }

  /** Changes that leave nothing to look for but must come out the same on every server, errors included. */
  async #churn(): Promise<void> {
    const zk = this.#zk;
    const home = this.#home;
    const began = performance.now();
    switch (this.#prng.below(5)) {
      case 0: {
        const { path } = await zk.create2(`${home}/e-`, null, { mode: "ephemeral_sequential" });
        await zk.delete(path);
        break;
      }
      case 1: {
        const path = `${home}/passing-${this.#prng.below(1_000_000)}`;
        await zk.multi([
          { type: "create", path, data: "a" },
          { type: "setData", path, data: "b" },
          { type: "check", path: home },
          { type: "delete", path },
        ]);
        break;
      }
      case 2:
        await expected("NONODE", zk.delete(`${home}/none`));
        break;
      case 3:
        await expected(
          "BADVERSION",
          zk.multi([
            { type: "setData", path: `${home}/twin`, data: "never" },
            { type: "check", path: home, version: 12_345 },
          ]),
        );
        break;
      default: {
        const id = `who${this.#prng.below(8)}:hash`;
        await zk.setACL(`${home}/q`, [...OPEN_ACL_UNSAFE, { perms: Perms.READ, scheme: "digest", id }]);
      }
    }
    this.#all.wrote(began);
  }

  async #append(): Promise<void> {
    const { ledger } = this;
    const began = performance.now();
    if (ledger.nodes.size >= NODES_MAX) {
      const [oldest] = ledger.nodes;
      // Whatever comes of it, nobody is to look for it until it is known.
      ledger.nodes.delete(oldest!);
      await this.#zk.delete(oldest!);
      ledger.noteDeleted(oldest!);
    } else {
      const path = await this.#zk.create(`${this.#home}/q/n-`, `${began}`, { mode: "persistent_sequential" });
      const sequence = Number(path.slice(-SEQUENCE_DIGITS));
      if (sequence <= ledger.lastSequence) {
        this.#all.problem(`${ledger.name}: created ${path} after number ${ledger.lastSequence}`);
      }
      ledger.lastSequence = sequence;
      ledger.nodes.add(path);
    }
    this.#all.wrote(began);
  }

  /** Of all sessions' writes to the register, each must have been told a version beyond those told before it began. */
  async #compareAndSet(): Promise<void> {
    const { stat } = await this.#zk.getData(REGISTER);
    this.#noteRegister(stat.version);
    const before = this.#all.register;
    const began = performance.now();
    try {
      const { version } = await this.#zk.setData(REGISTER, this.ledger.name, { version: stat.version });
      if (version !== stat.version + 1 || version <= before) {
        this.#all.problem(`${this.ledger.name}: register ${version} from ${stat.version} when ${before} was known`);
      }
      this.#all.register = Math.max(this.#all.register, version);
      this.#noteRegister(version);
      this.#all.wrote(began);
    } catch (error) {
      if (!(error instanceof ZooKeeperError) || error.code !== "BADVERSION") throw error;
    }
  }

  async #watchRegister(): Promise<void> {
    if (this.#watched !== undefined) return;
    let fired = false;
    const { stat } = await this.#zk.getData(REGISTER, {
      watch: () => {
        fired = true;
        this.#watched = undefined;
      },
    });
    this.#noteRegister(stat.version);
    if (!fired) this.#watched = stat.version;
  }

  #noteRegister(version: number): void {
    const seen = this.ledger.seen.get(REGISTER) ?? 0;
    if (version < seen) this.#all.problem(`${this.ledger.name}: the register went from ${seen} back to ${version}`);
    this.ledger.seen.set(REGISTER, Math.max(seen, version));
    if (this.#watched !== undefined && version > this.#watched) {
      this.#all.problem(
        `${this.ledger.name}: saw register ${version} before the event of its watch at ${this.#watched}`,
      );
      this.#watched = undefined;
    }
  }

  async #readOwn(): Promise<void> {
    const { ledger } = this;
    const least = ledger.acked;
    const [counter, twin] = await this.#zk.multiRead([
      { type: "getData", path: `${this.#home}/counter` },
      { type: "getData", path: `${this.#home}/twin` },
    ]);
    const [n, m] = [numberOf(counter), numberOf(twin)];
    if (n < least || n > ledger.sent || m > n) {
      this.#all.problem(`${ledger.name}: read ${n} and twin ${m}, acknowledged ${least}, sent ${ledger.sent}`);
    }
    this.#noteSeen(ledger.name, n);
  }

  async #readOther(): Promise<void> {
    const { workers } = this.#all;
    const other = workers[this.#prng.below(workers.length)]!;
    const { data } = await this.#zk.getData(`${HOME}/${other.name}/counter`);
    const n = Number(Buffer.from(data!).toString());
    if (n > other.sent) this.#all.problem(`${this.ledger.name}: ${other.name} is ${n} before it was sent`);
    this.#noteSeen(other.name, n);
  }

  #noteSeen(name: string, n: number): void {
    const seen = this.ledger.seen.get(name) ?? 0;
    if (n < seen) this.#all.problem(`${this.ledger.name}: ${name} went from ${seen} back to ${n}`);
    this.ledger.seen.set(name, Math.max(seen, n));
  }
}

function numberOf(result: unknown): number {
  const { data } = result as { readonly data: Uint8Array };
  return Number(Buffer.from(data).toString());
}

async function expected(code: string, call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ZooKeeperError && error.code === code) return;
    throw error;
  }
  throw new Error(`${code} was to be expected`);
}

/** Whoever is first makes it, and a lost connection may hide that it was made. */
async function existing(made: Promise<unknown>): Promise<void> {
  try {
    await made;
  } catch (error) {
    if (!(error instanceof ZooKeeperError) || error.code !== "NODEEXISTS") throw error;
  }
}
