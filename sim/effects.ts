/** What a simulated host does with its actor's effects, in the order they were asked for. Belongs to host.ts. */
import type { Address, ConnId, DirectoryName, DiskOp, FileName } from "../core/actor.ts";
import type { EffectSink } from "../core/outbox.ts";
import type { Disk, DiskRequest, DiskVerb } from "./disk.ts";
import { describeRequest } from "./disk.ts";
import type { Network } from "./network.ts";
import type { NetworkUser, Side } from "./side.ts";
import type { Trace } from "./trace.ts";

export interface Halt {
  readonly kind: "halted";
  readonly code: number;
  readonly reason: string;
}

export class Effects implements EffectSink {
  readonly #host: NetworkUser;
  readonly #network: Network;
  readonly #disk: Disk;
  readonly #trace: Trace;
  readonly #halted: (halt: Halt) => void;
  readonly #sides: Map<ConnId, Side> = new Map();
  /** Sides sent on in this event, to be pumped once. */
  readonly #touched: Side[] = [];

  constructor(host: NetworkUser, network: Network, disk: Disk, trace: Trace, halted: (halt: Halt) => void) {
    this.#host = host;
    this.#network = network;
    this.#disk = disk;
    this.#trace = trace;
    this.#halted = halted;
  }

  adopt(side: Side): void {
    this.#sides.set(side.conn, side);
  }
  /** False when it belongs to an earlier run. */
  release(side: Side): boolean {
    return this.#sides.get(side.conn) === side && this.#sides.delete(side.conn);
  }
  clear(): void {
    this.#sides.clear();
    this.#touched.length = 0;
  }
  queued(conn: ConnId): number {
    return this.#sides.get(conn)?.queued ?? 0;
  }
  /** What one event sent leaves as one flight. */
  flush(): void {
    const touched = this.#touched;
    for (let i = 0; i < touched.length; i++) touched[i]!.pump();
    touched.length = 0;
  }

  connect(conn: ConnId, to: Address): void {
    this.#sides.set(conn, this.#network.connect(this.#host, conn, to));
    if (this.#trace.wordy) this.#trace.effect(`connect conn ${conn} to ${to}`);
  }
  send(conn: ConnId, bytes: Uint8Array, start: number, end: number): void {
    this.#trace.mix(end - start);
    if (this.#trace.wordy) this.#trace.effect(`send conn ${conn} ${end - start} bytes`);
    const side = this.#sides.get(conn);
    if (side === undefined) return;
    side.send(bytes, start, end);
    const touched = this.#touched;
    if (touched.length === 0 || touched[touched.length - 1] !== side) touched.push(side);
  }
  close(conn: ConnId): void {
    this.#trace.mix(conn);
    if (this.#trace.wordy) this.#trace.effect(`close conn ${conn}`);
    this.#sides.get(conn)?.close();
  }
  pause(conn: ConnId): void {
    if (this.#trace.wordy) this.#trace.effect(`pause conn ${conn}`);
    this.#sides.get(conn)?.pause();
  }
  resume(conn: ConnId): void {
    if (this.#trace.wordy) this.#trace.effect(`resume conn ${conn}`);
    this.#sides.get(conn)?.resume();
  }

  append(file: FileName, bytes: Uint8Array, start: number, end: number): void {
    this.#submit("append", 0, file, "", 0, end - start, bytes.slice(start, end));
  }
  reserve(file: FileName, length: number): void {
    this.#submit("reserve", 0, file, "", 0, length);
  }
  sync(op: DiskOp, file: FileName): void {
    this.#submit("sync", op, file);
  }
  syncDirectory(op: DiskOp, directory: DirectoryName): void {
    this.#submit("syncDirectory", op, directory);
  }
  readAt(op: DiskOp, file: FileName, offset: number, length: number): void {
    this.#submit("readAt", op, file, "", offset, length);
  }
  list(op: DiskOp, directory: DirectoryName): void {
    this.#submit("list", op, directory);
  }
  rename(op: DiskOp, from: FileName, to: FileName): void {
    this.#submit("rename", op, from, to);
  }
  remove(op: DiskOp, file: FileName): void {
    this.#submit("remove", op, file);
  }
  truncate(op: DiskOp, file: FileName, length: number): void {
    this.#submit("truncate", op, file, "", 0, length);
  }

  halt(code: number, reason: string): void {
    this.#trace.mix(code);
    if (this.#trace.wordy) this.#trace.effect(`halt ${code} ${reason}`);
    this.flush();
    // Whoever halts because it was asked to has said its last words, and they are delivered.
    if (code === 0) for (const side of this.#sides.values()) side.close();
    this.#halted({ kind: "halted", code, reason });
  }

  #submit(verb: DiskVerb, op: number, name: string, otherName = "", offset = 0, length = 0, bytes?: Uint8Array): void {
    const request: DiskRequest = { verb, op: op as DiskOp, name, otherName, offset, length, bytes };
    if (this.#trace.wordy) this.#trace.effect(describeRequest(request));
    this.#disk.submit(request);
  }
}
