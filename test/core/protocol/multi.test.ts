import fc from "fast-check";
import { expect, test } from "vitest";
import { Reader } from "../../../core/jute/reader.ts";
import { Writer } from "../../../core/jute/writer.ts";
import { Code } from "../../../core/protocol/codes.ts";
import {
  readMultiReadRequest,
  readMultiRequest,
  readMultiResponse,
  writeMultiReadRequest,
  writeMultiRequest,
  writeMultiResponse,
} from "../../../core/protocol/multi.ts";
import type { MultiOp, MultiReadOp, MultiResult } from "../../../core/protocol/multi.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import { CreateMode } from "../../../core/protocol/requests.ts";
import { bytesOrNull, checkCodec, encode, hex, int, long, rawAcl, stat, strings, textOrNull } from "./arbitraries.ts";

const path = textOrNull;
const END = "ffffffff 01 ffffffff";

/** Only a container is created with a container's flag: anything else is retyped when read. */
const flags = int.filter((flags) => flags !== CreateMode.container);
const create = fc.record({ path, data: bytesOrNull, acl: rawAcl, flags });
const versioned = fc.record({ path, version: int });
const op: fc.Arbitrary<MultiOp> = fc.oneof(
  fc.record({ type: fc.constantFrom(OpCode.create, OpCode.create2, OpCode.createContainer), request: create }),
  fc.record({
    type: fc.constant(OpCode.createContainer),
    request: create.map((request) => ({ ...request, flags: CreateMode.container })),
  }),
  fc.record({
    type: fc.constant(OpCode.createTTL),
    request: fc.record({ path, data: bytesOrNull, acl: rawAcl, flags: fc.constantFrom(5, 6), ttl: long }),
  }),
  fc.record({ type: fc.constant(OpCode.delete), request: versioned }),
  fc.record({
    type: fc.constant(OpCode.setData),
    request: fc.record({ path, data: bytesOrNull, version: int }),
  }),
  fc.record({ type: fc.constant(OpCode.check), request: versioned }),
);
const readOp: fc.Arbitrary<MultiReadOp> = fc.record({
  type: fc.constantFrom(OpCode.getData, OpCode.getChildren),
  request: fc.record({ path, watch: fc.boolean() }),
});
const result: fc.Arbitrary<MultiResult> = fc.oneof(
  fc.record({ type: fc.constant(OpCode.create), path }),
  fc.record({ type: fc.constant(OpCode.create2), path, stat }),
  fc.record({ type: fc.constantFrom(OpCode.delete, OpCode.check) }),
  fc.record({ type: fc.constant(OpCode.setData), stat }),
  fc.record({ type: fc.constant(OpCode.getData), data: bytesOrNull, stat }),
  fc.record({ type: fc.constant(OpCode.getChildren), children: strings }),
  fc.record({ type: fc.constant(OpCode.error), err: int }),
);

test("multi, multiRead and their responses survive the wire", () => {
  const many = { maxLength: 4 };
  checkCodec({ value: fc.array(op, many), write: writeMultiRequest, read: readMultiRequest });
  checkCodec({ value: fc.array(readOp, many), write: writeMultiReadRequest, read: readMultiReadRequest });
  checkCodec({ value: fc.array(result, many), write: writeMultiResponse, read: readMultiResponse });
});

test("an empty multi is its closing header alone", () => {
  expect(encode(writeMultiRequest, [])).toEqual(hex(END));
  expect(readMultiRequest(new Reader(hex(END)))).toEqual([]);
  expect(encode(writeMultiResponse, [])).toEqual(hex(END));
});

test("an error result carries its code in the header and again behind it", () => {
  const results: MultiResult[] = [
    { type: OpCode.error, err: Code.OK },
    { type: OpCode.error, err: Code.NONODE },
    { type: OpCode.error, err: Code.RUNTIMEINCONSISTENCY },
  ];
  expect(encode(writeMultiResponse, results)).toEqual(
    hex(`ffffffff 00 00000000 00000000
         ffffffff 00 ffffff9b ffffff9b
         ffffffff 00 fffffffe fffffffe ${END}`),
  );
});

test("a create marked as container is read as createContainer", () => {
  const request = { path: "/c", data: null, acl: [], flags: CreateMode.container };
  for (const type of [OpCode.create, OpCode.create2] as const) {
    const bytes = encode(writeMultiRequest, [{ type, request }]);
    expect(readMultiRequest(new Reader(bytes))).toEqual([{ type: OpCode.createContainer, request }]);
  }
});

test("a createTTL whose flags ask for no TTL is read as what they ask for", () => {
  const request = { path: "/t", data: null, acl: [], flags: CreateMode.persistent };
  // A negative ttl would otherwise pass as "none" and poison the log.
  const plain = encode(writeMultiRequest, [{ type: OpCode.createTTL, request: { ...request, ttl: -1 } }]);
  expect(readMultiRequest(new Reader(plain))).toEqual([{ type: OpCode.create, request }]);
  const asContainer = { ...request, flags: CreateMode.container };
  const container = encode(writeMultiRequest, [{ type: OpCode.createTTL, request: { ...asContainer, ttl: 5 } }]);
  expect(readMultiRequest(new Reader(container))).toEqual([{ type: OpCode.createContainer, request: asContainer }]);
});

test("a multi with a read, an ACL change or an unknown type in it does not decode", () => {
  const read: MultiReadOp = { type: OpCode.getData, request: { path: "/a", watch: false } };
  const remove: MultiOp = { type: OpCode.delete, request: { path: "/a", version: -1 } };
  const first = encode(writeMultiRequest, [remove]).subarray(0, -9);
  for (const prefix of [new Uint8Array(0), first]) {
    const w = new Writer();
    w.raw(prefix);
    writeMultiReadRequest(w, [read]);
    const r = new Reader(w.take());
    expect(readMultiRequest(r)).toBeUndefined();
    expect(r.failed).toBe(true);
  }
  for (const type of [OpCode.setACL, OpCode.reconfig, OpCode.multi, OpCode.error, 0, 99]) {
    const w = new Writer();
    w.int(type);
    w.boolean(false);
    w.int(-1);
    w.raw(new Uint8Array(64));
    expect(readMultiRequest(new Reader(w.take()))).toBeUndefined();
  }
});

test("a multiRead with a write in it does not decode", () => {
  const w = new Writer();
  writeMultiRequest(w, [{ type: OpCode.delete, request: { path: "/a", version: -1 } }]);
  const r = new Reader(w.take());
  expect(readMultiReadRequest(r)).toBeUndefined();
  expect(r.failed).toBe(true);
});
