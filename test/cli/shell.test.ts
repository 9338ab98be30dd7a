/** The shell's commands against our own server in this process: what is printed, and with which exit code. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { complete } from "../../cli/shell-complete.ts";
import { Shell } from "../../cli/shell-session.ts";
import { open } from "../../net/client.ts";
import { startServer } from "../../net/server.ts";
import type { RunningServer } from "../../net/server.ts";

const directory = mkdtempSync(path.join(tmpdir(), "vivarium-shell-"));
let server: RunningServer;
let shell: Shell;
let out: string[];
let err: string[];
let events: string[];

function newShell(json = false, hosts = `127.0.0.1:${server.clientPort!}`): Shell {
  return new Shell({
    server: hosts,
    client: { sessionTimeout: 4000 },
    json,
    version: "test",
    open,
    print: (text) => out.push(text),
    printError: (text) => err.push(text),
    printEvent: (text) =>
      events.push(
        text
          .trim()
          .replace(/^WATCHER::\s+WatchedEvent /, "")
          .replace(/ zxid: .*/, ""),
      ),
  });
}

/** What each line printed, errors marked with `!`, and its exit code where it is not 0. */
async function told(...lines: readonly string[]): Promise<string[]> {
  const all: string[] = [];
  for (const line of lines) {
    [out.length, err.length] = [0, 0];
    await shell.runLine(line);
    all.push(...out, ...err.map((text) => `! ${text}`));
    if (shell.exitCode !== 0) all.push(`exit ${shell.exitCode}`);
  }
  return all;
}

beforeAll(async () => {
  server = await startServer({ clientPort: 0, dataDir: directory, tickTime: 200, forceSync: "no" });
});
beforeEach(async () => {
  [out, err, events] = [[], [], []];
  shell = newShell();
  await shell.connect().connected();
  for (const name of await shell.zk!.getChildren("/")) {
    if (name !== "zookeeper") await shell.run(["deleteall", `/${name}`]);
  }
  events.length = 0;
});
afterEach(() => shell.close());
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true });
});

test("nodes are created, listed, read, changed and deleted as zkCli does it", async () => {
  expect(
    await told(
      "create /a 'hello world'",
      "create /a",
      "create -s /a/s- x",
      "create -e /a/e",
      "create /none/x",
      "ls /",
      "ls /a",
      "get /a",
      "get /a/e",
      "get -b /a",
      "set /a new",
      "set /a newer -v 7",
      "get /a",
      "set -b /a aGk=",
      "get /a",
      "getEphemerals /a",
      "getAllChildrenNumber /a",
      "delete /a",
      "delete -v 9 /a/e",
      "deleteall /a -b 2",
      "ls /a",
    ),
  ).toEqual([
    "! Created /a",
    "! Node already exists: /a",
    "exit 1",
    "! Created /a/s-0000000000",
    "! Created /a/e",
    "! Node does not exist: /none/x",
    "exit 1",
    "[a, zookeeper]",
    "[e, s-0000000000]",
    "hello world",
    "null",
    "aGVsbG8gd29ybGQ=",
    "! version No is not valid : /a",
    "exit 1",
    "new",
    "hi",
    "[/a/e]",
    "2",
    "! Node not empty: /a",
    "exit 1",
    "! version No is not valid : /a/e",
    "exit 1",
    "! Node does not exist: /a",
    "exit 1",
  ]);
});

test("a Stat is eleven lines, with zxids and owners in hexadecimal", async () => {
  const [created, ...shown] = await told("create /a hello", "get -s /a");
  expect(created).toBe("! Created /a");
  const lines = shown.join("\n").split("\n");
  expect(lines[0]).toBe("hello");
  expect(lines.slice(1).map((line) => line.split(" = ")[0])).toEqual(
    "cZxid ctime mZxid mtime pZxid cversion dataVersion aclVersion ephemeralOwner dataLength numChildren".split(" "),
  );
  expect(lines[1]).toMatch(/^cZxid = 0x[0-9a-f]+$/);
  expect(lines[2]).toMatch(/^ctime = \w{3} \w{3} \d\d \d\d:\d\d:\d\d \S+ \d{4}$/);
  expect(lines[9]).toBe("ephemeralOwner = 0x0");
});

test("ls -R lists the children of a node, then each child's own", async () => {
  await told("create /r", "create /r/b", "create /r/a", "create /r/a/x", "create /r/b/y");
  expect((await told("ls -R /r")).join().split("\n")).toEqual(["/r", "/r/a", "/r/b", "/r/a/x", "/r/b/y"]);
});

test("access lists are shown and set; what is no entry is reported", async () => {
  expect(
    await told(
      "create /a x world:anyone:rwa",
      "getAcl /a",
      "setAcl /a world:anyone:cdrwa,digest:bob:x=:r",
      "getAcl /a",
      "setAcl /a bogus",
      "setAcl -v 9 /a world:anyone:r",
    ),
  ).toEqual([
    "! Created /a",
    "'world,'anyone\n: rwa",
    "'world,'anyone\n: cdrwa\n'digest,'bob:x=\n: r",
    "! bogus does not have the form scheme:id:perm",
    "! Acl is not valid : /a",
    "exit 1",
    "! version No is not valid : /a",
    "exit 1",
  ]);
});

test("watches tell what they see, once for all commands that set them, and can be switched off", async () => {
  await told("create /w", "get -w /w", "stat -w /w", "ls -w /w", "set /w 1", "create /w/c", "addWatch /p", "create /p");
  await told("removewatches /p", "printwatches off", "get -w /w", "set /w 2");
  expect(events).toEqual([
    "state:SyncConnected type:NodeDataChanged path:/w",
    "state:SyncConnected type:NodeChildrenChanged path:/w",
    "state:SyncConnected type:NodeCreated path:/p",
    "state:SyncConnected type:PersistentWatchRemoved path:/p",
  ]);
  expect(await told("printwatches", "removewatches /nowhere")).toEqual([
    "printwatches is off",
    "! KeeperErrorCode = No such watcher for /nowhere",
    "exit 1",
  ]);
});

test("a quota is set, listed and taken away, one per branch", async () => {
  await told("create /q", "create /q/a abc");
  expect(
    await told(
      "listquota /q",
      "setquota -n 5 /q",
      "setquota -B 100 /q",
      "listquota /q",
      "setquota -n 1 /q/a",
      "setquota -n 1 /zookeeper/quota/q",
      "setquota -n 1 /none",
      "setquota -n x /q",
      "delquota -n /q",
      "delquota /q",
      "delquota /q",
      "ls /zookeeper/quota",
    ),
  ).toEqual([
    "! absolute path is /zookeeper/quota/q/zookeeper_limits\nquota for /q does not exist.",
    "exit 1",
    "Output quota for /q count=5,bytes=-1=;byteHardLimit=100;countHardLimit=-1\nOutput stat for /q count=2,bytes=3",
    "! absolute path is /zookeeper/quota/q/zookeeper_limits",
    "! /q/a has a parent /q which has a quota",
    "exit 1",
    "! cannot set a quota under the path: /zookeeper/quota",
    "exit 1",
    "! /none does not exist.",
    "exit 1",
    "! NumberFormatException happens when parsing the option value",
    "exit 1",
    "! quota for /q does not exist.",
    "exit 1",
    "[]",
  ]);
});

test("what is wrong with a command line is said, with the usage; an unknown command is 127", async () => {
  expect(await told("get", "get -z /", "get / /", "create -c -e /x", "delete -v x /a", "addWatch -m SOME /a")).toEqual([
    "! too few arguments\nget [-s] [-w] [-b] [-x] path",
    "exit 1",
    "! Unrecognized option: -z\nget [-s] [-w] [-b] [-x] path",
    "exit 1",
    "! too many arguments\nget [-s] [-w] [-b] [-x] path",
    "exit 1",
    "! -c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.\n" +
      "create [-s] [-e] [-c] [-t ttl] path [data] [acl]",
    "exit 1",
    "! version is not a number: x\ndelete [-v version] path",
    "exit 1",
    expect.stringMatching(/^! no such mode: SOME\naddWatch /),
    "exit 1",
  ]);
  const [unknown, code] = await told("frobnicate");
  expect(unknown).toMatch(/Command not found: Command not found frobnicate$/);
  expect(code).toBe("exit 127");
  expect(await told("get nowhere")).toEqual(["! a path begins with /: nowhere", "exit 1"]);
});

test("the history is numbered and can be done again", async () => {
  expect(await told("create /h", "ls /", "", "# a comment", "history", "redo 1", "redo 99", "redo 4")).toEqual([
    "! Created /h",
    "[h, zookeeper]",
    "0 - create /h\n1 - ls /\n2 - history",
    "[h, zookeeper]",
    "! Command index out of range",
    "exit 1",
    "! Command index out of range",
    "exit 1",
  ]);
});

test("a closed shell says so, can connect again, and shows its state in the prompt", async () => {
  expect(shell.prompt).toBe(`[zk: 127.0.0.1:${server.clientPort!}(CONNECTED) 0] `);
  expect(await told("close", "ls /")).toEqual(["! Not connected", "exit 1"]);
  expect(shell.prompt).toMatch(/\(CLOSED\) 2\] $/);
  expect(await told(`connect 127.0.0.1:${server.clientPort!}`, "ls /", "quit")).toEqual(["[zookeeper]"]);
  expect(shell.finished).toBe(true);
  expect(events).toEqual([
    "state:Closed type:None path:null",
    "state:SyncConnected type:None path:null",
    "state:Closed type:None path:null",
  ]);
});

test("identities, configuration and versions are told", async () => {
  expect(await told("whoami", "addauth digest bob:pw", "whoami", "config", "config -c", "sync /", "version")).toEqual([
    "Auth scheme: User\nip: 127.0.0.1",
    expect.stringContaining("digest: bob"),
    "",
    " ",
    "Sync is OK",
    "ZooKeeper CLI version: test",
  ]);
  expect(await told("reconfig -remove 2", "reconfig")).toEqual([
    "! KeeperErrorCode = Reconfig is disabled",
    "exit 1",
    expect.stringMatching(/^! either new members/),
    "exit 1",
  ]);
});

test("--json gives one value per result and error, and loses no bits and no bytes", async () => {
  await shell.close();
  shell = newShell(true);
  await shell.connect().connected();
  const lines = await told(
    "create /j é",
    "get -s /j",
    "set -b /j /w==",
    "get /j",
    "ls /",
    "get /none",
    "nonsense",
    "get",
  );
  const values = lines
    .filter((line) => !line.startsWith("exit"))
    .map((line): unknown => JSON.parse(line.replace(/^! /, "")));
  expect(values).toEqual([
    { path: "/j" },
    { data: "é", stat: expect.objectContaining({ ephemeralOwner: "0x0", czxid: expect.stringMatching(/^0x/) }) },
    { stat: expect.objectContaining({ version: 1 }) },
    { data: "/w==", encoding: "base64" },
    { children: ["j", "zookeeper"] },
    expect.objectContaining({ error: "NONODE", errno: -101, path: "/none", outcomeUnknown: false }),
    { error: "COMMANDNOTFOUND", command: "nonsense" },
    { error: "USAGE", message: "too few arguments", usage: "get [-s] [-w] [-b] [-x] path" },
  ]);
});

test("Tab offers commands, options and paths", async () => {
  await told("create /tab", "create /tab/one", "create /tab/other", "create /tab/two");
  const { zk } = shell;
  expect(await complete(zk, "getA")).toEqual([["getAcl ", "getAllChildrenNumber "], "getA"]);
  expect(await complete(zk, "ls -")).toEqual([["-s ", "-w ", "-R "], "-"]);
  expect(await complete(zk, "ls /ta")).toEqual([["/tab"], "/ta"]);
  expect(await complete(zk, "ls -s /tab/o")).toEqual([["/tab/one", "/tab/other"], "/tab/o"]);
  expect(await complete(zk, "ls /none/x")).toEqual([[], "/none/x"]);
  expect(await complete(undefined, "ls /")).toEqual([[], "/"]);
});

test("a command without a server fails, and says why", async () => {
  await shell.close();
  shell = newShell(false, "127.0.0.1:1");
  shell.connect();
  expect(await told("ls /")).toEqual([
    "! KeeperErrorCode = ConnectionLoss for / (the server refused the connection)",
    "exit 1",
  ]);
});
