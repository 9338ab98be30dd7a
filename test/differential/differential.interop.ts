/** That the differential run finds what it is for, and finds nothing where there is nothing. */
import { expect, test } from "vitest";
import { randomEpisode, replay, type Target } from "./episode.ts";
import { PROFILES } from "./generate.ts";
import { shrink } from "./shrink.ts";

const APACHE: Target = { kind: "apache" };
const OPS = 1500;

test.each(PROFILES)("Apache's server differs in nothing from itself: $name", async (profile) => {
  const { difference, explained } = await randomEpisode([APACHE, APACHE], 7, profile, OPS);
  expect(difference).toBeUndefined();
  expect(explained.size).toBe(0);
});

test.each([
  { planted: "access is not checked", profile: "acls", config: { skipACL: "yes" } },
  { planted: "quotas are not enforced", profile: "quotas", config: { enforceQuota: "false" } },
  { planted: "TTL nodes are off", profile: "pipelined", config: { extendedTypesEnabled: "false" } },
  { planted: "sessions may be shorter", profile: "sessions", config: { minSessionTimeout: "20000" } },
])("a planted difference is found: $planted", async ({ profile, config }) => {
  const targets: readonly [Target, Target] = [APACHE, { kind: "apache", config }];
  const chosen = PROFILES.find(({ name }) => name === profile)!;
  const outcome = await randomEpisode(targets, 7, chosen, OPS);
  expect(outcome.difference).toBeDefined();
});

test("a difference is cut down to a few steps that still show it", async () => {
  const targets: readonly [Target, Target] = [APACHE, { kind: "apache", config: { extendedTypesEnabled: "false" } }];
  const outcome = await randomEpisode(targets, 7, PROFILES[0]!, OPS);
  const differs = async (steps: Parameters<typeof replay>[2]): Promise<boolean> =>
    (await replay(targets, PROFILES[0]!, steps)).difference !== undefined;
  const short = await shrink(outcome.steps, differs, Date.now() + 20_000);
  expect(await differs(short)).toBe(true);
  expect(short.length).toBeLessThan(10);
});
