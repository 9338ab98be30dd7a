/**
 * The first five minutes of somebody new, and the package as others get it: from a copy of the repository with nothing
 * installed to a server with a shell on it, and on to a project that has the packed package.
 */
import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { copyOfRepository, must, npmStart, projectWith, reachable, ROOT, run } from "./checkout.ts";
import type { Done } from "./checkout.ts";

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

let checkout = "";
let project = "";
let installed: Done;
let packed: Packed;

beforeAll(() => {
  checkout = copyOfRepository();
  installed = must(run(checkout, "npm", "ci", "--prefer-offline"));
  const listing = must(run(checkout, "npm", "pack", "--json", "--ignore-scripts")).stdout;
  const answer = JSON.parse(listing) as readonly Packed[] | Readonly<Record<string, Packed>>;
  // npm 12 names the packages.
  packed = Object.values(answer)[0] as Packed;
  project = projectWith(path.join(checkout, packed.filename));
});

afterAll(() => {
  for (const place of [checkout, project]) if (place !== "") rmSync(place, { recursive: true, force: true });
});

test("npm ci builds, and warns of nothing that is in the package's hands", () => {
  const warnings = `${installed.stdout}\n${installed.stderr}`
    .split("\n")
    .filter((line) => /warn|deprecated|vulnerab/i.test(line))
    // A user's own npm settings are not ours.
    .filter((line) => !/Unknown (user|env|project|cli) config/.test(line));
  expect(warnings).toEqual([]);
});

test("npm start is an ensemble with data where it says, and npx vivarium shell talks to it", async () => {
  const server = await npmStart(checkout, "--base-port", "0");
  try {
    const shell = (...words: readonly string[]): Done =>
      run(checkout, "npx", "vivarium", "shell", "--server", server.address, ...words);
    must(shell("create", "/hello", "world"));
    expect(must(shell("get", "/hello")).stdout).toBe("world\n");
    expect(shell("get", "/nothing").code).toBe(1);
    expect(statSync(path.join(checkout, "data/ensemble/server-3/data/version-2")).isDirectory()).toBe(true);
  } finally {
    await server.stop();
  }
});

test("npx vivarium also works after a build into an empty dist", () => {
  rmSync(path.join(checkout, "dist"), { recursive: true });
  must(run(checkout, "npm", "run", "build"));
  expect(must(run(checkout, "npx", "vivarium", "--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test("what is wrong with a first command is said in one line", () => {
  const vivarium = (...words: readonly string[]): Done => run(checkout, "node", "dist/cli/main.js", ...words);
  const lines = (done: Done): string[] => done.stderr.trimEnd().split("\n");

  const file = vivarium("serve", "--port", "0", "--data", "package.json");
  expect([file.code, lines(file).length]).toEqual([3, 1]);
  expect(file.stderr).toMatch(/^vivarium: --data: .*part of the path is a file/);

  const port = vivarium("serve", "--port", "70000");
  expect([port.code, port.stderr]).toEqual([2, 'vivarium: --port: "70000" is not a port; write e.g. --port 2181\n']);

  const both = vivarium("serve", "zoo.cfg", "--port", "1");
  expect([both.code, lines(both)[0]]).toEqual([
    2,
    "error: --port is for a server without a zoo.cfg; write it into zoo.cfg instead",
  ]);
  expect(vivarium("srve").code).toBe(2);
});

test("the package holds what is built and documented, and no tests", () => {
  const paths = packed.files.map((file) => file.path);
  const strange = paths.filter(
    (file) =>
      !/^(dist\/(core|net|sim|cli)\/.*(\.js|\.d\.ts)|README\.md|ARCHITECTURE\.md|LICENSE|package\.json)$/.test(file),
  );
  expect(strange).toEqual([]);
  expect(paths.filter((file) => /test/i.test(file))).toEqual([]);
  // Each comes from a source that exists.
  const sourceOf = (file: string): string => file.replace(/^dist\//, "").replace(/(\.d\.ts|\.js)$/, ".ts");
  expect(paths.filter((file) => file.startsWith("dist/") && !existsSync(path.join(checkout, sourceOf(file))))).toEqual(
    [],
  );
  expect(packed.size).toBeLessThan(1_000_000);
});

test("the installed command runs", () => {
  expect(must(run(project, "npx", "vivarium", "--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(must(run(project, "npx", "vivarium", "--help")).stdout).toContain("serve");
});

test("every entry point loads and has exports", () => {
  const script = `
    for (const name of ["vivarium", "vivarium/client", "vivarium/server", "vivarium/core", "vivarium/sim"]) {
      const exports = Object.keys(await import(name)).length;
      if (exports === 0) throw new Error(name + " exports nothing");
    }
    console.log("all there");`;
  expect(must(run(project, "node", "--input-type=module", "-e", script)).stdout).toBe("all there\n");
});

test("the client, the core and the simulator need no Node and no package that does", () => {
  for (const entry of ["core/client/index.js", "core/index.js", "sim/index.js"]) {
    const { files, outside } = reachable(path.join(project, "node_modules/vivarium/dist", entry));
    expect(files.length).toBeGreaterThan(5);
    expect(outside.filter((name) => !/^@noble\/hashes\/|^fflate$/.test(name))).toEqual([]);
    expect(files.filter((file) => !/\/dist\/(core|sim)\//.test(file))).toEqual([]);
  }
  // The client has no use for packing snapshots.
  expect(reachable(path.join(project, "node_modules/vivarium/dist/core/client/index.js")).outside).toEqual([]);
});

const PORTABLE = `
import { Client, Code, OPEN_ACL_UNSAFE, isZooKeeperError, ZooKeeper } from "vivarium/client";
import type { Acl, ClientOptions, NodeData, Stat, WatchEvent, ZooKeeperError } from "vivarium/client";
import { DEFAULT_SERVER_CONFIG, NO_FACTS, Outbox, StandaloneServer } from "vivarium/core";
import type { Actor, Context, Facts, ServerConfig } from "vivarium/core";
import { address, Simulator } from "vivarium/sim";
import type { Fault, ScheduledFault } from "vivarium/sim";

export * as client from "vivarium/client";
export * as core from "vivarium/core";
export * as sim from "vivarium/sim";

const config: ServerConfig = { ...DEFAULT_SERVER_CONFIG, tickTime: 100 };
const faults: ScheduledFault[] = [{ when: { at: 5 }, fault: { kind: "stop", host: "server" } satisfies Fault }];
const world = new Simulator({ seed: 1, faults });
const boot = (seed: number): Actor => new StandaloneServer(config, seed);
world.addHost({ name: "server", listens: [{ address: address("server:1"), port: "client" }], boot }).start();
export const acl: readonly Acl[] = OPEN_ACL_UNSAFE;
export const options: ClientOptions = { sessionTimeout: 1000 };
export async function version(zk: ZooKeeper): Promise<number> {
  const { stat }: NodeData = await zk.getData("/", { watch: (event: WatchEvent) => void event.zxid });
  return (stat satisfies Stat).version;
}
export const missing = (error: unknown): error is ZooKeeperError => isZooKeeperError(error, "NONODE");
export const facts: Facts = NO_FACTS;
export const used = [Client, Code, Outbox, (cx: Context): number => cx.now];
// @ts-expect-error There is no such mode.
export const wrong = (zk: ZooKeeper): Promise<string> => zk.create("/", null, { mode: "sometimes" });
`;

const ON_NODE = `
import { connect, startServer, StartError } from "vivarium";
import type { ConnectOptions, RunningServer, Settings, ZooKeeper } from "vivarium";

export * as all from "vivarium";
export * as server from "vivarium/server";

const settings: Settings = { clientPort: 0, dataDir: "data" };
export const options: ConnectOptions = { readOnly: true };
export const start = (): Promise<RunningServer> => startServer(settings);
export const open = (): Promise<ZooKeeper> => connect("localhost:2181", options);
export const code = (error: unknown): number => (error instanceof StartError ? error.exitCode : 0);
`;

test.each(["nodenext", "bundler"])("types are whole for a strict project with %s resolution", (resolution) => {
  writeFileSync(path.join(project, "portable.ts"), PORTABLE);
  writeFileSync(path.join(project, "node.ts"), ON_NODE);
  const strict = ["--strict", "--exactOptionalPropertyTypes", "--target", "es2023", "--lib", "es2023", "--noEmit"];
  const modules =
    resolution === "nodenext" ? ["--module", "nodenext"] : ["--module", "esnext", "--moduleResolution", "bundler"];
  const tsc = (...rest: readonly string[]): Done =>
    run(
      project,
      "node",
      path.join(ROOT, "node_modules/typescript/bin/tsc"),
      ...strict,
      ...modules,
      "--skipLibCheck",
      "false",
      ...rest,
    );
  must(tsc("--types", "", "portable.ts"));
  must(tsc("--typeRoots", path.join(ROOT, "node_modules/@types"), "--types", "node", "node.ts"));
});
