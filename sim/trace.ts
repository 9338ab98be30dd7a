/**
 * What happened, as a hash and as lines. The hash runs over every event and every effect of every run, so that two runs
 * can be compared; the lines are made only for those who asked, because text costs more than the simulation.
 *
 * A line has fixed columns (sim/README.md explains them):
 *
 *     event     seconds  host      happened      with what                        | asked for
 *        17    0.001542  server    received      conn 1 from client: 44 bytes     | append log/version-2/log.1 64 bytes
 */
import type { Micros } from "./events.ts";

/** What can be a line, in the transcript's words. The number goes into the hash: append only. */
export const TRACED = {
  started: 0,
  accepted: 1,
  connected: 2,
  received: 3,
  drained: 4,
  closed: 5,
  "disk did": 6,
  "disk done": 7,
  deadline: 8,
  "asked to stop": 9,
  called: 10,
  crashed: 11,
  halted: 12,
  threw: 13,
  paused: 14,
  resumed: 15,
  fault: 16,
  noted: 17,
} as const;
export type Traced = keyof typeof TRACED;

/** The lines of a run; index in `lines` equals index in `hashes`. */
export interface Recording {
  readonly lines: string[];
  readonly hashes: number[];
}

const HIGH_UNIT = 0x1_0000_0000;

export class Trace {
  #low = 0x811c9dc5 | 0;
  #high = 0x1b873593 | 0;
  #events = 0;
  #recording: Recording | undefined;
  #head = "";
  #details = "";
  #effects = "";
  /** Called with the number of an event, its hash and its line when it is over. */
  #listener: ((index: number, hash: number, line: string) => void) | undefined;

  /** Keeps the lines from here on; the array grows as the run goes on. */
  record(): Recording {
    this.#recording ??= { lines: [], hashes: [] };
    return this.#recording;
  }

  /** `listener` gets every event from here on, with its line if `record` was called too. */
  listen(listener: (index: number, hash: number, line: string) => void): void {
    this.#listener = listener;
  }

  /** True when details and effects should be put into words. */
  get wordy(): boolean {
    return this.#recording !== undefined;
  }
  get events(): number {
    return this.#events;
  }
  /** 53 bits over everything that happened so far. */
  get hash(): number {
    return (this.#high >>> 11) * HIGH_UNIT + (this.#low >>> 0);
  }

  begin(at: Micros, host: string, hostNumber: number, what: Traced, a: number, b: number): void {
    this.mix(at % HIGH_UNIT);
    this.mix((TRACED[what] << 16) ^ (hostNumber << 8) ^ Math.floor(at / HIGH_UNIT));
    this.mix(a);
    this.mix(b);
    if (this.#recording === undefined) return;
    const seconds = `${Math.floor(at / 1_000_000)}.${String(at % 1_000_000).padStart(6, "0")}`;
    this.#head = `${String(this.#events).padStart(8)} ${seconds.padStart(13)}  ${host.padEnd(10)} ${what.padEnd(13)}`;
    this.#details = "";
    this.#effects = "";
  }

  detail(text: string): void {
    this.#details = text;
  }
  effect(text: string): void {
    this.#effects += this.#effects === "" ? text : `, ${text}`;
  }

  /** One 32-bit word of what happened. */
  mix(word: number): void {
    const low = Math.imul(this.#low ^ word, 0x9e3779b1);
    this.#low = low ^ (low >>> 15);
    const high = Math.imul(this.#high + word, 0x85ebca6b);
    this.#high = high ^ (high >>> 13) ^ low;
  }

  bytes(bytes: Uint8Array, start: number, end: number): void {
    let hash = end - start;
    let i = start;
    for (; i + 4 <= end; i += 4) {
      const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
      hash = Math.imul(hash ^ word, 0x01000193);
      hash ^= hash >>> 17;
    }
    for (; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    this.mix(hash);
  }

  text(text: string): void {
    let hash = text.length;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    this.mix(hash);
  }

  end(): void {
    const index = this.#events++;
    let line = "";
    if (this.#recording !== undefined) {
      line =
        this.#head + (this.#effects === "" ? ` ${this.#details}` : ` ${this.#details.padEnd(44)} | ${this.#effects}`);
      this.#recording.lines.push(line);
      this.#recording.hashes.push(this.hash);
    }
    if (this.#listener !== undefined) this.#listener(index, this.hash, line);
  }
}
