/** Counters that four-letter words print (Java: ServerStats, ServerMetrics). Observations only. */
import type { Millis } from "../actor.ts";

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
