/** The campaigns under one shape: a seed goes in, what was found comes out. */
import type { MutantName } from "../../core/pipeline/state.ts";
import { drawCrashPlan } from "../../sim/campaigns/crash-plan.ts";
import { runCrashRecovery } from "../../sim/campaigns/crash-recovery.ts";
import { runEnsemble } from "../../sim/campaigns/ensemble.ts";
import { drawEnsemblePlan } from "../../sim/campaigns/ensemble-plan.ts";
import { TOTALS } from "../../sim/campaigns/ensemble-tally.ts";
import { formatFault } from "../../sim/index.ts";
import type { Trace } from "../../sim/index.ts";

export interface SeedOptions {
  readonly mutants: ReadonlySet<MutantName>;
  /** Instead of what the seed draws (ensembles). */
  readonly servers: number | undefined;
  readonly attach?: (trace: Trace) => void;
}

export interface Found {
  readonly seed: number;
  readonly hash: number;
  readonly violation: string | undefined;
  readonly totals: Readonly<Record<string, number>>;
}

export interface Campaign {
  run(seed: number, options: SeedOptions): Found;
  /** Everything that goes wrong in a seed's plan, a line each. */
  describe(seed: number, options: SeedOptions): string[];
}

const STORAGE_TOTALS = ["events", "recoveries", "acknowledgements", "lost", "kept", "cuts"] as const;

export const CAMPAIGNS: Readonly<Record<string, Campaign>> = {
  /** One server, crashed anywhere: what it had acknowledged is recovered. */
  storage: {
    run(seed, { mutants, attach }) {
      const report = runCrashRecovery(seed, { mutants, ...(attach && { attach }) });
      const totals = Object.fromEntries(STORAGE_TOTALS.map((key) => [key, report[key]]));
      return { seed, hash: report.hash, violation: report.violation, totals };
    },
    describe: (seed) => drawCrashPlan(seed).faults.map(formatFault),
  },
  /** Ensembles under every fault there is. */
  ensemble: {
    run(seed, { mutants, servers, attach }) {
      const report = runEnsemble(seed, {
        mutants,
        ...(servers !== undefined && { servers }),
        ...(attach && { attach: (world) => attach(world.trace) }),
      });
      const totals = Object.fromEntries(TOTALS.map((key) => [key, report.totals[key]]));
      return { seed, hash: report.hash, violation: report.violation, totals };
    },
    describe(seed, { servers }) {
      const plan = drawEnsemblePlan(seed, servers);
      const members = `${plan.servers} voters, ${plan.observers} observers, calm from ${plan.calmAt} ms on`;
      return [members, ...plan.faults.map(formatFault)];
    },
  },
};
