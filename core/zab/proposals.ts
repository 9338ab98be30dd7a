/**
 * What a leader has proposed and not yet committed, and who has acknowledged it (Java: Leader.outstandingProposals,
 * Leader.Proposal). In zxid order without gaps, so that an acknowledgement finds its proposal by counting.
 *
 * Nearly always one majority decides: then a proposal's acknowledgements are the bits of one integer.
 */
import { Deque } from "../base/deque.ts";
import type { Zxid } from "../base/zxid.ts";
import { nextZxid } from "../base/zxid.ts";
import { invariant } from "../invariant.ts";
import type { Request } from "../pipeline/request.ts";
import type { AckSet } from "../quorum/ack-set.ts";
import type { QuorumView } from "../quorum/view.ts";
import type { Proposal } from "./role.ts";

/** Bits of an integer that may be used without leaving the fast representation. */
const BITS_MAX = 30;

export class PendingProposal implements Proposal {
  readonly request: Request;
  readonly payload: Uint8Array;
  /** A bit per voter, by its place among the voters, and how many are set. Unused where `set` is. */
  bits = 0;
  count = 0;
  /** Where one majority does not decide: groups, very many voters, a reconfiguration under way. */
  readonly set: AckSet | undefined;

  constructor(request: Request, payload: Uint8Array, set: AckSet | undefined) {
    this.request = request;
    this.payload = payload;
    this.set = set;
  }
}

export class Proposals {
  readonly #view: QuorumView;
  readonly #queue = new Deque<PendingProposal>();
  /** Of the configuration in force, and how many of them are a quorum. */
  #voters: readonly number[] = [];
  #needed = 0;
  #counts = true;

  constructor(view: QuorumView) {
    this.#view = view;
    this.viewChanged();
  }

  /** The configuration in force, or the one proposed, is another. Proposals keep the rule they were made under. */
  viewChanged(): void {
    const { current, pending } = this.#view;
    this.#voters = current.voters;
    this.#needed = Math.floor(current.voters.length / 2) + 1;
    this.#counts = !pending && !current.isHierarchical && current.voters.length <= BITS_MAX;
  }

  get length(): number {
    return this.#queue.length;
  }

  at(index: number): PendingProposal {
    return this.#queue.at(index)!;
  }

  add(request: Request, payload: Uint8Array): PendingProposal {
    const last = this.#queue.at(this.#queue.length - 1);
    invariant(
      last === undefined || request.zxid === nextZxid(last.request.zxid),
      "proposals are numbered without gaps",
    );
    const proposal = new PendingProposal(request, payload, this.#counts ? undefined : this.#view.ackSet());
    this.#queue.push(proposal);
    return proposal;
  }

  /** Notes that `id` has logged `zxid`. False when that changes nothing: committed long ago, or never proposed. */
  acknowledge(id: number, zxid: Zxid): boolean {
    const oldest = this.#queue.peek();
    if (oldest === undefined) return false;
    const proposal = this.#queue.at(zxid - oldest.request.zxid);
    if (proposal === undefined) return false;
    if (proposal.set !== undefined) {
      proposal.set.add(id);
      return true;
    }
    const place = this.#voters.indexOf(id);
    const bit = 1 << place;
    if (place < 0 || (proposal.bits & bit) !== 0) return false;
    proposal.bits |= bit;
    proposal.count++;
    return true;
  }

  /**
   * `id` comes anew, and may be told to cut back what it acknowledged on its last connection: from here on it holds what
   * it is sent and acknowledges again. (Java goes on counting the old acknowledgements.)
   */
  withdraw(id: number): void {
    const bit = 1 << this.#voters.indexOf(id);
    for (let i = 0; i < this.#queue.length; i++) {
      const proposal = this.#queue.at(i)!;
      if (proposal.set !== undefined) proposal.set.remove(id);
      else if (this.#voters.includes(id) && (proposal.bits & bit) !== 0) {
        proposal.bits &= ~bit;
        proposal.count--;
      }
    }
  }

  /** Takes out the oldest one if it has its quorum: commits are in order, so one without holds up all after it. */
  takeCommitted(): PendingProposal | undefined {
    const oldest = this.#queue.peek();
    if (oldest === undefined) return undefined;
    const complete = oldest.set === undefined ? oldest.count >= this.#needed : oldest.set.complete;
    return complete ? this.#queue.shift() : undefined;
  }

  /** All there are, oldest first; none are left. */
  takeAll(): PendingProposal[] {
    const all: PendingProposal[] = [];
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) all.push(next);
    return all;
  }
}
