import fc from "fast-check";
import { expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { Writer } from "../../../core/jute/writer.ts";
import type { Id } from "../../../core/protocol/data.ts";
import {
  PacketStream,
  PacketType,
  REQUEST_HEAD_BYTES,
  ZXID_NONE,
  packetName,
  readActivate,
  readIntData,
  readLearnerInfo,
  readRequestHead,
  readRevalidate,
  readRevalidateReply,
  readTextData,
  readTouches,
  writeAckEpoch,
  writeActivate,
  writeLeaderInfo,
  writeLearnerInfo,
  writePacket,
  writePingReply,
  writeRequestPacket,
  writeRevalidate,
  writeRevalidateReply,
} from "../../../core/protocol/quorum-packets.ts";
import { hex, int, session, text } from "./arbitraries.ts";

const DATA_MAX = 1000;

function written(write: (w: Writer) => void): Uint8Array {
  const w = new Writer(8);
  write(w);
  return w.take();
}

interface Packet {
  readonly type: number;
  readonly zxid: number;
  readonly data: Uint8Array | null;
  readonly authinfo: readonly Id[];
}

/** What comes out when `bytes` arrives in chunks that end at `cuts`; each chunk is gone after its event. */
function packetsOf(bytes: Uint8Array, cuts: readonly number[] = []): { packets: Packet[]; malformed: boolean } {
  const stream = new PacketStream(DATA_MAX);
  const packets: Packet[] = [];
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let start = 0;
  for (const end of [...ends, bytes.length]) {
    const chunk = bytes.slice(start, end);
    start = end;
    stream.accept(chunk);
    for (let status = stream.next(); status !== "partial"; status = stream.next()) {
      if (status === "malformed") return { packets, malformed: true };
      const { type, zxid, data, authinfo } = stream;
      packets.push({ type, zxid, data: data === null ? null : Uint8Array.from(data), authinfo });
    }
    stream.keep();
    chunk.fill(0xee);
    expect(stream.buffered).toBeLessThanOrEqual(2 * DATA_MAX + 20);
  }
  return { packets, malformed: false };
}

test("packets have the bytes that Java's servers send", () => {
  const golden: readonly (readonly [string, (w: Writer) => void])[] = [
    ["00000011 0000000100000000 00000004 00010000 ffffffff", (w) => writeLeaderInfo(w, packZxid(1, 0))],
    ["00000012 0000000000000000 00000004 00000000 ffffffff", (w) => writeAckEpoch(w, 0 as Zxid, 0)],
    ["0000000d 0000000100000005 ffffffff ffffffff", (w) => writePacket(w, PacketType.diff, packZxid(1, 5), null)],
    ["00000003 0000000100000000 ffffffff ffffffff", (w) => writePacket(w, PacketType.ack, packZxid(1, 0), null)],
    ["0000000c ffffffffffffffff ffffffff ffffffff", (w) => writePacket(w, PacketType.upToDate, ZXID_NONE, null)],
    ["00000005 0000000100000007 00000000 ffffffff", (w) => writePingReply(w, packZxid(1, 7), [])],
    ["00000004 0000000100000007 ffffffff ffffffff", (w) => writePacket(w, PacketType.commit, packZxid(1, 7), null)],
  ];
  for (const [bytes, write] of golden) expect(written(write)).toEqual(hex(bytes));
  const info = { serverId: 3, protocolVersion: 0x10000, configVersion: 0 as Zxid, isVivarium: false };
  const data = written((w) => writeLearnerInfo(w, info));
  expect(written((w) => writePacket(w, PacketType.followerInfo, 0 as Zxid, data))).toEqual(
    hex("0000000b 0000000000000000 00000014 0000000000000003 00010000 0000000000000000 ffffffff"),
  );
  expect(readLearnerInfo(data)).toEqual(info);
});

const ids = fc.array(fc.record({ scheme: text, id: text }), { maxLength: 4 });
const zxid = fc.oneof(fc.constant(-1), fc.nat(), fc.maxSafeInteger().map(Math.abs)) as fc.Arbitrary<Zxid>;
const plain = fc
  .tuple(int, zxid, fc.option(fc.uint8Array({ maxLength: 60 }), { nil: null }))
  .map(([type, at, data]) => ({ type, zxid: at as number, data, authinfo: [] as readonly Id[] }));
const request = fc
  .tuple(session, int, int, fc.uint8Array({ maxLength: 60 }), ids)
  .map(([id, cxid, type, body, authinfo]) => ({ id, cxid, type, body, authinfo }));
const packet: fc.Arbitrary<{ readonly packet: Packet; readonly bytes: Uint8Array }> = fc.oneof(
  plain.map((p) => ({ packet: p, bytes: written((w) => writePacket(w, p.type, p.zxid as Zxid, p.data)) })),
  request.map(({ id, cxid, type, body, authinfo }) => {
    const bytes = written((w) => writeRequestPacket(w, id, cxid, type, body, 0, body.length, authinfo));
    const data = bytes.slice(16, 16 + REQUEST_HEAD_BYTES + body.length);
    return { packet: { type: PacketType.request as number, zxid: -1, data, authinfo }, bytes };
  }),
);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

test("packets come out as they went in, wherever the chunks are cut", () => {
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 6 }), fc.array(fc.nat()), (all, cuts) => {
      const bytes = joined(all.map((one) => one.bytes));
      expect(packetsOf(bytes, cuts)).toEqual({ packets: all.map((one) => one.packet), malformed: false });
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("packets come out as they went in when every byte comes alone", () => {
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 3 }), (all) => {
      const bytes = joined(all.map((one) => one.bytes));
      const cuts = Array.from({ length: bytes.length }, (_, i) => i);
      expect(packetsOf(bytes, cuts).packets).toEqual(all.map((one) => one.packet));
    }),
    { seed: 2, numRuns: 50 },
  );
});

test("no bytes make the stream throw, and how they are cut changes nothing", () => {
  fc.assert(
    fc.property(
      packet,
      packet,
      fc.uint8Array({ maxLength: 80 }),
      fc.array(fc.nat()),
      fc.nat(),
      (a, b, noise, cuts, at) => {
        const bytes = joined([a.bytes, b.bytes, noise]);
        for (let i = 0; i < Math.min(3, noise.length); i++) bytes[(at + i) % bytes.length] = noise[i]!;
        const whole = packetsOf(bytes);
        const inChunks = packetsOf(bytes, cuts);
        expect(inChunks.packets).toEqual(whole.packets);
        expect(inChunks.malformed).toBe(whole.malformed);
        packetsOf(noise, cuts);
      },
    ),
    { seed: 3, numRuns: 500 },
  );
});

test("lengths that are negative or too large and zxids that are none are malformed at once", () => {
  const head = "00000002 0000000100000001";
  const malformed = [
    `${head} fffffffe`,
    `${head} 000003e9`,
    `${head} 7fffffff`,
    `${head} ffffffff fffffffe`,
    // More identities than could fit, one that is negative, one that is too long.
    `${head} ffffffff 7fffffff`,
    `${head} ffffffff 00000001 fffffffe`,
    `${head} ffffffff 00000001 000003e5`,
    "00000002 fffffffffffffffe ffffffff ffffffff",
    "00000002 ffffffff00000001 ffffffff ffffffff",
    "00000002 8000000000000000 ffffffff ffffffff",
    "00000002 0020000000000000 ffffffff ffffffff",
  ];
  for (const bytes of malformed) expect([bytes, packetsOf(hex(bytes)).malformed]).toEqual([bytes, true]);
  const largest = packetsOf(hex("00000002 001fffffffffffff ffffffff 00000000"));
  expect(largest.packets).toEqual([{ type: 2, zxid: Number.MAX_SAFE_INTEGER, data: null, authinfo: [] }]);
});

test("a packet without identities costs a view of its data and nothing is copied", () => {
  const bytes = written((w) => writePacket(w, PacketType.proposal, packZxid(1, 1), Uint8Array.of(1, 2, 3)));
  const stream = new PacketStream(DATA_MAX);
  stream.accept(bytes);
  expect(stream.next()).toBe("packet");
  expect(stream.data?.buffer).toBe(bytes.buffer);
  expect([stream.data?.byteOffset, stream.next(), stream.buffered]).toEqual([16, "partial", 0]);
});

test("what follows a SNAP is taken as it is, and what follows the snapshot is packets again", () => {
  const snap = written((w) => writePacket(w, PacketType.snap, packZxid(1, 9), null));
  const newLeader = written((w) => writePacket(w, PacketType.newLeader, packZxid(2, 0), Uint8Array.of(0x61)));
  const raw = Uint8Array.of(9, 8, 7);
  const stream = new PacketStream(DATA_MAX);
  stream.accept(joined([snap, raw, newLeader]));
  expect([stream.next(), stream.type]).toEqual(["packet", PacketType.snap]);
  const rest = stream.takeRest();
  expect([rest.subarray(0, 3), stream.next()]).toEqual([raw, "partial"]);
  stream.accept(rest.subarray(3));
  expect([stream.next(), stream.type, readTextData(stream.data)]).toEqual(["packet", PacketType.newLeader, "a"]);
  stream.keep();
  expect(stream.takeRest()).toEqual(new Uint8Array(0));
});

test("our learners say who they are after what Java's leader reads", () => {
  const ours = { serverId: 7, protocolVersion: 0x10000, configVersion: packZxid(3, 1), isVivarium: true };
  const data = written((w) => writeLearnerInfo(w, ours));
  expect(data).toEqual(hex("0000000000000007 00010000 0000000300000001 56495641"));
  expect(readLearnerInfo(data)).toEqual(ours);
  expect(readLearnerInfo(data.subarray(0, 23))?.isVivarium).toBe(false);
  expect(readLearnerInfo(data.subarray(0, 19))).toBeUndefined();
  expect(readLearnerInfo(null)).toBeUndefined();
  expect(readLearnerInfo(hex("ffffffffffffffff 00010000 0000000000000000"))).toBeUndefined();
  expect(readLearnerInfo(hex("0000000000000001 00010000 8000000000000000"))).toBeUndefined();
});

/** The data of the one packet in `bytes`. */
function dataOf(bytes: Uint8Array): Uint8Array | null {
  const { packets } = packetsOf(bytes);
  expect(packets).toHaveLength(1);
  return packets[0]!.data;
}

test("what packets carry comes back, and too little of it is refused", () => {
  fc.assert(
    fc.property(
      session,
      int,
      fc.nat(),
      fc.boolean(),
      fc.uint8Array({ maxLength: 20 }),
      (id, timeout, server, valid, proposal) => {
        const touches = [
          { id, timeout },
          { id: 1n as SessionId, timeout: 2 },
        ];
        expect(readTouches(dataOf(written((w) => writePingReply(w, 5 as Zxid, touches))))).toEqual(touches);
        expect(readRevalidate(dataOf(written((w) => writeRevalidate(w, id, timeout))))).toEqual({ id, timeout });
        const reply = dataOf(written((w) => writeRevalidateReply(w, id, valid)));
        expect(readRevalidateReply(reply)).toEqual({ session: id, valid });
        const commit = dataOf(written((w) => writeActivate(w, 5 as Zxid, server, null)));
        expect(readActivate(commit)).toEqual({ designated: server, proposal: new Uint8Array(0) });
        const inform = dataOf(written((w) => writeActivate(w, 5 as Zxid, server, proposal)));
        expect(readActivate(inform)).toEqual({ designated: server, proposal });
        expect(readIntData(dataOf(written((w) => writeAckEpoch(w, 5 as Zxid, timeout))))).toBe(timeout);
        for (const read of [readTouches, readRevalidate, readRevalidateReply, readActivate, readIntData]) {
          expect(read(null)).toBeUndefined();
          expect(read(new Uint8Array(3))).toBeUndefined();
        }
      },
    ),
    { seed: 4, numRuns: 100 },
  );
});

test("a forwarded request has session, cxid and type before its body", () => {
  const body = Uint8Array.of(0, 1, 2, 3, 4);
  const bytes = written((w) =>
    writeRequestPacket(w, -2n as SessionId, 7, 5, body, 1, 4, [{ scheme: "ip", id: "::1" }]),
  );
  const { packets } = packetsOf(bytes);
  expect(packets[0]).toMatchObject({ type: 1, zxid: -1, authinfo: [{ scheme: "ip", id: "::1" }] });
  const r = new Reader(packets[0]!.data!);
  expect(readRequestHead(r)).toEqual({ session: -2n, cxid: 7, type: 5 });
  expect([...r.bytes.subarray(r.offset, r.end)]).toEqual([1, 2, 3]);
  expect([packetName(1), packetName(9), packetName(77)]).toEqual(["REQUEST", "COMMITANDACTIVATE", "type 77"]);
});
