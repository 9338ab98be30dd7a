import { expect, test } from "vitest";
import { canonicalName } from "../../../core/auth/distinguished-names.ts";

test.each([
  ["CN=alice,O=Example\\, Inc.,C=DE"],
  ["CN=alice+UID=7,DC=example"],
  ["1.2.840.113549.1.9.1=#160161,CN=x"],
  ["OID.2.5.4.3=x"],
  ['O="a, b; c",CN=x'],
  ["CN="],
  [""],
])("%s is a name", (text) => {
  expect(canonicalName(text)).toBeDefined();
});

test.each([
  ["alice"],
  ["XX=alice"],
  ["CN=a,"],
  ["CN=a,,O=b"],
  ["=a"],
  ['CN="a'],
  ['CN="a"b'],
  ["CN=#16016"],
  ["CN=a\\"],
  ["CN=a<b"],
])("%s is none", (text) => {
  expect(canonicalName(text)).toBeUndefined();
});

test("blanks around separators and the case of keywords do not matter, values do", () => {
  const name = canonicalName("CN=alice,O=Example");
  expect(canonicalName(" cn = alice ; o=Example ")).toBe(name);
  expect(canonicalName("CN=Alice,O=Example")).not.toBe(name);
  expect(canonicalName("O=Example,CN=alice")).not.toBe(name);
  expect(canonicalName("CN=alice+O=Example")).not.toBe(name);
});

test("an escaped blank at the end of a value belongs to it", () => {
  expect(canonicalName("CN=a\\ ,O=b")).not.toBe(canonicalName("CN=a,O=b"));
  expect(canonicalName("CN=a\\\\ ,O=b")).toBe(canonicalName("CN=a\\\\,O=b"));
});
