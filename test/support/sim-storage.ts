/**
 * A host with a simulated disk and nothing else, for parts that are not whole actors: it can be stopped after any disk
 * operation, and what of the rest survives a loss of power is drawn like in a whole simulation.
 */
import { NO_FACTS } from "../../core/actor.ts";
import type { ConnId, Context, DirectoryName, DiskOp, DiskOutcome, FileName } from "../../core/actor.ts";
import { Prng } from "../../core/base/prng.ts";
import { Outbox } from "../../core/outbox.ts";
import type { EffectSink } from "../../core/outbox.ts";
import { Disk, FAST_DISK } from "../../sim/disk.ts";
import type { DiskFault, DiskVerb } from "../../sim/disk.ts";
import type { Survival } from "../../sim/disk-image.ts";
import { Agenda } from "../../sim/events.ts";

export type Files = ReadonlyMap<string, Uint8Array>;
interface User {
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): unknown;
}

export class SimStorage implements EffectSink {
  readonly #agenda: Agenda = new Agenda();
  readonly #disk: Disk;
  #outbox: Outbox;
  #user: User | undefined;
  /** Operations that have taken effect in this run. */
  operations = 0;
  #now = 0;

  constructor(files: Files, seed = 1) {
    const user = {
      diskDid: (): void => void this.operations++,
      diskDone: (op: DiskOp, outcome: DiskOutcome): void => {
        this.event((cx) => this.#user?.onDiskDone(cx, op, outcome));
      },
    };
    this.#disk = new Disk(this.#agenda, FAST_DISK, new Prng(seed), user);
    this.#outbox = newOutbox();
    this.event((cx) => {
      for (const [name, bytes] of files) cx.append(name as FileName, bytes);
      for (const name of files.keys()) cx.sync(name as FileName);
      for (const directory of ["data/version-2", "log/version-2"]) cx.syncDirectory(directory as DirectoryName);
    });
    this.settle({ onDiskDone() {} });
  }

  event<T>(body: (cx: Context) => T): T {
    this.#outbox.begin(++this.#now, 1_700_000_000_000 + this.#now);
    const result = body(this.#outbox);
    this.#outbox.drain(this);
    return result;
  }

  /** Until nothing is under way, or so many operations have taken effect. */
  settle(user: User, operations = Infinity): void {
    this.#user = user;
    this.operations = 0;
    while (this.operations < operations && this.#agenda.step());
  }

  /** `survival` undefined: only the process ends. */
  crash(survival: Survival | undefined, seed: number): void {
    this.#disk.crash(survival, new Prng(seed));
    this.#outbox = newOutbox();
  }

  fail(fault: DiskFault): void {
    this.#disk.fail(fault);
  }

  files(): Files {
    return new Map([...this.#disk.files()].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  append(name: FileName, bytes: Uint8Array, start: number, end: number): void {
    this.#submit("append", 0 as DiskOp, name, { bytes: bytes.slice(start, end), length: end - start });
  }
  reserve(name: FileName, length: number): void {
    this.#submit("reserve", 0 as DiskOp, name, { length });
  }
  sync(op: DiskOp, name: FileName): void {
    this.#submit("sync", op, name);
  }
  syncDirectory(op: DiskOp, directory: DirectoryName): void {
    this.#submit("syncDirectory", op, directory);
  }
  readAt(op: DiskOp, name: FileName, offset: number, length: number): void {
    this.#submit("readAt", op, name, { offset, length });
  }
  list(op: DiskOp, directory: DirectoryName): void {
    this.#submit("list", op, directory);
  }
  rename(op: DiskOp, from: FileName, to: FileName): void {
    this.#submit("rename", op, from, { otherName: to });
  }
  remove(op: DiskOp, name: FileName): void {
    this.#submit("remove", op, name);
  }
  truncate(op: DiskOp, name: FileName, length: number): void {
    this.#submit("truncate", op, name, { length });
  }

  halt(): void {}
  connect(): void {}
  send(): void {}
  close(): void {}
  pause(): void {}
  resume(): void {}

  #submit(
    verb: DiskVerb,
    op: DiskOp,
    name: string,
    more: { otherName?: string; offset?: number; length?: number; bytes?: Uint8Array } = {},
  ): void {
    const { otherName = "", offset = 0, length = 0, bytes } = more;
    this.#disk.submit({ verb, op, name, otherName, offset, length, bytes });
  }
}

function newOutbox(): Outbox {
  return new Outbox(NO_FACTS, (_conn: ConnId) => 0);
}
