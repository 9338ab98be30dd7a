/**
 * Who hears what: between the server's notifications, the registry of watches and the application's listeners (Java:
 * ClientCnxn's EventThread and WatchDeregistration). Events are made here, with the paths that the application knows.
 */
import type { Zxid } from "../base/zxid.ts";
import { Code } from "../protocol/codes.ts";
import { EventType } from "../protocol/headers.ts";
import type { Completion } from "./calls.ts";
import { ZooKeeperError } from "./errors.ts";
import type { ClientState, WatchEvent, WatchEventType, WatcherType, WatchListener } from "./events.ts";
import type { Operation } from "./operations.ts";
import type { Chroot } from "./paths.ts";
import { WatchRegistry } from "./watches.ts";
import type { SetWatchesBatch } from "./watches.ts";

export type FireWatch = (listener: WatchListener, event: WatchEvent) => void;
/** Sends a RemoveWatches request of a type. */
export type AskServer = (serverType: number, completion: Completion<unknown>) => void;

const EVENT_NAMES: ReadonlyMap<number, WatchEventType> = new Map<number, WatchEventType>([
  [EventType.nodeCreated, "nodeCreated"],
  [EventType.nodeDeleted, "nodeDeleted"],
  [EventType.nodeDataChanged, "nodeDataChanged"],
  [EventType.nodeChildrenChanged, "nodeChildrenChanged"],
]);
const REMOVED = {
  data: "dataWatchRemoved",
  exist: "dataWatchRemoved",
  child: "childWatchRemoved",
  persistent: "persistentWatchRemoved",
  persistentRecursive: "persistentWatchRemoved",
} as const;

export class Watching {
  /** As listeners are told it; the client keeps it current. */
  state: ClientState = "connecting";
  readonly #registry: WatchRegistry = new WatchRegistry();
  readonly #root: Chroot;
  readonly #fireWatch: FireWatch;

  constructor(root: Chroot, fireWatch: FireWatch) {
    this.#root = root;
    this.#fireWatch = fireWatch;
  }

  /** The server has carried out `operation`, and with it set the watch that it asked for. */
  wasSet(operation: Operation<unknown>, nodeMissing: boolean): void {
    const { watch, path } = operation;
    if (watch === undefined || path === undefined) return;
    const serverPath = operation.absolute === true ? path : this.#root.toServer(path);
    this.#registry.add(nodeMissing ? "exist" : watch.kind, serverPath, watch.listener);
  }

  /** Types that we do not know concern nobody. */
  notified(type: number, serverPath: string, zxid: Zxid): void {
    const name = EVENT_NAMES.get(type);
    if (name === undefined) return;
    const listeners = this.#registry.takeConcerned(type, serverPath);
    this.#fire(listeners, name, this.#root.toClient(serverPath), zxid > 0 ? zxid : undefined);
  }

  /** What is to be set again on a new connection. */
  batches(): SetWatchesBatch[] {
    return this.#registry.batches();
  }

  /** The connection is back: what happened in between, persistent watches will never hear. */
  tellOfGap(): void {
    this.#fire(this.#registry.persistentListeners(), "none", undefined, undefined);
  }

  /** The session is over, and with it every watch. */
  tellOfEnd(): void {
    this.#fire(this.#registry.takeAll(), "none", undefined, undefined);
  }

  /** `listener` undefined: everybody's. `ask` undefined: there is no connection, hence no watch on any server. */
  remove(
    path: string,
    type: WatcherType,
    listener: WatchListener | undefined,
    ask: AskServer | undefined,
    completion: Completion<void>,
  ): void {
    const serverPath = this.#root.toServer(path);
    const { kinds, serverTypes } = this.#registry.planRemoval(serverPath, type, listener);
    if (kinds.length === 0) return completion.reject(new ZooKeeperError(Code.NOWATCHER, path));
    const finish = (refused: ZooKeeperError | undefined): void => {
      const removed = this.#registry.remove(serverPath, kinds, listener);
      for (const [kind, gone] of removed) this.#fire([gone], REMOVED[kind], path, undefined);
      // The watch may have been used up on the way; then its event has been told.
      if (removed.length === 0 && refused !== undefined) completion.reject(refused);
      else completion.resolve();
    };
    if (ask === undefined || serverTypes.length === 0) return finish(undefined);
    // A refusal changes nothing: with the connection the server forgets its watches, 3.8 does not know every type, and
    // what nobody here listens to any more is dropped.
    let left = serverTypes.length;
    let refused: ZooKeeperError | undefined;
    const settled = (error: ZooKeeperError | undefined): void => {
      refused ??= error;
      if (--left === 0) finish(refused);
    };
    const each: Completion<unknown> = { resolve: () => settled(undefined), reject: settled };
    for (const serverType of serverTypes) ask(serverType, each);
  }

  #fire(
    listeners: Iterable<WatchListener>,
    type: WatchEventType,
    path: string | undefined,
    zxid: Zxid | undefined,
  ): void {
    let event: WatchEvent | undefined;
    for (const listener of listeners) {
      event ??= { type, state: this.state, path, zxid };
      this.#fireWatch(listener, event);
    }
  }
}
