/**
 * Many deadlines, rounded up to a common interval, so that thousands of sessions cost one timer and a touch costs one
 * lookup (Java: ExpiryQueue). Nothing expires early; it may live up to one interval longer.
 */
import type { Millis } from "../actor.ts";
import { invariant } from "../invariant.ts";

interface Bucket<K> {
  readonly at: Millis;
  /** In the order of touching: expiry within a bucket follows it. */
  readonly keys: Set<K>;
}

export class Buckets<K> {
  readonly #interval: Millis;
  readonly #bucketOf = new Map<K, Bucket<K>>();
  /** Never holds an empty bucket. */
  readonly #buckets = new Map<Millis, Bucket<K>>();
  #earliest: Millis = Infinity;

  constructor(interval: Millis) {
    invariant(interval > 0, "a bucket spans some time");
    this.#interval = interval;
  }

  /** How many keys there are. */
  get size(): number {
    return this.#bucketOf.size;
  }

  get bucketCount(): number {
    return this.#buckets.size;
  }

  has(key: K): boolean {
    return this.#bucketOf.has(key);
  }

  /** Adds `key`, or moves it: also to an earlier bucket, as when a session resumes with a shorter timeout. */
  touch(key: K, deadlineAt: Millis): void {
    const at = (Math.floor(deadlineAt / this.#interval) + 1) * this.#interval;
    const before = this.#bucketOf.get(key);
    if (before !== undefined) {
      if (before.at === at) return;
      this.#leave(before, key);
    }
    let bucket = this.#buckets.get(at);
    if (bucket === undefined) {
      bucket = { at, keys: new Set() };
      this.#buckets.set(at, bucket);
      if (at < this.#earliest) this.#earliest = at;
    }
    bucket.keys.add(key);
    this.#bucketOf.set(key, bucket);
  }

  remove(key: K): void {
    const bucket = this.#bucketOf.get(key);
    if (bucket === undefined) return;
    this.#bucketOf.delete(key);
    this.#leave(bucket, key);
  }

  /** The rounded deadline of the next bucket; Infinity when there is none. */
  earliest(): Millis {
    return this.#earliest;
  }

  /** Removes and returns every key whose rounded deadline is at or before `now`, oldest bucket first. */
  takeExpired(now: Millis): K[] {
    const expired: K[] = [];
    while (this.#earliest <= now && this.#buckets.size > 0) {
      const bucket = this.#buckets.get(this.#earliest)!;
      for (const key of bucket.keys) {
        expired.push(key);
        this.#bucketOf.delete(key);
      }
      this.#drop(bucket);
    }
    return expired;
  }

  /** Every bucket with its rounded deadline, soonest first: for people (four-letter word `dump`). */
  entries(): (readonly [at: Millis, keys: ReadonlySet<K>])[] {
    return [...this.#buckets.values()].sort((a, b) => a.at - b.at).map((bucket) => [bucket.at, bucket.keys] as const);
  }

  #leave(bucket: Bucket<K>, key: K): void {
    bucket.keys.delete(key);
    if (bucket.keys.size === 0) this.#drop(bucket);
  }

  /** There are about as many buckets as intervals in the longest timeout, so the search is short. */
  #drop(bucket: Bucket<K>): void {
    this.#buckets.delete(bucket.at);
    if (bucket.at !== this.#earliest) return;
    this.#earliest = Infinity;
    for (const at of this.#buckets.keys()) if (at < this.#earliest) this.#earliest = at;
  }
}
