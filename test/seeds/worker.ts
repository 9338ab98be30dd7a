/** One thread of a campaign: runs its share of the seeds and tells of each. Every hundredth seed is run twice. */
import { parentPort, workerData } from "node:worker_threads";
import type { MutantName } from "../../core/pipeline/state.ts";
import type { Found } from "./campaigns.ts";
import { CAMPAIGNS } from "./campaigns.ts";

export interface Share {
  readonly campaign: string;
  readonly first: number;
  /** Beyond the last. */
  readonly end: number;
  readonly step: number;
  readonly mutants: readonly MutantName[];
  readonly servers: number | undefined;
}

const TWICE_EVERY = 100;
/** Seeds between two messages. */
const BATCH = 16;

const share = workerData as Share;
const campaign = CAMPAIGNS[share.campaign]!;
const options = { mutants: new Set(share.mutants), servers: share.servers };
let batch: Found[] = [];
for (let seed = share.first; seed < share.end; seed += share.step) {
  const found = campaign.run(seed, options);
  const again = seed % TWICE_EVERY === 0 ? campaign.run(seed, options).hash : found.hash;
  const violation = again === found.hash ? found.violation : "it gives another run the second time";
  batch.push({ ...found, violation });
  if (batch.length < BATCH && violation === undefined) continue;
  parentPort!.postMessage(batch);
  batch = [];
}
parentPort!.postMessage(batch);
