import fc from "fast-check";
import { expect, test } from "vitest";
import { AckSet } from "../../../core/quorum/ack-set.ts";
import { QuorumView } from "../../../core/quorum/view.ts";
import { anyConfig, parsed, servers } from "./arbitraries.ts";

test("while a reconfiguration is pending everything needs a quorum of both configurations", () => {
  const view = new QuorumView(1, servers(3, 1));
  expect([view.pending, view.containsQuorum([1, 2])]).toEqual([false, true]);
  view.lastSeen = servers(7, 2);
  expect([view.pending, view.containsQuorum([1, 2]), view.containsQuorum([1, 4, 5, 6])]).toEqual([true, false, false]);
  expect(view.containsQuorum([1, 2, 4, 5])).toBe(true);
  expect(view.configs()).toEqual([view.current, view.lastSeen]);
  expect(view.configs()).toBe(view.configs());
  view.current = view.lastSeen;
  expect([view.pending, view.containsQuorum([4, 5, 6, 7])]).toEqual([false, true]);
  expect(view.configs()).toEqual([view.current]);
});

test("a view knows the members of both configurations, and prefers the addresses in force", () => {
  const view = new QuorumView(1, servers(3, 1, 3), parsed("server.2=x:1:2\nserver.4=d:2888:3888:observer\nversion=2"));
  expect([view.voters(), view.members()]).toEqual([
    [1, 2],
    [1, 2, 3, 4],
  ]);
  expect([view.isVoter(2), view.isVoter(3), view.has(4), view.has(5)]).toEqual([true, false, true, false]);
  expect([view.electionAddressOf(2), view.quorumAddressOf(2)]).toEqual(["b:3888", "b:2888"]);
  expect([view.electionAddressOf(4), view.quorumAddressOf(5)]).toEqual(["d:3888", undefined]);
  expect(view.weightOf(1)).toBe(1);
});

test("acks are complete exactly when every configuration has a quorum of those who sent them", () => {
  fc.assert(
    fc.property(
      anyConfig,
      anyConfig,
      fc.array(fc.integer({ min: 0, max: 300 })),
      fc.nat(),
      (one, two, noise, after) => {
        const acks = new AckSet([one]);
        const sent = new Set<number>();
        const all = [...one.voters, ...noise, ...two.voters, ...one.voters];
        all.forEach((id, i) => {
          if (i === after % all.length) acks.addConfig(two);
          acks.add(id);
          sent.add(id);
          expect(acks.complete).toBe(acks.configs().every((config) => config.containsQuorum(sent)));
          expect(acks.has(id)).toBe(true);
        });
        expect(new Set(acks.ids())).toEqual(sent);
        expect(acks.complete).toBe(true);
      },
    ),
    { seed: 1, numRuns: 200 },
  );
});

test("acks that came before a configuration was added count in it", () => {
  const acks = new AckSet([servers(3)]);
  acks.add(1);
  acks.add(4);
  acks.add(2);
  expect(acks.complete).toBe(true);
  acks.addConfig(servers(7));
  expect(acks.complete).toBe(false);
  acks.add(5);
  expect(acks.complete).toBe(true);
  expect(new AckSet([]).complete).toBe(false);
});
