/** How much the data and log directories hold, for `dirs` and `conf`: asked of the disk each time. */
import type { Context, DiskOp, DiskOutcome } from "../actor.ts";
import { LOG_DIRECTORY, SNAPSHOT_DIRECTORY } from "../storage/files.ts";

type Done = (cx: Context, sizes: readonly [data: number, log: number]) => void;

interface Measurement {
  readonly data: DiskOp;
  readonly log: DiskOp;
  dataSize: number;
  left: number;
  logSize: number;
  readonly done: Done;
}

export class DirectorySizes {
  #running: Measurement[] = [];

  measure(cx: Context, done: Done): void {
    const data = cx.list(SNAPSHOT_DIRECTORY);
    const log = cx.list(LOG_DIRECTORY);
    this.#running.push({ data, log, dataSize: 0, logSize: 0, left: 2, done });
  }

  /** False when `op` is not one of its own. A directory that cannot be read counts as empty. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    const measurement = this.#running.find(({ data, log }) => data === op || log === op);
    if (measurement === undefined) return false;
    const size = outcome.kind === "listed" ? outcome.files.reduce((sum, file) => sum + file.size, 0) : 0;
    if (op === measurement.data) measurement.dataSize = size;
    else measurement.logSize = size;
    if (--measurement.left > 0) return true;
    this.#running = this.#running.filter((other) => other !== measurement);
    measurement.done(cx, [measurement.dataSize, measurement.logSize]);
    return true;
  }
}
