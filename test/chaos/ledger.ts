/** What clients were told and what they saw; every contradiction becomes a line of `problems`. */
const PROBLEMS_MAX = 50;
const DELETED_MAX = 200;

export class Ledger {
  readonly problems: string[] = [];
  /** Acknowledged writes, over all sessions. */
  acknowledged = 0;
  /** Calls whose outcome the client was not told. */
  unknown = 0;
  /** When a call that began at or after this instant last succeeded: its beginning (ms of performance.now). */
  latestBegin = 0;
  /** The version of the shared register that somebody was told of. */
  register = 0;
  readonly workers: WorkerLedger[] = [];

  problem(text: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(text);
  }

  wrote(began: number): void {
    this.acknowledged += 1;
    this.latestBegin = Math.max(this.latestBegin, began);
  }

  /** As it is now, to be compared with what is read later. */
  freeze(): readonly FrozenWorker[] {
    return this.workers.map((worker) => worker.freeze());
  }
}

export interface FrozenWorker {
  readonly name: string;
  readonly counter: number;
  readonly nodes: readonly string[];
  readonly deleted: readonly string[];
  readonly ephemeral: string | undefined;
}

/** One session's part. Its nodes are written by nobody else. */
export class WorkerLedger {
  readonly name: string;
  /** The last number sent to the counter, and the last one acknowledged. */
  sent = 0;
  acked = 0;
  /** Sequential nodes that exist. */
  readonly nodes = new Set<string>();
  /** The last of those that do not any more. */
  readonly deleted: string[] = [];
  ephemeral: string | undefined;
  lastSequence = -1;
  /** The largest number this session has seen in each counter. */
  readonly seen = new Map<string, number>();

  constructor(name: string) {
    this.name = name;
  }

  noteDeleted(path: string): void {
    this.deleted.push(path);
    if (this.deleted.length > DELETED_MAX) this.deleted.shift();
  }

  freeze(): FrozenWorker {
    const { name, acked: counter, ephemeral } = this;
    return { name, counter, nodes: [...this.nodes], deleted: [...this.deleted], ephemeral };
  }
}
