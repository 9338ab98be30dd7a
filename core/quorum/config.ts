/**
 * Who belongs to an ensemble and what a quorum of it is: the dynamic configuration (Java: QuorumMaj, QuorumHierarchical,
 * QuorumPeer.QuorumServer; reference, sections 1.4 and 7.1).
 */
import type { Address } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";

export interface Member {
  readonly id: number;
  /** One or more places; the first is the one that is printed first. */
  readonly quorumAddresses: readonly Address[];
  readonly electionAddresses: readonly Address[];
  readonly role: "participant" | "observer";
  /** Where its clients connect; undefined when the static file says so. */
  readonly clientAddress: Address | undefined;
}

/** Immutable. */
export class QuorumConfig {
  /** 0 where reconfiguration is off. */
  readonly version: Zxid;
  /** In ascending order of id. */
  readonly members: ReadonlyMap<number, Member>;

  constructor(members: ReadonlyMap<number, Member>, version: Zxid) {
    this.members = members;
    this.version = version;
  }
}
