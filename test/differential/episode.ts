/** One run over two fresh servers: either new random steps, or recorded ones played again. */
import { Prng } from "../../core/base/prng.ts";
import { type RunningServer, type ServerKind, type ServerOptions, startServer } from "../interop/support/servers.ts";
import { removeDirectory, temporaryDirectory } from "../interop/support/processes.ts";
import { Comparer, type Difference } from "./compare.ts";
import { Generator, type Profile } from "./generate.ts";
import { nameOf } from "./ops.ts";
import type { Entry } from "./replies.ts";
import { Side, type Seen, type Step } from "./side.ts";
import { World } from "./world.ts";

export const SLOTS = 4;

export interface Target {
  readonly kind: ServerKind;
  /** Lines of zoo.cfg that only this side gets: how a planted difference is made. */
  readonly config?: Readonly<Record<string, string>>;
}

export interface Outcome {
  /** Everything played, the step with the difference last. */
  readonly steps: readonly Step[];
  readonly ops: number;
  readonly difference: Difference | undefined;
  readonly explained: ReadonlyMap<string, number>;
  /** `operation result` and how often the reference gave it. */
  readonly coverage: ReadonlyMap<string, number>;
}

/**
 * Neither expires sessions nor reaps containers while it runs, so that nothing happens but what is asked for; and
 * neither waits for the disk.
 */
const OPTIONS: ServerOptions = {
  config: {
    minSessionTimeout: 30_000,
    maxSessionTimeout: 120_000,
    extendedTypesEnabled: true,
    enforceQuota: true,
    forceSync: "no",
    snapCount: 20_000,
  },
  properties: { "znode.container.checkIntervalMs": 3_600_000 },
};

export async function randomEpisode(
  targets: readonly [Target, Target],
  seed: number,
  profile: Profile,
  opsMax: number,
  without: ReadonlySet<string> = new Set(),
): Promise<Outcome> {
  const prng = new Prng(seed);
  return withServers(targets, profile, (reference, subject) => {
    const world = new World(reference);
    const generator = new Generator(prng, profile, world, SLOTS, without);
    return play(reference, subject, (_played, ops, seen) => {
      if (seen !== undefined) for (const { entries } of seen) world.learn(entries);
      if (ops >= opsMax) return undefined;
      return generator.next();
    });
  });
}

export async function replay(
  targets: readonly [Target, Target],
  profile: Profile,
  steps: readonly Step[],
): Promise<Outcome> {
  return withServers(targets, profile, (reference, subject) =>
    play(reference, subject, (played) => steps[played.length]),
  );
}

async function withServers(
  targets: readonly [Target, Target],
  profile: Profile,
  use: (reference: Side, subject: Side) => Promise<Outcome>,
): Promise<Outcome> {
  const homes = [new Home(targets[0], targets[1], profile), new Home(targets[1], targets[0], profile)];
  try {
    // Both have started or failed before either is ended.
    const started = await Promise.allSettled(homes.map((home) => home.start()));
    const sides = started.map((result) => {
      if (result.status === "rejected") throw result.reason;
      return result.value;
    });
    return await use(sides[0]!, sides[1]!);
  } catch (error) {
    throw new Error(`${String(error)}\n${homes.map((home) => home.tailOfLog()).join("\n")}`, { cause: error });
  } finally {
    await Promise.all(homes.map((home) => home.end()));
  }
}

/** A data directory and a port, with one of the two servers on them. */
class Home {
  readonly #profile: Profile;
  readonly #directory: string;
  /** The one that runs, and the one that takes its place at a swap. */
  #targets: readonly [Target, Target];
  #running: RunningServer | undefined;
  #side: Side | undefined;

  constructor(target: Target, other: Target, profile: Profile) {
    this.#targets = [target, other];
    this.#profile = profile;
    this.#directory = temporaryDirectory("differential");
  }

  async start(): Promise<Side> {
    const { port } = await this.#run();
    this.#side = new Side(port, SLOTS, async (swap) => {
      await this.#running?.kill();
      if (swap) this.#targets = [this.#targets[1], this.#targets[0]];
      await this.#run(port);
    });
    return this.#side;
  }

  async end(): Promise<void> {
    this.#side?.disconnectAll();
    await this.#running?.kill();
    removeDirectory(this.#directory);
  }

  tailOfLog(): string {
    return `--- ${this.#targets[0].kind}: ${this.#running?.log().slice(-1500) ?? "not started"}`;
  }

  async #run(port?: number): Promise<RunningServer> {
    const [{ kind, config }] = this.#targets;
    this.#running = await startServer(kind, {
      ...OPTIONS,
      ...(port === undefined ? {} : { port }),
      directory: this.#directory,
      config: { ...OPTIONS.config, ...this.#profile.config, ...config },
    });
    return this.#running;
  }
}

async function play(
  reference: Side,
  subject: Side,
  next: (played: readonly Step[], ops: number, seen: readonly Seen[] | undefined) => Step | undefined,
): Promise<Outcome> {
  const comparer = new Comparer();
  const coverage = new Map<string, number>();
  const steps: Step[] = [];
  let ops = 0;
  let difference: Difference | undefined;
  let swapped = false;
  let seen: readonly Seen[] | undefined;
  for (let flushed = false; difference === undefined;) {
    let step = next(steps, ops, seen);
    if (step === undefined) {
      if (flushed) break;
      step = { kind: "flush" };
      flushed = true;
    }
    steps.push(step);
    ops += step.kind === "ops" ? step.ops.length : 1;
    const [a, b] = await Promise.all([reference.play(step), subject.play(step)]);
    for (const { entries } of a) for (const entry of entries) count(coverage, entry);
    if (step.kind === "restart") countOne(coverage, step.swap ? "restart, swapped" : "restart");
    // The sides are histories; who is the reference depends on who holds which at the moment.
    difference = swapped ? comparer.compare(b, a) : comparer.compare(a, b);
    if (step.kind === "restart" && step.swap) swapped = !swapped;
    seen = a;
  }
  return { steps, ops, difference, explained: comparer.explained, coverage };
}

function count(coverage: Map<string, number>, entry: Entry): void {
  const key =
    entry.kind === "reply"
      ? `${nameOf(entry.op)} ${entry.err}`
      : entry.kind === "event"
        ? `event ${entry.what.slice(0, 6)}`
        : entry.text.split(":")[0]!;
  countOne(coverage, key);
}

function countOne(coverage: Map<string, number>, key: string): void {
  coverage.set(key, (coverage.get(key) ?? 0) + 1);
}
