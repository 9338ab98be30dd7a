/**
 * A server small enough to be seen through, with a log, group commit, rolls and recovery, and with three switches that
 * break it the way real servers were broken. It is there to prove that the simulator finds such bugs; a real server's
 * campaign is in sim/campaigns.
 */
import type {
  Actor,
  Address,
  ConnId,
  Context,
  DirectoryName,
  DiskOp,
  DiskOutcome,
  FileName,
} from "../../core/actor.ts";

const DIRECTORY = "log/version-2" as DirectoryName;
/** id, number of puts (1 or 2), key, value, key, value, checksum: 32-bit words. */
const RECORD_BYTES = 28;
const RECORDS_PER_FILE = 4;
const REPLY_BYTES = 4;

export interface Put {
  readonly id: number;
  readonly puts: readonly (readonly [key: number, value: number])[];
}

export function encodePut(put: Put): Uint8Array {
  const view = new DataView(new ArrayBuffer(RECORD_BYTES));
  const [first, second] = put.puts;
  const words = [put.id, put.puts.length, ...first!, ...(second ?? [0, 0])];
  words.forEach((word, i) => view.setUint32(4 * i, word));
  view.setUint32(24, checksum(view, 0));
  return new Uint8Array(view.buffer);
}

function checksum(view: DataView, start: number): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < 24; i += 4) sum = Math.imul(sum ^ view.getUint32(start + i), 0x01000193);
  return sum >>> 0;
}

function decodePut(view: DataView, start: number): Put | undefined {
  if (start + RECORD_BYTES > view.byteLength || view.getUint32(start + 24) !== checksum(view, start)) return undefined;
  const word = (i: number): number => view.getUint32(start + 4 * i);
  const puts: [number, number][] = [[word(2), word(3)]];
  if (word(1) === 2) puts.push([word(4), word(5)]);
  return { id: word(0), puts };
}

export class Ledger implements Actor {
  readonly values: Map<number, number> = new Map();
  readonly ids: number[] = [];
  recovered = false;
  readonly #mutants: ReadonlySet<string>;
  readonly #input: Map<ConnId, number[]> = new Map();
  #reading: { names: string[]; op: DiskOp | undefined } = { names: [], op: undefined };
  #file = 0;
  #recordsInFile = RECORDS_PER_FILE;
  #newName = false;
  #unsynced: { conn: ConnId; id: number }[] = [];
  /** Files with appends that no sync was asked for. */
  readonly #dirty: Set<FileName> = new Set();
  #commit: { readonly ops: Set<DiskOp>; readonly acks: { conn: ConnId; id: number }[] } | undefined;

  constructor(mutants: ReadonlySet<string> = new Set()) {
    this.#mutants = mutants;
  }

  onStarted(cx: Context): void {
    this.#reading.op = cx.list(DIRECTORY);
  }
  onAccepted(cx: Context, conn: ConnId): void {
    this.#input.set(conn, []);
    if (!this.recovered) cx.pause(conn);
  }
  onConnected(): void {}
  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): void {
    const input = this.#input.get(conn)!;
    input.push(...bytes);
    while (input.length >= RECORD_BYTES) {
      const record = Uint8Array.from(input.splice(0, RECORD_BYTES));
      const put = decodePut(new DataView(record.buffer), 0)!;
      this.#log(cx, record);
      this.#apply(put, false);
      this.#unsynced.push({ conn, id: put.id });
    }
    this.#startCommit(cx);
  }
  onDrained(): void {}
  onClosed(_cx: Context, conn: ConnId): void {
    this.#input.delete(conn);
  }
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): void {
    if (op === this.#reading.op) return this.#onRead(cx, outcome);
    if (outcome.kind === "failed") return cx.halt(10, outcome.detail);
    const commit = this.#commit;
    if (commit === undefined || !commit.ops.delete(op) || commit.ops.size > 0) return;
    this.#commit = undefined;
    for (const ack of commit.acks) this.#acknowledge(cx, ack);
    this.#startCommit(cx);
  }
  onDeadline(): void {}
  onStopRequested(cx: Context): void {
    cx.halt(0, "asked to");
  }
  deadline(): number {
    return Infinity;
  }

  #log(cx: Context, record: Uint8Array): void {
    if (this.#recordsInFile === RECORDS_PER_FILE) {
      this.#file++;
      this.#recordsInFile = 0;
      this.#newName = true;
    }
    this.#recordsInFile++;
    const name = `${DIRECTORY}/ledger.${String(this.#file).padStart(6, "0")}` as FileName;
    cx.append(name, record);
    this.#dirty.add(name);
  }

  #startCommit(cx: Context): void {
    if (this.#commit !== undefined || this.#unsynced.length === 0) return;
    const ops = new Set<DiskOp>();
    for (const name of this.#dirty) ops.add(cx.sync(name));
    if (this.#newName && !this.#mutants.has("skip-directory-sync")) ops.add(cx.syncDirectory(DIRECTORY));
    this.#newName = false;
    this.#dirty.clear();
    const acks = this.#unsynced;
    this.#unsynced = [];
    if (this.#mutants.has("ack-before-sync")) for (const ack of acks.splice(0)) this.#acknowledge(cx, ack);
    this.#commit = { ops, acks };
  }

  #acknowledge(cx: Context, { conn, id }: { conn: ConnId; id: number }): void {
    const reply = new Uint8Array(REPLY_BYTES);
    new DataView(reply.buffer).setUint32(0, id);
    cx.send(conn, reply);
  }

  #apply(put: Put, replay: boolean): void {
    const puts = replay && this.#mutants.has("misreplay-multi") ? put.puts.slice(0, 1) : put.puts;
    for (const [key, value] of puts) this.values.set(key, value);
    this.ids.push(put.id);
  }

  #onRead(cx: Context, outcome: DiskOutcome): void {
    if (outcome.kind === "listed") this.#reading.names = outcome.files.map((file) => file.name);
    else if (outcome.kind === "read") {
      const { buffer, byteOffset, byteLength } = outcome.bytes;
      const view = new DataView(buffer, byteOffset, byteLength);
      // A torn record ends its file, not the log: what follows was written by a later run.
      for (let at = 0; ; at += RECORD_BYTES) {
        const put = decodePut(view, at);
        if (put === undefined) break;
        this.#apply(put, true);
      }
    } else return cx.halt(10, "a file cannot be read");
    const name = this.#reading.names.shift();
    if (name !== undefined) {
      this.#file = Number(name.split(".")[1]);
      this.#reading.op = cx.readAt(`${DIRECTORY}/${name}` as FileName, 0, 1 << 16);
      return;
    }
    this.#reading.op = undefined;
    this.recovered = true;
    for (const conn of this.#input.keys()) cx.resume(conn);
  }
}

/** Without news for so long a client tries a new connection: the old one may be half open. */
const PATIENCE = 50;

/** Sends one put after another, a few at a time, and notes what was acknowledged. Connects again when it must. */
export class LedgerClient implements Actor {
  /** In the order of sending, over all connections. */
  readonly sent: Put[];
  readonly acknowledged: Set<number>;
  readonly #to: Address;
  readonly #draw: (n: number) => number;
  #conn: ConnId | undefined;
  #input: number[] = [];
  #outstanding = 0;
  #wakeAt = 0;

  constructor(to: Address, draw: (n: number) => number, sent: Put[], acknowledged: Set<number>) {
    this.#to = to;
    this.#draw = draw;
    this.sent = sent;
    this.acknowledged = acknowledged;
  }

  onStarted(): void {}
  onAccepted(): void {}
  onConnected(cx: Context): void {
    this.#wakeAt = cx.now + PATIENCE;
    this.#send(cx);
  }
  onReceived(cx: Context, _conn: ConnId, bytes: Uint8Array): void {
    this.#wakeAt = cx.now + PATIENCE;
    this.#input.push(...bytes);
    while (this.#input.length >= REPLY_BYTES) {
      const reply = Uint8Array.from(this.#input.splice(0, REPLY_BYTES));
      this.acknowledged.add(new DataView(reply.buffer).getUint32(0));
      this.#outstanding--;
    }
    this.#send(cx);
  }
  onDrained(): void {}
  onClosed(cx: Context): void {
    this.#conn = undefined;
    this.#wakeAt = cx.now + 5;
  }
  onDiskDone(): void {}
  onDeadline(cx: Context): void {
    this.#wakeAt = Infinity;
    if (this.#conn !== undefined) return cx.close(this.#conn);
    this.#input = [];
    this.#outstanding = 0;
    this.#conn = cx.connect(this.#to);
  }
  onStopRequested(): void {}
  deadline(): number {
    return this.#wakeAt;
  }

  #send(cx: Context): void {
    for (; this.#outstanding < 3; this.#outstanding++) {
      const id = this.sent.length + 1;
      const puts = Array.from({ length: 1 + this.#draw(2) }, () => [this.#draw(8), id] as const);
      const put: Put = { id, puts };
      this.sent.push(put);
      cx.send(this.#conn!, encodePut(put));
    }
  }
}
