/**
 * Everything in README.md's fences is true: commands are run with the built command against a server on a port of its
 * own, scripts are run by Node, and what they are said to print is what they print. A language that is not known here
 * fails, so that nothing slips by.
 */
import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import path from "node:path";
import * as readline from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseConfig } from "../../net/config-file.ts";
import type { Block } from "./blocks.ts";
import { blocksOf, exchangesOf } from "./blocks.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COMMAND = path.join(ROOT, "dist/cli/main.js");
const BLOCKS = blocksOf(readFileSync(path.join(ROOT, "README.md"), "utf8"));
const SCRIPTS = (
  JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
    readonly scripts: Readonly<Record<string, string>>;
  }
).scripts;

/** Where README's reader would be: a directory with what the page made them write, and an npx that finds the build. */
const place = realpathSync(mkdtempSync(path.join(tmpdir(), "vivarium-readme-")));
let server: ChildProcess;
let port = 0;

beforeAll(async () => {
  writeFileSync(path.join(place, "npx"), `#!/bin/sh\nshift\nexec "${process.execPath}" "${COMMAND}" "$@"\n`);
  chmodSync(path.join(place, "npx"), 0o755);
  ({ server, port } = await serve(["--port", "0", "--data", "data"]));
});

afterAll(async () => {
  await stop(server);
  rmSync(place, { recursive: true });
});

test("README begins with the two commands", () => {
  expect(BLOCKS[0]!.text.split("\n").map((line) => line.replace(/\s*#.*/, ""))).toEqual([
    "npm ci && npm start",
    "npm ci && npm test",
  ]);
});

for (const [index, block] of BLOCKS.entries()) {
  test(`README.md:${block.line}, a block of ${block.language}, is as it says`, async () => {
    switch (block.language) {
      case "sh":
        for (const line of block.text.split("\n")) await checkCommands(line.replace(/\s*#.*/, ""));
        return;
      case "console":
        return checkTranscript(block);
      case "js":
        return checkScript(block, BLOCKS[index + 1]);
      case "properties":
        return checkConfiguration(block);
      case "text":
        expect(BLOCKS[index - 1]?.language, "a script stands above what it prints").toBe("js");
        return;
      default:
        expect.fail(`nobody checks blocks of ${block.language}`);
    }
  });
}

/** What npm is asked for exists; servers start, and stop when told to. */
async function checkCommands(line: string): Promise<void> {
  for (const command of line.split(" && ")) {
    const words = command.trim().split(/\s+/);
    if (words[0] === "npm") {
      const script = words[1] === "run" ? words[2]! : words[1]!;
      expect(["ci", "pack", ...Object.keys(SCRIPTS)]).toContain(script);
    } else if (command.startsWith("npx vivarium serve")) {
      const started = await serve(words.slice(3));
      expect(await stop(started.server)).toBe(0);
    } else if (words[0] !== "cd") {
      const { code, output } = await shell(command);
      expect(code, output).toBe(0);
    }
  }
}

async function checkTranscript(block: Block): Promise<void> {
  for (const { command, output } of exchangesOf(block.text)) {
    const result = await shell(command);
    expect(normal(result.output, block.varies), command).toBe(normal(output, block.varies));
  }
}

async function checkScript(block: Block, next: Block | undefined): Promise<void> {
  // In the package's own directory `import "vivarium"` means the package.
  const node = spawn(process.execPath, ["--input-type=module"], { cwd: ROOT, stdio: ["pipe", "pipe", "pipe"] });
  const ended = finished(node);
  node.stdin.end(onOurPort(block.text));
  const { code, output } = await ended;
  expect(code, output).toBe(0);
  if (next?.language !== "text") return expect(output).toBe("");
  expect(normal(output, next.varies)).toBe(normal(next.text, next.varies));
}

/** It is read without a complaint, and becomes the reader's zoo.cfg. */
function checkConfiguration(block: Block): void {
  const data = path.join(place, "zookeeper");
  mkdirSync(data, { recursive: true });
  writeFileSync(path.join(data, "myid"), "1\n");
  expect(parseConfig(block.text.replace("./zookeeper", data), "README.md").notes).toEqual([]);
  writeFileSync(path.join(place, "zoo.cfg"), block.text.replace(/^((?:secureC|c)lientPort)=\d+/gm, "$1=0"));
}

function onOurPort(text: string): string {
  return text.replaceAll("localhost:2181", `127.0.0.1:${port}`).replaceAll("127.0.0.1:2181", `127.0.0.1:${port}`);
}

function normal(text: string, varies: RegExp | undefined): string {
  const plain = text.trimEnd().replaceAll(`127.0.0.1:${port}`, "127.0.0.1:2181");
  return varies === undefined ? plain : plain.replace(varies, "…");
}

interface Finished {
  readonly code: number | null;
  readonly output: string;
}

/** Both streams, as on a terminal. */
function shell(command: string): Promise<Finished> {
  const here = command.replace(/\bnpx vivarium shell\b/g, "$& --server 127.0.0.1:2181");
  const env = { ...process.env, PATH: `${place}:${process.env["PATH"]}`, HOME: place };
  return new Promise((resolve) => {
    const child = execFile(
      "/bin/sh",
      ["-c", `exec 2>&1; ${onOurPort(here)}`],
      { cwd: place, env, timeout: 20_000 },
      (_error, output) => resolve({ code: child.exitCode, output }),
    );
    child.stdin!.end();
  });
}

function finished(child: ChildProcess): Promise<Finished> {
  let output = "";
  child.stdout!.on("data", (chunk) => (output += String(chunk)));
  child.stderr!.on("data", (chunk) => (output += String(chunk)));
  return once(child, "close").then(([code]) => ({ code: code as number | null, output }));
}

/** Starts `vivarium serve` and resolves when it listens; its log says where. */
async function serve(options: readonly string[]): Promise<{ server: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [COMMAND, "serve", ...options], {
    cwd: place,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk) => (said += String(chunk)));
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const { msg, clientPort } = JSON.parse(line) as { readonly msg: string; readonly clientPort: number };
    if (msg === "listening") {
      child.stdout.resume();
      return { server: child, port: clientPort };
    }
  }
  throw new Error(`no server: ${said}`);
}

async function stop(child: ChildProcess): Promise<number | null> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const [code] = (await ended) as [number | null];
  return code;
}
