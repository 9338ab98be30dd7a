/** Every online checker of an ensemble, made together because some look into others' books. */
import type { FactListener } from "../facts.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { Agreement } from "./agreement.ts";
import type { Blame, Checker, Electorate } from "./checker.ts";
import { Commits } from "./commits.ts";
import type { FilesOf } from "./disk-truth.ts";
import { DiskTruth } from "./disk-truth.ts";
import { EpochsNeverGoBack } from "./epochs.ts";
import { OneLeader } from "./one-leader.ts";
import { RecoversWhatWasDurable } from "./recovery.ts";

export interface EnsembleCheckers {
  readonly truth: DiskTruth;
  readonly leaders: OneLeader;
  readonly agreement: Agreement;
  readonly commits: Commits;
  readonly all: readonly Checker[];
  /** To be given to the world. */
  readonly listener: FactListener;
}

/** `servers`: whose facts count; clients have nothing to say here. */
export function ensembleCheckers(
  blame: Blame,
  filesOf: FilesOf,
  servers: ReadonlySet<string>,
  electorate: () => Electorate,
): EnsembleCheckers {
  const truth = new DiskTruth(blame, filesOf);
  const leaders = new OneLeader(blame);
  const agreement = new Agreement(blame);
  const commits = new Commits(blame, truth, agreement, electorate);
  const rest = [
    new Acknowledgements(blame, truth, electorate),
    new EpochsNeverGoBack(blame, truth),
    new RecoversWhatWasDurable(blame),
  ];
  // The order is that of dependence: who is asked has heard of the fact before who asks.
  const all: readonly Checker[] = [truth, leaders, agreement, commits, ...rest];
  const listener: FactListener = {
    fact(host, name, a, b) {
      if (servers.has(host)) for (const checker of all) checker.fact(host, name, a, b);
    },
    did(host, request, outcome) {
      if (servers.has(host)) truth.did(host, request, outcome);
    },
    ended(host, power) {
      if (servers.has(host)) for (const checker of all) checker.ended?.(host, power);
    },
  };
  return { truth, leaders, agreement, commits, all, listener };
}
