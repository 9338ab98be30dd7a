/**
 * The two sums the disk format wants (Java: java.util.zip.Adler32 and CRC32). Both are running: the sum of two pieces
 * is the sum of the second, started from that of the first. They are on the path of every write.
 */
const ADLER_BASE = 65521;
/** The longest run after which neither half can have passed 2^32, whatever the bytes. */
const ADLER_RUN = 5552;

/** Adler-32 of `bytes[start..end)`, continuing from `running` (1 at the beginning). Unsigned. */
export function adler32(bytes: Uint8Array, start = 0, end: number = bytes.length, running = 1): number {
  let a = running & 0xffff;
  let b = running >>> 16;
  let at = start;
  while (at < end) {
    const stop = Math.min(at + ADLER_RUN, end);
    const unrolled = stop - 7;
    for (; at < unrolled; at += 8) {
      a = (a + bytes[at]!) | 0;
      b = (b + a) | 0;
      a = (a + bytes[at + 1]!) | 0;
      b = (b + a) | 0;
      a = (a + bytes[at + 2]!) | 0;
      b = (b + a) | 0;
      a = (a + bytes[at + 3]!) | 0;
      b = (b + a) | 0;
      a = (a + bytes[at + 4]!) | 0;
      b = (b + a) | 0;
      a = (a + bytes[at + 5]!) | 0;
      b = (b + a) | 0;
      a = (a + bytes[at + 6]!) | 0;
      b = (b + a) | 0;
      a = (a + bytes[at + 7]!) | 0;
      b = (b + a) | 0;
    }
    for (; at < stop; at++) {
      a = (a + bytes[at]!) | 0;
      b = (b + a) | 0;
    }
    a = (a >>> 0) % ADLER_BASE;
    b = (b >>> 0) % ADLER_BASE;
  }
  return ((b << 16) | a) >>> 0;
}

/** Sixteen tables of 256, one after the other: table k advances a byte past k further bytes. */
const CRC_TABLES: Int32Array = makeCrcTables();

function makeCrcTables(): Int32Array {
  const tables = new Int32Array(16 * 256);
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb88320;
    tables[n] = crc;
  }
  for (let n = 256; n < tables.length; n++) {
    const shorter = tables[n - 256]!;
    tables[n] = (shorter >>> 8) ^ tables[shorter & 0xff]!;
  }
  return tables;
}

/** CRC-32 (IEEE) of `bytes[start..end)`, continuing from `state`, which is itself a CRC (0 at the beginning). Unsigned. */
export function crc32(bytes: Uint8Array, start = 0, end: number = bytes.length, state = 0): number {
  const t = CRC_TABLES;
  let crc = ~state;
  let at = start;
  for (const unrolled = end - 15; at < unrolled; at += 16) {
    crc =
      t[0xf00 + ((crc ^ bytes[at]!) & 0xff)]! ^
      t[0xe00 + (((crc >>> 8) ^ bytes[at + 1]!) & 0xff)]! ^
      t[0xd00 + (((crc >>> 16) ^ bytes[at + 2]!) & 0xff)]! ^
      t[0xc00 + ((crc >>> 24) ^ bytes[at + 3]!)]! ^
      t[0xb00 + bytes[at + 4]!]! ^
      t[0xa00 + bytes[at + 5]!]! ^
      t[0x900 + bytes[at + 6]!]! ^
      t[0x800 + bytes[at + 7]!]! ^
      t[0x700 + bytes[at + 8]!]! ^
      t[0x600 + bytes[at + 9]!]! ^
      t[0x500 + bytes[at + 10]!]! ^
      t[0x400 + bytes[at + 11]!]! ^
      t[0x300 + bytes[at + 12]!]! ^
      t[0x200 + bytes[at + 13]!]! ^
      t[0x100 + bytes[at + 14]!]! ^
      t[bytes[at + 15]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}
