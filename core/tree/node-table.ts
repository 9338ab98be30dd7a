/**
 * One record of 128 bytes per node, in chunks of typed arrays: two cache lines, no JS object. The first line holds
 * what a look-up and a walk touch. A chunk is never moved once it is full-sized, so growing never copies more than
 * one chunk.
 *
 * Owns the records; their meaning belongs to tree-state.ts.
 */
import type { Brand } from "../actor.ts";

/** A node, as its record's number. Reused after the node is gone: do not keep one across a mutation of the tree. */
export type NodeRef = Brand<number, "NodeRef">;
export const NO_NODE: NodeRef = -1 as NodeRef;
/** The root's record is the first and is never freed. */
export const ROOT: NodeRef = 0 as NodeRef;

/* Words of 32 bits within a record. */
export const HASH = 0;
export const HASH_NEXT = 1;
export const PATH_BLOCK = 2;
export const PATH_LENGTH = 3;
export const PARENT = 4;
export const FIRST_CHILD = 5;
export const NEXT_SIBLING = 6;
export const PREVIOUS_SIBLING = 7;
export const CHILD_COUNT = 8;
export const DATA_BLOCK = 9;
/** -1 for null data. */
export const DATA_LENGTH = 10;
export const ACL_ID = 11;
export const VERSION = 12;
export const CVERSION = 13;
export const AVERSION = 14;
export const FLAGS = 15;
export const OWNER_HIGH = 16;
export const OWNER_LOW = 17;
export const DIGEST_PREFIX = 18;
export const DIGEST = 19;
/** Links among the nodes of one owner: a session's ephemerals, the containers, the TTL nodes. */
export const OWNER_NEXT = 30;
export const OWNER_PREVIOUS = 31;

/* Doubles within a record (words 20 to 29). */
export const CZXID = 10;
export const MZXID = 11;
export const PZXID = 12;
export const CTIME = 13;
export const MTIME = 14;

const RECORD_WORDS_SHIFT = 5;
const RECORD_DOUBLES_SHIFT = 4;
const CHUNK_SHIFT = 13;
const CHUNK_RECORDS = 1 << CHUNK_SHIFT;
const CHUNK_MASK = CHUNK_RECORDS - 1;
const FIRST_CHUNK_RECORDS = 8;

export class NodeTable {
  readonly #words: Int32Array[] = [];
  readonly #doubles: Float64Array[] = [];
  #capacity = 0;
  /** Records ever used; those freed since are linked through HASH_NEXT from #freed. */
  #used = 0;
  #freed: number = NO_NODE;
  #size = 0;

  /** Records in use. */
  get size(): number {
    return this.#size;
  }

  int(n: NodeRef, word: number): number {
    return this.#words[n >>> CHUNK_SHIFT]![((n & CHUNK_MASK) << RECORD_WORDS_SHIFT) + word]!;
  }

  setInt(n: NodeRef, word: number, value: number): void {
    this.#words[n >>> CHUNK_SHIFT]![((n & CHUNK_MASK) << RECORD_WORDS_SHIFT) + word] = value;
  }

  ref(n: NodeRef, word: number): NodeRef {
    return this.#words[n >>> CHUNK_SHIFT]![((n & CHUNK_MASK) << RECORD_WORDS_SHIFT) + word]! as NodeRef;
  }

  double(n: NodeRef, field: number): number {
    return this.#doubles[n >>> CHUNK_SHIFT]![((n & CHUNK_MASK) << RECORD_DOUBLES_SHIFT) + field]!;
  }

  setDouble(n: NodeRef, field: number, value: number): void {
    this.#doubles[n >>> CHUNK_SHIFT]![((n & CHUNK_MASK) << RECORD_DOUBLES_SHIFT) + field] = value;
  }

  /** A record with links of NO_NODE and everything else 0. */
  allocate(): NodeRef {
    let n = this.#freed as NodeRef;
    if (n === NO_NODE) {
      if (this.#used === this.#capacity) this.#grow();
      n = this.#used++ as NodeRef;
    } else {
      this.#freed = this.int(n, HASH_NEXT);
    }
    this.#size++;
    const words = this.#words[n >>> CHUNK_SHIFT]!;
    const base = (n & CHUNK_MASK) << RECORD_WORDS_SHIFT;
    for (let i = 0; i < 1 << RECORD_WORDS_SHIFT; i++) words[base + i] = 0;
    words[base + HASH_NEXT] = NO_NODE;
    words[base + PARENT] = NO_NODE;
    words[base + FIRST_CHILD] = NO_NODE;
    words[base + NEXT_SIBLING] = NO_NODE;
    words[base + PREVIOUS_SIBLING] = NO_NODE;
    words[base + OWNER_NEXT] = NO_NODE;
    words[base + OWNER_PREVIOUS] = NO_NODE;
    return n;
  }

  release(n: NodeRef): void {
    this.setInt(n, HASH_NEXT, this.#freed);
    this.#freed = n;
    this.#size--;
  }

  /** The first chunk doubles until it is full-sized; then whole chunks are added. */
  #grow(): void {
    const inFirst = this.#capacity < CHUNK_RECORDS;
    const records = inFirst ? Math.max(FIRST_CHUNK_RECORDS, this.#capacity * 2) : CHUNK_RECORDS;
    const buffer = new ArrayBuffer(records << (RECORD_WORDS_SHIFT + 2));
    const words = new Int32Array(buffer);
    if (!inFirst) {
      this.#words.push(words);
      this.#doubles.push(new Float64Array(buffer));
      this.#capacity += records;
      return;
    }
    const old = this.#words[0];
    if (old !== undefined) words.set(old);
    this.#words[0] = words;
    this.#doubles[0] = new Float64Array(buffer);
    this.#capacity = records;
  }
}
