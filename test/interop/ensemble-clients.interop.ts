/** Real clients keep their sessions and lose nothing while servers of their ensemble are killed, paused and cut off. */
import { expect, test } from "vitest";
import { CHAOS_ENSEMBLE, runRounds } from "../chaos/rounds.ts";
import { Ensemble } from "./support/ensemble.ts";
import { serverUnderTest } from "./support/servers.ts";

const FAULTS = [
  "kill the leader",
  "pause a follower",
  "cut the leader off from all servers",
  "kill a follower",
  "pause the leader until there is another",
  "kill all",
];

test.each([3, 5])("kazoo, Java's client and Curator on %i servers", { timeout: 300_000 }, async (servers) => {
  const kinds = Array.from({ length: servers }, () => serverUnderTest());
  const ensemble = await Ensemble.start({ ...CHAOS_ENSEMBLE, kinds });
  const lines: string[] = [];
  try {
    const tell = (line: string): void => void lines.push(line);
    await runRounds(ensemble, { rounds: FAULTS.length, seed: servers, faults: FAULTS, realClients: true, tell });
    console.log(lines.join("\n"));
    expect(lines.filter((line) => line.endsWith("none lost"))).toHaveLength(3);
  } finally {
    await ensemble.close();
  }
});
