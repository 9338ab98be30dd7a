import { expect, test } from "vitest";
import { anyoneMay, checkAcl, fixupAcl, maskDigestIds } from "../../../core/auth/acl.ts";
import { AuthProviders } from "../../../core/auth/providers.ts";
import { DEFAULT_SERVER_CONFIG } from "../../../core/config.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, Perms, READ_ACL_UNSAFE } from "../../../core/protocol/data.ts";
import type { Acl, Id, RawAcl } from "../../../core/protocol/data.ts";

const AUTH = new AuthProviders({ ...DEFAULT_SERVER_CONFIG.auth, extraSchemes: ["sasl"] });
const IP: Id = { scheme: "ip", id: "10.0.0.7" };
const BOB: Id = { scheme: "digest", id: "bob:hash" };

function entry(perms: number, scheme: string, id: string): Acl {
  return { perms, scheme, id };
}
function may(acl: readonly Acl[], perm: number, ids: readonly Id[] = [IP]): boolean {
  return checkAcl(AUTH, acl, perm, ids, false);
}
function fixup(acl: readonly RawAcl[] | null, ids: readonly Id[] = [IP]): readonly Acl[] | number {
  return fixupAcl(AUTH, acl, ids);
}

test("the world may what a world entry lets it, and no more", () => {
  expect(may(OPEN_ACL_UNSAFE, Perms.ADMIN)).toBe(true);
  expect(may(READ_ACL_UNSAFE, Perms.READ)).toBe(true);
  expect(may(READ_ACL_UNSAFE, Perms.WRITE)).toBe(false);
  expect(anyoneMay(READ_ACL_UNSAFE, Perms.READ)).toBe(true);
  expect(anyoneMay([entry(Perms.ALL, "digest", "anyone")], Perms.READ)).toBe(false);
});

test("any one of several bits asked for suffices", () => {
  expect(may(READ_ACL_UNSAFE, Perms.READ | Perms.ADMIN)).toBe(true);
});

test("bits of one entry do not help another", () => {
  const acl = [entry(Perms.READ, "digest", "bob:hash"), entry(Perms.WRITE, "digest", "eve:hash")];
  expect(may(acl, Perms.WRITE, [IP, BOB])).toBe(false);
  expect(may(acl, Perms.READ, [IP, BOB])).toBe(true);
});

test("an empty list, skipACL and super let everything through", () => {
  const closed = [entry(0, "world", "anyone")];
  expect(may([], Perms.WRITE)).toBe(true);
  expect(may(closed, Perms.WRITE)).toBe(false);
  expect(checkAcl(AUTH, closed, Perms.WRITE, [], true)).toBe(true);
  expect(may(closed, Perms.WRITE, [{ scheme: "super", id: "" }])).toBe(true);
});

test("ids match within their scheme only", () => {
  expect(may([entry(31, "ip", "10.0.0.0/24")], Perms.READ)).toBe(true);
  expect(may([entry(31, "ip", "10.0.1.0/24")], Perms.READ)).toBe(false);
  expect(may([entry(31, "sasl", "bob:hash")], Perms.READ, [BOB])).toBe(false);
  expect(may([entry(31, "gone", "x")], Perms.READ, [{ scheme: "gone", id: "x" }])).toBe(false);
});

test("a list is stored as given, without duplicates", () => {
  const acl = [
    entry(1, "digest", "a:b"),
    entry(31, "world", "anyone"),
    entry(1, "digest", "a:b"),
    entry(255, "ip", "::1"),
  ];
  expect(fixup(acl)).toEqual([acl[0], acl[1], acl[3]]);
  expect(fixup([entry(0, "world", "anyone")])).toEqual([entry(0, "world", "anyone")]);
});

test.each<[string, RawAcl[] | null]>([
  ["null", null],
  ["empty", []],
  ["with a null scheme", [{ perms: 1, scheme: null, id: "x" }]],
  ["with the world under another id", [entry(31, "world", "nobody")]],
  ["of an unknown scheme", [entry(31, "nonsense", "x")]],
  ["of an unknown scheme with a null id", [{ perms: 1, scheme: "nonsense", id: null }]],
  ["of scheme super", [entry(31, "super", "")]],
  ["with a digest that is none", [entry(31, "digest", "a")]],
  ["with auth and nobody authenticated", [...CREATOR_ALL_ACL]],
  ["with a bad entry behind a good one", [entry(31, "world", "anyone"), entry(31, "ip", "x")]],
])("a list that is %s is invalid", (_what, acl) => {
  expect(fixup(acl)).toBe(Code.INVALIDACL);
});

test("a null id is a marshalling error, except under auth, which does not look at it", () => {
  for (const scheme of ["world", "digest", "ip", "sasl"]) {
    expect(fixup([{ perms: 1, scheme, id: null }]), scheme).toBe(Code.MARSHALLINGERROR);
  }
  expect(fixup([{ perms: 1, scheme: "auth", id: null }], [BOB])).toEqual([entry(1, "digest", "bob:hash")]);
});

test("auth becomes one entry per authenticated id, with its permissions; the address is none", () => {
  const alice: Id = { scheme: "sasl", id: "alice" };
  expect(fixup(CREATOR_ALL_ACL, [IP, BOB, { scheme: "super", id: "" }, alice])).toEqual([
    entry(31, "digest", "bob:hash"),
    entry(31, "sasl", "alice"),
  ]);
});

test("expanding auth may repeat an entry that is given too", () => {
  const acl = [entry(31, "digest", "bob:hash"), ...CREATOR_ALL_ACL];
  expect(fixup(acl, [BOB])).toEqual([entry(31, "digest", "bob:hash"), entry(31, "digest", "bob:hash")]);
});

test("entries that only look alike when run together are not duplicates", () => {
  const acl = [entry(1, "ip", "1.2.3.4"), entry(1, "digest", "a:b"), entry(11, "ip", "1.2.3.4")];
  expect(fixup(acl)).toEqual(acl);
});

test("a list of a packet's size is checked in no time, and auth cannot blow it up", () => {
  const many = Array.from({ length: 60_000 }, (_, i) => entry(i, "auth", ""));
  const ids = Array.from({ length: 100 }, (_, i) => ({ scheme: "digest", id: `user${i}:hash` }));
  expect(fixup(many, ids)).toBe(Code.INVALIDACL);
  expect(fixup(many, [BOB])).toHaveLength(60_000);
});

test("digests are masked from the first colon on, other schemes shown", () => {
  const acl = [entry(31, "digest", "bob:hash:more"), entry(1, "sasl", "a:b"), entry(2, "digest", "bare")];
  expect(maskDigestIds(acl).map(({ id }) => id)).toEqual(["bob:x", "a:b", "bare"]);
  expect(maskDigestIds(OPEN_ACL_UNSAFE)).toBe(OPEN_ACL_UNSAFE);
});
