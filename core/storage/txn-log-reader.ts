/**
 * Finds the entries in a log file read piece by piece (Java: FileTxnLog.FileTxnIterator; reference, section 8.5). It
 * decides what is an entry, what is the end of the file and what is damage; what an entry means is the caller's.
 *
 * A piece that ends inside an entry is not kept: the next piece is asked for from that entry's start, longer if need be.
 */
import { adler32 } from "../base/checksums.ts";
import { formatZxid } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import { TXN_HEADER_BYTES } from "../protocol/txns.ts";
import {
  ENTRY_END,
  ENTRY_OVERHEAD_BYTES,
  ENTRY_PREFIX_BYTES,
  FILE_HEADER_BYTES,
  LOG_MAGIC,
  logHeader,
} from "./formats.ts";

/** How much of a log is read at once. */
export const LOG_CHUNK_BYTES: number = 1024 * 1024;
/**
 * Java refuses entries longer than jute.maxbuffer and its extra, although it writes them: a closeSession lists all of
 * the session's ephemerals. Here a length is believed up to this, if checksum and end byte confirm it.
 */
const OVERSIZED_MAX: number = 256 * 1024 * 1024;
/** How far past an unreadable entry an intact one is looked for. */
const SEARCH_BYTES = 4 * 1024 * 1024;

/**
 * - `entry`: {@link TxnLogReader.start} and {@link TxnLogReader.end} bound its payload in {@link TxnLogReader.bytes};
 * - `more`: feed the bytes from {@link TxnLogReader.wantedOffset}, {@link TxnLogReader.wantedLength} of them;
 * - `end`: nothing more in this file;
 * - `damaged`: {@link TxnLogReader.damage} says what is wrong, at {@link TxnLogReader.damageOffset}.
 */
export type LogStep = "entry" | "more" | "end" | "damaged";

export class TxnLogReader {
  readonly #payloadMax: number;
  readonly #chunk: number;
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  wantedOffset = 0;
  wantedLength: number;
  damage = "";
  damageOffset = 0;
  /** Ended where zeros or the end of the file begin, rather than inside an entry. */
  endedCleanly = true;
  /** The damage is an unreadable entry with an intact one behind it. */
  isTorn = false;
  /** The header was never written out: the file is what a crash left of a new one, and holds nothing. */
  isStillborn = false;
  entryCount = 0;

  /** Where {@link bytes} begins in the file, and where the next entry begins in {@link bytes}. */
  #base = 0;
  #at = 0;
  #endOfFile = false;
  #inHeader = true;
  /** Where an unreadable entry begins, while an intact one is looked for behind it. */
  #tornAt = -1;
  #previousZxid: number;

  /** `firstZxid` is the one in the name. `payloadMax` is jute.maxbuffer and its extra. */
  constructor(firstZxid: Zxid, payloadMax: number, chunk: number = LOG_CHUNK_BYTES) {
    this.#previousZxid = firstZxid - 1;
    this.#payloadMax = payloadMax;
    this.#chunk = Math.max(chunk, FILE_HEADER_BYTES);
    this.wantedLength = this.#chunk;
  }

  /** Bytes of the file from {@link wantedOffset} on; `endOfFile` when there are none behind them. */
  feed(bytes: Uint8Array, endOfFile: boolean): void {
    this.bytes = bytes;
    this.#base = this.wantedOffset;
    this.#at = 0;
    this.#endOfFile = endOfFile;
  }

  next(): LogStep {
    if (this.#tornAt >= 0) return this.#search();
    if (this.#inHeader) {
      const step = this.#readHeader();
      if (step !== undefined) return step;
    }
    const { bytes } = this;
    const at = this.#at;
    const available = bytes.length - at;
    if (available < ENTRY_PREFIX_BYTES) return this.#short(ENTRY_PREFIX_BYTES);
    const length = intAt(bytes, at + 8);
    if (length === 0) {
      // Padding, or nothing at all. A sum without a payload is neither.
      return intAt(bytes, at) === 0 && intAt(bytes, at + 4) === 0 ? this.#finish(true) : this.#torn();
    }
    const isOversized = length > this.#payloadMax;
    if (length < 0 || length > OVERSIZED_MAX) return this.#oversized(at, length);
    if (available < length + ENTRY_OVERHEAD_BYTES) {
      if (isOversized && this.#endOfFile) return this.#oversized(at, length);
      return this.#short(length + ENTRY_OVERHEAD_BYTES);
    }
    const start = at + ENTRY_PREFIX_BYTES;
    const end = start + length;
    if (bytes[end] !== ENTRY_END) return isOversized ? this.#oversized(at, length) : this.#torn();
    if (intAt(bytes, at) !== 0 || intAt(bytes, at + 4) >>> 0 !== adler32(bytes, start, end)) {
      return this.#damaged(at, "the checksum of an entry does not match its contents");
    }
    this.start = start;
    this.end = end;
    this.#at = end + 1;
    this.entryCount++;
    this.#previousZxid = zxidIn(bytes, start);
    return "entry";
  }

  /** After `end`: goes back to where the last entry ended, to find what has been appended since. */
  resume(): void {
    const offset = this.#tornAt >= 0 ? this.#tornAt : this.#base + this.#at;
    this.#tornAt = -1;
    this.#inHeader = offset < FILE_HEADER_BYTES;
    this.wantedOffset = this.#inHeader ? 0 : offset;
    this.wantedLength = this.#chunk;
    this.endedCleanly = true;
    this.isStillborn = false;
  }

  /** Where the entry last returned begins in the file. */
  get entryOffset(): number {
    return this.#base + this.start - ENTRY_PREFIX_BYTES;
  }

  /** Where it ends. */
  get entryEnd(): number {
    return this.#base + this.end + 1;
  }

  /** The zxid of the last entry, or the one before the first. */
  get lastZxid(): Zxid {
    return this.#previousZxid as Zxid;
  }

  #readHeader(): LogStep | undefined {
    const { bytes } = this;
    if (bytes.length === 0 && !this.#endOfFile) return "more";
    this.#inHeader = false;
    if (bytes.length === 0) {
      this.isStillborn = true;
      return this.#finish(true);
    }
    if (this.#isHeaderless()) {
      this.isStillborn = true;
      return this.#finish(false);
    }
    if (bytes.length < FILE_HEADER_BYTES) return this.#damaged(0, "the file ends inside its header");
    if (intAt(bytes, 0) !== LOG_MAGIC)
      return this.#damaged(0, "this is not a transaction log: it does not begin with ZKLG");
    this.#at = FILE_HEADER_BYTES;
    return undefined;
  }

  /**
   * The header goes to disk with the first entries, so until their sync completes any part of it may be missing: the
   * header's beginning and then nothing but zeros.
   */
  #isHeaderless(): boolean {
    const { bytes } = this;
    const header = logHeader();
    const looked = Math.min(bytes.length, FILE_HEADER_BYTES);
    let same = 0;
    while (same < looked && bytes[same] === header[same]) same++;
    if (same === FILE_HEADER_BYTES) return false;
    for (let i = same; i < bytes.length; i++) if (bytes[i] !== 0) return false;
    return true;
  }

  /** The bytes end before the entry does. */
  #short(needed: number): LogStep {
    if (this.#endOfFile) return this.#at === this.bytes.length ? this.#finish(true) : this.#torn();
    this.wantedOffset = this.#base + this.#at;
    this.wantedLength = Math.max(this.#chunk, needed);
    return "more";
  }

  /**
   * The entry here was not written to its end. After a crash that is how a log ends, and the entry was acknowledged to
   * nobody. But an intact entry behind it shows that this one had been complete once: then its length or end byte was
   * damaged later, and everything from here on would be lost without a word.
   */
  #torn(): LogStep {
    this.#tornAt = this.#base + this.#at;
    this.#at++;
    return this.#search();
  }

  #search(): LogStep {
    const { bytes } = this;
    const bound = this.#tornAt + SEARCH_BYTES - this.#base;
    const last = Math.min(bytes.length - ENTRY_PREFIX_BYTES - TXN_HEADER_BYTES, bound);
    let at = this.#at;
    for (; at < last; at++) {
      if (intAt(bytes, at) !== 0) continue;
      const length = intAt(bytes, at + 8);
      const start = at + ENTRY_PREFIX_BYTES;
      if (length < TXN_HEADER_BYTES || length > this.#payloadMax || !this.#followsTorn(zxidIn(bytes, start))) continue;
      const end = start + length;
      if (end >= bytes.length) {
        if (!this.#endOfFile) return this.#searchFrom(at, length + ENTRY_OVERHEAD_BYTES);
        continue;
      }
      if (bytes[end] !== ENTRY_END || intAt(bytes, at + 4) >>> 0 !== adler32(bytes, start, end)) continue;
      this.isTorn = true;
      return this.#damaged(
        this.#tornAt - this.#base,
        `an entry is unreadable, but an intact one (zxid ${formatZxid(zxidIn(bytes, start))}) follows at offset ${this.#base + at}`,
      );
    }
    if (this.#endOfFile || at >= bound) return this.#finish(false);
    return this.#searchFrom(at, ENTRY_OVERHEAD_BYTES + TXN_HEADER_BYTES);
  }

  #searchFrom(at: number, needed: number): LogStep {
    this.wantedOffset = this.#base + at;
    this.wantedLength = Math.max(this.#chunk, needed);
    return "more";
  }

  /** One entry is missing before it. */
  #followsTorn(zxid: Zxid): boolean {
    return zxid === this.#previousZxid + 2;
  }

  #oversized(at: number, length: number): LogStep {
    return this.#damaged(at, `an entry claims a length of ${length} bytes, and ${this.#payloadMax} is the most`);
  }

  #finish(cleanly: boolean): LogStep {
    this.endedCleanly = cleanly;
    return "end";
  }

  #damaged(at: number, damage: string): LogStep {
    this.damage = damage;
    this.damageOffset = this.#base + at;
    return "damaged";
  }
}

function intAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** Of a serialised txn: after clientId (long) and cxid (int). */
export function zxidIn(payload: Uint8Array, start: number): Zxid {
  return (intAt(payload, start + 12) * 0x1_0000_0000 + (intAt(payload, start + 16) >>> 0)) as Zxid;
}
