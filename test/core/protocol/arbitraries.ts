/** Every record of the protocol, at random, and what is checked of each codec. */
import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { expect } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { Writer } from "../../../core/jute/writer.ts";
import type { Acl, RawAcl, Stat } from "../../../core/protocol/data.ts";

export const int: Arbitrary<number> = fc.oneof(fc.integer(), fc.integer({ min: -8, max: 8 }));
export const long: Arbitrary<number> = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -2, max: 1000 }));
export const int64: Arbitrary<bigint> = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
export const zxid = long as Arbitrary<Zxid>;
export const session = int64 as Arbitrary<SessionId>;
/** Well-formed: lone surrogates do not survive UTF-8. */
export const text: Arbitrary<string> = fc.string({ unit: "binary", maxLength: 12 });
export const textOrNull: Arbitrary<string | null> = fc.option(text, { nil: null });
export const bytesOrNull: Arbitrary<Uint8Array | null> = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: null });
export const strings: Arbitrary<(string | null)[] | null> = fc.option(fc.array(textOrNull, { maxLength: 5 }), {
  nil: null,
});

export const rawAcl: Arbitrary<RawAcl[] | null> = fc.option(
  fc.array(fc.record({ perms: int, scheme: textOrNull, id: textOrNull }), { maxLength: 4 }),
  { nil: null },
);
export const acl: Arbitrary<Acl[]> = fc.array(fc.record({ perms: int, scheme: text, id: text }), { maxLength: 4 });
export const stat: Arbitrary<Stat> = fc.record({
  czxid: zxid,
  mzxid: zxid,
  ctime: long,
  mtime: long,
  version: int,
  cversion: int,
  aversion: int,
  ephemeralOwner: int64,
  dataLength: int,
  numChildren: int,
  pzxid: zxid,
});

export interface Codec<T> {
  readonly value: Arbitrary<T>;
  readonly write: (w: Writer, value: T) => void;
  readonly read: (r: Reader) => T | undefined;
  /** Lengths at which a record cut short may pass for a whole one, because it ends in something optional. */
  readonly mayEndAt?: (value: T, length: number) => readonly number[];
}

export function encode<T>(write: (w: Writer, value: T) => void, value: T): Uint8Array {
  const w = new Writer(8);
  write(w, value);
  return w.take();
}

export function hex(spaced: string): Uint8Array {
  const digits = spaced.replaceAll(/\s/g, "");
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

/**
 * What holds for every codec: a record comes back as it went, whatever stands around it; cut short anywhere the reader
 * says failed; and no bytes whatever make it throw.
 */
export function checkCodec<T>({ value, write, read, mayEndAt }: Codec<T>, numRuns = 100): void {
  fc.assert(
    fc.property(value, (original) => {
      const bytes = encode(write, original);
      const around = new Uint8Array([0xaa, ...bytes]);
      const whole = new Reader(around, 1);
      expect(read(whole)).toEqual(original);
      expect([whole.failed, whole.remaining]).toEqual([false, 0]);

      const optional = mayEndAt?.(original, bytes.length) ?? [];
      for (let length = 0; length < bytes.length; length++) {
        const short = new Reader(bytes, 0, length);
        read(short);
        if (short.failed === optional.includes(length)) expect.fail(`cut to ${length}: failed is ${short.failed}`);
      }
    }),
    { seed: 1, numRuns },
  );
  fc.assert(
    fc.property(value, fc.uint8Array({ maxLength: 60 }), fc.nat(), (original, noise, where) => {
      read(new Reader(noise));
      // Noise in the middle of a real record gets further than noise alone.
      const bytes = encode(write, original);
      for (let i = 0; i < Math.min(noise.length, 3) && bytes.length > 0; i++)
        bytes[(where + i) % bytes.length] = noise[i]!;
      read(new Reader(bytes));
    }),
    { seed: 2, numRuns },
  );
}
