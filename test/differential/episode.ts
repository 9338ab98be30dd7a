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
  return withServers(targets, (reference, subject) => {
    const world = new World(reference);
    const generator = new Generator(prng, profile, world, SLOTS, without);
    return play(reference, subject, (_played, ops, seen) => {
      if (seen !== undefined) for (const { entries } of seen) world.learn(entries);
      if (ops >= opsMax) return undefined;
      return generator.next();
    });
  });
}

export async function replay(targets: readonly [Target, Target], steps: readonly Step[]): Promise<Outcome> {
  return withServers(targets, (reference, subject) => play(reference, subject, (played) => steps[played.length]));
}

async function withServers(
  targets: readonly [Target, Target],
  use: (reference: Side, subject: Side) => Promise<Outcome>,
): Promise<Outcome> {
  const directories = targets.map(({ kind }) => temporaryDirectory(`differential-${kind}`));
  const servers = await Promise.allSettled(
    targets.map(({ kind, config }, index) =>
      startServer(kind, { ...OPTIONS, directory: directories[index]!, config: { ...OPTIONS.config, ...config } }),
    ),
  );
  const running = servers.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const sides = running.map(({ port }) => new Side(port, SLOTS));
  try {
    const [reference, subject] = sides;
    const failed = servers.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    return await use(reference!, subject!);
  } catch (error) {
    throw new Error(`${String(error)}\n${running.map(tailOfLog).join("\n")}`, { cause: error });
  } finally {
    for (const side of sides) side.disconnectAll();
    await Promise.all(running.map((server) => server.kill()));
    for (const directory of directories) removeDirectory(directory);
  }
}

function tailOfLog(server: RunningServer): string {
  return `--- ${server.kind}: ${server.log().slice(-1500)}`;
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
    difference = comparer.compare(a, b);
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
  coverage.set(key, (coverage.get(key) ?? 0) + 1);
}
