/** Counters that four-letter words print (Java: ServerStats, ServerMetrics). Observations only. */
import type { Millis } from "../actor.ts";

/** Of values that were observed (Java: AvgMinMaxCounter). */
export interface Summary {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

export class ServerStats {
  packetsReceived = 0;
  packetsSent = 0;
  latencyMin: Millis = 0;
  latencyMax: Millis = 0;
  latencySum: Millis = 0;
  latencyCount = 0;
  responseSizeLast = -1;
  responseSizeMin = -1;
  responseSizeMax = -1;
  /** Bytes of txns as a leader proposes them. */
  proposalSizeLast = -1;
  proposalSizeMin = -1;
  proposalSizeMax = -1;
  /** Requests in the pipeline: received, not yet answered. */
  inProcess = 0;
  readonly counters: Map<string, number> = new Map();
  readonly summaries: Map<string, Summary> = new Map();

  latency(value: Millis): void {
    if (this.latencyCount === 0 || value < this.latencyMin) this.latencyMin = value;
    if (value > this.latencyMax) this.latencyMax = value;
    this.latencySum += value;
    this.latencyCount++;
  }

  responseSize(bytes: number): void {
    this.responseSizeLast = bytes;
    if (this.responseSizeMin < 0 || bytes < this.responseSizeMin) this.responseSizeMin = bytes;
    if (bytes > this.responseSizeMax) this.responseSizeMax = bytes;
  }

  proposalSize(bytes: number): void {
    this.proposalSizeLast = bytes;
    if (this.proposalSizeMin < 0 || bytes < this.proposalSizeMin) this.proposalSizeMin = bytes;
    if (bytes > this.proposalSizeMax) this.proposalSizeMax = bytes;
  }

  count(name: string, by = 1): void {
    this.counters.set(name, (this.counters.get(name) ?? 0) + by);
  }

  /** One more value of `name`, for `zk_avg_…`, `zk_max_…` and so on. Not for hot paths. */
  observe(name: string, value: number): void {
    const { count, sum, min, max } = this.summaries.get(name) ?? { count: 0, sum: 0, min: value, max: value };
    this.summaries.set(name, {
      count: count + 1,
      sum: sum + value,
      min: Math.min(min, value),
      max: Math.max(max, value),
    });
  }

  get latencyAverage(): number {
    return this.latencyCount === 0 ? 0 : this.latencySum / this.latencyCount;
  }

  /** `srst`. */
  reset(): void {
    this.packetsReceived = 0;
    this.packetsSent = 0;
    this.latencyMin = 0;
    this.latencyMax = 0;
    this.latencySum = 0;
    this.latencyCount = 0;
    this.responseSizeLast = this.responseSizeMin = this.responseSizeMax = -1;
    this.proposalSizeLast = this.proposalSizeMin = this.proposalSizeMax = -1;
  }
}
