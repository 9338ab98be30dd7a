/** What happened in an ensemble's life, counted: a campaign in which nothing of a kind ever happened has not tested it. */
import type { FactListener, FactName } from "../facts.ts";
import { SYNC_CODES } from "../facts.ts";
import type { Simulator } from "../simulator.ts";
import type { Judged } from "./history-judge.ts";

export interface Totals {
  readonly events: number;
  /** Milliseconds of virtual time, and how many of them from the last fault to one ensemble. */
  readonly lasted: number;
  readonly settledAfter: number;
  readonly crashes: number;
  readonly elections: number;
  readonly leaders: number;
  readonly commits: number;
  readonly diffs: number;
  readonly truncs: number;
  readonly snaps: number;
  readonly answers: number;
  readonly writes: number;
  readonly reads: number;
  readonly syncs: number;
  readonly watchEvents: number;
  /** Writes that happened although nobody was told. */
  readonly silent: number;
}

export const TOTALS: readonly (keyof Totals)[] = [
  "events",
  "lasted",
  "settledAfter",
  "crashes",
  "elections",
  "leaders",
  "commits",
  "diffs",
  "truncs",
  "snaps",
  "answers",
  "writes",
  "reads",
  "syncs",
  "watchEvents",
  "silent",
];

export class EnsembleTally implements FactListener {
  readonly #facts: Map<FactName, number> = new Map();
  readonly #syncs: Map<number, number> = new Map();
  readonly #epochs: Map<string, number> = new Map();
  /** The servers' log lines, and how often. */
  readonly said: Map<string, number> = new Map();
  #crashes = 0;
  settledAfter = 0;

  /** The epoch that a server has adopted. */
  epochOf(server: string): number {
    return this.#epochs.get(server) ?? 0;
  }

  fact(host: string, name: FactName, a: number | bigint): void {
    this.#facts.set(name, (this.#facts.get(name) ?? 0) + 1);
    if (name === "synced") this.#syncs.set(Number(a), (this.#syncs.get(Number(a)) ?? 0) + 1);
    else if (name === "adopted") this.#epochs.set(host, Number(a));
  }
  log(_host: string, _level: string, message: string): void {
    this.said.set(message, (this.said.get(message) ?? 0) + 1);
  }
  ended(): void {
    this.#crashes++;
  }

  totals(world: Simulator, answers: number, judged: Judged | undefined): Totals {
    const count = (name: FactName): number => this.#facts.get(name) ?? 0;
    const syncs = (mode: number): number => this.#syncs.get(mode) ?? 0;
    return {
      events: world.events,
      lasted: Math.floor(world.now / 1000),
      settledAfter: this.settledAfter,
      crashes: this.#crashes,
      elections: count("elected"),
      leaders: count("established"),
      commits: count("committed"),
      diffs: syncs(SYNC_CODES.diff),
      truncs: syncs(SYNC_CODES.trunc),
      snaps: syncs(SYNC_CODES.snap),
      answers,
      writes: judged?.writes ?? 0,
      reads: judged?.reads ?? 0,
      syncs: judged?.syncs ?? 0,
      watchEvents: judged?.events ?? 0,
      silent: judged?.silent ?? 0,
    };
  }
}
