/**
 * The storage campaign. `SEEDS=10000 npx vitest run test/sim/campaigns` runs the whole of it, `FROM=77 SEEDS=1` one
 * seed; a few stand here for every change.
 */
import { expect, test } from "vitest";
import { STORAGE_MUTANTS } from "../../../core/pipeline/state.ts";
import type { CrashPlan } from "../../../sim/campaigns/crash-plan.ts";
import { drawCrashPlan, SERVER } from "../../../sim/campaigns/crash-plan.ts";
import type { CrashReport } from "../../../sim/campaigns/crash-recovery.ts";
import { runCrashRecovery } from "../../../sim/campaigns/crash-recovery.ts";
import { findDivergence, formatDivergence, formatFault } from "../../../sim/index.ts";

const SEEDS = Number(process.env["SEEDS"] ?? 40);
const FROM = Number(process.env["FROM"] ?? 1);
const HOUR = 3_600_000;

/** The things that must have happened for the campaign to mean anything. */
const TOTALS = ["events", "recoveries", "acknowledgements", "lost", "kept"] as const;
const SAID = ["took a snapshot", "session expired", "a transaction log ends in a partial entry"];

function explain(report: CrashReport): string {
  const plan = drawCrashPlan(report.seed);
  return [`seed ${report.seed}: ${report.violation}`, ...plan.faults.map(formatFault)].join("\n  ");
}

test("whatever a crash leaves on the disk, everything a client was told is recovered", { timeout: HOUR }, () => {
  const totals = { events: 0, recoveries: 0, acknowledgements: 0, lost: 0, kept: 0 };
  const said = new Set<string>();
  for (let seed = FROM; seed < FROM + SEEDS; seed++) {
    const report = runCrashRecovery(seed);
    if (report.violation !== undefined) expect.fail(explain(report));
    for (const total of TOTALS) totals[total] += report[total];
    for (const message of report.said.keys()) said.add(message);
  }
  if (SEEDS > 1000) console.log(totals);
  if (SEEDS < 40) return;
  for (const total of TOTALS) expect(totals[total], total).toBeGreaterThan(0);
  for (const message of SAID) expect(said, message).toContain(message);
});

test.each(STORAGE_MUTANTS)("a server with %s is caught within 200 seeds", (mutant) => {
  const mutants = new Set([mutant]);
  let seed = 1;
  while (seed < 200 && runCrashRecovery(seed, { mutants }).violation === undefined) seed++;
  expect(seed).toBeLessThan(200);
});

test("the same seed gives the same run, event by event", () => {
  for (let seed = FROM; seed < FROM + 3; seed++) {
    const found = findDivergence((attach) => void runCrashRecovery(seed, { attach }));
    expect(found === undefined ? "" : formatDivergence(found)).toBe("");
    const [one, two] = [runCrashRecovery(seed), runCrashRecovery(seed)];
    expect(one.hash).toBe(two.hash);
  }
});

test("entries that only the kernel of a killed process had are made durable before others follow them", () => {
  const calm = drawCrashPlan(1);
  for (let appends = 4; appends < 8; appends++) {
    for (let syncs = 1; syncs < 5; syncs++) {
      const kill = { kind: "crash", host: SERVER, seed: 1, down: 1 } as const;
      const plan: CrashPlan = {
        ...calm,
        config: { ...calm.config, snapCount: 1_000_000, purgeInterval: 0 },
        faults: [
          { when: { host: SERVER, nth: appends, disk: "append", name: "/log." }, fault: kill },
          { when: { host: SERVER, nth: appends + syncs, disk: "sync" }, fault: { ...kill, power: "nothing" } },
        ],
      };
      expect(runCrashRecovery(appends, { plan }).violation, `${appends} appends, ${syncs} syncs`).toBeUndefined();
    }
  }
});
