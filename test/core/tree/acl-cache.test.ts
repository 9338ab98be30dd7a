/** Shared ACL lists (Java: ReferenceCountedACLCache). */
import { expect, test } from "vitest";
import { type Acl, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE } from "../../../core/protocol/data.ts";
import { AclCache, OPEN_ACL_ID } from "../../../core/tree/acl-cache.ts";

const bob = (perms: number): Acl[] => [{ perms, scheme: "digest", id: "bob:x" }];

test("equal lists share an id, and the same object comes back", () => {
  const cache = new AclCache();
  const [first, other, again] = [cache.internAcl(bob(1)), cache.internAcl(bob(2)), cache.internAcl(bob(1))];
  expect([first, other, again]).toEqual([1, 2, 1]);
  expect(cache.aclOf(first)).toBe(cache.aclOf(again));
});

test("the open ACL from a client has an id of its own", () => {
  const cache = new AclCache();
  expect(cache.internAcl(OPEN_ACL_UNSAFE)).toBe(1);
  expect(cache.aclOf(OPEN_ACL_ID)).toBe(OPEN_ACL_UNSAFE);
});

test("the last use forgets a list, and its id is not given again", () => {
  const cache = new AclCache();
  const id = cache.internAcl(bob(1));
  cache.internAcl(bob(1));
  cache.releaseAcl(id);
  expect(cache.aclOf(id)).toEqual(bob(1));
  cache.releaseAcl(id);
  expect(cache.entries()).toEqual([]);
  expect(cache.internAcl(bob(1))).toBe(id + 1);
});

test("lists that read alike when joined are still different", () => {
  const cache = new AclCache();
  const joined = [{ perms: 1, scheme: "a", id: "b;1:1:c:1:d" }];
  const split = [
    { perms: 1, scheme: "a", id: "b" },
    { perms: 1, scheme: "c", id: "d" },
  ];
  expect(cache.internAcl(joined)).not.toBe(cache.internAcl(split));
});

test("loading continues after the highest id seen, defined or not, and forgets what is unused", () => {
  const cache = new AclCache();
  expect(cache.load(3, bob(1))).toBe(true);
  expect(cache.load(7, READ_ACL_UNSAFE)).toBe(true);
  expect([cache.load(0, bob(1)), cache.load(-1, bob(1)), cache.load(2 ** 31, bob(1))]).toEqual([false, false, false]);
  cache.addUse(3);
  cache.addUse(9);
  cache.purgeUnused();
  expect(cache.entries()).toEqual([[3, bob(1)]]);
  expect(cache.internAcl(bob(2))).toBe(10);
});

test("an id nobody defined is closed to everybody", () => {
  expect(new AclCache().aclOf(5)).toEqual([{ perms: 0, scheme: "world", id: "anyone" }]);
});
