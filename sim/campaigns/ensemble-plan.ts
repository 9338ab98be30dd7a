/**
 * Everything about one life of an ensemble, drawn up front from its seed: how many servers, their configuration, the
 * speed of their world, the clients, and the faults as plain records. Swarm: most kinds of fault are off in most plans,
 * and most knobs stand at their defaults, so that a failure has few suspects.
 */
import type { Millis } from "../../core/actor.ts";
import { Prng } from "../../core/base/prng.ts";
import type { EnsembleConfig, ServerConfig } from "../../core/config.ts";
import type { ClockProfile } from "../clock.ts";
import { STEADY_CLOCK } from "../clock.ts";
import type { DiskProfile, DiskVerb } from "../disk.ts";
import { FAST_DISK } from "../disk.ts";
import type { Survival } from "../disk-image.ts";
import { nameOf } from "../ensemble.ts";
import type { FactName } from "../facts.ts";
import type { Fault, ScheduledFault, When } from "../faults.ts";
import type { NetworkProfile } from "../network.ts";
import { FAST_NETWORK } from "../network.ts";

export interface EnsembleClientPlan {
  readonly pipeline: number;
  readonly think: Millis;
  readonly sessionTimeout: Millis;
  readonly reads: number;
  readonly syncs: number;
  /** It moves to another server every so many times it wakes. */
  readonly stays: number;
}

export interface EnsemblePlan {
  readonly servers: number;
  readonly observers: number;
  readonly config: Partial<ServerConfig>;
  readonly ensemble: Partial<EnsembleConfig>;
  readonly oneVolume: boolean;
  readonly network: NetworkProfile;
  readonly disk: DiskProfile;
  /** By id, from 1. */
  readonly clocks: readonly ClockProfile[];
  readonly clients: readonly EnsembleClientPlan[];
  readonly faults: readonly ScheduledFault[];
  /** From here on nothing goes wrong any more. */
  readonly calmAt: Millis;
}

const SURVIVALS: readonly Survival[] = ["nothing", "nothing", "everything", "prefix", "suffix", "sectors", "mixed"];
/** Where the protocol is most easily caught in the middle of something. */
const POINTS: readonly FactName[] = [
  "promised",
  "adopted",
  "established",
  "synced",
  "proposed",
  "acknowledged",
  "committed",
  "logged",
  "durable",
  "applied",
  "elected",
];
const DISK_POINTS: readonly (readonly [DiskVerb, string])[] = [
  ["append", "/log."],
  ["sync", "/log."],
  ["syncDirectory", ""],
  ["rename", "acceptedEpoch"],
  ["rename", "currentEpoch"],
  ["rename", "snapshot."],
  ["sync", "snapshot."],
  ["truncate", "/log."],
  ["remove", ""],
];
/** A failed sync of the log is not among them: what it covered may vanish later even where all goes well from then on. */
const DISK_ERRORS: readonly (readonly [DiskVerb, string])[] = [
  ["append", "/log."],
  ["append", "/log."],
  ["append", "Epoch"],
  ["sync", "Epoch"],
  ["rename", "Epoch"],
  ["append", "snapshot."],
  ["sync", "snapshot."],
  ["rename", "snapshot."],
  ["syncDirectory", ""],
  ["readAt", "/log."],
  ["readAt", "snapshot."],
  ["list", ""],
];
const FAULT_KINDS = [
  "power",
  "kill",
  "point",
  "disk-point",
  "all",
  "split",
  "one-way",
  "bridge",
  "strand",
  "late",
  "cut",
  "slow",
  "pause",
  "wall",
  "disk-error",
  "disk-full",
  "stop",
  "client-cut",
] as const;
type FaultKind = (typeof FAULT_KINDS)[number];

export function drawEnsemblePlan(seed: number, servers?: number): EnsemblePlan {
  const prng = new Prng(seed).fork("ensemble plan");
  const rarely = (of: number): boolean => prng.chance(1, of);
  const drawn = rarely(4) ? 5 : 3;
  const voters = servers ?? drawn;
  const observers = rarely(4) ? 1 : 0;
  const disk: DiskProfile = rarely(4)
    ? { ...FAST_DISK, append: [1, 400], sync: [100, 8000], names: [5, 3000], notify: [1, 300] }
    : FAST_DISK;
  const network: NetworkProfile = {
    ...FAST_NETWORK,
    latency: rarely(4) ? [20, 6000] : FAST_NETWORK.latency,
    segmentation: rarely(8) ? "bytes" : rarely(2) ? "whole" : "some",
    connectTimeout: [100_000, 400_000],
  };
  const calmAt = 1000 + prng.below(rarely(4) ? 6000 : 2500);
  const count = voters + observers;
  return {
    servers: voters,
    observers,
    config: drawConfig(prng.fork("config")),
    ensemble: drawEnsembleConfig(prng.fork("ensemble")),
    oneVolume: rarely(2),
    network,
    disk,
    clocks: Array.from({ length: count }, () => ({
      ...STEADY_CLOCK,
      monotonicOrigin: prng.below(1_000_000),
      wallOrigin: STEADY_CLOCK.wallOrigin + prng.below(5000),
      timerSlack: prng.below(2000),
      drift: prng.chance(1, 4) ? prng.below(400) - 200 : 0,
    })),
    clients: Array.from({ length: 1 + prng.below(3) }, () => ({
      pipeline: 1 + prng.below(prng.chance(1, 4) ? 10 : 3),
      think: prng.chance(1, 6) ? 5 + prng.below(30) : 40 + prng.below(300),
      sessionTimeout: 250 + prng.below(prng.chance(1, 2) ? 300 : 1500),
      reads: prng.below(60),
      syncs: prng.below(prng.chance(1, 2) ? 50 : 10),
      stays: prng.chance(1, 2) ? 400 : 5 + prng.below(30),
    })),
    faults: drawFaults(
      prng.fork("faults"),
      Array.from({ length: count }, (_, i) => nameOf(i + 1)),
      calmAt,
    ),
    calmAt,
  };
}

function drawConfig(prng: Prng): Partial<ServerConfig> {
  const rarely = (of: number): boolean => prng.chance(1, of);
  return {
    snapCount: 2 + prng.below(rarely(3) ? 200 : 30),
    preAllocSize: rarely(2) ? 0 : 1024 << prng.below(6),
    txnLogSizeLimit: rarely(4) ? 500 + prng.below(3000) : 0,
    flushDelay: rarely(6) ? 1 + prng.below(4) : 0,
    maxBatchSize: rarely(4) ? 1 + prng.below(4) : 1000,
    globalOutstandingLimit: rarely(6) ? 1 + prng.below(4) : 1000,
    commitLogCount: rarely(3) ? 500 : 1 + prng.below(20),
    serializeLastProcessedZxid: !rarely(4),
    purgeInterval: rarely(3) ? 50 + prng.below(600) : 0,
    snapRetainCount: 3,
    digestEnabled: !rarely(8),
    closeSessionTxnEnabled: !rarely(8),
    containerCheckInterval: 100 + prng.below(600),
  };
}

function drawEnsembleConfig(prng: Prng): Partial<EnsembleConfig> {
  const rarely = (of: number): boolean => prng.chance(1, of);
  return {
    initLimit: 4 + prng.below(8),
    syncLimit: 2 + prng.below(4),
    finalizeWait: rarely(4) ? 200 : 5 + prng.below(40),
    forceSnapshotSync: rarely(12),
    snapshotSizeFactor: rarely(4) ? -1 : rarely(2) ? 0.33 : 10,
    maxConcurrentSnapSyncs: rarely(6) ? 1 : 10,
    observerLogs: !rarely(4),
  };
}

function drawFaults(prng: Prng, names: readonly string[], calmAt: Millis): ScheduledFault[] {
  const kinds = FAULT_KINDS.filter(() => prng.chance(1, 4));
  if (kinds.length === 0) kinds.push(FAULT_KINDS[prng.below(FAULT_KINDS.length)]!);
  const faults: ScheduledFault[] = [];
  const count = 1 + prng.below(14);
  for (let i = 0; i < count; i++) {
    const kind = kinds[prng.below(kinds.length)]!;
    for (const fault of drawFault(prng, kind, names, calmAt)) faults.push(fault);
  }
  return faults;
}

function drawFault(prng: Prng, kind: FaultKind, names: readonly string[], calmAt: Millis): ScheduledFault[] {
  const at = { at: 100 + prng.below(calmAt - 100) };
  const host = names[prng.below(names.length)]!;
  const other = names[(names.indexOf(host) + 1 + prng.below(names.length - 1)) % names.length]!;
  const lasts = 20 + prng.below(prng.chance(1, 2) ? 3000 : 600);
  const one = (fault: Fault, when: When = at): ScheduledFault[] => [{ when, fault }];
  switch (kind) {
    case "power":
    case "kill":
      return one(crashOf(prng, host, kind === "power"));
    case "point":
      return one(crashOf(prng, host, prng.chance(3, 4)), pointOf(prng, host));
    case "disk-point": {
      const [disk, name] = DISK_POINTS[prng.below(DISK_POINTS.length)]!;
      return one(crashOf(prng, host, prng.chance(3, 4)), { host, disk, name, nth: 1 + prng.below(12) });
    }
    case "all":
      return names.map((name) => ({ when: at, fault: crashOf(prng, name, prng.chance(3, 4)) }));
    case "split":
    case "one-way":
    case "bridge":
      return one({ kind: "partition", groups: drawGroups(prng, names, kind), oneWay: kind === "one-way", lasts });
    case "strand":
      return strand(prng, host, names);
    case "late":
      return one({ kind: "crash", host, seed: prng.next(), down: 100 + prng.below(calmAt) }, { at: prng.below(60) });
    case "cut":
      return one({ kind: "cut", from: host, to: other, how: prng.chance(1, 2) ? "reset" : "half" });
    case "slow":
      return one({
        kind: "slow",
        from: host,
        to: other,
        by: 5 + prng.below(prng.chance(1, 2) ? 800 : 100),
        lasts: 3 * lasts,
      });
    case "pause":
      return one({ kind: "pause", host, lasts });
    case "wall":
      return one({ kind: "stepWall", host, by: prng.below(20_000) - 10_000 });
    case "disk-error": {
      const [verb, name] = DISK_ERRORS[prng.below(DISK_ERRORS.length)]!;
      return one({ kind: "diskError", host, verb, name, error: "io", times: 1 });
    }
    case "disk-full":
      return one({ kind: "diskFull", host, room: prng.below(4000), lasts });
    case "stop":
      return one({ kind: "stop", host });
    case "client-cut":
      return one({ kind: "cut", from: "client1", to: host, how: prng.chance(1, 2) ? "reset" : "half" });
  }
}

/** Cut off from the others as it proposes something: what it logs alone has to go again, or not, by what follows. */
function strand(prng: Prng, host: string, names: readonly string[]): ScheduledFault[] {
  const others = names.filter((name) => name !== host);
  const groups = prng.chance(3, 4) ? [others, [host]] : [[host], others];
  const lasts = 300 + prng.below(2000);
  const fact = { host, fact: "proposed", nth: 1 + prng.below(60) } as const;
  const apart: Fault = { kind: "partition", groups, oneWay: prng.chance(1, 3), lasts };
  const faults: ScheduledFault[] = [{ when: fact, fault: apart }];
  // Whoever restarts has what it logged in its memory, and in a snapshot.
  if (prng.chance(1, 2)) {
    faults.push({ when: { ...fact, nth: fact.nth + prng.below(6) }, fault: crashOf(prng, host, prng.chance(1, 2)) });
  }
  return faults;
}

function crashOf(prng: Prng, host: string, power: boolean): Fault {
  const survival = SURVIVALS[prng.below(SURVIVALS.length)]!;
  const down = 1 + prng.below(prng.chance(1, 3) ? 2000 : 200);
  return { kind: "crash", host, seed: prng.next(), down, ...(power && { power: survival }) };
}

function pointOf(prng: Prng, host: string): When {
  const fact = POINTS[prng.below(POINTS.length)]!;
  const often = fact === "proposed" || fact === "logged" || fact === "durable" || fact === "applied";
  return { host, fact, nth: 1 + prng.below(often || fact === "acknowledged" || fact === "committed" ? 40 : 4) };
}

/** Two groups; of a bridge one server is in neither. */
function drawGroups(prng: Prng, names: readonly string[], kind: FaultKind): string[][] {
  const groups: [string[], string[]] = [[], []];
  for (const name of names) groups[prng.below(2)]!.push(name);
  if (kind === "bridge") groups[prng.below(2)]!.pop();
  // All on one side is no partition; then one is alone.
  if (groups[0].length === 0) groups[0].push(groups[1].pop()!);
  if (groups[1].length === 0) groups[1].push(groups[0].pop()!);
  return prng.chance(1, 2) ? groups : [groups[1], groups[0]];
}
