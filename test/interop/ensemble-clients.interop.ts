/** Real clients keep their sessions and lose nothing while servers of their ensemble are killed, paused and cut off. */
import { expect, test } from "vitest";
import { differencesOf, treeOf } from "../chaos/load.ts";
import { CHAOS_ENSEMBLE, runRounds } from "../chaos/rounds.ts";
import { Ensemble } from "./support/ensemble.ts";
import { compileJava, startJava } from "./support/java.ts";
import { eventually, Process } from "./support/processes.ts";
import { repositoryPath, serverUnderTest } from "./support/servers.ts";

const CURATOR_JARS = ["curator-client", "curator-framework", "curator-recipes", "guava"].map(
  (name) => `/usr/share/java/${name}.jar`,
);
const FAULTS = [
  "kill the leader",
  "pause a follower",
  "cut the leader off from all servers",
  "kill a follower",
  "pause the leader until there is another",
  "kill all",
];
const ACKNOWLEDGED_MIN = 100;

type Start = (hosts: string) => Promise<Process>;

const CLIENTS: readonly { readonly name: string; readonly start: Start }[] = [
  {
    name: "kazoo",
    start: async (hosts) =>
      new Process("/usr/bin/python3", [repositoryPath("test/interop/clients/ensemble_load.py"), hosts]),
  },
  {
    name: "the Java client",
    start: async (hosts) => startJava(await compileJava("JavaLoad"), "JavaLoad", [hosts]),
  },
  {
    name: "Curator",
    start: async (hosts) => startJava(await compileJava("CuratorLoad", CURATOR_JARS), "CuratorLoad", [hosts]),
  },
];

test.each([3, 5])("kazoo, Java's client and Curator on %i servers", { timeout: 300_000 }, async (servers) => {
  const kinds = Array.from({ length: servers }, () => serverUnderTest());
  const ensemble = await Ensemble.start({ ...CHAOS_ENSEMBLE, kinds });
  const started: Process[] = [];
  try {
    for (const { name, start } of CLIENTS) {
      const client = await start(ensemble.connectString);
      started.push(client);
      await eventually(`${name} is ready`, 30_000, () => client.output.includes("ready") || client.code !== undefined);
    }
    await runRounds(ensemble, { rounds: FAULTS.length, seed: servers, faults: FAULTS, company: true });
    for (const [index, client] of started.entries()) {
      const { name } = CLIENTS[index]!;
      client.child.stdin?.end("stop\n");
      await eventually(`${name} ends`, 60_000, () => client.code !== undefined);
      expect(client.code, `${name}: ${client.output}\n${ensemble.tails()}`).toBe(0);
      const acknowledged = Number(/^acknowledged (\d+)$/m.exec(client.output)?.[1]);
      expect(acknowledged, name).toBeGreaterThan(ACKNOWLEDGED_MIN);
      console.log(`${name}: ${acknowledged} writes acknowledged, none lost`);
    }
    const [first, ...others] = await Promise.all(ensemble.members.map((member) => treeOf(member)));
    for (const tree of others) expect(differencesOf(tree, first!)).toEqual([]);
  } finally {
    for (const client of started) await client.stop("SIGKILL");
    await ensemble.close();
  }
});
