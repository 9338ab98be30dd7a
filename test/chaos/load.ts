/** Sessions that load an ensemble, and what must hold of every server when asked directly. */
import { Prng } from "../../core/base/prng.ts";
import { readStringVector } from "../../core/protocol/data.ts";
import type { Ensemble, Member } from "../interop/support/ensemble.ts";
import { eventually } from "../interop/support/processes.ts";
import { type Answer, dumpTree, RawClient } from "../interop/support/raw-client.ts";
import { type FrozenWorker, Ledger } from "./ledger.ts";
import { Wanderer } from "./wanderer.ts";
import { HOME, Worker } from "./worker.ts";

export interface LoadOptions {
  readonly seed: number;
  readonly sessions?: number;
  readonly window?: number;
  readonly pace?: number;
  readonly sessionTimeout?: number;
}

const IMPATIENT_REQUEST_TIMEOUT = 2000;
const CONNECT_TIMEOUT = 10_000;
const NODE_LINES_SHOWN = 5;

export class Load {
  readonly ledger: Ledger = new Ledger();
  readonly #ensemble: Ensemble;
  readonly #workers: Worker[] = [];
  #wanderer: Wanderer | undefined;
  /** Ephemeral nodes of sessions that were left behind. */
  readonly #abandoned: string[] = [];

  private constructor(ensemble: Ensemble) {
    this.#ensemble = ensemble;
  }

  static async start(ensemble: Ensemble, options: LoadOptions): Promise<Load> {
    const load = new Load(ensemble);
    const prng = new Prng(options.seed);
    const { sessions = 6, window = 4, pace = 4, sessionTimeout = 20_000 } = options;
    for (let i = 0; i < sessions; i++) {
      // Some sit out what stalls, others go elsewhere.
      const patience = i % 2 === 0 ? { requestTimeout: IMPATIENT_REQUEST_TIMEOUT } : {};
      const own = { sessionTimeout, window, pace, ...patience };
      const name = `w${i}`;
      load.#workers.push(await Worker.start(name, ensemble.connectString, load.ledger, prng.fork(name), own));
    }
    const ports = ensemble.members.map(({ publicPort }) => publicPort);
    load.#wanderer = new Wanderer("wanderer", ports, load.ledger, sessionTimeout);
    return load;
  }

  /** Throws what contradictions there are. */
  check(): void {
    const { problems } = this.ledger;
    if (problems.length > 0) throw new Error(problems.join("\n"));
  }

  /** Waits until a write that begins after now has been acknowledged; returns how long that took, ms. */
  async awaitProgress(timeout: number): Promise<number> {
    const since = performance.now();
    try {
      await eventually("", timeout, () => this.ledger.latestBegin > since);
    } catch {
      throw new Error(`no write succeeded within ${timeout} ms\n${this.#ensemble.tails()}`);
    }
    this.check();
    return performance.now() - since;
  }

  async pause(): Promise<void> {
    const all = [...this.#workers, this.#wanderer!];
    for (const one of all) one.pause();
    await eventually("the load pauses", 60_000, () => all.every(({ isIdle }) => isIdle));
  }

  resume(): void {
    for (const one of [...this.#workers, this.#wanderer!]) one.resume();
  }

  /** Ends all sessions; afterwards their ephemeral nodes must be gone. */
  async stop(): Promise<void> {
    await Promise.all([...this.#workers, this.#wanderer!].map((one) => one.stop()));
    this.check();
  }

  /** After a failure: ends everything without a word. */
  abort(): void {
    for (const one of [...this.#workers, this.#wanderer]) one?.abort();
  }

  /** A session with an ephemeral node that nobody will keep alive. Whether it comes to be is not known for sure. */
  async abandon(member: Member, timeout: number): Promise<void> {
    const path = `${HOME}/abandoned-${this.#abandoned.length}`;
    const client = await RawClient.connect(member.clientPort, timeout);
    this.#abandoned.push(path);
    await client.send({ type: 1, path, data: "", acl: [{ perms: 31, scheme: "world", id: "anyone" }], flags: 1 });
    client.drop();
  }

  /** Nodes of abandoned sessions are gone from all members within `timeout` ms. */
  async awaitAbandoned(members: readonly Member[], timeout: number): Promise<void> {
    for (const member of members) {
      const client = await connectDirectly(member);
      await eventually(`abandoned sessions expire, seen at member ${member.id}`, timeout, async () => {
        await client.ask({ type: 9, path: "/" });
        const answers = await Promise.all(this.#abandoned.map((path) => client.send({ type: 3, path, watch: false })));
        return answers.every((answer) => answer?.err === -101);
      });
      await client.closeSession();
    }
    this.#abandoned.length = 0;
  }

  /** Everything acknowledged before now is at every one of `members`. */
  async verify(members: readonly Member[]): Promise<void> {
    const frozen = this.ledger.freeze();
    for (const member of members) {
      const client = await connectDirectly(member);
      await client.ask({ type: 9, path: "/" });
      const found = await Promise.all(frozen.map((worker) => this.#verifyWorker(client, worker)));
      for (const problem of found.flat()) this.ledger.problem(`at member ${member.id} (${member.kind}): ${problem}`);
      await client.closeSession();
    }
    this.check();
  }

  async #verifyWorker(client: RawClient, worker: FrozenWorker): Promise<string[]> {
    const home = `${HOME}/${worker.name}`;
    const problems: string[] = [];
    const [counter, children] = await Promise.all([
      client.ask({ type: 4, path: `${home}/counter`, watch: false }),
      client.ask({ type: 8, path: `${home}/q`, watch: false }),
    ]);
    const n = Number(Buffer.from(counter.body.buffer()!).toString());
    if (n < worker.counter) problems.push(`${home}/counter is ${n}, acknowledged was ${worker.counter}`);
    const names = new Set((readStringVector(children.body) ?? []).map((name) => `${home}/q/${String(name)}`));
    const live = this.ledger.workers.find(({ name }) => name === worker.name)!;
    for (const path of worker.nodes) {
      // Those that were deleted since do not count.
      if (!names.has(path) && live.nodes.has(path)) problems.push(`${path} is lost`);
    }
    for (const path of worker.deleted) if (names.has(path)) problems.push(`${path} is back`);
    if (worker.ephemeral !== undefined) {
      const { err } = (await client.send({ type: 3, path: worker.ephemeral, watch: false })) as Answer;
      if (err !== 0 && live.ephemeral !== undefined) problems.push(`${worker.ephemeral} is gone: error ${err}`);
    }
    return problems;
  }

  /** With the load at rest all members have the same tree, times and sessions included. */
  async compareTrees(members: readonly Member[]): Promise<number> {
    await this.pause();
    try {
      const trees: Map<string, string>[] = [];
      for (const member of members) trees.push(await treeOf(member));
      const differences = trees.slice(1).flatMap((tree, index) => {
        const name = `member ${members[index + 1]!.id} and member ${members[0]!.id}`;
        return differencesOf(tree, trees[0]!).map((line) => `${name}: ${line}`);
      });
      for (const difference of differences) this.ledger.problem(difference);
      this.check();
      return trees[0]!.size;
    } finally {
      this.resume();
    }
  }
}

async function connectDirectly(member: Member): Promise<RawClient> {
  let client: RawClient | undefined;
  await eventually(`member ${member.id} (${member.kind}) takes a session`, CONNECT_TIMEOUT, async () => {
    client = await RawClient.connect(member.clientPort).catch(() => undefined);
    return client !== undefined;
  });
  return client!;
}

/** Everything but /zookeeper, where each server's own view of the configuration is. */
export async function treeOf(member: Member): Promise<Map<string, string>> {
  const client = await connectDirectly(member);
  await client.authenticate("digest", "super:adm");
  await client.ask({ type: 9, path: "/" });
  const tree = await dumpTree(client);
  await client.closeSession();
  for (const path of tree.keys()) if (path.startsWith("/zookeeper")) tree.delete(path);
  return tree;
}

export function differencesOf(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): string[] {
  const paths = new Set([...a.keys(), ...b.keys()]);
  const differing = [...paths].filter((path) => a.get(path) !== b.get(path));
  const lines = differing.slice(0, NODE_LINES_SHOWN).map((path) => `${path}:\n  ${a.get(path)}\n  ${b.get(path)}`);
  return differing.length > 0 ? [`${differing.length} nodes differ`, ...lines] : [];
}
