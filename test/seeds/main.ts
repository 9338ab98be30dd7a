/**
 * `npm run seeds -- [--seeds n] [--from n]`: the storage campaign. `--seed n` replays one, `--transcript` with its story,
 * `--mutant name` with a bug put back. Every hundredth seed is run twice and must give the same hash.
 */
import { parseArgs } from "node:util";
import type { MutantName } from "../../core/pipeline/state.ts";
import { MUTANT_NAMES } from "../../core/pipeline/state.ts";
import { drawCrashPlan } from "../../sim/campaigns/crash-plan.ts";
import type { CrashReport } from "../../sim/campaigns/crash-recovery.ts";
import { runCrashRecovery } from "../../sim/campaigns/crash-recovery.ts";
import { formatFault } from "../../sim/index.ts";
import type { Recording } from "../../sim/index.ts";

const TWICE_EVERY = 100;
const TELL_SECONDS = 10;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "10000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    transcript: { type: "boolean", default: false },
    mutant: { type: "string", multiple: true, default: [] },
  },
});
const mutants = new Set(values.mutant.map(mutantNamed));

function mutantNamed(name: string): MutantName {
  const known = MUTANT_NAMES.find((mutant) => mutant === name);
  if (known === undefined) fail(`no mutant is called ${name}; there are ${MUTANT_NAMES.join(", ")}`);
  return known;
}

function whole(name: "seeds" | "from" | "seed"): number {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 0) fail(`--${name} takes a whole number, not "${values[name]}"`);
  return value;
}

function fail(complaint: string): never {
  console.error(complaint);
  process.exit(2);
}

function report(found: CrashReport): void {
  const again = [...mutants].map((mutant) => ` --mutant ${mutant}`).join("");
  console.error(`seed ${found.seed}: ${found.violation}`);
  for (const fault of drawCrashPlan(found.seed).faults) console.error(`  ${formatFault(fault)}`);
  console.error(`again: npm run seeds -- --seed ${found.seed}${again} --transcript`);
  process.exitCode = 1;
}

/** One number for many runs: equal on every machine and every version of Node. */
function mix(hash: number, next: number): number {
  return (Math.imul(hash, 0x01000193) ^ (next % 0x1_0000_0000) ^ Math.floor(next / 0x1_0000_0000)) >>> 0;
}

function replay(seed: number): void {
  let recording: Recording | undefined;
  const attach = values.transcript ? { attach: (trace: { record(): Recording }) => (recording = trace.record()) } : {};
  const found = runCrashRecovery(seed, { mutants, ...attach });
  for (const line of recording?.lines ?? []) console.log(line);
  console.log(`seed ${seed}: ${found.events} events, ${found.recoveries} recoveries, hash ${found.hash.toString(16)}`);
  if (found.violation !== undefined) report(found);
}

function campaign(from: number, seeds: number): void {
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  const totals = { events: 0, recoveries: 0, acknowledgements: 0, lost: 0, kept: 0, cuts: 0 };
  let told = 0;
  let last = 0;
  let hash = 0;
  for (let seed = from; seed < from + seeds && process.exitCode === undefined; seed++) {
    const found = runCrashRecovery(seed, { mutants });
    if (found.violation !== undefined) report(found);
    if (seed % TWICE_EVERY === 0 && runCrashRecovery(seed, { mutants }).hash !== found.hash) {
      console.error(`seed ${seed} gives another run the second time`);
      process.exitCode = 1;
    }
    hash = mix(hash, found.hash);
    for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += found[key];
    last = seed;
    if (seconds() - told < TELL_SECONDS) continue;
    told = seconds();
    console.log(`${Math.round(told)} s: seed ${seed}, ${totals.events} events`);
  }
  console.log(
    `seeds ${from} to ${last} in ${seconds().toFixed(1)} s: ${totals.events} events, ${totals.recoveries} recoveries, ` +
      `${totals.acknowledgements} acknowledged writes all recovered, ${totals.lost} unacknowledged lost, ` +
      `${totals.kept} kept, ${totals.cuts} damaged tails cut by hand; hash ${hash.toString(16)}`,
  );
}

if (values.seed === undefined) campaign(whole("from"), whole("seeds"));
else replay(whole("seed"));
