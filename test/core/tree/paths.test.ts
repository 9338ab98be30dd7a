/** Paths by the reference's examples (sections 5.1 and 5.4; Java: PathUtils). */
import { expect, test } from "vitest";
import { isReserved, nameOf, parentPath, sequenceSuffix, validatePath } from "../../../core/tree/paths.ts";

test.each([
  "/",
  "/a",
  "/a/b",
  "/..a",
  "/.x",
  "/...",
  "/a..",
  "/a/.b./c",
  "/a b",
  "/\u00a0",
  "/\u2028",
  "/\ud7ff",
  "/\uf900",
  "/\uffef",
])("%j is a legal path", (path) => {
  expect(validatePath(path)).toBe(true);
});

test.each(["", "foo", "/x/", "//", "//a", "/a//b", "/.", "/..", "/a/.", "/a/..", "/./a", "/../a", "/a/../b", "/a/./b"])(
  "%j is refused",
  (path) => {
    expect(validatePath(path)).toBe(false);
  },
);

test.each([
  "\0",
  "\u0001",
  "\u001f",
  "\u007f",
  "\u0080",
  "\u009f",
  "\ud800",
  "\u{1f600}",
  "\ue000",
  "\uf8ff",
  "\ufff0",
  "\uffff",
])("%j is refused in a path", (text) => {
  expect(validatePath(`/a${text}b`)).toBe(false);
});

test("a path divides at its last slash", () => {
  expect([parentPath("/a"), parentPath("/a/b"), parentPath("/a/b/c")]).toEqual(["/", "/a", "/a/b"]);
  expect([nameOf("/a"), nameOf("/a/b")]).toEqual(["a", "b"]);
});

test("a sequence suffix has ten characters, the sign included, and eleven at the very end", () => {
  expect([0, 42, 2147483647, -1, -2147483648].map(sequenceSuffix)).toEqual([
    "0000000000",
    "0000000042",
    "2147483647",
    "-000000001",
    "-2147483648",
  ]);
});

test("the root and the three nodes of ZooKeeper itself are reserved", () => {
  expect(["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"].every(isReserved)).toBe(true);
  expect(["/zookeeper/quota/a", "/a", "/zookeeperx"].some(isReserved)).toBe(false);
});
