/** The client on Node: one session, one actor, one host (Java: ZooKeeper's constructor and ClientCnxnSocket). */
import type { Facts } from "../core/actor.ts";
import type { ClientOptions } from "../core/client/options.ts";
import { ZooKeeper } from "../core/client/zookeeper.ts";
import { drawSeed } from "./entropy.ts";
import { NetHost } from "./host.ts";

export interface ConnectOptions extends ClientOptions {
  /** Where the client's decisions go, for logs. */
  readonly facts?: Facts | undefined;
}

/**
 * Connects to one of `hosts`, `host[:port][,host[:port]…][/chroot]`, and resolves when there is a session.
 * Rejects with `BADARGUMENTS`, with `CONNECTIONLOSS` when no server was reached within `connectTimeout`, with
 * `AUTHFAILED` or, for a session that was to be resumed, with `SESSIONEXPIRED`.
 */
export async function connect(hosts: string, options: ConnectOptions = {}): Promise<ZooKeeper> {
  const zk = open(hosts, options);
  await zk.connected();
  return zk;
}

/** Begins to connect and returns at once; calls wait for the connection. Throws `BADARGUMENTS`. */
export function open(hosts: string, options: ConnectOptions = {}): ZooKeeper {
  return new ZooKeeper(hosts, options, drawSeed(), (actor) => {
    const host = new NetHost(actor, { facts: options.facts });
    host.start();
    void host.halted.then(({ code, reason }) => {
      // A bug of ours, and nobody is left to settle the calls: fail as loudly as a throw in a socket's handler would.
      if (code !== 0) throw new Error(`the ZooKeeper client crashed: ${reason}`);
    });
    return { run: (f) => host.run(f), close: () => void host.close() };
  });
}
