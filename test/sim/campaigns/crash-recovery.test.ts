import { expect, test } from "vitest";
import { runCrashRecovery } from "../../../sim/campaigns/crash-recovery.ts";

/** `SEEDS=10000 FROM=1 npx vitest run test/sim/campaigns` runs the whole campaign. */
const SEEDS = Number(process.env["SEEDS"] ?? 60);
const FROM = Number(process.env["FROM"] ?? 1);

test("whatever a crash leaves on the disk, everything a client was told is recovered", { timeout: 3_600_000 }, () => {
  const started = performance.now();
  const totals = { events: 0, recoveries: 0, acknowledgements: 0, lost: 0, kept: 0 };
  for (let seed = FROM; seed < FROM + SEEDS; seed++) {
    const report = runCrashRecovery(seed);
    expect(report.violation, `seed ${seed}`).toBeUndefined();
    for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += report[key];
  }
  if (SEEDS > 1000) console.log(totals, performance.now() - started);
});
