/** A copy of the repository as a clone would be, and what people type in it. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as readline from "node:readline";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** What is or could be committed: no node_modules, nothing built, nothing that an earlier build left behind. */
export function copyOfRepository(): string {
  const place = temporaryDirectory("checkout");
  const list = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: ROOT });
  for (const file of list.toString().split("\0").filter(Boolean)) {
    // What is deleted and not committed is still listed.
    if (existsSync(path.join(ROOT, file))) cpSync(path.join(ROOT, file), path.join(place, file));
  }
  return place;
}

/** A project with nothing in it that has `tarball` installed. */
export function projectWith(tarball: string): string {
  const place = temporaryDirectory("project");
  writeFileSync(path.join(place, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  must(run(place, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", tarball));
  return place;
}

export function temporaryDirectory(name: string): string {
  return realpathSync(mkdtempSync(path.join(tmpdir(), `vivarium-${name}-`)));
}

export interface Done {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function run(cwd: string, command: string, ...args: readonly string[]): Done {
  // What surrounds these tests is an npm of its own, whose settings are not those of whoever types the command.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|VITEST|NODE_ENV)/.test(name)));
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: "utf8", timeout: 200_000 });
  return { code: status, stdout, stderr };
}

/** Throws what was said when it went wrong. */
export function must(done: Done): Done {
  if (done.code === 0) return done;
  throw new Error(`exit code ${done.code}\n${done.stdout}\n${done.stderr}`);
}

/** The addresses and the end of a server that `npm start` has started. */
export interface Started {
  readonly address: string;
  stop(): Promise<number | null>;
}

export async function npmStart(cwd: string, ...options: readonly string[]): Promise<Started> {
  // A group of its own, as a terminal makes one: Ctrl-C goes to npm and to what it started.
  const npm = spawn("npm", ["start", "--", ...options], { cwd, detached: true, stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of readline.createInterface({ input: npm.stdout })) {
    const [, hosts] = /ensemble is listening on (\S+)$/.exec(line) ?? [];
    if (hosts === undefined) continue;
    npm.stdout.resume();
    const stop = async (): Promise<number | null> => {
      const ended = once(npm, "exit");
      process.kill(-npm.pid!, "SIGINT");
      return ((await ended) as [number | null])[0];
    };
    return { address: hosts, stop };
  }
  throw new Error("npm start ended without a server");
}

/** The modules that loading `entry` loads, and the names of other packages and of Node that they import. */
export function reachable(entry: string): { readonly files: string[]; readonly outside: string[] } {
  const files = new Set<string>([entry]);
  const outside = new Set<string>();
  for (const file of files) {
    const pattern = /(?:^|[}\s*])(?:from\s*|import\s*\(?\s*)["']([^"'\n]+)["']/gm;
    for (const [, name] of readFileSync(file, "utf8").matchAll(pattern)) {
      if (name!.startsWith(".")) files.add(path.resolve(path.dirname(file), name!));
      else outside.add(name!);
    }
  }
  return { files: [...files], outside: [...outside].sort((a, b) => (a < b ? -1 : 1)) };
}
