/**
 * One of the two histories of a differential run: plays steps over several connections against whichever server holds
 * that history's data, and writes down what each connection sees, in the order it sees it.
 */
import type { OpCode } from "../../core/protocol/op-codes.ts";
import { Reader } from "../../core/jute/reader.ts";
import { encodeConnect, encodeRequest, type Op, type ReadOp } from "./ops.ts";
import { decodeEvent, decodeReply, type Entry, Names, type ReplyEntry } from "./replies.ts";
import { passwordOf } from "./password.ts";
import { frame, Wire } from "./wire.ts";

/** What a test does next; `slot` is a client that owns one session at a time and at most one connection. */
export type Step =
  /** A new session. `readOnly` undefined leaves the byte out. */
  | { readonly kind: "open"; readonly slot: number; readonly timeout: number; readonly readOnly: boolean | undefined }
  /** The slot's session again on a new connection, while the old one may still be there. */
  | {
      readonly kind: "resume";
      readonly slot: number;
      readonly timeout: number;
      readonly how: "right" | "wrong password" | "short password" | "zxid ahead";
    }
  /** The connection ends without closeSession. */
  | { readonly kind: "drop"; readonly slot: number }
  | { readonly kind: "close"; readonly slot: number }
  /** Requests sent in one go. */
  | { readonly kind: "ops"; readonly slot: number; readonly ops: readonly Op[]; readonly xid?: number }
  /** exists, after a getData that shows whether the node can be read (see explained.ts). */
  | { readonly kind: "exists"; readonly slot: number; readonly path: string | null; readonly watch: boolean }
  /** Bytes that are no request, after which the server is expected to close. */
  | { readonly kind: "garbage"; readonly slot: number; readonly hex: string }
  /** Every connection catches up with its events. */
  | { readonly kind: "flush" }
  /** Both servers are killed and start again, on their own data or, with `swap`, on each other's. */
  | { readonly kind: "restart"; readonly swap: boolean };

/** What one connection saw during a step. */
export interface Seen {
  readonly slot: number;
  readonly entries: readonly Entry[];
  /** The events are not in the order of their arrival. */
  readonly sorted?: boolean;
}

interface Slot {
  wire: Wire | undefined;
  session: bigint;
  password: Uint8Array;
  xid: number;
}

const REPLY_TIMEOUT = 20_000;
const CLOSE_TIMEOUT = 5000;
const NO_PASSWORD = new Uint8Array(16);
const PING: Op = { type: 11 };
const CLOSE: Op = { type: -11 };
const XID_PING = -2;
const XID_AUTH = -4;
/** After these the server closes the connection. */
const ERR_UNIMPLEMENTED = -6;
const ERR_AUTH_FAILED = -115;
const ERR_AUTH_REQUIRED = -124;

export class Side {
  readonly #port: number;
  readonly #restart: (swap: boolean) => Promise<void>;
  readonly #slots: Slot[];
  readonly #names = new Names();
  #lastZxid = 0;

  /** `restart` kills the server and starts it (or the other one, with `swap`) on the same port and data. */
  constructor(port: number, slots: number, restart: (swap: boolean) => Promise<void>) {
    this.#port = port;
    this.#restart = restart;
    this.#slots = Array.from({ length: slots }, () => ({
      wire: undefined,
      session: 0n,
      password: NO_PASSWORD,
      xid: 0,
    }));
  }

  isOpen(slot: number): boolean {
    return this.#slots[slot]!.wire !== undefined;
  }

  hasSession(slot: number): boolean {
    return this.#slots[slot]!.session !== 0n;
  }

  disconnectAll(): void {
    for (const slot of this.#slots) {
      slot.wire?.drop();
      slot.wire = undefined;
    }
  }

  /** Plays one step. A step that does not fit the slot's state (its reason was cut away) does nothing. */
  async play(step: Step): Promise<Seen[]> {
    if (step.kind === "flush") return this.#flush(-1, false);
    if (step.kind === "restart") {
      const seen = await this.#flush(-1, false);
      await this.#restart(step.swap);
      this.disconnectAll();
      return seen;
    }
    const slot = this.#slots[step.slot]!;
    switch (step.kind) {
      case "open":
        return slot.wire === undefined ? [this.#seen(slot, await this.#open(slot, step))] : [];
      case "resume":
        return slot.session === 0n ? [] : this.#resume(slot, step);
      default:
        return slot.wire === undefined ? [] : this.#playConnected(slot, slot.wire, step);
    }
  }

  async #playConnected(
    slot: Slot,
    wire: Wire,
    step: Exclude<Step, { kind: "open" | "resume" | "flush" | "restart" }>,
  ): Promise<Seen[]> {
    switch (step.kind) {
      case "drop": {
        const entries = await this.#exchange(slot, [PING]);
        slot.wire?.drop();
        slot.wire = undefined;
        return [this.#seen(slot, entries)];
      }
      case "close":
        return this.#close(slot);
      case "ops":
        return [this.#seen(slot, await this.#exchange(slot, step.ops, step.xid))];
      case "exists":
        return [this.#seen(slot, await this.#exists(slot, step.path, step.watch))];
      case "garbage": {
        const entries = await this.#exchange(slot, [PING]);
        wire.send(Buffer.from(step.hex, "hex"));
        entries.push(...(await this.#awaitClose(slot)));
        return [this.#seen(slot, entries)];
      }
    }
  }

  #seen(slot: Slot, entries: readonly Entry[]): Seen {
    return { slot: this.#slots.indexOf(slot), entries };
  }

  async #open(slot: Slot, step: { timeout: number; readOnly: boolean | undefined }): Promise<Entry[]> {
    const wire = await Wire.connect(this.#port);
    const request = { lastZxidSeen: 0, session: 0n, password: NO_PASSWORD, ...step };
    wire.send(frame(encodeConnect(request)));
    return this.#connected(slot, wire, await wire.next(REPLY_TIMEOUT));
  }

  async #resume(slot: Slot, step: Extract<Step, { kind: "resume" }>): Promise<Seen[]> {
    const old = slot.wire;
    const before = old === undefined ? [] : await this.#exchange(slot, [PING]);
    const wire = await Wire.connect(this.#port);
    wire.send(
      frame(
        encodeConnect({
          lastZxidSeen: step.how === "zxid ahead" ? this.#lastZxid + 1_000_000 : this.#lastZxid,
          timeout: step.timeout,
          session: slot.session,
          password: wrongIf(step.how, slot.password),
          readOnly: false,
        }),
      ),
    );
    const answer = await wire.next(REPLY_TIMEOUT);
    if (step.how === "zxid ahead") {
      wire.drop();
      return [this.#seen(slot, [...before, note(answer === "closed" ? "refused" : "answered")])];
    }
    if (old !== undefined && slot.wire !== undefined) before.push(...(await this.#awaitClose(slot)));
    return [this.#seen(slot, [...before, ...this.#connected(slot, wire, answer)])];
  }

  /** Reads a ConnectResponse; the slot has the new connection, or none if it was refused. */
  #connected(slot: Slot, wire: Wire, answer: Buffer | string): Entry[] {
    if (typeof answer === "string") {
      wire.drop();
      return [note(`connect: ${answer}`)];
    }
    const r = new Reader(answer);
    const version = r.int();
    const timeout = r.int();
    const session = r.int64();
    const password = Buffer.from(r.buffer() ?? []);
    const readOnly = r.remaining === 0 ? "absent" : String(r.boolean());
    const extra = r.remaining === 0 && !r.failed ? "" : " malformed";
    if (session === 0n || timeout <= 0) {
      wire.drop();
      const zeros = password.equals(NO_PASSWORD) ? "zeros" : password.toString("hex");
      return [note(`refused: version ${version} timeout ${timeout} password ${zeros} readOnly ${readOnly}${extra}`)];
    }
    this.#names.addSession(session);
    const name = this.#names.session(session);
    const right = password.equals(passwordOf(session)) ? "right" : "wrong";
    slot.wire = wire;
    if (slot.session !== session) slot.xid = 0;
    slot.session = session;
    slot.password = password;
    return [
      note(`connected: ${name} version ${version} timeout ${timeout} password ${right} readOnly ${readOnly}${extra}`),
    ];
  }

  async #exists(slot: Slot, path: string | null, watch: boolean): Promise<Entry[]> {
    const probe = await this.#exchange(slot, [read(4, path, false)]);
    const last = probe.at(-1);
    const readable = last?.kind === "reply" && last.err === 0;
    const missing = last?.kind === "reply" && last.err === -101;
    if (slot.wire === undefined) return probe;
    return [...probe, ...(await this.#exchange(slot, [read(3, path, watch && (readable || missing))]))];
  }

  /** The order in which a closing session's ephemerals go is unspecified, so what others see of it is sorted. */
  async #close(slot: Slot): Promise<Seen[]> {
    const at = this.#slots.indexOf(slot);
    const before = await this.#flush(at, false);
    const own = await this.#exchange(slot, [CLOSE]);
    slot.session = 0n;
    return [...before, { slot: at, entries: sortEvents(own), sorted: true }, ...(await this.#flush(at, true))];
  }

  async #flush(except: number, sorted: boolean): Promise<Seen[]> {
    const all: Seen[] = [];
    for (const [at, slot] of this.#slots.entries()) {
      if (at === except || slot.wire === undefined) continue;
      const entries = await this.#exchange(slot, [PING]);
      all.push(sorted ? { slot: at, entries: sortEvents(entries), sorted } : { slot: at, entries });
    }
    return all;
  }

  /** Sends `ops` in one write and reads up to the last reply. */
  async #exchange(slot: Slot, ops: readonly Op[], firstXid?: number): Promise<Entry[]> {
    const wire = slot.wire!;
    const xids: number[] = [];
    const frames: Buffer[] = [];
    for (const [index, op] of ops.entries()) {
      const xid = xidFor(op, () => (firstXid === undefined ? ++slot.xid : firstXid + index));
      xids.push(xid);
      frames.push(frame(encodeRequest(op, xid, this.#lastZxid)));
    }
    wire.send(Buffer.concat(frames));
    const entries: Entry[] = [];
    for (let answered = 0; answered < ops.length;) {
      const next = await wire.next(REPLY_TIMEOUT);
      if (typeof next === "string") {
        entries.push(note(next));
        wire.drop();
        slot.wire = undefined;
        return entries;
      }
      const event = decodeEvent(next);
      if (event !== undefined) {
        entries.push(event);
        continue;
      }
      const reply = decodeReply(next, ops[answered]!, xids[answered]!, this.#names);
      answered += 1;
      entries.push(reply);
      if (reply.zxid > this.#lastZxid) this.#lastZxid = reply.zxid;
      if (endsConnection(reply)) {
        entries.push(...(await this.#awaitClose(slot)));
        return entries;
      }
    }
    return entries;
  }

  async #awaitClose(slot: Slot): Promise<Entry[]> {
    const wire = slot.wire!;
    const entries: Entry[] = [];
    slot.wire = undefined;
    for (;;) {
      const next = await wire.next(CLOSE_TIMEOUT);
      if (typeof next === "string") {
        wire.drop();
        entries.push(note(next === "closed" ? "closed by the server" : "not closed by the server"));
        return entries;
      }
      entries.push(decodeEvent(next) ?? note(`unexpected frame ${next.toString("hex")}`));
    }
  }
}

function note(text: string): Entry {
  return { kind: "note", text };
}

function read(type: ReadOp["type"], path: string | null, watch: boolean): Op {
  return { type, path, watch };
}

function wrongIf(how: string, password: Uint8Array): Uint8Array {
  if (how === "wrong password") return password.map((byte, index) => (index === 7 ? byte ^ 1 : byte));
  return how === "short password" ? password.subarray(0, 8) : password;
}

function xidFor(op: Op, next: () => number): number {
  if (op.type === (11 satisfies OpCode)) return XID_PING;
  return op.type === (100 satisfies OpCode) ? XID_AUTH : next();
}

function endsConnection(reply: ReplyEntry): boolean {
  const { op, err } = reply;
  if (op.type === -11) return true;
  if (op.type === "raw" && err === ERR_UNIMPLEMENTED && reply.zxid === -1) return true;
  return ((op.type === 100 || op.type === 102) && err === ERR_AUTH_FAILED) || err === ERR_AUTH_REQUIRED;
}

function sortEvents(entries: readonly Entry[]): Entry[] {
  const key = (entry: Entry): string => (entry.kind === "event" ? entry.what : "~");
  return [...entries].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}
