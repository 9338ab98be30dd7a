/**
 * Discovery: on which epoch a leader and a quorum agree, and whether that quorum lets it lead (Java:
 * Leader.getEpochToPropose, waitForEpochAck, StateSummary; reference, section 3.3). Who is told what, and when, is
 * leader.ts's; nothing here knows of connections: what a server has said holds also after its connection is gone.
 *
 * Only the configuration in force has a say, and the leader itself must be part of each quorum (ZOOKEEPER-1270).
 */
import type { Zxid } from "../base/zxid.ts";
import type { LearnerInfo } from "../protocol/quorum-packets.ts";
import { PROTOCOL_VERSION } from "../protocol/quorum-packets.ts";
import type { QuorumConfig } from "../quorum/config.ts";
import type { QuorumView } from "../quorum/view.ts";

/** Zxids of later epochs could not be told apart (base/zxid.ts). */
const EPOCH_MAX = 2 ** 21 - 2;

/** Why a server that says this of itself cannot be a learner here; undefined when it can. */
export function whyRefused(info: LearnerInfo, accepted: number, view: QuorumView): string | undefined {
  // Versions that nobody has released are refused rather than guessed at (reference, section 1.3).
  if (info.protocolVersion !== PROTOCOL_VERSION) return `it speaks version ${info.protocolVersion} of the protocol`;
  if (info.serverId === view.myId) return "it says that it is this server";
  if (info.configVersion > view.current.version) return "it knows a newer configuration";
  if (accepted < 0 || accepted > EPOCH_MAX) return `it says that it has accepted epoch ${accepted}`;
  return undefined;
}

/** Of two servers the one whose summary is larger must not follow the other. */
export interface StateSummary {
  readonly currentEpoch: number;
  readonly lastZxid: Zxid;
}

/** - `newer`: it knows of txns that may be committed and are not the leader's: it must not follow. */
export type PromiseOutcome = "counted" | "not-counted" | "newer";

export class Discovery {
  readonly #config: QuorumConfig;
  readonly #myId: number;
  readonly #summary: StateSummary;
  /** Tests only. */
  readonly #mutants: ReadonlySet<string>;
  #epoch = 0;
  readonly #proposers = new Set<number>();
  #fixed = false;
  readonly #promisers = new Set<number>();
  #promised = false;

  /** `summary` is the leader's own. */
  constructor(config: QuorumConfig, myId: number, summary: StateSummary, mutants: ReadonlySet<string>) {
    this.#mutants = mutants;
    this.#config = config;
    this.#myId = myId;
    this.#summary = summary;
  }

  /** The epoch, once a quorum has said what it accepted before. */
  get epoch(): number | undefined {
    return this.#fixed ? this.#epoch : undefined;
  }
  /** A quorum has promised to follow no earlier epoch, and has nothing that the leader lacks. */
  get isPromised(): boolean {
    return this.#promised;
  }

  /** `id` has accepted epochs up to `accepted`. What comes after the epoch is fixed changes nothing. */
  propose(id: number, accepted: number): void {
    if (this.#fixed) return;
    if (accepted >= this.#epoch) this.#epoch = accepted + 1;
    if (this.#config.isVoter(id)) this.#proposers.add(id);
    this.#fixed = this.#isQuorum(this.#proposers);
  }

  /**
   * `id` has accepted the epoch; `currentEpoch` is -1 where it had done so before. Once there is a quorum nobody is
   * compared any more: whatever a later one has, this quorum's history is the one to go on with.
   */
  promise(id: number, currentEpoch: number, lastZxid: Zxid): PromiseOutcome {
    if (this.#promised || currentEpoch === -1) return "not-counted";
    const mine = this.#summary;
    if (!this.#mutants.has("vote-ignores-history")) {
      if (currentEpoch > mine.currentEpoch) return "newer";
      if (currentEpoch === mine.currentEpoch && lastZxid > mine.lastZxid) return "newer";
    }
    if (lastZxid < 0 || !this.#config.isVoter(id)) return "not-counted";
    this.#promisers.add(id);
    this.#promised = this.#isQuorum(this.#promisers);
    return "counted";
  }

  #isQuorum(ids: ReadonlySet<number>): boolean {
    return ids.has(this.#myId) && this.#config.containsQuorum(ids);
  }
}
