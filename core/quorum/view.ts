/**
 * What this server knows of its ensemble: the configuration in force and the newest one proposed (Java: QuorumPeer's
 * quorumVerifier and lastSeenQuorumVerifier). While both differ, whatever needs a quorum needs one of each (reference,
 * section 1.4).
 */
import type { Address } from "../actor.ts";
import { AckSet } from "./ack-set.ts";
import type { QuorumConfig } from "./config.ts";

export class QuorumView {
  readonly myId: number;
  /** In force. */
  current: QuorumConfig;
  /** The newest one ever proposed to this server: the same object when nothing is pending. */
  lastSeen: QuorumConfig;
  /** What {@link configs} said last; a new array is made only after a change. */
  #configs: readonly QuorumConfig[] = [];

  constructor(myId: number, current: QuorumConfig, lastSeen: QuorumConfig = current) {
    this.myId = myId;
    this.current = current;
    this.lastSeen = lastSeen;
  }

  get pending(): boolean {
    return this.lastSeen.version > this.current.version;
  }

  /** Those that have a say: the one in force, and the proposed one while it is pending. */
  configs(): readonly QuorumConfig[] {
    const known = this.#configs;
    if (this.pending) {
      if (known.length !== 2 || known[0] !== this.current || known[1] !== this.lastSeen) {
        this.#configs = [this.current, this.lastSeen];
      }
    } else if (known.length !== 1 || known[0] !== this.current) {
      this.#configs = [this.current];
    }
    return this.#configs;
  }

  /** In either. */
  isVoter(id: number): boolean {
    return this.current.isVoter(id) || this.lastSeen.isVoter(id);
  }

  /** In either. */
  has(id: number): boolean {
    return this.current.has(id) || this.lastSeen.has(id);
  }

  /** Of both, ascending. */
  voters(): number[] {
    if (this.current === this.lastSeen) return [...this.current.voters];
    return [...new Set([...this.current.voters, ...this.lastSeen.voters])].sort((a, b) => a - b);
  }

  /** Of both, observers too, ascending. */
  members(): number[] {
    if (this.current === this.lastSeen) return [...this.current.members.keys()];
    return [...new Set([...this.current.members.keys(), ...this.lastSeen.members.keys()])].sort((a, b) => a - b);
  }

  /** The larger one: 0 only where no configuration lets `id` lead. */
  weightOf(id: number): number {
    return Math.max(this.current.weightOf(id), this.lastSeen.weightOf(id));
  }

  /** The first of {@link electionAddressesOf}. */
  electionAddressOf(id: number): Address | undefined {
    return this.electionAddressesOf(id)[0];
  }

  /** The first of {@link quorumAddressesOf}. */
  quorumAddressOf(id: number): Address | undefined {
    return this.quorumAddressesOf(id)[0];
  }

  /** As the configuration in force has them, else the proposed one; empty for strangers. */
  electionAddressesOf(id: number): readonly Address[] {
    return (this.current.members.get(id) ?? this.lastSeen.members.get(id))?.electionAddresses ?? NOWHERE;
  }

  quorumAddressesOf(id: number): readonly Address[] {
    return (this.current.members.get(id) ?? this.lastSeen.members.get(id))?.quorumAddresses ?? NOWHERE;
  }

  /** Of both while one is pending. */
  containsQuorum(ids: ReadonlySet<number> | readonly number[]): boolean {
    return this.current.containsQuorum(ids) && (!this.pending || this.lastSeen.containsQuorum(ids));
  }

  /** For something that is to be agreed upon now. */
  ackSet(): AckSet {
    return new AckSet(this.configs());
  }
}

const NOWHERE: readonly Address[] = [];
