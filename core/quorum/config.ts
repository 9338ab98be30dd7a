/**
 * Who belongs to an ensemble and what a quorum of it is: the dynamic configuration (Java: QuorumMaj, QuorumHierarchical,
 * QuorumPeer.QuorumServer; reference, sections 1.4 and 7.1). Reading its text is config-text.ts.
 */
import type { Address } from "../actor.ts";
import { ZXID_ZERO, zxidHex } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ConfigError } from "./config-text.ts";
import { readConfigText } from "./config-text.ts";

export interface Member {
  readonly id: number;
  /** One or more places, in the order of their hosts' names (Java prints them so). */
  readonly quorumAddresses: readonly Address[];
  /** As many; those at one index are of one host. */
  readonly electionAddresses: readonly Address[];
  readonly role: "participant" | "observer";
  /** Where its clients connect; undefined when the static file says so. */
  readonly clientAddress: Address | undefined;
}

const NO_GROUPS: ReadonlyMap<number, readonly number[]> = new Map();
const NO_WEIGHTS: ReadonlyMap<number, number> = new Map();

/** Immutable. */
export class QuorumConfig {
  /** 0 where reconfiguration is off. */
  readonly version: Zxid;
  /** In ascending order of id. */
  readonly members: ReadonlyMap<number, Member>;
  /** Group id to the ids in it; empty: a quorum is a majority. */
  readonly groups: ReadonlyMap<number, readonly number[]>;
  /** Of every voter where there are groups. May name others: their weight counts in their group, their votes nowhere. */
  readonly weights: ReadonlyMap<number, number>;
  /** Ids in ascending order. */
  readonly voters: readonly number[];
  readonly observers: readonly number[];

  readonly #voterSet: ReadonlySet<number>;
  readonly #groupOf = new Map<number, number>();
  /** Total weight of each group that has any. */
  readonly #groupWeights = new Map<number, number>();
  #text: string | undefined;

  /** Groups must name every voter once; voters without a weight have 1. {@link parse} checks what it reads. */
  constructor(
    members: ReadonlyMap<number, Member>,
    version: Zxid,
    groups: ReadonlyMap<number, readonly number[]> = NO_GROUPS,
    weights: ReadonlyMap<number, number> = NO_WEIGHTS,
  ) {
    const sorted = [...members.values()].sort((a, b) => a.id - b.id);
    this.version = version;
    this.members = new Map(sorted.map((member) => [member.id, member]));
    this.groups = groups;
    this.voters = sorted.filter((member) => member.role === "participant").map((member) => member.id);
    this.observers = sorted.filter((member) => member.role === "observer").map((member) => member.id);
    this.#voterSet = new Set(this.voters);
    this.weights = groups.size === 0 ? NO_WEIGHTS : withDefaults(weights, this.voters);
    for (const [group, ids] of groups) {
      let total = 0;
      for (const id of ids) {
        this.#groupOf.set(id, group);
        total += this.weights.get(id) ?? 0;
      }
      if (total > 0) this.#groupWeights.set(group, total);
    }
  }

  /** Of no ensemble at all: nothing is a quorum of it. */
  static readonly EMPTY: QuorumConfig = new QuorumConfig(new Map(), ZXID_ZERO);

  /** One `key=value` a line, or separated by commas; blank lines and lines that begin with `#` are passed over. */
  static parse(text: string): QuorumConfig | ConfigError {
    const read = readConfigText(text);
    return "error" in read ? read : new QuorumConfig(read.members, read.version, read.groups, read.weights);
  }

  has(id: number): boolean {
    return this.members.has(id);
  }

  isVoter(id: number): boolean {
    return this.#voterSet.has(id);
  }

  get isHierarchical(): boolean {
    return this.groups.size > 0;
  }

  /** A server of weight 0 can never be elected. Without groups it is 1, for strangers too (Java: QuorumMaj.getWeight). */
  weightOf(id: number): number {
    return this.isHierarchical ? (this.weights.get(id) ?? 0) : 1;
  }

  /** `ids` names nobody twice. Who does not vote does not count. */
  containsQuorum(ids: ReadonlySet<number> | readonly number[]): boolean {
    if (this.isHierarchical) return this.#containsGroupQuorum(ids);
    let count = 0;
    for (const id of ids) if (this.#voterSet.has(id)) count++;
    return count * 2 > this.voters.length;
  }

  #containsGroupQuorum(ids: ReadonlySet<number> | readonly number[]): boolean {
    const sums = new Map<number, number>();
    for (const id of ids) {
      if (!this.#voterSet.has(id)) continue;
      const group = this.#groupOf.get(id)!;
      sums.set(group, (sums.get(group) ?? 0) + this.weights.get(id)!);
    }
    let count = 0;
    for (const [group, total] of this.#groupWeights) if ((sums.get(group) ?? 0) * 2 > total) count++;
    return count * 2 > this.#groupWeights.size;
  }

  withVersion(version: Zxid): QuorumConfig {
    return new QuorumConfig(this.members, version, this.groups, this.weights);
  }

  /** Java's equality: a version identifies the content. */
  equals(other: QuorumConfig): boolean {
    return this.version === other.version || this.sameMembers(other);
  }

  /** The same servers in the same roles at the same addresses, with the same groups and weights. */
  sameMembers(other: QuorumConfig): boolean {
    return this === other || this.#lines().join("\n") === other.#lines().join("\n");
  }

  /** What is replicated and kept: one entry a line, `version` last, no line feed at the end. */
  text(): string {
    this.#text ??= [...this.#lines(), `version=${zxidHex(this.version)}`].join("\n");
    return this.#text;
  }

  /** What a configuration file has: the text without its version, which is in the file's name. */
  linesForFile(): readonly string[] {
    return this.#lines();
  }

  #lines(): string[] {
    const lines: string[] = [];
    for (const member of this.members.values()) lines.push(`server.${member.id}=${memberText(member)}`);
    for (const group of ascending(this.groups.keys())) {
      lines.push(`group.${group}=${ascending(this.groups.get(group)!).join(":")}`);
    }
    for (const id of ascending(this.weights.keys())) lines.push(`weight.${id}=${this.weights.get(id)}`);
    return lines;
  }
}

function ascending(ids: Iterable<number>): number[] {
  return [...ids].sort((a, b) => a - b);
}

function withDefaults(weights: ReadonlyMap<number, number>, voters: readonly number[]): ReadonlyMap<number, number> {
  const complete = new Map(weights);
  for (const id of voters) if (!complete.has(id)) complete.set(id, 1);
  return complete;
}

/** As after `server.N=`. */
export function memberText(member: Member): string {
  const places = member.quorumAddresses.map((address, i) => `${address}:${portOf(member.electionAddresses[i]!)}`);
  const client = member.clientAddress === undefined ? "" : `;${member.clientAddress}`;
  return `${places.join("|")}:${member.role}${client}`;
}

/** What follows the last colon. */
export function portOf(address: Address): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
