/**
 * UTF-8 without TextEncoder, which core may not name. Writing is standard UTF-8 (lone surrogates become U+FFFD);
 * reading is lenient: each malformed sequence becomes U+FFFD, as Java's String constructor does.
 */
const CHUNK = 1024;

/** The bytes `text` needs. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) length += 1;
    else if (isHigh(unit) && isLow(text.charCodeAt(i + 1))) {
      length += 2;
      i++;
    } else length += 2;
  }
  return length;
}

/** Writes `text` at `at`; the caller has made {@link utf8Length} bytes of room. Returns the end. */
export function encodeUtf8Into(text: string, bytes: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) {
    let point = text.charCodeAt(i);
    if (point < 0x80) {
      bytes[at++] = point;
      continue;
    }
    if (point < 0x800) {
      bytes[at++] = 0xc0 | (point >> 6);
      bytes[at++] = 0x80 | (point & 0x3f);
      continue;
    }
    if (isHigh(point) && isLow(text.charCodeAt(i + 1))) {
      point = text.codePointAt(i)!;
      i++;
      bytes[at++] = 0xf0 | (point >> 18);
      bytes[at++] = 0x80 | ((point >> 12) & 0x3f);
    } else {
      if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
      bytes[at++] = 0xe0 | (point >> 12);
    }
    bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
    bytes[at++] = 0x80 | (point & 0x3f);
  }
  return at;
}

export function encodeUtf8(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Length(text));
  encodeUtf8Into(text, bytes, 0);
  return bytes;
}

export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  let hash = end - start;
  let seen = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    hash = (Math.imul(hash, 31) + byte) | 0;
    seen |= byte;
  }
  if (seen >= 0x80) return decodeSlowly(bytes, start, end);
  return end - start <= MEMO_LENGTH_MAX ? remembered(hash, bytes, start, end) : decodeAscii(bytes, start, end);
}

/**
 * The same few thousand paths come again and again. One string for all of them halves the cost of decoding, and maps
 * find it without hashing it anew. Nothing but speed depends on it.
 */
const MEMO_LENGTH_MAX = 96;
const MEMO_SLOTS = 4096;
const memo: string[] = Array.from({ length: MEMO_SLOTS }, () => "");

function remembered(hash: number, bytes: Uint8Array, start: number, end: number): string {
  const slot = (hash ^ (hash >>> 13)) & (MEMO_SLOTS - 1);
  const known = memo[slot]!;
  if (known.length === end - start) {
    let at = start;
    while (at < end && known.charCodeAt(at - start) === bytes[at]) at++;
    if (at === end) return known;
  }
  const text = decodeAscii(bytes, start, end);
  memo[slot] = text;
  return text;
}

function decodeAscii(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= CHUNK) {
    return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
  }
  let text = "";
  for (let at = start; at < end; at += CHUNK) text += decodeAscii(bytes, at, Math.min(at + CHUNK, end));
  return text;
}

/** The WHATWG decoder's rule: a bad sequence yields one U+FFFD for its longest valid prefix. */
function decodeSlowly(bytes: Uint8Array, start: number, end: number): string {
  const points: number[] = [];
  let text = "";
  let at = start;
  while (at < end) {
    const first = bytes[at++]!;
    if (first < 0x80) points.push(first);
    else {
      const wanted =
        first >= 0xc2 && first <= 0xdf
          ? 1
          : first >= 0xe0 && first <= 0xef
            ? 2
            : first >= 0xf0 && first <= 0xf4
              ? 3
              : 0;
      let point = wanted === 1 ? first & 0x1f : wanted === 2 ? first & 0x0f : first & 0x07;
      let got = 0;
      while (got < wanted && at < end) {
        const next = bytes[at]!;
        const low = got > 0 ? 0x80 : first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
        const high = got > 0 ? 0xbf : first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
        if (next < low || next > high) break;
        point = (point << 6) | (next & 0x3f);
        at++;
        got++;
      }
      points.push(wanted > 0 && got === wanted ? point : 0xfffd);
    }
    if (points.length >= CHUNK) {
      text += String.fromCodePoint(...points);
      points.length = 0;
    }
  }
  return text + String.fromCodePoint(...points);
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
