/** The same fail-over under glass, with the same settings: what is left when processes, disks and networks cost little. */
import { DEFAULT_ENSEMBLE_CONFIG } from "../../core/config.ts";
import { Peer } from "../../core/server/peer.ts";
import { Ensemble } from "../../sim/ensemble.ts";

const RUNNING_FOR = 8000;
const WITHIN = 20_000;

/** Virtual milliseconds from a leader's crash until another one serves. */
export function simulatedFailover(seed: number): number {
  const ensemble = new Ensemble({
    seed,
    servers: 3,
    boot: (config, bootSeed) => new Peer(config, bootSeed),
    config: { tickTime: 2000, minSessionTimeout: 4000, maxSessionTimeout: 40_000 },
    ensemble: {
      electionConnectTimeout: DEFAULT_ENSEMBLE_CONFIG.electionConnectTimeout,
      finalizeWait: DEFAULT_ENSEMBLE_CONFIG.finalizeWait,
      minNotificationInterval: DEFAULT_ENSEMBLE_CONFIG.minNotificationInterval,
      maxNotificationInterval: DEFAULT_ENSEMBLE_CONFIG.maxNotificationInterval,
      leaderConnectRetryDelay: DEFAULT_ENSEMBLE_CONFIG.leaderConnectRetryDelay,
    },
  });
  ensemble.start();
  ensemble.settle(WITHIN);
  ensemble.world.run({ until: RUNNING_FOR });
  const leader = ensemble.leader()!;
  const at = ensemble.world.now;
  ensemble.crash(leader);
  const isOver = (): boolean => ![undefined, leader].includes(ensemble.leader());
  if (!ensemble.until(isOver, WITHIN)) throw new Error(`seed ${seed}: nobody leads after the crash`);
  return (ensemble.world.now - at) / 1000;
}
