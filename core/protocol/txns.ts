/**
 * Transactions: what the log, snapshots' replay and the quorum wire carry (zookeeper.jute, module
 * org.apache.zookeeper.txn; reference, section 7.1).
 */
import type { Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import type { Reader } from "../jute/reader.ts";
import type { Writer } from "../jute/writer.ts";
import { OPEN_ACL_UNSAFE, readAclVector, readStringVector, writeAclVector, writeStringVector } from "./data.ts";
import type { Acl, RawAcl } from "./data.ts";
import { OpCode } from "./op-codes.ts";

export interface TxnHeader {
  readonly clientId: SessionId;
  readonly cxid: number;
  readonly zxid: Zxid;
  /** The leader's wall clock. */
  readonly time: Millis;
  readonly type: number;
}

interface Payload {
  readonly path: string;
  /** A view into the encoded txn; null data stays null. */
  readonly data: Uint8Array | null;
  /**
   * CRC-32 state over path and data (tree/digest.ts), carried from prepare so that the payload is summed once. Never
   * written.
   */
  readonly digestPrefix?: number;
}
export interface CreateTxn extends Payload {
  readonly type: typeof OpCode.create | typeof OpCode.create2;
  readonly acl: readonly Acl[];
  readonly ephemeral: boolean;
  /** -1 means "current + 1": the old record without the field. */
  readonly parentCVersion: number;
}
export interface CreateContainerTxn extends Payload {
  readonly type: typeof OpCode.createContainer;
  readonly acl: readonly Acl[];
  readonly parentCVersion: number;
}
export interface CreateTtlTxn extends Payload {
  readonly type: typeof OpCode.createTTL;
  readonly acl: readonly Acl[];
  readonly parentCVersion: number;
  readonly ttl: Millis;
}
export interface DeleteTxn {
  readonly type: typeof OpCode.delete | typeof OpCode.deleteContainer;
  readonly path: string;
}
export interface SetDataTxn extends Payload {
  readonly type: typeof OpCode.setData | typeof OpCode.reconfig;
  /** The new version. */
  readonly version: number;
}
export interface SetAclTxn {
  readonly type: typeof OpCode.setACL;
  readonly path: string;
  readonly acl: readonly Acl[];
  /** The new aversion. */
  readonly version: number;
}
/** Inside a multi only. */
export interface CheckVersionTxn {
  readonly type: typeof OpCode.check;
  readonly path: string;
  readonly version: number;
}
export interface CreateSessionTxn {
  readonly type: typeof OpCode.createSession;
  readonly timeOut: Millis;
}
export interface CloseSessionTxn {
  readonly type: typeof OpCode.closeSession;
  /** Absent in logs from before 3.6 and with closeSessionTxn disabled. */
  readonly paths: readonly string[] | undefined;
}
export interface ErrorTxn {
  readonly type: typeof OpCode.error;
  readonly err: number;
}
export interface MultiTxn {
  readonly type: typeof OpCode.multi;
  readonly txns: readonly SubTxn[];
}
export type SubTxn =
  CreateTxn | CreateContainerTxn | CreateTtlTxn | DeleteTxn | SetDataTxn | SetAclTxn | CheckVersionTxn | ErrorTxn;
export type Txn = SubTxn | CreateSessionTxn | CloseSessionTxn | MultiTxn;

/** The tree digest after a txn as its leader predicted it; the sum modulo 2^64 in two unsigned halves. */
export interface TxnDigest {
  readonly version: number;
  readonly high: number;
  readonly low: number;
}

/** The bytes of a {@link TxnHeader}. */
export const TXN_HEADER_BYTES = 32;
/** The bytes of a {@link TxnDigest}. */
export const TXN_DIGEST_BYTES = 12;
/** The longest life of a TTL node: 40 bits of the owner field hold it (Java: EphemeralType.TTL). */
export const TTL_MAX: Millis = 2 ** 40 - 1;
/** A sub-txn is at least a type and an empty buffer. */
const SUB_TXN_BYTES_MIN = 8;

export interface TxnEntry {
  readonly header: TxnHeader;
  readonly txn: Txn;
  /** Absent in old logs, for plain error txns, and with digests disabled. */
  readonly digest: TxnDigest | undefined;
}

/**
 * One serialised txn, as in the log and in quorum proposals: the reader must end where the txn ends, for only running
 * out of bytes tells what is absent. Undefined, and the reader failed, if it cannot be one (Java:
 * SerializeUtils.deserializeTxn).
 */
export function readTxnEntry(r: Reader): TxnEntry | undefined {
  const header = readTxnHeader(r);
  const txn = readTxn(r, header.type);
  if (txn === undefined || r.failed) return undefined;
  const digest = r.remaining >= TXN_DIGEST_BYTES ? readTxnDigest(r) : undefined;
  return { header, txn, digest };
}

export function writeTxnEntry(w: Writer, entry: TxnEntry): void {
  writeTxnHeader(w, entry.header);
  writeTxn(w, entry.txn);
  if (entry.digest !== undefined) writeTxnDigest(w, entry.digest);
}

export function readTxnHeader(r: Reader): TxnHeader {
  const header = { clientId: r.sessionId(), cxid: r.int(), zxid: r.zxid(), time: r.long(), type: r.int() };
  // The one place where a zxid enters arithmetic from outside: beyond 2^53 its neighbours could not be told apart.
  if (!Number.isSafeInteger(header.zxid)) r.fail();
  return header;
}

export function writeTxnHeader(w: Writer, header: TxnHeader): void {
  w.int64(header.clientId);
  w.int(header.cxid);
  w.long(header.zxid);
  w.long(header.time);
  w.int(header.type);
}

export function readTxnDigest(r: Reader): TxnDigest {
  return { version: r.int(), high: r.int() >>> 0, low: r.int() >>> 0 };
}

export function writeTxnDigest(w: Writer, digest: TxnDigest): void {
  w.int(digest.version);
  w.int(digest.high);
  w.int(digest.low);
}

/** The record of a txn of the given type; undefined, and the reader failed, if it is none. */
export function readTxn(r: Reader, type: number): Txn | undefined {
  switch (type) {
    case OpCode.createSession:
      return complete(r, { type, timeOut: r.int() });
    case OpCode.closeSession:
      return complete(r, { type, paths: readPathsToDelete(r) });
    case OpCode.multi:
      return readMultiTxn(r);
    default:
      return readSubTxn(r, type);
  }
}

/** The record only; its type stands in the header before it. */
export function writeTxn(w: Writer, txn: Txn): void {
  switch (txn.type) {
    case OpCode.createSession:
      return w.int(txn.timeOut);
    case OpCode.closeSession:
      if (txn.paths !== undefined) writeStringVector(w, txn.paths);
      return;
    case OpCode.multi:
      w.int(txn.txns.length);
      for (const sub of txn.txns) {
        // 3.8.0 and 3.8.1 skip a multi with a create2 inside when they apply it; the record is the same as create's.
        w.int(sub.type === OpCode.create2 ? OpCode.create : sub.type);
        const lengthAt = w.grow(4);
        writeSubTxn(w, sub);
        w.patchInt(lengthAt, w.length - lengthAt - 4);
      }
      return;
    default:
      return writeSubTxn(w, txn);
  }
}

function readMultiTxn(r: Reader): MultiTxn | undefined {
  const count = r.count(SUB_TXN_BYTES_MIN);
  if (count < 0) r.fail();
  const txns: SubTxn[] = [];
  for (let i = 0; i < count; i++) {
    const type = r.int();
    const length = r.int();
    if (r.failed || length < 0 || length > r.remaining) return failed(r);
    // The sub-record is read in place, with the reader ending early, so that its data stays a view of the entry.
    const end = r.end;
    const next = r.offset + length;
    r.end = next;
    const txn = readSubTxn(r, type);
    r.end = end;
    r.offset = next;
    if (txn === undefined) return failed(r);
    txns.push(txn);
  }
  return complete(r, { type: OpCode.multi, txns });
}

function readSubTxn(r: Reader, type: number): SubTxn | undefined {
  switch (type) {
    case OpCode.create:
    case OpCode.create2:
      return readCreateTxn(r, type);
    case OpCode.createContainer:
      return complete(r, { type, path: readPath(r), data: r.buffer(), acl: readAcl(r), parentCVersion: r.int() });
    case OpCode.createTTL: {
      const txn = {
        type,
        path: readPath(r),
        data: r.buffer(),
        acl: readAcl(r),
        parentCVersion: r.int(),
        ttl: r.long(),
      };
      // ZooKeeper can be made to log a ttl that it cannot apply (reference, 3.1): there is no node to make of it.
      return txn.ttl >= 1 && txn.ttl <= TTL_MAX ? complete(r, txn) : failed(r);
    }
    case OpCode.delete:
    case OpCode.deleteContainer:
      return complete(r, { type, path: readPath(r) });
    case OpCode.setData:
    case OpCode.reconfig:
      return complete(r, { type, path: readPath(r), data: r.buffer(), version: r.int() });
    case OpCode.setACL:
      return complete(r, { type, path: readPath(r), acl: readAcl(r), version: r.int() });
    case OpCode.check:
      return complete(r, { type, path: readPath(r), version: r.int() });
    case OpCode.error:
      return complete(r, { type, err: r.int() });
    default:
      return failed(r);
  }
}

function writeSubTxn(w: Writer, txn: SubTxn): void {
  if (txn.type === OpCode.error) return w.int(txn.err);
  w.string(txn.path);
  switch (txn.type) {
    case OpCode.create:
    case OpCode.create2:
      w.buffer(txn.data);
      writeAclVector(w, txn.acl);
      w.boolean(txn.ephemeral);
      return w.int(txn.parentCVersion);
    case OpCode.createContainer:
      w.buffer(txn.data);
      writeAclVector(w, txn.acl);
      return w.int(txn.parentCVersion);
    case OpCode.createTTL:
      w.buffer(txn.data);
      writeAclVector(w, txn.acl);
      w.int(txn.parentCVersion);
      return w.long(txn.ttl);
    case OpCode.delete:
    case OpCode.deleteContainer:
      return;
    case OpCode.setData:
    case OpCode.reconfig:
      w.buffer(txn.data);
      return w.int(txn.version);
    case OpCode.setACL:
      writeAclVector(w, txn.acl);
      return w.int(txn.version);
    case OpCode.check:
      return w.int(txn.version);
  }
}

function readCreateTxn(r: Reader, type: CreateTxn["type"]): CreateTxn | undefined {
  const path = readPath(r);
  const data = r.buffer();
  const acl = readAcl(r);
  const ephemeral = r.boolean();
  // CreateTxnV0, from before 3.4, ends here; it only ever existed for the plain create.
  const old = type === OpCode.create && r.remaining < 4;
  return complete(r, { type, path, data, acl, ephemeral, parentCVersion: old ? -1 : r.int() });
}

/**
 * The paths of a closeSession, or undefined when the record is absent: what stands there then is nothing, or the twelve
 * bytes of the digest, which are told from a path list by not decoding as one.
 */
function readPathsToDelete(r: Reader): readonly string[] | undefined {
  if (r.failed || r.remaining === 0) return undefined;
  const { bytes, offset, end } = r;
  const paths = readStringVector(r);
  if (!r.failed) {
    if (paths === null) return undefined;
    if (paths.every(isPath)) return paths;
  }
  if (end - offset === TXN_DIGEST_BYTES) r.reset(bytes, offset, end);
  else r.fail();
  return undefined;
}

function isPath(text: string | null): text is string {
  return text !== null && text !== "";
}

/** No record of a txn may lack its path. */
function readPath(r: Reader): string {
  const path = r.string();
  if (path === null) r.fail();
  return path ?? "";
}

/** A null list protects nothing, as in Java's ReferenceCountedACLCache; a null part of an entry matches nobody. */
function readAcl(r: Reader): readonly Acl[] {
  const acl = readAclVector(r);
  if (acl === null) return OPEN_ACL_UNSAFE;
  return acl.every(isAcl) ? acl : acl.map(({ perms, scheme, id }) => ({ perms, scheme: scheme ?? "", id: id ?? "" }));
}

function isAcl(entry: RawAcl): entry is Acl {
  return entry.scheme !== null && entry.id !== null;
}

function complete<T>(r: Reader, record: T): T | undefined {
  return r.failed ? undefined : record;
}

function failed(r: Reader): undefined {
  r.fail();
  return undefined;
}
