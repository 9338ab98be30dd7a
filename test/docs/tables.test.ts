/** README.md's tables cannot go stale: `npm run docs` prints them anew from the code. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ZooKeeper } from "../../core/client/index.ts";
import { COMMAND_NAMES } from "../../cli/shell-session.ts";
import { withTables } from "./tables.ts";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly exports: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
};

test("README's tables of keys and differences are the code's own", async () => {
  await expect(withTables(readme), "README.md is behind the code: npm run docs").toMatchFileSnapshot("../../README.md");
});

test("README names every method of the client, and none that it does not have", () => {
  const section = sectionOf("The client");
  const named = new Set([...section.matchAll(/`(?:zk\.)?([a-zA-Z0-9]+)(?:\(|`)/g)].map((match) => match[1]!));
  const own = Object.getOwnPropertyNames(ZooKeeper.prototype).filter((name) => name !== "constructor");
  expect(own.filter((name) => !named.has(name))).toEqual([]);
  const called = [...section.matchAll(/\bzk\.([a-zA-Z0-9]+)/g)].map((match) => match[1]!);
  expect(called.filter((name) => !own.includes(name))).toEqual([]);
});

test("README names every command of the shell", () => {
  const section = sectionOf("The shell");
  expect(COMMAND_NAMES.filter((name) => !section.includes(name))).toEqual([]);
});

test("README names every entry point of the package, and none that it does not have", () => {
  const entries = Object.keys(manifest.exports)
    .filter((name) => name !== "./package.json")
    .map((name) => name.replace(/^\./, "vivarium"));
  const section = sectionOf("What can be imported");
  const named = [...section.matchAll(/^\| `(vivarium[^`]*)`/gm)].map((match) => match[1]);
  expect(named).toEqual(entries);
});

test("README speaks of no script that package.json does not have", () => {
  const named = [...readme.matchAll(/\bnpm run ([\w:-]+)/g)].map((match) => match[1]!);
  expect(named.filter((name) => !Object.hasOwn(manifest.scripts, name))).toEqual([]);
});

function sectionOf(title: string): string {
  const start = readme.indexOf(`\n### ${title}\n`);
  expect(start, `README has a section "${title}"`).toBeGreaterThan(0);
  const end = readme.slice(start + 1).search(/\n##+ /);
  return end < 0 ? readme.slice(start) : readme.slice(start, start + 1 + end);
}
