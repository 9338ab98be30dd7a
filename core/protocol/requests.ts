/**
 * The bodies of requests, in the order of zookeeper.jute (reference, section 3). What a client sent is kept as it came:
 * null strings stay null, flags and modes are any int. What is wrong with them is for the processors to say.
 */
import type { Millis } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import type { Reader } from "../jute/reader.ts";
import type { Writer } from "../jute/writer.ts";
import { readAclVector, readStringVector, writeAclVector, writeStringVector } from "./data.ts";
import type { RawAcl } from "./data.ts";

/** The flags of the create requests (Java: CreateMode). */
export const CreateMode = {
  persistent: 0,
  ephemeral: 1,
  persistentSequential: 2,
  ephemeralSequential: 3,
  container: 4,
  persistentWithTtl: 5,
  persistentSequentialWithTtl: 6,
} as const;
export type CreateMode = (typeof CreateMode)[keyof typeof CreateMode];

/** Java: AddWatchMode. */
export const AddWatchMode = { persistent: 0, persistentRecursive: 1 } as const;
export type AddWatchMode = (typeof AddWatchMode)[keyof typeof AddWatchMode];

/** What checkWatches and removeWatches are about (Java: Watcher.WatcherType). */
export const WatcherType = { children: 1, data: 2, any: 3, persistent: 4, persistentRecursive: 5 } as const;
export type WatcherType = (typeof WatcherType)[keyof typeof WatcherType];

/** create, create2 and createContainer. */
export interface CreateRequest {
  readonly path: string | null;
  /** A view into the packet. */
  readonly data: Uint8Array | null;
  readonly acl: readonly RawAcl[] | null;
  /** A {@link CreateMode}, if the client is right. */
  readonly flags: number;
}

export function readCreateRequest(r: Reader): CreateRequest {
  return { path: r.string(), data: r.buffer(), acl: readAclVector(r), flags: r.int() };
}

export function writeCreateRequest(w: Writer, request: CreateRequest): void {
  w.string(request.path);
  w.buffer(request.data);
  writeAclVector(w, request.acl);
  w.int(request.flags);
}

export interface CreateTtlRequest extends CreateRequest {
  /** Beyond ±2^53 inexact, and far outside what is allowed (txns.ts: TTL_MAX). */
  readonly ttl: Millis;
}

export function readCreateTtlRequest(r: Reader): CreateTtlRequest {
  return { path: r.string(), data: r.buffer(), acl: readAclVector(r), flags: r.int(), ttl: r.long() };
}

export function writeCreateTtlRequest(w: Writer, request: CreateTtlRequest): void {
  writeCreateRequest(w, request);
  w.long(request.ttl);
}

export interface DeleteRequest {
  readonly path: string | null;
  /** The data version it must have; -1 for any. */
  readonly version: number;
}

export function readDeleteRequest(r: Reader): DeleteRequest {
  return { path: r.string(), version: r.int() };
}

export function writeDeleteRequest(w: Writer, request: DeleteRequest): void {
  w.string(request.path);
  w.int(request.version);
}

/** exists, getData, getChildren and getChildren2. */
export interface PathWatchRequest {
  readonly path: string | null;
  readonly watch: boolean;
}

export function readPathWatchRequest(r: Reader): PathWatchRequest {
  return { path: r.string(), watch: r.boolean() };
}

export function writePathWatchRequest(w: Writer, request: PathWatchRequest): void {
  w.string(request.path);
  w.boolean(request.watch);
}

export interface SetDataRequest {
  readonly path: string | null;
  /** A view into the packet. */
  readonly data: Uint8Array | null;
  /** The data version it must have; -1 for any. */
  readonly version: number;
}

export function readSetDataRequest(r: Reader): SetDataRequest {
  return { path: r.string(), data: r.buffer(), version: r.int() };
}

export function writeSetDataRequest(w: Writer, request: SetDataRequest): void {
  w.string(request.path);
  w.buffer(request.data);
  w.int(request.version);
}

/** getACL, sync, getAllChildrenNumber, and getEphemerals, whose path is a prefix. */
export interface PathRequest {
  readonly path: string | null;
}

export function readPathRequest(r: Reader): PathRequest {
  return { path: r.string() };
}

export function writePathRequest(w: Writer, request: PathRequest): void {
  w.string(request.path);
}

export interface SetAclRequest {
  readonly path: string | null;
  readonly acl: readonly RawAcl[] | null;
  /** The ACL version it must have; -1 for any. */
  readonly version: number;
}

export function readSetAclRequest(r: Reader): SetAclRequest {
  return { path: r.string(), acl: readAclVector(r), version: r.int() };
}

export function writeSetAclRequest(w: Writer, request: SetAclRequest): void {
  w.string(request.path);
  writeAclVector(w, request.acl);
  w.int(request.version);
}

/** check: inside a multi only. */
export interface CheckVersionRequest {
  readonly path: string | null;
  /** The data version it must have; -1 for any. */
  readonly version: number;
}

export function readCheckVersionRequest(r: Reader): CheckVersionRequest {
  return { path: r.string(), version: r.int() };
}

export function writeCheckVersionRequest(w: Writer, request: CheckVersionRequest): void {
  w.string(request.path);
  w.int(request.version);
}

export interface ReconfigRequest {
  /** Comma list of `server.N=…`. */
  readonly joiningServers: string | null;
  /** Comma list of ids. */
  readonly leavingServers: string | null;
  /** Not null: replaces the membership altogether. */
  readonly newMembers: string | null;
  /** The version, a zxid, the current configuration must have; -1 for any. */
  readonly curConfigId: Zxid;
}

export function readReconfigRequest(r: Reader): ReconfigRequest {
  return { joiningServers: r.string(), leavingServers: r.string(), newMembers: r.string(), curConfigId: r.zxid() };
}

export function writeReconfigRequest(w: Writer, request: ReconfigRequest): void {
  w.string(request.joiningServers);
  w.string(request.leavingServers);
  w.string(request.newMembers);
  w.long(request.curConfigId);
}

/** checkWatches and removeWatches. */
export interface WatchTypeRequest {
  readonly path: string | null;
  /** A {@link WatcherType}, if the client is right. */
  readonly type: number;
}

export function readWatchTypeRequest(r: Reader): WatchTypeRequest {
  return { path: r.string(), type: r.int() };
}

export function writeWatchTypeRequest(w: Writer, request: WatchTypeRequest): void {
  w.string(request.path);
  w.int(request.type);
}

type Paths = readonly (string | null)[] | null;

export interface SetWatchesRequest {
  /** What changed after it is told at once. Only its order matters. */
  readonly relativeZxid: Zxid;
  readonly dataWatches: Paths;
  readonly existWatches: Paths;
  readonly childWatches: Paths;
}

export function readSetWatchesRequest(r: Reader): SetWatchesRequest {
  return {
    relativeZxid: r.zxid(),
    dataWatches: readStringVector(r),
    existWatches: readStringVector(r),
    childWatches: readStringVector(r),
  };
}

export function writeSetWatchesRequest(w: Writer, request: SetWatchesRequest): void {
  w.long(request.relativeZxid);
  writeStringVector(w, request.dataWatches);
  writeStringVector(w, request.existWatches);
  writeStringVector(w, request.childWatches);
}

export interface SetWatches2Request extends SetWatchesRequest {
  readonly persistentWatches: Paths;
  readonly persistentRecursiveWatches: Paths;
}

export function readSetWatches2Request(r: Reader): SetWatches2Request {
  return {
    relativeZxid: r.zxid(),
    dataWatches: readStringVector(r),
    existWatches: readStringVector(r),
    childWatches: readStringVector(r),
    persistentWatches: readStringVector(r),
    persistentRecursiveWatches: readStringVector(r),
  };
}

export function writeSetWatches2Request(w: Writer, request: SetWatches2Request): void {
  writeSetWatchesRequest(w, request);
  writeStringVector(w, request.persistentWatches);
  writeStringVector(w, request.persistentRecursiveWatches);
}

export interface AddWatchRequest {
  readonly path: string | null;
  /** An {@link AddWatchMode}, if the client is right. */
  readonly mode: number;
}

export function readAddWatchRequest(r: Reader): AddWatchRequest {
  return { path: r.string(), mode: r.int() };
}

export function writeAddWatchRequest(w: Writer, request: AddWatchRequest): void {
  w.string(request.path);
  w.int(request.mode);
}

/** One step of a SASL exchange; sasl answers with the same record (responses.ts). */
export interface SaslRequest {
  /** A view into the packet. */
  readonly token: Uint8Array | null;
}

export function readSaslRequest(r: Reader): SaslRequest {
  return { token: r.buffer() };
}

export function writeSaslRequest(w: Writer, request: SaslRequest): void {
  w.buffer(request.token);
}
