/**
 * The text of the four-letter words about watches (Java: WatchManager.dumpWatches; reference, section 9.1). They look
 * at data watches only. Pieces rather than one string: a server may have millions of watches.
 */
import { formatSession } from "../base/ids.ts";
import type { SessionId } from "../base/ids.ts";
import type { WatchTable, Watcher } from "./watch-table.ts";

export function wchs(watches: WatchTable): string {
  return (
    `${watches.dataWatchers} connections watching ${watches.dataPaths} paths\n` +
    `Total watches:${watches.dataWatches}\n`
  );
}

/** Per session its paths. */
export function* wchc(watches: WatchTable, sessionOf: (watcher: Watcher) => SessionId): Iterable<string> {
  for (const [watcher, paths] of watches.dataByWatcher()) {
    yield `${formatSession(sessionOf(watcher))}\n`;
    for (const path of paths) yield `\t${path}\n`;
  }
  yield "\n";
}

/** Per path its sessions. */
export function* wchp(watches: WatchTable, sessionOf: (watcher: Watcher) => SessionId): Iterable<string> {
  for (const [path, watchers] of watches.dataByPath()) {
    yield `${path}\n`;
    for (const watcher of watchers) yield `\t${formatSession(sessionOf(watcher))}\n`;
  }
  yield "\n";
}
