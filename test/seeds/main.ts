/**
 * `npm run seeds -- [--campaign storage|ensemble] [--seeds n] [--from n]`: seeds of one campaign, or of both, on all
 * cores. `--seed n` replays one, `--transcript` with its story, `--mutant name` with a bug put back, `--servers n` with so
 * many voters. The hash at the end is over all runs: equal on every machine and every version of Node.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import type { MutantName } from "../../core/pipeline/state.ts";
import { MUTANT_NAMES } from "../../core/pipeline/state.ts";
import type { Recording } from "../../sim/index.ts";
import type { Found, SeedOptions } from "./campaigns.ts";
import { CAMPAIGNS } from "./campaigns.ts";
import type { Share } from "./worker.ts";

const TELL_SECONDS = 10;
/** Lines of a failing seed's transcript that a report ends with, and how wide. */
const LAST_LINES = 25;
const LINE_CHARACTERS = 200;

const { values } = parseArgs({
  options: {
    campaign: { type: "string", multiple: true, default: Object.keys(CAMPAIGNS) },
    seeds: { type: "string", default: "4000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    servers: { type: "string" },
    workers: { type: "string", default: String(availableParallelism()) },
    transcript: { type: "boolean", default: false },
    mutant: { type: "string", multiple: true, default: [] },
  },
});
const mutants = values.mutant.map(mutantNamed);
const options: SeedOptions = {
  mutants: new Set(mutants),
  servers: values.servers === undefined ? undefined : whole("servers"),
};

function mutantNamed(name: string): MutantName {
  const known = MUTANT_NAMES.find((mutant) => mutant === name);
  if (known === undefined) fail(`no mutant is called ${name}; there are ${MUTANT_NAMES.join(", ")}`);
  return known;
}

function whole(name: "seeds" | "from" | "seed" | "servers" | "workers"): number {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 0) fail(`--${name} takes a whole number, not "${values[name]}"`);
  return value;
}

function fail(complaint: string): never {
  console.error(complaint);
  process.exit(2);
}

function replayed(name: string, seed: number): { found: Found; lines: readonly string[] } {
  let recording: Recording | undefined;
  const found = CAMPAIGNS[name]!.run(seed, { ...options, attach: (trace) => (recording = trace.record()) });
  return { found, lines: recording?.lines ?? [] };
}

function report(name: string, { seed, violation }: Found, lines: readonly string[]): void {
  const more = [
    ...(options.servers === undefined ? [] : ["--servers", String(options.servers)]),
    ...mutants.flatMap((mutant) => ["--mutant", mutant]),
  ];
  console.error(`\n${name} seed ${seed}: ${violation}`);
  for (const line of CAMPAIGNS[name]!.describe(seed, options)) console.error(`  ${line}`);
  console.error(`it ends with`);
  for (const line of lines.slice(-LAST_LINES)) console.error(line.slice(0, LINE_CHARACTERS));
  console.error(`again: npm run seeds -- --campaign ${name} --seed ${seed} ${more.join(" ")} --transcript`);
  process.exitCode = 1;
}

/** One number for many runs. */
function mix(hash: number, next: number): number {
  return (Math.imul(hash, 0x01000193) ^ (next % 0x1_0000_0000) ^ Math.floor(next / 0x1_0000_0000)) >>> 0;
}

function replay(name: string, seed: number): void {
  const { found, lines } = replayed(name, seed);
  if (values.transcript) for (const line of lines) console.log(line);
  console.log(`${name} seed ${seed}: ${JSON.stringify(found.totals)}, hash ${found.hash.toString(16)}`);
  if (found.violation !== undefined) report(name, found, values.transcript ? [] : lines);
}

/** Runs all seeds, or stops at the first that fails. Returns the hash of all runs. */
async function run(name: string, from: number, seeds: number): Promise<number> {
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  const hashes: number[] = [];
  const totals: Record<string, number> = {};
  let failed: Found | undefined;
  let told = 0;
  const take = (batch: readonly Found[]): void => {
    for (const found of batch) {
      hashes[found.seed - from] = found.hash;
      for (const [key, value] of Object.entries(found.totals)) totals[key] = (totals[key] ?? 0) + value;
      if (found.violation !== undefined && found.seed < (failed?.seed ?? Infinity)) failed = found;
    }
    if (seconds() - told < TELL_SECONDS) return;
    told = seconds();
    console.log(`${name}: ${Math.round(told)} s, ${hashes.filter((hash) => hash !== undefined).length} seeds`);
  };
  const count = Math.max(1, Math.min(whole("workers"), seeds));
  const workers = Array.from({ length: count }, (_, index) => {
    const share: Share = {
      campaign: name,
      first: from + index,
      end: from + seeds,
      step: count,
      mutants,
      servers: options.servers,
    };
    return new Worker(new URL("worker.js", import.meta.url), { workerData: share });
  });
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise<void>((resolve, reject) => {
          worker.on("message", (batch: readonly Found[]) => {
            take(batch);
            if (failed !== undefined) for (const other of workers) void other.terminate();
          });
          worker.on("error", reject);
          worker.on("exit", () => resolve());
        }),
    ),
  );
  if (failed !== undefined) {
    report(name, failed, replayed(name, failed.seed).lines);
    return 0;
  }
  const hash = hashes.reduce(mix, 0);
  const speed = (seeds / seconds()).toFixed(1);
  console.log(
    `${name}: seeds ${from} to ${from + seeds - 1} in ${seconds().toFixed(1)} s (${speed}/s), hash ${hash.toString(16)}`,
  );
  console.log(
    `  ${Object.entries(totals)
      .map(([key, value]) => `${key} ${value}`)
      .join(", ")}`,
  );
  return hash;
}

let everything = 0;
for (const name of values.campaign) {
  if (CAMPAIGNS[name] === undefined)
    fail(`no campaign is called ${name}; there are ${Object.keys(CAMPAIGNS).join(", ")}`);
  if (values.seed !== undefined) replay(name, whole("seed"));
  else if (process.exitCode === undefined) everything = mix(everything, await run(name, whole("from"), whole("seeds")));
}
// The last word is what versions of Node are compared by.
if (values.seed === undefined && process.exitCode === undefined)
  console.log(`all of it: hash ${everything.toString(16)}`);
