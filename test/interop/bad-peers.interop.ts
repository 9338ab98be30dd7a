/**
 * Strangers, impostors and broken disks at an ensemble of real processes: whoever serves goes on serving, and whoever
 * cannot says what to do.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { Prng } from "../../core/base/prng.ts";
import { Load } from "../chaos/load.ts";
import { Ensemble, type EnsembleOptions, type Member, QUICK } from "./support/ensemble.ts";
import { eventually, freePort, Process, temporaryDirectory } from "./support/processes.ts";
import { RawClient } from "./support/raw-client.ts";
import { repositoryPath, type ServerKind } from "./support/servers.ts";

const TIMEOUT = 30_000;
const OURS: readonly ServerKind[] = ["vivarium", "vivarium", "vivarium"];
const OPEN = [{ perms: 31, scheme: "world", id: "anyone" }];

let ensemble: Ensemble | undefined;
let load: Load | undefined;
let stranger: Process | undefined;

afterEach(async () => {
  load?.abort();
  await stranger?.stop("SIGKILL");
  await ensemble?.close();
  load = stranger = ensemble = undefined;
});

async function start(options: Partial<EnsembleOptions> = {}): Promise<Ensemble> {
  ensemble = await Ensemble.start({ kinds: OURS, ...options, config: { ...QUICK, ...options.config } });
  load = await Load.start(ensemble, { seed: 1 });
  return ensemble;
}

async function verify(): Promise<void> {
  await ensemble!.awaitServing(TIMEOUT);
  await load!.awaitProgress(TIMEOUT);
  await load!.verify(ensemble!.members);
  await load!.compareTrees(ensemble!.members);
  expect(ensemble!.alarms()).toEqual([]);
}

/** Says `bytes` and, if it is not hung up on, stays on the line. */
function say(port: number, bytes: Uint8Array, lines: (() => void)[]): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    lines.push(() => socket.destroy());
    socket.on("connect", () => socket.write(bytes, () => resolve()));
    socket.on("error", () => resolve());
    socket.resume();
  });
}

function long(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

test("garbage on the ports between servers disturbs nobody", { timeout: 120_000 }, async () => {
  const { members } = await start();
  const leader = await ensemble!.awaitLeader(TIMEOUT);
  const began = members.map((member) => member.log().match(/"looking for a leader"/g)?.length);
  const prng = new Prng(1);
  const greeting = Buffer.concat([long(-65_536), long(2), int(0x7fff_ffff)]);
  const impostor = Buffer.concat([long(-65_536), long(2), int(14), Buffer.from("127.0.0.1:3890")]);
  const texts = [
    Buffer.from("GET / HTTP/1.1\r\nHost: here\r\n\r\n"),
    Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
    greeting,
    Buffer.concat([impostor, int(-1)]),
    Buffer.concat([impostor, int(40), Buffer.alloc(40, 0xff)]),
    // FOLLOWERINFO of somebody nobody knows, of a member that is here already, and with an endless buffer.
    Buffer.concat([int(11), long(0), int(20), long(77), int(0x10000), long(0), int(-1)]),
    Buffer.concat([int(11), long(0), int(20), long(1), int(0x10000), long(0), int(-1)]),
    Buffer.concat([int(11), long(0), int(0x7fff_fff0)]),
    Buffer.concat([int(3), long(1), int(-1), int(-1)]),
    Buffer.alloc(0),
  ];
  const lines: (() => void)[] = [];
  for (let i = 0; i < 20; i++) {
    for (const { quorumPort, electionPort } of members) {
      for (const port of [quorumPort, electionPort]) {
        await say(port, prng.chance(1, 3) ? prng.bytes(prng.below(400)) : texts[prng.below(texts.length)]!, lines);
      }
    }
  }
  await verify();
  expect((await ensemble!.leader())?.id).toBe(leader.id);
  expect(members.map((member) => member.log().match(/"looking for a leader"/g)?.length)).toEqual(began);
  // While strangers hold their connections a member that restarts gets in all the same.
  for (const member of members) {
    await member.kill();
    await load!.awaitProgress(TIMEOUT);
    await ensemble!.restart(member);
  }
  for (const close of lines) close();
  await verify();
  await load!.stop();
});

/** Another process of ours with a data directory of its own; `lines` of its configuration beside the ports. */
async function startStranger(id: number, lines: readonly string[]): Promise<Process> {
  const directory = temporaryDirectory("stranger");
  const clientPort = await freePort();
  writeFileSync(join(directory, "myid"), `${id}\n`);
  const config = [
    `dataDir=${directory}`,
    `clientPort=${clientPort}`,
    "clientPortAddress=127.0.0.1",
    "tickTime=500",
    "initLimit=20",
    "syncLimit=4",
    "4lw.commands.whitelist=*",
    ...lines,
  ];
  writeFileSync(join(directory, "zoo.cfg"), config.join("\n"));
  const program = process.env["INTEROP_PROGRAM"] ?? repositoryPath("dist/cli/main.js");
  return new Process(process.execPath, [program, "serve", join(directory, "zoo.cfg")]);
}

test.each([
  { what: "a second server with the id of one that runs", id: 1 },
  { what: "a server that nobody else knows", id: 9 },
])("$what does no harm", { timeout: 120_000 }, async ({ id }) => {
  const { members } = await start();
  const lines = members
    .filter((member) => member.id !== id)
    .map((member) => `server.${member.id}=127.0.0.1:${member.quorumPort}:${member.electionPort}`);
  lines.push(`server.${id}=127.0.0.1:${await freePort()}:${await freePort()}`);
  stranger = await startStranger(id, lines);
  await eventually("the stranger looks for a leader", TIMEOUT, () => stranger!.output.includes("looking for a leader"));
  for (let i = 0; i < 3; i++) {
    const victim = i === 1 ? await ensemble!.awaitLeader(TIMEOUT) : members[i]!;
    await victim.kill();
    await load!.awaitProgress(TIMEOUT);
    await ensemble!.restart(victim);
  }
  await stranger.stop("SIGKILL");
  await verify();
  await load!.stop();
});

test("a member whose configuration has other addresses for the others", { timeout: 120_000 }, async () => {
  const { members } = await start();
  const odd = members[0]!;
  await odd.kill();
  const proper = readFileSync(odd.configFile, "utf8");
  const [quorum, election] = [await freePort(), await freePort()];
  writeFileSync(
    odd.configFile,
    proper.replaceAll(/^(server\.[23]=127\.0\.0\.1):\d+:\d+/gm, `$1:${quorum}:${election}`),
  );
  odd.launch();
  await eventually("it looks for a leader", TIMEOUT, () => (odd.log().match(/looking for a leader/g)?.length ?? 0) > 1);
  await load!.awaitProgress(TIMEOUT);
  await odd.kill();
  writeFileSync(odd.configFile, proper);
  await ensemble!.restart(odd);
  await verify();
  await load!.stop();
});

const EPOCHS = [
  { what: "acceptedEpoch is torn", file: "acceptedEpoch", content: "", serves: false },
  // What else is there leaves no doubt of what they held.
  { what: "currentEpoch is torn", file: "currentEpoch", content: "", serves: true },
  { what: "acceptedEpoch is missing", file: "acceptedEpoch", content: undefined, serves: true },
  { what: "currentEpoch is missing", file: "currentEpoch", content: undefined, serves: true },
  { what: "currentEpoch is from the future", file: "currentEpoch", content: "999", serves: false },
  { what: "acceptedEpoch is from the future", file: "acceptedEpoch", content: "999", serves: true },
] as const;

test.each(EPOCHS)("a member whose $what", { timeout: 120_000 }, async ({ file, content, serves }) => {
  const { members } = await start();
  const member = members[0]!;
  await member.kill();
  await load!.awaitProgress(TIMEOUT);
  const path = join(member.dataDir, "version-2", file);
  const proper = readFileSync(path, "utf8");
  if (content === undefined) rmSync(path);
  else writeFileSync(path, content);
  member.launch();
  if (!serves) {
    await eventually("it refuses", TIMEOUT, () => !member.running);
    expect(member.exitCode).not.toBe(0);
    // It says which file, and what to write into it.
    expect(member.log()).toMatch(/^vivarium: .*\/acceptedEpoch (is unusable|holds \d).*write into it/im);
    await load!.awaitProgress(TIMEOUT);
    writeFileSync(path, proper);
    member.launch();
  }
  await verify();
  await load!.stop();
});

test("a data directory that was copied from another member", { timeout: 120_000 }, async () => {
  const { members } = await start();
  const [one, two] = members as [Member, Member];
  await one.kill();
  await two.kill();
  rmSync(join(one.dataDir, "version-2"), { recursive: true });
  cpSync(join(two.dataDir, "version-2"), join(one.dataDir, "version-2"), { recursive: true });
  one.launch();
  two.launch();
  await verify();
  await load!.stop();
});

test(
  "a follower that stops reading is dropped, costs the leader little, and catches up",
  { timeout: 180_000 },
  async () => {
    // It may be silent for a minute: only what waits for it can get it dropped.
    const { members } = await start({ config: { syncLimit: 120, learnerQueueBytes: 8 * 1024 * 1024 } });
    const leader = await ensemble!.awaitLeader(TIMEOUT);
    const follower = members.find((member) => member !== leader)!;
    const client = await RawClient.connect(leader.clientPort);
    await client.ask({ type: 1, path: "/big", data: "", acl: OPEN, flags: 0 });
    const before = residentMiB(leader);
    follower.pause();
    const data = { fill: 500_000 };
    for (let i = 0; i < 150; i++) {
      await Promise.all([0, 1, 2, 3].map(() => client.ask({ type: 5, path: "/big", data, version: -1 })));
    }
    expect(leader.log()).toMatch(/"closing a learner's connection"/);
    const grown = residentMiB(leader) - before;
    expect(grown, "MiB for 300 MB of proposals").toBeLessThan(200);
    expect(await leader.mode()).toBe("leader");
    follower.resume();
    await client.closeSession();
    await verify();
    await load!.stop();
  },
);

function residentMiB(member: Member): number {
  const status = readFileSync(`/proc/${member.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

test("a quorum that is lost and comes back: nobody serves alone, sessions live on", { timeout: 120_000 }, async () => {
  const { members } = await start();
  const leader = await ensemble!.awaitLeader(TIMEOUT);
  const others = members.filter((member) => member !== leader);
  await Promise.all(others.map((member) => member.kill()));
  await eventually("the leader steps down", TIMEOUT, async () => (await leader.mode()) === undefined);
  const { acknowledged } = load!.ledger;
  await expect(RawClient.connect(leader.clientPort)).rejects.toThrow(/closed/);
  // Far longer than anything a server waits for.
  const until = Date.now() + 6000;
  await eventually("time passes", TIMEOUT, () => Date.now() > until);
  expect(load!.ledger.acknowledged).toBe(acknowledged);
  expect(await leader.mode()).toBeUndefined();
  for (const member of others) member.launch();
  await verify();
  await load!.stop();
});
