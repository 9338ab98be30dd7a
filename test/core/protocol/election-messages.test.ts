import fc from "fast-check";
import { expect, test } from "vitest";
import type { Address } from "../../../core/actor.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import { FrameBuffer } from "../../../core/jute/frames.ts";
import { Writer } from "../../../core/jute/writer.ts";
import {
  ELECTION_FRAME_MAX,
  LONG_MIN,
  PeerState,
  readGreeting,
  readNotification,
  writeGreeting,
  writeNotification,
} from "../../../core/protocol/election-messages.ts";
import type { Notification } from "../../../core/protocol/election-messages.ts";
import { hex, text } from "./arbitraries.ts";

function greeting(id: number, address: string): Uint8Array {
  const w = new Writer();
  writeGreeting(w, id, address as Address);
  return w.take();
}
/** With the frame's length. */
function frame(n: Notification): Uint8Array {
  const w = new Writer();
  writeNotification(w, n);
  return w.take();
}

const FIRST: Notification = {
  state: PeerState.looking,
  leader: 3,
  zxid: 0 as Zxid,
  round: 1,
  peerEpoch: 0,
  config: "version=0",
};

test("a greeting has the bytes that Java's servers send", () => {
  const golden = hex("ffffffffffff0000 0000000000000003 0000000e 3132372e302e302e313a33383930");
  expect(greeting(3, "127.0.0.1:3890")).toEqual(golden);
  expect(readGreeting(golden)).toEqual({ id: 3, addresses: ["127.0.0.1:3890"], length: golden.length });
});

test("greetings of all forms are understood, and frames may follow at once", () => {
  expect(readGreeting(hex("0000000000000005 00000028"))).toEqual({ id: 5, addresses: [], length: 8 });
  expect(readGreeting(hex("7fffffffffffffff"))).toEqual({ id: "anonymous", addresses: [], length: 8 });
  expect(readGreeting(hex("ffffffffffff0001 0000000000000002 00000007 613a317c623a32 00000028"))).toEqual({
    id: 2,
    addresses: ["a:1", "b:2"],
    length: 27,
  });
  expect(readGreeting(hex("ffffffffffff0000 7fffffffffffffff 00000003 613a31"))).toMatchObject({ id: "anonymous" });
});

test("a greeting that is no greeting is malformed as soon as that shows", () => {
  const malformed = [
    "ffffffffffff0002",
    "ffffffffffffffff",
    "8000000000000000",
    "0020000000000000",
    "ffffffffffff0000 ffffffffffffffff 00000001",
    "ffffffffffff0000 0000000000000003 00000000",
    "ffffffffffff0000 0000000000000003 00000801",
    "ffffffffffff0000 0000000000000003 ffffffff",
  ];
  for (const bytes of malformed) expect([bytes, readGreeting(hex(bytes))]).toEqual([bytes, "malformed"]);
});

test("a greeting is partial until its last byte, and no bytes make the reader throw", () => {
  fc.assert(
    fc.property(fc.nat(), fc.string({ minLength: 1, maxLength: 60 }), fc.uint8Array(), (id, address, noise) => {
      const bytes = greeting(id, address);
      for (let length = 0; length < bytes.length; length++) {
        expect(readGreeting(bytes.subarray(0, length))).toBe("partial");
      }
      const followed = Uint8Array.from([...bytes, ...noise]);
      expect(readGreeting(followed)).toEqual({ id, addresses: [address], length: bytes.length });
      readGreeting(noise);
      readGreeting(Uint8Array.from([...bytes.subarray(0, 8), ...noise]));
    }),
    { seed: 1, numRuns: 100 },
  );
});

test("a notification has the bytes that Java's servers send", () => {
  const head = "00000000 0000000000000003 0000000000000000 0000000000000001 0000000000000000";
  expect(frame(FIRST)).toEqual(hex(`00000035 ${head} 00000002 00000009 76657273696f6e3d30`));
  expect(frame({ ...FIRST, config: undefined })).toEqual(hex(`00000028 ${head} 00000001`));
});

const limit = fc.constantFrom(-1, LONG_MIN, 0, Number.MAX_SAFE_INTEGER);
const number = fc.oneof(fc.nat(), limit);
const notification: fc.Arbitrary<Notification> = fc.record({
  state: fc.constantFrom(0, 1, 2, 3),
  leader: number,
  zxid: number as fc.Arbitrary<Zxid>,
  round: fc.nat(),
  peerEpoch: number,
  config: fc.option(text, { nil: undefined }),
}) as fc.Arbitrary<Notification>;

test("notifications come back as they went, also where they say that somebody may not vote", () => {
  fc.assert(
    fc.property(notification, fc.uint8Array({ maxLength: 10 }), (n, after) => {
      const bytes = frame(n);
      const frames = new FrameBuffer(ELECTION_FRAME_MAX);
      frames.accept(Uint8Array.from([...bytes, ...after]));
      expect(frames.next()).toBe("frame");
      expect(readNotification(frames.bytes, frames.start, frames.end)).toEqual(n);
    }),
    { seed: 2, numRuns: 300 },
  );
});

test("shorter forms of older servers are understood by their size alone", () => {
  const head = hex("00000002 0000000000000001 0000000700000009 0000000000000004");
  expect(readNotification(head)).toEqual({
    state: 2,
    leader: 1,
    zxid: packZxid(7, 9),
    round: 4,
    peerEpoch: 7,
    config: undefined,
  });
  const withEpoch = Uint8Array.from([...head, ...hex("0000000000000008 00000005")]);
  expect(readNotification(withEpoch)).toMatchObject({ peerEpoch: 8, config: undefined });
  const v1 = Uint8Array.from([...head, ...hex("0000000000000008 00000001 ffffffff 00")]);
  expect(readNotification(v1)).toMatchObject({ peerEpoch: 8, config: undefined });
});

test("what Java drops is dropped: too short, an unknown state, a configuration that is not there", () => {
  const whole = frame(FIRST).subarray(4);
  for (let length = 0; length < whole.length; length++) {
    const short = readNotification(whole, 0, length);
    expect([length, short !== undefined]).toEqual([length, length === 28 || length === 40]);
  }
  const changed = (at: number, bytes: string): Uint8Array => {
    const copy = whole.slice();
    copy.set(hex(bytes), at);
    return copy;
  };
  expect(readNotification(changed(0, "00000004"))).toBeUndefined();
  expect(readNotification(changed(0, "ffffffff"))).toBeUndefined();
  expect(readNotification(changed(40, "ffffffff"))).toBeUndefined();
  expect(readNotification(changed(40, "0000000a"))).toBeUndefined();
  expect(readNotification(changed(40, "7fffffff"))).toBeUndefined();
  expect(readNotification(changed(4, "8000000000000001"))).toBeUndefined();
  expect(readNotification(changed(12, "fffffffffffffffe"))).toBeUndefined();
  expect(readNotification(changed(12, "7fffffffffffffff"))).toBeUndefined();
  expect(readNotification(changed(40, "00000000"))).toMatchObject({ config: "" });
});

test("no bytes make the reader of notifications throw", () => {
  fc.assert(
    fc.property(notification, fc.uint8Array({ maxLength: 80 }), fc.nat(), (n, noise, at) => {
      readNotification(noise);
      const bytes = frame(n).subarray(4);
      for (let i = 0; i < Math.min(4, noise.length); i++) bytes[(at + i) % bytes.length] = noise[i]!;
      readNotification(bytes);
    }),
    { seed: 3, numRuns: 500 },
  );
});
