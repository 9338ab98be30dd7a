/**
 * Which nodes belong to which session, and which are containers or TTL nodes (Java: DataTree's ephemerals,
 * containers and ttls). Lists are linked through the records, newest first.
 */
import {
  NO_NODE,
  type NodeRef,
  type NodeTable,
  OWNER_HIGH,
  OWNER_LOW,
  OWNER_NEXT,
  OWNER_PREVIOUS,
} from "./node-table.ts";
import { OwnerKind, type OwnerOptions, ownerKindOf, ownerOf } from "./owner.ts";

export class OwnerLists {
  readonly #table: NodeTable;
  readonly #options: OwnerOptions;
  readonly #sessions = new Map<bigint, NodeRef>();
  #firstContainer: NodeRef = NO_NODE;
  #firstTtl: NodeRef = NO_NODE;
  /** Nodes that belong to sessions. */
  ephemeralCount = 0;
  containerCount = 0;
  ttlCount = 0;

  constructor(table: NodeTable, options: OwnerOptions) {
    this.#table = table;
    this.#options = options;
  }

  kindOf(n: NodeRef): OwnerKind {
    return ownerKindOf(this.#table.int(n, OWNER_HIGH), this.#table.int(n, OWNER_LOW), this.#options);
  }

  add(n: NodeRef): void {
    const kind = this.kindOf(n);
    if (kind === OwnerKind.none) return;
    this.#count(kind, 1);
    const first = this.#first(n, kind);
    this.#table.setInt(n, OWNER_NEXT, first);
    this.#table.setInt(n, OWNER_PREVIOUS, NO_NODE);
    if (first !== NO_NODE) this.#table.setInt(first, OWNER_PREVIOUS, n);
    this.#setFirst(n, kind, n);
  }

  remove(n: NodeRef): void {
    const kind = this.kindOf(n);
    if (kind === OwnerKind.none) return;
    this.#count(kind, -1);
    const next = this.#table.ref(n, OWNER_NEXT);
    const previous = this.#table.ref(n, OWNER_PREVIOUS);
    if (next !== NO_NODE) this.#table.setInt(next, OWNER_PREVIOUS, previous);
    if (previous !== NO_NODE) this.#table.setInt(previous, OWNER_NEXT, next);
    else this.#setFirst(n, kind, next);
  }

  sessions(): IterableIterator<bigint> {
    return this.#sessions.keys();
  }

  /** A session's newest ephemeral; follow {@link OwnerLists.next} from there. */
  firstOf(session: bigint): NodeRef {
    return this.#sessions.get(session) ?? NO_NODE;
  }

  next(n: NodeRef): NodeRef {
    return this.#table.ref(n, OWNER_NEXT);
  }

  *containers(): IterableIterator<NodeRef> {
    for (let n = this.#firstContainer; n !== NO_NODE; n = this.next(n)) yield n;
  }

  *ttls(): IterableIterator<NodeRef> {
    for (let n = this.#firstTtl; n !== NO_NODE; n = this.next(n)) yield n;
  }

  #owner(n: NodeRef): bigint {
    return ownerOf(this.#table.int(n, OWNER_HIGH), this.#table.int(n, OWNER_LOW));
  }

  #first(n: NodeRef, kind: OwnerKind): NodeRef {
    if (kind === OwnerKind.container) return this.#firstContainer;
    if (kind === OwnerKind.ttl) return this.#firstTtl;
    return this.firstOf(this.#owner(n));
  }

  #setFirst(n: NodeRef, kind: OwnerKind, first: NodeRef): void {
    if (kind === OwnerKind.container) this.#firstContainer = first;
    else if (kind === OwnerKind.ttl) this.#firstTtl = first;
    else if (first === NO_NODE) this.#sessions.delete(this.#owner(n));
    else this.#sessions.set(this.#owner(n), first);
  }

  #count(kind: OwnerKind, change: number): void {
    if (kind === OwnerKind.session) this.ephemeralCount += change;
    else if (kind === OwnerKind.container) this.containerCount += change;
    else this.ttlCount += change;
  }
}
