import { expect, test } from "vitest";
import { clientConfig, membersOf } from "../../cli/shell-ensemble.ts";
import { formatDate, formatPerms, hexDump, parseAcl } from "../../cli/shell-format.ts";
import { formatQuota, parseQuota } from "../../cli/shell-quotas.ts";
import { parseArguments, splitWords, UsageError } from "../../cli/shell-words.ts";

test.each([
  ["", []],
  ["  ls   /a ", ["ls", "/a"]],
  [`create /a "two words"`, ["create", "/a", "two words"]],
  [`create /a 'it is "so"'`, ["create", "/a", 'it is "so"']],
  [`set /a ""`, ["set", "/a", ""]],
  [`set /a x" y "z`, ["set", "/a", "x y z"]],
  [`set /a "open end`, ["set", "/a", "open end"]],
])("the line %s has the words %j", (line, words) => {
  expect(splitWords(line)).toEqual(words);
});

test("options stand anywhere, flags may be joined, and -- ends them", () => {
  const kinds = { s: "flag", w: "flag", v: "value", file: "value" } as const;
  const call = parseArguments(["/a", "-sw", "-v", "-1", "--", "-s"], kinds);
  expect([call.words, [...call.flags], [...call.values]]).toEqual([["/a", "-s"], ["s", "w"], [["v", "-1"]]]);
  expect(parseArguments(["-5", "-"], kinds).words).toEqual(["-5", "-"]);
  expect(() => parseArguments(["-x"], kinds)).toThrow(UsageError);
  expect(() => parseArguments(["-v"], kinds)).toThrow(UsageError);
  expect(() => parseArguments(["-constructor"], kinds)).toThrow(UsageError);
});

test("an access list's first and last colons count, and an id may hold commas", () => {
  const warned: string[] = [];
  const acl = parseAcl("world:anyone:cdrwa,x509:CN=a,O=b:r,digest:u:h=:wz,oops", (message) => warned.push(message));
  expect(acl).toEqual([
    { scheme: "world", id: "anyone", perms: 31 },
    { scheme: "x509", id: "CN=a,O=b", perms: 1 },
    { scheme: "digest", id: "u:h=", perms: 2 },
  ]);
  expect(warned).toEqual(["Unknown perm type: z", "oops does not have the form scheme:id:perm"]);
  expect(formatPerms(31)).toBe("cdrwa");
});

test("a dump shows bytes and what is printable", () => {
  expect(hexDump(Buffer.from("0123456789abcdef\n~")).split("\n").slice(3, 5)).toEqual([
    "|00000000| 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 |0123456789abcdef|",
    "|00000010| 0a 7e                                           |.~              |",
  ]);
});

test("dates read as Java prints them", () => {
  expect(formatDate(0)).toMatch(/^(Thu Jan 01|Wed Dec 31) \d\d:\d\d:00 \S+ (1970|1969)$/);
});

test("quotas are read forgivingly and written for old parsers too", () => {
  const text = "count=5,bytes=-1=;byteHardLimit=100;countHardLimit=-1";
  expect(formatQuota(parseQuota(text))).toBe(text);
  expect(formatQuota(parseQuota("count=1,bytes=2"))).toBe("count=1,bytes=2");
  expect(parseQuota("nonsense")).toEqual({ count: -1, bytes: -1 });
  expect(parseQuota("count=,bytes=x")).toEqual({ count: -1, bytes: -1 });
});

test("the client's part of a configuration is its version and where to connect", () => {
  const text =
    "server.1=h1:1:2:participant;0.0.0.0:2181\nserver.2=h2:1:2:observer;h2:2182\nserver.3=h3:1:2;2183\nversion=100000000";
  expect(clientConfig(text)).toBe("100000000 0.0.0.0:2181,h2:2182,0.0.0.0:2183");
  expect(membersOf(`# c\n${text}\n`)).toEqual(text.split("\n").slice(0, 3));
});
