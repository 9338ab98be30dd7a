/**
 * Memory for path and data bytes: blocks in size classes, in pages of at most 64 KiB that belong to one class each.
 * A million nodes cost no JS object per node, and a page whose last block is freed goes back to the runtime. Pages
 * start small and double, because a simulation holds thousands of trees with a handful of nodes.
 *
 * Owns the blocks; what is in them, and how long a value is, is the caller's business.
 */
import { invariant } from "../invariant.ts";

/** A block: page number and offset in granules of 8 bytes. Only meaningful to the slab that gave it. */
export type BlockRef = number;

const GRANULE_SHIFT = 3;
const OFFSET_BITS = 13;
const OFFSET_MASK = (1 << OFFSET_BITS) - 1;
const PAGE_BYTES_MAX = 1 << (OFFSET_BITS + GRANULE_SHIFT);
const PAGE_BYTES_MIN = 64;
/** 2^19 pages of 64 KiB: 32 GiB. */
const PAGES_MAX = 1 << 19;
const BLOCK_BYTES_MAX = 16384;
const CLASSES = 44;
const CLASS_LARGE = -1;
const NO_BLOCK = -1;
/** Below this a loop beats the call into the runtime that TypedArray.set is. */
const COPY_LOOP_MAX = 48;
const COPY_OUT_LOOP_MAX = 96;

const NO_BYTES = new Uint8Array(0);

/** The class of a length: multiples of 8 up to 128, then four classes per doubling. */
function classOf(length: number): number {
  if (length <= 128) return length === 0 ? 0 : (length - 1) >>> 3;
  const top = 31 - Math.clz32(length - 1);
  return 16 + ((top - 7) << 2) + ((length - 1) >>> (top - 2)) - 4;
}

const CLASS_BYTES: readonly number[] = Array.from({ length: CLASSES }, (_, index) =>
  index < 16 ? (index + 1) << 3 : (5 + (index & 3)) << (5 + ((index - 16) >> 2)),
);

/** One page's bookkeeping. Pages with room are in a doubly linked list per class. */
class Page {
  readonly index: number;
  readonly sizeClass: number;
  readonly blocks: number;
  used = 0;
  /** Where never used blocks begin, in bytes. */
  fresh = 0;
  /** The first freed block's offset in bytes; each freed block holds the next one's in its first four bytes. */
  freed: number = NO_BLOCK;
  previous: Page | undefined = undefined;
  next: Page | undefined = undefined;

  constructor(index: number, sizeClass: number, blocks: number) {
    this.index = index;
    this.sizeClass = sizeClass;
    this.blocks = blocks;
  }
}

export class Slab {
  /** The bytes of each page, by page number: what {@link Slab.page} reads on every hot path. */
  readonly #bytes: Uint8Array[] = [];
  readonly #pages: (Page | undefined)[] = [];
  readonly #freeIndexes: number[] = [];
  /** Per class: the first page with room, and how large the next page will be. */
  readonly #roomy: (Page | undefined)[] = [];
  readonly #nextPageBytes: number[] = [];
  #reserved = 0;

  /** Bytes held from the runtime, used or not. */
  get reservedBytes(): number {
    return this.#reserved;
  }

  /** The page a block is in. Valid until the block is freed. */
  page(block: BlockRef): Uint8Array {
    return this.#bytes[block >>> OFFSET_BITS]!;
  }

  /** Where in its page a block begins. */
  offset(block: BlockRef): number {
    return (block & OFFSET_MASK) << GRANULE_SHIFT;
  }

  /** A block of at least `length` bytes, with unspecified contents. */
  allocate(length: number): BlockRef {
    if (length > BLOCK_BYTES_MAX) return this.#addPage(CLASS_LARGE, length, 1).index << OFFSET_BITS;
    const sizeClass = classOf(length);
    const page = this.#roomy[sizeClass] ?? this.#addClassPage(sizeClass);
    let at = page.freed;
    if (at === NO_BLOCK) {
      at = page.fresh;
      page.fresh = at + CLASS_BYTES[sizeClass]!;
    } else {
      page.freed = readInt(this.#bytes[page.index]!, at);
    }
    page.used++;
    if (page.used === page.blocks) this.#unlink(page);
    return (page.index << OFFSET_BITS) | (at >>> GRANULE_SHIFT);
  }

  /** A block holding a copy of `bytes[start, end)`. */
  store(bytes: Uint8Array, start: number, end: number): BlockRef {
    const block = this.allocate(end - start);
    this.write(block, bytes, start, end);
    return block;
  }

  /** Overwrites the beginning of a block. */
  write(block: BlockRef, bytes: Uint8Array, start: number, end: number): void {
    const page = this.page(block);
    const at = this.offset(block);
    if (end - start <= COPY_LOOP_MAX) {
      for (let i = start; i < end; i++) page[at + i - start] = bytes[i]!;
    } else {
      page.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at);
    }
  }

  /** Copies the first `length` bytes of a block to `target[at…]`. */
  read(block: BlockRef, length: number, target: Uint8Array, at: number): void {
    const page = this.page(block);
    const start = this.offset(block);
    if (length <= COPY_OUT_LOOP_MAX) for (let i = 0; i < length; i++) target[at + i] = page[start + i]!;
    else target.set(page.subarray(start, start + length), at);
  }

  /** Whether a value of `length` bytes may stay in a block that was allocated for `capacity` bytes. */
  fits(capacity: number, length: number): boolean {
    if (capacity > BLOCK_BYTES_MAX) return length === capacity;
    return length <= BLOCK_BYTES_MAX && classOf(length) === classOf(capacity);
  }

  free(block: BlockRef): void {
    const page = this.#pages[block >>> OFFSET_BITS]!;
    page.used--;
    if (page.used === 0 && this.#dropIfSpare(page)) return;
    const at = this.offset(block);
    writeInt(this.#bytes[page.index]!, at, page.freed);
    page.freed = at;
    if (page.used === page.blocks - 1) this.#link(page);
  }

  #addClassPage(sizeClass: number): Page {
    const size = CLASS_BYTES[sizeClass]!;
    const wanted = this.#nextPageBytes[sizeClass] ?? PAGE_BYTES_MIN;
    this.#nextPageBytes[sizeClass] = Math.min(wanted * 2, PAGE_BYTES_MAX);
    const blocks = Math.max(1, Math.floor(wanted / size));
    const page = this.#addPage(sizeClass, blocks * size, blocks);
    this.#link(page);
    return page;
  }

  #addPage(sizeClass: number, bytes: number, blocks: number): Page {
    const index = this.#freeIndexes.pop() ?? this.#bytes.length;
    invariant(index < PAGES_MAX, "the tree fits in the slab's pages");
    const page = new Page(index, sizeClass, blocks);
    if (sizeClass === CLASS_LARGE) page.used = 1;
    this.#bytes[index] = new Uint8Array(bytes);
    this.#pages[index] = page;
    this.#reserved += bytes;
    return page;
  }

  /** Gives an empty page back, unless it is its class's only page with room: that one would be asked for again. */
  #dropIfSpare(page: Page): boolean {
    if (page.sizeClass !== CLASS_LARGE) {
      if (page.blocks > 1 && page.previous === undefined && page.next === undefined) return false;
      if (page.blocks > 1) this.#unlink(page);
    }
    this.#reserved -= this.#bytes[page.index]!.length;
    this.#bytes[page.index] = NO_BYTES;
    this.#pages[page.index] = undefined;
    this.#freeIndexes.push(page.index);
    return true;
  }

  #link(page: Page): void {
    const first = this.#roomy[page.sizeClass];
    page.next = first;
    if (first !== undefined) first.previous = page;
    this.#roomy[page.sizeClass] = page;
  }

  #unlink(page: Page): void {
    if (page.previous === undefined) this.#roomy[page.sizeClass] = page.next;
    else page.previous.next = page.next;
    if (page.next !== undefined) page.next.previous = page.previous;
    page.previous = undefined;
    page.next = undefined;
  }
}

function readInt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function writeInt(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
