/**
 * What servers say to each other in the exchanges everything rests on, as transcripts. After a change of what is said:
 * `npx vitest run test/claims/transcripts.test.ts --update`, and say in the commit why each changed line is right.
 */
import { expect, test } from "vitest";
import * as zk from "../../core/client/operations.ts";
import type { Conversation } from "../../sim/conversation.ts";
import { Scene } from "./scene.ts";

async function matches(name: string, { lines }: Conversation): Promise<void> {
  await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(`transcripts/${name}.txt`);
}

test("discovery: three servers elect one, agree on an epoch, and begin it", async () => {
  const scene = new Scene({ seed: 4 });
  const talk = scene.listen("election", "quorum");
  scene.ensemble.start();
  scene.settle();
  expect(scene.blamed).toEqual([]);
  await matches("discovery", talk);
});

test("a write: proposed, acknowledged, committed, answered", async () => {
  const scene = Scene.started({ observers: 1 });
  const talk = scene.listen("quorum", "client");
  // Connections that stand are not understood: the client's is new, and the servers begin anew with a new leader.
  scene.ensemble.crash(scene.leader);
  scene.until(() => scene.ensemble.leader() !== undefined);
  scene.settle(scene.ensemble.names.filter((name) => scene.ensemble.host(name).running));
  talk.lines.length = 0;
  const client = scene.client(scene.followers.find((name) => scene.ensemble.host(name).running)!);
  scene.do(client, zk.create("/a", "1"));
  scene.until(() => scene.isOne());
  expect(scene.blamed).toEqual([]);
  await matches("write", talk);
});

test("DIFF: a follower that was away for a few writes is sent these", async () => {
  const scene = Scene.started();
  const [away] = scene.followers;
  const client = scene.client(scene.leader);
  scene.do(client, zk.create("/before", "1"));
  scene.ensemble.crash(away!);
  scene.do(client, zk.create("/while-away", "2"));
  scene.do(client, zk.setData("/before", "3"));
  const talk = scene.listen("quorum");
  scene.ensemble.start(away!);
  scene.settle();
  expect(scene.isOne()).toBe(true);
  expect(scene.blamed).toEqual([]);
  await matches("diff", talk);
});

test("TRUNC: a leader that logged alone cuts that off when it comes back", async () => {
  const scene = Scene.started();
  const old = scene.leader;
  const client = scene.client(old);
  scene.do(client, zk.create("/agreed", "1"));
  scene.ensemble.isolate(old);
  const alone = client.ask(zk.create("/alone", "2"));
  scene.until(() => scene.ensemble.leader() !== old && scene.ensemble.leader() !== undefined, "another leader");
  scene.until(() => alone.settled);
  expect(alone.error).toBe("CONNECTIONLOSS");
  const other = scene.client(scene.leader);
  scene.do(other, zk.create("/after", "3"));
  const talk = scene.listen("quorum");
  scene.ensemble.heal();
  scene.settle();
  scene.until(() => scene.isOne());
  expect(scene.dataOn(old, "/alone")).toBeUndefined();
  expect(scene.dataOn(old, "/after")).toBe("3");
  expect(scene.blamed).toEqual([]);
  await matches("trunc", talk);
});

test("SNAP: a server without a history is sent the tree", async () => {
  const scene = new Scene();
  const [late, ...first] = scene.ensemble.names;
  scene.ensemble.start(...first);
  scene.settle(first);
  const client = scene.client(scene.leader);
  scene.do(client, zk.create("/a", "1"));
  const talk = scene.listen("quorum");
  scene.ensemble.start(late!);
  scene.settle();
  expect(scene.isOne()).toBe(true);
  expect(scene.dataOn(late!, "/a")).toBe("1");
  expect(scene.blamed).toEqual([]);
  await matches("snap", talk);
});

test("a session moves: the next server asks the leader, and what the last one sent late is refused", async () => {
  const scene = new Scene({ seed: 2 });
  const talk = scene.listen("quorum", "client");
  scene.ensemble.start();
  scene.settle();
  talk.lines.length = 0;
  const [one, two] = scene.followers;
  const client = scene.client(one!, two!);
  scene.do(client, zk.create("/e", null, { mode: "ephemeral" }));
  const at = client.client.server!.split(":")[0]!;
  talk.note(`what ${at} sends to its leader is slow from here on`);
  scene.ensemble.strike({ kind: "slow", from: at, to: scene.leader, by: 250, lasts: 300 });
  const late = client.ask(zk.setData("/e", "late"));
  scene.pass(5);
  scene.ensemble.strike({ kind: "cut", from: client.name, to: at, how: "reset" });
  scene.until(() => late.settled && client.client.state === "connected");
  expect(late.error).toBe("CONNECTIONLOSS");
  scene.do(client, zk.setData("/e", "here"));
  scene.pass(400);
  expect(scene.dataOn(scene.leader, "/e")).toBe("here");
  expect(scene.isOne()).toBe(true);
  expect(scene.blamed).toEqual([]);
  await matches("session-move", talk);
});

test("reconfig: an observer is given a vote", async () => {
  const scene = new Scene({ observers: 1, config: { reconfigEnabled: true, skipAcl: true } });
  const talk = scene.listen("quorum", "client");
  scene.ensemble.start();
  scene.settle();
  talk.lines.length = 0;
  const client = scene.client(scene.leader);
  const joining = ["server.4=server4:2888:3888:participant;server4:2181"];
  scene.do(client, zk.reconfig({ joining }));
  scene.settle();
  scene.do(client, zk.create("/a", "1"));
  scene.until(() => scene.isOne());
  await matches("reconfig", talk);
});
