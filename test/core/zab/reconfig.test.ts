import fc from "fast-check";
import { expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import { Code } from "../../../core/protocol/codes.ts";
import type { ReconfigRequest } from "../../../core/protocol/requests.ts";
import { AckSet } from "../../../core/quorum/ack-set.ts";
import { QuorumConfig } from "../../../core/quorum/config.ts";
import { QuorumView } from "../../../core/quorum/view.ts";
import { designatedLeader, membershipOf, nextConfig, whatBecomes } from "../../../core/zab/reconfig.ts";
import type { ReconfigContext } from "../../../core/zab/reconfig.ts";
import { anyConfig, parsed, servers } from "../quorum/arbitraries.ts";

const NOTHING: ReconfigRequest = {
  joiningServers: null,
  leavingServers: null,
  newMembers: null,
  curConfigId: -1 as Zxid,
};
const ZXID = 100 as Zxid;

function asked(
  request: Partial<ReconfigRequest>,
  config: QuorumConfig = servers(3, 7),
  change: Partial<ReconfigContext> = {},
): QuorumConfig | number {
  return nextConfig(
    { ...NOTHING, ...request },
    {
      view: new QuorumView(1, config),
      standaloneEnabled: true,
      syncedFollowers: new Set([2, 3, 4]),
      zxid: ZXID,
      ...change,
    },
  );
}
function membersOf(next: QuorumConfig | number): unknown {
  return typeof next === "number" ? next : next.linesForFile();
}

test("servers leave before others join, and an entry of the same id is replaced", () => {
  const next = asked({
    leavingServers: "3, 9",
    joiningServers: "server.4=c:2888:3888;2181,server.2=b:2888:3888:observer;2181",
  });
  expect(next).toMatchObject({ version: ZXID, voters: [1, 4], observers: [2] });
  expect(membersOf(next)).toEqual([
    "server.1=a:2888:3888:participant;0.0.0.0:2181",
    "server.2=b:2888:3888:observer;0.0.0.0:2181",
    "server.4=c:2888:3888:participant;0.0.0.0:2181",
  ]);
});

test("a request that names nothing makes the same members with a new version", () => {
  const next = asked({ joiningServers: "", leavingServers: " , " });
  expect(next).toBeInstanceOf(QuorumConfig);
  expect([(next as QuorumConfig).sameMembers(servers(3)), (next as QuorumConfig).version]).toEqual([true, ZXID]);
});

test("a full list replaces everything, whatever version it gives itself", () => {
  const members = "server.1=a:2888:3888;2181,server.5=e:2888:3888;2181\nserver.3=c:2888:3888:observer\nversion=1";
  const next = asked({ newMembers: members, joiningServers: "nonsense" }, servers(3, 7), {
    syncedFollowers: new Set([5]),
  });
  expect(next).toMatchObject({ version: ZXID, voters: [1, 5], observers: [3] });
  const groups = `${servers(3).text()}\ngroup.1=1:2:3\nweight.1=0`;
  expect(asked({ newMembers: groups })).toMatchObject({ version: ZXID, isHierarchical: true });
});

test("checks are made in Java's order", () => {
  const bad: Partial<ReconfigRequest> = { curConfigId: 8 as Zxid, newMembers: "nonsense" };
  const pending = new QuorumView(1, servers(3, 7), servers(4, 8));
  expect(asked(bad, undefined, { view: pending })).toBe(Code.RECONFIGINPROGRESS);
  expect(asked(bad)).toBe(Code.BADVERSION);
  expect(asked({ ...bad, curConfigId: 7 as Zxid })).toBe(Code.BADARGUMENTS);
  expect(asked({ newMembers: "server.1=a:1:2" }, servers(3), { syncedFollowers: new Set() })).toBe(Code.BADARGUMENTS);
  expect(asked({}, servers(3), { syncedFollowers: new Set() })).toBe(Code.NEWCONFIGNOQUORUM);
  expect(asked({ curConfigId: -2 as Zxid })).toBe(Code.BADVERSION);
});

test("what is malformed, ambiguous or could not be started again is refused", () => {
  const refused: readonly Partial<ReconfigRequest>[] = [
    { leavingServers: "x" },
    { joiningServers: "server.4" },
    { joiningServers: "4=d:1:2;3" },
    { joiningServers: "server.4=d:2888:3888" },
    { joiningServers: "server.4=d:2888;2181" },
    { joiningServers: "server.4=d:2888:3888:voter;2181" },
    { joiningServers: "server.4=c:2888:4888;2184" },
    { joiningServers: "server.4=d:3888:c:2888;2184" },
    { joiningServers: "server.4=d:2888:3888|e:2888:3888;2181" },
    { joiningServers: "server.4=d:1:2;c:3888" },
    { newMembers: "" },
    { newMembers: "server.1=a:1:2,server.2=b:1:2,clientPort=3" },
    { newMembers: "server.1=a:1:2,server.2=b:1:2,group.1=1" },
    { newMembers: "server.1=a:1:2:observer,server.2=b:1:2:observer" },
    { newMembers: Array.from({ length: 20_000 }, (_, i) => `server.${i}=${"h".repeat(20)}:2888:3888`).join() },
  ];
  for (const request of refused) expect([request, asked(request)]).toEqual([request, Code.BADARGUMENTS]);
  const grouped = parsed(`${servers(3, 7).text()}\ngroup.1=1:2:3`);
  expect(asked({ leavingServers: "3" }, grouped)).toBe(Code.BADARGUMENTS);
});

test("loopback and wildcard addresses may be used by several servers: each machine has its own", () => {
  const local = parsed("server.1=localhost:2888:3888;2181,server.2=127.0.0.1:2888:3888;2181,server.3=[::1]:2888:3888");
  const joining = "server.4=localhost:2888:3888;2181,server.5=[::1]:2888:3888;[::]:2181";
  expect(asked({ joiningServers: joining }, local)).toMatchObject({ voters: [1, 2, 3, 4, 5] });
});

test("at least two servers must vote, or one where a standalone server is not wanted", () => {
  const one = { leavingServers: "2,3" };
  expect(asked(one)).toBe(Code.BADARGUMENTS);
  expect(asked(one, undefined, { standaloneEnabled: false })).toMatchObject({ voters: [1] });
  expect(asked({ leavingServers: "1,2,3" }, undefined, { standaloneEnabled: false })).toBe(Code.BADARGUMENTS);
});

test("the leader counts itself only where the new configuration lets it vote", () => {
  const withLeader = { newMembers: "server.1=a:1:2,server.2=b:1:2,server.4=d:1:2" };
  const without = { newMembers: "server.5=e:1:2,server.2=b:1:2,server.4=d:1:2" };
  const change = { syncedFollowers: new Set([2]) };
  expect(asked(withLeader, undefined, change)).toBeInstanceOf(QuorumConfig);
  expect(asked(without, undefined, change)).toBe(Code.NEWCONFIGNOQUORUM);
  expect(asked(without, undefined, { syncedFollowers: new Set([2, 4, 1]) })).toBeInstanceOf(QuorumConfig);
});

test("no text of a client makes the checks throw", () => {
  const part = fc.constantFrom("server.4=", "d:1:2", ";", "3", ",", "server.", "|", "[::1]", ":", "-1", "=", "\n", "é");
  const words = fc.option(
    fc.oneof(
      fc.string(),
      fc.array(part).map((parts) => parts.join("")),
    ),
    { nil: null },
  );
  fc.assert(
    fc.property(words, words, words, (joiningServers, leavingServers, newMembers) => {
      const next = asked({ joiningServers, leavingServers, newMembers });
      if (typeof next !== "number") expect(parsed(next.text()).text()).toBe(next.text());
    }),
    { seed: 1, numRuns: 1000 },
  );
});

function acks(config: QuorumConfig, ...ids: number[]): AckSet {
  const set = new AckSet([config]);
  for (const id of ids) set.add(id);
  return set;
}

test("the leader stays while it votes at the same quorum address", () => {
  const before = servers(3, 1);
  const after = servers(5, 2);
  expect(designatedLeader(1, before, after, acks(after, 2, 3, 4), [])).toBe(1);
  const elsewhere = parsed("server.1=a:2999:3888,server.2=b:2888:3888,server.3=c:2888:3888,version=2");
  expect(designatedLeader(1, before, elsewhere, acks(after, 1, 3, 2), [])).toBe(2);
  const otherElection = parsed("server.1=a:2888:3999,server.2=b:2888:3888,server.3=c:2888:3888,version=2");
  expect(designatedLeader(1, before, otherElection, acks(after, 2, 3), [])).toBe(1);
});

test("a leader that goes names the voter that acknowledged most of what came after", () => {
  const before = servers(5, 1);
  const after = parsed(
    `${servers(5)
      .text()
      .replace(/server.1=.*\n/, "")
      .replace("b:2888:3888:participant", "b:2888:3888:observer")}`,
  );
  const first = acks(before, 1, 2, 5, 4, 3);
  // 2 observes from now on.
  expect(designatedLeader(1, before, after, first, [])).toBe(3);
  expect(designatedLeader(1, before, after, first, [acks(before, 1, 2, 5, 4)])).toBe(4);
  expect(designatedLeader(1, before, after, first, [acks(before, 4, 5), acks(before, 5), acks(before, 4)])).toBe(5);
  expect(designatedLeader(1, before, after, first, [acks(before, 4, 5), acks(before, 1), acks(before, 5)])).toBe(4);
  expect(designatedLeader(1, before, after, acks(before, 1), [])).toBe(1);
});

test("a server without weight is not named", () => {
  const after = parsed(
    `${servers(4)
      .text()
      .replace(/server.1=.*\n/, "")}\ngroup.1=2:3:4\nweight.2=0`,
  );
  expect(designatedLeader(1, servers(4), after, acks(after, 2, 3, 4), [])).toBe(3);
});

test("a designated leader has acknowledged the reconfig and votes in the new configuration, or is the old one", () => {
  const ids = fc.array(fc.integer({ min: 0, max: 12 }));
  fc.assert(
    fc.property(
      anyConfig,
      anyConfig,
      fc.nat({ max: 12 }),
      ids,
      fc.array(ids),
      (before, after, leader, acked, later) => {
        const reconfig = acks(after, ...after.voters, ...acked);
        const next = designatedLeader(
          leader,
          before,
          after,
          reconfig,
          later.map((some) => acks(after, ...some)),
        );
        if (next !== leader) expect([after.isVoter(next), reconfig.has(next)]).toEqual([true, true]);
      },
    ),
    { seed: 2, numRuns: 300 },
  );
});

test("a role ends when it, or the leader, becomes another one", () => {
  const before = servers(4, 1, 4);
  const after = servers(4, 2, 3);
  expect(whatBecomes(2, "following", 1, before, after, 1)).toEqual({
    membership: "participant",
    ends: false,
    leader: 1,
  });
  expect(whatBecomes(3, "following", 1, before, after, 1)).toEqual({ membership: "observer", ends: true, leader: 1 });
  expect(whatBecomes(4, "observing", 1, before, after, 1)).toMatchObject({ membership: "observer", ends: false });
  expect(whatBecomes(2, "following", 1, before, after, 2)).toEqual({
    membership: "participant",
    ends: true,
    leader: 2,
  });
  expect(whatBecomes(1, "leading", 1, before, after, 2)).toMatchObject({ ends: true, leader: 2 });
  expect(whatBecomes(1, "leading", 1, before, after, 1)).toMatchObject({ ends: false });
  const five = servers(5, 2);
  expect(whatBecomes(4, "observing", 1, before, five, 1)).toEqual({ membership: "participant", ends: true, leader: 1 });
});

test("who is removed goes on without a vote, and who joined is what the list says", () => {
  const before = servers(4, 1, 4);
  const after = servers(2, 2);
  expect(membershipOf(3, after)).toBe("participant");
  expect(whatBecomes(3, "following", 1, before, after, 1)).toMatchObject({ membership: "participant", ends: false });
  expect(whatBecomes(4, "observing", 1, before, after, 1)).toMatchObject({ membership: "participant", ends: true });
});

test("a configuration that came without a commit ends a role only where the leader is gone or moved", () => {
  const before = servers(3, 1);
  const moved = parsed("server.1=a:2999:3888,server.2=b:2888:3888,version=2");
  expect(whatBecomes(2, "following", 1, before, servers(5, 2), undefined)).toMatchObject({ ends: false, leader: 1 });
  expect(whatBecomes(2, "following", 1, before, moved, undefined)).toMatchObject({ ends: true, leader: undefined });
  expect(whatBecomes(2, "following", 3, before, servers(2, 2), undefined)).toMatchObject({ ends: true });
  // Not newer, or nothing but the version is new.
  expect(whatBecomes(2, "following", 1, servers(3, 5), servers(5, 5), 2)).toMatchObject({ ends: false });
  expect(whatBecomes(2, "following", 1, before, servers(3, 2), 2)).toMatchObject({ ends: false });
});
