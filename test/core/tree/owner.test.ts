/** What stored ephemeral owners mean (Java: EphemeralType, EphemeralTypeEmulate353). */
import { expect, test } from "vitest";
import {
  CONTAINER_OWNER,
  isKnownOwner,
  OwnerKind,
  ownerHigh,
  ownerKindOf,
  ownerLow,
  ownerOf,
  ttlOf,
  ttlOwner,
} from "../../../core/tree/owner.ts";
import { TTL_MAX } from "../../../core/protocol/txns.ts";

const PLAIN = { extendedTypes: false, emulate353: false };
const EXTENDED = { extendedTypes: true, emulate353: false };
const EMULATE353 = { extendedTypes: true, emulate353: true };
const TTL_OWNER = BigInt.asIntN(64, 0xff00_0000_0000_1388n);
const OLD_TTL_OWNER = BigInt.asIntN(64, 0x8000_0000_0000_1388n);

function kind(owner: bigint, options: typeof PLAIN): OwnerKind {
  return ownerKindOf(ownerHigh(owner), ownerLow(owner), options);
}

test("an owner is nobody, a session, a container or a time to live", () => {
  expect(kind(0n, EXTENDED)).toBe(OwnerKind.none);
  expect(kind(0x0100_0000_0000_0001n, EXTENDED)).toBe(OwnerKind.session);
  expect(kind(-5n << 40n, PLAIN)).toBe(OwnerKind.session);
  expect([PLAIN, EXTENDED, EMULATE353].map((options) => kind(CONTAINER_OWNER, options))).toEqual([2, 2, 2]);
  expect([PLAIN, EXTENDED, EMULATE353].map((options) => kind(TTL_OWNER, options))).toEqual([1, 3, 3]);
  expect([PLAIN, EXTENDED, EMULATE353].map((options) => kind(OLD_TTL_OWNER, options))).toEqual([1, 1, 3]);
});

test("a time to live survives its encoding", () => {
  for (const options of [EXTENDED, EMULATE353]) {
    for (const ttl of [1, 5000, 2 ** 32 + 7, TTL_MAX]) {
      const owner = ttlOwner(ttl, options)!;
      expect(ttlOf(ownerHigh(owner), ownerLow(owner), options)).toBe(ttl);
      expect(kind(owner, options)).toBe(OwnerKind.ttl);
    }
  }
  expect(ttlOwner(5000, EXTENDED)).toBe(TTL_OWNER);
  expect(ttlOwner(5000, EMULATE353)).toBe(OLD_TTL_OWNER);
  expect([0, -1, TTL_MAX + 1, Number.NaN].map((ttl) => ttlOwner(ttl, EXTENDED))).toEqual(Array(4).fill(undefined));
});

test("an extended type nobody has defined is not known, unless extended types are off", () => {
  const owner = BigInt.asIntN(64, 0xff00_0100_0000_0001n);
  expect([PLAIN, EXTENDED].map((options) => isKnownOwner(ownerHigh(owner), options))).toEqual([true, false]);
});

test("an owner survives being split into halves", () => {
  for (const owner of [0n, 1n, -1n, 0x8000_0000n, 0xffff_ffffn, CONTAINER_OWNER, 2n ** 63n - 1n]) {
    expect(ownerOf(ownerHigh(owner), ownerLow(owner))).toBe(owner);
  }
});
