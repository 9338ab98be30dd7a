import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { configFromSettings, parseConfig } from "../../net/config-file.ts";
import type { Settings } from "../../net/config-file.ts";
import { openDirectories } from "../../net/data-directory.ts";
import type { DataDirectories } from "../../net/data-directory.ts";
import { StartError } from "../../net/start-error.ts";
import { until } from "../support/until.ts";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "vivarium-directories-"));
let count = 0;
const opened: DataDirectories[] = [];
afterEach(() => {
  for (const directories of opened.splice(0)) directories.release();
  fs.rmSync(root, { recursive: true, force: true });
});

function fresh(): string {
  return path.join(root, String(count++));
}
function open(settings: Settings): DataDirectories {
  const directories = openDirectories(configFromSettings({ clientPort: 0, ...settings }));
  opened.push(directories);
  return directories;
}
function complaint(settings: Settings): StartError {
  try {
    open(settings);
  } catch (error) {
    expect(error).toBeInstanceOf(StartError);
    return error as StartError;
  }
  throw new Error("accepted");
}

test("missing directories are made, with version-2 in each", () => {
  const [dataDir, dataLogDir] = [path.join(fresh(), "deep"), fresh()];
  open({ dataDir, dataLogDir });
  expect(fs.statSync(path.join(dataDir, "version-2")).isDirectory()).toBe(true);
  expect(fs.statSync(path.join(dataLogDir, "version-2")).isDirectory()).toBe(true);
});

test("datadir.autocreate=false leaves that to others", () => {
  const dataDir = fresh();
  const { message, exitCode } = complaint({ dataDir, "datadir.autocreate": false });
  expect(message).toBe(`dataDir: ${dataDir}/version-2 does not exist; make it or remove datadir.autocreate=false`);
  expect(exitCode).toBe(3);
});

test("a place that cannot be a directory is one line with the file's and key's name", () => {
  const dataDir = fresh();
  fs.mkdirSync(root, { recursive: true });
  fs.writeFileSync(dataDir, "");
  const config = parseConfig(`clientPort=0\ndataDir=${dataDir}`, "zoo.cfg");
  expect(() => openDirectories(config)).toThrow(
    `zoo.cfg:2: dataDir: ${dataDir} cannot be used (part of the path is a file); choose another directory`,
  );
});

test("a directory in use is refused, and free again after release", () => {
  const dataDir = fresh();
  const first = open({ dataDir });
  expect(complaint({ dataDir }).message).toMatch(/is in use by a server in this very process/);
  first.release();
  open({ dataDir });
});

test("another live process is named; a dead one's claim, or a recycled number, does not count", () => {
  const dataDir = fresh();
  fs.mkdirSync(dataDir, { recursive: true });
  const stat = fs.readFileSync(`/proc/${process.ppid}/stat`, "utf8");
  const start = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  const claim = (pid: number, began: number): string => path.join(dataDir, `.vivarium.${pid}.${began}.lock`);
  fs.writeFileSync(claim(process.ppid, start), "");
  const { message, exitCode } = complaint({ dataDir });
  expect(message).toBe(
    `dataDir: ${dataDir} is in use by process ${process.ppid}; stop that server or choose another directory`,
  );
  expect(exitCode).toBe(3);
  fs.renameSync(claim(process.ppid, start), claim(process.ppid, start + 1));
  fs.writeFileSync(claim(0x7fff_fff0, start), "");
  open({ dataDir });
  expect(fs.readdirSync(dataDir).filter((name) => name.endsWith(".lock")).length).toBe(1);
});

test("myid is read when it is there", () => {
  const dataDir = fresh();
  expect(open({ dataDir }).serverId).toBeUndefined();
  opened.pop()!.release();
  fs.writeFileSync(path.join(dataDir, "myid"), "7\n");
  expect(open({ dataDir }).serverId).toBe(7);
  opened.pop()!.release();
  fs.writeFileSync(path.join(dataDir, "myid"), "seven\n");
  expect(complaint({ dataDir }).message).toMatch(/myid:1: "seven" is not a server id/);
});

test("logs among the snapshots, or the other way round, are noticed", () => {
  const [dataDir, dataLogDir] = [fresh(), fresh()];
  open({ dataDir, dataLogDir });
  opened.pop()!.release();
  fs.writeFileSync(path.join(dataDir, "version-2/log.1"), "");
  expect(complaint({ dataDir, dataLogDir }).message).toMatch(/^dataDir: holds log\.1/);
  fs.rmSync(path.join(dataDir, "version-2/log.1"));
  fs.writeFileSync(path.join(dataLogDir, "version-2/snapshot.0"), "");
  expect(complaint({ dataDir, dataLogDir }).message).toMatch(/^dataLogDir: holds snapshot\.0/);
});

test.runIf(process.platform === "linux")(
  "a process that has ended holds nothing, even if nobody asked how",
  async () => {
    const dataDir = fresh();
    fs.mkdirSync(dataDir, { recursive: true });
    // The shell becomes `sleep`, which does not look after the child that the shell began.
    const parent = spawn("sh", ["-c", "true & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      const [line] = (await once(parent.stdout, "data")) as [Buffer];
      const stat = (): string[] => fs.readFileSync(`/proc/${Number(String(line))}/stat`, "utf8").split(" ");
      await until("the child has ended", () => stat()[2] === "Z");
      fs.writeFileSync(path.join(dataDir, `.vivarium.${Number(String(line))}.${stat()[21]}.lock`), "");
      open({ dataDir });
    } finally {
      parent.kill("SIGKILL");
    }
  },
);
