/** kazoo, Apache's Java client and Curator as company of the load: programs in test/interop/clients that check themselves. */
import { compileJava, startJava } from "../interop/support/java.ts";
import { eventually, Process } from "../interop/support/processes.ts";
import { repositoryPath } from "../interop/support/servers.ts";

const CURATOR_JARS = ["curator-client", "curator-framework", "curator-recipes", "guava"].map(
  (name) => `/usr/share/java/${name}.jar`,
);
const TIMEOUT = 60_000;
/** Fewer acknowledged writes would not be worth the name of a load. */
const ACKNOWLEDGED_MIN = 50;

interface RealClient {
  readonly name: string;
  readonly process: Process;
}

export class RealClients {
  readonly #clients: readonly RealClient[];
  #pauses = 0;

  private constructor(clients: readonly RealClient[]) {
    this.#clients = clients;
  }

  static async start(hosts: string): Promise<RealClients> {
    const kazoo = repositoryPath("test/interop/clients/ensemble_load.py");
    const clients = [
      // Debian's Python, which has Debian's kazoo.
      { name: "kazoo", process: new Process("/usr/bin/python3", [kazoo, hosts]) },
      { name: "Java's client", process: startJava(await compileJava("JavaLoad"), "JavaLoad", [hosts]) },
      { name: "Curator", process: startJava(await compileJava("CuratorLoad", CURATOR_JARS), "CuratorLoad", [hosts]) },
    ];
    const all = new RealClients(clients);
    await all.#await("is ready", (process) => process.output.includes("ready"));
    return all;
  }

  /** Resolves when none of them has a request under way. */
  async pause(): Promise<void> {
    this.#pauses += 1;
    this.#tell("pause");
    await this.#await("pauses", (process) => process.output.split(/^paused$/m).length > this.#pauses);
  }

  resume(): void {
    this.#tell("resume");
  }

  /** Ends their sessions, and gives a line for each; throws with what went wrong. */
  async stop(): Promise<readonly string[]> {
    this.#tell("stop");
    await Promise.all(this.#clients.map(({ process }) => Promise.race([process.ended, limit()])));
    return this.#clients.map(({ name, process: { code, output } }) => {
      const acknowledged = Number(/^acknowledged (\d+)$/m.exec(output)?.[1]);
      if (code !== 0 || !(acknowledged >= ACKNOWLEDGED_MIN)) throw new Error(`${name} ended with ${code}: ${output}`);
      return `${name}: ${acknowledged} writes acknowledged, none lost`;
    });
  }

  async kill(): Promise<void> {
    await Promise.all(this.#clients.map(({ process }) => process.stop("SIGKILL")));
  }

  #tell(line: string): void {
    for (const { process } of this.#clients) process.child.stdin?.write(`${line}\n`);
  }

  async #await(what: string, condition: (process: Process) => boolean): Promise<void> {
    for (const { name, process } of this.#clients) {
      try {
        await eventually(`${name} ${what}`, TIMEOUT, () => condition(process) || process.code !== undefined);
      } catch (error) {
        throw new Error(`${String(error)}: ${process.output}`, { cause: error });
      }
      if (process.code !== undefined) throw new Error(`${name} ended with ${process.code}: ${process.output}`);
    }
  }
}

function limit(): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, TIMEOUT).unref());
}
