/** An ensemble on a stage: servers that really run, clients that do what they are told, every checker listening. */
import type { ServerConfig, EnsembleConfig } from "../../core/config.ts";
import { counterOf } from "../../core/base/zxid.ts";
import { Client } from "../../core/client/client.ts";
import { configOf } from "../../core/client/options.ts";
import type { Operation } from "../../core/client/operations.ts";
import type { WatchEvent } from "../../core/client/events.ts";
import type { Mutants } from "../../core/pipeline/state.ts";
import { NO_MUTANTS } from "../../core/pipeline/state.ts";
import { Peer } from "../../core/server/peer.ts";
import type { EnsembleCheckers } from "../../sim/checkers/all.ts";
import { ensembleCheckers } from "../../sim/checkers/all.ts";
import { majorityOf } from "../../sim/checkers/checker.ts";
import { Conversation } from "../../sim/conversation.ts";
import type { Port } from "../../sim/conversation.ts";
import { Ensemble, clientAddressOf } from "../../sim/ensemble.ts";
import type { ScheduledFault } from "../../sim/faults.ts";
import { FAST_NETWORK } from "../../sim/network.ts";

export interface SceneOptions {
  readonly servers?: number;
  readonly observers?: number;
  readonly seed?: number;
  readonly faults?: readonly ScheduledFault[];
  readonly config?: Partial<ServerConfig>;
  readonly ensemble?: Partial<EnsembleConfig>;
  readonly mutants?: Mutants;
}

/** What a client asked for; one of the two is set once it is settled. */
export class Pending<T> {
  settled = false;
  value: T | undefined;
  error: string | undefined;
}

/** Milliseconds of virtual time that anything on a stage may take. */
const PATIENCE = 10_000;

export class Scene {
  readonly ensemble: Ensemble;
  readonly checkers: EnsembleCheckers;
  readonly blamed: string[] = [];
  /** What the servers said in their logs: host and message. */
  readonly said: string[] = [];
  #clients = 0;

  constructor(options: SceneOptions = {}) {
    const { servers = 3, observers = 0, seed = 1, faults = [], mutants = NO_MUTANTS } = options;
    const names = Array.from({ length: servers + observers }, (_, i) => `server${i + 1}`);
    const voters = majorityOf(names.slice(0, servers));
    this.checkers = ensembleCheckers(
      (invariant, what) => void this.blamed.push(`${invariant}: ${what}`),
      (host) => this.ensemble.host(host).disk.files(),
      new Set(names),
      () => voters,
    );
    this.ensemble = new Ensemble({
      servers,
      observers,
      seed,
      faults,
      network: { ...FAST_NETWORK, segmentation: "whole", connectTimeout: [200_000, 300_000] },
      config: { preAllocSize: 0, ...options.config },
      ensemble: options.ensemble ?? {},
      listeners: [
        this.checkers.listener,
        { fact() {}, log: (host, _, text) => void this.said.push(`${host}: ${text}`) },
      ],
      boot: (config, bootSeed) => new Peer(config, bootSeed, { mutants }),
    });
  }

  /** Starts everybody and waits until one leads and the others follow. */
  static started(options: SceneOptions = {}): Scene {
    const scene = new Scene(options);
    scene.ensemble.start();
    scene.settle();
    return scene;
  }

  get leader(): string {
    const leader = this.ensemble.leader();
    if (leader === undefined) throw new Error("nobody leads");
    return leader;
  }
  get followers(): string[] {
    const { leader } = this;
    return this.ensemble.voters.filter((name) => name !== leader);
  }

  /** From here on what is said on these ports is written down. */
  listen(...ports: readonly Port[]): Conversation {
    return new Conversation(ports).listen(this.ensemble.world.network);
  }

  settle(names: readonly string[] = this.ensemble.names): void {
    if (!this.ensemble.settle(PATIENCE, names)) throw new Error("the servers do not settle");
  }
  until(condition: () => boolean, what = "it"): void {
    if (!this.ensemble.until(condition, PATIENCE)) throw new Error(`${what} does not happen`);
  }
  pass(millis: number): void {
    this.ensemble.until(() => false, millis);
  }

  /** A client of these servers, connected. */
  client(...servers: readonly string[]): Player {
    const player = this.caller(...servers);
    this.until(() => player.client.state === "connected", "a connection");
    return player;
  }
  /** A client of these servers, which may not get through to them. */
  caller(...servers: readonly string[]): Player {
    return new Player(this, `client${++this.#clients}`, servers.length === 0 ? this.ensemble.names : servers);
  }

  /** The answer, once it is there. */
  wait<T>(pending: Pending<T>): T {
    this.until(() => pending.settled, "an answer");
    if (pending.error !== undefined) throw new Error(pending.error);
    return pending.value as T;
  }
  do<T>(player: Player, operation: Operation<T>): T {
    return this.wait(player.ask(operation));
  }

  /** The data of a node as a server has it; undefined where there is none. */
  dataOn(server: string, path: string): string | undefined {
    const tree = (this.ensemble.host(server).actor as Peer).database!.tree;
    const node = tree.find(path);
    return node < 0 ? undefined : String.fromCharCode(...(tree.data(node) ?? []));
  }
  /** Whether all servers that run have the same tree and sessions. */
  isOne(): boolean {
    const states = this.ensemble.names
      .filter((name) => this.ensemble.host(name).running)
      .map((name) => {
        const { tree, sessions } = (this.ensemble.host(name).actor as Peer).database!;
        const ids = [...sessions.committed()].map(([id]) => id).join();
        return { zxid: tree.lastProcessedZxid, what: `${tree.treeDigest.to53()} ${ids}` };
      });
    // What an epoch begins with is its leader's alone.
    const zxids = states.filter(({ zxid }) => counterOf(zxid) > 0).map(({ zxid }) => zxid);
    return new Set(zxids).size <= 1 && new Set(states.map(({ what }) => what)).size === 1;
  }
}

export class Player {
  readonly name: string;
  readonly client: Client;
  readonly events: WatchEvent[] = [];
  readonly #scene: Scene;

  constructor(scene: Scene, name: string, servers: readonly string[]) {
    this.#scene = scene;
    this.name = name;
    const addresses = servers.map(clientAddressOf).join(",");
    const config = configOf(addresses, { sessionTimeout: 1000, reconnectDelayMax: 20, expireLocally: false });
    const sink = { stateChanged() {}, watchFired: (_: unknown, event: WatchEvent) => void this.events.push(event) };
    this.client = new Client(config, scene.ensemble.world.fork(name).next(), sink);
    scene.ensemble.world.addHost({ name, boot: () => this.client }).start();
  }

  ask<T>(operation: Operation<T>): Pending<T> {
    const pending = new Pending<T>();
    this.#scene.ensemble.world.host(this.name).run((cx) =>
      this.client.submit(cx, operation, {
        resolve(value) {
          pending.settled = true;
          pending.value = value;
        },
        reject(error) {
          pending.settled = true;
          pending.error = error.code;
        },
      }),
    );
    return pending;
  }
}
