/**
 * Ensembles of Apache ZooKeeper 3.8 and this server together, in every arrangement: who leads, who follows, who observes,
 * and what each takes over from the other when a leader dies.
 */
import { afterEach, expect, test } from "vitest";
import { Load, treeOf } from "../chaos/load.ts";
import { Ensemble, type EnsembleOptions, type Member, QUICK } from "./support/ensemble.ts";
import { eventually } from "./support/processes.ts";
import { RawClient } from "./support/raw-client.ts";
import type { ServerKind } from "./support/servers.ts";

const V: ServerKind = "vivarium";
const A: ServerKind = "apache";
const OPEN = [{ perms: 31, scheme: "world", id: "anyone" }];
const TIMEOUT = 30_000;
const SESSION_MOVED = -118;
const NO_NODE = -101;

let ensemble: Ensemble | undefined;
let load: Load | undefined;

afterEach(async () => {
  load?.abort();
  load = undefined;
  await ensemble?.close();
  ensemble = undefined;
});

async function start(kinds: readonly ServerKind[], options: Partial<EnsembleOptions> = {}): Promise<Ensemble> {
  ensemble = await Ensemble.start({ kinds, config: { ...QUICK, ...options.config }, ...options });
  return ensemble;
}

/** Everything serves, accepts writes, and holds the same tree; nobody has complained. */
async function verify(members: readonly Member[] = ensemble!.members): Promise<void> {
  await ensemble!.awaitServing(TIMEOUT, members);
  await load!.awaitProgress(TIMEOUT);
  await load!.verify(members);
  await load!.compareTrees(members);
  expect(ensemble!.alarms()).toEqual([]);
}

function create(
  path: string,
  data = "",
  flags = 0,
): { type: 1; path: string; data: string; acl: typeof OPEN; flags: number } {
  return { type: 1, path, data, acl: OPEN, flags };
}

/** `count` nodes below `path`, made through `member`. */
async function fill(member: Member, path: string, count: number): Promise<void> {
  const client = await RawClient.connect(member.clientPort);
  await client.send(create(path));
  await Promise.all(Array.from({ length: count }, (_, i) => client.ask(create(`${path}/${i}`, "x".repeat(i % 300)))));
  await client.closeSession();
}

async function sameTrees(members: readonly Member[] = ensemble!.members): Promise<void> {
  const [first, ...others] = members;
  const tree = await treeOf(first!);
  for (const member of others) expect(await treeOf(member), `member ${member.id}`).toEqual(tree);
  expect(ensemble!.alarms()).toEqual([]);
}

/** How `leader`, one of ours, brought the last learner up to date. */
function lastSync(leader: Member): string | undefined {
  return [...leader.log().matchAll(/"how":"([a-z+ ]+)"/g)].at(-1)?.[1];
}

test.each([
  { kinds: [V, A, A] as const, leads: A },
  { kinds: [A, A, V] as const, leads: V },
  { kinds: [A, V, V] as const, leads: V },
  { kinds: [V, V, A] as const, leads: A },
])("$kinds: $leads leads; leaders are killed both ways under load", { timeout: 180_000 }, async ({ kinds, leads }) => {
  const { members } = await start(kinds, { first: 3 });
  expect((await ensemble!.awaitLeader(TIMEOUT)).kind).toBe(leads);
  load = await Load.start(ensemble!, { seed: 1 });
  await verify();
  const led = new Set<ServerKind>();
  for (let i = 0; i < 4; i++) {
    const leader = await ensemble!.awaitLeader(TIMEOUT);
    led.add(leader.kind);
    await leader.kill();
    await load.awaitProgress(TIMEOUT);
    leader.launch();
    await verify();
  }
  expect(led.size, [...led].join()).toBeGreaterThan(0);
  await load.stop();
  expect(members.every(({ running }) => running)).toBe(true);
});

test("ours joins a leader of Java's that is far ahead, a little ahead, and behind", { timeout: 180_000 }, async () => {
  const { members } = await start([V, A, A], { absent: [1] });
  const [ours, follower] = members as [Member, Member, Member];
  await fill(follower, "/before", 700);
  // Nothing at all: the whole tree.
  ours.launch();
  await ensemble!.awaitServing(TIMEOUT);
  await sameTrees();
  // A little: the leader's committed log.
  await ours.kill();
  await fill(follower, "/little", 50);
  await ensemble!.restart(ours);
  await sameTrees();
  // More than it keeps in memory: its log on disk, or the tree.
  await ours.kill();
  await fill(follower, "/much", 900);
  await ensemble!.restart(ours);
  await fill(ours, "/through-ours", 20);
  await sameTrees();
});

test("Java joins a leader of ours that is far ahead, a little ahead, and behind", { timeout: 180_000 }, async () => {
  const { members } = await start([A, V, V], { absent: [1] });
  const [java, , leader] = members as [Member, Member, Member];
  await fill(leader, "/before", 700);
  java.launch();
  await ensemble!.awaitServing(TIMEOUT);
  await sameTrees();
  await java.kill();
  await fill(leader, "/little", 50);
  await ensemble!.restart(java);
  expect(lastSync(leader)).toBe("diff");
  await sameTrees();
  await java.kill();
  await fill(leader, "/much", 900);
  await ensemble!.restart(java);
  await fill(java, "/through-java", 20);
  await sameTrees();
});

test.each([
  { lonely: V, others: A },
  { lonely: A, others: V },
])("what $lonely logged alone as leader is gone when it rejoins $others", { timeout: 120_000 }, async (kinds) => {
  const { members, proxy } = await start([kinds.others, kinds.others, kinds.lonely], { first: 3 });
  const [one, two, lonely] = members as [Member, Member, Member];
  await fill(one, "/before", 20);
  expect((await ensemble!.awaitLeader(TIMEOUT)).id).toBe(3);
  const client = await RawClient.connect(lonely.clientPort);
  for (const other of [one, two]) proxy!.block(3, other.id);
  const answer = client.send(create("/alone"));
  await eventually("the others elect another leader", TIMEOUT, async () =>
    (await Promise.all([one.mode(), two.mode()])).includes("leader"),
  );
  await lonely.kill();
  expect(await answer).toBeUndefined();
  client.drop();
  await fill(one, "/after", 20);
  proxy!.mend();
  await ensemble!.restart(lonely);
  await sameTrees();
  expect((await treeOf(lonely)).has("/alone")).toBe(false);
});

test.each([
  { kinds: [A, A, V] as const, leads: V },
  { kinds: [V, V, A] as const, leads: A },
])("the others restart again and again during load when $leads leads", { timeout: 180_000 }, async ({ kinds }) => {
  const { members } = await start(kinds, { first: 3 });
  load = await Load.start(ensemble!, { seed: 2 });
  const leader = await ensemble!.awaitLeader(TIMEOUT);
  expect(leader.id).toBe(3);
  for (let i = 0; i < 6; i++) {
    const follower = members[i % 2]!;
    await follower.kill();
    await load.awaitProgress(TIMEOUT);
    await ensemble!.restart(follower);
  }
  expect(await leader.mode()).toBe("leader");
  await verify();
  // What a leader of ours must never make Java's do (reference, 11.3 and S15).
  if (leader.kind === V) expect(members.map((member) => member.log()).join("")).not.toMatch(/"pif" is null/);
  await load.stop();
});

test.each([
  { kinds: [A, A, A, V] as const, observer: V },
  { kinds: [V, V, V, A] as const, observer: A },
])("an observer, $observer, under the other's leader", { timeout: 180_000 }, async ({ kinds }) => {
  const { members } = await start(kinds, { observers: [4], first: 3 });
  const observer = members[3]!;
  expect(await observer.mode()).toBe("observer");
  load = await Load.start(ensemble!, { seed: 3 });
  await fill(observer, "/through-observer", 50);
  await verify();
  await observer.kill();
  await load.awaitProgress(TIMEOUT);
  await ensemble!.restart(observer);
  await verify();
  const leader = await ensemble!.awaitLeader(TIMEOUT);
  await leader.kill();
  await load.awaitProgress(TIMEOUT);
  leader.launch();
  await verify();
  expect(await observer.mode()).toBe("observer");
  await load.stop();
});

test.each([
  { kinds: [V, A, A] as const, from: 1, to: 2 },
  { kinds: [V, A, A] as const, from: 2, to: 1 },
  { kinds: [A, V, V] as const, from: 1, to: 3 },
  { kinds: [A, V, V] as const, from: 3, to: 1 },
])("a session moves in $kinds from $from to $to with its node", { timeout: 60_000 }, async ({ kinds, from, to }) => {
  const { members } = await start(kinds);
  const [old, next] = [members[from - 1]!, members[to - 1]!];
  const before = await RawClient.connect(old.clientPort, 20_000);
  await before.ask(create("/mine", "", 1));
  const after = await RawClient.connect(next.clientPort, 20_000, before.session);
  expect(after.session.id).toBe(before.session.id);
  await after.ask({ type: 5, path: "/mine", data: "moved", version: -1 });
  // A server may also hang up on the one who was left behind.
  const refused = await before.send({ type: 5, path: "/mine", data: "stale", version: -1 });
  if (refused !== undefined) expect(refused.err).toBe(SESSION_MOVED);
  before.drop();
  const { body } = await after.ask({ type: 4, path: "/mine", watch: false });
  expect(Buffer.from(body.buffer()!).toString()).toBe("moved");
  await after.closeSession();
  await sameTrees();
});

test.each([
  { kinds: [V, A, A] as const, at: 1 },
  { kinds: [A, V, V] as const, at: 1 },
])("a session at member $at of $kinds expires, and its node goes everywhere", { timeout: 60_000 }, async (world) => {
  const { members } = await start(world.kinds);
  const client = await RawClient.connect(members[world.at - 1]!.clientPort, 2000);
  await client.ask(create("/short", "", 1));
  const watcher = await RawClient.connect(members[1]!.clientPort);
  await watcher.ask({ type: 9, path: "/" });
  const began = Date.now();
  // Kept alive by nothing but its pings for twice its timeout.
  await eventually("pings keep it", 10_000, async () => {
    const { err } = (await watcher.send({ type: 3, path: "/short", watch: false }))!;
    expect(err).toBe(0);
    return Date.now() - began > 4000;
  });
  client.drop();
  for (const member of members) {
    const reader = await RawClient.connect(member.clientPort);
    await eventually(`gone at member ${member.id}`, 10_000, async () => {
      return (await reader.send({ type: 3, path: "/short", watch: false }))?.err === NO_NODE;
    });
    await reader.closeSession();
  }
  await watcher.closeSession();
  await sameTrees();
});

test("Java's ensemble becomes ours and Java's again, and no session notices", { timeout: 240_000 }, async () => {
  const { members } = await start([A, A, A]);
  load = await Load.start(ensemble!, { seed: 4 });
  for (const kind of [V, A] as const) {
    for (const member of members) {
      await ensemble!.restart(member, kind);
      await verify();
    }
  }
  await load.stop();
});

test.each([
  { kinds: [V, A, V] as const, writes: 100_000 },
  { kinds: [A, V, A] as const, writes: 25_000 },
])("$kinds: the trees are equal after $writes mixed writes with kills", { timeout: 300_000 }, async (world) => {
  const { members } = await start(world.kinds, { config: { ...QUICK, snapCount: 5000 } });
  load = await Load.start(ensemble!, { seed: 5, window: 16, pace: 0 });
  const { ledger } = load;
  const kills = 10;
  for (let kill = 1; kill <= kills; kill++) {
    const goal = (world.writes * kill) / kills;
    await eventually(`${goal} writes`, 120_000, () => ledger.acknowledged >= goal);
    load.check();
    const leader = await ensemble!.awaitLeader(TIMEOUT);
    const victim = kill % 2 === 0 ? leader : members.find((member) => member !== leader)!;
    await victim.kill();
    await load.awaitProgress(TIMEOUT);
    victim.launch();
    await ensemble!.awaitServing(TIMEOUT);
  }
  expect(ledger.acknowledged).toBeGreaterThanOrEqual(world.writes);
  await verify();
  await load.stop();
  console.log(`${world.kinds.join(" ")}: ${ledger.acknowledged} writes, ${ledger.unknown} without an answer`);
});
