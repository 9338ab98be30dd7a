/**
 * From a directory to what a server of an ensemble begins with: its history and its two epochs, brought in line (Java:
 * QuorumPeer.loadDataBase; reference, section 1.2). Reading them is storage's.
 */
import type { Context, DiskOp, DiskOutcome } from "../actor.ts";
import type { ServerConfig } from "../config.ts";
import type { Mutants } from "../pipeline/state.ts";
import { emptyTree } from "../storage/empty-tree.ts";
import type { Epochs } from "../storage/epochs.ts";
import { Recovery } from "../storage/recovery.ts";
import type { Recovered } from "../storage/recovery.ts";

export class Beginning {
  readonly #recovery: Recovery;
  readonly #epochs: Epochs;
  /** Both are read: what there is, or why this server must not start. */
  result: Recovered | { readonly fatal: string } | undefined;

  constructor(config: ServerConfig, epochs: Epochs, mutants: Mutants) {
    this.#recovery = new Recovery(config, () => emptyTree(config), mutants);
    this.#epochs = epochs;
  }

  start(cx: Context): void {
    this.#epochs.start(cx);
    this.#recovery.start(cx);
  }

  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): void {
    if (!this.#epochs.onDiskDone(cx, op, outcome)) this.#recovery.onDiskDone(cx, op, outcome);
    this.#consider(cx);
  }

  #consider(cx: Context): void {
    const { result } = this.#recovery;
    if (result === undefined || this.result !== undefined) return;
    if ("fatal" in result) {
      this.result = result;
      return;
    }
    if (!this.#epochs.loaded) return;
    this.#epochs.settle(cx, result.lastZxid);
    if (this.#epochs.failure !== undefined) this.result = { fatal: this.#epochs.failure };
    else if (this.#epochs.settled) this.result = result;
  }
}
