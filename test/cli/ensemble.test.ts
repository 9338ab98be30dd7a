/** `vivarium ensemble` as it is built: real processes on loopback. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { connectString, layOut } from "../../cli/ensemble-layout.ts";
import type { ZooKeeper } from "../../core/client/zookeeper.ts";
import { connect } from "../../net/client.ts";
import { freePorts } from "../support/free-ports.ts";
import { until } from "../support/until.ts";

const COMMAND = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const root = fs.mkdtempSync(path.join(os.tmpdir(), "vivarium-ensemble-"));
let count = 0;
const fresh = (): string => path.join(root, String(count++));

/** What was started and what it said; every process of it is gone after the test. */
class Run {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  out = "";
  err = "";

  constructor(...options: readonly string[]) {
    const args = [COMMAND, "ensemble", "--set", "tickTime=200", "--set", "forceSync=no", ...options];
    this.child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout!.on("data", (text: Buffer) => (this.out += text.toString()));
    this.child.stderr!.on("data", (text: Buffer) => (this.err += text.toString()));
    this.ended = new Promise((resolve) => this.child.on("close", resolve));
  }
  /** Process ids by server, the last of each. */
  get pids(): Map<number, number> {
    const found = this.out.matchAll(/server (\d) is starting: process (\d+)/g);
    return new Map([...found].map(([, id, pid]) => [Number(id), Number(pid)]));
  }
  get hosts(): string | undefined {
    return /is listening on (.*)$/m.exec(this.out)?.[1];
  }
  /** Those that serve according to what was said last of each. */
  leader(): number | undefined {
    const [, id] = [...this.out.matchAll(/server (\d) leads/g)].at(-1) ?? [];
    return id === undefined ? undefined : Number(id);
  }
  async said(words: string | RegExp): Promise<void> {
    await until(String(words), () => (typeof words === "string" ? this.out.includes(words) : words.test(this.out)));
  }
}

const runs: Run[] = [];
const clients: ZooKeeper[] = [];
function start(...options: readonly string[]): Run {
  const run = new Run(...options);
  runs.push(run);
  return run;
}
async function client(hosts: string): Promise<ZooKeeper> {
  const zk = await connect(hosts, { sessionTimeout: 4000, connectTimeout: 15_000, reconnectDelayMax: 20 });
  clients.push(zk);
  return zk;
}
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A dead child whose parent has not looked yet is none that could do harm.
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

afterEach(async () => {
  for (const zk of clients.splice(0)) await zk.close().catch(() => {});
  for (const run of runs.splice(0)) {
    run.child.kill("SIGKILL");
    await run.ended;
    await until("its servers are gone", () => ![...run.pids.values()].some(isAlive));
  }
  fs.rmSync(root, { recursive: true, force: true });
});

test("three servers elect a leader, another when it is killed, and keep their data for the next time", async () => {
  const dataDir = fresh();
  const run = start("--base-port", "0", "--data-dir", dataDir);
  const hosts = await until("a greeting", () => run.hosts);
  const zk = await client(hosts);
  await zk.create("/kept", new TextEncoder().encode("x"));
  const first = run.leader()!;
  await run.said(new RegExp(`server \\d follows server ${first}`));
  process.kill(run.pids.get(first)!, "SIGKILL");
  await run.said(`server ${first} has ended (SIGKILL); with --restart it would be started again`);
  const second = await until("another leader", () => run.leader() !== first && run.leader());
  expect(second).not.toBe(first);
  await (await client(hosts)).create("/later");
  run.child.kill("SIGINT");
  expect(await run.ended).toBe(0);
  expect(run.out).toMatch(/stopping \(SIGINT\)\n.*every server has stopped\n$/);
  expect([...run.pids.values()].filter(isAlive)).toEqual([]);
  expect(fs.readdirSync(path.join(dataDir, "server-1")).sort((a, b) => (a < b ? -1 : 1))).toEqual([
    "data",
    "server.log",
    "zoo.cfg",
  ]);

  const again = start("--base-port", "0", "--data-dir", dataDir, "--observers", "1");
  const other = await client(await until("a greeting", () => again.hosts));
  expect(await other.getChildren("/")).toEqual(expect.arrayContaining(["kept", "later"]));
  await again.said(/server 4 observes server \d/);
  const clash = start("--base-port", "0", "--data-dir", dataDir);
  expect(await clash.ended).toBe(3);
  expect(clash.err).toMatch(/^vivarium: server \d: zoo\.cfg:5: dataDir: .* is in use by process \d+; stop that server/);
  again.child.kill("SIGTERM");
  expect(await again.ended).toBe(0);
  const five = start("--servers", "5", "--data-dir", dataDir);
  expect(await five.ended).toBe(2);
  expect(five.err).toBe(
    `vivarium: --servers: ${dataDir} holds an ensemble of 3; write --servers 3, choose another --data-dir, or remove it\n`,
  );
});

test("with --restart a server that dies comes back", async () => {
  const run = start("--base-port", "0", "--data-dir", fresh(), "--restart");
  await until("a greeting", () => run.hosts);
  const leader = run.leader()!;
  const before = run.pids.get(leader)!;
  process.kill(before, "SIGKILL");
  await run.said(`server ${leader} has ended (SIGKILL) and is started again`);
  await run.said(new RegExp(`is started again[^]*server ${leader} (follows|leads)`));
  expect(run.pids.get(leader)).not.toBe(before);
  run.child.kill("SIGTERM");
  expect(await run.ended).toBe(0);
});

test("no server outlives the command, however it ends", async () => {
  const run = start("--base-port", "0", "--data-dir", fresh());
  await until("a greeting", () => run.hosts);
  const pids = [...run.pids.values()];
  expect(pids.filter(isAlive).length).toBe(3);
  run.child.kill("SIGKILL");
  await until("its servers are gone", () => !pids.some(isAlive));
});

test("what cannot be is one line, and nothing is left running", async () => {
  const wrong = start("--base-port", "0", "--data-dir", fresh(), "--set", "snapCount=many");
  expect(await wrong.ended).toBe(2);
  expect(wrong.err).toMatch(/^vivarium: server \d: zoo\.cfg:14: snapCount: "many" is not a whole number .*\n$/);
  const nowhere = start("--base-port", "0", "--data-dir", "/dev/null/x");
  expect(await nowhere.ended).toBe(3);
  expect(nowhere.err).toMatch(/^vivarium: --data-dir: \/dev\/null\/x cannot be used: /);
  const few = start("--servers", "0");
  expect(await few.ended).toBe(2);
  expect(few.err).toMatch(/Write a whole number from 1 to 9\./);
});

test("a base port in use is named, with one that is free", async () => {
  const [base] = await freePorts(1);
  const blocker = net.createServer();
  await new Promise<void>((resolve) => blocker.listen(base, "127.0.0.1", resolve));
  const layout = { servers: 3, observers: 0, dataDir: fresh(), lines: [] };
  const refused = layOut({ ...layout, basePort: base });
  await expect(refused).rejects.toThrow(
    new RegExp(`^--base-port: port ${base} is in use; stop what listens there or write e\\.g\\. --base-port \\d+$`),
  );
  await new Promise((resolve) => blocker.close(resolve));
  await expect(layOut({ ...layout, basePort: 64_000 })).rejects.toThrow(
    /leaves no room for further ports; at most 63826$/,
  );
});

test("without a base port ports are found", async () => {
  const servers = await layOut({ servers: 3, observers: 1, basePort: undefined, dataDir: fresh(), lines: ["a=b"] });
  const [first, , , observer] = servers;
  expect([first!.quorumPort - first!.clientPort, first!.electionPort - first!.clientPort]).toEqual([707, 1707]);
  expect(connectString(servers).split(",").length).toBe(4);
  const text = fs.readFileSync(observer!.configFile, "utf8");
  expect(text).toContain(`server.4=127.0.0.1:${observer!.quorumPort}:${observer!.electionPort}:observer\na=b\n`);
  expect(fs.readFileSync(path.join(observer!.directory, "data/myid"), "utf8")).toBe("4\n");
});
