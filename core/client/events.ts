/** What a client tells of its own accord: its state, and what its watches saw. */
import type { Zxid } from "../base/zxid.ts";

/**
 * `connecting` until there is a server to talk to, and again after each loss; `connected`, or `connectedReadOnly` to a
 * server without a quorum. The last three are final. (Java: ZooKeeper.States and Watcher.Event.KeeperState in one.)
 */
export type ClientState = "connecting" | "connected" | "connectedReadOnly" | "expired" | "authFailed" | "closed";

/** Java: Watcher.Event.EventType, under its names. The last three follow a removal. */
export type WatchEventType =
  | "none"
  | "nodeCreated"
  | "nodeDeleted"
  | "nodeDataChanged"
  | "nodeChildrenChanged"
  | "dataWatchRemoved"
  | "childWatchRemoved"
  | "persistentWatchRemoved";

export interface WatchEvent {
  /**
   * `none` tells of the client, not of a node: to every watch that the session is over, and to persistent watches also
   * that the connection was lost and found again: what changed in between was not reported, so read anew.
   */
  readonly type: WatchEventType;
  readonly state: ClientState;
  /** Undefined with type `none`. */
  readonly path: string | undefined;
  /** Of the change; undefined when the server does not say (before 3.9, and after a reconnect). */
  readonly zxid: Zxid | undefined;
}

/** Also a watch's identity: the same function twice on one path is one watch. */
export type WatchListener = (event: WatchEvent) => void;

/** The lists that a client keeps, named as in SetWatches2. `exist` holds watches on nodes that were missing. */
export type WatchKind = "data" | "exist" | "child" | "persistent" | "persistentRecursive";

/** What to remove; `any` is everything on the path. */
export type WatcherType = "children" | "data" | "any" | "persistent" | "persistentRecursive";

export type AddWatchMode = "persistent" | "persistentRecursive";
