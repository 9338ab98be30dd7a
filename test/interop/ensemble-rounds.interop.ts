/** The short version of `npm run chaos`: ensembles of real processes under load, killed, paused and cut apart. */
import { expect, test } from "vitest";
import { CHAOS_ENSEMBLE, runRounds } from "../chaos/rounds.ts";
import { Ensemble } from "./support/ensemble.ts";
import { serverUnderTest } from "./support/servers.ts";

const SEED = Number(process.env["CHAOS_SEED"] ?? "1");

test.each([
  { servers: 3, rounds: 8 },
  { servers: 5, rounds: 4 },
])("$servers servers lose nothing in $rounds rounds of faults", { timeout: 300_000 }, async ({ servers, rounds }) => {
  const kinds = Array.from({ length: servers }, () => serverUnderTest());
  const ensemble = await Ensemble.start({ ...CHAOS_ENSEMBLE, kinds });
  try {
    const result = await runRounds(ensemble, { rounds, seed: SEED });
    expect(result.rounds).toBe(rounds);
    console.log(`${rounds} rounds with ${servers} servers, ${result.acknowledged} writes acknowledged, none lost`);
  } finally {
    await ensemble.close();
  }
});
