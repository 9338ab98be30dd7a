import { expect, test } from "vitest";
import { CONFIG_KEYS } from "../../net/config-keys.ts";
import { configFromSettings, parseConfig, readConfigFile } from "../../net/config-file.ts";
import { StartError } from "../../net/start-error.ts";

const MINIMAL = "dataDir=/d\nclientPort=2181\n";

/** What a configuration is refused with. */
function complaint(text: string): string {
  try {
    parseConfig(text, "zoo.cfg");
  } catch (error) {
    expect(error).toBeInstanceOf(StartError);
    expect((error as StartError).exitCode).toBe(2);
    expect((error as StartError).message).not.toContain("\n");
    return (error as StartError).message;
  }
  return "accepted";
}

test("ZooKeeper's sample file is accepted", () => {
  const sample = [
    "# The number of milliseconds of each tick",
    "tickTime=2000",
    "initLimit=10",
    "syncLimit=5",
    "dataDir=/var/lib/zookeeper",
    "clientPort=2181",
    "#maxClientCnxns=60",
  ].join("\n");
  const config = parseConfig(sample, "zoo.cfg");
  expect(config).toMatchObject({ clientPort: 2181, dataDir: "/var/lib/zookeeper", dataLogDir: "/var/lib/zookeeper" });
  expect(config.server).toMatchObject({ tickTime: 2000, minSessionTimeout: 4000, maxSessionTimeout: 40_000 });
  expect(config.notes.length).toBe(2);
});

test("defaults are ZooKeeper's", () => {
  const { server, portUnification, tls } = parseConfig(MINIMAL, "zoo.cfg");
  expect(server).toMatchObject({
    tickTime: 3000,
    minSessionTimeout: 6000,
    maxSessionTimeout: 60_000,
    maxClientCnxns: 60,
  });
  expect(server).toMatchObject({ preAllocSize: 64 * 1024 * 1024, snapCount: 100_000, forceSync: true });
  expect(server.fourLetterWords).toEqual(["srvr"]);
  expect(portUnification).toBe(false);
  expect(tls).toBeUndefined();
});

test("property syntax: comments, separators, escapes, continuations, the last of several", () => {
  const text = [
    "! a comment",
    "  # another",
    "",
    "dataDir : /a\\u0062c\\ d",
    "clientPort 2181",
    "tickTime=1",
    "4lw.commands.whitelist = stat, \\",
    "     ruok,\\",
    "     mntr   ",
    "tickTime=4000",
    "dataLogDir=/x\\\\y",
  ].join("\r\n");
  const { server, dataDir, dataLogDir } = parseConfig(text, "zoo.cfg");
  expect(dataDir).toBe("/abc d");
  expect(dataLogDir).toBe("/x\\y");
  expect(server.tickTime).toBe(4000);
  expect(server.fourLetterWords).toEqual(["stat", "ruok", "mntr", "srvr"]);
});

test("keys may have the prefix that makes them system properties", () => {
  const { server } = parseConfig(
    `${MINIMAL}zookeeper.snapCount=500\nzookeeper.DigestAuthenticationProvider.superDigest=super:x=\njute.maxbuffer=4096`,
    "zoo.cfg",
  );
  expect(server.snapCount).toBe(500);
  expect(server.auth.superDigest).toBe("super:x=");
  expect(server.juteMaxBuffer).toBe(4096);
});

test("units become milliseconds and bytes", () => {
  const { server } = parseConfig(
    `${MINIMAL}preAllocSize=100\nsnapSizeLimitInKb=-1\ntxnLogSizeLimitInKb=8\nautopurge.purgeInterval=2\nautopurge.snapRetainCount=1`,
    "zoo.cfg",
  );
  expect(server).toMatchObject({ preAllocSize: 102_400, snapSizeLimit: 0, txnLogSizeLimit: 8192 });
  expect(server).toMatchObject({ purgeInterval: 7_200_000, snapRetainCount: 3 });
});

test("readonlymode.enabled puts isro on the default list of words only", () => {
  const words = (text: string): readonly string[] => parseConfig(MINIMAL + text, "zoo.cfg").server.fourLetterWords;
  expect(words("readonlymode.enabled=true")).toEqual(["isro", "srvr"]);
  expect(words("readonlymode.enabled=true\n4lw.commands.whitelist=*")).toEqual(["*", "srvr"]);
});

test("authentication keys gather", () => {
  const text = `${MINIMAL}superUser=a\nsuperUser.1=b\nenforce.auth.enabled=true\nenforce.auth.schemes=digest, ip\nensembleAuthName=x,y`;
  const { auth } = parseConfig(text, "zoo.cfg").server;
  expect(auth.saslSuperUsers).toEqual(["a", "b"]);
  expect(auth.enforcedSchemes).toEqual(["digest", "ip"]);
  expect(auth.ensembleNames).toEqual(["x", "y"]);
  expect(parseConfig(`${MINIMAL}enforce.auth.schemes=nonsense`, "zoo.cfg").server.auth.enforcedSchemes).toEqual([]);
});

test("a wrong value names file, line, key, and what to write", () => {
  expect(complaint("dataDir=/d\nclientPort=2181\n\ntickTime=abc")).toBe(
    'zoo.cfg:4: tickTime: "abc" is not a whole number of milliseconds of at least 1; write e.g. tickTime=2000',
  );
  expect(complaint("tickTime=0")).toMatch(/^zoo\.cfg:1: tickTime: "0" is not/);
  expect(complaint("clientPort=70000")).toMatch(/^zoo\.cfg:1: clientPort: "70000" is not a port from 0 to 65535/);
  expect(complaint("digest.enabled=yes")).toMatch(/is not true or false; write e\.g\. digest\.enabled=true$/);
  expect(complaint("dataDir=\\u12")).toMatch(/^zoo\.cfg:1: \\u is not followed by four hexadecimal digits$/);
});

test("an unknown key is refused with the nearest known one", () => {
  expect(complaint("tickTme=2000")).toBe("zoo.cfg:1: tickTme: no such key; did you mean tickTime?");
  expect(complaint("zookeeper.snapcount=2000")).toMatch(/did you mean snapCount\?$/);
  expect(complaint("somethingElseAltogether=1")).toMatch(/no such key; remove the line$/);
});

test("keys of things that are not here are accepted when they ask for what is", () => {
  const text = [
    "admin.enableServer=false",
    "electionAlg=3",
    "standaloneEnabled=TRUE",
    "audit.enable=false",
    "server.1=localhost:2888:3888",
    "metricsProvider.className=org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
    "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
    "authProvider.1=org.apache.zookeeper.server.auth.X509AuthenticationProvider",
    "nio.numSelectorThreads=4",
  ].join("\n");
  expect(parseConfig(MINIMAL + text, "zoo.cfg").notes).toEqual([
    "zoo.cfg:7: server.1: one member is a single server; standaloneEnabled=false makes an ensemble of it",
    "zoo.cfg:11: nio.numSelectorThreads has no effect: everything runs on one thread here",
  ]);
});

test("and refused with a remedy when they do not", () => {
  expect(complaint(`${MINIMAL}admin.enableServer=true`)).toBe(
    'zoo.cfg:3: admin.enableServer: "true" is not possible here: there is no admin server (HTTP) here; four-letter words tell the same; write admin.enableServer=false or remove the line',
  );
  expect(complaint(`${MINIMAL}electionAlg=1`)).toMatch(/^zoo\.cfg:3: electionAlg: "1" is not possible here/);
  expect(complaint(`${MINIMAL}quorum.auth.enableSasl=true`)).toMatch(/use sslQuorum=true; write .*=false or remove/);
  expect(complaint(`${MINIMAL}multiAddress.enabled=true`)).toMatch(/a member has one address here/);
  expect(complaint(`${MINIMAL}observerMasterPort=2191`)).toMatch(/observers connect to the leader/);
  expect(complaint(`${MINIMAL}oraclePath=/oracle`)).toMatch(/a third server can decide between two; add one/);
  expect(complaint(`${MINIMAL}authProvider.1=com.example.Mine`)).toMatch(/is Java code/);
  expect(complaint(`${MINIMAL}authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider`)).toMatch(
    /SASL/,
  );
});

test("keys that need one another", () => {
  expect(complaint("clientPort=2181")).toBe("zoo.cfg: dataDir: is missing; write e.g. dataDir=/var/lib/zookeeper");
  expect(complaint("dataDir=/d")).toBe("zoo.cfg: clientPort: is missing; write e.g. clientPort=2181");
  expect(complaint("dataDir=/d\nsecureClientPort=2281")).toMatch(/^zoo\.cfg: ssl\.keyStore\.location: is missing/);
  expect(complaint(`${MINIMAL}minSessionTimeout=9000\nmaxSessionTimeout=8000`)).toMatch(
    /^zoo\.cfg:3: minSessionTimeout: 9000 is more than maxSessionTimeout, 8000$/,
  );
  expect(complaint(`${MINIMAL}enforce.auth.enabled=true`)).toMatch(/^zoo\.cfg: enforce\.auth\.schemes: is missing/);
  expect(complaint(`${MINIMAL}enforce.auth.enabled=true\nenforce.auth.schemes=sasl`)).toMatch(/choose of ip, digest$/);
  expect(complaint(`${MINIMAL}secureClientPort=2181\nssl.keyStore.location=/k.pem`)).toMatch(/the same as clientPort/);
});

test("a program gives the same keys", () => {
  const { server, clientPort } = configFromSettings({ clientPort: 0, dataDir: "/d", tickTime: 100, forceSync: "no" });
  expect(clientPort).toBe(0);
  expect(server).toMatchObject({ tickTime: 100, forceSync: false });
  expect(() => configFromSettings({ clientPort: 0, dataDir: "/d", tickTime: 1.5 })).toThrow(/^tickTime: "1\.5" is not/);
});

test("a file that is not there is one line", () => {
  expect(() => readConfigFile("/nowhere/zoo.cfg")).toThrow(
    /^\/nowhere\/zoo\.cfg: cannot be read: there is no such file$/,
  );
});

test("every row accepts its own example, and no key has two rows", () => {
  const keys = CONFIG_KEYS.map((row) => row.key);
  expect(new Set(keys).size).toBe(keys.length);
  for (const { key, example } of CONFIG_KEYS) {
    // Names a file, and test/net/ensemble-config.test.ts has some.
    if (key === "dynamicConfigFile") continue;
    const written = key.replace("*", "1");
    const text = `dataDir=/d\nclientPort=1\nsecureClientPort=2\nssl.keyStore.location=/k.pem\nenforce.auth.schemes=ip\n${written}=${example}`;
    expect([key, complaint(text)]).toEqual([key, "accepted"]);
  }
});
