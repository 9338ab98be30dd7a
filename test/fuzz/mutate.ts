/** Right bytes made wrong, in the ways that parsers fear: counts, lengths, cuts, repeats, other requests' parts. */
import type { Prng } from "../../core/base/prng.ts";

const INTERESTING = [-1, 0, 1, -2, 4, 255, 256, 65_535, 1_048_575, 1_048_576, 0x7fff_ffff, -0x8000_0000, 0x0100_0000];

export function patchInt(bytes: Uint8Array, at: number, value: number): void {
  new DataView(bytes.buffer, bytes.byteOffset).setInt32(at, value);
}

/** `bytes` with something wrong, or nothing left of it. `other` is a part of another request. */
export function mutate(prng: Prng, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  const { length } = bytes;
  const at = prng.below(length + 1);
  const to = at + prng.below(length - at + 1);
  switch (prng.below(8)) {
    case 0: {
      const copy = bytes.slice();
      for (let n = 1 + prng.below(4); n > 0 && length > 0; n--) copy[prng.below(length)]! ^= 1 << prng.below(8);
      return copy;
    }
    case 1:
    case 2: {
      const copy = bytes.slice();
      if (length >= 4) patchInt(copy, prng.below(length - 3), INTERESTING[prng.below(INTERESTING.length)]!);
      return copy;
    }
    case 3:
      return bytes.slice(0, at);
    case 4:
      return joined(bytes, prng.bytes(prng.below(64)));
    case 5:
      return joined(bytes.subarray(0, at), bytes.subarray(to));
    case 6:
      return joined(bytes.subarray(0, to), bytes.subarray(at, to), bytes.subarray(to));
    default:
      return joined(bytes.subarray(0, at), other.subarray(prng.below(other.length + 1)));
  }
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** `payload` behind its length, or, when `lying`, behind another one. */
export function framed(prng: Prng, payload: Uint8Array, lying: boolean, frameMax: number): Uint8Array {
  const whole = new Uint8Array(payload.length + 4);
  whole.set(payload, 4);
  const lies = [payload.length + 1, payload.length - 1, 0, 7, -1, frameMax, frameMax + 1, 0x7fff_ffff, -0x8000_0000];
  patchInt(whole, 0, lying ? lies[prng.below(lies.length)]! : payload.length);
  return whole;
}
