/** Seeds that once found a bug of the core, each by the name of what it was. */
import { expect, test } from "vitest";
import { runEnsemble } from "../../../sim/campaigns/ensemble.ts";

const STORIES: readonly (readonly [seed: number, what: string])[] = [
  [79, "a voter that has promised a later epoch than the leader's follows in the end"],
  [214, "a leader whose history ends with the first zxid of an epoch brings learners up to date"],
  [17_006, "the only snapshot cannot be read: the server does not begin anew without what it had"],
  [19_372, "a learner cuts back what the leader has counted, and comes again"],
];

for (const [seed, what] of STORIES) {
  test(`seed ${seed}: ${what}`, () => {
    expect(runEnsemble(seed).violation).toBeUndefined();
  });
}
