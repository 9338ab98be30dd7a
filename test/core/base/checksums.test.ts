import fc from "fast-check";
import { expect, test } from "vitest";
import { adler32, crc32 } from "../../../core/base/checksums.ts";
import { encodeUtf8 } from "../../../core/jute/utf8.ts";

/** Straight from RFC 1950. */
function naiveAdler32(bytes: Uint8Array, running = 1): number {
  let a = running % 65536;
  let b = Math.floor(running / 65536);
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}

/** Bit by bit. */
function naiveCrc32(bytes: Uint8Array, state = 0): number {
  let crc = ~state;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb88320;
  }
  return ~crc >>> 0;
}

const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 3000, size: "max" }));

test("both sums equal the naive ones for any bytes, any start and any piece", () => {
  fc.assert(
    fc.property(bytes, fc.nat(), fc.nat(), (bytes, x, y) => {
      const start = x % (bytes.length + 1);
      const end = start + (y % (bytes.length - start + 1));
      const piece = bytes.subarray(start, end);
      expect(adler32(bytes, start, end)).toBe(naiveAdler32(piece));
      expect(crc32(bytes, start, end)).toBe(naiveCrc32(piece));
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("a sum goes on from that of the bytes before", () => {
  fc.assert(
    fc.property(bytes, bytes, (first, second) => {
      const whole = new Uint8Array([...first, ...second]);
      expect(adler32(second, 0, second.length, adler32(first))).toBe(adler32(whole));
      expect(crc32(second, 0, second.length, crc32(first))).toBe(crc32(whole));
    }),
    { seed: 1, numRuns: 200 },
  );
});

test("adler32 does not overflow on the heaviest bytes", () => {
  for (const length of [5551, 5552, 5553, 11_104, 70_000]) {
    const heaviest = new Uint8Array(length).fill(0xff);
    for (const running of [1, 0xfff0fff0]) {
      expect(adler32(heaviest, 0, length, running)).toBe(naiveAdler32(heaviest, running));
    }
  }
});

test("both sums give the published values", () => {
  expect(adler32(encodeUtf8("Wikipedia"))).toBe(0x11e60398);
  expect(crc32(encodeUtf8("123456789"))).toBe(0xcbf43926);
  expect(adler32(new Uint8Array(0))).toBe(1);
  expect(crc32(new Uint8Array(0))).toBe(0);
});

test("crc32 gives ZooKeeper's digests of the nodes of an empty tree", () => {
  const stat = new Uint8Array(60);
  expect(crc32(stat)).toBe(68323592);
  expect(crc32(stat, 0, 60, crc32(encodeUtf8("/zookeeper")))).toBe(1303661912);
});
