/**
 * Data directories change hands: what Apache ZooKeeper 3.8 wrote opens here with everything equal, what was written
 * here opens there, and Apache's tools print it. "Equal" is every Stat, ACL, child list and data of every node.
 */
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { RawAcl } from "../../core/protocol/data.ts";
import type { CreateOp, Data } from "../differential/ops.ts";
import { runJava } from "./support/java.ts";
import { eventually, temporaryDirectory } from "./support/processes.ts";
import { dumpTree, RawClient, type Session } from "./support/raw-client.ts";
import {
  apacheClassPath,
  type RunningServer,
  type ServerKind,
  serverUnderTest,
  startServer,
} from "./support/servers.ts";

const OURS = serverUnderTest();
const COMPRESSIONS = ["none", "gz", "snappy"] as const;
const WORLD = { scheme: "world", id: "anyone" } as const;
const OPEN = [{ perms: 31, ...WORLD }];
const BOB = "bob:ikIaKsbtGweaHnb/jKn7OHqbunM=";
/** Long enough to outlive a change of servers. */
const SESSION_TIMEOUT = 60_000;

const started: RunningServer[] = [];
afterEach(async () => void (await Promise.all(started.splice(0).map((server) => server.kill()))));

async function start(kind: ServerKind, dataDir: string, compression: string): Promise<RunningServer> {
  const server = await startServer(kind, {
    dataDir,
    config: {
      maxSessionTimeout: SESSION_TIMEOUT,
      extendedTypesEnabled: true,
      // Several snapshots and logs.
      snapCount: 60,
      "snapshot.compression.method": compression,
    },
    properties: { "znode.container.checkIntervalMs": 300 },
  });
  started.push(server);
  return server;
}

function copyOf(dataDir: string): string {
  const copy = temporaryDirectory("data-copy");
  cpSync(dataDir, copy, { recursive: true });
  return copy;
}

async function dump(server: RunningServer): Promise<Map<string, string>> {
  const client = await RawClient.connect(server.port);
  await client.authenticate("digest", "super:adm");
  const nodes = await dumpTree(client);
  await client.closeSession();
  return nodes;
}

function create(path: string, data: Data = "", flags = 0, acl: readonly RawAcl[] = OPEN): CreateOp {
  return { type: 1, path, data, acl, flags };
}

/** Writes one of everything; the sessions that stay are given back. */
async function populate(port: number): Promise<Session[]> {
  const zk = await RawClient.connect(port, SESSION_TIMEOUT);
  const other = await RawClient.connect(port, SESSION_TIMEOUT);
  const leaving = await RawClient.connect(port, SESSION_TIMEOUT);
  await zk.authenticate("digest", "bob:pw");
  await zk.authenticate("digest", "ann:pw");

  for (const path of ["/plain", "/plain/a", "/plain/a/b", "/gone", "/gone/x"]) await zk.ask(create(path, path));
  await zk.ask(create("/null", null));
  await zk.ask(create("/empty", ""));
  await zk.ask(create("/large", { fill: 1_000_000 }));
  await zk.ask(create("/Ж-日本-é \u00a0\u2028", "non-ASCII name"));
  await zk.ask(create(`/${"long".repeat(200)}`, "long name"));
  for (const flags of [2, 2, 3]) await zk.ask(create("/plain/seq-", "s", flags));
  await other.ask(create("/ephemeral", "e", 1));
  await other.ask(create("/plain/ephemeral-", "e", 3));
  await leaving.ask(create("/leaving", "e", 1));
  await zk.ask({ type: 19, path: "/container", data: "c", acl: OPEN, flags: 4 });
  await zk.ask(create("/container/child"));
  await zk.ask({ type: 19, path: "/unused-container", data: null, acl: OPEN, flags: 4 });
  await zk.ask({ type: 21, path: "/ttl", data: "t", acl: OPEN, flags: 5, ttl: 3_600_000 });
  await zk.ask({ type: 21, path: "/ttl-seq-", data: "t", acl: OPEN, flags: 6, ttl: 1_099_511_627_775 });

  const acls: readonly (readonly [string, readonly RawAcl[]])[] = [
    ["/acl-read", [{ perms: 1, ...WORLD }]],
    ["/acl-digest", [{ perms: 31, scheme: "digest", id: BOB }]],
    ["/acl-auth", [{ perms: 31, scheme: "auth", id: "" }]],
    [
      "/acl-ip",
      [
        { perms: 31, scheme: "ip", id: "127.0.0.0/8" },
        { perms: 1, ...WORLD },
      ],
    ],
    ["/acl-odd-perms", [{ perms: 255, ...WORLD }]],
    ["/acl-none", [{ perms: 0, ...WORLD }]],
  ];
  for (const [path, acl] of acls) await zk.ask(create(path, "acl", 0, acl));
  await zk.ask({ type: 7, path: "/plain", acl: [{ perms: 15, ...WORLD }], version: 0 });

  for (const path of ["/zookeeper/quota/plain", "/zookeeper/quota/large"]) {
    await zk.ask(create(path));
    await zk.ask(create(`${path}/zookeeper_limits`, "count=100,bytes=-1=;byteHardLimit=-1;countHardLimit=200"));
    await zk.ask(create(`${path}/zookeeper_stats`, "count=0,bytes=0"));
  }
  await zk.ask(create("/plain/counted", "12345"));

  for (let i = 0; i < 150; i++) await zk.ask({ type: 5, path: "/plain/a", data: `version ${i}`, version: -1 });
  await zk.ask({ type: 5, path: "/", data: "root", version: -1 });
  await zk.ask({ type: 2, path: "/gone/x", version: -1 });
  await zk.ask({ type: 2, path: "/gone", version: -1 });
  await zk.ask({
    type: 14,
    ops: [
      { type: 13, path: "/plain", version: -1 },
      create("/multi", "m"),
      create("/multi/seq-", "m", 2),
      { type: 5, path: "/multi", data: "changed", version: 0 },
      { type: 2, path: "/multi/seq-0000000000", version: -1 },
      { type: 19, path: "/multi/container", data: null, acl: OPEN, flags: 4 },
    ],
  });
  // Failures are logged too: a single request, and a multi that had begun well.
  expect((await zk.send({ type: 2, path: "/plain", version: -1 }))?.err).toBe(-111);
  await zk.ask({
    type: 14,
    ops: [create("/never", "n"), { type: 13, path: "/plain", version: 99 }, create("/never2")],
  });
  await leaving.closeSession();

  // The server removes this one itself.
  await zk.ask({ type: 19, path: "/reaped", data: null, acl: OPEN, flags: 4 });
  await zk.ask(create("/reaped/child"));
  await zk.ask({ type: 2, path: "/reaped/child", version: -1 });
  await eventually("the container is reaped", 20_000, async () => {
    return (await zk.send({ type: 3, path: "/reaped", watch: false }))?.err === -101;
  });
  // Once more, so that the last thing is in the log only.
  await zk.ask(create("/last", "last"));
  zk.drop();
  other.drop();
  return [zk.session, other.session];
}

/** More writes of every kind on a directory that another server began, and the end of one of its sessions. */
async function goOn(port: number, sessions: readonly Session[]): Promise<void> {
  const zk = await RawClient.connect(port, SESSION_TIMEOUT, sessions[0]);
  const other = await RawClient.connect(port, SESSION_TIMEOUT, sessions[1]);
  await zk.ask(create("/plain/seq-", "after", 2));
  await zk.ask({ type: 5, path: "/null", data: "no longer", version: 0 });
  await zk.ask({ type: 7, path: "/empty", acl: [{ perms: 3, ...WORLD }], version: 0 });
  await zk.ask(create("/mine", "e", 1));
  for (let i = 0; i < 100; i++) await zk.ask(create("/plain/a/n", `${i}`, 2));
  await zk.ask({ type: 2, path: "/large", version: -1 });
  await other.closeSession();
  zk.drop();
}

/** Each open must end in the same tree; `by` opens a copy. */
async function expectEqual(
  expected: Map<string, string>,
  by: ServerKind,
  dataDir: string,
  compression: string,
): Promise<void> {
  const server = await start(by, copyOf(dataDir), compression);
  const actual = await dump(server);
  expect(Object.fromEntries(actual)).toEqual(Object.fromEntries(expected));
  await server.kill();
  expect(server.log()).not.toMatch(/digest.*(mismatch|not match)|checksum|corrupt/i);
}

describe.each(COMPRESSIONS)("with snapshot compression %s", (compression) => {
  test.each([
    { writer: "apache", reader: OURS },
    { writer: OURS, reader: "apache" },
  ] as const)(
    "$reader opens what $writer wrote, goes on with it, and $writer opens it again",
    async ({ writer, reader }) => {
      const first = await start(writer, temporaryDirectory("data"), compression);
      const sessions = await populate(first.port);
      const written = await dump(first);
      expect(written.size).toBeGreaterThan(35);
      await first.kill();

      await expectEqual(written, writer, first.dataDir, compression);
      await expectEqual(written, reader, first.dataDir, compression);

      const second = await start(reader, copyOf(first.dataDir), compression);
      await goOn(second.port, sessions);
      const continued = await dump(second);
      expect(continued.has("/ephemeral")).toBe(false);
      expect(continued.has("/mine")).toBe(true);
      await second.kill();
      await expectEqual(continued, reader, second.dataDir, compression);
      await expectEqual(continued, writer, second.dataDir, compression);
      // From the log alone, where the snapshots allow it.
      const logs = copyOf(second.dataDir);
      const snapshots = readdirSync(join(logs, "version-2")).filter((name) => name.startsWith("snapshot."));
      snapshots.sort((a, b) => zxidOf(b) - zxidOf(a));
      for (const newest of snapshots.slice(0, 1)) rmSync(join(logs, "version-2", newest));
      if (snapshots.length > 1) await expectEqual(continued, writer, logs, compression);
    },
  );
});

function zxidOf(name: string): number {
  return Number.parseInt(name.split(".")[1]!, 16);
}

test.each(COMPRESSIONS)("Apache's tools print what we wrote, with snapshot compression %s", async (compression) => {
  const server = await start(OURS, temporaryDirectory("data"), compression);
  await populate(server.port);
  await server.stop();
  const classPath = apacheClassPath();
  const directory = join(server.dataDir, "version-2");
  const files = readdirSync(directory);
  const snapshots = files.filter((name) => name.startsWith("snapshot."));
  const logs = files.filter((name) => name.startsWith("log."));
  expect(snapshots.length).toBeGreaterThan(1);
  expect(logs.length).toBeGreaterThan(1);
  // In small letters, `error` is the name of a failed transaction's type.
  const complaint = /exception|Exception|warn|WARN|CRC|corrupt|fail|Fail|ERROR/;
  for (const name of snapshots) {
    const formatter = "org.apache.zookeeper.server.SnapshotFormatter";
    const { code, output } = await runJava(classPath, formatter, [join(directory, name)]);
    expect(code, output).toBe(0);
    expect(output).toMatch(/^ZNode Details/m);
    expect(withoutLog4j(output)).not.toMatch(complaint);
  }
  let transactions = 0;
  for (const name of logs) {
    const toolkit = "org.apache.zookeeper.server.persistence.TxnLogToolkit";
    const { code, output } = await runJava(classPath, toolkit, ["-d", join(directory, name)]);
    expect(code, output).toBe(0);
    expect(withoutLog4j(output)).not.toMatch(complaint);
    transactions += Number(/EOF reached after (\d+) txns/.exec(output)?.[1]);
  }
  expect(transactions).toBeGreaterThan(150);
});

/** The tools run without a logging configuration. */
function withoutLog4j(output: string): string {
  return output.replaceAll(/^log4j:WARN.*$/gm, "");
}
