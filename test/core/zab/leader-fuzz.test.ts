import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { Writer } from "../../../core/jute/writer.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import {
  PROTOCOL_VERSION,
  PacketType,
  writeLearnerInfo,
  writePacket,
  writePingReply,
  writeRequestPacket,
  writeRevalidate,
} from "../../../core/protocol/quorum-packets.ts";
import { LeaderBench, TICK, createBody, show, stretch, z } from "./leader-bench.ts";

type Move = (w: Writer) => void;

const zxids = fc.oneof(
  fc.constantFrom("0:0", "1:1", "1:4", "2:0", "2:1", "2:2", "2:9", "3:0", "3:1").map(z),
  fc.constant(-1 as Zxid),
  fc.nat(2 ** 31).map((n) => (n * 0x1000) as Zxid),
);
const bytes = fc.uint8Array({ maxLength: 40 });
const types = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer());

const moves: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ type: types, zxid: zxids, data: fc.option(bytes) }).map(
    ({ type, zxid, data }): Move =>
      (w) =>
        writePacket(w, type, zxid, data),
  ),
  fc
    .record({ id: fc.nat(5), accepted: zxids, version: fc.constantFrom(PROTOCOL_VERSION, 1) })
    .map(({ id, accepted, version }): Move => (w) => {
      const info = new Writer();
      writeLearnerInfo(info, {
        serverId: id,
        protocolVersion: version,
        configVersion: 0 as Zxid,
        isVivarium: id % 2 === 0,
      });
      writePacket(w, id === 5 ? PacketType.observerInfo : PacketType.followerInfo, accepted, info.take());
    }),
  zxids.map((zxid): Move => {
    const epoch = new Writer();
    epoch.int(1);
    return (w) => writePacket(w, PacketType.ackEpoch, zxid, epoch.take());
  }),
  zxids.map(
    (zxid): Move =>
      (w) =>
        writePacket(w, PacketType.ack, zxid, null),
  ),
  fc.record({ op: types, session: fc.bigInt({ min: -3n, max: 3n }), body: bytes }).map(
    ({ op, session, body }): Move =>
      (w) =>
        writeRequestPacket(w, session as SessionId, 1, op, body, 0, body.length, []),
  ),
  fc.constantFrom("/a", "/b", "no path").map((path): Move => {
    const body = createBody(path);
    return (w) => writeRequestPacket(w, 1n as SessionId, 7, OpCode.create, body, 0, body.length, []);
  }),
  fc.integer().map(
    (timeout): Move =>
      (w) =>
        writeRevalidate(w, 1n as SessionId, timeout),
  ),
  fc.integer().map(
    (timeout): Move =>
      (w) =>
        writePingReply(w, z("2:0"), [{ id: 1n as SessionId, timeout }]),
  ),
  bytes.map(
    (raw): Move =>
      (w) =>
        w.raw(raw),
  ),
);

test("whatever a connection says, the leader goes on with the others and commits nothing that has no quorum", () => {
  fc.assert(
    fc.property(fc.array(fc.array(moves, { maxLength: 8 }), { maxLength: 6 }), fc.boolean(), (connections, early) => {
      const bench = new LeaderBench({ history: stretch(1, 1, 5), observers: [5] }).lead();
      // Ids 1 and 2 are voters that behave; the others' votes count nowhere.
      const good = (): void => {
        for (const id of [1, 2]) bench.join(id, { last: z("1:5") });
      };
      if (!early) good();
      for (const script of connections) {
        const hostile = bench.accept(4);
        for (const move of script) {
          hostile.say((w) => {
            move(w);
            if (saysItIsAVoter(w)) w.clear();
          });
          bench.run();
        }
      }
      if (early) good();
      bench.pass(TICK);
      expect([bench.halted, bench.left, bench.serving]).toEqual([undefined, undefined, true]);
      bench.diskHeld = true;
      const before = bench.committed.length;
      const request = bench.create("/z9:9");
      expect(bench.committed.length).toBe(before);
      for (const learner of bench.learners.values()) if (learner.id < 3) learner.ack(request.zxid);
      bench.diskHeld = false;
      bench.run();
      for (const learner of bench.learners.values()) {
        if (learner.id > 2) continue;
        expect(learner.closed).toBe(false);
        expect(show(learner.history.at(-1)!)).toBe(show(request.zxid));
      }
    }),
    { seed: 5, numRuns: 150 },
  );
});

/** That would be a server in another's name, which nothing on this port keeps out. */
function saysItIsAVoter(w: Writer): boolean {
  const type = w.bytes[3]!;
  if (w.length < 28 || (type !== PacketType.followerInfo && type !== PacketType.observerInfo)) return false;
  return w.bytes[23]! < 4;
}
