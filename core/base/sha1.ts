/** Message digests and base64, for core, which may not name an engine's own. Thin over @noble/hashes. */
import { sha1 as nobleSha1 } from "@noble/hashes/legacy.js";
import { sha256 as nobleSha256, sha512 as nobleSha512 } from "@noble/hashes/sha2.js";

export function sha1(bytes: Uint8Array): Uint8Array {
  return nobleSha1(bytes);
}
export function sha256(bytes: Uint8Array): Uint8Array {
  return nobleSha256(bytes);
}
export function sha512(bytes: Uint8Array): Uint8Array {
  return nobleSha512(bytes);
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The standard alphabet, with padding. */
export function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const rest = bytes.length - i;
    const word = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += ALPHABET[word >>> 18]! + ALPHABET[(word >>> 12) & 63]!;
    text += rest > 1 ? ALPHABET[(word >>> 6) & 63]! : "=";
    text += rest > 2 ? ALPHABET[word & 63]! : "=";
  }
  return text;
}
