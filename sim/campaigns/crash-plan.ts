/**
 * Everything about one life of crashes, drawn up front from its seed: the server's configuration, the speed of its
 * world, the clients, and the faults as plain records. Most knobs stand at their defaults in most plans, so that a
 * failure has few suspects.
 */
import { Prng } from "../../core/base/prng.ts";
import type { ServerConfig } from "../../core/config.ts";
import { DEFAULT_SERVER_CONFIG } from "../../core/config.ts";
import type { ClockProfile } from "../clock.ts";
import { STEADY_CLOCK } from "../clock.ts";
import type { DiskProfile } from "../disk.ts";
import { FAST_DISK } from "../disk.ts";
import type { Survival } from "../disk-image.ts";
import type { ScheduledFault } from "../faults.ts";
import type { NetworkProfile } from "../network.ts";
import { FAST_NETWORK } from "../network.ts";

export interface ClientPlan {
  readonly pipeline: number;
  readonly think: number;
  readonly sessionTimeout: number;
}

export interface CrashPlan {
  readonly config: ServerConfig;
  /** dataLogDir is not set. */
  readonly oneVolume: boolean;
  readonly network: NetworkProfile;
  readonly disk: DiskProfile;
  readonly clock: ClockProfile;
  readonly clients: readonly ClientPlan[];
  readonly faults: readonly ScheduledFault[];
  /** Nodes made before anything else: enough of them, and a snapshot takes several events. */
  readonly nodes: number;
}

export const SERVER = "server";
/** Events of the server between two crashes, at most. */
const GAPS = [12, 90, 400, 900];
const SURVIVALS: readonly Survival[] = ["nothing", "everything", "prefix", "suffix", "sectors", "mixed", "mixed"];

export function drawCrashPlan(seed: number): CrashPlan {
  const prng = new Prng(seed).fork("plan");
  const rarely = (of: number): boolean => prng.chance(1, of);
  const disk: DiskProfile = rarely(4)
    ? { ...FAST_DISK, append: [1, 400], sync: [100, 5000], names: [5, 2000], notify: [1, 300] }
    : FAST_DISK;
  const network: NetworkProfile = {
    ...FAST_NETWORK,
    latency: rarely(4) ? [20, 5000] : FAST_NETWORK.latency,
    segmentation: rarely(6) ? "bytes" : rarely(2) ? "whole" : "some",
  };
  return {
    config: drawConfig(prng.fork("config")),
    oneVolume: rarely(2),
    network,
    disk,
    clock: { ...STEADY_CLOCK, timerSlack: prng.below(2000), drift: rarely(4) ? prng.below(400) - 200 : 0 },
    clients: Array.from({ length: 1 + prng.below(3) }, () => ({
      pipeline: 1 + prng.below(rarely(3) ? 20 : 4),
      think: prng.below(rarely(4) ? 20 : 3),
      sessionTimeout: 60 + prng.below(400),
    })),
    faults: drawFaults(prng.fork("faults")),
    nodes: rarely(40) ? 1100 + prng.below(900) : 0,
  };
}

function drawConfig(prng: Prng): ServerConfig {
  const rarely = (of: number): boolean => prng.chance(1, of);
  const compressions = ["none", "gz", "snappy"] as const;
  return {
    ...DEFAULT_SERVER_CONFIG,
    tickTime: 20,
    minSessionTimeout: 40,
    maxSessionTimeout: 400,
    snapCount: 2 + prng.below(rarely(3) ? 200 : 25),
    snapSizeLimit: rarely(4) ? 4096 : DEFAULT_SERVER_CONFIG.snapSizeLimit,
    preAllocSize: rarely(2) ? 0 : 1024 << prng.below(7),
    txnLogSizeLimit: rarely(4) ? 500 + prng.below(3000) : 0,
    flushDelay: rarely(4) ? 1 + prng.below(4) : 0,
    maxBatchSize: rarely(4) ? 1 + prng.below(4) : 1000,
    globalOutstandingLimit: rarely(6) ? 1 + prng.below(4) : 1000,
    snapshotCompression: rarely(4) ? compressions[prng.below(3)]! : "none",
    serializeLastProcessedZxid: !rarely(4),
    purgeInterval: rarely(2) ? 5 + prng.below(60) : 0,
    snapRetainCount: 3,
    digestEnabled: !rarely(5),
    closeSessionTxnEnabled: !rarely(5),
    extendedTypesEnabled: rarely(2),
    containerCheckInterval: 10 + prng.below(60),
  };
}

/** Crashes so close that some fall into the recovery from the one before, and a few lesser troubles. */
function drawFaults(prng: Prng): ScheduledFault[] {
  const faults: ScheduledFault[] = [];
  const crashes = 1 + prng.below(6);
  let nth = 0;
  // What a killed process leaves with the kernel is lost only if power fails soon after.
  let killed = false;
  for (let i = 0; i < crashes; i++) {
    nth += 1 + prng.below(GAPS[killed ? prng.below(2) : prng.below(GAPS.length)]!);
    killed = prng.chance(1, 4);
    const power = killed ? {} : { power: SURVIVALS[prng.below(SURVIVALS.length)]! };
    const crash = { kind: "crash", host: SERVER, seed: prng.next(), down: 1 + prng.below(20), ...power } as const;
    faults.push({ when: { host: SERVER, nth }, fault: crash });
  }
  while (prng.chance(1, 4)) {
    const when = { host: SERVER, nth: 1 + prng.below(nth) };
    const roll = prng.below(6);
    if (roll === 5) {
      const fault = { kind: "diskFull", host: SERVER, room: prng.below(4000), lasts: 1 + prng.below(300) } as const;
      faults.push({ when, fault });
    } else if (roll === 4) {
      const fault = { kind: "diskError", host: SERVER, verb: "append", name: "/log.", error: "io", times: 1 } as const;
      faults.push({ when, fault });
    } else if (roll === 0) faults.push({ when, fault: { kind: "pause", host: SERVER, lasts: 1 + prng.below(100) } });
    else if (roll === 1)
      faults.push({ when, fault: { kind: "stepWall", host: SERVER, by: prng.below(20_000) - 10_000 } });
    else if (roll === 2) faults.push({ when, fault: { kind: "cut", from: "client1", to: SERVER, how: "reset" } });
    else faults.push({ when, fault: { kind: "cut", from: SERVER, to: "client1", how: "half" } });
  }
  return faults;
}
