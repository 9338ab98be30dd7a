import { afterAll, beforeAll } from "vitest";
import { type RunningServer, type ServerOptions, serverUnderTest, startServer } from "./servers.ts";

/** Settings of the servers that clients are run against: short ticks, every kind of node, frequent reaping. */
export const CLIENT_SERVER: ServerOptions = {
  config: { tickTime: 1000, minSessionTimeout: 2000, maxSessionTimeout: 60_000, extendedTypesEnabled: true },
  properties: { "znode.container.checkIntervalMs": 500 },
};

/** The server under test, for the tests of one file. */
export class ServerFixture {
  #server: RunningServer | undefined;

  constructor(options: ServerOptions = CLIENT_SERVER) {
    beforeAll(async () => {
      this.#server = await startServer(serverUnderTest(), options);
    });
    afterAll(() => this.#server?.stop());
  }

  get address(): string {
    return this.get().address;
  }

  get(): RunningServer {
    if (this.#server === undefined) throw new Error("the server is started before the first test");
    return this.#server;
  }

  /** SIGTERM, then the same port and data again. */
  async restart(): Promise<void> {
    const { port, dataDir } = this.get();
    await this.get().stop();
    this.#server = await startServer(serverUnderTest(), { ...CLIENT_SERVER, port, dataDir });
  }
}
