/** The repository's own rules. Each is small enough to read, and to change when it stops being right. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { bannedNames, importsOf, withoutComments } from "./support/tidy.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FILES = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: ROOT })
  .toString()
  .split("\n")
  .filter((file) => file !== "");
const SOURCES = FILES.filter((file) => /^(core|sim|net|cli|scenarios|test)\/.*\.ts$/.test(file));
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

/** What each top-level folder may import from. */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  core: ["core"],
  sim: ["core", "sim"],
  net: ["core", "net"],
  scenarios: ["core", "sim", "scenarios"],
  cli: ["core", "sim", "net", "scenarios", "cli"],
  test: ["core", "sim", "net", "scenarios", "cli", "test"],
};

/** Inside core a folder imports itself, folders of earlier rows, and the files at core's root. */
const CORE_ROWS: readonly (readonly string[])[] = [
  ["base"],
  ["jute"],
  ["protocol"],
  ["tree", "auth"],
  ["quorum"],
  ["watch", "session", "storage"],
  ["pipeline", "election"],
  ["zab"],
  ["server"],
];
const CLIENT_MAY_IMPORT = ["base", "jute", "protocol", "client"];
/** The one place in each where promises begin. */
const PROMISES_ALLOWED = ["core/client/zookeeper.ts", "sim/testing.ts"];
/** Entry points: nothing in the tree needs to import them. */
const ENTRIES = [
  /^cli\/main\.ts$/,
  /\/index\.ts$/,
  /^net\/server\.ts$/,
  /^core\/index\.ts$/,
  /^test\//,
  /\.config\.ts$/,
];

test("every import points down the table of folders", () => {
  const wrong: string[] = [];
  for (const file of SOURCES) {
    const from = file.split("/")[0]!;
    for (const target of resolvedImports(file)) {
      const to = target.split("/")[0]!;
      if (!FOLDERS[from]!.includes(to)) wrong.push(`${file} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("inside core every import points to an earlier row", () => {
  const wrong: string[] = [];
  for (const file of SOURCES.filter((name) => name.startsWith("core/"))) {
    const from = coreFolder(file);
    if (from === undefined) continue;
    for (const target of resolvedImports(file)) {
      const to = coreFolder(target);
      if (to === undefined || to === from) continue;
      const fine = from === "client" ? CLIENT_MAY_IMPORT.includes(to) : rowOf(to) < rowOf(from);
      if (!fine) wrong.push(`${file} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("core and sim import nothing of Node, and only pure packages", () => {
  const pure = [/^@noble\/hashes\//, /^fflate$/];
  const wrong: string[] = [];
  for (const file of SOURCES.filter((name) => /^(core|sim|scenarios)\//.test(name))) {
    for (const name of importsOf(read(file))) {
      if (!name.startsWith(".") && !pure.some((allowed) => allowed.test(name))) wrong.push(`${file} imports ${name}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("core and sim use no hidden time, chance, locale or concurrency", () => {
  const wrong: string[] = [];
  for (const file of SOURCES.filter((name) => /^(core|sim|scenarios)\//.test(name))) {
    // The tripwires name what they guard against.
    if (file === "sim/tripwires.ts") continue;
    for (const name of bannedNames(read(file), PROMISES_ALLOWED.includes(file))) wrong.push(`${file}: ${name}`);
  }
  expect(wrong).toEqual([]);
});

test("every source file is imported by another, or is an entry point", () => {
  const imported = new Set(SOURCES.flatMap(resolvedImports));
  const dead = SOURCES.filter((file) => !imported.has(file) && !ENTRIES.some((entry) => entry.test(file)));
  // Files that a command loads when it is asked for.
  const lazily = SOURCES.map(read).join("\n");
  expect(dead.filter((file) => !lazily.includes(`import("./${file.split("/").slice(1).join("/")}")`))).toEqual([]);
});

test("nothing is left half done: no skipped or exclusive tests, no leftovers", () => {
  const wrong: string[] = [];
  for (const file of SOURCES.filter((name) => name !== "test/tidy.test.ts")) {
    const text = read(file);
    if (/\b(FIXME|XXX|HACK)\b/.test(text)) wrong.push(`${file}: leftover`);
    if (/\b(test|it|describe)\.(only|skip|todo)\b/.test(text)) wrong.push(`${file}: skipped or exclusive test`);
  }
  expect(wrong).toEqual([]);
});

test("modules have named exports only, no enums, and no cycles of barrels", () => {
  const wrong: string[] = [];
  for (const file of SOURCES) {
    const text = withoutComments(read(file));
    if (/^export default\b/m.test(text)) wrong.push(`${file}: default export`);
    if (/^\s*(export )?(const )?enum\b/m.test(text)) wrong.push(`${file}: enum`);
  }
  expect(wrong).toEqual([]);
});

test("every page of documentation has one title", () => {
  const wrong: string[] = [];
  for (const file of FILES.filter((name) => name.endsWith(".md"))) {
    const prose = read(file).replace(/^```[\s\S]*?^```/gm, "");
    const titles = prose.split("\n").filter((line) => line.startsWith("# "));
    if (titles.length !== 1) wrong.push(`${file}: ${titles.length} titles`);
  }
  expect(wrong).toEqual([]);
});

test("links between our own pages and files lead somewhere", () => {
  const wrong: string[] = [];
  for (const file of FILES.filter((name) => name.endsWith(".md"))) {
    for (const [, link] of read(file).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(link!)) continue;
      const target = normalize(join(dirname(file), link!)).replace(/\/$/, "");
      if (!FILES.some((name) => name === target || name.startsWith(`${target}/`))) wrong.push(`${file}: ${link}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("the lock file records no download addresses", () => {
  expect(read("package-lock.json")).not.toContain('"resolved"');
});

// The rules themselves can fail:

test("a hidden clock, chance or promise is named", () => {
  expect(bannedNames("const t = Date.now();", false)).toEqual(["Date"]);
  expect(bannedNames("const r = Math.random();", false)).toEqual(["Math.random"]);
  expect(bannedNames("async function f() { await g(); }", false)).toContain("async");
  expect(bannedNames("async function f() { await g(); }", true)).toEqual([]);
  expect(bannedNames("list.sort();", false)).toEqual(["sort without a comparator"]);
  expect(bannedNames("// Date.now() in a comment is fine\nlist.sort((a, b) => a - b);", false)).toEqual([]);
});

test("imports of every form are seen", () => {
  const text = `import { a } from "./a.ts";\nimport type { B } from "./b.ts";\nexport { c } from "./c.ts";\nawait import("./d.ts");`;
  expect(importsOf(text)).toEqual(["./a.ts", "./b.ts", "./c.ts", "./d.ts"]);
});

function resolvedImports(file: string): string[] {
  return importsOf(read(file))
    .filter((name) => name.startsWith("."))
    .map((name) => normalize(join(dirname(file), name)));
}

function coreFolder(file: string): string | undefined {
  const parts = file.split("/");
  return parts[0] === "core" && parts.length > 2 ? parts[1] : undefined;
}

function rowOf(folder: string): number {
  const row = CORE_ROWS.findIndex((names) => names.includes(folder));
  expect(row, `core/${folder} has a row in the table`).toBeGreaterThanOrEqual(0);
  return row;
}
