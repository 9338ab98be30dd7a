/**
 * `npm run differential -- --ops 100000 --seed 1`: random operations in lockstep on Apache ZooKeeper 3.8 and on this
 * server; prints how many there were, the explained differences, and the first unexplained ones, cut down. Exit code 1
 * when there are any.
 */
import { parseArgs } from "node:util";
import type { ServerKind } from "../interop/support/servers.ts";
import type { Difference } from "./compare.ts";
import { type Outcome, randomEpisode, replay, type Target } from "./episode.ts";
import { EXPLAINED, NOT_SENT } from "./explained.ts";
import { type Profile, PROFILES } from "./generate.ts";
import { nameOf } from "./ops.ts";
import { shrink } from "./shrink.ts";
import type { Step } from "./side.ts";

const EPISODE_OPS = 2500;
const STEPS_PRINTED = 20;
const USAGE = `npm run differential -- [options]
  --ops N          operations altogether (100000)
  --seed N         (1)
  --reference K    apache or vivarium (apache)
  --subject K      apache or vivarium (vivarium)
  --subject-config k=v   a line of zoo.cfg for the subject only (repeatable): plants a difference
  --first N        stop after N differences (3)
  --shrink-ms N    time to cut one difference down (60000)
  --profile NAME   only episodes of this profile
  --without NAMES  leave out these operations, or "null paths" (comma list), to look behind a known difference
  --coverage       print how often each operation gave each result`;

const { values } = parseArgs({
  options: {
    ops: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    reference: { type: "string", default: "apache" },
    subject: { type: "string", default: "vivarium" },
    "subject-config": { type: "string", multiple: true, default: [] },
    first: { type: "string", default: "3" },
    "shrink-ms": { type: "string", default: "60000" },
    profile: { type: "string" },
    without: { type: "string", default: "" },
    coverage: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(USAGE);
else process.exitCode = await main();

async function main(): Promise<number> {
  const opsWanted = Number(values.ops);
  const profiles = PROFILES.filter(({ name }) => values.profile === undefined || name === values.profile);
  const targets: readonly [Target, Target] = [
    { kind: kindOf(values.reference) },
    { kind: kindOf(values.subject), config: Object.fromEntries(values["subject-config"].map(keyAndValue)) },
  ];
  const without = new Set(values.without.split(","));
  const explained = new Map<string, number>();
  const coverage = new Map<string, number>();
  let ops = 0;
  let differences = 0;
  for (let episode = 0; ops < opsWanted && differences < Number(values.first); episode++) {
    const profile = profiles[episode % profiles.length]!;
    const seed = Number(values.seed) * 1_000_000 + episode;
    const outcome = await randomEpisode(targets, seed, profile, Math.min(EPISODE_OPS, opsWanted - ops), without);
    ops += outcome.ops;
    add(explained, outcome.explained);
    add(coverage, outcome.coverage);
    console.log(
      `episode ${episode} (${profile.name}): ${outcome.ops} operations, ${outcome.difference === undefined ? "no difference" : "DIFFERENT"}`,
    );
    if (outcome.difference === undefined) continue;
    differences += 1;
    await report(targets, profile, outcome);
  }
  for (const { name, reason } of EXPLAINED) {
    console.log(`explained: ${name}: ${explained.get(name) ?? 0} times (${reason})`);
  }
  for (const { what, reason } of NOT_SENT) console.log(`not sent: ${what} (${reason})`);
  if (values.coverage) for (const key of [...coverage.keys()].sort()) console.log(`  ${key}: ${coverage.get(key)}`);
  console.log(`${ops} operations, ${differences} unexplained differences`);
  return differences === 0 ? 0 : 1;
}

async function report(targets: readonly [Target, Target], profile: Profile, outcome: Outcome): Promise<void> {
  print(outcome.difference!);
  let last = outcome.difference!;
  const deadline = Date.now() + Number(values["shrink-ms"]);
  const short = await shrink(
    outcome.steps,
    async (steps) => {
      const again = await replay(targets, profile, steps);
      if (again.difference !== undefined) last = again.difference;
      return again.difference !== undefined;
    },
    deadline,
  );
  console.log(`  ${short.length} of ${outcome.steps.length} steps are enough:`);
  if (short.length > STEPS_PRINTED) console.log("    …");
  for (const step of short.slice(-STEPS_PRINTED)) console.log(`    ${stepText(step)}`);
  print(last);
}

function print(difference: Difference): void {
  console.log(`  connection ${difference.slot}`);
  for (const line of difference.before.slice(-5)) console.log(`    both:      ${line}`);
  console.log(`    reference: ${difference.reference ?? "(nothing)"}`);
  console.log(`    subject:   ${difference.subject ?? "(nothing)"}`);
}

function stepText(step: Step): string {
  if (step.kind !== "ops") return JSON.stringify(step);
  return `slot ${step.slot}: ${step.ops.map((op) => `${nameOf(op)} ${JSON.stringify(op)}`).join("; ")}`;
}

function kindOf(text: string): ServerKind {
  if (text === "apache" || text === "vivarium") return text;
  throw new Error(`${text}: apache or vivarium`);
}

function keyAndValue(text: string): [string, string] {
  const at = text.indexOf("=");
  return [text.slice(0, at), text.slice(at + 1)];
}

function add(to: Map<string, number>, from: ReadonlyMap<string, number>): void {
  for (const [key, count] of from) to.set(key, (to.get(key) ?? 0) + count);
}
