/**
 * A standalone server in this process, on TCP and a real disk: `startServer`. Java: ZooKeeperServerMain.
 */
import type { Facts } from "../core/actor.ts";
import { NO_FACTS } from "../core/actor.ts";
import { StandaloneServer } from "../core/server/standalone.ts";
import { configFromSettings, readConfigFile } from "./config-file.ts";
import type { ServeConfig, Settings } from "./config-file.ts";
import { openDirectories } from "./data-directory.ts";
import { drawSeed } from "./entropy.ts";
import { NetHost } from "./host.ts";
import type { Halt } from "./host.ts";
import { ExitCode, StartError } from "./start-error.ts";
import type { Listener, TlsListener } from "./tcp.ts";

export { StartError } from "./start-error.ts";
export type { Settings } from "./config-file.ts";
export type { Halt } from "./host.ts";

export interface StartOptions {
  /** What the server observes and says; nothing by default. */
  readonly facts?: Facts;
}

/** A server that serves. */
export interface RunningServer {
  /** The TCP ports it got; undefined for those it does not listen on. */
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
 * Starts a server and resolves when it has recovered its data and serves clients.
 *
 * `config` is the path of a zoo.cfg, or its keys and values: `startServer({ clientPort: 0, dataDir: "data" })`.
 * Rejects with {@link StartError}, one line that says what to change.
 */
export async function startServer(
  config: string | Settings | ServeConfig,
  options: StartOptions = {},
): Promise<RunningServer> {
  const serve = asServeConfig(config);
  const listeners = await listenersOf(serve);
  const directories = openDirectories(serve);
  const facts = options.facts ?? NO_FACTS;
  for (const note of serve.notes) facts.log("info", note);
  let recovered = (): void => {};
  const ready = new Promise<void>((resolve) => (recovered = resolve));
  const watched: Facts = withRecovered(facts, () => recovered());
  const server = { ...serve.server, serverId: directories.serverId ?? serve.server.serverId };
  const host = new NetHost(new StandaloneServer(server, drawSeed()), {
    volumes: { data: serve.dataDir, log: serve.dataLogDir },
    facts: watched,
  });
  const halted = host.halted.then((halt) => {
    directories.release();
    return halt;
  });
  for (const listener of listeners) {
    try {
      await host.listen(listener);
    } catch (error) {
      await host.kill();
      await halted;
      throw new StartError(portComplaint(serve, listener, error as NodeJS.ErrnoException), ExitCode.unexpected);
    }
  }
  host.start();
  const ended = await Promise.race([ready, halted]);
  if (ended !== undefined) throw new StartError(ended.reason, ended.code);
  return {
    clientPort: host.portOf("client"),
    secureClientPort: host.portOf("secureClient"),
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

function asServeConfig(config: string | Settings | ServeConfig): ServeConfig {
  if (typeof config === "string") return readConfigFile(config);
  return isServeConfig(config) ? config : configFromSettings(config);
}

function isServeConfig(config: Settings | ServeConfig): config is ServeConfig {
  return typeof (config as { where?: unknown }).where === "function";
}

async function listenersOf(config: ServeConfig): Promise<Listener[]> {
  const listeners: Listener[] = [];
  const { backlog, keepAlive } = config;
  if (config.clientPort !== undefined) {
    const tls = config.portUnification ? await tlsOf(config, true) : undefined;
    const [host, tcpPort] = [config.clientPortAddress, config.clientPort];
    listeners.push({ port: "client", host, tcpPort, backlog, keepAlive, tls });
  }
  if (config.secureClientPort !== undefined) {
    const tls = await tlsOf(config, false);
    const [host, tcpPort] = [config.secureClientPortAddress, config.secureClientPort];
    listeners.push({ port: "secureClient", host, tcpPort, backlog, keepAlive, tls });
  }
  return listeners;
}

async function tlsOf(config: ServeConfig, plainToo: boolean): Promise<TlsListener | undefined> {
  if (config.tls === undefined) return undefined;
  // Node's TLS takes memory and time to load that a server without it should not spend.
  const { tlsListener } = await import("./tls.ts");
  return tlsListener(config.tls, plainToo, config.where);
}

function portComplaint(config: ServeConfig, listener: Listener, error: NodeJS.ErrnoException): string {
  const key = listener.port === "client" ? "clientPort" : "secureClientPort";
  const place = config.where(key);
  const address = `${listener.host ?? "every interface"}, port ${listener.tcpPort}`;
  switch (error.code) {
    case "EADDRINUSE":
      return `${place}: ${listener.tcpPort} is in use (${address}); stop what listens there or choose another port`;
    case "EACCES":
      return `${place}: ${listener.tcpPort} may not be used by this user; choose one above 1023`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `${config.where(`${key}Address`)}: ${listener.host} is no address of this machine; remove the line or correct it`;
    default:
      return `${place}: cannot listen (${address}): ${error.message}`;
  }
}

/** `facts`, and a call when recovery has ended. */
function withRecovered(facts: Facts, recovered: () => void): Facts {
  const names = Object.keys(NO_FACTS) as (keyof Facts)[];
  const watched = Object.fromEntries(names.map((name) => [name, facts[name].bind(facts)])) as unknown as Facts;
  return {
    ...watched,
    recovered(zxid, digest) {
      facts.recovered(zxid, digest);
      recovered();
    },
  };
}
