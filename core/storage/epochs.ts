/**
 * The two promises of a server that outlive it (Java: QuorumPeer.loadDataBase, readLongFromFile, writeLongToFile;
 * reference, section 1.2): `acceptedEpoch`, below which it follows no leader any more, and `currentEpoch`, whose
 * leader's history it has. Decimal text without a newline in the snapshots' directory, as Java writes it.
 *
 * What holds on disk: accepted >= current >= epoch of the last txn, and neither of the two ever goes back. A value is in
 * memory only once it is durable (reference, S18). When to raise them is the roles' decision.
 */
import type { Context, DiskOp, DiskOutcome, FileName } from "../actor.ts";
import { epochOf } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { invariant } from "../invariant.ts";
import { SNAPSHOT_DIRECTORY, displayName, fileIn, temporaryNameOf } from "./files.ts";
import { SmallFileWrite, readSmallFile, smallFileText } from "./small-file.ts";

export type EpochDone = (cx: Context, ok: boolean) => void;

const ACCEPTED: FileName = fileIn(SNAPSHOT_DIRECTORY, "acceptedEpoch");
const CURRENT: FileName = fileIn(SNAPSHOT_DIRECTORY, "currentEpoch");
const CURRENT_TEMPORARY: FileName = temporaryNameOf(CURRENT);
/** Zxids are exact below it (base/zxid.ts). */
const EPOCH_LIMIT: number = 2 ** 21;

/** What a file holds: an epoch, nothing because it is not there, or why it is unusable. */
type Found = number | undefined | { readonly error: string };

const NO_MUTANTS: ReadonlySet<string> = new Set();

interface EpochWrite {
  readonly file: FileName;
  readonly epoch: number;
  readonly done: EpochDone;
}

export class Epochs {
  /** Durable values, 0 until {@link settled}. */
  accepted = 0;
  current = 0;
  /** The files have been read: {@link settle} can be called. */
  loaded = false;
  /** Both values are known and durable. */
  settled = false;
  /** Why this server must not start. */
  failure: string | undefined;
  /** Why the last write failed. */
  writeFailure = "";

  readonly #description: ServerConfig["description"] | undefined;
  readonly #hasty: boolean;
  readonly #reads: Map<DiskOp, FileName> = new Map();
  readonly #found: Map<FileName, Found> = new Map();
  readonly #queue: EpochWrite[] = [];
  #write: SmallFileWrite | undefined;
  #settling = false;

  /** `description` gives the directory's name for messages. */
  constructor(description?: ServerConfig["description"], mutants: ReadonlySet<string> = NO_MUTANTS) {
    this.#hasty = mutants.has("epoch-in-memory-first");
    this.#description = description;
  }

  start(cx: Context): void {
    for (const file of [ACCEPTED, CURRENT, CURRENT_TEMPORARY]) this.#reads.set(readSmallFile(cx, file), file);
  }

  /** False when `op` is not ours. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    const file = this.#reads.get(op);
    if (file !== undefined) {
      this.#reads.delete(op);
      this.#found.set(file, parse(smallFileText(outcome)));
      this.loaded = this.#reads.size === 0;
      return true;
    }
    const write = this.#write;
    if (write === undefined || !write.onDiskDone(cx, op, outcome)) return false;
    if (write.result !== undefined) this.#onWritten(cx, write);
    else if (this.#hasty && this.settled) this.#pretend(cx, this.#queue[0]!);
    return true;
  }

  /**
   * Brings both in line with the last txn found: {@link settled}, now or later, or {@link failure}. Calling it again is
   * harmless.
   *
   * - A missing file is initialised from the txn.
   * - current < epoch of the txn <= accepted is what a crash between the log and the epoch file leaves: a server logs
   *   txns of an epoch only from a leader it has accepted, so current is raised. (Java refuses to start, S17.)
   * - Everything else that does not fit means that a file is another server's, or was lost: refused.
   */
  settle(cx: Context, lastZxid: Zxid): void {
    invariant(this.loaded, "epochs are settled once they have been read");
    if (this.#settling || this.failure !== undefined) return;
    this.#settling = true;
    const logged = Math.max(0, epochOf(lastZxid));
    const accepted = this.#settleAccepted(logged);
    if (accepted === undefined) return;
    const current = this.#settleCurrent(logged, accepted);
    if (current === undefined) return;
    this.accepted = typeof this.#found.get(ACCEPTED) === "number" ? accepted : -1;
    this.current = this.#found.get(CURRENT) === current ? current : -1;
    // Accepted first: a crash between the two must not leave a current epoch nobody accepted.
    this.#ask(cx, ACCEPTED, accepted, (_, ok) => this.#onSettled(ok, ACCEPTED));
    this.#ask(cx, CURRENT, current, (inner, ok) => {
      this.#onSettled(ok, CURRENT);
      if (this.failure !== undefined) return;
      this.settled = true;
      inner.facts.promised(this.accepted);
      inner.facts.adopted(this.current);
    });
  }

  /**
   * No leader of an earlier epoch will be accepted any more: durable when `done` says so. One write at a time, in the
   * order asked. False: it could not be written ({@link writeFailure}), or a later epoch has been accepted meanwhile.
   * An epoch that is accepted already is answered at once, within this call.
   */
  setAccepted(cx: Context, epoch: number, done: EpochDone): void {
    invariant(this.settled, "epochs change after they are settled");
    this.#ask(cx, ACCEPTED, epoch, done);
  }

  /** Like {@link setAccepted}; also false when `epoch` has not been accepted. Call it when that history is durable. */
  setCurrent(cx: Context, epoch: number, done: EpochDone): void {
    invariant(this.settled, "epochs change after they are settled");
    this.#ask(cx, CURRENT, epoch, done);
  }

  #ask(cx: Context, file: FileName, epoch: number, done: EpochDone): void {
    this.#queue.push({ file, epoch, done });
    this.#next(cx);
  }

  #next(cx: Context): void {
    while (this.#write === undefined) {
      const asked = this.#queue[0];
      if (asked === undefined) return;
      const { file, epoch, done } = asked;
      const present = file === ACCEPTED ? this.accepted : this.current;
      const tooHigh = file === CURRENT && epoch > this.accepted;
      if (epoch > present && !tooHigh) {
        this.#write = new SmallFileWrite(SNAPSHOT_DIRECTORY, file, `${epoch}`);
        this.#write.start(cx);
        return;
      }
      this.#queue.shift();
      if (epoch !== present) {
        this.writeFailure = tooHigh
          ? `epoch ${epoch} has not been accepted, ${this.accepted} has`
          : `epoch ${present} has come after epoch ${epoch}`;
      }
      done(cx, epoch === present);
    }
  }

  /** A mutant's: in memory as soon as there is something on the disk. */
  #pretend(cx: Context, { file, epoch, done }: EpochWrite): void {
    if (file === ACCEPTED) this.accepted = epoch;
    else this.current = epoch;
    if (file === ACCEPTED) cx.facts.promised(epoch);
    else cx.facts.adopted(epoch);
    this.#queue[0] = { file, epoch, done: () => {} };
    done(cx, true);
  }

  #onWritten(cx: Context, write: SmallFileWrite): void {
    const { file, epoch, done } = this.#queue.shift()!;
    const ok = write.result === "done";
    this.#write = undefined;
    if (ok && file === ACCEPTED) {
      this.accepted = epoch;
      if (this.settled) cx.facts.promised(epoch);
    } else if (ok) {
      this.current = epoch;
      if (this.settled) cx.facts.adopted(epoch);
    } else {
      this.writeFailure = `${this.#name(file)}: ${write.failure}`;
      cx.facts.log("error", "an epoch could not be written", { epoch, failure: this.writeFailure });
    }
    done(cx, ok);
    this.#next(cx);
  }

  #onSettled(ok: boolean, file: FileName): void {
    if (!ok) this.failure ??= `${this.#name(file)} cannot be written: ${this.writeFailure}`;
  }

  #settleAccepted(logged: number): number | undefined {
    const found = this.#found.get(ACCEPTED);
    const current = this.#found.get(CURRENT);
    if (typeof found === "object") {
      return this.#refuse(
        `${this.#name(ACCEPTED)} is unusable (${found.error}), and with it what this server has promised. Put the file ` +
          `back; or write into it the largest number that is in the acceptedEpoch of any server of the ensemble`,
      );
    }
    const accepted = found ?? logged;
    if (typeof current === "number" && current > accepted) {
      return this.#refuse(
        `${this.#name(ACCEPTED)} ${found === undefined ? "is missing" : `holds ${accepted}`}, but the currentEpoch ` +
          `beside it is ${current}: a promise has been lost. Write into it the largest number that is in the ` +
          `acceptedEpoch of any server of the ensemble, and at least ${current}`,
      );
    }
    if (accepted >= logged) return accepted;
    return this.#refuse(
      `${this.#name(ACCEPTED)} holds ${accepted}, but there are transactions of epoch ${logged}: the file does not ` +
        `belong to this data. Write into it the largest number that is in the acceptedEpoch of any server of the ensemble`,
    );
  }

  /** `accepted` >= `logged` here. */
  #settleCurrent(logged: number, accepted: number): number | undefined {
    const found = this.#found.get(CURRENT);
    if (typeof found !== "object") return Math.max(found ?? 0, logged);
    // It lies between the two, so it is known where they are the same. And what was about to become it is it, where
    // nothing larger is possible: an interrupted write may have left the first digits of a number only.
    if (logged === accepted || this.#found.get(CURRENT_TEMPORARY) === accepted) return accepted;
    return this.#refuse(
      `${this.#name(CURRENT)} is unusable (${found.error}). Put the file back; or, while most servers of the ensemble ` +
        `run, move the data directory's version-2 away, so that this server gets everything from them`,
    );
  }

  #refuse(failure: string): undefined {
    this.failure = failure;
    return undefined;
  }

  #name(file: FileName): string {
    return this.#description === undefined ? file : displayName(file, this.#description);
  }
}

/** Java reads the first line, and may have written -1 where a server had no data at all. */
function parse(text: string | undefined | { readonly error: string }): Found {
  if (typeof text !== "string") return text;
  const line = text.split(/\r?\n/, 1)[0]!;
  if (line === "-1") return 0;
  if (!/^\d{1,19}$/.test(line)) return { error: line === "" ? "it is empty" : "it does not hold a number" };
  const epoch = Number.parseInt(line, 10);
  return epoch < EPOCH_LIMIT ? epoch : { error: `epoch ${line} is beyond what this server can count` };
}
