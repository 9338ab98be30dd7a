import { test } from "vitest";
import { runCrashRecovery } from "../../../sim/campaigns/crash-recovery.ts";
import fs from "node:fs";
test("one", { timeout: 60000 }, () => {
  const seed = Number(process.env["SEED"]);
  let n = 0; const lines: string[] = [];
  try {
  const r = runCrashRecovery(seed, { attach: (t) => { const rec = t.record(); t.listen((i, h, line) => { lines.push(line); if (++n > Number(process.env["MAX"] ?? 20000)) throw new Error("enough"); }); } });
  console.log(r);
  } catch (e) { console.log(String(e), (e as Error).stack?.split("\n").slice(0,12).join("\n")); }
  fs.writeFileSync("/tmp/f-trace.txt", lines.join("\n"));
});
