/**
 * The ensemble campaign. `npm run seeds -- --campaign ensemble` runs any number of seeds; a few stand here for every
 * change.
 */
import { expect, test } from "vitest";
import type { EnsembleReport } from "../../../sim/campaigns/ensemble.ts";
import { runEnsemble } from "../../../sim/campaigns/ensemble.ts";
import { drawEnsemblePlan } from "../../../sim/campaigns/ensemble-plan.ts";
import type { Totals } from "../../../sim/campaigns/ensemble-tally.ts";
import { TOTALS } from "../../../sim/campaigns/ensemble-tally.ts";
import { findDivergence, formatDivergence, formatFault } from "../../../sim/index.ts";

const SEEDS = 25;

function explain({ seed, violation }: EnsembleReport): string {
  return [`seed ${seed}: ${violation}`, ...drawEnsemblePlan(seed).faults.map(formatFault)].join("\n  ");
}

test("whatever goes wrong with servers, disks and links, an ensemble keeps ZooKeeper's promises", () => {
  const totals: Record<string, number> = {};
  const premises: Record<string, number> = {};
  for (let seed = 1; seed <= SEEDS; seed++) {
    const report = runEnsemble(seed);
    if (report.violation !== undefined) expect.fail(explain(report));
    for (const key of TOTALS) totals[key] = (totals[key] ?? 0) + report.totals[key];
    for (const [name, count] of report.premises) premises[name] = (premises[name] ?? 0) + count;
  }
  // What never happened has not been tested.
  for (const key of TOTALS satisfies readonly (keyof Totals)[]) expect(totals[key], key).toBeGreaterThan(0);
  for (const [name, count] of Object.entries(premises)) expect(count, name).toBeGreaterThan(0);
});

test("the same seed gives the same life of an ensemble, event by event", () => {
  for (let seed = 1; seed <= 2; seed++) {
    const found = findDivergence((attach) => void runEnsemble(seed, { attach: (world) => attach(world.trace) }));
    expect(found === undefined ? "" : formatDivergence(found)).toBe("");
  }
});
