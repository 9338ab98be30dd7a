/**
 * A walk over the tree that survives mutation between its steps: what a fuzzy snapshot is written from (reference,
 * section 8.6). A node is returned after its parent was; a node created after its parent was returned is not
 * returned at all, because new children are linked in front of those the walk still has to visit.
 */
import { FIRST_CHILD, NEXT_SIBLING, NO_NODE, type NodeRef, type NodeTable, PARENT, ROOT } from "./node-table.ts";

/** Where cursors learn of removals. */
export class CursorRegistry {
  readonly #table: NodeTable;
  readonly #cursors: PreorderCursor[] = [];

  constructor(table: NodeTable) {
    this.#table = table;
  }

  get size(): number {
    return this.#cursors.length;
  }

  open(cursor: PreorderCursor): NodeTable {
    this.#cursors.push(cursor);
    return this.#table;
  }

  close(cursor: PreorderCursor): void {
    const at = this.#cursors.indexOf(cursor);
    if (at >= 0) this.#cursors.splice(at, 1);
  }

  /** Before a leaf is unlinked. */
  onRemoving(n: NodeRef): void {
    for (const cursor of this.#cursors) cursor.onRemoving(n);
  }
}

/** What a cursor can be opened on: the tree. */
export interface CursorSource {
  readonly cursors: CursorRegistry;
}

export class PreorderCursor {
  readonly #registry: CursorRegistry;
  readonly #table: NodeTable;
  #next: NodeRef = ROOT;

  /** Registers with the tree until the walk has ended or {@link PreorderCursor.close} is called. */
  constructor(tree: CursorSource) {
    this.#registry = tree.cursors;
    this.#table = tree.cursors.open(this);
  }

  /** The next node, or NO_NODE at the end. */
  next(): NodeRef {
    const n = this.#next;
    if (n === NO_NODE) return NO_NODE;
    // Decided now, not at the next step: a child created in between must stay unvisited, since its parent's record
    // has been taken without it.
    const child = this.#table.ref(n, FIRST_CHILD);
    this.#next = child === NO_NODE ? this.#after(n) : child;
    if (this.#next === NO_NODE) this.close();
    return n;
  }

  close(): void {
    this.#next = NO_NODE;
    this.#registry.close(this);
  }

  onRemoving(n: NodeRef): void {
    if (n === this.#next) this.#next = this.#after(n);
  }

  /** The first node in preorder that is not below `n`. */
  #after(n: NodeRef): NodeRef {
    let at = n;
    while (at !== ROOT) {
      const sibling = this.#table.ref(at, NEXT_SIBLING);
      if (sibling !== NO_NODE) return sibling;
      at = this.#table.ref(at, PARENT);
    }
    return NO_NODE;
  }
}
