import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { startServer, StartError } from "../../net/server.ts";
import type { RunningServer, Settings } from "../../net/server.ts";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "vivarium-server-"));
let count = 0;
const running: RunningServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.kill();
  fs.rmSync(root, { recursive: true, force: true });
});

async function start(settings: Settings): Promise<RunningServer> {
  const server = await startServer({ clientPort: 0, clientPortAddress: "127.0.0.1", tickTime: 2000, ...settings });
  running.push(server);
  return server;
}
const fresh = (): string => path.join(root, String(count++));

function ask(port: number, word: string): Promise<string> {
  const socket = net.connect(port, "127.0.0.1");
  socket.write(word);
  let text = "";
  socket.on("data", (bytes) => (text += bytes.toString()));
  return new Promise((resolve, reject) => socket.on("end", () => resolve(text)).on("error", reject));
}

test("a server answers, stops gracefully with code 0, and its directory is free for the next", async () => {
  const dataDir = fresh();
  const first = await start({ dataDir, "4lw.commands.whitelist": "*" });
  expect(await ask(first.clientPort!, "ruok")).toBe("imok");
  const conf = await ask(first.clientPort!, "conf");
  expect(conf).toContain(`dataDir=${dataDir}/version-2\n`);
  const envi = await ask(first.clientPort!, "envi");
  expect(envi).toMatch(
    /^Environment:\nzookeeper\.version=\d+\.\d+\.\d+-vivarium-\d\S*, built on \d{4}-\d\d-\d\d \d\d:\d\d UTC\n/,
  );
  expect(envi).toContain(`host.name=${os.hostname()}\n`);
  await expect(start({ dataDir })).rejects.toThrow(/is in use/);
  expect((await first.stop()).code).toBe(0);
  const second = await start({ dataDir });
  expect((await ask(second.clientPort!, "srvr")).startsWith("Zookeeper version:")).toBe(true);
});

test("a port in use is one line that names the key, and frees the directory", async () => {
  const first = await start({ dataDir: fresh() });
  const dataDir = fresh();
  const clash = start({ dataDir, clientPort: first.clientPort! });
  await expect(clash).rejects.toThrow(
    `clientPort: ${first.clientPort} is in use (127.0.0.1, port ${first.clientPort}); stop what listens there or choose another port`,
  );
  await expect(clash).rejects.toMatchObject({ exitCode: 1 });
  await start({ dataDir });
});

test("an address of another machine is one line", async () => {
  await expect(start({ dataDir: fresh(), clientPortAddress: "192.0.2.1" })).rejects.toThrow(
    /^clientPortAddress: 192\.0\.2\.1 is no address of this machine/,
  );
});

test("a path is a zoo.cfg, and what is wrong in it is named with its line", async () => {
  fs.mkdirSync(root, { recursive: true });
  const file = path.join(root, "zoo.cfg");
  fs.writeFileSync(file, `dataDir=${fresh()}\nclientPort=0\nclientPortAddress=127.0.0.1\nsnapCount=many\n`);
  await expect(startServer(file)).rejects.toThrow(
    'zoo.cfg:4: snapCount: "many" is not a whole number of transactions of at least 2; write e.g. snapCount=100000',
  );
  await expect(startServer(file)).rejects.toBeInstanceOf(StartError);
});

test("data that cannot be recovered rejects the start with ZooKeeper's exit code", async () => {
  const dataDir = fresh();
  fs.mkdirSync(path.join(dataDir, "version-2"), { recursive: true });
  fs.writeFileSync(
    path.join(dataDir, "version-2/snapshot.5"),
    Buffer.from(`not a snapshot, but ends like one\0\0\0\x01/`),
  );
  const broken = start({ dataDir });
  await expect(broken).rejects.toBeInstanceOf(StartError);
  await expect(broken).rejects.toMatchObject({ exitCode: 3 });
  await expect(broken).rejects.toThrow(`${dataDir}/version-2/snapshot.5`);
});
