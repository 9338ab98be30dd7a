import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { readConfigFile } from "../../net/config-file.ts";
import type { ServeConfig } from "../../net/config-file.ts";
import { StartError } from "../../net/start-error.ts";

const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "vivarium-ensemble-config-")));
let count = 0;
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

const LIMITS = ["initLimit=10", "syncLimit=5"];
const THREE = ["server.1=a:2888:3888", "server.2=b:2888:3888", "server.3=c:2888:3888"];

interface Place {
  readonly myid?: string;
  readonly files?: Readonly<Record<string, string>>;
}

/** A directory with zoo.cfg, its data directory and myid. */
function write(lines: readonly string[], { myid = "2", files = {} }: Place = {}): string {
  const place = path.join(root, String(count++));
  fs.mkdirSync(path.join(place, "data"), { recursive: true });
  if (myid !== "") fs.writeFileSync(path.join(place, "data/myid"), myid);
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(place, name), text);
  fs.writeFileSync(path.join(place, "zoo.cfg"), [`dataDir=${place}/data`, ...lines].join("\n"));
  return path.join(place, "zoo.cfg");
}
function read(lines: readonly string[], place?: Place): ServeConfig {
  return readConfigFile(write(lines, place));
}
function complaint(lines: readonly string[], place?: Place): string {
  const file = write(lines, place);
  try {
    readConfigFile(file);
  } catch (error) {
    expect(error).toBeInstanceOf(StartError);
    expect(error).toMatchObject({ exitCode: 2 });
    expect((error as StartError).message).not.toContain("\n");
    return (error as StartError).message.replaceAll(path.dirname(file), "PLACE");
  }
  return "accepted";
}

test("server lines, a file myid and the two limits make a member of an ensemble", () => {
  const { server, ensemble, clientPort, warnings, notes } = read(["clientPort=2181", ...LIMITS, ...THREE]);
  expect(server.serverId).toBe(2);
  expect(server.ensemble).toMatchObject({
    members: [...THREE.map((line) => `${line}:participant`), "version=0"].join("\n"),
    proposedMembers: undefined,
    configFile: undefined,
    peerType: "participant",
    initLimit: 10,
    syncLimit: 5,
    localSessionsUpgradingEnabled: false,
  });
  expect(ensemble).toMatchObject({
    quorumAddress: "b:2888",
    electionAddress: "b:3888",
    bindTries: 3,
    listenOnAllIPs: false,
    hosts: ["a", "b", "c"],
    tls: undefined,
  });
  expect([clientPort, warnings, notes]).toEqual([2181, [], []]);
});

test("keys about ensembles go where they belong", () => {
  const { server, ensemble } = read([
    ...LIMITS,
    ...THREE,
    "connectToLearnerMasterLimit=4",
    "cnxTimeout=700",
    "zookeeper.electionPortBindRetry=0",
    "quorumListenOnAllIPs=true",
    "tcpKeepAlive=true",
    "localSessionsEnabled=true",
    "localSessionsUpgradingEnabled=true",
    "forceSnapshotSync=true",
    "snapshotSizeFactor=-1",
    "fastleader.maxNotificationInterval=800",
    "observer.reconnectDelayMs=50",
    "leader.maxTimeToWaitForEpoch=900",
    "syncEnabled=false",
  ]);
  expect(server.ensemble).toMatchObject({
    connectToLearnerMasterLimit: 4,
    electionConnectTimeout: 700,
    localSessionsEnabled: true,
    localSessionsUpgradingEnabled: true,
    forceSnapshotSync: true,
    snapshotSizeFactor: -1,
    maxNotificationInterval: 800,
    observerReconnectDelay: 50,
    maxTimeToWaitForEpoch: 900,
    observerLogs: false,
  });
  expect(ensemble).toMatchObject({ bindTries: 0, listenOnAllIPs: true, keepAlive: true });
});

test("groups and weights are told to the ensemble", () => {
  const { server } = read([...LIMITS, ...THREE, "group.1=1:2", "group.2=3", "weight.3=2"]);
  expect(server.ensemble!.members).toContain("group.1=1:2\n");
  expect(server.ensemble!.members).toMatch(/weight\.3=2/);
});

test("the list of members says where clients connect, and zoo.cfg may only repeat it", () => {
  const members = ["server.2=b:2888:3888;127.0.0.1:2182", "server.3=c:2888:3888;2183"];
  expect(read([...LIMITS, ...members])).toMatchObject({ clientPort: 2182, clientPortAddress: "127.0.0.1" });
  const third = read([...LIMITS, ...members], { myid: "3" });
  expect([third.clientPort, third.clientPortAddress]).toEqual([2183, undefined]);
  const repeated = ["clientPort=2182", "clientPortAddress=localhost", ...LIMITS, ...members];
  expect(read(repeated).clientPort).toBe(2182);
  expect(complaint(["clientPort=2181", ...LIMITS, ...members])).toBe(
    "zoo.cfg:2: clientPort: every interface, port 2181 differs from server.2, which says 127.0.0.1:2182; remove the line",
  );
});

test("what is missing is asked for", () => {
  expect(complaint(["syncLimit=5", ...THREE])).toBe("zoo.cfg: initLimit: is missing; write e.g. initLimit=10");
  expect(complaint(["initLimit=10", ...THREE])).toBe("zoo.cfg: syncLimit: is missing; write e.g. syncLimit=5");
  expect(complaint([...LIMITS, ...THREE], { myid: "" })).toBe(
    "zoo.cfg:4: server.1: which of the servers 1, 2, 3 this is must be in PLACE/data/myid; write e.g. echo 1 > PLACE/data/myid",
  );
  expect(complaint([...LIMITS, ...THREE], { myid: "two" })).toBe(
    'PLACE/data/myid:1: "two" is not a server id from 0 to 255; write e.g. 1',
  );
  expect(complaint([...LIMITS, ...THREE], { myid: "4\n" })).toBe(
    "PLACE/data/myid:1: 4 is none of the servers 1, 2, 3 of zoo.cfg:4: server.1; correct it or add server.4",
  );
  expect(complaint(["standaloneEnabled=false"])).toMatch(/^zoo\.cfg:2: standaloneEnabled: false needs members; add/);
});

test("a wrong line is named", () => {
  expect(complaint([...LIMITS, ...THREE, "server.4=d:2888"])).toMatch(/^zoo\.cfg:7: server\.4: .*election port/);
  expect(complaint([...LIMITS, ...THREE, "weight.1=heavy"])).toMatch(/^zoo\.cfg:7: weight\.1: "heavy" is not a weight/);
  expect(complaint([...LIMITS, "server.1=a:1:2:observer"])).toMatch(/^zoo\.cfg:4: server\.1: no server votes/);
  expect(complaint([...LIMITS, ...THREE.slice(1), "server.1=a:1:2|b:3:4"])).toBe(
    "zoo.cfg:6: server.1: a member has one address here; keep the first and remove the rest",
  );
});

test("one participant is a single server, unless that is not wanted", () => {
  const one = ["clientPort=2181", "server.2=b:2888:3888"];
  const single = read(one);
  expect([single.server.ensemble, single.ensemble, single.server.serverId]).toEqual([undefined, undefined, 2]);
  expect(single.notes[0]).toMatch(/one member is a single server/);
  expect(read(one, { myid: "" }).server.serverId).toBe(1);
  expect(read(["server.2=b:2888:3888;2190"]).clientPort).toBe(2190);
  expect(complaint([...one, "server.3=c:2888:3888:observer"])).toBe(
    "zoo.cfg:3: server.2: one participant alone has no observers; add participants or write standaloneEnabled=false",
  );
  expect(read([...one, ...LIMITS, "standaloneEnabled=false"]).server.ensemble!.standaloneEnabled).toBe(false);
});

test("numbers of servers that gain nothing are warned of", () => {
  expect(read([...LIMITS, ...THREE.slice(1)]).warnings).toEqual([
    "zoo.cfg:4: server.2: no server may fail among 2; three are needed for that",
  ]);
  expect(read([...LIMITS, ...THREE, "server.4=d:2888:3888"]).warnings).toEqual([
    "zoo.cfg:4: server.1: 4 participants tolerate no more failures than 3",
  ]);
});

test("the list decides who observes; a peerType that differs is warned of", () => {
  const members = [...THREE, "server.4=d:2888:3888:observer"];
  const observer = read([...LIMITS, ...members], { myid: "4" });
  expect([observer.server.ensemble!.peerType, observer.warnings]).toEqual(["observer", []]);
  const other = read([...LIMITS, ...members, "peerType=observer"]);
  expect(other.server.ensemble!.peerType).toBe("participant");
  expect(other.warnings).toEqual(["zoo.cfg:8: peerType: server.2 is in the list as participant, which is what counts"]);
});

test("members may be in a file of their own, whose name ends in its version", () => {
  const files = { "zoo.cfg.dynamic.100000000": `${THREE.join("\n")}\n` };
  const lines = [...LIMITS, "reconfigEnabled=true"];
  const beside = read([...lines, "dynamicConfigFile=zoo.cfg.dynamic.100000000"], { files });
  expect(beside.server.ensemble).toMatchObject({ configFile: "zoo.cfg" });
  expect(beside.server.ensemble!.members).toMatch(/\nversion=100000000$/);
  expect(beside.ensemble!.configDirectory).toBe(path.join(root, String(count - 1)));
  const elsewhere = path.join(root, "members");
  fs.writeFileSync(elsewhere, THREE.join("\n"));
  expect(read([...lines, `dynamicConfigFile=${elsewhere}`]).server.ensemble!.members).toMatch(/\nversion=0$/);
  fs.rmSync(elsewhere);
  expect(complaint([...lines, `dynamicConfigFile=${elsewhere}`])).toBe(
    `zoo.cfg:5: dynamicConfigFile: ${elsewhere} cannot be read; correct the name`,
  );
});

test("such a file holds members and nothing else, and zoo.cfg then holds none", () => {
  const dynamic = "dynamicConfigFile=zoo.cfg.dynamic";
  const refused = (text: string, ...more: string[]): string =>
    complaint([...LIMITS, dynamic, ...more], { files: { "zoo.cfg.dynamic": text } });
  expect(refused(THREE.join("\n"), "server.4=d:1:2")).toBe(
    "zoo.cfg:5: server.4: belongs into zoo.cfg.dynamic; move the line there",
  );
  expect(refused(`${THREE[0]}\nversion=5`)).toBe(
    "zoo.cfg:4: dynamicConfigFile: PLACE/zoo.cfg.dynamic:2: version: the version is the ending of the file's name; remove the line",
  );
  expect(refused("tickTime=1")).toMatch(/:1: tickTime: only members belong into this file; remove the line$/);
  expect(refused("server.1=x")).toMatch(/^zoo\.cfg:4: dynamicConfigFile: PLACE\/zoo\.cfg\.dynamic: server\.1: /);
});

test("a newer configuration that was proposed before counts, an older or torn one does not", () => {
  const proposed = (next: string): string | undefined => {
    const files = { "zoo.cfg.dynamic.200000000": THREE.join("\n"), "zoo.cfg.dynamic.next": next };
    const lines = [...LIMITS, "reconfigEnabled=true", "dynamicConfigFile=zoo.cfg.dynamic.200000000"];
    return read(lines, { files }).server.ensemble!.proposedMembers;
  };
  const four = [...THREE, "server.4=d:2888:3888"].join("\n");
  expect(proposed(`${four}\nversion=200000007`)).toMatch(/server\.4=d:2888:3888:participant\nversion=200000007$/);
  expect(proposed(`${four}\nversion=100000007`)).toBeUndefined();
  expect(proposed("server.1=a:2888:38")).toBeUndefined();
  expect(proposed("")).toBeUndefined();
});

test("TLS between servers needs a key store", () => {
  const lines = [...LIMITS, ...THREE];
  const keyStore = "ssl.quorum.keyStore.location=/etc/zookeeper/server.pem";
  expect(complaint([...lines, "sslQuorum=true"])).toMatch(/^zoo\.cfg: ssl\.quorum\.keyStore\.location: is missing/);
  expect(complaint([...lines, "portUnification=true"])).toMatch(/^zoo\.cfg: ssl\.quorum\.keyStore\.location/);
  const { ensemble } = read([...lines, "portUnification=true", keyStore, "ssl.quorum.hostnameVerification=false"]);
  expect(ensemble).toMatchObject({ tlsOut: false, plainToo: true });
  expect(ensemble!.tls).toMatchObject({ keyStore: "/etc/zookeeper/server.pem", hostnameVerification: false });
  expect(read([...lines, "sslQuorum=true", keyStore]).ensemble).toMatchObject({ tlsOut: true, plainToo: false });
});
