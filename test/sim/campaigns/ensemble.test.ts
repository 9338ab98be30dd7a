/**
 * The ensemble campaign. `npm run seeds -- --campaign ensemble` runs any number of seeds; a few stand here for every
 * change.
 */
import { expect, test } from "vitest";
import type { MutantName } from "../../../core/pipeline/state.ts";
import { ENSEMBLE_MUTANTS } from "../../../core/pipeline/state.ts";
import type { EnsembleReport } from "../../../sim/campaigns/ensemble.ts";
import { runEnsemble } from "../../../sim/campaigns/ensemble.ts";
import { drawEnsemblePlan } from "../../../sim/campaigns/ensemble-plan.ts";
import type { Totals } from "../../../sim/campaigns/ensemble-tally.ts";
import { TOTALS } from "../../../sim/campaigns/ensemble-tally.ts";
import { findDivergence, formatDivergence, formatFault } from "../../../sim/index.ts";

const SEEDS = 25;
/** Needs more seeds than that: histories that part, and have to be cut. */
const RARE: ReadonlySet<keyof Totals> = new Set(["truncs"]);
/** Where it is not one of the first twelve seeds. */
const FOUND_BY: Partial<Record<MutantName, number>> = {
  "newleader-ack-before-log": 10,
  "newer-clients-accepted": 25,
  "sync-is-local": 36,
  "owner-not-checked": 420,
  "session-not-checked": 420,
};

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
  for (const key of TOTALS.filter((total) => !RARE.has(total))) expect(totals[key], key).toBeGreaterThan(0);
  for (const [name, count] of Object.entries(premises)) expect(count, name).toBeGreaterThan(0);
});

test.each(ENSEMBLE_MUTANTS)("an ensemble with %s is caught", (mutant) => {
  const mutants = new Set([mutant]);
  // The campaign finds each from its first seed on; here it begins shortly before the one that does.
  const from = FOUND_BY[mutant] ?? 1;
  let seed = from;
  while (seed < from + 12 && runEnsemble(seed, { mutants }).violation === undefined) seed++;
  expect(runEnsemble(seed).violation).toBeUndefined();
  expect(seed).toBeLessThan(from + 12);
});

test("the same seed gives the same life of an ensemble, event by event", () => {
  for (let seed = 1; seed <= 2; seed++) {
    const found = findDivergence((attach) => void runEnsemble(seed, { attach: (world) => attach(world.trace) }));
    expect(found === undefined ? "" : formatDivergence(found)).toBe("");
  }
});
