/** TLS between the servers of an ensemble, ours and Apache ZooKeeper 3.8's together, and the way there without a stop. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { Load } from "../chaos/load.ts";
import { Ensemble, QUICK } from "./support/ensemble.ts";
import { repositoryPath, type ServerKind } from "./support/servers.ts";

const V: ServerKind = "vivarium";
const A: ServerKind = "apache";
const TIMEOUT = 30_000;
const certificate = (name: string): string => repositoryPath("test/net/certificates", name);

/** Both kinds take these from zoo.cfg. */
const TLS = {
  "ssl.quorum.keyStore.location": certificate("server.p12"),
  "ssl.quorum.keyStore.password": "secret",
  "ssl.quorum.keyStore.type": "PKCS12",
  "ssl.quorum.trustStore.location": certificate("trust.p12"),
  "ssl.quorum.trustStore.password": "secret",
  "ssl.quorum.trustStore.type": "PKCS12",
};

let ensemble: Ensemble | undefined;
let load: Load | undefined;

afterEach(async () => {
  load?.abort();
  await ensemble?.close();
  ensemble = load = undefined;
});

async function verify(): Promise<void> {
  await ensemble!.awaitServing(TIMEOUT);
  await load!.awaitProgress(TIMEOUT);
  await load!.verify(ensemble!.members);
  await load!.compareTrees(ensemble!.members);
  expect(ensemble!.alarms()).toEqual([]);
}

test.each([{ kinds: [A, A, V] as const }, { kinds: [V, V, A] as const }])(
  "$kinds speak TLS, whoever leads",
  { timeout: 120_000 },
  async ({ kinds }) => {
    ensemble = await Ensemble.start({ kinds, proxied: false, config: { ...QUICK, ...TLS, sslQuorum: true } });
    load = await Load.start(ensemble, { seed: 1 });
    await verify();
    for (let i = 0; i < 3; i++) {
      const leader = await ensemble.awaitLeader(TIMEOUT);
      await leader.kill();
      await load.awaitProgress(TIMEOUT);
      leader.launch();
      await verify();
    }
    await load.stop();
  },
);

test("from plain to TLS one server after the other", { timeout: 120_000 }, async () => {
  ensemble = await Ensemble.start({ kinds: [A, V, V], proxied: false, config: { ...QUICK, ...TLS } });
  load = await Load.start(ensemble, { seed: 1 });
  for (const lines of [{ portUnification: true }, { portUnification: true, sslQuorum: true }, { sslQuorum: true }]) {
    for (const member of ensemble.members) {
      const config = readFileSync(member.configFile, "utf8").replaceAll(/^(portUnification|sslQuorum)=.*\n/gm, "");
      const added = Object.entries(lines).map(([key, value]) => `${key}=${value}\n`);
      writeFileSync(member.configFile, config + added.join(""));
      await ensemble.restart(member);
      await load.awaitProgress(TIMEOUT);
    }
    await verify();
  }
  await load.stop();
});
