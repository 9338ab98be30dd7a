/**
 * A host with a disk and nothing else: runs handlers, keeps files in memory, completes operations one by one when told
 * to. What is not synced is lost, or torn, in {@link MemoryDisk.crash}. A fake of the host, not of any module of ours.
 */
import { NO_FACTS } from "../../core/actor.ts";
import type {
  ConnId,
  Context,
  DirectoryName,
  DiskError,
  DiskOp,
  DiskOutcome,
  Facts,
  FileName,
} from "../../core/actor.ts";
import { Outbox } from "../../core/outbox.ts";
import type { EffectSink } from "../../core/outbox.ts";

interface MemoryFile {
  bytes: Uint8Array;
  /** Where appends go. */
  position: number;
  /** At least `position`; the difference is padding. */
  size: number;
  /** What a crash leaves: so many bytes as they are, and zeros up to the size. */
  durablePosition: number;
  durableSize: number;
  /** The durable bytes themselves, once what they were was cut off and that is not durable yet. */
  durableBytes: Uint8Array | undefined;
  failure: DiskError | undefined;
}
interface Pending {
  readonly op: DiskOp;
  readonly name: string;
  readonly what: string;
  readonly run: () => DiskOutcome;
}
export interface DiskUser {
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): unknown;
}

export class MemoryDisk implements EffectSink {
  files: Map<string, MemoryFile> = new Map();
  #durableNames: Map<string, MemoryFile> = new Map();
  #pending: Pending[] = [];
  #now = 0;
  /** The wall clock when the process at hand began. */
  #wallOrigin = 1_700_000_000_000;
  #outbox: Outbox;
  /** How long an event takes. */
  protected eventTakes = 1;
  /** Bytes that may be stored; beyond it appends fail. */
  capacity: number = Infinity;
  /** Operations asked for, like `sync log/version-2/log.1`. */
  readonly trace: string[] = [];
  halted: string | undefined;
  /** Appended and not yet synced, and the most there has ever been. */
  unsyncedBytes = 0;
  unsyncedBytesMax = 0;
  readonly #facts: Facts;

  constructor(facts: Facts = NO_FACTS) {
    this.#facts = facts;
    this.#outbox = this.#newOutbox();
  }

  get now(): number {
    return this.#now;
  }

  /** A name for a connection, for those who have connections too. */
  protected nextConn(): ConnId {
    return this.#outbox.nextConn();
  }
  protected queued(_conn: ConnId): number {
    return 0;
  }
  #newOutbox(): Outbox {
    return new Outbox(this.#facts, (conn) => this.queued(conn));
  }

  /** One event. */
  event<T>(body: (cx: Context) => T): T {
    this.#now += this.eventTakes;
    this.#outbox.begin(this.#now, this.#wallOrigin + this.#now);
    let result: T;
    try {
      result = body(this.#outbox);
    } catch (error) {
      this.#outbox.discard();
      throw error;
    }
    this.#outbox.drain(this);
    return result;
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  /** Completes the oldest operation and delivers it. */
  completeOne(user: DiskUser): unknown {
    const next = this.#pending.shift();
    if (next === undefined) throw new Error("nothing is pending");
    const outcome = next.run();
    return this.event((cx) => user.onDiskDone(cx, next.op, outcome));
  }

  /** Completes operations, also those that completions ask for, until none is left. */
  settle(user: DiskUser): void {
    while (this.#pending.length > 0) this.completeOne(user);
  }

  /** The process ends; what it wrote stays, synced or not. */
  kill(): void {
    this.#pending = [];
    this.#outbox = this.#newOutbox();
    this.#wallOrigin += this.#now + 1;
    this.#now = 0;
  }

  /** The power goes. `keep` says how much of a file's unsynced bytes survives (a count), and so tears them. */
  crash(keep: (name: string, unsynced: number) => number = () => 0): void {
    this.kill();
    this.files = new Map();
    for (const [name, file] of this.#durableNames) {
      const { durableSize, durablePosition } = file;
      const length = Math.min(file.size, durableSize + keep(name, Math.max(0, file.size - durableSize)));
      const survived = new Uint8Array(Math.max(length, durableSize));
      survived.set(file.bytes.subarray(0, length));
      survived.fill(0, 0, durableSize);
      survived.set((file.durableBytes ?? file.bytes).subarray(0, durablePosition));
      this.files.set(name, fileOf(survived));
    }
    this.#durableNames = new Map(this.files);
    this.unsyncedBytes = 0;
  }

  read(name: string): Uint8Array {
    const file = this.files.get(name);
    if (file === undefined) throw new Error(`no file ${name}`);
    return file.bytes.slice(0, file.size);
  }

  /** Puts a durable file there. */
  write(name: string, bytes: Uint8Array): void {
    const file = fileOf(bytes);
    this.files.set(name, file);
    this.#durableNames.set(name, file);
  }

  delete(name: string): void {
    this.files.delete(name);
    this.#durableNames.delete(name);
  }

  names(): string[] {
    return [...this.files.keys()].sort((a, b) => (a < b ? -1 : 1));
  }

  append(name: FileName, bytes: Uint8Array, start: number, end: number): void {
    const file = this.#fileFor(name);
    const used = this.#used();
    const fits = Math.max(0, Math.min(end - start, this.capacity - used));
    if (fits < end - start) file.failure = "full";
    const needed = file.position + fits;
    if (needed > file.bytes.length) {
      const larger = new Uint8Array(Math.max(needed, file.bytes.length * 2));
      larger.set(file.bytes);
      file.bytes = larger;
    }
    file.bytes.set(bytes.subarray(start, start + fits), file.position);
    file.position = needed;
    file.size = Math.max(file.size, needed);
    this.unsyncedBytes += fits;
    this.unsyncedBytesMax = Math.max(this.unsyncedBytesMax, this.unsyncedBytes);
  }

  reserve(name: FileName, length: number): void {
    const file = this.#fileFor(name);
    file.size = Math.max(file.size, length);
    if (length > file.bytes.length) {
      const larger = new Uint8Array(length);
      larger.set(file.bytes);
      file.bytes = larger;
    }
  }

  sync(op: DiskOp, name: FileName): void {
    // Bytes appended after the call are not covered by it.
    const at = this.files.get(name);
    const position = at?.position ?? 0;
    const size = at?.size ?? 0;
    this.#queue(op, name, `sync ${name}`, () => {
      const file = this.files.get(name);
      if (file === undefined || at === undefined) return failed("missing");
      if (file.failure !== undefined) {
        const error = file.failure;
        file.failure = undefined;
        return failed(error);
      }
      file.durablePosition = position;
      file.durableSize = size;
      file.durableBytes = undefined;
      this.unsyncedBytes = Math.max(0, file.position - position);
      return { kind: "synced" };
    });
  }

  syncDirectory(op: DiskOp, directory: DirectoryName): void {
    this.#queue(op, directory, `syncDirectory ${directory}`, () => {
      for (const name of this.#durableNames.keys()) {
        if (directoryOf(name) === directory && !this.files.has(name)) this.#durableNames.delete(name);
      }
      for (const [name, file] of this.files) if (directoryOf(name) === directory) this.#durableNames.set(name, file);
      return { kind: "synced" };
    });
  }

  readAt(op: DiskOp, name: FileName, offset: number, length: number): void {
    this.#queue(op, name, `readAt ${name}`, () => {
      const file = this.files.get(name);
      if (file === undefined) return failed("missing");
      const end = Math.min(file.size, offset + length);
      return { kind: "read", bytes: file.bytes.slice(Math.min(offset, end), end), endOfFile: end === file.size };
    });
  }

  list(op: DiskOp, directory: DirectoryName): void {
    this.#queue(op, directory, `list ${directory}`, () => {
      const names = this.names().filter((name) => directoryOf(name) === directory);
      return {
        kind: "listed",
        files: names.map((name) => ({ name: name.slice(directory.length + 1), size: this.files.get(name)!.size })),
      };
    });
  }

  rename(op: DiskOp, from: FileName, to: FileName): void {
    this.#queue(op, from, `rename ${from} ${to}`, () => {
      const file = this.files.get(from);
      if (file === undefined) return failed("missing");
      this.files.delete(from);
      this.files.set(to, file);
      return { kind: "renamed" };
    });
  }

  remove(op: DiskOp, name: FileName): void {
    this.#queue(op, name, `remove ${name}`, () => {
      return this.files.delete(name) ? { kind: "removed" } : failed("missing");
    });
  }

  truncate(op: DiskOp, name: FileName, length: number): void {
    this.#queue(op, name, `truncate ${name} ${length}`, () => {
      const file = this.files.get(name);
      if (file === undefined) return failed("missing");
      if (length < file.durablePosition) file.durableBytes ??= file.bytes.slice(0, file.durablePosition);
      file.size = length;
      file.position = length;
      file.bytes.fill(0, length);
      return { kind: "truncated" };
    });
  }

  halt(code: number, reason: string): void {
    this.halted = `${code} ${reason}`;
  }

  connect(): void {}
  send(_conn: ConnId, _bytes: Uint8Array, _start: number, _end: number): void {}
  close(_conn: ConnId): void {}
  pause(_conn: ConnId): void {}
  resume(_conn: ConnId): void {}

  #queue(op: DiskOp, name: string, what: string, run: () => DiskOutcome): void {
    this.trace.push(what);
    this.#pending.push({ op, name, what, run });
  }

  #used(): number {
    if (this.capacity === Infinity) return 0;
    let used = 0;
    for (const file of this.files.values()) used += file.position;
    return used;
  }

  #fileFor(name: string): MemoryFile {
    let file = this.files.get(name);
    if (file === undefined) {
      file = fileOf(new Uint8Array(0));
      this.files.set(name, file);
    }
    return file;
  }
}

function fileOf(bytes: Uint8Array): MemoryFile {
  return {
    bytes: bytes.slice(),
    position: bytes.length,
    size: bytes.length,
    durablePosition: bytes.length,
    durableSize: bytes.length,
    durableBytes: undefined,
    failure: undefined,
  };
}

function failed(error: DiskError): DiskOutcome {
  return { kind: "failed", error, detail: `the disk said: ${error}` };
}

function directoryOf(name: string): string {
  return name.slice(0, name.lastIndexOf("/"));
}
