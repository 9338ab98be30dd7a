/** Two worlds for one body of tests: the simulated host and the real one. Neither ever sleeps. */
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import type { Actor, Address, Context } from "../../core/actor.ts";
import { startNetHost } from "../../net/host.ts";
import type { NetHost } from "../../net/host.ts";
import type { SimHost } from "../../sim/host.ts";
import { Simulator } from "../../sim/simulator.ts";
import { Probe } from "./probe.ts";
import type { Script } from "./probe.ts";

/** One actor on one host. */
export interface Running {
  readonly probe: Probe;
  readonly address: Address;
  run(call: (cx: Context) => void): void;
  requestStop(): void;
  /** The exit code, once there is one; -1 stands for a throw, where the host knows the difference. */
  readonly exit: () => number | undefined;
  /** As `kill -9`. */
  kill(): Promise<void>;
}

export interface World {
  readonly name: string;
  /** `disk`: actors given the same name, one after the other, have the same files. */
  start(script: Script, disk?: string): Promise<Running>;
  /** Lets things happen until `condition` holds. Fails when it does not in reasonable time. */
  until(condition: () => boolean): Promise<void>;
  /** Where nobody listens. */
  nobody(): Promise<Address>;
  end(): Promise<void>;
}

export class SimWorld implements World {
  readonly name = "sim";
  readonly #simulator: Simulator;
  readonly #disks: Map<string, { host: SimHost; next: Actor }> = new Map();
  #hosts = 0;

  constructor(seed: number) {
    this.#simulator = new Simulator({ seed });
  }

  start(script: Script, disk = `disk of ${++this.#hosts}`): Promise<Running> {
    const probe = new Probe(script, () => {});
    let place = this.#disks.get(disk);
    const address = `${disk}:2181` as Address;
    if (place === undefined) {
      const made: { host: SimHost; next: Actor } = {
        next: probe,
        host: this.#simulator.addHost({ name: disk, listens: [{ address, port: "client" }], boot: () => made.next }),
      };
      place = made;
      this.#disks.set(disk, place);
    }
    place.next = probe;
    const { host } = place;
    host.start();
    return Promise.resolve({
      probe,
      address,
      run: (call) => host.run(call),
      requestStop: () => host.requestStop(),
      exit: () => (host.exit === undefined ? undefined : host.exit.kind === "halted" ? host.exit.code : -1),
      kill: () => {
        host.crash(undefined, this.#simulator.fork("kill"));
        return Promise.resolve();
      },
    });
  }

  until(condition: () => boolean): Promise<void> {
    const end = this.#simulator.run({ when: condition, events: 1_000_000 });
    return end === "when" ? Promise.resolve() : Promise.reject(new Error(`the world went ${end} instead`));
  }

  nobody(): Promise<Address> {
    return Promise.resolve("nobody:2181" as Address);
  }
  end(): Promise<void> {
    return Promise.resolve();
  }
}

export class NetWorld implements World {
  readonly name = "net";
  readonly #directory: string = fs.mkdtempSync(path.join(os.tmpdir(), "vivarium-contract-"));
  readonly #hosts: NetHost[] = [];
  #waiting: { condition: () => boolean; resolve: () => void }[] = [];
  #disks = 0;

  async start(script: Script, disk = `disk${++this.#disks}`): Promise<Running> {
    const directory = path.join(this.#directory, disk);
    fs.mkdirSync(path.join(directory, "version-2"), { recursive: true });
    // After the event, when its effects have been applied too.
    const probe = new Probe(script, () => setImmediate(() => this.#look()));
    const host = await startNetHost(probe, {
      volumes: { data: directory, log: directory },
      listeners: [{ port: "client", host: "127.0.0.1", tcpPort: 0 }],
    });
    this.#hosts.push(host);
    let exit: number | undefined;
    void host.halted.then(({ code, reason }) => {
      exit = code === 1 && reason !== "killed" ? -1 : code;
      this.#look();
    });
    return {
      probe,
      address: `127.0.0.1:${host.portOf("client")}` as Address,
      run: (call) =>
        host.run((cx) => {
          call(cx);
          setImmediate(() => this.#look());
        }),
      requestStop: () => host.requestStop(),
      exit: () => exit,
      kill: async () => void (await host.kill()),
    };
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ condition, resolve });
      this.#look();
    });
  }

  async nobody(): Promise<Address> {
    const server = net.createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve((server.address() as net.AddressInfo).port));
    });
    await new Promise((resolve) => server.close(resolve));
    return `127.0.0.1:${port}` as Address;
  }

  async end(): Promise<void> {
    for (const host of this.#hosts) await host.kill();
    fs.rmSync(this.#directory, { recursive: true });
  }

  #look(): void {
    for (const waiting of this.#waiting) if (waiting.condition()) waiting.resolve();
    this.#waiting = this.#waiting.filter(({ condition }) => !condition());
  }
}
