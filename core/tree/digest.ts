/**
 * The digest servers compare after every transaction (Java: DigestCalculator, AdHash; reference, section 7.6): the
 * sum modulo 2^64 of a CRC-32 per node over path, data and stat. A node's CRC is taken in two pieces, so that an
 * update of the stat alone does not sum the payload again.
 */
import { crc32 } from "../base/checksums.ts";
import { encodeUtf8Into, utf8Length } from "../jute/utf8.ts";
import { ownerHigh, ownerLow } from "./owner.ts";

export const DIGEST_VERSION = 2;

const TWO_32 = 0x1_0000_0000;
const STAT_BYTES = 60;
/** Pure scratch: nothing in it outlives a call. */
const statBytes = new Uint8Array(STAT_BYTES);
let pathBytes = new Uint8Array(256);

/** A sum modulo 2^64 in two unsigned halves. */
export class AdHash {
  high: number;
  low: number;

  constructor(high = 0, low = 0) {
    this.high = high;
    this.low = low;
  }

  /** `crc` is unsigned, below 2^32. */
  add(crc: number): void {
    const low = this.low + crc;
    if (low >= TWO_32) {
      this.low = low - TWO_32;
      this.high = (this.high + 1) >>> 0;
    } else this.low = low;
  }

  subtract(crc: number): void {
    const low = this.low - crc;
    if (low < 0) {
      this.low = low + TWO_32;
      this.high = (this.high - 1) >>> 0;
    } else this.low = low;
  }

  clear(): void {
    this.high = 0;
    this.low = 0;
  }

  copy(): AdHash {
    return new AdHash(this.high, this.low);
  }

  equals(other: { readonly high: number; readonly low: number }): boolean {
    return this.high === other.high && this.low === other.low;
  }

  toBigInt(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low);
  }

  /** The low 53 bits, for facts and metrics that want one number. */
  to53(): number {
    return (this.high & 0x1f_ffff) * TWO_32 + this.low;
  }
}

/** Whether a node counts: everything but what is below /zookeeper. The root is `/` or empty. */
export function countsInDigest(path: string): boolean {
  return !path.startsWith("/zookeeper/");
}

/** The CRC state over path (the root: nothing) and data (null: nothing). */
export function digestPrefix(path: string, data: Uint8Array | null): number {
  let state = 0;
  if (path !== "/" && path !== "") {
    const length = utf8Length(path);
    if (length > pathBytes.length) pathBytes = new Uint8Array(length * 2);
    encodeUtf8Into(path, pathBytes, 0);
    state = crc32(pathBytes, 0, length);
  }
  return data === null || data.length === 0 ? state : crc32(data, 0, data.length, state);
}

/** The node's digest, unsigned. cversion and owner are the stored forms. */
export function nodeDigest(
  prefix: number,
  czxid: number,
  mzxid: number,
  pzxid: number,
  ctime: number,
  mtime: number,
  version: number,
  cversion: number,
  aversion: number,
  owner: bigint,
): number {
  const low = ownerLow(owner);
  return digestOfParts(prefix, czxid, mzxid, pzxid, ctime, mtime, version, cversion, aversion, ownerHigh(owner), low);
}

/** The same with the owner in two halves. */
export function digestOfParts(
  prefix: number,
  czxid: number,
  mzxid: number,
  pzxid: number,
  ctime: number,
  mtime: number,
  version: number,
  cversion: number,
  aversion: number,
  high: number,
  low: number,
): number {
  const b = statBytes;
  putLong(b, 0, czxid);
  putLong(b, 8, mzxid);
  putLong(b, 16, pzxid);
  putLong(b, 24, ctime);
  putLong(b, 32, mtime);
  putInt(b, 40, version);
  putInt(b, 44, cversion);
  putInt(b, 48, aversion);
  putInt(b, 52, high);
  putInt(b, 56, low);
  return crc32(b, 0, STAT_BYTES, prefix);
}

export function putInt(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** An integer within ±2^53 as a long. */
export function putLong(bytes: Uint8Array, at: number, value: number): void {
  // The low half modulo 2^32 whatever the sign; what is left is a multiple of 2^32. Faster than dividing and flooring.
  const low = value >>> 0;
  putInt(bytes, at, ((value - low) / TWO_32) | 0);
  putInt(bytes, at + 4, low | 0);
}
