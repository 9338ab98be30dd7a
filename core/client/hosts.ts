/**
 * The servers a client may talk to: the connect string, and whose turn it is (Java: ConnectStringParser,
 * StaticHostProvider). Names are resolved by the host at every attempt, so that a server which moved is found.
 */
import type { Address } from "../actor.ts";
import type { Prng } from "../base/prng.ts";
import { invariant } from "../invariant.ts";
import { badArguments } from "./errors.ts";
import { pathFault } from "./paths.ts";

export const CLIENT_PORT_DEFAULT = 2181;

export interface ConnectString {
  readonly servers: readonly Address[];
  /** `/` when there is none. */
  readonly chroot: string;
}

/** `host[:port][,host[:port]…][/chroot]`, IPv6 addresses in brackets. Throws `BADARGUMENTS`. */
export function parseConnectString(text: string): ConnectString {
  const slash = text.indexOf("/");
  const list = slash < 0 ? text : text.slice(0, slash);
  const chroot = slash < 0 ? "/" : text.slice(slash);
  const fault = pathFault(chroot);
  if (fault !== undefined) throw badArguments(`chroot: ${fault}`, chroot);
  const servers: Address[] = [];
  for (const part of list.split(",")) {
    const server = part.trim();
    if (server !== "") servers.push(parseServer(server));
  }
  if (servers.length === 0) throw badArguments(`no server in "${text}"`);
  return { servers, chroot };
}

function parseServer(text: string): Address {
  const bracketed = /^\[([^\]]+)\](?::([0-9]+))?$/.exec(text);
  if (bracketed !== null) return `[${bracketed[1]!}]:${portOf(bracketed[2], text)}` as Address;
  if (/[[\]\s]/.test(text)) throw badArguments(`not a server: "${text}"`);
  const colon = text.indexOf(":");
  if (colon < 0) return `${text}:${CLIENT_PORT_DEFAULT}` as Address;
  // Without brackets the second colon cannot be told from part of an IPv6 address.
  if (colon === 0 || text.includes(":", colon + 1)) throw badArguments(`not a server: "${text}"`);
  return `${text.slice(0, colon)}:${portOf(text.slice(colon + 1), text)}` as Address;
}

function portOf(digits: string | undefined, server: string): number {
  if (digits === undefined) return CLIENT_PORT_DEFAULT;
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > 65_535) throw badArguments(`not a port: "${server}"`);
  return port;
}

/** Goes round the servers in an order of its own, so that clients with one connect string spread out. */
export class HostList {
  readonly #servers: Address[];
  #next = 0;

  constructor(servers: readonly Address[], prng: Prng) {
    invariant(servers.length > 0, "a client knows at least one server");
    this.#servers = [...servers];
    for (let i = this.#servers.length - 1; i > 0; i--) {
      const k = prng.below(i + 1);
      const server = this.#servers[i]!;
      this.#servers[i] = this.#servers[k]!;
      this.#servers[k] = server;
    }
  }

  get count(): number {
    return this.#servers.length;
  }

  next(): Address {
    const server = this.#servers[this.#next]!;
    this.#next = (this.#next + 1) % this.#servers.length;
    return server;
  }

  /** The one whose turn comes after `server`'s; a server is never told apart from its double. */
  after(server: Address): Address {
    return this.#servers[(this.#servers.indexOf(server) + 1) % this.#servers.length]!;
  }

  /** Makes it the turn of `server`. */
  prefer(server: Address): void {
    const at = this.#servers.indexOf(server);
    if (at >= 0) this.#next = at;
  }
}
