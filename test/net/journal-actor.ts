/** A sample actor for tests of the real host: logs every byte it gets and echoes it when it is durable. */
import type { Actor, Address, CloseCause, ConnId, Context, DiskOp, DiskOutcome, FileName } from "../../core/actor.ts";
import type { DirectoryName, Port } from "../../core/actor.ts";

export const JOURNAL: FileName = "log/version-2/journal" as FileName;
export const DIRECTORY: DirectoryName = "log/version-2" as DirectoryName;

export class JournalActor implements Actor {
  readonly events: string[] = [];
  /** What was read back at start. */
  recovered = "";
  readonly #reading: Set<DiskOp> = new Set();
  #waiting: { conn: ConnId; bytes: Uint8Array }[] = [];
  readonly #syncs: Map<DiskOp, { conn: ConnId; bytes: Uint8Array }[]> = new Map();

  onStarted(cx: Context): void {
    this.#reading.add(cx.readAt(JOURNAL, 0, 1 << 20));
  }
  onAccepted(_cx: Context, _conn: ConnId, port: Port, from: Address, subject?: string): void {
    this.events.push(`accepted ${port} ${from.slice(0, from.lastIndexOf(":"))} ${subject ?? "-"}`);
  }
  onConnected(): void {}
  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): void {
    this.events.push(`received ${Buffer.from(bytes).toString()}`);
    cx.append(JOURNAL, bytes);
    this.#waiting.push({ conn, bytes: bytes.slice() });
  }
  onDrained(): void {}
  onClosed(_cx: Context, _conn: ConnId, cause: CloseCause): void {
    this.events.push(`closed ${cause}`);
  }
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): void {
    if (this.#reading.has(op)) {
      if (outcome.kind === "read") this.recovered = Buffer.from(outcome.bytes).toString();
      return;
    }
    if (outcome.kind !== "synced") return cx.halt(10, "the journal cannot be written");
    for (const { conn, bytes } of this.#syncs.get(op) ?? []) cx.send(conn, bytes);
    this.#syncs.delete(op);
  }
  onDeadline(cx: Context): void {
    if (this.#waiting.length === 0) return;
    this.#syncs.set(cx.sync(JOURNAL), this.#waiting);
    this.#waiting = [];
  }
  onStopRequested(cx: Context): void {
    cx.halt(0, "asked to");
  }
  deadline(): number {
    return this.#waiting.length > 0 ? 0 : Infinity;
  }
}
