/**
 * A server in this process, on TCP and a real disk, alone or as a member of an ensemble: `startServer`. Java:
 * ZooKeeperServerMain, QuorumPeerMain.
 */
import type { Actor, Facts } from "../core/actor.ts";
import { NO_FACTS } from "../core/actor.ts";
import type { Member } from "../core/quorum/config.ts";
import { configFromSettings, readConfigFile } from "./config-file.ts";
import type { ServeConfig, Settings } from "./config-file.ts";
import { openDirectories } from "./data-directory.ts";
import { drawSeed } from "./entropy.ts";
import { NetHost } from "./host.ts";
import type { Halt } from "./host.ts";
import { MovingPorts } from "./moving-ports.ts";
import { StartError } from "./start-error.ts";
import { openPorts, portsOf } from "./server-listeners.ts";

export { StartError } from "./start-error.ts";
export type { Settings } from "./config-file.ts";
export type { Halt } from "./host.ts";

export interface StartOptions {
  /** What the server observes and says; nothing by default. */
  readonly facts?: Facts;
}

/** A server that runs. */
export interface RunningServer {
  /** The TCP ports it has; undefined for those it does not listen on. A reconfiguration may move them. */
  readonly clientPort: number | undefined;
  readonly secureClientPort: number | undefined;
  /** Resolves when the server has ended, by {@link stop} or of itself, and its directories are free. Never rejects. */
  readonly halted: Promise<Halt>;
  /** Ends it gracefully: what was acknowledged is durable, what was answered is sent. */
  stop(): Promise<Halt>;
  /** Ends it as a power cut would. */
  kill(): Promise<Halt>;
}

/**
 * Starts a server and resolves when it has recovered its data: a single server serves clients then. A member of an
 * ensemble does so as soon as a quorum of its members has found a leader, which nobody can promise; until then it
 * closes what connects to it. `facts` hears of every change (`role`).
 *
 * `config` is the path of a zoo.cfg, or its keys and values: `startServer({ clientPort: 0, dataDir: "data" })`.
 * Rejects with {@link StartError}, one line that says what to change.
 */
export async function startServer(
  config: string | Settings | ServeConfig,
  options: StartOptions = {},
): Promise<RunningServer> {
  const serve = asServeConfig(config);
  const ports = await portsOf(serve);
  const directories = openDirectories(serve);
  const facts = options.facts ?? NO_FACTS;
  for (const note of serve.notes) facts.log("info", note);
  for (const warning of serve.warnings) facts.log("warn", warning);
  let recovered = (): void => {};
  let activated = (): void => {};
  const ready = new Promise<void>((resolve) => (recovered = resolve));
  const { actor, own } = await actorOf(serve, directories.serverId);
  const host = new NetHost(actor, {
    volumes: { data: serve.dataDir, log: serve.dataLogDir, conf: serve.ensemble?.configDirectory },
    dialling: ports.dialling,
    facts: overheard(
      facts,
      () => recovered(),
      // Said in the middle of an event: by its end the actor has moved on.
      () => setImmediate(() => activated()),
    ),
  });
  const halted = host.halted.then((halt) => {
    directories.release();
    return halt;
  });
  try {
    await openPorts(host, serve, ports, facts);
  } catch (error) {
    await host.kill();
    await halted;
    throw error;
  }
  const moving = new MovingPorts(host, serve, ports.listeners, facts);
  activated = () => moving.follow(own());
  host.start();
  const ended = await Promise.race([ready, halted]);
  if (ended !== undefined) throw new StartError(ended.reason, ended.code);
  return {
    get clientPort() {
      return host.portOf("client");
    },
    get secureClientPort() {
      return host.portOf("secureClient");
    },
    halted,
    stop() {
      host.requestStop();
      return halted;
    },
    kill() {
      void host.kill();
      return halted;
    },
  };
}

interface ServerActor {
  readonly actor: Actor;
  /** Its entry of the ensemble's configuration in force. */
  readonly own: () => Member | undefined;
}

/** Each loads what it needs: three small servers on one machine should stay small. */
async function actorOf({ server }: ServeConfig, serverId: number | undefined): Promise<ServerActor> {
  if (server.ensemble !== undefined) {
    const { Peer } = await import("../core/server/peer.ts");
    const peer = new Peer(server, drawSeed());
    return { actor: peer, own: () => peer.view.current.members.get(peer.myId) };
  }
  const { StandaloneServer } = await import("../core/server/standalone.ts");
  const actor = new StandaloneServer({ ...server, serverId: serverId ?? server.serverId }, drawSeed());
  return { actor, own: () => undefined };
}

function asServeConfig(config: string | Settings | ServeConfig): ServeConfig {
  if (typeof config === "string") return readConfigFile(config);
  return isServeConfig(config) ? config : configFromSettings(config);
}

function isServeConfig(config: Settings | ServeConfig): config is ServeConfig {
  return typeof (config as { where?: unknown }).where === "function";
}

/** `facts`, and calls when recovery has ended and when the ensemble has another configuration. */
function overheard(facts: Facts, recovered: () => void, activated: () => void): Facts {
  const names = Object.keys(NO_FACTS) as (keyof Facts)[];
  const watched = Object.fromEntries(names.map((name) => [name, facts[name].bind(facts)])) as unknown as Facts;
  return {
    ...watched,
    recovered(zxid, digest) {
      facts.recovered(zxid, digest);
      recovered();
    },
    activated(version) {
      facts.activated(version);
      activated();
    },
  };
}
