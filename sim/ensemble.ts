/**
 * An ensemble in a simulated world: n voters and m observers on hosts of their own, with the addresses and configuration
 * that lets them find one another, and what a test wants to do to them. What the servers are is the caller's `boot`; what
 * happens to them are fault records (faults.ts), so that a run can be told again.
 */
import type { Actor, Address, Millis } from "../core/actor.ts";
import type { EnsembleConfig, ServerConfig } from "../core/config.ts";
import { DEFAULT_ENSEMBLE_CONFIG, DEFAULT_SERVER_CONFIG } from "../core/config.ts";
import { invariant } from "../core/invariant.ts";
import type { ClockProfile } from "./clock.ts";
import type { Survival } from "./disk-image.ts";
import type { DiskProfile } from "./disk.ts";
import type { FactListener, FactName } from "./facts.ts";
import { ROLE_CODES } from "./facts.ts";
import type { Fault } from "./faults.ts";
import type { SimHost } from "./host.ts";
import type { SimulatorOptions } from "./simulator.ts";
import { address, Simulator } from "./simulator.ts";

export interface EnsembleOptions extends SimulatorOptions {
  /** Voters; the observers' ids follow theirs. */
  readonly servers: number;
  readonly observers?: number;
  /** A new run of a server. `config.serverId` says which. */
  readonly boot: (config: ServerConfig, seed: number, run: number) => Actor;
  readonly config?: Partial<ServerConfig>;
  readonly ensemble?: Partial<EnsembleConfig>;
  readonly disk?: DiskProfile;
  readonly clockOf?: (id: number) => ClockProfile;
  /** dataLogDir is not set. */
  readonly oneVolume?: boolean;
}

/** Short enough that a fail-over takes well under a second of virtual time, long enough for the slow disks of plans. */
export const FAST_ENSEMBLE: Readonly<Pick<ServerConfig, "tickTime" | "minSessionTimeout" | "maxSessionTimeout">> = {
  tickTime: 100,
  minSessionTimeout: 200,
  maxSessionTimeout: 2000,
};
export const FAST_ELECTION: Partial<EnsembleConfig> = Object.freeze({
  electionConnectTimeout: 300,
  finalizeWait: 20,
  minNotificationInterval: 50,
  maxNotificationInterval: 400,
  observerElectionDelay: 20,
  leaderConnectRetryDelay: 30,
});

const CLIENT_PORT = 2181;
const QUORUM_PORT = 2888;
const ELECTION_PORT = 3888;

export class Ensemble {
  readonly world: Simulator;
  /** In order of id, observers last. */
  readonly names: readonly string[];
  readonly voters: readonly string[];
  readonly roles: Roles = new Roles();
  readonly #members: string;

  constructor(options: EnsembleOptions) {
    const { servers, observers = 0 } = options;
    const ids = Array.from({ length: servers + observers }, (_, index) => index + 1);
    this.names = ids.map(nameOf);
    this.voters = this.names.slice(0, servers);
    this.#members = ids.map((id) => memberLine(id, id <= servers)).join("\n");
    this.world = new Simulator({ ...options, listeners: [this.roles, ...(options.listeners ?? [])] });
    for (const id of ids) this.#addServer(options, id, id <= servers);
  }

  /** Where clients go, in order of id. */
  get clientAddresses(): readonly Address[] {
    return this.names.map(clientAddressOf);
  }

  host(name: string): SimHost {
    return this.world.host(name);
  }
  start(...names: readonly string[]): void {
    for (const name of names.length === 0 ? this.names : names) {
      if (!this.host(name).running) this.host(name).start();
    }
  }
  /** SIGTERM. */
  stop(name: string): void {
    this.strike({ kind: "stop", host: name });
  }
  /** The process ends, and with `power` what its disk had not synced may be lost. It stays down. */
  crash(name: string, power?: Survival): void {
    this.strike({ kind: "crash", host: name, seed: this.world.seed, down: Infinity, ...(power && { power }) });
  }
  partition(groups: readonly (readonly string[])[], lasts: Millis = Infinity, oneWay = false): void {
    this.strike({ kind: "partition", groups, oneWay, lasts });
  }
  /** From all other servers; clients still reach it. */
  isolate(name: string, lasts: Millis = Infinity): void {
    this.partition([[name], this.names.filter((other) => other !== name)], lasts);
  }
  heal(): void {
    this.strike({ kind: "heal" });
  }
  strike(fault: Fault): void {
    this.world.strike(fault);
  }

  /** The server that leads the newest established epoch and is still at it. */
  leader(): string | undefined {
    const leading = this.names.filter(
      (name) => this.host(name).running && this.roles.of(name).code === ROLE_CODES.leading,
    );
    leading.sort((a, b) => this.roles.of(b).epoch - this.roles.of(a).epoch);
    return leading[0];
  }
  /** Servers that serve clients, by what they said last. */
  serving(): string[] {
    return this.names.filter((name) => this.host(name).running && this.roles.of(name).code !== ROLE_CODES.looking);
  }

  /** Runs until `condition` holds; false when it does not within `within` milliseconds. */
  until(condition: () => boolean, within: Millis): boolean {
    const now = Math.ceil(this.world.now / 1000);
    return this.world.run({ until: now + within, when: condition }) === "when";
  }
  /** Runs until one server leads and `names` (all of them) follow it. */
  settle(within: Millis, names: readonly string[] = this.names): boolean {
    return this.until(() => {
      const leader = this.leader();
      if (leader === undefined) return false;
      const { epoch } = this.roles.of(leader);
      return names.every((name) => this.host(name).running && this.roles.of(name).epoch === epoch);
    }, within);
  }

  #addServer(options: EnsembleOptions, id: number, votes: boolean): void {
    const ensemble: EnsembleConfig = {
      ...DEFAULT_ENSEMBLE_CONFIG,
      ...FAST_ELECTION,
      ...options.ensemble,
      members: this.#members,
      peerType: votes ? "participant" : "observer",
    };
    const config: ServerConfig = {
      ...DEFAULT_SERVER_CONFIG,
      ...FAST_ENSEMBLE,
      ...options.config,
      serverId: id,
      ensemble,
    };
    const name = nameOf(id);
    this.world.addHost({
      name,
      boot: (seed, run) => options.boot(config, seed, run),
      listens: [
        { address: clientAddressOf(name), port: "client" },
        { address: address(`${name}:${QUORUM_PORT}`), port: "quorum" },
        { address: address(`${name}:${ELECTION_PORT}`), port: "election" },
      ],
      ...(options.disk && { disk: options.disk }),
      ...(options.clockOf && { clock: options.clockOf(id) }),
      oneVolume: options.oneVolume ?? false,
    });
  }
}

export interface RoleSeen {
  /** One of {@link ROLE_CODES}. */
  readonly code: number;
  /** The epoch it serves in; 0 while it looks for a leader. */
  readonly epoch: number;
}

const LOOKING: RoleSeen = { code: ROLE_CODES.looking, epoch: 0 };

/** What each server said last that it is. */
export class Roles implements FactListener {
  readonly #roles: Map<string, RoleSeen> = new Map();

  of(host: string): RoleSeen {
    return this.#roles.get(host) ?? LOOKING;
  }
  fact(host: string, name: FactName, a: number | bigint, b: number): void {
    // A role has its epoch from the moment it serves; until then the server is nobody's leader or follower yet.
    if (name === "role") this.#roles.set(host, b > 0 ? { code: Number(a), epoch: b } : LOOKING);
  }
  ended(host: string): void {
    this.#roles.delete(host);
  }
}

export function nameOf(id: number): string {
  return `server${id}`;
}
export function clientAddressOf(name: string): Address {
  return address(`${name}:${CLIENT_PORT}`);
}
/** The inverse of {@link nameOf}. */
export function idOf(name: string): number {
  const id = Number(name.slice("server".length));
  invariant(Number.isInteger(id), "a server's name ends in its id");
  return id;
}

function memberLine(id: number, votes: boolean): string {
  const name = nameOf(id);
  const role = votes ? "participant" : "observer";
  return `server.${id}=${name}:${QUORUM_PORT}:${ELECTION_PORT}:${role};${name}:${CLIENT_PORT}`;
}
