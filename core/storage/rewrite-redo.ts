/** At a start: finishes the rewrite of the history that an earlier run noted and did not finish (history-rewrite.ts). */
import type { Context, DiskOp, DiskOutcome } from "../actor.ts";
import type { ServerConfig } from "../config.ts";
import { displayName } from "./files.ts";
import { resetAsNoted } from "./history-reset.ts";
import type { HistoryReset } from "./history-reset.ts";
import { REWRITE_NOTE, parseRewriteNote } from "./history-rewrite.ts";
import { readSmallFile, smallFileText } from "./small-file.ts";
import { Truncation } from "./truncation.ts";

export class RewriteRedo {
  result: "done" | { readonly failed: string } | undefined;
  readonly #config: ServerConfig;
  #read: DiskOp | undefined;
  #rewrite: Truncation | HistoryReset | undefined;

  constructor(config: ServerConfig) {
    this.#config = config;
  }

  start(cx: Context): void {
    this.#read = readSmallFile(cx, REWRITE_NOTE);
  }

  /** False when `op` is not ours. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    const rewrite = this.#rewrite;
    if (rewrite === undefined) {
      if (op !== this.#read) return false;
      this.#onNote(cx, outcome);
      return true;
    }
    if (!rewrite.onDiskDone(cx, op, outcome)) return false;
    const { result } = rewrite;
    this.result = typeof result === "object" ? this.#failed(result.failed) : result;
    return true;
  }

  #onNote(cx: Context, outcome: DiskOutcome): void {
    const text = smallFileText(outcome);
    const note = typeof text === "string" ? parseRewriteNote(text) : undefined;
    if (note === undefined) {
      this.result = this.#failed(typeof text === "object" ? text.error : "it cannot be understood");
      return;
    }
    cx.facts.log("warn", "finishing a change to the history that was interrupted", { change: text });
    this.#rewrite = note.kind === "keep" ? resetAsNoted(note.snapshot) : new Truncation(this.#config, note.zxid, true);
    this.#rewrite.start(cx);
  }

  #failed(why: string): { readonly failed: string } {
    const name = displayName(REWRITE_NOTE, this.#config.description);
    return {
      failed:
        `${name} says that a change to the history was interrupted, and it cannot be finished: ${why}. While most ` +
        `servers of the ensemble run, move the data directory's version-2 (and the log directory's) away, so that this ` +
        `server gets everything from them`,
    };
  }
}
