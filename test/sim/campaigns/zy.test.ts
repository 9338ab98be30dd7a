import { test } from "vitest";
import { runCrashRecovery } from "../../../sim/campaigns/crash-recovery.ts";
test("many", { timeout: 600000 }, () => {
  const from = Number(process.env["FROM"] ?? 1), n = Number(process.env["N"] ?? 30);
  let bad = 0, dmg = 0; const said = new Map<string, number>(); const tot: any = {}; const t00 = performance.now();
  const mutants = process.env["MUTANT"] ? { mutants: new Set([process.env["MUTANT"] as any]) } : {};
  for (let seed = from; seed < from + n; seed++) {
    const t0 = performance.now();
    try {
      const r = runCrashRecovery(seed, mutants);
      const ms = performance.now() - t0; dmg += r.cuts; for (const [k, v] of r.said) said.set(k, (said.get(k) ?? 0) + v); for (const k of ["events","recoveries","acknowledgements","lost","kept","lasted"] as const) tot[k] = (tot[k] ?? 0) + r[k];
      if (r.violation !== undefined) { bad++; console.log(seed, ms.toFixed(0), "events", r.events, r.violation); }
      else if (ms > 300) console.log(seed, "slow", ms.toFixed(0), r.events, r.lasted);
    } catch (e) { bad++; console.log(seed, "THREW", String(e), (e as Error).stack?.split("\n").slice(1,6).join("\n")); }
    if (bad >= Number(process.env["BAD"] ?? 12)) { console.log("stopped at", seed); break; }
  }
  console.log([...said].filter(([k]) => !k.includes("damaged at")), tot); console.log("damaged", dmg, "bad", bad, "of", n, "ms", performance.now() - t00);
});
