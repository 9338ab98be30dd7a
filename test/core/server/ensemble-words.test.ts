import { expect, test } from "vitest";
import type { Address } from "../../../core/actor.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import { QuorumConfig } from "../../../core/quorum/config.ts";
import { QuorumView } from "../../../core/quorum/view.ts";
import type { ServerMode } from "../../../core/server/client-port.ts";
import type { LearnerDescription, RoleDescription } from "../../../core/zab/role.ts";
import { ask, RawClient } from "../../support/raw-client.ts";
import { ScriptedLeader, ScriptedServer } from "../../support/scripted-server.ts";

const TEXT = [
  "server.1=a:2888:3888:participant;0.0.0.0:2181",
  "server.2=b:2888:3888:participant;0.0.0.0:2181",
  "server.3=c:2888:3888:participant;0.0.0.0:2181",
  "server.4=d:2889:3889:observer;0.0.0.0:2181",
  "version=100000000",
].join("\n");

function learner(id: number, observer = false, synced = true): LearnerDescription {
  return { id, observer, synced, remote: `x:${id}` as Address, queuedBytes: 0 };
}
const LEADING: RoleDescription = {
  epoch: 1,
  learners: [learner(2), learner(3, false, false), learner(4, true), learner(7)],
  proposalsOutstanding: 0,
  lastProposed: packZxid(1, 1),
  lastCommitted: packZxid(1, 1),
  leader: undefined,
  pendingSyncs: 2,
};

function serverIn(mode: ServerMode, myId = 1): ScriptedServer {
  const config = QuorumConfig.parse(TEXT);
  if ("error" in config) throw new Error(config.error);
  const server = new ScriptedServer({ mode, leader: new ScriptedLeader(), config: { serverId: myId } });
  const leads = mode === "leader";
  server.words = {
    view: new QuorumView(myId, config),
    role: leads ? LEADING : { ...LEADING, learners: [], leader: 3 },
    servingSince: 0,
  };
  return server;
}
function metricsOf(server: ScriptedServer): Map<string, string> {
  const lines = ask(server.bench, "mntr")!.trimEnd().split("\n");
  return new Map(lines.map((line) => line.split("\t") as [string, string]));
}

test("srvr and stat name the mode; a leader adds the sizes of what it proposed", () => {
  for (const mode of ["leader", "follower", "observer"] as const) {
    const server = serverIn(mode);
    new RawClient(server.bench).create("/a", "x");
    for (const word of ["srvr", "stat"]) {
      const text = ask(server.bench, word)!;
      expect(text).toContain(`\nMode: ${mode}\nNode count: 6\n`);
      if (mode === "leader") expect(text).toMatch(/\nProposal sizes last\/min\/max: \d+\/48\/\d+\n$/);
      else expect(text.endsWith("\nNode count: 6\n")).toBe(true);
    }
    ask(server.bench, "srst");
    if (mode === "leader") expect(ask(server.bench, "srvr")).toContain("last/min/max: -1/-1/-1\n");
  }
});

test("mntr tells what a leader's learners are", () => {
  const server = serverIn("leader");
  new RawClient(server.bench).create("/a");
  const metrics = metricsOf(server);
  expect(Object.fromEntries(metrics)).toMatchObject({
    zk_server_state: "leader",
    zk_peer_state: "leading - broadcast",
    zk_quorum_size: "3",
    zk_learners: "4",
    zk_followers: "3",
    zk_synced_followers: "2",
    zk_synced_non_voting_followers: "1",
    zk_synced_observers: "1",
    zk_pending_syncs: "2",
    zk_min_proposal_size: "48",
    zk_global_sessions: "1",
    zk_local_sessions: "0",
  });
  expect(Number(metrics.get("zk_last_proposal_size"))).toBe(server.state.stats.proposalSizeLast);
  expect(Number(metrics.get("zk_leader_uptime"))).toBeGreaterThanOrEqual(0);
  expect([...metrics.keys()].slice(0, 3)).toEqual(["zk_version", "zk_server_state", "zk_peer_state"]);
});

test("mntr of a learner says which, and nothing a leader would", () => {
  expect(Object.fromEntries(metricsOf(serverIn("follower")))).toMatchObject({
    zk_server_state: "follower",
    zk_peer_state: "following - broadcast",
    zk_quorum_size: "3",
    zk_synced_observers: "0",
  });
  const observing = metricsOf(serverIn("observer"));
  expect([observing.get("zk_server_state"), observing.get("zk_peer_state")]).toEqual([
    "observer",
    "observing - broadcast",
  ]);
  expect([...observing.keys()].filter((key) => /learners|synced|proposal/.test(key))).toEqual([]);
});

test("what was observed is printed as average, least, most, count and sum", () => {
  const server = serverIn("follower");
  for (const value of [200, 100, 250]) server.state.stats.observe("election_time", value);
  expect(Object.fromEntries(metricsOf(server))).toMatchObject({
    zk_avg_election_time: "183.3333",
    zk_min_election_time: "100",
    zk_max_election_time: "250",
    zk_cnt_election_time: "3",
    zk_sum_election_time: "550",
  });
});

test("conf adds the ensemble, and ends with the text of its configuration", () => {
  expect(ask(serverIn("leader").bench, "conf")).toMatch(
    /\nserverId=1\ninitLimit=10\nsyncLimit=5\nelectionAlg=3\nelectionPort=3888\nquorumPort=2888\npeerType=0\nmembership: \nserver\.1=[^]*\nversion=100000000$/,
  );
  expect(ask(serverIn("observer", 4).bench, "conf")).toContain("electionPort=3889\nquorumPort=2889\npeerType=1\n");
});

test("dump lists deadlines on a leader, and on a learner what sessions there are", () => {
  const leading = serverIn("leader");
  const client = new RawClient(leading.bench);
  const session = `0x${client.session.toString(16)}`;
  expect(ask(leading.bench, "dump")).toMatch(
    new RegExp(
      `^SessionTracker dump:\nSession Sets \\(1\\)/\\(1\\):\n1 expire at .*:\n\t${session}\nephemeral nodes dump:\n`,
    ),
  );
  const learning = serverIn("follower");
  const other = new RawClient(learning.bench);
  expect(ask(learning.bench, "dump")).toContain(
    `SessionTracker dump:\nGlobal Sessions(1):\n0x${other.session.toString(16)}\t10000ms\nephemeral nodes dump:\n`,
  );
});

test("with local sessions dump has both kinds", () => {
  const ensemble = { localSessionsEnabled: true };
  const leading = new ScriptedServer({ mode: "leader", ensemble });
  new RawClient(leading.bench);
  expect(ask(leading.bench, "dump")).toMatch(
    /dump:\nLocal Session Sets \(1\)\/\(1\):\n1 expire at .*:\n\t0x.*\nGlobal Session Sets \(0\)\/\(0\):\neph/,
  );
  const learning = new ScriptedServer({ mode: "follower", ensemble, leader: new ScriptedLeader() });
  new RawClient(learning.bench);
  expect(ask(learning.bench, "dump")).toMatch(
    /dump:\nLocal Session Sets \(1\)\/\(1\):\n.*:\n\t0x.*\nGlobal Sessions\(0\):\neph/,
  );
  expect(metricsOf(learning).get("zk_local_sessions")).toBe("1");
});

test("whoever looks for a leader says that it does not serve", () => {
  const server = serverIn("follower");
  server.serving = false;
  for (const word of ["srvr", "stat", "mntr", "conf", "cons", "dump"]) {
    expect(ask(server.bench, word)).toBe("This ZooKeeper instance is not currently serving requests\n");
  }
  expect([ask(server.bench, "isro"), ask(server.bench, "ruok")]).toEqual(["null", "imok"]);
});
