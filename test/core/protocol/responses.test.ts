import fc from "fast-check";
import { expect, test } from "vitest";
import { Reader } from "../../../core/jute/reader.ts";
import { readStat, STAT_BYTES, writeStat } from "../../../core/protocol/data.ts";
import * as responses from "../../../core/protocol/responses.ts";
import { bytesOrNull, checkCodec, hex, int, rawAcl, stat, strings, textOrNull } from "./arbitraries.ts";
import type { Codec } from "./arbitraries.ts";

const path = textOrNull;

function codec<T>(
  fields: { [K in keyof T]: fc.Arbitrary<T[K]> },
  read: Codec<T>["read"],
  write: Codec<T>["write"],
): void {
  test(`${read.name.replace("read", "")} survives the wire`, () => {
    checkCodec({ value: fc.record(fields) as fc.Arbitrary<T>, read, write }, 60);
  });
}

codec({ path }, responses.readPathResponse, responses.writePathResponse);
codec({ path, stat }, responses.readCreate2Response, responses.writeCreate2Response);
codec({ data: bytesOrNull, stat }, responses.readGetDataResponse, responses.writeGetDataResponse);
codec({ acl: rawAcl, stat }, responses.readGetAclResponse, responses.writeGetAclResponse);
codec({ children: strings }, responses.readGetChildrenResponse, responses.writeGetChildrenResponse);
codec({ children: strings, stat }, responses.readGetChildren2Response, responses.writeGetChildren2Response);
codec({ totalNumber: int }, responses.readGetAllChildrenNumberResponse, responses.writeGetAllChildrenNumberResponse);
codec({ ephemerals: strings }, responses.readGetEphemeralsResponse, responses.writeGetEphemeralsResponse);
codec({ err: int }, responses.readErrorResponse, responses.writeErrorResponse);
codec(
  {
    clientInfo: fc.option(fc.array(fc.record({ authScheme: path, user: path }), { maxLength: 4 }), { nil: null }),
  },
  responses.readWhoAmIResponse,
  responses.writeWhoAmIResponse,
);
codec({ token: bytesOrNull }, responses.readSaslResponse, responses.writeSaslResponse);

test("Stat survives the wire", () => {
  checkCodec({ value: stat, read: readStat, write: writeStat });
});

test("a Stat has its eleven fields in jute's order", () => {
  const bytes = hex(`0000000000000002 0000000000000003 0000018bcfe56800 0000018bcfe56801
    00000004 00000005 00000006 0100000000000000 00000007 00000008 0000000500000009`);
  expect(bytes).toHaveLength(STAT_BYTES);
  expect(readStat(new Reader(bytes))).toEqual({
    czxid: 2,
    mzxid: 3,
    ctime: 1700000000000,
    mtime: 1700000000001,
    version: 4,
    cversion: 5,
    aversion: 6,
    ephemeralOwner: 0x0100000000000000n,
    dataLength: 7,
    numChildren: 8,
    pzxid: 5 * 2 ** 32 + 9,
  });
});
