/** Apache's own command-line client, as Debian installs it and its users type into it. */
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { ServerFixture } from "./support/fixture.ts";
import { run } from "./support/processes.ts";

const ZKCLI = "/usr/share/zookeeper/bin/zkCli.sh";

const server = new ServerFixture();

/** Types `lines` into zkCli.sh and gives back what it printed, without its log. */
async function type(...lines: readonly string[]): Promise<string> {
  if (!existsSync(ZKCLI)) throw new Error(`${ZKCLI} is missing: install Debian's zookeeper`);
  const { code, output } = await run("/bin/bash", [ZKCLI, "-server", server.address, "-waitforconnection"], {
    input: `${lines.join("\n")}\nquit\n`,
    env: { CLIENT_JVMFLAGS: "-Xmx128m -XX:TieredStopAtLevel=1" },
    timeout: 60_000,
  });
  expect(code, output).toBe(0);
  return output;
}

/** One command as arguments; zkCli runs it and exits. */
async function once(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  return run("/bin/bash", [ZKCLI, "-server", server.address, ...args], { timeout: 60_000 });
}

test("zkCli.sh makes, reads, changes and deletes nodes", async () => {
  const output = await type(
    "create /cli one",
    "create -s /cli/s two",
    "create -e /cli/e",
    "create -c /cli/c",
    "create -t 60000 /cli/t",
    "get -s /cli",
    "set /cli three -v 0",
    "set /cli four -v 0",
    "get /cli",
    "ls /cli",
    "ls -R /cli",
    "stat /cli/e",
    "getAllChildrenNumber /cli",
    "getEphemerals /",
    "delete /cli",
    "deleteall /cli",
    "get /cli",
    "sync /",
    "whoami",
    "version",
  );
  for (const expected of [
    "Created /cli",
    "Created /cli/s0000000000",
    "Created /cli/e",
    "Created /cli/c",
    "Created /cli/t",
    "dataVersion = 0",
    "numChildren = 4",
    "version No is not valid : /cli",
    "three",
    "[c, e, s0000000000, t]",
    "/cli/s0000000000",
    "ephemeralOwner = 0x1",
    "[/cli/e]",
    "Node not empty: /cli",
    "Node does not exist: /cli",
    "Sync is OK",
    "ip: 127.0.0.1",
  ]) {
    expect(output).toContain(expected);
  }
});

test("zkCli.sh sets access, quotas and watches", async () => {
  const output = await type(
    "addauth digest bob:pw",
    "create /secret x auth::cdrwa",
    "getAcl /secret",
    "setAcl /secret world:anyone:r",
    "getAcl -s /secret",
    "set /secret y",
    "create /limited",
    "setquota -n 2 /limited",
    "listquota /limited",
    "delquota /limited",
    "create /watched",
    "get -w /watched",
    "set /watched changed",
    "addWatch /watched",
    "create /watched/child",
    "removewatches /watched",
  );
  for (const expected of [
    "'digest,'bob:ikIaKsbtGweaHnb/jKn7OHqbunM=",
    ": cdrwa",
    "'world,'anyone",
    "aclVersion = 1",
    "Insufficient permission : /secret",
    "count=2,bytes=-1",
    "count=1,bytes=0",
    "WatchedEvent state:SyncConnected type:NodeDataChanged path:/watched",
    "WatchedEvent state:SyncConnected type:NodeCreated path:/watched/child",
  ]) {
    expect(output).toContain(expected);
  }
});

test("zkCli.sh runs one command and says by its exit code how it went", async () => {
  expect((await once("create", "/once", "x")).code).toBe(0);
  const read = await once("get", "/once");
  expect(read.output).toMatch(/^x$/m);
  expect(read.code).toBe(0);
  expect((await once("get", "/none")).code).toBe(1);
});
