/**
 * A reconfiguration may give this server other addresses. Its ports then move, while what came in on the old ones stays
 * connected. Java: NIOServerCnxnFactory.reconfigure, QuorumPeer.restartLeaderElection; reference, section 7.4.
 */
import type { Address, Facts } from "../core/actor.ts";
import type { Member } from "../core/quorum/config.ts";
import type { ServeConfig } from "./config-file.ts";
import type { NetHost } from "./host.ts";
import { portComplaint } from "./server-listeners.ts";
import { splitAddress } from "./tcp.ts";
import type { Listener } from "./tcp.ts";

export class MovingPorts {
  readonly #host: NetHost;
  readonly #config: ServeConfig;
  readonly #facts: Facts;
  #listeners: readonly Listener[];
  /** One move after the other. */
  #moved: Promise<void> = Promise.resolve();

  /** `listeners` are open. */
  constructor(host: NetHost, config: ServeConfig, listeners: readonly Listener[], facts: Facts) {
    this.#host = host;
    this.#config = config;
    this.#listeners = listeners;
    this.#facts = facts;
  }

  /** This server's own entry of the configuration that is in force now; undefined when it has none any more. */
  follow(own: Member | undefined): void {
    if (own !== undefined) this.#moved = this.#moved.then(() => this.#follow(own));
  }

  async #follow(own: Member): Promise<void> {
    const addresses = new Map([
      ["quorum", own.quorumAddresses[0]],
      ["election", own.electionAddresses[0]],
      ["client", own.clientAddress],
    ]);
    const listeners: Listener[] = [];
    for (const listener of this.#listeners) {
      const address = addresses.get(listener.port);
      listeners.push(address === undefined ? listener : await this.#move(listener, address));
    }
    this.#listeners = listeners;
  }

  /** Returns the listener that is open then: the old one, when the new one cannot be had. */
  async #move(listener: Listener, address: Address): Promise<Listener> {
    const { host, port: tcpPort } = splitAddress(address);
    const everywhere = host === "0.0.0.0" || (listener.port !== "client" && this.#config.ensemble!.listenOnAllIPs);
    const moved: Listener = { ...listener, host: everywhere ? undefined : host, tcpPort };
    if (moved.host === listener.host && moved.tcpPort === listener.tcpPort) return listener;
    // One port on one interface and on all of them cannot be had at a time.
    const inTheWay = moved.tcpPort === listener.tcpPort;
    if (inTheWay) this.#host.unlisten(listener);
    try {
      await this.#host.listen(moved);
    } catch (error) {
      this.#facts.log("error", portComplaint(this.#config, moved, error as NodeJS.ErrnoException));
      if (inTheWay) await this.#host.listen(listener).catch(() => {});
      return listener;
    }
    if (!inTheWay) this.#host.unlisten(listener);
    this.#facts.log("info", "a port has moved", { port: listener.port, to: address });
    return moved;
  }
}
