import fc from "fast-check";
import { expect, test } from "vitest";
import { adler32 } from "../../../core/base/checksums.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { Writer } from "../../../core/jute/writer.ts";
import type { SessionId } from "../../../core/base/ids.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { OPEN_ACL_UNSAFE } from "../../../core/protocol/data.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import {
  readTxnEntry,
  TTL_MAX,
  TXN_DIGEST_BYTES,
  TXN_HEADER_BYTES,
  writeTxn,
  writeTxnDigest,
  writeTxnEntry,
  writeTxnHeader,
} from "../../../core/protocol/txns.ts";
import type { SubTxn, Txn, TxnEntry } from "../../../core/protocol/txns.ts";
import { acl, bytesOrNull, checkCodec, encode, hex, int, long, session, text, zxid } from "./arbitraries.ts";

const path = text;
const data = bytesOrNull;
const type = <T extends number>(...types: T[]): fc.Arbitrary<T> => fc.constantFrom(...types);
const ttl = fc.integer({ min: 1, max: TTL_MAX });

const subTxn: fc.Arbitrary<SubTxn> = fc.oneof(
  fc.record({
    type: type(OpCode.create, OpCode.create2),
    path,
    data,
    acl,
    ephemeral: fc.boolean(),
    parentCVersion: int,
  }),
  fc.record({ type: type(OpCode.createContainer), path, data, acl, parentCVersion: int }),
  fc.record({ type: type(OpCode.createTTL), path, data, acl, parentCVersion: int, ttl }),
  fc.record({ type: type(OpCode.delete, OpCode.deleteContainer), path }),
  fc.record({ type: type(OpCode.setData, OpCode.reconfig), path, data, version: int }),
  fc.record({ type: type(OpCode.setACL), path, acl, version: int }),
  fc.record({ type: type(OpCode.check), path, version: int }),
  fc.record({ type: type(OpCode.error), err: int }),
);
/** What a multi's create2 is written as: see the test about 3.8.0 below. */
const inMulti = subTxn.filter((sub) => sub.type !== OpCode.create2);
const txn: fc.Arbitrary<Txn> = fc.oneof(
  { weight: 8, arbitrary: subTxn },
  { weight: 1, arbitrary: fc.record({ type: type(OpCode.createSession), timeOut: int }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: type(OpCode.closeSession),
      paths: fc.option(
        fc.array(
          text.filter((path) => path !== ""),
          { maxLength: 4 },
        ),
        { nil: undefined },
      ),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: type(OpCode.multi), txns: fc.array(inMulti, { maxLength: 4 }) }) },
);
const half = fc.integer({ min: 0, max: 0xffff_ffff });
const digest = fc.option(fc.record({ version: fc.constant(2), high: half, low: half }), { nil: undefined });
const entry: fc.Arbitrary<TxnEntry> = fc
  .tuple(txn, fc.record({ clientId: session, cxid: int, zxid, time: long }), digest)
  .map(([txn, rest, digest]) => ({ header: { ...rest, type: txn.type }, txn, digest }));

/** The entry of section 12: it was replayed by ZooKeeper 3.8 without complaint. */
const CREATE_A = hex(`
  0100000000000000 00000001 0000000000000002 0000018bcfe56800 00000001
  00000002 2f61 00000001 78 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00 00000001
  00000002 00000000 ac3e61c7`);
const HEADER = CREATE_A.subarray(0, TXN_HEADER_BYTES);
const DIGEST = CREATE_A.subarray(-TXN_DIGEST_BYTES);
const DIGEST_DECODED = { version: 2, high: 0, low: 2889769415 };

/** The header of {@link CREATE_A} with another type, followed by `bodies`. */
function entryOf(type: number, ...bodies: Uint8Array[]): Reader {
  const w = new Writer();
  w.raw(HEADER);
  w.patchInt(TXN_HEADER_BYTES - 4, type);
  for (const body of bodies) w.raw(body);
  return new Reader(w.take());
}

test("the known log entry decodes, encodes to the same bytes and has the known checksum", () => {
  expect(CREATE_A).toHaveLength(87);
  expect(adler32(CREATE_A)).toBe(0x59c20aab);
  const decoded = readTxnEntry(new Reader(CREATE_A));
  expect(decoded).toEqual({
    header: { clientId: 0x0100000000000000n, cxid: 1, zxid: 2, time: 1700000000000, type: OpCode.create },
    txn: {
      type: OpCode.create,
      path: "/a",
      data: hex("78"),
      acl: OPEN_ACL_UNSAFE,
      ephemeral: false,
      parentCVersion: 1,
    },
    digest: DIGEST_DECODED,
  });
  expect(encode(writeTxnEntry, decoded!)).toEqual(CREATE_A);
});

test("a create2 inside a multi is written as a create, because 3.8.0 skips a multi that holds one", () => {
  const create = { path: "/a", data: null, acl: OPEN_ACL_UNSAFE, ephemeral: false, parentCVersion: 1 };
  const header = { clientId: 1n as SessionId, cxid: 1, zxid: 2 as Zxid, time: 3, type: OpCode.multi };
  const entryOfMulti = (type: typeof OpCode.create | typeof OpCode.create2): TxnEntry => ({
    header,
    txn: { type: OpCode.multi, txns: [{ type, ...create }] },
    digest: undefined,
  });
  const written = readTxnEntry(new Reader(encode(writeTxnEntry, entryOfMulti(OpCode.create2))));
  expect(written).toEqual(entryOfMulti(OpCode.create));
});

test("every txn survives the log", () => {
  checkCodec(
    {
      value: entry,
      write: writeTxnEntry,
      read: readTxnEntry,
      mayEndAt({ txn, digest }, length) {
        // A missing or torn digest is none. Old creates end before their last field; a close may lack its paths.
        const end = digest === undefined ? length : length - TXN_DIGEST_BYTES;
        const whole = digest === undefined ? [] : Array.from({ length: TXN_DIGEST_BYTES }, (_, i) => end + i);
        if (txn.type === OpCode.create) return [...whole, end - 4, end - 3, end - 2, end - 1];
        if (txn.type === OpCode.closeSession) return closeMayEndAt(txn, length);
        return whole;
      },
    },
    200,
  );
});

/** A close cut to nothing or to a digest's length is one without paths, and so is one cut after a digest. */
function closeMayEndAt(txn: Txn, length: number): number[] {
  const body = encode(writeTxn, txn).length;
  const end = TXN_HEADER_BYTES + body;
  const lengths = [TXN_HEADER_BYTES, TXN_HEADER_BYTES + TXN_DIGEST_BYTES];
  if (body > 0) for (let cut = end; cut < length; cut++) lengths.push(cut);
  return lengths;
}

test("a create from before parentCVersion existed says current + 1", () => {
  const body = CREATE_A.subarray(TXN_HEADER_BYTES, -TXN_DIGEST_BYTES - 4);
  expect(readTxnEntry(entryOf(OpCode.create, body))?.txn).toMatchObject({ path: "/a", parentCVersion: -1 });
  expect(readTxnEntry(entryOf(OpCode.create2, body))).toBeUndefined();
});

test("a closeSession may have no body, with or without a digest behind it", () => {
  const closed = { type: OpCode.closeSession, paths: undefined };
  expect(readTxnEntry(entryOf(OpCode.closeSession))).toMatchObject({ txn: closed, digest: undefined });
  expect(readTxnEntry(entryOf(OpCode.closeSession, DIGEST))).toMatchObject({ txn: closed, digest: DIGEST_DECODED });
});

test("a closeSession with paths is not taken for one without", () => {
  const paths = hex("00000001 00000002 2f61");
  const expected = { type: OpCode.closeSession, paths: ["/a"] };
  expect(readTxnEntry(entryOf(OpCode.closeSession, paths))).toMatchObject({ txn: expected, digest: undefined });
  expect(readTxnEntry(entryOf(OpCode.closeSession, paths, DIGEST))).toMatchObject({
    txn: expected,
    digest: DIGEST_DECODED,
  });
  // Twelve bytes, as many as a digest has.
  const twelve = hex("00000001 00000004 2f616263");
  expect(readTxnEntry(entryOf(OpCode.closeSession, twelve))).toMatchObject({ txn: { paths: ["/abc"] } });
  const none = readTxnEntry(entryOf(OpCode.closeSession, hex("00000000"), DIGEST));
  expect(none).toMatchObject({ txn: { paths: [] }, digest: DIGEST_DECODED });
});

test("a failed multi keeps what was prepared before the failure", () => {
  const body = hex(`00000002
    00000002 00000006 00000002 2f61
    ffffffff 00000004 ffffff9b`);
  const txns = [
    { type: OpCode.delete, path: "/a" },
    { type: OpCode.error, err: -101 },
  ];
  expect(readTxnEntry(entryOf(OpCode.multi, body))?.txn).toEqual({ type: OpCode.multi, txns });
  expect(encode(writeTxn, { type: OpCode.multi, txns } as Txn)).toEqual(body);
});

test("a sub-txn can neither reach beyond its buffer nor hide a session or another multi", () => {
  const beyond = hex("00000001 00000002 00000005 00000002 2f61");
  const session = hex("00000001 fffffff6 00000004 00001388");
  const nested = hex("00000001 0000000e 00000004 00000000");
  for (const body of [beyond, session, nested]) {
    const r = entryOf(OpCode.multi, body);
    expect(readTxnEntry(r)).toBeUndefined();
    expect(r.failed).toBe(true);
  }
});

test("a txn that no tree could apply does not decode", () => {
  const ttlOf = (ttl: string) => hex(`00000002 2f61 ffffffff 00000000 00000001 ${ttl}`);
  expect(readTxnEntry(entryOf(OpCode.createTTL, ttlOf("000000ffffffffff")))).toBeDefined();
  for (const ttl of ["ffffffffffffffff", "0000000000000000", "0000010000000000"]) {
    expect(readTxnEntry(entryOf(OpCode.createTTL, ttlOf(ttl)))).toBeUndefined();
  }
  expect(readTxnEntry(entryOf(OpCode.delete, hex("ffffffff")))).toBeUndefined();
  expect(readTxnEntry(entryOf(99, hex("00000000")))).toBeUndefined();
});

test("a null ACL is open and a null part of an entry matches nobody", () => {
  const body = (acl: string) => hex(`00000002 2f61 ffffffff ${acl} 00 00000001`);
  expect(readTxnEntry(entryOf(OpCode.create, body("ffffffff")))?.txn).toMatchObject({ acl: OPEN_ACL_UNSAFE });
  const nobody = [{ perms: 31, scheme: "", id: "" }];
  const nulls = body("00000001 0000001f ffffffff ffffffff");
  expect(readTxnEntry(entryOf(OpCode.create, nulls))?.txn).toMatchObject({ acl: nobody });
});

test("a zxid that is no exact number does not decode", () => {
  const bytes = CREATE_A.slice();
  bytes.set(hex("7fffffffffffffff"), 12);
  expect(readTxnEntry(new Reader(bytes))).toBeUndefined();
});

test("a decoded txn's data is a view of the entry, also inside a multi", () => {
  const w = new Writer();
  const txns: SubTxn[] = [{ type: OpCode.setData, path: "/a", data: hex("0102"), version: 1 }];
  const header = readTxnEntry(new Reader(CREATE_A))!.header;
  writeTxnHeader(w, { ...header, type: OpCode.multi });
  writeTxn(w, { type: OpCode.multi, txns });
  writeTxnDigest(w, DIGEST_DECODED);
  const bytes = w.take();
  const decoded = readTxnEntry(new Reader(bytes))!.txn;
  const sub = decoded.type === OpCode.multi ? decoded.txns[0]! : decoded;
  expect("data" in sub && sub.data?.buffer).toBe(bytes.buffer);
});
