/**
 * The constants of both file formats (Java: FileTxnLog, FileSnap, SnapStream; reference, sections 8.2 and 8.3).
 */
import { Writer } from "../jute/writer.ts";

/** "ZKLG" and "ZKSN". */
export const LOG_MAGIC = 0x5a4b4c47;
export const SNAPSHOT_MAGIC = 0x5a4b534e;
export const FORMAT_VERSION = 2;

/** Magic, version, database id: the same shape in both. */
export const FILE_HEADER_BYTES = 16;
/** A log entry's checksum (long) and length (int), before its payload. */
export const ENTRY_PREFIX_BYTES = 12;
/** After the payload: shows that the entry was written to its end. */
export const ENTRY_END = 0x42;
/** What an entry takes besides its payload. */
export const ENTRY_OVERHEAD_BYTES: number = ENTRY_PREFIX_BYTES + 1;

/** The path that ends the nodes and every seal. It is no node's: the root is stored as "". */
export const TERMINATOR = "/";
/** A seal: checksum (long) and the terminator as a string. */
export const SEAL_BYTES = 13;
/** A stored node besides its path and data: two lengths, the ACL id, the stat. */
export const NODE_FIXED_BYTES = 76;

/** The cheap test of a plain snapshot: every complete one ends in a seal's terminator. */
export const SNAPSHOT_TAIL: readonly number[] = [0, 0, 0, 1, 0x2f];
/** And no complete one is shorter (Java: SnapStream.isValidSnapshot). */
export const SNAPSHOT_BYTES_MIN = 10;
export const GZIP_MAGIC: readonly number[] = [0x1f, 0x8b];
/** xerial's snappy stream: "\x82SNAPPY\0". */
export const SNAPPY_MAGIC: readonly number[] = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];

/** The database id of logs is 0, of snapshots -1. */
export function logHeader(): Uint8Array {
  return header(LOG_MAGIC, 0);
}
export function snapshotHeader(): Uint8Array {
  return header(SNAPSHOT_MAGIC, -1);
}

function header(magic: number, databaseId: number): Uint8Array {
  const w = new Writer(FILE_HEADER_BYTES);
  w.int(magic);
  w.int(FORMAT_VERSION);
  w.long(databaseId);
  return w.take();
}
