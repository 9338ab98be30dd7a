/** The ports of one server: where they are, how they are opened, and what is said when they cannot be had. */
import type { Facts } from "../core/actor.ts";
import type { ServeConfig } from "./config-file.ts";
import type { EnsembleServing } from "./ensemble-config.ts";
import type { NetHost } from "./host.ts";
import type { QuorumTls } from "./quorum-tls.ts";
import { ExitCode, StartError } from "./start-error.ts";
import { splitAddress } from "./tcp.ts";
import type { Dialling, Listener, TlsListener } from "./tcp.ts";

export interface Ports {
  readonly listeners: readonly Listener[];
  readonly dialling: Dialling;
}

/** Between two tries for a port that other servers are to find us at. */
const BIND_PAUSE_MS = 1000;
/** What passes with time: the port of a process that is just ending, an interface or a name that is not up yet. */
const PASSING: readonly (string | undefined)[] = ["EADDRINUSE", "EADDRNOTAVAIL", "ENOTFOUND", "EAI_AGAIN"];

/** Throws {@link StartError} when keys or certificates cannot be used. */
export async function portsOf(config: ServeConfig): Promise<Ports> {
  const clients = await clientListeners(config);
  const { ensemble } = config;
  if (ensemble === undefined) return { listeners: clients, dialling: {} };
  const tls = await quorumTlsOf(config, ensemble);
  return {
    listeners: [
      quorumListener("election", ensemble.electionAddress, ensemble, tls?.listener),
      quorumListener("quorum", ensemble.quorumAddress, ensemble, tls?.listener),
      ...clients,
    ],
    dialling: {
      keepAlive: ensemble.keepAlive,
      timeout: dialTimeout(config),
      tls: ensemble.tlsOut ? tls?.dialler : undefined,
    },
  };
}

/** Rejects with a {@link StartError}. */
export async function openPorts(host: NetHost, config: ServeConfig, { listeners }: Ports, facts: Facts): Promise<void> {
  for (const listener of listeners) {
    const lasting = listener.port === "quorum" || listener.port === "election";
    const tries = lasting ? (config.ensemble!.bindTries === 0 ? Infinity : config.ensemble!.bindTries) : 1;
    for (let attempt = 1; ; attempt++) {
      try {
        await host.listen(listener);
        break;
      } catch (error) {
        const complaint = portComplaint(config, listener, error as NodeJS.ErrnoException);
        if (attempt >= tries || !PASSING.includes((error as NodeJS.ErrnoException).code)) {
          throw new StartError(complaint, lasting ? ExitCode.quorumPort : ExitCode.unexpected);
        }
        facts.log("warn", `${complaint}; trying again`, { attempt });
        await new Promise((resolve) => setTimeout(resolve, BIND_PAUSE_MS));
      }
    }
  }
}

async function clientListeners(config: ServeConfig): Promise<Listener[]> {
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

async function quorumTlsOf(config: ServeConfig, ensemble: EnsembleServing): Promise<QuorumTls | undefined> {
  if (ensemble.tls === undefined) return undefined;
  const { quorumTls } = await import("./quorum-tls.ts");
  return quorumTls(ensemble.tls, ensemble.plainToo, ensemble.hosts, config.where);
}

function quorumListener(
  port: "quorum" | "election",
  address: EnsembleServing["quorumAddress"],
  ensemble: EnsembleServing,
  tls: TlsListener | undefined,
): Listener {
  const { host, port: tcpPort } = splitAddress(address);
  return { port, host: ensemble.listenOnAllIPs ? undefined : host, tcpPort, keepAlive: ensemble.keepAlive, tls };
}

/** The servers' own deadlines are the tighter ones; this only ends what the system would keep trying for minutes. */
function dialTimeout({ server }: ServeConfig): number {
  const { initLimit, electionConnectTimeout } = server.ensemble!;
  return Math.max(electionConnectTimeout, initLimit * server.tickTime);
}

export function portComplaint(config: ServeConfig, listener: Listener, error: NodeJS.ErrnoException): string {
  const { key, addressKey } = keysOf(config, listener);
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
      if (addressKey === undefined) {
        return `${place}: ${listener.host} is no address of this machine; correct it or write quorumListenOnAllIPs=true`;
      }
      return `${config.where(addressKey)}: ${listener.host} is no address of this machine; remove the line or correct it`;
    default:
      return `${place}: cannot listen (${address}): ${error.message}`;
  }
}

/** What said where to listen; without a key for the address it is the same one. */
function keysOf(config: ServeConfig, { port }: Listener): { key: string; addressKey: string | undefined } {
  if (port === "quorum" || port === "election") return { key: config.ensemble!.key, addressKey: undefined };
  const key = port === "client" ? "clientPort" : "secureClientPort";
  return { key, addressKey: `${key}Address` };
}
