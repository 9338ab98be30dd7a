/**
 * The watches a client holds: servers forget them with the connection, so this is the registry from which they are set
 * again, and what turns a server's one event into calls of every listener concerned (Java: ZKWatchManager). Paths are
 * server paths, the chroot included.
 */
import { EventType } from "../protocol/headers.ts";
import { WatcherType as WatcherTypes } from "../protocol/requests.ts";
import { badArguments } from "./errors.ts";
import type { WatchKind, WatcherType, WatchListener } from "./events.ts";

/** Path characters in one SetWatches packet, which stays far below the server's frame limit. */
const BATCH_CHARACTERS_MAX = 128 * 1024;

/** One listener is the common case, and a set for each would be most of the memory. */
type Listeners = WatchListener | Set<WatchListener>;

export interface SetWatchesBatch {
  readonly data: string[];
  readonly exist: string[];
  readonly child: string[];
  readonly persistent: string[];
  readonly persistentRecursive: string[];
}

/** What {@link WatchRegistry.planRemoval} found. */
export interface RemovalPlan {
  /** Lists from which the listener (or every listener) goes. Empty: there is no such watch. */
  readonly kinds: readonly WatchKind[];
  /** What to ask of the server, as types of a RemoveWatches request: often nothing, because others still listen. */
  readonly serverTypes: readonly number[];
}

const KINDS: readonly WatchKind[] = ["data", "exist", "child", "persistent", "persistentRecursive"];
const KINDS_OF: Readonly<Record<WatcherType, readonly WatchKind[]>> = {
  children: ["child"],
  data: ["data", "exist"],
  any: KINDS,
  persistent: ["persistent"],
  persistentRecursive: ["persistentRecursive"],
};
/** Throws `BADARGUMENTS`. */
export function requireWatcherType(type: WatcherType, path: string): void {
  if (!Object.hasOwn(KINDS_OF, type)) throw badArguments(`no such type of watch: ${String(type)}`, path);
}

export class WatchRegistry {
  readonly #lists: Readonly<Record<WatchKind, Map<string, Listeners>>> = {
    data: new Map(),
    exist: new Map(),
    child: new Map(),
    persistent: new Map(),
    persistentRecursive: new Map(),
  };

  add(kind: WatchKind, path: string, listener: WatchListener): void {
    const list = this.#lists[kind];
    const present = list.get(path);
    if (present === undefined) list.set(path, listener);
    else if (typeof present !== "function") present.add(listener);
    else if (present !== listener) list.set(path, new Set([present, listener]));
  }

  /** Who is to hear of an event; one-shot watches that it uses up are gone afterwards. Each listener once. */
  takeConcerned(type: number, path: string): Iterable<WatchListener> {
    const concerned = new Set<WatchListener>();
    const lists = this.#lists;
    switch (type) {
      case EventType.nodeCreated:
      case EventType.nodeDataChanged:
        take(lists.data, path, concerned);
        take(lists.exist, path, concerned);
        break;
      case EventType.nodeChildrenChanged:
        take(lists.child, path, concerned);
        break;
      case EventType.nodeDeleted:
        take(lists.data, path, concerned);
        take(lists.exist, path, concerned);
        take(lists.child, path, concerned);
        break;
    }
    addAll(lists.persistent.get(path), concerned);
    // Child events come for the sake of other watches; recursive ones are told by the child's own events.
    if (type !== EventType.nodeChildrenChanged && lists.persistentRecursive.size > 0) {
      for (let at: string | undefined = path; at !== undefined; at = parentOf(at)) {
        addAll(lists.persistentRecursive.get(at), concerned);
      }
    }
    return concerned;
  }

  /** Listeners that may have missed something while there was no connection. */
  persistentListeners(): Iterable<WatchListener> {
    return this.#listenersOf(["persistent", "persistentRecursive"]);
  }

  /** Empties the registry. */
  takeAll(): Iterable<WatchListener> {
    const all = this.#listenersOf(KINDS);
    for (const kind of KINDS) this.#lists[kind].clear();
    return all;
  }

  /** `listener` undefined: all of them. */
  planRemoval(path: string, type: WatcherType, listener: WatchListener | undefined): RemovalPlan {
    const kinds = KINDS_OF[type].filter((kind) => includes(this.#lists[kind].get(path), listener));
    const emptied = (kind: WatchKind): boolean => {
      const present = this.#lists[kind].get(path);
      if (present === undefined) return true;
      const leaves = kinds.includes(kind);
      return leaves && (listener === undefined || typeof present === "function" || present.size === 1);
    };
    if (kinds.length === 0) return { kinds, serverTypes: [] };
    if (KINDS.every(emptied)) return { kinds, serverTypes: [WatcherTypes.any] };
    const serverTypes: number[] = [];
    for (const kind of ["persistent", "persistentRecursive"] as const) {
      if (kinds.includes(kind) && emptied(kind)) serverTypes.push(WatcherTypes[kind]);
    }
    // 3.8 keeps one mode per path and table: taking a one-shot watch away would take a persistent one with it. A
    // one-shot watch left behind costs one event that nobody hears.
    if (emptied("persistent") && emptied("persistentRecursive")) {
      if (emptied("child") && kinds.includes("child")) serverTypes.push(WatcherTypes.children);
      if (emptied("data") && emptied("exist") && (kinds.includes("data") || kinds.includes("exist"))) {
        serverTypes.push(WatcherTypes.data);
      }
    }
    return { kinds, serverTypes };
  }

  /** Returns who was removed, by list. */
  remove(path: string, kinds: readonly WatchKind[], listener: WatchListener | undefined): [WatchKind, WatchListener][] {
    const removed: [WatchKind, WatchListener][] = [];
    for (const kind of kinds) {
      const list = this.#lists[kind];
      const present = list.get(path);
      if (!includes(present, listener)) continue;
      if (listener === undefined || typeof present === "function" || present!.size === 1) {
        list.delete(path);
        const all = new Set<WatchListener>();
        addAll(present, all);
        for (const each of all) removed.push([kind, each]);
      } else {
        (present as Set<WatchListener>).delete(listener);
        removed.push([kind, listener]);
      }
    }
    return removed;
  }

  /** Everything that is watched, for setting it again on a new connection. */
  batches(): SetWatchesBatch[] {
    const batches: SetWatchesBatch[] = [];
    let batch: SetWatchesBatch | undefined;
    let characters = 0;
    for (const kind of KINDS) {
      for (const path of this.#lists[kind].keys()) {
        if (batch === undefined || characters + path.length > BATCH_CHARACTERS_MAX) {
          batch = { data: [], exist: [], child: [], persistent: [], persistentRecursive: [] };
          batches.push(batch);
          characters = 0;
        }
        batch[kind].push(path);
        characters += path.length;
      }
    }
    return batches;
  }

  #listenersOf(kinds: readonly WatchKind[]): Set<WatchListener> {
    const all = new Set<WatchListener>();
    for (const kind of kinds) for (const listeners of this.#lists[kind].values()) addAll(listeners, all);
    return all;
  }
}

function take(list: Map<string, Listeners>, path: string, into: Set<WatchListener>): void {
  const present = list.get(path);
  if (present === undefined) return;
  list.delete(path);
  addAll(present, into);
}

function addAll(listeners: Listeners | undefined, into: Set<WatchListener>): void {
  if (listeners === undefined) return;
  if (typeof listeners === "function") into.add(listeners);
  else for (const listener of listeners) into.add(listener);
}

function includes(listeners: Listeners | undefined, listener: WatchListener | undefined): boolean {
  if (listeners === undefined) return false;
  if (listener === undefined) return true;
  return typeof listeners === "function" ? listeners === listener : listeners.has(listener);
}

function parentOf(path: string): string | undefined {
  if (path.length <= 1) return undefined;
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}
