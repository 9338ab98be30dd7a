/** Rounds of faults under load: after each everything acknowledged is at every server. */
import { Prng } from "../../core/base/prng.ts";
import { type Ensemble, type EnsembleOptions, QUICK } from "../interop/support/ensemble.ts";
import type { ServerKind } from "../interop/support/servers.ts";
import { RealClients } from "./clients.ts";
import { type Fault, FAULTS, settle, type World } from "./faults.ts";
import { Load } from "./load.ts";

export interface RoundsOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Members come back as the one or the other, by chance. */
  readonly mixed?: boolean;
  /** Only faults whose name contains this. */
  readonly only?: string;
  /** Exactly these faults, in this order. */
  readonly faults?: readonly string[];
  /** kazoo, Curator and the Java client take part. */
  readonly realClients?: boolean;
  readonly tell?: (line: string) => void;
  /** No round begins after this instant, ms of Date.now(). */
  readonly until?: number;
}

export interface RoundsResult {
  readonly rounds: number;
  readonly acknowledged: number;
  readonly unknown: number;
}

const PROGRESS_TIMEOUT = 30_000;
const ABANDONED_TIMEOUT = 3000;
const EXPIRED_WITHIN = 20_000;
/** Trees are compared once in so many rounds. */
const COMPARE_EVERY = 10;

export const CHAOS_ENSEMBLE: Pick<EnsembleOptions, "config"> = { config: { ...QUICK, snapCount: 2000 } };

/** Throws with what is wrong and the ends of the servers' logs. */
export async function runRounds(ensemble: Ensemble, options: RoundsOptions): Promise<RoundsResult> {
  const prng = new Prng(options.seed);
  const load = await Load.start(ensemble, { seed: options.seed });
  const kindOf = (member: { readonly kind: ServerKind }): ServerKind => {
    if (options.mixed !== true) return member.kind;
    return prng.chance(1, 2) ? "vivarium" : "apache";
  };
  const world: World = { ensemble, load, prng, kindOf, progress: PROGRESS_TIMEOUT };
  const faults = faultsFor(ensemble, options.only, options.faults);
  let clients: RealClients | undefined;
  let round = 0;
  let name = "start";
  try {
    await load.awaitProgress(PROGRESS_TIMEOUT);
    if (options.realClients === true) clients = await RealClients.start(ensemble.connectString);
    // Every fault once before any comes again.
    let left: Fault[] = [];
    for (; round < options.rounds && Date.now() < (options.until ?? Infinity); round++) {
      if (left.length === 0) left = [...faults];
      const next = options.faults === undefined ? prng.below(left.length) : 0;
      const [fault] = left.splice(next, 1) as [Fault];
      name = `round ${round}, ${fault.name}`;
      const began = performance.now();
      await load.abandon(ensemble.members[prng.below(ensemble.members.length)]!, ABANDONED_TIMEOUT);
      await fault.run(world);
      await settle(world);
      await load.verify(ensemble.members);
      if (round % COMPARE_EVERY === COMPARE_EVERY - 1) await compare(world, clients);
      const kinds = ensemble.members.map(({ kind }) => kind[0]).join("");
      options.tell?.(`${name} (${kinds}): ${Math.round(performance.now() - began)} ms`);
    }
    name = "end";
    await compare(world, clients);
    for (const line of (await clients?.stop()) ?? []) options.tell?.(line);
    await load.stop();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const logs = text.includes("--- member") ? "" : `\n${ensemble.tails()}`;
    load.abort();
    await clients?.kill();
    throw new Error(`seed ${options.seed}, ${name} in ${ensemble.directory}: ${text}${logs}`, { cause: error });
  }
  const { acknowledged, unknown } = load.ledger;
  return { rounds: round, acknowledged, unknown };
}

async function compare({ ensemble, load }: World, clients: RealClients | undefined): Promise<void> {
  await load.awaitAbandoned(ensemble.members, EXPIRED_WITHIN);
  await clients?.pause();
  await load.compareTrees(ensemble.members);
  clients?.resume();
  const alarms = ensemble.alarms();
  if (alarms.length > 0) throw new Error(alarms.slice(0, 10).join("\n"));
}

function faultsFor(ensemble: Ensemble, only?: string, names?: readonly string[]): readonly Fault[] {
  if (names !== undefined) return names.map((name) => FAULTS.find((fault) => fault.name === name)!);
  const fitting = FAULTS.filter(({ votersMin }) => ensemble.members.length >= (votersMin ?? 0));
  const chosen = fitting.filter(({ name }) => only === undefined || name.includes(only));
  if (chosen.length === 0) throw new Error(`no fault is called ${only}`);
  return chosen;
}
