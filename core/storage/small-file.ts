/**
 * A small file that is replaced as a whole: written beside itself, synced, renamed, its directory synced (Java:
 * AtomicFileOutputStream, AtomicFileWritingIdiom; reference, section 1.2). After a crash it holds the old text or the
 * new one, never a part; Java leaves out the last step, so that a loss of power could bring the old text back.
 */
import type { Context, DirectoryName, DiskOp, DiskOutcome, FileName } from "../actor.ts";
import { decodeUtf8, encodeUtf8Into, utf8Length } from "../jute/utf8.ts";
import { temporaryNameOf } from "./files.ts";

/** Nothing that is kept this way is longer. */
const BYTES_MAX = 256;

type Step = "clearing" | "syncing" | "renaming" | "naming" | "done";

export class SmallFileWrite {
  /** Undefined while it is under way. */
  result: "done" | "failed" | undefined;
  failure = "";
  readonly #file: FileName;
  readonly #directory: DirectoryName;
  readonly #text: string;
  #step: Step = "clearing";
  #op: DiskOp | undefined;

  constructor(directory: DirectoryName, file: FileName, text: string) {
    this.#directory = directory;
    this.#file = file;
    this.#text = text;
  }

  start(cx: Context): void {
    // What an earlier attempt left there would come before what is appended now.
    this.#op = cx.remove(temporaryNameOf(this.#file));
  }

  /** False when `op` is not ours. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    if (op !== this.#op) return false;
    this.#op = undefined;
    if (outcome.kind === "failed" && !(this.#step === "clearing" && outcome.error === "missing")) {
      this.result = "failed";
      this.failure = outcome.detail;
    } else this.#onward(cx);
    return true;
  }

  #onward(cx: Context): void {
    const temporary = temporaryNameOf(this.#file);
    switch (this.#step) {
      case "clearing": {
        const bytes = new Uint8Array(utf8Length(this.#text));
        encodeUtf8Into(this.#text, bytes, 0);
        cx.append(temporary, bytes);
        this.#op = cx.sync(temporary);
        this.#step = "syncing";
        return;
      }
      case "syncing":
        this.#op = cx.rename(temporary, this.#file);
        this.#step = "renaming";
        return;
      case "renaming":
        this.#op = cx.syncDirectory(this.#directory);
        this.#step = "naming";
        return;
      case "naming":
        this.#step = "done";
        this.result = "done";
        return;
      case "done":
    }
  }
}

/** Asks for the whole of such a file; {@link smallFileText} understands the outcome. */
export function readSmallFile(cx: Context, file: FileName): DiskOp {
  return cx.readAt(file, 0, BYTES_MAX + 1);
}

/** Its text; undefined when there is no such file; an error when it cannot be read or is not small. */
export function smallFileText(outcome: DiskOutcome): string | undefined | { readonly error: string } {
  if (outcome.kind === "failed") return outcome.error === "missing" ? undefined : { error: outcome.detail };
  if (outcome.kind !== "read") return { error: outcome.kind };
  if (outcome.bytes.length > BYTES_MAX) return { error: `it has more than ${BYTES_MAX} bytes` };
  return decodeUtf8(outcome.bytes, 0, outcome.bytes.length);
}
