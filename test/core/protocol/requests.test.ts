import fc from "fast-check";
import { expect, test } from "vitest";
import { Reader } from "../../../core/jute/reader.ts";
import * as requests from "../../../core/protocol/requests.ts";
import { bytesOrNull, checkCodec, encode, hex, int, long, rawAcl, strings, textOrNull, zxid } from "./arbitraries.ts";
import type { Codec } from "./arbitraries.ts";

const path = textOrNull;
const create = { path, data: bytesOrNull, acl: rawAcl, flags: int };
const watches = { relativeZxid: zxid, dataWatches: strings, existWatches: strings, childWatches: strings };

function codec<T>(
  fields: { [K in keyof T]: fc.Arbitrary<T[K]> },
  read: Codec<T>["read"],
  write: Codec<T>["write"],
): void {
  test(`${read.name.replace("read", "")} survives the wire`, () => {
    checkCodec({ value: fc.record(fields) as fc.Arbitrary<T>, read, write }, 60);
  });
}

codec(create, requests.readCreateRequest, requests.writeCreateRequest);
codec({ ...create, ttl: long }, requests.readCreateTtlRequest, requests.writeCreateTtlRequest);
codec({ path, version: int }, requests.readDeleteRequest, requests.writeDeleteRequest);
codec({ path, watch: fc.boolean() }, requests.readPathWatchRequest, requests.writePathWatchRequest);
codec({ path, data: bytesOrNull, version: int }, requests.readSetDataRequest, requests.writeSetDataRequest);
codec({ path }, requests.readPathRequest, requests.writePathRequest);
codec({ path, acl: rawAcl, version: int }, requests.readSetAclRequest, requests.writeSetAclRequest);
codec({ path, version: int }, requests.readCheckVersionRequest, requests.writeCheckVersionRequest);
codec(
  { joiningServers: path, leavingServers: path, newMembers: path, curConfigId: zxid },
  requests.readReconfigRequest,
  requests.writeReconfigRequest,
);
codec({ path, type: int }, requests.readWatchTypeRequest, requests.writeWatchTypeRequest);
codec(watches, requests.readSetWatchesRequest, requests.writeSetWatchesRequest);
codec(
  { ...watches, persistentWatches: strings, persistentRecursiveWatches: strings },
  requests.readSetWatches2Request,
  requests.writeSetWatches2Request,
);
codec({ path, mode: int }, requests.readAddWatchRequest, requests.writeAddWatchRequest);
codec({ token: bytesOrNull }, requests.readSaslRequest, requests.writeSaslRequest);

test("a createTTL request has its fields in jute's order", () => {
  const bytes = encode(requests.writeCreateTtlRequest, {
    path: "/a",
    data: hex("78"),
    acl: [{ perms: 31, scheme: "world", id: "anyone" }],
    flags: requests.CreateMode.persistentWithTtl,
    ttl: 5000,
  });
  expect(bytes).toEqual(
    hex(`00000002 2f61 00000001 78 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
         00000005 0000000000001388`),
  );
});

test("null and empty stay apart, in strings, buffers and vectors", () => {
  const nulls = hex("ffffffff ffffffff ffffffff 00000000");
  expect(requests.readCreateRequest(new Reader(nulls))).toEqual({ path: null, data: null, acl: null, flags: 0 });
  const empties = hex("00000000 00000000 00000000 00000000");
  expect(requests.readCreateRequest(new Reader(empties))).toEqual({
    path: "",
    data: new Uint8Array(0),
    acl: [],
    flags: 0,
  });
});

test("junk after a request is left unread", () => {
  const r = new Reader(hex("00000002 2f61 ffffffff deadbeef"));
  expect(requests.readDeleteRequest(r)).toEqual({ path: "/a", version: -1 });
  expect([r.failed, r.remaining]).toEqual([false, 4]);
});

test("a count far beyond the bytes that follow fails instead of allocating", () => {
  const r = new Reader(hex("0000000000000000 7fffffff 00000000"));
  expect(requests.readSetWatchesRequest(r).dataWatches).toEqual([]);
  expect(r.failed).toBe(true);
});
