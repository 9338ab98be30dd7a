/** Configurations that other servers send along with their votes: read once, however often they come. */
import type { Context } from "../actor.ts";
import { QuorumConfig } from "../quorum/config.ts";

export class HeardConfigs {
  #text = "";
  #config: QuorumConfig | undefined;

  /** Undefined when it cannot be read: the vote it came with counts all the same (reference, S40). */
  read(cx: Context, from: number, text: string): QuorumConfig | undefined {
    // What Apache 3.8 sends where a single server would be run without an ensemble.
    if (text === "") return undefined;
    if (text === this.#text) return this.#config;
    const config = QuorumConfig.parse(text);
    this.#text = text;
    this.#config = "error" in config ? undefined : config;
    if ("error" in config) {
      cx.facts.log("warn", "unreadable configuration in an election message", { server: from, error: config.error });
    }
    return this.#config;
  }
}
