/**
 * From path bytes to node: linear hashing with chains through the records. Every insertion splits at most one
 * bucket, so a tree of a million nodes never pauses to rehash (Java: NodeHashMapImpl over ConcurrentHashMap).
 *
 * Paths are UTF-8 here. The hash is not seeded: a client that can choose millions of paths can also fill the disk.
 */
import { HASH, HASH_NEXT, NO_NODE, type NodeRef, type NodeTable, PATH_BLOCK, PATH_LENGTH } from "./node-table.ts";
import type { Slab } from "./slab.ts";

const CHUNK_SHIFT = 13;
const CHUNK_BUCKETS = 1 << CHUNK_SHIFT;
const CHUNK_MASK = CHUNK_BUCKETS - 1;
const FIRST_BUCKETS = 8;

export class PathIndex {
  readonly #table: NodeTable;
  readonly #slab: Slab;
  /** Each bucket holds its first node + 1, so that fresh memory is empty buckets. */
  readonly #chunks: Int32Array[] = [new Int32Array(FIRST_BUCKETS)];
  #buckets = FIRST_BUCKETS;
  /** Buckets below #split use one bit more than #mask. */
  #split = 0;
  #mask = FIRST_BUCKETS - 1;
  #size = 0;

  constructor(table: NodeTable, slab: Slab) {
    this.#table = table;
    this.#slab = slab;
  }

  find(path: Uint8Array, length: number): NodeRef {
    const table = this.#table;
    const hash = hashPath(path, length);
    const bucket = this.#bucketOf(hash);
    let n = (this.#chunks[bucket >>> CHUNK_SHIFT]![bucket & CHUNK_MASK]! - 1) as NodeRef;
    while (n !== NO_NODE) {
      if (table.int(n, HASH) === hash && table.int(n, PATH_LENGTH) === length && this.#equals(n, path, length))
        return n;
      n = table.ref(n, HASH_NEXT);
    }
    return NO_NODE;
  }

  /** Adds a node whose path is in its record, and which is not in the index. */
  insert(n: NodeRef, path: Uint8Array, length: number): void {
    this.#size++;
    if (this.#size > this.#buckets) this.#splitOne();
    const hash = hashPath(path, length);
    this.#table.setInt(n, HASH, hash);
    this.#push(this.#bucketOf(hash), n);
  }

  remove(n: NodeRef): void {
    const table = this.#table;
    const bucket = this.#bucketOf(table.int(n, HASH));
    const next = table.ref(n, HASH_NEXT);
    this.#size--;
    let before = this.#head(bucket);
    if (before === n) return this.#setHead(bucket, next);
    for (let at = table.ref(before, HASH_NEXT); at !== n; at = table.ref(at, HASH_NEXT)) before = at;
    table.setInt(before, HASH_NEXT, next);
  }

  #bucketOf(hash: number): number {
    const bucket = hash & this.#mask;
    return bucket < this.#split ? hash & ((this.#mask << 1) | 1) : bucket;
  }

  #head(bucket: number): NodeRef {
    return (this.#chunks[bucket >>> CHUNK_SHIFT]![bucket & CHUNK_MASK]! - 1) as NodeRef;
  }

  #setHead(bucket: number, n: NodeRef): void {
    this.#chunks[bucket >>> CHUNK_SHIFT]![bucket & CHUNK_MASK] = n + 1;
  }

  #push(bucket: number, n: NodeRef): void {
    this.#table.setInt(n, HASH_NEXT, this.#head(bucket));
    this.#setHead(bucket, n);
  }

  #splitOne(): void {
    this.#makeRoom();
    const table = this.#table;
    const from = this.#split;
    let n = this.#head(from);
    this.#setHead(from, NO_NODE);
    this.#buckets++;
    this.#split++;
    while (n !== NO_NODE) {
      const next = table.ref(n, HASH_NEXT);
      this.#push(this.#bucketOf(table.int(n, HASH)), n);
      n = next;
    }
    if (this.#split > this.#mask) {
      this.#mask = (this.#mask << 1) | 1;
      this.#split = 0;
    }
  }

  /** Room for bucket number #buckets: the first chunk doubles until it is full-sized. */
  #makeRoom(): void {
    const last = this.#chunks[this.#chunks.length - 1]!;
    if (this.#buckets >= CHUNK_BUCKETS) {
      if ((this.#buckets & CHUNK_MASK) === 0) this.#chunks.push(new Int32Array(CHUNK_BUCKETS));
    } else if (this.#buckets === last.length) {
      const larger = new Int32Array(last.length * 2);
      larger.set(last);
      this.#chunks[0] = larger;
    }
  }

  #equals(n: NodeRef, path: Uint8Array, length: number): boolean {
    const block = this.#table.int(n, PATH_BLOCK);
    const page = this.#slab.page(block);
    const at = this.#slab.offset(block);
    for (let i = 0; i < length; i++) if (page[at + i] !== path[i]) return false;
    return true;
  }
}

/** Four bytes per step, then a finaliser, because buckets are taken from the low bits. */
function hashPath(path: Uint8Array, length: number): number {
  let hash = length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    const word = path[i]! | (path[i + 1]! << 8) | (path[i + 2]! << 16) | (path[i + 3]! << 24);
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; i < length; i++) hash = Math.imul(hash ^ path[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}
