/** Members of an ensemble in this process, on real sockets and disks. */
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import type { ZooKeeper } from "../../core/client/zookeeper.ts";
import type { Facts } from "../../core/actor.ts";
import { NO_FACTS } from "../../core/actor.ts";
import { connect } from "../../net/client.ts";
import { startServer } from "../../net/server.ts";
import type { RunningServer } from "../../net/server.ts";
import { freePorts } from "../support/free-ports.ts";
import { until } from "../support/until.ts";

const CERTIFICATES = path.join(import.meta.dirname, "certificates");
const TLS = [
  `ssl.quorum.keyStore.location=${CERTIFICATES}/server.pem`,
  `ssl.quorum.trustStore.location=${CERTIFICATES}/trust.p12`,
  "ssl.quorum.trustStore.password=secret",
];

let root: string | undefined;
const running = new Set<RunningServer>();
const clients: ZooKeeper[] = [];
afterEach(async () => {
  for (const zk of clients.splice(0)) await zk.close().catch(() => {});
  await Promise.all([...running].map((server) => server.kill()));
  running.clear();
  if (root !== undefined) fs.rmSync(root, { recursive: true });
  root = undefined;
});

interface Place {
  readonly id: number;
  readonly file: string;
  readonly clientPort: number;
  readonly quorumPort: number;
}

/** Configuration files of three servers. `more` are further lines of each. */
async function places(more: (id: number) => readonly string[] = () => []): Promise<Place[]> {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "vivarium-members-"));
  const ports = await freePorts(9);
  const ids = [1, 2, 3];
  const members = ids.map(
    (id) => `server.${id}=127.0.0.1:${ports[id + 2]}:${ports[id + 5]};127.0.0.1:${ports[id - 1]}`,
  );
  return ids.map((id) => {
    const directory = path.join(root!, String(id));
    fs.mkdirSync(path.join(directory, "data"), { recursive: true });
    fs.writeFileSync(path.join(directory, "data/myid"), String(id));
    const common = [`dataDir=${directory}/data`, "tickTime=200", "initLimit=20", "syncLimit=10", "forceSync=no"];
    const file = path.join(directory, "zoo.cfg");
    fs.writeFileSync(file, [...common, ...members, "electionPortBindRetry=2", ...more(id)].join("\n"));
    return { id, file, clientPort: ports[id - 1]!, quorumPort: ports[id + 2]! };
  });
}

async function start(place: Place, facts?: Facts): Promise<RunningServer> {
  const server = await startServer(place.file, facts === undefined ? {} : { facts });
  running.add(server);
  void server.halted.then(() => running.delete(server));
  return server;
}

const hosts = (all: readonly Place[]): string => all.map(({ clientPort }) => `127.0.0.1:${clientPort}`).join(",");

async function client(all: readonly Place[]): Promise<ZooKeeper> {
  const zk = await connect(hosts(all), { sessionTimeout: 4000, connectTimeout: 15_000, reconnectDelayMax: 20 });
  clients.push(zk);
  return zk;
}

/** What the four-letter word srvr calls the server; undefined while it says nothing. */
function modeOf({ clientPort }: Place): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const socket = net.connect(clientPort, "127.0.0.1", () => socket.write("srvr"));
    socket.on("data", (bytes) => (text += bytes.toString()));
    socket.on("error", () => {});
    socket.on("close", () => resolve(/^Mode: (.*)$/m.exec(text)?.[1]));
  });
}

test("a member has started when it has its data; three serve, one leads, and the rest go on when it goes", async () => {
  const all = await places();
  const servers = [await start(all[0]!)];
  expect(servers[0]!.clientPort).toBe(all[0]!.clientPort);
  expect(await modeOf(all[0]!)).toBeUndefined();
  for (const place of all.slice(1)) servers.push(await start(place));
  const zk = await client(all);
  await zk.create("/a", new TextEncoder().encode("x"));
  const modes = await until("all serve", async () => {
    const found = await Promise.all(all.map(modeOf));
    return !found.includes(undefined) && found;
  });
  expect([...modes].sort((a, b) => (a! < b! ? -1 : 1))).toEqual(["follower", "follower", "leader"]);
  const leader = modes.indexOf("leader");
  expect((await servers[leader]!.stop()).code).toBe(0);
  const other = await client(all.filter((_, index) => index !== leader));
  await other.create("/b");
  expect(await other.getChildren("/")).toEqual(expect.arrayContaining(["a", "b", "zookeeper"]));
});

test("servers talk with TLS, also while it is being introduced", async () => {
  // As in the middle of a rolling change: all take both, only one dials with TLS yet.
  const all = await places((id) => [...TLS, "portUnification=true", `sslQuorum=${id === 2}`]);
  for (const place of all) await start(place);
  await (await client(all)).create("/mixed");
  await Promise.all([...running].map((server) => server.stop()));
  for (const { file } of all) {
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace("portUnification=true", "sslQuorum=true"));
    fs.appendFileSync(file, "\nsslQuorum=true");
  }
  for (const place of all) await start(place);
  expect(await (await client(all)).getChildren("/")).toContain("mixed");
});

test("a port for other servers that is in use is asked for again, and then named", async () => {
  const [first] = await places();
  const { quorumPort } = first!;
  const warnings: string[] = [];
  const blocker = net.createServer();
  await new Promise<void>((resolve) => blocker.listen(quorumPort, "127.0.0.1", resolve));
  const facts: Facts = {
    ...NO_FACTS,
    log(level, message) {
      if (level !== "warn") return;
      warnings.push(message);
      blocker.close();
    },
  };
  await start(first!, facts);
  const complaint = `zoo.cfg:6: server.1: ${quorumPort} is in use (127.0.0.1, port ${quorumPort}); stop what listens there or choose another port`;
  expect(warnings).toEqual([`${complaint}; trying again`]);
  for (const server of running) await server.stop();
  await new Promise<void>((resolve) => blocker.listen(quorumPort, "127.0.0.1", resolve));
  fs.appendFileSync(first!.file, "\nelectionPortBindRetry=1");
  const refused = startServer(first!.file);
  await expect(refused).rejects.toThrow(complaint);
  await expect(refused).rejects.toMatchObject({ exitCode: 14 });
  blocker.close();
});

test("strangers on the ports for servers are closed, and nothing else happens", async () => {
  const all = await places();
  for (const place of all) await start(place);
  const zk = await client(all);
  const text = fs.readFileSync(all[0]!.file, "utf8");
  const ports = [...text.matchAll(/^server\.\d=127\.0\.0\.1:(\d+):(\d+)/gm)].flatMap(([, q, e]) => [
    Number(q),
    Number(e),
  ]);
  const garbage = [
    Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    Buffer.alloc(4096, 0xff),
    Buffer.alloc(64),
    Buffer.from("16030100a5010000", "hex"),
    Buffer.alloc(0),
  ];
  await Promise.all(
    ports.flatMap((port) =>
      garbage.map(
        (bytes) =>
          new Promise<void>((resolve) => {
            const socket = net.connect(port, "127.0.0.1", () => socket.end(bytes));
            socket.on("error", () => {}).on("close", () => resolve());
            socket.resume();
          }),
      ),
    ),
  );
  await zk.create("/still");
  expect(await zk.exists("/still")).not.toBeNull();
  expect((await Promise.all(all.map(modeOf))).filter((mode) => mode === "leader").length).toBe(1);
});

test("a reconfiguration moves a server's port for clients, and who is connected stays so", async () => {
  const all = await places(() => ["reconfigEnabled=true", "skipACL=yes"]);
  const servers: RunningServer[] = [];
  for (const place of all) servers.push(await start(place));
  const third = all[2]!;
  const there = await client([third]);
  const before = await there.getConfig();
  const [port] = await freePorts(1);
  const entry = new TextDecoder().decode(before.data!).match(/^server\.3=.*;/m)![0];
  await (await client(all)).reconfig({ joining: [`${entry}127.0.0.1:${port}`] });
  await until("the port has moved", () => servers[2]!.clientPort === port);
  await there.sync("/");
  const after = new TextDecoder().decode((await there.getConfig()).data!);
  expect(after).toContain(`${entry}127.0.0.1:${port}\n`);
  await (await client([{ ...third, clientPort: port! }])).create("/moved");
  expect(await modeOf(third)).toBeUndefined();
  // On disk too: the configuration file names the one in force.
  const text = await until("the file is written", () => {
    const written = fs.readFileSync(third.file, "utf8");
    return written.includes(`zoo.cfg.dynamic.${/version=(\w+)$/.exec(after)![1]}`) && written;
  });
  expect(text).not.toMatch(/^server\./m);
  await servers[2]!.stop();
  expect((await start(third)).clientPort).toBe(port);
});
