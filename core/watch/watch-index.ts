/**
 * One table of watches: path ↔ connection with a set of modes per pair. watch-table.ts owns two of these (data and
 * child) and knows which events go where; this file only keeps the pairs (Java: WatchManager with its WatchStats).
 *
 * Each pair is one object, linked into the list of its path and entered in the map of its watcher, so that all of
 * these cost the same however many there are: arming again, firing one path's watchers, forgetting one watcher.
 */
import type { Zxid } from "../base/zxid.ts";
import { invariant } from "../invariant.ts";

/** A connection, as far as watches go. Its identity is the object. */
export interface Watcher {
  /**
   * `type` is an EventType. `zxid` is the causing txn's, or {@link ZXID_NONE} for an event made up by setWatches. Must
   * not set or remove single watches; leaving altogether ({@link WatchTable.removeWatcher}) is allowed.
   */
  watchFired(type: number, path: string, zxid: Zxid): void;
}

/** Modes are independent of each other: one pair may have all three (3.9; 3.8 kept the last one only). */
export const WatchMode = { standard: 1, persistent: 2, recursive: 4 } as const;
const ANY_MODE = 7;

/** What the table knows of one connection. Kept from its first watch until it leaves. */
export class WatcherRecord {
  readonly watcher: Watcher;
  /** The last event it was told of, or was denied: it hears of one change once (reference, section 6.3). */
  lastEvent = 0;
  left = false;
  data: Map<string, Watch> | undefined = undefined;
  child: Map<string, Watch> | undefined = undefined;

  constructor(watcher: Watcher) {
    this.watcher = watcher;
  }
}

/** One watcher's watch on one path; a node of the path's circular list. */
export class Watch {
  readonly record: WatcherRecord;
  readonly path: string;
  modes: number;
  previous: Watch = this;
  next: Watch = this;

  constructor(record: WatcherRecord, path: string, mode: number) {
    this.record = record;
    this.path = path;
    this.modes = mode;
  }
}

/** Delivers the event at hand to one watcher, once. */
export interface Teller {
  tell(record: WatcherRecord): void;
}

export class WatchIndex {
  readonly #kind: "data" | "child";
  /** The oldest watch of each watched path. */
  readonly #heads = new Map<string, Watch>();
  #size = 0;
  #watchers = 0;
  #recursive = 0;

  constructor(kind: "data" | "child") {
    this.#kind = kind;
  }

  /** Pairs of path and watcher, whatever their modes. */
  get size(): number {
    return this.#size;
  }
  /** Paths with at least one watcher. */
  get paths(): number {
    return this.#heads.size;
  }
  /** Watchers with at least one path. */
  get watchers(): number {
    return this.#watchers;
  }
  /** Pairs in recursive mode: while there are none, events need not look at ancestors. */
  get recursive(): number {
    return this.#recursive;
  }

  head(path: string): Watch | undefined {
    return this.#heads.get(path);
  }
  heads(): Iterable<Watch> {
    return this.#heads.values();
  }
  ofWatcher(record: WatcherRecord): ReadonlyMap<string, Watch> | undefined {
    return this.#kind === "data" ? record.data : record.child;
  }

  add(record: WatcherRecord, path: string, mode: number): void {
    const own = this.#mapOf(record);
    const before = own.get(path);
    if (before !== undefined) {
      if ((mode & ~before.modes & WatchMode.recursive) !== 0) this.#recursive++;
      before.modes |= mode;
      return;
    }
    const head = this.#heads.get(path);
    // The first watcher's string serves all of them: a thousand clients do not keep a thousand copies.
    const watch = new Watch(record, head === undefined ? path : head.path, mode);
    if (head === undefined) this.#heads.set(path, watch);
    else link(watch, head);
    if (own.size === 0) this.#watchers++;
    own.set(watch.path, watch);
    this.#size++;
    if (mode === WatchMode.recursive) this.#recursive++;
  }

  modesOf(record: WatcherRecord, path: string): number {
    return this.ofWatcher(record)?.get(path)?.modes ?? 0;
  }

  /** Takes `modes` off one pair; the pair goes with its last mode. Says whether any of them was set. */
  remove(record: WatcherRecord, path: string, modes: number = ANY_MODE): boolean {
    const watch = this.ofWatcher(record)?.get(path);
    if (watch === undefined || (watch.modes & modes) === 0) return false;
    if ((watch.modes & modes & WatchMode.recursive) !== 0) this.#recursive--;
    watch.modes &= ~modes;
    if (watch.modes === 0) {
      this.#unlink(watch);
      this.#forget(watch);
    }
    return true;
  }

  removeWatcher(record: WatcherRecord): void {
    const own = this.ofWatcher(record);
    if (own === undefined) return;
    for (const watch of own.values()) {
      if ((watch.modes & WatchMode.recursive) !== 0) this.#recursive--;
      this.#unlink(watch);
      this.#size--;
    }
    if (own.size > 0) this.#watchers--;
    if (this.#kind === "data") record.data = undefined;
    else record.child = undefined;
  }

  /**
   * Tells everyone in `head`'s list and takes their standard mode, in one pass. The list is not fit for use until it
   * returns: `teller` must not come back here.
   */
  fire(head: Watch, teller: Teller): void {
    let kept: Watch | undefined;
    let first: Watch | undefined;
    let watch = head;
    do {
      const next = watch.next;
      teller.tell(watch.record);
      watch.modes &= ~WatchMode.standard;
      if (watch.modes === 0) this.#forget(watch);
      else {
        if (kept === undefined) first = watch;
        else {
          kept.next = watch;
          watch.previous = kept;
        }
        kept = watch;
      }
      watch = next;
    } while (watch !== head);
    if (first === undefined || kept === undefined) {
      this.#heads.delete(head.path);
      return;
    }
    kept.next = first;
    first.previous = kept;
    if (first !== head) this.#heads.set(head.path, first);
  }

  /** Tells those in `head`'s list who watch recursively: an event below their path. Nothing is consumed. */
  fireRecursive(head: Watch, teller: Teller): void {
    let watch = head;
    do {
      if ((watch.modes & WatchMode.recursive) !== 0) teller.tell(watch.record);
      watch = watch.next;
    } while (watch !== head);
  }

  #mapOf(record: WatcherRecord): Map<string, Watch> {
    if (this.#kind === "data") return (record.data ??= new Map());
    return (record.child ??= new Map());
  }

  #forget(watch: Watch): void {
    const own = this.#mapOf(watch.record);
    own.delete(watch.path);
    if (own.size === 0) this.#watchers--;
    this.#size--;
    invariant(this.#size >= 0 && this.#watchers >= 0, "a watch is forgotten once");
  }

  #unlink(watch: Watch): void {
    if (watch.next === watch) {
      this.#heads.delete(watch.path);
      return;
    }
    watch.previous.next = watch.next;
    watch.next.previous = watch.previous;
    if (this.#heads.get(watch.path) === watch) this.#heads.set(watch.path, watch.next);
  }
}

/** Puts `watch` at the end of the list that begins with `head`. */
function link(watch: Watch, head: Watch): void {
  const last = head.previous;
  last.next = watch;
  watch.previous = last;
  watch.next = head;
  head.previous = watch;
}
