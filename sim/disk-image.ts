/**
 * One file of a simulated disk: what programs see, what would survive a loss of power for certain, and the changes in
 * between, each of which may survive or not. Bytes become durable by a sync; a crash chooses among the rest.
 */
import type { DiskError } from "../core/actor.ts";
import type { Prng } from "../core/base/prng.ts";

/**
 * What of the changes since the last sync is found after a loss of power.
 * `nothing`, `everything`; `prefix`: the earlier ones, the last of them torn at any byte; `suffix`: the later ones, the
 * first of them torn; `sectors`: any of the sectors that were written; `mixed`: one of these, drawn for every file.
 */
export type Survival = "nothing" | "everything" | "prefix" | "suffix" | "sectors" | "mixed";

const DRAWN: readonly Exclude<Survival, "mixed">[] = ["nothing", "everything", "prefix", "prefix", "suffix", "sectors"];

export function drawSurvival(survival: Survival, prng: Prng): Exclude<Survival, "mixed"> {
  return survival === "mixed" ? DRAWN[prng.below(DRAWN.length)]! : survival;
}

export const SECTOR_BYTES = 512;

type Change =
  | { readonly kind: "write"; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: "resize"; readonly size: number };

/** Bytes, and behind them as many zeros as `size` says; a reserved tail costs nothing. */
class Content {
  bytes: Uint8Array = new Uint8Array(0);
  filled = 0;
  size = 0;

  write(offset: number, source: Uint8Array, start = 0, end: number = source.length): void {
    const stop = offset + end - start;
    if (stop > this.bytes.length) {
      const grown = new Uint8Array(Math.max(stop, this.bytes.length * 2, 64));
      grown.set(this.bytes.subarray(0, this.filled));
      this.bytes = grown;
    }
    this.bytes.set(start === 0 && end === source.length ? source : source.subarray(start, end), offset);
    if (stop > this.filled) this.filled = stop;
    if (stop > this.size) this.size = stop;
  }

  resize(size: number): void {
    this.size = size;
    if (size >= this.filled) return;
    // What is written behind a cut must find zeros there.
    this.bytes.fill(0, size, this.filled);
    this.filled = size;
  }

  read(offset: number, length: number): Uint8Array {
    const stop = Math.min(this.size, offset + length);
    const bytes = new Uint8Array(Math.max(0, stop - offset));
    if (offset < this.filled) bytes.set(this.bytes.subarray(offset, Math.min(stop, this.filled)));
    return bytes;
  }

  apply(change: Change): void {
    if (change.kind === "resize") this.resize(change.size);
    else this.write(change.offset, change.bytes);
  }
}

export class DiskFile {
  #current: Content = new Content();
  #durable: Content = new Content();
  #changes: Change[] = [];
  /** Changes whose sync failed: a kernel may have dropped them and yet call a later sync a success. */
  #doubtful: Change[] = [];
  /** Where the next append goes. */
  #position = 0;
  /** An append failed: what follows is dropped too, so that no gap opens, until the actor knows. */
  failure: DiskError | undefined;
  /** Requests up to this number were made before it knew. */
  failureToldAt: number = Infinity;

  get size(): number {
    return this.#current.size;
  }
  /** Bytes that take room on the disk. */
  get filled(): number {
    return this.#current.filled;
  }
  get hasChanges(): boolean {
    return this.#changes.length > 0 || this.#doubtful.length > 0;
  }

  append(bytes: Uint8Array): void {
    this.#change({ kind: "write", offset: this.#position, bytes });
    this.#position += bytes.length;
  }
  /** Only a part was written, and the place where appends go has not moved. */
  appendFailed(written: Uint8Array, error: DiskError): void {
    if (written.length > 0) this.#change({ kind: "write", offset: this.#position, bytes: written });
    this.failure ??= error;
  }
  reserve(length: number): void {
    if (length > this.size) this.#change({ kind: "resize", size: length });
  }
  /** Whether an operation asked for as number `asked` meets a failure that its actor could not know of. */
  failureFor(asked: number): DiskError | undefined {
    if (asked <= this.failureToldAt) return this.failure;
    this.failure = undefined;
    this.failureToldAt = Infinity;
    return undefined;
  }

  truncate(length: number): void {
    if (length !== this.size) this.#change({ kind: "resize", size: length });
    this.#position = length;
  }
  read(offset: number, length: number): Uint8Array {
    return this.#current.read(offset, length);
  }

  sync(): void {
    for (const change of this.#changes) this.#durable.apply(change);
    this.#changes = [];
  }
  syncFailed(): void {
    this.#doubtful.push(...this.#changes);
    this.#changes = [];
  }

  /** Flips bits of what is on the disk, as a medium does. False where there is nothing. */
  rot(offset: number, mask: number): boolean {
    if (offset >= this.#durable.filled) return false;
    this.#durable.bytes[offset]! ^= mask;
    if (offset < this.#current.filled) this.#current.bytes[offset]! ^= mask;
    return true;
  }

  /** Power is lost and comes back: what is here is what was durable and some of the rest. */
  losePower(survival: Exclude<Survival, "mixed">, prng: Prng): void {
    const changes = [...this.#doubtful, ...this.#changes];
    const content = this.#durable;
    if (survival === "everything") for (const change of changes) content.apply(change);
    else if (survival === "prefix") applyPrefix(content, changes, prng);
    else if (survival === "suffix") applySuffix(content, changes, prng);
    else if (survival === "sectors") applySectors(content, changes, prng);
    this.#rest(content);
  }

  /** The process ended, the kernel did not: nothing that was written is lost. */
  loseProcess(): void {
    this.failure = undefined;
    this.failureToldAt = Infinity;
    this.#position = this.size;
  }

  #change(change: Change): void {
    this.#current.apply(change);
    this.#changes.push(change);
  }

  #rest(content: Content): void {
    this.#durable = content;
    this.#current = new Content();
    this.#current.write(0, content.bytes, 0, content.filled);
    this.#current.resize(content.size);
    this.#changes = [];
    this.#doubtful = [];
    this.failure = undefined;
    this.failureToldAt = Infinity;
    this.#position = content.size;
  }
}

function applyPrefix(content: Content, changes: readonly Change[], prng: Prng): void {
  const whole = prng.below(changes.length + 1);
  for (let i = 0; i < whole; i++) content.apply(changes[i]!);
  const torn = changes[whole];
  if (torn?.kind !== "write" || torn.bytes.length < 2) return;
  content.write(torn.offset, torn.bytes, 0, 1 + prng.below(torn.bytes.length - 1));
}

function applySuffix(content: Content, changes: readonly Change[], prng: Prng): void {
  const first = prng.below(changes.length + 1);
  for (let i = first; i < changes.length; i++) {
    const change = changes[i]!;
    const cut = i === first && change.kind === "write" ? prng.below(change.bytes.length) : 0;
    if (change.kind === "write") content.write(change.offset + cut, change.bytes, cut);
    else content.apply(change);
  }
}

/** Sectors are written whole or not at all; which of them were is anybody's guess. */
function applySectors(content: Content, changes: readonly Change[], prng: Prng): void {
  for (const change of changes) {
    if (change.kind === "resize") {
      if (prng.chance(1, 2)) content.apply(change);
      continue;
    }
    for (let start = 0; start < change.bytes.length;) {
      const offset = change.offset + start;
      const end = Math.min(change.bytes.length, start + SECTOR_BYTES - (offset % SECTOR_BYTES));
      if (prng.chance(1, 2)) content.write(offset, change.bytes, start, end);
      start = end;
    }
  }
}
