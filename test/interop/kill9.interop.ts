/**
 * The real process is killed with SIGKILL under pipelined writes, again and again: whatever a client was told had
 * happened is there after the restart, and what was there stays.
 */
import { expect, test } from "vitest";
import { Prng } from "../../core/base/prng.ts";
import type { Reader } from "../../core/jute/reader.ts";
import { readStat } from "../../core/protocol/data.ts";
import type { CreateOp, Op } from "../differential/ops.ts";
import { freePort, temporaryDirectory } from "./support/processes.ts";
import { type Answer, RawClient } from "./support/raw-client.ts";
import { type RunningServer, serverUnderTest, startServer } from "./support/servers.ts";

const ROUNDS = Number(process.env["KILL9_ROUNDS"] ?? "50");
const SEED = Number(process.env["KILL9_SEED"] ?? "1");
const WRITERS = 4;
/** Requests that each writer keeps in flight. */
const WINDOW = 64;
const KILL_AFTER_MIN = 20;
const KILL_AFTER_MAX = 300;
const OPEN = [{ perms: 31, scheme: "world", id: "anyone" }];

/** What the server has acknowledged, over all rounds. */
class Acknowledged {
  /** Path and data of nodes that must exist. */
  readonly created = new Map<string, string>();
  readonly deleted = new Set<string>();
  /** The last acknowledged version of a node whose data is its version. */
  readonly versions = new Map<string, number>();
  zxid = 0;
  count = 0;

  note(answer: Answer): void {
    this.zxid = Math.max(this.zxid, answer.zxid);
    this.count += 1;
  }
}

function create(path: string, data: string, flags = 0): CreateOp {
  return { type: 1, path, data, acl: OPEN, flags };
}

/** Writes until the connection ends. */
async function write(client: RawClient, home: string, prng: Prng, acknowledged: Acknowledged): Promise<void> {
  const counter = `${home}/counter`;
  let number = 0;
  let version = 0;
  /** Sends `op`; `confirm` runs when it is acknowledged. */
  const send = async (op: Op, confirm: (answer: Answer) => void): Promise<void> => {
    const answer = await client.send(op);
    if (answer === undefined) return;
    expect(answer.err, JSON.stringify(op)).toBe(0);
    acknowledged.note(answer);
    confirm(answer);
  };
  const one = async (): Promise<void> => {
    const path = `${home}/n${number++}`;
    const data = `${path} ${"x".repeat(prng.below(300))}`;
    switch (prng.below(5)) {
      case 0: {
        const next = ++version;
        return send({ type: 5, path: counter, data: String(next), version: -1 }, () => {
          acknowledged.versions.set(counter, Math.max(next, acknowledged.versions.get(counter) ?? 0));
        });
      }
      case 1:
        return send(create(`${home}/s`, data, 2), ({ body }) => acknowledged.created.set(body.string()!, data));
      case 2: {
        const made = send(create(path, data), () => {});
        await Promise.all([made, send({ type: 2, path, version: 0 }, () => acknowledged.deleted.add(path))]);
        return;
      }
      case 3: {
        const ops: Op[] = [
          create(`${path}-1`, data),
          create(`${path}-2`, data),
          { type: 2, path: `${path}-1`, version: -1 },
        ];
        return send({ type: 14, ops }, () => {
          acknowledged.created.set(`${path}-2`, data);
          acknowledged.deleted.add(`${path}-1`);
        });
      }
      default:
        return send(create(path, data), () => acknowledged.created.set(path, data));
    }
  };
  const loop = async (): Promise<void> => {
    while (!client.closed) await one();
  };
  await send(create(home, home), () => acknowledged.created.set(home, home));
  await send(create(counter, "0"), () => acknowledged.versions.set(counter, 0));
  await Promise.all(Array.from({ length: WINDOW }, loop));
}

async function verify(server: RunningServer, acknowledged: Acknowledged, since: Acknowledged): Promise<void> {
  const client = await RawClient.connect(server.port);
  const lost: string[] = [];
  const read = (path: string): Promise<Answer> =>
    client.send({ type: 4, path, watch: false }).then((answer) => answer!);
  await Promise.all([
    ...[...since.created].map(async ([path, data]) => {
      const { err, body } = await read(path);
      if (err !== 0 || text(body) !== data) lost.push(`${path}: error ${err}`);
    }),
    ...[...since.deleted].map(async (path) => {
      const { err } = await read(path);
      if (err !== -101) lost.push(`${path} is deleted no more: error ${err}`);
    }),
    ...[...since.versions].map(async ([path, version]) => {
      const { err, body } = await read(path);
      const data = text(body);
      const found = err === 0 ? readStat(body).version : -1;
      if (found < version || data !== String(found)) lost.push(`${path}: version ${found} "${data}" after ${version}`);
    }),
  ]);
  expect(lost).toEqual([]);
  const { zxid } = await client.ask({ type: 9, path: "/" });
  expect(zxid).toBeGreaterThanOrEqual(acknowledged.zxid);
  await client.closeSession();
}

function text(body: Reader): string | null {
  const bytes = body.buffer();
  return bytes === null ? null : Buffer.from(bytes).toString();
}

function merge(into: Acknowledged, from: Acknowledged): void {
  for (const [path, data] of from.created) into.created.set(path, data);
  for (const path of from.deleted) into.deleted.add(path);
  for (const [path, version] of from.versions) into.versions.set(path, version);
  into.zxid = Math.max(into.zxid, from.zxid);
  into.count += from.count;
}

test(`nothing acknowledged is lost in ${ROUNDS} kills`, { timeout: 600_000 }, async () => {
  const prng = new Prng(SEED);
  const all = new Acknowledged();
  const dataDir = temporaryDirectory("kill9");
  const port = await freePort();
  const options = {
    dataDir,
    port,
    config: { maxSessionTimeout: 60_000, snapCount: 2000, "autopurge.snapRetainCount": 3 },
  };
  let server = await startServer(serverUnderTest(), options);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const acknowledged = new Acknowledged();
      const clients = await Promise.all(Array.from({ length: WRITERS }, () => RawClient.connect(port)));
      const writing = clients.map((client, index) => write(client, `/r${round}-${index}`, prng, acknowledged));
      const end = KILL_AFTER_MIN + prng.below(KILL_AFTER_MAX - KILL_AFTER_MIN);
      await new Promise((resolve) => setTimeout(resolve, end));
      await server.kill();
      await Promise.all(writing);
      for (const client of clients) client.drop();
      merge(all, acknowledged);
      server = await startServer(serverUnderTest(), options);
      await verify(server, all, acknowledged);
    }
    await verify(server, all, all);
    expect(all.count).toBeGreaterThan(ROUNDS * WRITERS);
    console.log(`${ROUNDS} kills, ${all.count} acknowledged writes, none lost`);
  } finally {
    await server.kill();
  }
});
