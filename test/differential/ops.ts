/**
 * The operations of a differential run, as plain data that can be generated, recorded, cut down and printed. Encoded
 * here by hand, not through core/protocol, so that an error there cannot hide itself.
 */
import type { RawAcl } from "../../core/protocol/data.ts";
import { Writer } from "../../core/jute/writer.ts";
import { OpCode, opName } from "../../core/protocol/op-codes.ts";

/** Text, that many bytes of filling, or null. */
export type Data = string | { readonly fill: number } | null;
export type AclList = readonly RawAcl[] | null;
export type Paths = readonly (string | null)[] | null;

export type CreateOp = {
  readonly type: 1 | 15 | 19;
  readonly path: string | null;
  readonly data: Data;
  readonly acl: AclList;
  readonly flags: number;
};
export type CreateTtlOp = Omit<CreateOp, "type"> & { readonly type: 21; readonly ttl: number };
/** delete, check. */
export type VersionOp = { readonly type: 2 | 13; readonly path: string | null; readonly version: number };
export type SetDataOp = {
  readonly type: 5;
  readonly path: string | null;
  readonly data: Data;
  readonly version: number;
};
/** exists, getData, getChildren, getChildren2. */
export type ReadOp = { readonly type: 3 | 4 | 8 | 12; readonly path: string | null; readonly watch: boolean };
/** getACL, sync, getEphemerals, getAllChildrenNumber. */
export type PathOp = { readonly type: 6 | 9 | 103 | 104; readonly path: string | null };
export type SetAclOp = {
  readonly type: 7;
  readonly path: string | null;
  readonly acl: AclList;
  readonly version: number;
};
/** ping, whoAmI, closeSession. */
export type PlainOp = { readonly type: 11 | 107 | -11 };
export type MultiOp = { readonly type: 14 | 22; readonly ops: readonly Op[] };
export type ReconfigOp = {
  readonly type: 16;
  readonly joining: string | null;
  readonly leaving: string | null;
  readonly members: string | null;
};
/** checkWatches and removeWatches with a watch type, addWatch with a mode. */
export type WatchOp = { readonly type: 17 | 18 | 106; readonly path: string | null; readonly mode: number };
export type AuthOp = { readonly type: 100; readonly scheme: string | null; readonly auth: string | null };
export type SaslOp = { readonly type: 102; readonly token: string | null };
/** `back`: how far relativeZxid lies behind the newest zxid. The persistent lists only with type 105. */
export type SetWatchesOp = {
  readonly type: 101 | 105;
  readonly back: number;
  readonly data: Paths;
  readonly exist: Paths;
  readonly child: Paths;
  readonly persistent: Paths;
  readonly recursive: Paths;
};
/** Any type with any body, in hexadecimal. */
export type RawOp = { readonly type: "raw"; readonly code: number; readonly body: string };

export type Op =
  | CreateOp
  | CreateTtlOp
  | VersionOp
  | SetDataOp
  | ReadOp
  | PathOp
  | SetAclOp
  | PlainOp
  | MultiOp
  | ReconfigOp
  | WatchOp
  | AuthOp
  | SaslOp
  | SetWatchesOp
  | RawOp;

export function codeOf(op: Op): number {
  return op.type === "raw" ? op.code : op.type;
}

export function nameOf(op: Op): string {
  return op.type === "raw" ? `raw ${opName(op.code)}` : opName(op.type);
}

export function bytesOf(data: Data): Uint8Array | null {
  if (data === null) return null;
  return typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data.fill).fill(0x2e);
}

/** A request frame's payload. `lastZxid` is the newest zxid this side has shown. */
export function encodeRequest(op: Op, xid: number, lastZxid: number): Uint8Array {
  const w = new Writer();
  w.int(xid);
  w.int(codeOf(op));
  writeBody(w, op, lastZxid);
  return w.take();
}

function writeBody(w: Writer, op: Op, lastZxid: number): void {
  switch (op.type) {
    case OpCode.create:
    case OpCode.create2:
    case OpCode.createContainer:
    case OpCode.createTTL:
      w.string(op.path);
      w.buffer(bytesOf(op.data));
      writeAcl(w, op.acl);
      w.int(op.flags);
      if (op.type === OpCode.createTTL) w.long(op.ttl);
      return;
    case OpCode.delete:
    case OpCode.check:
      w.string(op.path);
      w.int(op.version);
      return;
    case OpCode.setData:
      w.string(op.path);
      w.buffer(bytesOf(op.data));
      w.int(op.version);
      return;
    case OpCode.exists:
    case OpCode.getData:
    case OpCode.getChildren:
    case OpCode.getChildren2:
      w.string(op.path);
      w.boolean(op.watch);
      return;
    case OpCode.getACL:
    case OpCode.sync:
    case OpCode.getEphemerals:
    case OpCode.getAllChildrenNumber:
      w.string(op.path);
      return;
    case OpCode.setACL:
      w.string(op.path);
      writeAcl(w, op.acl);
      w.int(op.version);
      return;
    case OpCode.multi:
    case OpCode.multiRead:
      for (const sub of op.ops) {
        writeMultiHeader(w, codeOf(sub), false);
        writeBody(w, sub, lastZxid);
      }
      writeMultiHeader(w, -1, true);
      return;
    case OpCode.reconfig:
      w.string(op.joining);
      w.string(op.leaving);
      w.string(op.members);
      w.long(-1);
      return;
    case OpCode.checkWatches:
    case OpCode.removeWatches:
    case OpCode.addWatch:
      w.string(op.path);
      w.int(op.mode);
      return;
    case OpCode.auth:
      w.int(0);
      w.string(op.scheme);
      w.buffer(bytesOf(op.auth));
      return;
    case OpCode.sasl:
      w.buffer(bytesOf(op.token));
      return;
    case OpCode.setWatches:
    case OpCode.setWatches2:
      w.long(Math.max(0, lastZxid - op.back));
      for (const paths of [op.data, op.exist, op.child]) writePaths(w, paths);
      if (op.type === OpCode.setWatches2) for (const paths of [op.persistent, op.recursive]) writePaths(w, paths);
      return;
    case "raw":
      w.raw(Buffer.from(op.body, "hex"));
      return;
    case OpCode.ping:
    case OpCode.whoAmI:
    case OpCode.closeSession:
      return;
  }
}

function writeMultiHeader(w: Writer, type: number, done: boolean): void {
  w.int(type);
  w.boolean(done);
  w.int(-1);
}

function writeAcl(w: Writer, acl: AclList): void {
  if (acl === null) return w.int(-1);
  w.int(acl.length);
  for (const { perms, scheme, id } of acl) {
    w.int(perms);
    w.string(scheme);
    w.string(id);
  }
}

function writePaths(w: Writer, paths: Paths): void {
  if (paths === null) return w.int(-1);
  w.int(paths.length);
  for (const path of paths) w.string(path);
}

/** A ConnectRequest's payload. `readOnly` undefined leaves the byte out, as old clients do. */
export function encodeConnect(request: {
  readonly lastZxidSeen: number;
  readonly timeout: number;
  readonly session: bigint;
  readonly password: Uint8Array | null;
  readonly readOnly: boolean | undefined;
}): Uint8Array {
  const w = new Writer();
  w.int(0);
  w.long(request.lastZxidSeen);
  w.int(request.timeout);
  w.int64(request.session);
  w.buffer(request.password);
  if (request.readOnly !== undefined) w.boolean(request.readOnly);
  return w.take();
}
