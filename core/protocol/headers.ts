/**
 * What frames a conversation: the connect exchange, the headers of every later packet, and notifications
 * (zookeeper.jute, module org.apache.zookeeper.proto; reference, sections 2.2 and 2.6). Bodies are in requests.ts and
 * responses.ts.
 */
import type { Millis } from "../actor.ts";
import type { SessionId, Xid } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import type { Reader } from "../jute/reader.ts";
import type { Writer } from "../jute/writer.ts";

/** The xids that do not count requests. Servers echo whatever came; only notification and ping are fixed. */
export const Xids = { notification: -1, ping: -2, auth: -4, setWatches: -8 } as const;

/** Java: Watcher.Event.EventType. */
export const EventType = {
  none: -1,
  nodeCreated: 1,
  nodeDeleted: 2,
  nodeDataChanged: 3,
  nodeChildrenChanged: 4,
  dataWatchRemoved: 5,
  childWatchRemoved: 6,
  persistentWatchRemoved: 7,
} as const;
export type EventType = (typeof EventType)[keyof typeof EventType];

/** Java: Watcher.Event.KeeperState. A server only ever sends syncConnected; the others arise in a client. */
export const KeeperState = {
  expired: -112,
  disconnected: 0,
  syncConnected: 3,
  authFailed: 4,
  connectedReadOnly: 5,
  saslAuthenticated: 6,
  closed: 7,
} as const;
export type KeeperState = (typeof KeeperState)[keyof typeof KeeperState];

export interface ConnectRequest {
  /** Always 0; nobody looks. */
  readonly protocolVersion: number;
  readonly lastZxidSeen: Zxid;
  /** The wanted session timeout; the server clamps it. */
  readonly timeOut: Millis;
  /** 0 asks for a new session. */
  readonly sessionId: SessionId;
  /** A view into the packet. */
  readonly passwd: Uint8Array | null;
  /** The client accepts a read-only server. */
  readonly readOnly: boolean;
  /** Whether the packet has the byte at all: clients up to 3.3 end before it, and are answered without it. */
  readonly hasReadOnly: boolean;
}

export function readConnectRequest(r: Reader): ConnectRequest {
  const protocolVersion = r.int();
  const lastZxidSeen = r.zxid();
  const timeOut = r.int();
  const sessionId = r.sessionId();
  const passwd = r.buffer();
  const hasReadOnly = r.remaining > 0;
  return {
    protocolVersion,
    lastZxidSeen,
    timeOut,
    sessionId,
    passwd,
    readOnly: hasReadOnly && r.boolean(),
    hasReadOnly,
  };
}

export function writeConnectRequest(w: Writer, request: ConnectRequest): void {
  w.int(request.protocolVersion);
  w.long(request.lastZxidSeen);
  w.int(request.timeOut);
  w.int64(request.sessionId);
  w.buffer(request.passwd);
  if (request.hasReadOnly) w.boolean(request.readOnly);
}

export interface ConnectResponse {
  readonly protocolVersion: number;
  /** The negotiated session timeout; 0 or less means that there is no such session (any more). */
  readonly timeOut: Millis;
  readonly sessionId: SessionId;
  /** A view into the packet. */
  readonly passwd: Uint8Array | null;
  /** The server is a read-only one. */
  readonly readOnly: boolean;
  readonly hasReadOnly: boolean;
}

export function readConnectResponse(r: Reader): ConnectResponse {
  const protocolVersion = r.int();
  const timeOut = r.int();
  const sessionId = r.sessionId();
  const passwd = r.buffer();
  const hasReadOnly = r.remaining > 0;
  return { protocolVersion, timeOut, sessionId, passwd, readOnly: hasReadOnly && r.boolean(), hasReadOnly };
}

export function writeConnectResponse(w: Writer, response: ConnectResponse): void {
  w.int(response.protocolVersion);
  w.int(response.timeOut);
  w.int64(response.sessionId);
  w.buffer(response.passwd);
  if (response.hasReadOnly) w.boolean(response.readOnly);
}

/** A client packet shorter than this has no header and ends its connection. */
export const REQUEST_HEADER_BYTES = 8;

export interface RequestHeader {
  readonly xid: Xid;
  readonly type: number;
}

export function readRequestHeader(r: Reader): RequestHeader {
  return { xid: r.int(), type: r.int() };
}

export function writeRequestHeader(w: Writer, xid: Xid, type: number): void {
  w.int(xid);
  w.int(type);
}

export const REPLY_HEADER_BYTES = 16;

export interface ReplyHeader {
  readonly xid: Xid;
  /** The server's last processed zxid when the reply was made; reference, section 2.7 has the exceptions. */
  readonly zxid: Zxid;
  /** A reply code; with any but 0 the body, if there is one, must be ignored. */
  readonly err: number;
}

export function readReplyHeader(r: Reader): ReplyHeader {
  return { xid: r.int(), zxid: r.zxid(), err: r.int() };
}

/** Takes the fields apart: one is written per request, and an object for it would be garbage at once. */
export function writeReplyHeader(w: Writer, xid: Xid, zxid: Zxid, err: number): void {
  w.int(xid);
  w.long(zxid);
  w.int(err);
}

/** The body of request type `auth`. */
export interface AuthPacket {
  /** Always 0; nobody looks. */
  readonly type: number;
  readonly scheme: string | null;
  /** A view into the packet. */
  readonly auth: Uint8Array | null;
}

export function readAuthPacket(r: Reader): AuthPacket {
  return { type: r.int(), scheme: r.string(), auth: r.buffer() };
}

export function writeAuthPacket(w: Writer, packet: AuthPacket): void {
  w.int(packet.type);
  w.string(packet.scheme);
  w.buffer(packet.auth);
}

/** The body of a notification, behind a reply header with {@link Xids.notification}. */
export interface WatcherEvent {
  /** An {@link EventType}, unless the server is newer than we are. */
  readonly type: number;
  /** A {@link KeeperState}, likewise. */
  readonly state: number;
  readonly path: string | null;
}

export function readWatcherEvent(r: Reader): WatcherEvent {
  return { type: r.int(), state: r.int(), path: r.string() };
}

export function writeWatcherEvent(w: Writer, event: WatcherEvent): void {
  w.int(event.type);
  w.int(event.state);
  w.string(event.path);
}
