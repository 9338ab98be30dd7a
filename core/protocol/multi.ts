/**
 * multi and multiRead: sub-requests and sub-results behind a header each, closed by a header marked done (Java:
 * MultiOperationRecord, MultiResponse; reference, sections 3.2 and 3.3). Nothing outside says how many there are.
 */
import type { Reader } from "../jute/reader.ts";
import type { Writer } from "../jute/writer.ts";
import { readStat, readStringVector, writeStat, writeStringVector } from "./data.ts";
import type { Stat } from "./data.ts";
import { OpCode } from "./op-codes.ts";
import {
  CreateMode,
  readCheckVersionRequest,
  readCreateRequest,
  readCreateTtlRequest,
  readDeleteRequest,
  readPathWatchRequest,
  readSetDataRequest,
  writeCheckVersionRequest,
  writeCreateRequest,
  writeCreateTtlRequest,
  writeDeleteRequest,
  writePathWatchRequest,
  writeSetDataRequest,
} from "./requests.ts";
import type {
  CheckVersionRequest,
  CreateRequest,
  CreateTtlRequest,
  DeleteRequest,
  PathWatchRequest,
  SetDataRequest,
} from "./requests.ts";

export interface MultiHeader {
  readonly type: number;
  readonly done: boolean;
  readonly err: number;
}

export function readMultiHeader(r: Reader): MultiHeader {
  return { type: r.int(), done: r.boolean(), err: r.int() };
}

export function writeMultiHeader(w: Writer, type: number, done: boolean, err: number): void {
  w.int(type);
  w.boolean(done);
  w.int(err);
}

/** The header that closes requests and responses alike. */
export function writeMultiEnd(w: Writer): void {
  writeMultiHeader(w, -1, true, -1);
}

type CreateOpType = typeof OpCode.create | typeof OpCode.create2 | typeof OpCode.createContainer;
/** A sub-request of multi. */
export type MultiOp =
  | { readonly type: CreateOpType; readonly request: CreateRequest }
  | { readonly type: typeof OpCode.createTTL; readonly request: CreateTtlRequest }
  | { readonly type: typeof OpCode.delete; readonly request: DeleteRequest }
  | { readonly type: typeof OpCode.setData; readonly request: SetDataRequest }
  | { readonly type: typeof OpCode.check; readonly request: CheckVersionRequest };

/** A sub-request of multiRead; its watch flag is decoded and means nothing. */
export interface MultiReadOp {
  readonly type: typeof OpCode.getData | typeof OpCode.getChildren;
  readonly request: PathWatchRequest;
}

/**
 * Undefined, and the reader failed, when the bytes are no multi: cut short, or with any sub-request that does not
 * belong in one, reads included. An empty multi is one.
 */
export function readMultiRequest(r: Reader): MultiOp[] | undefined {
  return readUntilDone(r, readMultiOp);
}

export function writeMultiRequest(w: Writer, ops: readonly MultiOp[]): void {
  for (const op of ops) {
    writeMultiHeader(w, op.type, false, -1);
    writeMultiOp(w, op);
  }
  writeMultiEnd(w);
}

/** Undefined, and the reader failed, when the bytes are no multiRead: cut short, or with anything but reads. */
export function readMultiReadRequest(r: Reader): MultiReadOp[] | undefined {
  return readUntilDone(r, (r, type) => {
    if (type !== OpCode.getData && type !== OpCode.getChildren) return undefined;
    return { type, request: readPathWatchRequest(r) };
  });
}

export function writeMultiReadRequest(w: Writer, ops: readonly MultiReadOp[]): void {
  for (const op of ops) {
    writeMultiHeader(w, op.type, false, -1);
    writePathWatchRequest(w, op.request);
  }
  writeMultiEnd(w);
}

/** What became of one sub-request. Every kind of create with a Stat answers as create2. */
export type MultiResult =
  | { readonly type: typeof OpCode.create; readonly path: string | null }
  | { readonly type: typeof OpCode.create2; readonly path: string | null; readonly stat: Stat }
  | { readonly type: typeof OpCode.delete }
  | { readonly type: typeof OpCode.setData; readonly stat: Stat }
  | { readonly type: typeof OpCode.check }
  /** `data` is a view into the packet. */
  | { readonly type: typeof OpCode.getData; readonly data: Uint8Array | null; readonly stat: Stat }
  | { readonly type: typeof OpCode.getChildren; readonly children: readonly (string | null)[] | null }
  /** In a failed multi every result is an error, with 0 for what came before the one that failed. */
  | { readonly type: typeof OpCode.error; readonly err: number };

/** Undefined, and the reader failed, when the bytes are no response to multi or multiRead. */
export function readMultiResponse(r: Reader): MultiResult[] | undefined {
  return readUntilDone(r, readMultiResult);
}

export function writeMultiResponse(w: Writer, results: readonly MultiResult[]): void {
  for (const result of results) writeMultiResult(w, result);
  writeMultiEnd(w);
}

/** One result with its header: for a server that writes some results straight from the tree. */
export function writeMultiResult(w: Writer, result: MultiResult): void {
  if (result.type === OpCode.error) {
    // The code stands both in the header and behind it.
    writeMultiHeader(w, result.type, false, result.err);
    return w.int(result.err);
  }
  writeMultiHeader(w, result.type, false, 0);
  switch (result.type) {
    case OpCode.create:
      return w.string(result.path);
    case OpCode.create2:
      w.string(result.path);
      return writeStat(w, result.stat);
    case OpCode.setData:
      return writeStat(w, result.stat);
    case OpCode.getData:
      w.buffer(result.data);
      return writeStat(w, result.stat);
    case OpCode.getChildren:
      return writeStringVector(w, result.children);
    case OpCode.delete:
    case OpCode.check:
      return;
  }
}

/** `readOne` gives undefined for a type that has no place there. Each header takes bytes, so the loop ends. */
function readUntilDone<T>(r: Reader, readOne: (r: Reader, type: number) => T | undefined): T[] | undefined {
  const items: T[] = [];
  for (;;) {
    const type = r.int();
    const done = r.boolean();
    r.int();
    if (r.failed) return undefined;
    if (done) return items;
    const item = readOne(r, type);
    if (item === undefined) r.fail();
    if (r.failed || item === undefined) return undefined;
    items.push(item);
  }
}

function readMultiOp(r: Reader, type: number): MultiOp | undefined {
  switch (type) {
    case OpCode.create:
    case OpCode.create2:
    case OpCode.createContainer:
      return createByFlags(type, readCreateRequest(r));
    case OpCode.createTTL: {
      const { ttl, ...request } = readCreateTtlRequest(r);
      const { flags } = request;
      const lives = flags === CreateMode.persistentWithTtl || flags === CreateMode.persistentSequentialWithTtl;
      return lives ? { type, request: { ...request, ttl } } : createByFlags(OpCode.create, request);
    }
    case OpCode.delete:
      return { type, request: readDeleteRequest(r) };
    case OpCode.setData:
      return { type, request: readSetDataRequest(r) };
    case OpCode.check:
      return { type, request: readCheckVersionRequest(r) };
    default:
      return undefined;
  }
}

/**
 * Unlike outside a multi, the flags decide what a create is (Java: Op.create): a container's make it one, and a
 * createTTL without a TTL's is a plain create. Flags that are none are left for validation to refuse.
 */
function createByFlags(type: CreateOpType, request: CreateRequest): MultiOp {
  return { type: request.flags === CreateMode.container ? OpCode.createContainer : type, request };
}

function writeMultiOp(w: Writer, op: MultiOp): void {
  switch (op.type) {
    case OpCode.create:
    case OpCode.create2:
    case OpCode.createContainer:
      return writeCreateRequest(w, op.request);
    case OpCode.createTTL:
      return writeCreateTtlRequest(w, op.request);
    case OpCode.delete:
      return writeDeleteRequest(w, op.request);
    case OpCode.setData:
      return writeSetDataRequest(w, op.request);
    case OpCode.check:
      return writeCheckVersionRequest(w, op.request);
  }
}

function readMultiResult(r: Reader, type: number): MultiResult | undefined {
  switch (type) {
    case OpCode.create:
      return { type, path: r.string() };
    case OpCode.create2:
      return { type, path: r.string(), stat: readStat(r) };
    case OpCode.delete:
    case OpCode.check:
      return { type };
    case OpCode.setData:
      return { type, stat: readStat(r) };
    case OpCode.getData:
      return { type, data: r.buffer(), stat: readStat(r) };
    case OpCode.getChildren:
      return { type, children: readStringVector(r) };
    case OpCode.error:
      return { type, err: r.int() };
    default:
      return undefined;
  }
}
