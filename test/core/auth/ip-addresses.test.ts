import fc from "fast-check";
import { expect, test } from "vitest";
import type { Address } from "../../../core/actor.ts";
import { hostAddress, inRange, parseIp, parseIpRange } from "../../../core/auth/ip-addresses.ts";

function bytes(text: string): number[] | undefined {
  const parsed = parseIp(text);
  return parsed === undefined ? undefined : [...parsed];
}

function zeros(count: number): number[] {
  return Array.from({ length: count }, () => 0);
}

test("IPv4 addresses are four decimal numbers", () => {
  expect(bytes("10.0.0.255")).toEqual([10, 0, 0, 255]);
  expect(bytes("010.00.0.1")).toEqual([10, 0, 0, 1]);
  for (const bad of ["", "10.0.0", "10.0.0.0.0", "10.0.0.256", "10.0.0.", "a.b.c.d", "10.0.0.-1", "1e1.0.0.1"]) {
    expect(bytes(bad), bad).toBeUndefined();
  }
});

test("IPv6 addresses may leave out one run of zeros; dotted tails and zones are refused, as Java does", () => {
  const loopback = [...zeros(15), 1];
  expect(bytes("::1")).toEqual(loopback);
  expect(bytes("0:0:0:0:0:0:0:1")).toEqual(loopback);
  expect(bytes("::")).toEqual(zeros(16));
  expect(bytes("fe80::")).toEqual([0xfe, 0x80, ...zeros(14)]);
  expect(bytes("1:2:3:4:5:6:7:ABCD")?.slice(-2)).toEqual([0xab, 0xcd]);
  const malformed = [
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "g::",
    "::1.2.3",
    "1:",
    ":1",
  ];
  for (const bad of [...malformed, "1:2:3:4:5:6:7::8", "1.2.3.4::", "::ffff:1.2.3.4", "::1%eth0"])
    expect(bytes(bad), bad).toBeUndefined();
});

test("the bits of a range lie between 0 and the length of its address", () => {
  expect(parseIpRange("10.0.0.0/8")?.bits).toBe(8);
  expect(parseIpRange("10.0.0.0")?.bits).toBe(32);
  expect(parseIpRange("::1")?.bits).toBe(128);
  expect(parseIpRange("fe80::/10")?.bits).toBe(10);
  for (const bad of ["10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8/8", "::/129", "/8", "10.0.0.0/x"]) {
    expect(parseIpRange(bad), bad).toBeUndefined();
  }
});

test("an address is in a range when their first bits are equal, bit by bit", () => {
  const address = fc.uint8Array({ minLength: 4, maxLength: 4 });
  const textOf = (one: Uint8Array): string => one.join(".");
  const binary = (one: Uint8Array): string => Array.from(one, (byte) => byte.toString(2).padStart(8, "0")).join("");
  fc.assert(
    fc.property(address, address, fc.nat(32), fc.nat(32), (a, noise, shared, bits) => {
      const b = Uint8Array.from(a);
      for (let bit = shared; bit < 32; bit++) b[bit >> 3]! ^= noise[bit >> 3]! & (0x80 >> (bit & 7));
      const range = parseIpRange(`${textOf(a)}/${bits}`)!;
      expect(inRange(parseIp(textOf(b))!, range)).toBe(binary(a).slice(0, bits) === binary(b).slice(0, bits));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("families do not match each other, not even with no bits asked", () => {
  expect(inRange(parseIp("::1")!, parseIpRange("0.0.0.0/0")!)).toBe(false);
  expect(inRange(parseIp("1.2.3.4")!, parseIpRange("::/0")!)).toBe(false);
  expect(inRange(parseIp("1.2.3.4")!, parseIpRange("9.9.9.9/0")!)).toBe(true);
});

test.each([
  ["127.0.0.1:2181", "127.0.0.1"],
  ["[::1]:2181", "0:0:0:0:0:0:0:1"],
  ["[2001:db8::ff00:42:8329]:1", "2001:db8:0:0:0:ff00:42:8329"],
  ["[::ffff:10.1.2.3]:1", "10.1.2.3"],
  ["[fe80::1%eth0]:1", "fe80:0:0:0:0:0:0:1%eth0"],
  ["client-a:5", "client-a"],
  ["client-a", "client-a"],
  ["::1", "0:0:0:0:0:0:0:1"],
  ["[::1", "0:0:0:0:0:0:0:1"],
])("the host of %s reads %s, as Java prints it", (remote, host) => {
  expect(hostAddress(remote as Address)).toBe(host);
});
