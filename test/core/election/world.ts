/** Ensembles of election servers in the simulator. */
import type { Zxid } from "../../../core/base/zxid.ts";
import type { QuorumConfig } from "../../../core/quorum/config.ts";
import type { NetworkProfile, ScheduledFault } from "../../../sim/index.ts";
import { Simulator } from "../../../sim/index.ts";
import { placeOf, quorumPlaceOf } from "./members.ts";
import type { Disk } from "./server.ts";
import { ElectionServer } from "./server.ts";

export interface WorldOptions {
  readonly seed?: number;
  readonly network?: NetworkProfile;
  readonly faults?: readonly ScheduledFault[];
  /** What servers begin with; zxid 0 and epoch 0 where nothing is said. */
  readonly disks?: ReadonlyMap<number, Disk>;
}

export class World {
  readonly config: QuorumConfig;
  readonly simulator: Simulator;
  readonly servers: Map<number, ElectionServer> = new Map();

  constructor(config: QuorumConfig, options: WorldOptions = {}) {
    const { seed = 1, network, faults = [], disks } = options;
    this.config = config;
    this.simulator = new Simulator({ seed, faults, ...(network === undefined ? {} : { network }) });
    for (const id of config.members.keys()) {
      const disk = disks?.get(id) ?? { zxid: 0 as Zxid, epoch: 0 };
      this.simulator.addHost({
        name: `server${id}`,
        listens: [
          { address: placeOf(id), port: "election" },
          { address: quorumPlaceOf(id), port: "quorum" },
        ],
        boot: (run) => {
          const server = new ElectionServer(id, config, disk, run);
          this.servers.set(id, server);
          return server;
        },
      });
    }
  }

  start(ids: Iterable<number> = this.config.members.keys()): this {
    for (const id of ids) this.simulator.host(`server${id}`).start();
    return this;
  }
  startAt(at: number, id: number): void {
    this.simulator.at(at, () => this.start([id]));
  }
  kill(id: number, power = false): void {
    const survival = power ? ({ power: "nothing" } as const) : {};
    this.simulator.strike({ kind: "crash", host: `server${id}`, seed: 1, down: Infinity, ...survival });
  }

  get running(): number[] {
    return [...this.config.members.keys()].filter((id) => this.simulator.host(`server${id}`).running);
  }

  /** Whom all that run follow, itself included; undefined while they do not agree, or on somebody who is gone. */
  leader(among: readonly number[] = this.running): number | undefined {
    if (!among.every((id) => this.simulator.host(`server${id}`).running)) return undefined;
    const [leader, ...others] = new Set(among.map((id) => this.servers.get(id)?.leader));
    return others.length === 0 && leader !== undefined && among.includes(leader) ? leader : undefined;
  }

  /** Milliseconds until all agree that run, or those that are asked for; Infinity if they do not within `limit`. */
  agreement(limit: number, among?: readonly number[]): number {
    const from = this.simulator.now;
    const when = (): boolean => this.leader(among) !== undefined;
    const how = this.simulator.run({ until: from / 1000 + limit, when });
    return how === "when" || when() ? (this.simulator.now - from) / 1000 : Infinity;
  }

  pass(ms: number): void {
    this.simulator.run({ until: this.simulator.now / 1000 + ms });
  }
}
