/**
 * Sees every transaction that reaches a server's log, as bytes on its disk, and judges what the server makes of the log
 * after a crash: nothing acknowledged is missing, nothing was made up, and what is there is exactly what the model gets
 * from the same transactions. Trusts neither the server's pipeline nor its recovery, only the log's format.
 */
import { ENTRY_OVERHEAD_BYTES, ENTRY_PREFIX_BYTES, FILE_HEADER_BYTES } from "../../core/storage/formats.ts";
import { Reader } from "../../core/jute/reader.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import type { TxnEntry } from "../../core/protocol/txns.ts";
import { readTxnEntry } from "../../core/protocol/txns.ts";
import type { ServerState } from "../../core/pipeline/state.ts";
import type { DiskRequest } from "../disk.ts";
import type { FactListener, FactName } from "../facts.ts";
import { TreeModel } from "../model/tree-model.ts";

/** A reply as a client has seen it. */
export interface Acknowledged {
  readonly session: bigint;
  readonly xid: number;
  readonly type: number;
  readonly zxid: number;
  readonly err: number;
}

const NOTHING_GIVEN_UP = -1;

export class LogWatch implements FactListener {
  readonly #server: string;
  /** The log, in order: entry i has zxid i + 1. What recovery gave up is cut off. */
  #entries: TxnEntry[] = [];
  /** Log files of this run of the server, whose header has been seen. */
  readonly #opened: Set<string> = new Set();
  /** The newest zxid that some client has seen in a reply, or that the server called durable. */
  #promised = 0;
  /** The newest zxid that this run of the server called durable, or began with. */
  #durable = 0;
  /** Entries behind it are being cut off. Until the cut is durable a crash may undo it, so they are not forgotten yet. */
  #givenUpAfter = NOTHING_GIVEN_UP;
  /** The model of what was recovered last; later entries are not in it yet. */
  #model: TreeModel = new TreeModel();
  /** The first thing that went wrong. */
  violation: string | undefined;
  /** How often the premises occurred. */
  recoveries = 0;
  acknowledgements = 0;
  /** Entries that were written and not recovered, and entries recovered that nobody was promised. */
  lost = 0;
  kept = 0;
  /** The server's log lines, and how often. */
  readonly said: Map<string, number> = new Map();

  constructor(server: string) {
    this.#server = server;
  }

  get promised(): number {
    return this.#promised;
  }
  get logged(): number {
    return this.#entries.length;
  }

  fact(host: string, name: FactName, a: number | bigint): void {
    if (host !== this.#server || name !== "durable") return;
    this.#durable = Number(a);
    this.#promise(this.#durable);
  }

  log(host: string, _level: string, message: string): void {
    if (host === this.#server) this.said.set(message, (this.said.get(message) ?? 0) + 1);
  }

  did(host: string, request: DiskRequest): void {
    if (host !== this.#server || !/\/log\.[0-9a-f]+$/.test(request.name)) return;
    // After a failed write the server gives up what is not durable, and uses those zxids again.
    if (request.verb === "truncate" || request.verb === "remove") this.#gaveUp(request);
    if (request.verb !== "append") return;
    const bytes = request.bytes!;
    let at = 0;
    if (!this.#opened.has(request.name)) {
      this.#opened.add(request.name);
      at = FILE_HEADER_BYTES;
    }
    while (at < bytes.length) {
      const length = new Reader(bytes, at + 8, at + ENTRY_PREFIX_BYTES).int();
      const start = at + ENTRY_PREFIX_BYTES;
      const entry = readTxnEntry(new Reader(bytes, start, start + length));
      if (entry === undefined) return this.#blame(`an entry at ${at} of ${request.name} cannot be read`);
      this.#logged(entry);
      at += length + ENTRY_OVERHEAD_BYTES;
    }
  }

  /** A client has been told. */
  acknowledge(reply: Acknowledged): void {
    this.acknowledgements++;
    this.#promise(reply.zxid);
    if (!isWrite(reply.type)) return;
    const entry = this.#entries[reply.zxid - 1];
    const what = `the reply to xid ${reply.xid} of session ${reply.session.toString(16)} with zxid ${reply.zxid}`;
    if (entry === undefined) return this.#blame(`${what} came before its transaction was in the log`);
    const { header, txn } = entry;
    if (header.clientId !== reply.session || header.cxid !== reply.xid) {
      // A request of a session that is gone takes no zxid.
      if (reply.err === 0) this.#blame(`${what} names another client's transaction`);
      return;
    }
    if ((txn.type === OpCode.error ? txn.err : 0) !== reply.err && txn.type !== OpCode.multi) {
      this.#blame(`${what} says ${reply.err}, and the log something else`);
    }
  }

  /** The server has ended; its files will be opened anew. */
  ended(): void {
    this.#opened.clear();
    this.#givenUpAfter = NOTHING_GIVEN_UP;
  }

  /** The server has recovered and serves. */
  judge({ tree, sessions }: ServerState): void {
    this.recoveries++;
    const recovered = tree.lastProcessedZxid;
    if (recovered < this.#promised) {
      return this.#blame(`recovered to ${recovered}, but clients were promised ${this.#promised}`);
    }
    if (recovered > this.#entries.length) return this.#blame(`recovered to ${recovered}, which was never written`);
    this.lost += this.#entries.length - recovered;
    this.kept += recovered - this.#promised;
    this.#entries.length = recovered;
    this.#durable = recovered;
    if (this.#model.lastZxid > recovered) this.#model = new TreeModel();
    for (let zxid = this.#model.lastZxid + 1; zxid <= recovered; zxid++) {
      const wrong = this.#model.apply(this.#entries[zxid - 1]!);
      if (wrong !== undefined) return this.#blame(`the log does not add up at ${zxid}: ${wrong}`);
    }
    const difference = this.#model.difference(tree);
    if (difference !== undefined) return this.#blame(`recovered to ${recovered}, but ${difference}`);
    const expected = [...this.#model.sessions].map(([id, timeout]) => `${id}:${timeout}`);
    const found = [...sessions.committed()].map(([id, timeout]) => `${id}:${timeout}`);
    if (expected.sort(byUnit).join() !== found.sort(byUnit).join()) {
      this.#blame(`recovered sessions ${found.join()}, not ${expected.join()}`);
    }
  }

  #gaveUp(request: DiskRequest): void {
    // Files that are no longer needed are removed too.
    const first = Number.parseInt(request.name.slice(request.name.lastIndexOf(".") + 1), 16);
    if (request.verb === "remove" && first <= this.#durable) return;
    if (request.verb === "remove") this.#opened.delete(request.name);
    this.#givenUpAfter = this.#durable;
  }

  #logged(entry: TxnEntry): void {
    const { zxid } = entry.header;
    if (zxid === this.#givenUpAfter + 1) {
      if (this.#promised >= zxid) this.#blame(`zxid ${zxid} was promised, given up and used again`);
      this.#entries.length = this.#givenUpAfter;
    }
    this.#givenUpAfter = NOTHING_GIVEN_UP;
    if (zxid !== this.#entries.length + 1) {
      return this.#blame(`zxid ${zxid} was logged after ${this.#entries.length}`);
    }
    this.#entries.push(entry);
  }

  #promise(zxid: number): void {
    if (zxid > this.#promised) this.#promised = zxid;
  }

  #blame(violation: string): void {
    this.violation ??= violation;
  }
}

/** Whether a request of this type takes a zxid. */
export function isWrite(type: number): boolean {
  switch (type) {
    case OpCode.create:
    case OpCode.create2:
    case OpCode.createContainer:
    case OpCode.createTTL:
    case OpCode.delete:
    case OpCode.setData:
    case OpCode.setACL:
    case OpCode.multi:
    case OpCode.closeSession:
      return true;
    default:
      return false;
  }
}

function byUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
