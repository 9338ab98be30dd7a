import { expect, test } from "vitest";
import { NO_FACTS } from "../../../core/actor.ts";
import type { Facts } from "../../../core/actor.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import { DEFAULT_ENSEMBLE_CONFIG, DEFAULT_SERVER_CONFIG } from "../../../core/config.ts";
import type { EnsembleConfig, ServerConfig } from "../../../core/config.ts";
import { decodeUtf8, encodeUtf8 } from "../../../core/jute/utf8.ts";
import { QuorumConfig } from "../../../core/quorum/config.ts";
import { DynamicConfigFiles } from "../../../core/server/dynamic-config.ts";
import { editStaticConfig } from "../../../core/server/static-config.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";
import { parsed, servers } from "../quorum/arbitraries.ts";

const STATIC = `# ours
tickTime=2000
zookeeper.clientPort = 2181
server.1=a:2888:3888
 server.2 = b:2888:3888
# said twice
group.1=1:\\
  2
peerType=participant
clientPortListenBacklog=50`;

const V1 = packZxid(1, 0);
const V2 = packZxid(1, 9);

function configured(ensemble: Partial<EnsembleConfig> = {}): ServerConfig {
  const rest = { configFile: "zoo.cfg", configDirectory: "/etc/zk", ...ensemble };
  return { ...DEFAULT_SERVER_CONFIG, serverId: 1, ensemble: { ...DEFAULT_ENSEMBLE_CONFIG, ...rest } };
}

class ConfigDisk extends MemoryDisk {
  readonly said: unknown[];

  constructor(said: unknown[] = []) {
    const facts: Facts = { ...NO_FACTS, log: (level, message, fields) => said.push([level, message, fields]) };
    super(facts);
    this.said = said;
    this.write("conf/zoo.cfg", encodeUtf8(STATIC));
  }
  text(name: string): string {
    const bytes = this.read(`conf/${name}`);
    return decodeUtf8(bytes, 0, bytes.length);
  }
  shortNames(): string[] {
    return this.names().map((name) => name.slice("conf/".length));
  }
}

function run(disk: ConfigDisk, files: DynamicConfigFiles, ...steps: ((cx: never) => void)[]): void {
  for (const step of steps) disk.event(step as never);
  disk.settle(files);
}

test("a proposed configuration is kept with its version until it is in force", () => {
  const disk = new ConfigDisk();
  const files = new DynamicConfigFiles(configured());
  run(disk, files, (cx) => files.propose(cx, servers(3, V1)));
  expect(disk.text("zoo.cfg.dynamic.next")).toBe(servers(3, V1).text());
  expect(disk.text("zoo.cfg")).toBe(STATIC);
  disk.crash();
  expect(disk.shortNames()).toEqual(["zoo.cfg", "zoo.cfg.dynamic.next"]);
  expect(files.idle).toBe(true);

  const later = new DynamicConfigFiles(configured({ proposedMembers: servers(3, V1).text() }));
  run(disk, later, (cx) => later.activate(cx, servers(3, V1)));
  expect(disk.shortNames()).toEqual(["zoo.cfg", "zoo.cfg.bak", "zoo.cfg.dynamic.100000000"]);
});

test("the configuration in force gets a file of its own, and the static file names it", () => {
  const disk = new ConfigDisk();
  const files = new DynamicConfigFiles(configured());
  run(
    disk,
    files,
    (cx) => files.propose(cx, servers(3, V1)),
    (cx) => files.activate(cx, servers(3, V1)),
  );
  expect(disk.text("zoo.cfg.dynamic.100000000")).toBe(
    "server.1=a:2888:3888:participant;0.0.0.0:2181\nserver.2=b:2888:3888:participant;0.0.0.0:2181\n" +
      "server.3=c:2888:3888:participant;0.0.0.0:2181\n",
  );
  expect(disk.text("zoo.cfg")).toBe(
    "# ours\ntickTime=2000\n# said twice\nclientPortListenBacklog=50\ndynamicConfigFile=/etc/zk/zoo.cfg.dynamic.100000000\n",
  );
  expect(disk.text("zoo.cfg.bak")).toBe(STATIC);
  expect(disk.shortNames()).toEqual(["zoo.cfg", "zoo.cfg.bak", "zoo.cfg.dynamic.100000000"]);

  // The next one takes its place; what the administrator wrote is kept all the same.
  run(disk, files, (cx) => files.activate(cx, servers(4, V2)));
  expect(disk.text("zoo.cfg")).toMatch(/\ndynamicConfigFile=\/etc\/zk\/zoo.cfg.dynamic.100000009\n$/);
  expect(disk.text("zoo.cfg").match(/dynamicConfigFile/g)).toHaveLength(1);
  expect(disk.text("zoo.cfg.bak")).toBe(STATIC);
  expect(disk.said).toEqual([]);
});

test("the client's port stays in the static file while this server's entry has none", () => {
  const disk = new ConfigDisk();
  const files = new DynamicConfigFiles(configured({ configDirectory: undefined }));
  const config = parsed("server.1=a:2888:3888,server.2=b:2888:3888;2182").withVersion(V1);
  run(disk, files, (cx) => files.activate(cx, config));
  expect(disk.text("zoo.cfg")).toBe(
    "# ours\ntickTime=2000\nzookeeper.clientPort = 2181\n# said twice\nclientPortListenBacklog=50\n" +
      "dynamicConfigFile=zoo.cfg.dynamic.100000000\n",
  );
});

test("without the name of a configuration file nothing is written", () => {
  const disk = new ConfigDisk();
  const files = new DynamicConfigFiles(configured({ configFile: undefined }));
  run(
    disk,
    files,
    (cx) => files.propose(cx, servers(3, V1)),
    (cx) => files.activate(cx, servers(3, V1)),
  );
  expect([disk.trace, files.idle]).toEqual([[], true]);
});

test("after a crash at any moment the files on disk are a whole configuration, and the newer one is not lost", () => {
  const old = servers(3, V1);
  const next = servers(4, V2);
  for (let completed = 0; completed < 40; completed++) {
    const disk = new ConfigDisk();
    const before = new DynamicConfigFiles(configured());
    run(disk, before, (cx) => before.activate(cx, old));
    const files = new DynamicConfigFiles(configured());
    run(disk, files, (cx) => files.propose(cx, next));
    disk.event((cx) => files.activate(cx, next));
    for (let i = 0; i < completed && disk.pendingCount > 0; i++) disk.completeOne(files);
    const finished = disk.pendingCount === 0;
    disk.crash(() => completed % 3);

    const named = /^dynamicConfigFile=\/etc\/zk\/(.*)$/m.exec(disk.text("zoo.cfg"))![1]!;
    expect([named, disk.text("zoo.cfg").startsWith("# ours\ntickTime=2000\n")]).toEqual([named, true]);
    const version = named.slice(named.lastIndexOf(".") + 1);
    const inForce = parsed(`${disk.text(named)}version=${version}`);
    expect(inForce.text()).toBe((inForce.version === V1 ? old : next).text());
    if (inForce.version === V1) expect(disk.text("zoo.cfg.dynamic.next")).toBe(next.text());
    if (finished) expect(inForce.version).toBe(V2);
  }
});

test("an older configuration that comes into force leaves the newer proposal alone", () => {
  const disk = new ConfigDisk();
  const files = new DynamicConfigFiles(configured());
  run(
    disk,
    files,
    (cx) => files.propose(cx, servers(4, V2)),
    (cx) => files.activate(cx, servers(3, V1)),
  );
  expect(disk.text("zoo.cfg.dynamic.next")).toBe(servers(4, V2).text());
  expect(disk.shortNames()).toContain("zoo.cfg.dynamic.100000000");
});

test("a disk slower than reconfigurations gets the newest only", () => {
  const disk = new ConfigDisk();
  const files = new DynamicConfigFiles(configured());
  disk.event((cx) => {
    for (let i = 1; i <= 5; i++) {
      const config = servers(2 + i, packZxid(1, i));
      files.propose(cx, config);
      files.activate(cx, config);
    }
  });
  disk.settle(files);
  // The first was under way already.
  expect(disk.shortNames()).toEqual(["zoo.cfg", "zoo.cfg.bak", "zoo.cfg.dynamic.100000005"]);
});

test("a failing disk costs a line in the log, and the next configuration is tried again", () => {
  const disk = new ConfigDisk();
  const files = new DynamicConfigFiles(configured());
  disk.capacity = STATIC.length;
  run(disk, files, (cx) => files.activate(cx, servers(3, V1)));
  expect(disk.said).toMatchObject([
    ["warn", "the configuration of the ensemble could not be written", { what: "in force", version: "100000000" }],
  ]);
  expect(disk.text("zoo.cfg")).toBe(STATIC);
  disk.capacity = Infinity;
  run(disk, files, (cx) => files.activate(cx, servers(3, V2)));
  expect(disk.shortNames()).toContain("zoo.cfg.dynamic.100000009");

  disk.delete("conf/zoo.cfg");
  run(disk, files, (cx) => files.activate(cx, servers(3, (V2 + 1) as Zxid)));
  expect(disk.said).toHaveLength(2);
  expect(disk.event((cx) => files.onDiskDone(cx, 9999 as never, { kind: "synced" }))).toBe(false);
});

test("whatever the static file holds beside members is kept byte by byte", () => {
  const bytes = Uint8Array.of(
    0xef,
    0xbb,
    0xbf,
    ...encodeUtf8("server.1=a:1:2\r\n!x\\\r\nserver.2=b:1:2\r\n# \n"),
    0xe9,
  );
  const path = "C:\\zk\\zoo.cfg.dynamic.1";
  const edited = editStaticConfig(bytes, path, true);
  expect(edited).toEqual(
    Uint8Array.of(
      ...encodeUtf8("!x\\\r\n# \n"),
      0xe9,
      ...encodeUtf8("\ndynamicConfigFile=C:\\\\zk\\\\zoo.cfg.dynamic.1\n"),
    ),
  );
  expect(editStaticConfig(new Uint8Array(0), "d", false)).toEqual(encodeUtf8("dynamicConfigFile=d\n"));
  // A second pass replaces only the name.
  const again = editStaticConfig(edited, "e", true);
  expect(decodeUtf8(again, 0, again.length)).toMatch(/\ndynamicConfigFile=e\n$/);
  expect("error" in QuorumConfig.parse(decodeUtf8(again, 0, again.length))).toBe(true);
});
