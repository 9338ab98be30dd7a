/**
 * The one {@link Context}: it keeps what an actor asks for during one event and hands it over, in order, when the
 * handler has returned. Both hosts use it, so an event is atomic in both: a handler that throws leaves no effects.
 * What an effect does is the sink's business. No Java counterpart: there the effects are calls in the middle of things.
 *
 * Slots and the byte arena are reused, so an event allocates nothing in the steady state.
 */
import type { Address, ConnId, Context, DirectoryName, DiskOp, Facts, FileName, Millis } from "./actor.ts";
import { invariant } from "./invariant.ts";

/** Bytes on one connection above which a host owes the actor an `onDrained` once they are with the network. */
export const QUEUED_HIGH_WATER: number = 256 * 1024;

/** Where effects go when an event is over. `bytes` is lent for the call only. No call may run an event. */
export interface EffectSink {
  connect(conn: ConnId, to: Address): void;
  send(conn: ConnId, bytes: Uint8Array, start: number, end: number): void;
  close(conn: ConnId): void;
  pause(conn: ConnId): void;
  resume(conn: ConnId): void;
  append(file: FileName, bytes: Uint8Array, start: number, end: number): void;
  reserve(file: FileName, length: number): void;
  sync(op: DiskOp, file: FileName): void;
  syncDirectory(op: DiskOp, directory: DirectoryName): void;
  readAt(op: DiskOp, file: FileName, offset: number, length: number): void;
  list(op: DiskOp, directory: DirectoryName): void;
  rename(op: DiskOp, from: FileName, to: FileName): void;
  remove(op: DiskOp, file: FileName): void;
  truncate(op: DiskOp, file: FileName, length: number): void;
  /** Always the last effect of its event. */
  halt(code: number, reason: string): void;
}

const Kind = {
  connect: 0,
  send: 1,
  close: 2,
  pause: 3,
  resume: 4,
  append: 5,
  reserve: 6,
  sync: 7,
  syncDirectory: 8,
  readAt: 9,
  list: 10,
  rename: 11,
  remove: 12,
  truncate: 13,
} as const;

/** One effect. `id` is a ConnId or a DiskOp; `from` and `to` are arena bounds, offsets or lengths, by kind. */
interface Slot {
  kind: number;
  id: number;
  name: string;
  otherName: string;
  from: number;
  to: number;
}

const ARENA_INITIAL = 4096;
/** A larger arena is given back after the event that needed it. */
const ARENA_KEPT = 4 * 1024 * 1024;
/** Below this a loop beats `set`, which has to make a view first. */
const COPY_BY_LOOP = 48;

export class Outbox implements Context {
  now: Millis = 0;
  wall: Millis = 0;
  readonly facts: Facts;
  /** What the host holds for a connection, this event's sends not included. */
  readonly #hostQueued: (conn: ConnId) => number;

  readonly #slots: Slot[] = [];
  #count = 0;
  #arena: Uint8Array = new Uint8Array(ARENA_INITIAL);
  #used = 0;
  #inEvent = false;
  #draining = false;
  #halt: { readonly code: number; readonly reason: string } | undefined;
  #lastConn = 0;
  #lastOp = 0;
  /** Sends of this event per connection, up to slot `#tallied`; brought up to date when somebody asks. */
  readonly #tally: Map<ConnId, number> = new Map();
  #tallied = 0;

  constructor(facts: Facts, hostQueued: (conn: ConnId) => number) {
    this.facts = facts;
    this.#hostQueued = hostQueued;
  }

  /** Opens an event. The host calls the handler next, then {@link drain}, or {@link discard} when it threw. */
  begin(now: Millis, wall: Millis): void {
    invariant(!this.#inEvent && !this.#draining, "events never nest");
    invariant(now >= this.now, "the monotonic clock never goes back");
    this.now = now;
    this.wall = wall;
    this.#inEvent = true;
  }

  /**
   * Closes the event and applies its effects in order. `halt` ends the list: with code 0 what was asked for before it
   * is still applied, with any other code the whole event is dropped, as in a crash.
   */
  drain(sink: EffectSink): void {
    invariant(this.#inEvent, "only an open event is drained");
    this.#inEvent = false;
    this.#draining = true;
    const halt = this.#halt;
    if (halt === undefined || halt.code === 0) {
      for (let i = 0; i < this.#count; i++) this.#apply(this.#slots[i]!, sink);
    }
    this.#reset();
    if (halt !== undefined) sink.halt(halt.code, halt.reason);
  }

  /** Closes the event and forgets its effects. */
  discard(): void {
    invariant(this.#inEvent, "only an open event is discarded");
    this.#inEvent = false;
    this.#reset();
  }

  /** A name for a connection that the host accepted. */
  nextConn(): ConnId {
    return ++this.#lastConn as ConnId;
  }

  connect(to: Address): ConnId {
    const conn = this.nextConn();
    this.#slot(Kind.connect, conn, to);
    return conn;
  }
  send(conn: ConnId, bytes: Uint8Array, start: number = 0, end: number = bytes.length): void {
    const from = this.#copy(bytes, start, end);
    const last = this.#count === 0 ? undefined : this.#slots[this.#count - 1]!;
    // A slot that was tallied must not grow, or `queued` would miss the difference.
    if (last?.kind === Kind.send && last.id === conn && this.#tallied < this.#count && this.#halt === undefined) {
      last.to = this.#used;
    } else this.#slot(Kind.send, conn, "", "", from, this.#used);
  }
  queued(conn: ConnId): number {
    for (; this.#tallied < this.#count; this.#tallied++) {
      const slot = this.#slots[this.#tallied]!;
      if (slot.kind !== Kind.send) continue;
      const id = slot.id as ConnId;
      this.#tally.set(id, (this.#tally.get(id) ?? 0) + slot.to - slot.from);
    }
    return this.#hostQueued(conn) + (this.#tally.get(conn) ?? 0);
  }
  close(conn: ConnId): void {
    this.#slot(Kind.close, conn);
  }
  pause(conn: ConnId): void {
    this.#slot(Kind.pause, conn);
  }
  resume(conn: ConnId): void {
    this.#slot(Kind.resume, conn);
  }

  append(file: FileName, bytes: Uint8Array, start: number = 0, end: number = bytes.length): void {
    const from = this.#copy(bytes, start, end);
    const last = this.#count === 0 ? undefined : this.#slots[this.#count - 1]!;
    if (last?.kind === Kind.append && last.name === file && this.#halt === undefined) last.to = this.#used;
    else this.#slot(Kind.append, 0, file, "", from, this.#used);
  }
  reserve(file: FileName, length: number): void {
    this.#slot(Kind.reserve, 0, file, "", length);
  }
  sync(file: FileName): DiskOp {
    return this.#diskOp(Kind.sync, file);
  }
  syncDirectory(directory: DirectoryName): DiskOp {
    return this.#diskOp(Kind.syncDirectory, directory);
  }
  readAt(file: FileName, offset: number, length: number): DiskOp {
    return this.#diskOp(Kind.readAt, file, "", offset, length);
  }
  list(directory: DirectoryName): DiskOp {
    return this.#diskOp(Kind.list, directory);
  }
  rename(from: FileName, to: FileName): DiskOp {
    return this.#diskOp(Kind.rename, from, to);
  }
  remove(file: FileName): DiskOp {
    return this.#diskOp(Kind.remove, file);
  }
  truncate(file: FileName, length: number): DiskOp {
    return this.#diskOp(Kind.truncate, file, "", length);
  }

  /** The first call wins. */
  halt(code: number, reason: string): void {
    invariant(this.#inEvent, "a context is valid during one event only");
    this.#halt ??= { code, reason };
  }

  #diskOp(kind: number, name: string, otherName = "", from = 0, to = 0): DiskOp {
    const op = ++this.#lastOp as DiskOp;
    this.#slot(kind, op, name, otherName, from, to);
    return op;
  }

  #slot(kind: number, id: number, name = "", otherName = "", from = 0, to = 0): void {
    invariant(this.#inEvent, "a context is valid during one event only");
    if (this.#halt !== undefined) return;
    const index = this.#count++;
    if (index === this.#slots.length) {
      this.#slots.push({ kind, id, name, otherName, from, to });
      return;
    }
    const slot = this.#slots[index]!;
    slot.kind = kind;
    slot.id = id;
    slot.name = name;
    slot.otherName = otherName;
    slot.from = from;
    slot.to = to;
  }

  /** Returns where the copy begins; it ends at `#used`. */
  #copy(bytes: Uint8Array, start: number, end: number): number {
    invariant(start >= 0 && start <= end && end <= bytes.length, "bounds lie within the bytes given");
    const from = this.#used;
    const length = end - start;
    if (from + length > this.#arena.length) this.#grow(from + length);
    const arena = this.#arena;
    if (length <= COPY_BY_LOOP) for (let i = 0; i < length; i++) arena[from + i] = bytes[start + i]!;
    else arena.set(length === bytes.length ? bytes : bytes.subarray(start, end), from);
    this.#used = from + length;
    return from;
  }

  #grow(needed: number): void {
    let size = this.#arena.length * 2;
    while (size < needed) size *= 2;
    const arena = new Uint8Array(size);
    arena.set(this.#arena.subarray(0, this.#used));
    this.#arena = arena;
  }

  #reset(): void {
    this.#draining = false;
    this.#count = 0;
    this.#used = 0;
    this.#halt = undefined;
    if (this.#tallied > 0) {
      this.#tally.clear();
      this.#tallied = 0;
    }
    if (this.#arena.length > ARENA_KEPT) this.#arena = new Uint8Array(ARENA_INITIAL);
  }

  #apply(slot: Slot, sink: EffectSink): void {
    switch (slot.kind) {
      case Kind.connect:
        return sink.connect(slot.id as ConnId, slot.name as Address);
      case Kind.send:
        return sink.send(slot.id as ConnId, this.#arena, slot.from, slot.to);
      case Kind.close:
        return sink.close(slot.id as ConnId);
      case Kind.pause:
        return sink.pause(slot.id as ConnId);
      case Kind.resume:
        return sink.resume(slot.id as ConnId);
      case Kind.append:
        return sink.append(slot.name as FileName, this.#arena, slot.from, slot.to);
      case Kind.reserve:
        return sink.reserve(slot.name as FileName, slot.from);
      case Kind.sync:
        return sink.sync(slot.id as DiskOp, slot.name as FileName);
      case Kind.syncDirectory:
        return sink.syncDirectory(slot.id as DiskOp, slot.name as DirectoryName);
      case Kind.readAt:
        return sink.readAt(slot.id as DiskOp, slot.name as FileName, slot.from, slot.to);
      case Kind.list:
        return sink.list(slot.id as DiskOp, slot.name as DirectoryName);
      case Kind.rename:
        return sink.rename(slot.id as DiskOp, slot.name as FileName, slot.otherName as FileName);
      case Kind.remove:
        return sink.remove(slot.id as DiskOp, slot.name as FileName);
      case Kind.truncate:
        return sink.truncate(slot.id as DiskOp, slot.name as FileName, slot.from);
    }
  }
}
