/**
 * Replies and events as comparable text. What legitimately differs between two servers is replaced by what must
 * agree: session ids by the order in which the sessions were made, times by the zxid they belong to. Everything else,
 * zxids and left-over bytes included, is shown as it came.
 */
import { createHash } from "node:crypto";
import { Reader } from "../../core/jute/reader.ts";
import { readAclVector, readStat, readStringVector, type RawAcl, type Stat } from "../../core/protocol/data.ts";
import { codeName } from "../../core/protocol/codes.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import { codeOf, nameOf, type Op } from "./ops.ts";

export interface ReplyEntry {
  readonly kind: "reply";
  readonly op: Op;
  /** Text when the xid is not the one sent. */
  readonly xid: string;
  readonly zxid: number;
  readonly err: number;
  /** The body: one part, or one per result of a multi. */
  readonly parts: readonly string[];
}
export interface EventEntry {
  readonly kind: "event";
  readonly zxid: number;
  /** Event type, state and path. */
  readonly what: string;
}
/** A ConnectResponse, a close by the server, silence, and other one-line facts. */
export interface NoteEntry {
  readonly kind: "note";
  readonly text: string;
}
export type Entry = ReplyEntry | EventEntry | NoteEntry;

export function entryText(entry: Entry): string {
  switch (entry.kind) {
    case "note":
      return entry.text;
    case "event":
      return `event ${entry.what} zxid=${entry.zxid}`;
    case "reply":
      return `${nameOf(entry.op)}${entry.xid} -> ${entry.err === 0 ? "OK" : codeName(entry.err)} zxid=${entry.zxid} ${entry.parts.join(" | ")}`;
  }
}

/** A time may lie this far from this machine's clock, ms. */
const CLOCK_TOLERANCE = 600_000;

/** What one server has said so far that its other answers must agree with. */
export class Names {
  readonly #sessions = new Map<bigint, string>();
  readonly #timeOfZxid = new Map<number, number>();

  addSession(id: bigint): void {
    if (!this.#sessions.has(id)) this.#sessions.set(id, `S${this.#sessions.size + 1}`);
  }

  session(id: bigint): string {
    if (id === 0n) return "0";
    return this.#sessions.get(id) ?? `0x${BigInt.asUintN(64, id).toString(16)}`;
  }

  /** Every txn has one time, near the wall clock; nodes that were never written have zxid 0 and time 0. */
  #time(zxid: number, time: number): string {
    if (zxid === 0) return time === 0 ? "" : `(time ${time})`;
    const known = this.#timeOfZxid.get(zxid);
    if (known === undefined) this.#timeOfZxid.set(zxid, time);
    if (known !== undefined && known !== time) return `(time differs from before by ${time - known})`;
    return Math.abs(time - Date.now()) > CLOCK_TOLERANCE ? `(time ${time} is far from now)` : "";
  }

  stat(s: Stat): string {
    return (
      `c${s.czxid}${this.#time(s.czxid, s.ctime)} m${s.mzxid}${this.#time(s.mzxid, s.mtime)} p${s.pzxid} ` +
      `v${s.version} cv${s.cversion} av${s.aversion} owner ${this.session(s.ephemeralOwner)} ` +
      `len ${s.dataLength} kids ${s.numChildren}`
    );
  }
}

/** A frame with xid -1 is an event, everything else the reply to `op`, which was sent with `xid`. */
export function decodeEvent(frame: Buffer): EventEntry | undefined {
  if (frame.length < 16 || frame.readInt32BE(0) !== -1) return undefined;
  const r = new Reader(frame);
  r.int();
  const zxid = r.long();
  const err = r.int();
  const what = `type ${r.int()} state ${r.int()} ${JSON.stringify(r.string())}`;
  return { kind: "event", zxid, what: what + (err === 0 ? "" : ` err ${err}`) + rest(r) };
}

export function decodeReply(frame: Buffer, op: Op, xid: number, names: Names): ReplyEntry {
  const r = new Reader(frame);
  const gotXid = r.int();
  const zxid = r.long();
  const err = r.int();
  const parts = err === 0 && r.remaining > 0 ? readBody(r, codeOf(op), names) : [];
  const left = rest(r);
  return {
    kind: "reply",
    op,
    xid: gotXid === xid ? "" : ` (sent xid ${xid}, got ${gotXid})`,
    zxid,
    err,
    parts: left === "" ? parts : [...parts, left],
  };
}

function rest(r: Reader): string {
  if (r.failed) return " (cut short)";
  return r.remaining === 0 ? "" : ` left over ${Buffer.from(r.bytes.subarray(r.offset, r.end)).toString("hex")}`;
}

function readBody(r: Reader, code: number, names: Names): string[] {
  switch (code) {
    case OpCode.create:
    case OpCode.sync:
      return [JSON.stringify(r.string())];
    case OpCode.create2:
    case OpCode.createContainer:
    case OpCode.createTTL:
      return [`${JSON.stringify(r.string())} ${names.stat(readStat(r))}`];
    case OpCode.exists:
    case OpCode.setData:
    case OpCode.setACL:
      return [names.stat(readStat(r))];
    case OpCode.getData:
    case OpCode.reconfig:
      return [`${dataText(r.buffer())} ${names.stat(readStat(r))}`];
    case OpCode.getACL:
      return [`${aclText(readAclVector(r))} ${names.stat(readStat(r))}`];
    case OpCode.getChildren:
    case OpCode.getEphemerals:
      return [namesText(readStringVector(r))];
    case OpCode.getChildren2:
      return [`${namesText(readStringVector(r))} ${names.stat(readStat(r))}`];
    case OpCode.getAllChildrenNumber:
    case OpCode.addWatch:
      return [String(r.int())];
    case OpCode.sasl:
      return [dataText(r.buffer())];
    case OpCode.whoAmI:
      return [whoText(r)];
    case OpCode.multi:
    case OpCode.multiRead:
      return readMulti(r, code, names);
    default:
      return [];
  }
}

function readMulti(r: Reader, code: number, names: Names): string[] {
  const parts: string[] = [];
  while (!r.failed) {
    const type = r.int();
    const done = r.boolean();
    const err = r.int();
    if (done) return type === -1 && err === -1 ? parts : [...parts, `end ${type} ${err}`];
    const body = type === -1 ? `error ${r.int()}` : readSubResult(r, type, code, names);
    parts.push(`${type}${err === 0 || type === -1 ? "" : ` err ${err}`}${type === -1 ? ` ${err}` : ""} ${body}`.trim());
  }
  return parts;
}

function readSubResult(r: Reader, type: number, code: number, names: Names): string {
  if (code === OpCode.multi && (type === OpCode.delete || type === OpCode.check)) return "";
  return readBody(r, type, names).join(" ");
}

function dataText(data: Uint8Array | null): string {
  if (data === null) return "null";
  if (data.length <= 40) return JSON.stringify(Buffer.from(data).toString("latin1"));
  return `${data.length} bytes ${createHash("sha256").update(data).digest("hex").slice(0, 12)}`;
}

/** Order unspecified: a hash set in Apache's server. */
function namesText(names: readonly (string | null)[] | null): string {
  return names === null
    ? "null"
    : `[${[...names]
        .map((name) => JSON.stringify(name))
        .sort(byCodeUnit)
        .join(" ")}]`;
}

/** In order, but for runs that an `auth` entry can have made out of an unordered set of the connection's ids. */
function aclText(acl: readonly RawAcl[] | null): string {
  if (acl === null) return "null";
  const texts: string[] = [];
  let run: string[] = [];
  let runPerms = 0;
  for (const { perms, scheme, id } of acl) {
    if (scheme !== "digest" || perms !== runPerms) {
      texts.push(...run.sort(byCodeUnit));
      run = [];
    }
    runPerms = perms;
    if (scheme === "digest") run.push(`${perms} digest ${JSON.stringify(id)}`);
    else texts.push(`${perms} ${scheme} ${JSON.stringify(id)}`);
  }
  texts.push(...run.sort(byCodeUnit));
  return `{${texts.join(", ")}}`;
}

/** A set of the connection's ids, in no order. */
function whoText(r: Reader): string {
  const ids: string[] = [];
  for (let count = r.count(8); count > 0; count--) ids.push(`${r.string()}:${r.string()}`);
  return `[${ids.sort(byCodeUnit).join(" ")}]`;
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
