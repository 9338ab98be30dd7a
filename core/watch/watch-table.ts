/**
 * All watches of one server: who is told what when a txn is applied (Java: DataTree's two WatchManagers and its calls
 * of triggerWatch; reference, section 6, in the form modes have since 3.9). Owns the tables, the order of events and
 * the rule that a connection hears of one change once. Leaves to others: sending (a {@link Watcher}'s business),
 * registering atomically with a read (pipeline), catching up after a reconnect (catch-up.ts), printing (dump.ts).
 *
 * With nobody watching, an event costs two comparisons.
 */
import type { Zxid } from "../base/zxid.ts";
import { invariant } from "../invariant.ts";
import { EventType } from "../protocol/headers.ts";
import { WatcherType } from "../protocol/requests.ts";
import { WatchIndex, WatchMode, WatcherRecord } from "./watch-index.ts";
import type { Teller, Watch, Watcher } from "./watch-index.ts";

export type { Watcher } from "./watch-index.ts";

export { WatcherType } from "../protocol/requests.ts";

export function isWatcherType(value: number): value is WatcherType {
  return Number.isInteger(value) && value >= WatcherType.children && value <= WatcherType.persistentRecursive;
}

/** The zxid of an event that no txn caused. */
export const ZXID_NONE: Zxid = -1 as Zxid;

/**
 * The read check before delivery (reference, section 6.4). `acl` is the number of an access list in the tree's cache:
 * that of the node the event is about.
 */
export interface ReadCheck {
  /** Whether nobody needs to be asked: skipACL, or the list lets the world read. Asked once per event. */
  anyoneMayRead(acl: number): boolean;
  mayRead(watcher: Watcher, acl: number): boolean;
}
/** For those who do not check. */
export const READ_ALL: ReadCheck = { anyoneMayRead: () => true, mayRead: () => true };

export class WatchTable {
  readonly #data = new WatchIndex("data");
  readonly #child = new WatchIndex("child");
  readonly #records = new Map<Watcher, WatcherRecord>();
  readonly #delivery: Delivery;

  constructor(check: ReadCheck) {
    this.#delivery = new Delivery(check);
  }

  /** True when no event can reach anybody: callers may then skip preparing one. */
  get isEmpty(): boolean {
    return this.#data.size === 0 && this.#child.size === 0;
  }

  /** What exists and getData arm. */
  addData(path: string, watcher: Watcher): void {
    this.#data.add(this.#recordOf(watcher), path, WatchMode.standard);
  }
  /** What getChildren and getChildren2 arm. */
  addChild(path: string, watcher: Watcher): void {
    this.#child.add(this.#recordOf(watcher), path, WatchMode.standard);
  }
  /** addWatch. A recursive watch is a data watch only: it never hears of NodeChildrenChanged. */
  addPersistent(path: string, watcher: Watcher, recursive: boolean): void {
    const record = this.#recordOf(watcher);
    if (recursive) return this.#data.add(record, path, WatchMode.recursive);
    this.#data.add(record, path, WatchMode.persistent);
    this.#child.add(record, path, WatchMode.persistent);
  }

  /** removeWatches. False when there was nothing to remove: the answer is then NOWATCHER. */
  remove(path: string, watcher: Watcher, type: WatcherType): boolean {
    invariant(!this.#delivery.busy, "watches stay as they are while an event is delivered");
    const record = this.#records.get(watcher);
    if (record === undefined) return false;
    switch (type) {
      case WatcherType.children:
        return this.#child.remove(record, path, WatchMode.standard);
      case WatcherType.data:
        return this.#data.remove(record, path, WatchMode.standard);
      case WatcherType.persistentRecursive:
        return this.#data.remove(record, path, WatchMode.recursive);
      case WatcherType.persistent: {
        const data = this.#data.remove(record, path, WatchMode.persistent);
        return this.#child.remove(record, path, WatchMode.persistent) || data;
      }
      case WatcherType.any: {
        const data = this.#data.remove(record, path);
        return this.#child.remove(record, path) || data;
      }
    }
  }

  /** checkWatches: whether {@link remove} would find anything. Other connections' watches do not count. */
  has(path: string, watcher: Watcher, type: WatcherType): boolean {
    const record = this.#records.get(watcher);
    if (record === undefined) return false;
    const data = this.#data.modesOf(record, path);
    const child = this.#child.modesOf(record, path);
    switch (type) {
      case WatcherType.children:
        return (child & WatchMode.standard) !== 0;
      case WatcherType.data:
        return (data & WatchMode.standard) !== 0;
      case WatcherType.persistentRecursive:
        return (data & WatchMode.recursive) !== 0;
      case WatcherType.persistent:
        return ((data | child) & WatchMode.persistent) !== 0;
      case WatcherType.any:
        return (data | child) !== 0;
    }
  }

  /**
   * The connection is gone, and every watch with it. Must be called for everyone who ever watched. Called from within
   * `watchFired`, it takes effect when the event at hand has been delivered; the leaver hears no more.
   */
  removeWatcher(watcher: Watcher): void {
    const record = this.#records.get(watcher);
    if (record === undefined) return;
    record.left = true;
    if (this.#delivery.busy) {
      this.#delivery.leavers.push(record);
      return;
    }
    this.#forget(record);
  }

  /** `acl` and `parentAcl`: the lists of the new node and of its parent. */
  onCreated(path: string, zxid: Zxid, acl: number, parentAcl: number): void {
    if (this.#data.size !== 0) this.#fireData(EventType.nodeCreated, path, zxid, acl);
    if (this.#child.size !== 0) this.#fireChildrenChanged(path, zxid, parentAcl);
  }

  onDataChanged(path: string, zxid: Zxid, acl: number): void {
    if (this.#data.size !== 0) this.#fireData(EventType.nodeDataChanged, path, zxid, acl);
  }

  /** `acl` is the list the node last had. */
  onDeleted(path: string, zxid: Zxid, acl: number, parentAcl: number): void {
    if (this.#data.size !== 0) this.#fireData(EventType.nodeDeleted, path, zxid, acl);
    else this.#delivery.next();
    if (this.#child.size === 0) return;
    // Still the same event: whoever heard of it as a data watcher does not hear again as a child watcher.
    this.#fireChild(EventType.nodeDeleted, path, zxid, acl);
    this.#fireChildrenChanged(path, zxid, parentAcl);
  }

  /** Data and child watches together, one per connection and path (mntr: watch_count). */
  get count(): number {
    return this.#data.size + this.#child.size;
  }
  /** The data table's figures: all that wchs counts. */
  get dataWatches(): number {
    return this.#data.size;
  }
  get dataPaths(): number {
    return this.#data.paths;
  }
  get dataWatchers(): number {
    return this.#data.watchers;
  }

  /** Data watches by path, for wchp: in the order in which paths came to be watched, watchers likewise. */
  *dataByPath(): Iterable<readonly [path: string, watchers: readonly Watcher[]]> {
    for (const head of this.#data.heads()) {
      const watchers: Watcher[] = [];
      let watch: Watch = head;
      do {
        watchers.push(watch.record.watcher);
        watch = watch.next;
      } while (watch !== head);
      yield [head.path, watchers];
    }
  }
  /** Data watches by watcher, for wchc. */
  *dataByWatcher(): Iterable<readonly [watcher: Watcher, paths: Iterable<string>]> {
    for (const record of this.#records.values()) {
      const own = this.#data.ofWatcher(record);
      if (own !== undefined && own.size > 0) yield [record.watcher, own.keys()];
    }
  }

  #recordOf(watcher: Watcher): WatcherRecord {
    invariant(!this.#delivery.busy, "watches stay as they are while an event is delivered");
    let record = this.#records.get(watcher);
    if (record === undefined) {
      record = new WatcherRecord(watcher);
      this.#records.set(watcher, record);
    }
    return record;
  }

  #forget(record: WatcherRecord): void {
    this.#data.removeWatcher(record);
    this.#child.removeWatcher(record);
    this.#records.delete(record.watcher);
  }

  #fireData(type: number, path: string, zxid: Zxid, acl: number): void {
    const delivery = this.#delivery;
    delivery.next();
    const head = this.#data.head(path);
    if (head === undefined && this.#data.recursive === 0) return;
    delivery.begin(type, path, zxid, acl);
    if (head !== undefined) this.#data.fire(head, delivery);
    if (this.#data.recursive > 0) this.#fireAncestors(path, delivery);
    this.#finish();
  }

  /** Recursive watches on `path`'s ancestors up to `/`. On `path` itself they fired with all others. */
  #fireAncestors(path: string, delivery: Delivery): void {
    for (let end = path.lastIndexOf("/"); end >= 0 && path.length > 1; end = path.lastIndexOf("/", end - 1)) {
      const head = this.#data.head(end === 0 ? "/" : path.slice(0, end));
      if (head !== undefined) this.#data.fireRecursive(head, delivery);
      if (end === 0) return;
    }
  }

  #fireChildrenChanged(path: string, zxid: Zxid, parentAcl: number): void {
    this.#delivery.next();
    const end = path.lastIndexOf("/");
    this.#fireChild(EventType.nodeChildrenChanged, end <= 0 ? "/" : path.slice(0, end), zxid, parentAcl);
  }

  #fireChild(type: number, path: string, zxid: Zxid, acl: number): void {
    const head = this.#child.head(path);
    if (head === undefined) return;
    // The table's own string: `path` may be a slice that would keep the whole txn alive in a queue.
    this.#delivery.begin(type, head.path, zxid, acl);
    this.#child.fire(head, this.#delivery);
    this.#finish();
  }

  #finish(): void {
    const { leavers } = this.#delivery;
    this.#delivery.busy = false;
    if (leavers.length === 0) return;
    for (const record of leavers) this.#forget(record);
    leavers.length = 0;
  }
}

/** The event being delivered. One object, reused, so that firing allocates nothing. */
class Delivery implements Teller {
  readonly #check: ReadCheck;
  /** Counts changes: NodeDeleted in both tables is one. */
  #event = 0;
  #type = 0;
  #path = "";
  #zxid: Zxid = ZXID_NONE;
  #acl = 0;
  #open = true;
  busy = false;
  /** Who called `removeWatcher` meanwhile. */
  readonly leavers: WatcherRecord[] = [];

  constructor(check: ReadCheck) {
    this.#check = check;
  }

  next(): void {
    this.#event++;
  }

  begin(type: number, path: string, zxid: Zxid, acl: number): void {
    invariant(!this.busy, "one event is delivered at a time");
    this.busy = true;
    this.#type = type;
    this.#path = path;
    this.#zxid = zxid;
    this.#acl = acl;
    this.#open = this.#check.anyoneMayRead(acl);
  }

  tell(record: WatcherRecord): void {
    if (record.lastEvent === this.#event || record.left) return;
    record.lastEvent = this.#event;
    if (this.#open || this.#check.mayRead(record.watcher, this.#acl)) {
      record.watcher.watchFired(this.#type, this.#path, this.#zxid);
    }
  }
}
