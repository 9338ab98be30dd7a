/**
 * Which file is what: names, order, and where each lives (Java: Util, FileTxnLog.getLogFiles, FileSnap; reference,
 * sections 8.1 and 8.7). Contents are left to the readers and writers.
 */
import type { DirectoryName, FileEntry, FileName } from "../actor.ts";
import { parseZxidHex, zxidHex } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";

export const SNAPSHOT_DIRECTORY: DirectoryName = "data/version-2" as DirectoryName;
export const LOG_DIRECTORY: DirectoryName = "log/version-2" as DirectoryName;
/** Where the `initialize` marker is looked for. */
export const MARKER_DIRECTORY: DirectoryName = "log" as DirectoryName;
/** An empty file that says: starting from nothing is what the operator wants. Deleted by the start that sees it. */
export const INITIALIZE_MARKER: FileName = "log/initialize" as FileName;

export type Compression = ServerConfig["snapshotCompression"];

const SNAPSHOT_PREFIX = "snapshot";
const LOG_PREFIX = "log";

export interface SnapshotFile {
  readonly file: FileName;
  /** lastProcessedZxid when its serialisation began. */
  readonly zxid: Zxid;
  readonly size: number;
  /** By the name's suffix, whatever the configuration says. */
  readonly compression: Compression;
}
export interface LogFile {
  readonly file: FileName;
  /** Its first txn, going by the name. */
  readonly zxid: Zxid;
  readonly size: number;
}

export function fileIn(directory: DirectoryName, name: string): FileName {
  return `${directory}/${name}` as FileName;
}

export function logFileName(zxid: Zxid): FileName {
  return fileIn(LOG_DIRECTORY, `${LOG_PREFIX}.${zxidHex(zxid)}`);
}

export function snapshotFileName(zxid: Zxid, compression: Compression): FileName {
  const suffix = compression === "none" ? "" : `.${compression}`;
  return fileIn(SNAPSHOT_DIRECTORY, `${SNAPSHOT_PREFIX}.${zxidHex(zxid)}${suffix}`);
}

/** What a file is called until it is complete (Java: AtomicFileOutputStream). */
export function temporaryNameOf(file: FileName): FileName {
  return `${file}.tmp` as FileName;
}

/** The second dot-separated part, when the first is `prefix`; further parts do not matter (Java: Util.getZxidFromName). */
function zxidInName(name: string, prefix: string): Zxid | undefined {
  const parts = name.split(".");
  if (parts.length < 2 || parts[0] !== prefix) return undefined;
  return parseZxidHex(parts[1]!);
}

function compressionOf(name: string): Compression {
  if (name.endsWith(".gz")) return "gz";
  return name.endsWith(".snappy") ? "snappy" : "none";
}

/** Newest first. Unfinished ones (`.tmp`) are not snapshots: {@link temporariesIn}. */
export function snapshotsIn(entries: readonly FileEntry[]): SnapshotFile[] {
  const found: SnapshotFile[] = [];
  for (const { name, size } of entries) {
    const zxid = zxidInName(name, SNAPSHOT_PREFIX);
    if (zxid === undefined || name.endsWith(".tmp")) continue;
    found.push({ file: fileIn(SNAPSHOT_DIRECTORY, name), zxid, size, compression: compressionOf(name) });
  }
  return found.sort((a, b) => b.zxid - a.zxid);
}

/** Snapshots whose writing was interrupted. */
export function temporariesIn(entries: readonly FileEntry[]): FileName[] {
  const found: FileName[] = [];
  for (const { name } of entries) {
    if (zxidInName(name, SNAPSHOT_PREFIX) !== undefined && name.endsWith(".tmp")) {
      found.push(fileIn(SNAPSHOT_DIRECTORY, name));
    }
  }
  return found;
}

/** Oldest first. */
export function logsIn(entries: readonly FileEntry[]): LogFile[] {
  const found: LogFile[] = [];
  for (const { name, size } of entries) {
    const zxid = zxidInName(name, LOG_PREFIX);
    if (zxid !== undefined) found.push({ file: fileIn(LOG_DIRECTORY, name), zxid, size });
  }
  return found.sort((a, b) => a.zxid - b.zxid);
}

/** Of logs in ascending order, those that may hold txns from `zxid` on: the newest that starts before it, and later ones. */
export function logsFrom(logs: readonly LogFile[], zxid: Zxid): LogFile[] {
  let first = 0;
  for (let i = 0; i < logs.length; i++) if (logs[i]!.zxid < zxid) first = i;
  return logs.slice(first);
}

/** The file as the operator knows it, for messages. */
export function displayName(file: FileName, description: ServerConfig["description"]): string {
  if (file.startsWith("data/")) return `${description.dataDir}/${file.slice("data/".length)}`;
  if (file.startsWith("log/")) return `${description.dataLogDir}/${file.slice("log/".length)}`;
  return file;
}
