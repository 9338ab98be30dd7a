import { expect, test } from "vitest";
import { Peer } from "../../core/server/peer.ts";
import { Ensemble } from "../../sim/ensemble.ts";

const HOUR = 3_600_000;

test("L1: a quorum that is lost and comes back an hour later leads again within seconds, having cost next to nothing", () => {
  for (const servers of [3, 5]) {
    const boot = (config: ConstructorParameters<typeof Peer>[0], seed: number): Peer => new Peer(config, seed);
    const ensemble = new Ensemble({ seed: servers, servers, boot });
    ensemble.start();
    expect(ensemble.settle(10_000)).toBe(true);
    const lost = ensemble.voters.slice(-Math.ceil(servers / 2));
    for (const name of lost) ensemble.crash(name);
    const left = ensemble.names.filter((name) => !lost.includes(name));
    const since = ensemble.world.now / 1000;
    ensemble.world.run({ until: since + HOUR });
    expect(ensemble.serving()).toEqual([]);
    const before = ensemble.world.events;
    ensemble.world.run({ until: since + HOUR + 60_000 });
    // Looking in vain costs next to nothing.
    expect(ensemble.world.events - before).toBeLessThan(60_000 / 10);
    ensemble.start(...lost);
    expect(ensemble.settle(10_000)).toBe(true);
    expect(left.every((name) => ensemble.serving().includes(name))).toBe(true);
  }
});
