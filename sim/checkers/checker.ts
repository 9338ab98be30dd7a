/** What every checker is: somebody who listens to facts, names what is wrong, and counts what there was to check. */
import type { FactListener } from "../facts.ts";

/** `invariant` is one of the reference's names (D1, Q1, …); `what` says who did what. */
export type Blame = (invariant: string, what: string) => void;

export interface Checker extends FactListener {
  /** The invariants it holds servers to. */
  readonly name: string;
  /** How often its premise occurred. A checker that stands at 0 after a campaign has checked nothing. */
  readonly premises: number;
}

/** The election and the leader count voters; who they are, and what a quorum of them is, may change during a run. */
export interface Electorate {
  readonly voters: readonly string[];
  isQuorum(hosts: ReadonlySet<string>): boolean;
}

export function majorityOf(voters: readonly string[]): Electorate {
  return {
    voters,
    isQuorum: (hosts) => voters.filter((voter) => hosts.has(voter)).length * 2 > voters.length,
  };
}

/** `epoch:counter`, the way the literature writes zxids. */
export function showZxid(zxid: number): string {
  return `${Math.floor(zxid / 0x1_0000_0000).toString(16)}:${(zxid % 0x1_0000_0000).toString(16)}`;
}
