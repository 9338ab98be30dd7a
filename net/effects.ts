/** What the real host does with an actor's effects: connections to {@link Tcp}, files to {@link Disk}. */
import type { Address, ConnId, DirectoryName, DiskOp, FileName } from "../core/actor.ts";
import { invariant } from "../core/invariant.ts";
import type { EffectSink } from "../core/outbox.ts";
import type { Disk } from "./disk.ts";
import type { Tcp } from "./tcp.ts";

export class Effects implements EffectSink {
  readonly #tcp: Tcp;
  readonly #disk: Disk | undefined;
  readonly #halt: (code: number, reason: string) => void;

  constructor(tcp: Tcp, disk: Disk | undefined, halt: (code: number, reason: string) => void) {
    this.#tcp = tcp;
    this.#disk = disk;
    this.#halt = halt;
  }

  connect(conn: ConnId, to: Address): void {
    this.#tcp.connect(conn, to);
  }
  send(conn: ConnId, bytes: Uint8Array, start: number, end: number): void {
    this.#tcp.send(conn, bytes, start, end);
  }
  close(conn: ConnId): void {
    this.#tcp.close(conn);
  }
  pause(conn: ConnId): void {
    this.#tcp.pause(conn);
  }
  resume(conn: ConnId): void {
    this.#tcp.resume(conn);
  }
  append(file: FileName, bytes: Uint8Array, start: number, end: number): void {
    this.#files().append(file, bytes, start, end);
  }
  reserve(file: FileName, length: number): void {
    this.#files().reserve(file, length);
  }
  sync(op: DiskOp, file: FileName): void {
    this.#files().sync(op, file);
  }
  syncDirectory(op: DiskOp, directory: DirectoryName): void {
    this.#files().syncDirectory(op, directory);
  }
  readAt(op: DiskOp, file: FileName, offset: number, length: number): void {
    this.#files().readAt(op, file, offset, length);
  }
  list(op: DiskOp, directory: DirectoryName): void {
    this.#files().list(op, directory);
  }
  rename(op: DiskOp, from: FileName, to: FileName): void {
    this.#files().rename(op, from, to);
  }
  remove(op: DiskOp, file: FileName): void {
    this.#files().remove(op, file);
  }
  truncate(op: DiskOp, file: FileName, length: number): void {
    this.#files().truncate(op, file, length);
  }
  halt(code: number, reason: string): void {
    this.#halt(code, reason);
  }

  #files(): Disk {
    invariant(this.#disk !== undefined, "only an actor with volumes uses files");
    return this.#disk;
  }
}
