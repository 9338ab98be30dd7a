/**
 * `npm run failover`: how long writes fail when the leader is killed. Three servers with default ticks, ours and
 * Apache's in turn, under load through all of them; from SIGKILL to the first success of a write that was called after
 * it. Prints both medians and their ratio; exit code 1 when ours takes more than half of Apache's time.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { ZooKeeper } from "../../core/client/index.ts";
import { connect } from "../../net/client.ts";
import { Ensemble, type EnsembleOptions } from "../interop/support/ensemble.ts";
import { eventually } from "../interop/support/processes.ts";
import type { ServerKind } from "../interop/support/servers.ts";
import { simulatedFailover } from "./simulated.ts";

const SERVERS = 3;
const SESSIONS = 6;
/** Calls that each session keeps under way. */
const WINDOW = 4;
const PACE = 2;
const DATA = "x".repeat(100);
const WARM_UP = 3000;
/** Between two kills: the ensemble is whole again and has been for so long. */
const REST = 1500;
const FAILOVER_TIMEOUT = 60_000;
/** Seeds of the same story in virtual time. */
const SIMULATED = 40;
const RATIO_MAX = 0.5;
/** As zkServer.sh starts it. */
const JAVA_FLAGS = ["-Xmx1000m"];
const PER_BLOCK = 5;

const { values } = parseArgs({ options: { kills: { type: "string", default: "10" } } });
const kills = Number(values.kills);
if (!Number.isSafeInteger(kills) || kills < 1) {
  console.error(`--kills takes a whole number, not "${values.kills}"`);
  process.exit(2);
}

class Load {
  readonly #sessions: ZooKeeper[] = [];
  #running = true;
  /** When the call began that succeeded, of all that did the latest. */
  latestBegin = 0;
  writes = 0;

  static async start(hosts: string): Promise<Load> {
    const load = new Load();
    for (let i = 0; i < SESSIONS; i++) {
      const zk = await connect(hosts, { sessionTimeout: 20_000, reconnectDelayMax: 20 });
      load.#sessions.push(zk);
      await zk.create(`/failover-${i}`);
      for (let lane = 0; lane < WINDOW; lane++) void load.#write(zk, `/failover-${i}`);
    }
    return load;
  }

  async #write(zk: ZooKeeper, path: string): Promise<void> {
    while (this.#running) {
      const began = performance.now();
      try {
        await zk.setData(path, DATA);
        this.writes += 1;
        this.latestBegin = Math.max(this.latestBegin, began);
      } catch {
        // The connection is lost; the next call waits for another.
      }
      await delay(PACE);
    }
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#sessions.map((zk) => zk.close()));
  }
}

async function killOnce(ensemble: Ensemble, load: Load): Promise<number> {
  const leader = await ensemble.awaitLeader(FAILOVER_TIMEOUT);
  const before = load.writes;
  await eventually("the load goes on", FAILOVER_TIMEOUT, () => load.writes > before + SESSIONS);
  const killed = leader.kill();
  const at = performance.now();
  const end = at + FAILOVER_TIMEOUT;
  while (load.latestBegin <= at) {
    if (performance.now() > end) throw new Error(`no write succeeds after the kill\n${ensemble.tails()}`);
    await delay(1);
  }
  const took = performance.now() - at;
  await killed;
  await ensemble.restart(leader);
  await delay(REST);
  return took;
}

async function block(kind: ServerKind, count: number): Promise<number[]> {
  const options: EnsembleOptions = {
    kinds: Array.from({ length: SERVERS }, () => kind),
    proxied: false,
    javaFlags: JAVA_FLAGS,
  };
  const ensemble = await Ensemble.start(options);
  try {
    const load = await Load.start(ensemble.connectString);
    await delay(WARM_UP);
    const times: number[] = [];
    for (let i = 0; i < count; i++) times.push(await killOnce(ensemble, load));
    await load.stop();
    console.log(`${kind}: ${times.map((time) => Math.round(time)).join(" ")} ms`);
    return times;
  } finally {
    await ensemble.close();
  }
}

function median(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

async function main(): Promise<void> {
  const times: Record<ServerKind, number[]> = { vivarium: [], apache: [] };
  for (let done = 0; done < kills; done += PER_BLOCK) {
    for (const kind of ["vivarium", "apache"] as const) {
      times[kind].push(...(await block(kind, Math.min(PER_BLOCK, kills - done))));
    }
  }
  const [ours, theirs] = [median(times.vivarium), median(times.apache)];
  for (const [kind, all] of Object.entries(times)) {
    const [least, most] = [Math.min(...all), Math.max(...all)].map((time) => Math.round(time));
    console.log(`${kind}: median ${Math.round(median(all))} ms of ${all.length} kills, ${least} to ${most} ms`);
  }
  const simulated = Array.from({ length: SIMULATED }, (_, index) => simulatedFailover(index + 1));
  const [least, most] = [Math.min(...simulated), Math.max(...simulated)].map((time) => time.toFixed(1));
  console.log(`simulated: median ${median(simulated).toFixed(1)} ms of ${SIMULATED} seeds, ${least} to ${most} ms`);
  const ratio = ours / theirs;
  console.log(`ours / Apache's: ${ratio.toFixed(2)} (at most ${RATIO_MAX})`);
  process.exit(ratio <= RATIO_MAX ? 0 : 1);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
