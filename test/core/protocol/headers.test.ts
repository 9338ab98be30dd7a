import fc from "fast-check";
import { expect, test } from "vitest";
import { SESSION_NONE } from "../../../core/base/ids.ts";
import { ZXID_ZERO } from "../../../core/base/zxid.ts";
import { Reader } from "../../../core/jute/reader.ts";
import {
  REPLY_HEADER_BYTES,
  REQUEST_HEADER_BYTES,
  readAuthPacket,
  readConnectRequest,
  readConnectResponse,
  readReplyHeader,
  readRequestHeader,
  readWatcherEvent,
  writeAuthPacket,
  writeConnectRequest,
  writeConnectResponse,
  writeReplyHeader,
  writeRequestHeader,
  writeWatcherEvent,
} from "../../../core/protocol/headers.ts";
import type { ReplyHeader, RequestHeader } from "../../../core/protocol/headers.ts";
import { bytesOrNull, checkCodec, encode, hex, int, session, textOrNull, zxid } from "./arbitraries.ts";
import type { Codec } from "./arbitraries.ts";

/** A record without the byte has it false; cut short before the byte, a record is one without. */
const readOnly = fc.constantFrom(
  { hasReadOnly: false, readOnly: false },
  { hasReadOnly: true, readOnly: false },
  { hasReadOnly: true, readOnly: true },
);
const beforeReadOnly = (value: { hasReadOnly: boolean }, length: number) => (value.hasReadOnly ? [length - 1] : []);

test("the connect request of a new session has the known bytes", () => {
  const request = {
    protocolVersion: 0,
    lastZxidSeen: ZXID_ZERO,
    timeOut: 10_000,
    sessionId: SESSION_NONE,
    passwd: new Uint8Array(16),
    readOnly: false,
    hasReadOnly: true,
  };
  const bytes = hex(`00000000 0000000000000000 00002710 0000000000000000 00000010 ${"00".repeat(16)} 00`);
  expect(bytes).toHaveLength(45);
  expect(encode(writeConnectRequest, request)).toEqual(bytes);
  expect(readConnectRequest(new Reader(bytes))).toEqual(request);
});

test("the connect response to a client that ends before readOnly is one byte shorter", () => {
  const response = { protocolVersion: 0, timeOut: 0, sessionId: SESSION_NONE, passwd: new Uint8Array(16) };
  expect(encode(writeConnectResponse, { ...response, readOnly: false, hasReadOnly: false })).toHaveLength(36);
  expect(encode(writeConnectResponse, { ...response, readOnly: false, hasReadOnly: true })).toHaveLength(37);
});

test("connect records survive the wire", () => {
  const shared = { protocolVersion: int, timeOut: int, sessionId: session, passwd: bytesOrNull };
  checkCodec({
    value: fc.tuple(fc.record({ ...shared, lastZxidSeen: zxid }), readOnly).map(([a, b]) => ({ ...a, ...b })),
    write: writeConnectRequest,
    read: readConnectRequest,
    mayEndAt: beforeReadOnly,
  });
  checkCodec({
    value: fc.tuple(fc.record(shared), readOnly).map(([a, b]) => ({ ...a, ...b })),
    write: writeConnectResponse,
    read: readConnectResponse,
    mayEndAt: beforeReadOnly,
  });
});

test("headers survive the wire and have their fixed sizes", () => {
  const request: Codec<RequestHeader> = {
    value: fc.record({ xid: int, type: int }),
    write: (w, { xid, type }) => writeRequestHeader(w, xid, type),
    read: readRequestHeader,
  };
  const reply: Codec<ReplyHeader> = {
    value: fc.record({ xid: int, zxid, err: int }),
    write: (w, { xid, zxid, err }) => writeReplyHeader(w, xid, zxid, err),
    read: readReplyHeader,
  };
  checkCodec(request);
  checkCodec(reply);
  expect(encode(request.write, { xid: 1, type: 4 })).toHaveLength(REQUEST_HEADER_BYTES);
  expect(encode(reply.write, { xid: 1, zxid: ZXID_ZERO, err: 0 })).toHaveLength(REPLY_HEADER_BYTES);
});

test("a notification of 3.8 has the known bytes", () => {
  const bytes = hex("ffffffff ffffffffffffffff 00000000 00000003 00000003 00000002 2f61");
  const r = new Reader(bytes);
  expect(readReplyHeader(r)).toEqual({ xid: -1, zxid: -1, err: 0 });
  expect(readWatcherEvent(r)).toEqual({ type: 3, state: 3, path: "/a" });
  expect([r.failed, r.remaining]).toEqual([false, 0]);
});

test("auth packets and watcher events survive the wire", () => {
  checkCodec({
    value: fc.record({ type: int, scheme: textOrNull, auth: bytesOrNull }),
    write: writeAuthPacket,
    read: readAuthPacket,
  });
  checkCodec({
    value: fc.record({ type: int, state: int, path: textOrNull }),
    write: writeWatcherEvent,
    read: readWatcherEvent,
  });
});
