/**
 * The last committed txns in memory: what learners that were away for a short time are brought up to date from (Java:
 * ZKDatabase.committedLog; reference, section 3.5). Older ones are read back from the log on disk.
 *
 * Invariant: the entries are one stretch of history without a gap, in zxid order. A list that began above nothing was
 * how learners came to miss the beginning (reference, S25), so the txn in front of the first entry is known by its
 * zxid, or known to be unknown.
 */
import type { Zxid } from "../base/zxid.ts";
import { counterOf, epochOf } from "../base/zxid.ts";
import { invariant } from "../invariant.ts";
import type { LoggedTxn } from "../storage/log-replay.ts";

/** Java: ZKDatabase.DEFAULT_COMMIT_LOG_COUNT, also the least. */
const COMMITTED_TXNS_MIN = 500;
const NOTHING = new Uint8Array(0);

export class CommittedLog {
  readonly #limit: number;
  /** A ring once it is full; the oldest entry is at {@link #first}. Two arrays, so that an entry allocates nothing. */
  readonly #zxids: Zxid[] = [];
  readonly #payloads: Uint8Array[] = [];
  #first = 0;
  #last: Zxid;
  #base: Zxid | undefined;

  /** `recovered` is what the log on disk held last, oldest first; `lastZxid` is where the history ends. */
  constructor(limit: number, recovered: readonly LoggedTxn[], lastZxid: Zxid) {
    this.#limit = Math.max(COMMITTED_TXNS_MIN, limit);
    this.#last = lastZxid;
    this.#base = lastZxid;
    const from = Math.max(unbrokenFrom(recovered), recovered.length - this.#limit);
    if (recovered.length === 0) return;
    for (let i = from; i < recovered.length; i++) {
      this.#zxids.push(recovered[i]!.zxid);
      this.#payloads.push(recovered[i]!.payload);
    }
    this.#last = recovered.at(-1)!.zxid;
    // An entry before the stretch may be on the other side of a gap.
    this.#base = undefined;
  }

  get length(): number {
    return this.#zxids.length;
  }
  /** Of the oldest entry; {@link max} when there is none. */
  get min(): Zxid {
    return this.length === 0 ? this.#last : this.#zxids[this.#first]!;
  }
  /** Of the newest entry; where the history ends when there is none. */
  get max(): Zxid {
    return this.#last;
  }
  /** Of the txn right in front of the oldest entry; undefined where that is not known. */
  get base(): Zxid | undefined {
    return this.#base;
  }

  /** `payload` stays as it is from here on. */
  add(zxid: Zxid, payload: Uint8Array): void {
    invariant(zxid > this.#last, "txns are committed in zxid order");
    this.#last = zxid;
    if (this.#zxids.length < this.#limit) {
      this.#zxids.push(zxid);
      this.#payloads.push(payload);
      return;
    }
    const first = this.#first;
    this.#base = this.#zxids[first]!;
    this.#zxids[first] = zxid;
    this.#payloads[first] = payload;
    this.#first = first + 1 === this.#limit ? 0 : first + 1;
  }

  /** Entry 0 is the oldest. */
  zxidAt(index: number): Zxid {
    return this.#zxids[this.#place(index)]!;
  }
  payloadAt(index: number): Uint8Array {
    return this.#payloads[this.#place(index)] ?? NOTHING;
  }

  /** Which entry is the first one after `zxid`; {@link length} when none is. */
  indexAfter(zxid: Zxid): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.zxidAt(middle) <= zxid) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether `zxid` is that of an entry, or of the txn right in front of them. */
  has(zxid: Zxid): boolean {
    if (zxid === this.#base) return true;
    const after = this.indexAfter(zxid);
    return after > 0 && this.zxidAt(after - 1) === zxid;
  }

  /** Whether everything of this history that comes after `zxid` is here. */
  reaches(zxid: Zxid): boolean {
    return zxid >= (this.#base ?? this.min);
  }

  #place(index: number): number {
    const at = this.#first + index;
    return at < this.#zxids.length ? at : at - this.#zxids.length;
  }
}

/** Where the last stretch without a gap begins. Between two epochs none can be told. */
function unbrokenFrom(txns: readonly LoggedTxn[]): number {
  for (let i = txns.length - 1; i > 0; i--) {
    const { zxid } = txns[i]!;
    const before = txns[i - 1]!.zxid;
    if (zxid <= before) return i;
    if (epochOf(zxid) === epochOf(before) && counterOf(zxid) !== counterOf(before) + 1) return i;
  }
  return 0;
}
