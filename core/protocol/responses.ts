/**
 * The bodies of successful replies, in the order of zookeeper.jute (reference, section 3). exists, setData and setACL
 * answer with a bare Stat (data.ts). A server on its hot paths writes node data and children straight from the tree
 * and keeps to these orders by hand; the round trips in the tests hold both together.
 */
import type { Reader } from "../jute/reader.ts";
import type { Writer } from "../jute/writer.ts";
import { readAclVector, readStat, readStringVector, writeAclVector, writeStat, writeStringVector } from "./data.ts";
import type { RawAcl, Stat } from "./data.ts";

/** create and sync: the path alone. */
export interface PathResponse {
  readonly path: string | null;
}

export function readPathResponse(r: Reader): PathResponse {
  return { path: r.string() };
}

export function writePathResponse(w: Writer, response: PathResponse): void {
  w.string(response.path);
}

/** create2, createContainer and createTTL. */
export interface Create2Response {
  readonly path: string | null;
  readonly stat: Stat;
}

export function readCreate2Response(r: Reader): Create2Response {
  return { path: r.string(), stat: readStat(r) };
}

export function writeCreate2Response(w: Writer, response: Create2Response): void {
  w.string(response.path);
  writeStat(w, response.stat);
}

/** getData; reconfig answers the same way with the configuration. */
export interface GetDataResponse {
  /** A view into the packet. */
  readonly data: Uint8Array | null;
  readonly stat: Stat;
}

export function readGetDataResponse(r: Reader): GetDataResponse {
  return { data: r.buffer(), stat: readStat(r) };
}

export function writeGetDataResponse(w: Writer, response: GetDataResponse): void {
  w.buffer(response.data);
  writeStat(w, response.stat);
}

export interface GetAclResponse {
  readonly acl: readonly RawAcl[] | null;
  readonly stat: Stat;
}

export function readGetAclResponse(r: Reader): GetAclResponse {
  return { acl: readAclVector(r), stat: readStat(r) };
}

export function writeGetAclResponse(w: Writer, response: GetAclResponse): void {
  writeAclVector(w, response.acl);
  writeStat(w, response.stat);
}

/** Names, not paths, in no order that may be relied on. */
export interface GetChildrenResponse {
  readonly children: readonly (string | null)[] | null;
}

export function readGetChildrenResponse(r: Reader): GetChildrenResponse {
  return { children: readStringVector(r) };
}

export function writeGetChildrenResponse(w: Writer, response: GetChildrenResponse): void {
  writeStringVector(w, response.children);
}

export interface GetChildren2Response extends GetChildrenResponse {
  readonly stat: Stat;
}

export function readGetChildren2Response(r: Reader): GetChildren2Response {
  return { children: readStringVector(r), stat: readStat(r) };
}

export function writeGetChildren2Response(w: Writer, response: GetChildren2Response): void {
  writeStringVector(w, response.children);
  writeStat(w, response.stat);
}

export interface GetAllChildrenNumberResponse {
  readonly totalNumber: number;
}

export function readGetAllChildrenNumberResponse(r: Reader): GetAllChildrenNumberResponse {
  return { totalNumber: r.int() };
}

export function writeGetAllChildrenNumberResponse(w: Writer, response: GetAllChildrenNumberResponse): void {
  w.int(response.totalNumber);
}

export interface GetEphemeralsResponse {
  readonly ephemerals: readonly (string | null)[] | null;
}

export function readGetEphemeralsResponse(r: Reader): GetEphemeralsResponse {
  return { ephemerals: readStringVector(r) };
}

export function writeGetEphemeralsResponse(w: Writer, response: GetEphemeralsResponse): void {
  writeStringVector(w, response.ephemerals);
}

/** addWatch, where it is always 0. */
export interface ErrorResponse {
  readonly err: number;
}

export function readErrorResponse(r: Reader): ErrorResponse {
  return { err: r.int() };
}

export function writeErrorResponse(w: Writer, response: ErrorResponse): void {
  w.int(response.err);
}

export interface ClientInfo {
  readonly authScheme: string | null;
  readonly user: string | null;
}
/** The least bytes a client info takes: two empty strings. */
const CLIENT_INFO_BYTES_MIN = 8;

export interface WhoAmIResponse {
  readonly clientInfo: readonly ClientInfo[] | null;
}

export function readWhoAmIResponse(r: Reader): WhoAmIResponse {
  const count = r.count(CLIENT_INFO_BYTES_MIN);
  if (count < 0) return { clientInfo: null };
  const clientInfo: ClientInfo[] = [];
  for (let i = 0; i < count; i++) clientInfo.push({ authScheme: r.string(), user: r.string() });
  return { clientInfo };
}

export function writeWhoAmIResponse(w: Writer, response: WhoAmIResponse): void {
  if (response.clientInfo === null) return w.int(-1);
  w.int(response.clientInfo.length);
  for (const info of response.clientInfo) {
    w.string(info.authScheme);
    w.string(info.user);
  }
}

export interface SaslResponse {
  /** A view into the packet; null when the exchange is over or was never possible. */
  readonly token: Uint8Array | null;
}

export function readSaslResponse(r: Reader): SaslResponse {
  return { token: r.buffer() };
}

export function writeSaslResponse(w: Writer, response: SaslResponse): void {
  w.buffer(response.token);
}
