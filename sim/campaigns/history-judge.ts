/**
 * Holds what clients were told against the one history of transactions that the servers ended up with (reference, section
 * 9.2: C1 to C7, E1). Writes: each was told the truth, took effect once, in the client's order and in real time's. Reads:
 * each shows the state after exactly the txns up to the zxid in its reply. Syncs: what anybody had been told of is there.
 * Watches: fire once, before anything shows the change, and for a reason.
 */
import { epochOf, counterOf } from "../../core/base/zxid.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import { Reader } from "../../core/jute/reader.ts";
import { Code } from "../../core/protocol/codes.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import type { TxnEntry } from "../../core/protocol/txns.ts";
import { readTxnEntry } from "../../core/protocol/txns.ts";
import type { Blame } from "../checkers/checker.ts";
import { showZxid } from "../checkers/checker.ts";
import { parentOf, TreeModel } from "../model/tree-model.ts";
import type { Call, ClientHistory } from "./client-history.ts";
import { isWrite } from "./log-watch.ts";
import { expectedRead } from "./results.ts";
import { judgeWatches, WatchedChanges } from "./watch-judge.ts";

export interface Judged {
  /** The state that every server must have. */
  readonly model: TreeModel;
  readonly writes: number;
  readonly reads: number;
  readonly syncs: number;
  readonly events: number;
  /** Writes whose answer was lost and that happened all the same. */
  readonly silent: number;
}

/** `chain`: the zxids of the final history in order; `payloads` has every one of them. */
export function judgeHistory(
  history: ClientHistory,
  chain: readonly number[],
  payloads: ReadonlyMap<number, Uint8Array>,
  blame: Blame,
): Judged {
  const entries = chain.map((zxid) => decode(payloads.get(zxid)!));
  const found = new Map<string, TxnEntry>();
  const lastXid = new Map<bigint, number>();
  for (const entry of entries) {
    const { clientId, cxid, zxid, type } = entry.header;
    // Servers number the requests they make for a session with 0.
    if (cxid === 0 || type === OpCode.createSession) continue;
    const key = `${clientId}:${cxid}`;
    if (found.has(key))
      blame("C7", `xid ${cxid} of session ${hex(clientId)} happened twice, again as ${showZxid(zxid)}`);
    found.set(key, entry);
    // What was under way when its session moved may still come, to be refused; an end is taken from wherever it comes.
    if (isRefused(entry) || type === OpCode.closeSession) continue;
    if (cxid < (lastXid.get(clientId) ?? 0)) {
      blame("C2", `xid ${cxid} of session ${hex(clientId)} took effect after xid ${lastXid.get(clientId)}`);
    }
    lastXid.set(clientId, cxid);
  }
  const writes = history.calls.filter((call) => isWrite(call.type));
  let silent = 0;
  for (const call of writes) {
    const entry = found.get(`${call.session}:${call.xid}`);
    if (call.answered === Infinity) {
      if (entry !== undefined) silent++;
    } else judgeWrite(call, entry, blame);
  }
  judgeRealTime(writes, found, blame);
  const syncs = judgeSyncs(history.calls, blame);
  const changes = new WatchedChanges();
  const { model, reads } = walk(history.calls, entries, changes, blame);
  const events = judgeWatches(history.connections, changes, blame);
  return { model, writes: writes.length, reads, syncs, events, silent };
}

function judgeWrite(call: Call, entry: TxnEntry | undefined, blame: Blame): void {
  const what = `the reply to xid ${call.xid} of ${call.client} (session ${hex(call.session)}), ${showZxid(call.zxid)}`;
  if (entry === undefined) {
    // A request may be refused before it becomes a txn.
    if (call.err === Code.OK) blame("C7", `${what}: it was acknowledged and is not in the history`);
    return;
  }
  const { header, txn } = entry;
  if (call.zxid !== header.zxid) blame("C7", `${what}: in the history it is ${showZxid(header.zxid)}`);
  const err = txn.type === OpCode.error ? txn.err : Code.OK;
  if (call.err !== err && txn.type !== OpCode.multi) blame("C7", `${what} says ${call.err}, the history ${err}`);
  if (call.result !== undefined && "path" in txn && txn.path !== call.result) {
    blame("C7", `${what} says ${call.result}, the history ${txn.path}`);
  }
}

/** A write that was asked after another one had been answered comes after it (C1). */
function judgeRealTime(writes: readonly Call[], found: ReadonlyMap<string, TxnEntry>, blame: Blame): void {
  const done = writes.filter((call) => call.answered !== Infinity && found.has(`${call.session}:${call.xid}`));
  done.sort((a, b) => a.answered - b.answered);
  const asked = [...writes].sort((a, b) => a.asked - b.asked);
  let next = 0;
  let newest = 0;
  for (const call of asked) {
    for (; next < done.length && done[next]!.answered < call.asked; next++) newest = Math.max(newest, done[next]!.zxid);
    const entry = found.get(`${call.session}:${call.xid}`);
    if (entry === undefined || entry.header.zxid > newest) continue;
    const what = `xid ${call.xid} of ${call.client} was asked after ${showZxid(newest)} was answered`;
    blame("C1", `${what}, and became ${showZxid(entry.header.zxid)}`);
  }
}

/** A leader that was superseded without knowing may miss what its successors committed, and nothing else (C6, S42). */
function judgeSyncs(calls: readonly Call[], blame: Blame): number {
  let count = 0;
  for (const call of calls) {
    if (call.type !== OpCode.sync || call.answered === Infinity || call.err !== Code.OK) continue;
    count++;
    for (const known of call.known) {
      if (epochOf(known as Zxid) > call.epoch || known <= call.zxid) continue;
      const what = `${call.client} was synced by ${call.server} to ${showZxid(call.zxid)} in epoch ${call.epoch}`;
      blame("C6", `${what}; ${showZxid(known)} had been acknowledged before`);
    }
  }
  return count;
}

function walk(
  calls: readonly Call[],
  entries: readonly TxnEntry[],
  changes: WatchedChanges,
  blame: Blame,
): { model: TreeModel; reads: number } {
  const reads = calls.filter((call) => isJudgedRead(call)).sort((a, b) => a.zxid - b.zxid);
  let zxid = 0;
  const model = new TreeModel((path, change) => {
    changes.add(path, zxid, change === "deleted" ? "deleted" : change === "created" ? "created" : "changed");
    if (change !== "changed") changes.add(parentOf(path), zxid, "children");
  });
  let next = 0;
  const readUntil = (end: number): void => {
    for (; next < reads.length && reads[next]!.zxid < end; next++) judgeRead(reads[next]!, model, blame);
  };
  for (const entry of entries) {
    readUntil(entry.header.zxid);
    zxid = entry.header.zxid;
    if (isByTheDead(entry, model))
      blame("E1", `${showZxid(zxid)} was done by session ${hex(entry.header.clientId)}, which is gone`);
    const wrong = model.apply(entry);
    if (wrong !== undefined) blame("E1", `the history does not add up at ${showZxid(zxid)}: ${wrong}`);
  }
  readUntil(Infinity);
  return { model, reads: reads.length };
}

function isJudgedRead(call: Call): boolean {
  if (call.path === "" || call.answered === Infinity) return false;
  return call.err === Code.OK || call.err === Code.NONODE;
}

function judgeRead(call: Call, model: TreeModel, blame: Blame): void {
  const what = `${call.client} read ${call.path} at ${call.server} as of ${showZxid(call.zxid)}`;
  if (call.zxid !== model.lastZxid && counterOf(call.zxid as Zxid) !== 0) {
    return blame("C4", `${what}, which is not in the history`);
  }
  const expected = expectedRead(call.type, call.path, model);
  if (expected !== call.result) blame("C4", `${what} and was told ${call.result}, not ${expected}`);
}

/** Only its end may come when a session is gone, and what is refused. */
function isByTheDead(entry: TxnEntry, model: TreeModel): boolean {
  const { clientId, type } = entry.header;
  if (clientId === 0n || type === OpCode.createSession || type === OpCode.closeSession) return false;
  return !model.sessions.has(clientId) && !isRefused(entry);
}

function isRefused({ txn }: TxnEntry): boolean {
  // In a multi that fails all are errors, and one without operations does nothing whoever asks.
  return txn.type === OpCode.error || (txn.type === OpCode.multi && txn.txns.every((sub) => sub.type === OpCode.error));
}

function decode(payload: Uint8Array): TxnEntry {
  return readTxnEntry(new Reader(payload))!;
}
function hex(session: bigint): string {
  return BigInt.asUintN(64, session).toString(16);
}
