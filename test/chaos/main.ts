/**
 * `npm run chaos -- --rounds 200`: ensembles of real processes under load, killed, paused, cut apart and mended again,
 * while sessions of our client, kazoo, Curator and the
 * Java client check what they are told. Exit code 1 when anything is lost, goes back, or does not come back.
 */
import { parseArgs } from "node:util";
import { Ensemble } from "../interop/support/ensemble.ts";
import type { ServerKind } from "../interop/support/servers.ts";
import { CHAOS_ENSEMBLE, runRounds } from "./rounds.ts";

const USAGE = `npm run chaos -- [options]
  --rounds N     altogether (200), shared out among the ensembles
  --seconds N    begin no round after so long
  --seed N       (1)
  --kinds LIST   only this ensemble: v for ours, a for Apache's, as in vvv or vav
  --mixed        members come back as the one or the other by chance
  --only TEXT    only faults whose name contains this`;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    seconds: { type: "string", default: "3600" },
    seed: { type: "string", default: "1" },
    kinds: { type: "string" },
    mixed: { type: "boolean", default: false },
    only: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

interface Part {
  readonly kinds: string;
  readonly mixed: boolean;
  /** Of all rounds. */
  readonly share: number;
}

const PARTS: readonly Part[] = [
  { kinds: "vvv", mixed: false, share: 0.5 },
  { kinds: "vvvvv", mixed: false, share: 0.35 },
  { kinds: "vav", mixed: true, share: 0.15 },
];

function whole(name: "rounds" | "seconds" | "seed"): number {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${name} takes a whole number, not "${values[name]}"\n${USAGE}`);
  process.exit(2);
}

function kindsOf(text: string): ServerKind[] {
  return text.split("").map((letter) => (letter === "a" ? "apache" : "vivarium"));
}

async function main(): Promise<void> {
  const rounds = whole("rounds");
  const until = Date.now() + whole("seconds") * 1000;
  const parts = values.kinds === undefined ? PARTS : [{ kinds: values.kinds, mixed: values.mixed, share: 1 }];
  let done = 0;
  for (const [index, { kinds, mixed, share }] of parts.entries()) {
    const last = index === parts.length - 1;
    const own = last ? rounds - done : Math.round(rounds * share);
    const ensemble = await Ensemble.start({ ...CHAOS_ENSEMBLE, kinds: kindsOf(kinds) });
    try {
      const only = values.only === undefined ? {} : { only: values.only };
      const tell = (line: string): void => console.log(line);
      const seed = whole("seed") + index;
      const result = await runRounds(ensemble, { rounds: own, seed, mixed, tell, until, realClients: true, ...only });
      done += result.rounds;
      const { acknowledged, unknown } = result;
      console.log(`${kinds}${mixed ? " mixed" : ""}: ${result.rounds} rounds, ${acknowledged} writes acknowledged,`);
      console.log(`  none lost, nothing went back; ${unknown} calls without an answer`);
    } finally {
      await ensemble.close();
    }
  }
  console.log(`${done} of ${rounds} rounds`);
  if (done < rounds) process.exitCode = 1;
}

if (values.help) console.log(USAGE);
else {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    // Sessions may still look for servers that are gone.
    process.exit(1);
  }
}
