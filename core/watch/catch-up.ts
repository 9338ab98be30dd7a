/**
 * setWatches and setWatches2: a client that comes back lists its watches and the last zxid it saw; what it missed is
 * told at once, the rest is armed again (Java: DataTree.setWatches; reference, section 6.5). No read check, no merging
 * of duplicates, zxid -1. Persistent watches are only armed: their clients must look for themselves.
 */
import type { Zxid } from "../base/zxid.ts";
import { EventType } from "../protocol/headers.ts";
import { ZXID_NONE } from "./watch-table.ts";
import type { WatchTable, Watcher } from "./watch-table.ts";

type Paths = readonly (string | null)[] | null;

/** The requests' bodies; setWatches is one without the persistent lists. */
export interface CatchUpRequest {
  /** The last zxid the client saw. */
  readonly relativeZxid: Zxid;
  readonly dataWatches: Paths;
  readonly existWatches: Paths;
  readonly childWatches: Paths;
  readonly persistentWatches?: Paths;
  readonly persistentRecursiveWatches?: Paths;
}

/** What has to be known of a node; undefined when there is none. */
export interface NodeZxids {
  mzxidOf(path: string): Zxid | undefined;
  pzxidOf(path: string): Zxid | undefined;
}

/** False, with nothing done, when a vector or a path is null: the answer is then MARSHALLINGERROR. */
export function catchUp(watches: WatchTable, watcher: Watcher, request: CatchUpRequest, nodes: NodeZxids): boolean {
  const { relativeZxid, dataWatches, existWatches, childWatches } = request;
  const { persistentWatches = NO_PATHS, persistentRecursiveWatches = NO_PATHS } = request;
  if (!allSet(dataWatches) || !allSet(existWatches) || !allSet(childWatches)) return false;
  if (!allSet(persistentWatches) || !allSet(persistentRecursiveWatches)) return false;

  // Arm first, tell afterwards: a connection that drops itself over an event must not be armed again after that.
  const missed: [type: number, path: string][] = [];
  for (const path of dataWatches) {
    const mzxid = nodes.mzxidOf(path);
    if (mzxid === undefined) missed.push([EventType.nodeDeleted, path]);
    else if (mzxid > relativeZxid) missed.push([EventType.nodeDataChanged, path]);
    else watches.addData(path, watcher);
  }
  for (const path of existWatches) {
    // Armed only while the node was missing: that it is there now is news, whenever it came.
    if (nodes.mzxidOf(path) !== undefined) missed.push([EventType.nodeCreated, path]);
    else watches.addData(path, watcher);
  }
  for (const path of childWatches) {
    const pzxid = nodes.pzxidOf(path);
    if (pzxid === undefined) missed.push([EventType.nodeDeleted, path]);
    else if (pzxid > relativeZxid) missed.push([EventType.nodeChildrenChanged, path]);
    else watches.addChild(path, watcher);
  }
  for (const path of persistentWatches) watches.addPersistent(path, watcher, false);
  for (const path of persistentRecursiveWatches) watches.addPersistent(path, watcher, true);
  for (const [type, path] of missed) watcher.watchFired(type, path, ZXID_NONE);
  return true;
}

const NO_PATHS: readonly string[] = [];

function allSet(paths: Paths): paths is readonly string[] {
  return paths !== null && paths.every((path) => path !== null);
}
