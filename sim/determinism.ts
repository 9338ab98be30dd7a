/**
 * The same seed twice. Two runs must agree event by event; when they do not, what helps is the first event that
 * differs, not the fact that the ends do.
 */
import type { Trace } from "./trace.ts";

/** How many lines before the divergence a report shows. */
const CONTEXT_LINES = 10;

export interface Divergence {
  /** The number of the first event that differs. */
  readonly event: number;
  /** Its line in the first run and in the second; empty where a run had ended. */
  readonly first: string;
  readonly second: string;
  /** The lines on which both still agreed. */
  readonly before: readonly string[];
}

class Stop extends Error {
  readonly index: number;
  readonly line: string;
  constructor(index: number, line: string) {
    super("the second run left the path of the first");
    this.index = index;
    this.line = line;
  }
}

/**
 * Runs `run` twice and compares. `run` builds a world, hands its trace to `attach` before anything happens, and runs
 * it; whatever it depends on must come from the seed it was made with.
 */
export function findDivergence(run: (attach: (trace: Trace) => void) => void): Divergence | undefined {
  let lines: readonly string[] = [];
  let hashes: readonly number[] = [];
  run((trace) => ({ lines, hashes } = trace.record()));
  let events = 0;
  try {
    run((trace) => {
      trace.record();
      trace.listen((index, hash, line) => {
        if (hash !== hashes[index]) throw new Stop(index, line);
        events = index + 1;
      });
    });
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    return divergence(lines, error.index, error.line);
  }
  return events === hashes.length ? undefined : divergence(lines, events, "");
}

export function formatDivergence(divergence: Divergence): string {
  const { event, first, second, before } = divergence;
  return [
    `the same seed gave two runs; they part at event ${event}:`,
    ...before.map((line) => `    ${line}`),
    `  1 ${first === "" ? "(ended)" : first}`,
    `  2 ${second === "" ? "(ended)" : second}`,
  ].join("\n");
}

function divergence(lines: readonly string[], event: number, second: string): Divergence {
  const before = lines.slice(Math.max(0, event - CONTEXT_LINES), event);
  return { event, first: lines[event] ?? "", second, before };
}
