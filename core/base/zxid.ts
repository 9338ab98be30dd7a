/**
 * Zxids as numbers: epoch * 2^32 + counter, exact while epoch < 2^21. Decoders check exactness once; from there on
 * comparison and increment are plain arithmetic (a bigint costs ten times as much, and zxids are on every path).
 */
import type { Brand } from "../actor.ts";

export type Zxid = Brand<number, "Zxid">;

const COUNTER_RANGE = 0x1_0000_0000;
export const ZXID_ZERO: Zxid = 0 as Zxid;
/** The counter's last value: after it the leader steps down so that a new epoch begins (Java: ZxidUtils, Leader). */
export const ZXID_COUNTER_MAX = 0xffff_ffff;

export function packZxid(epoch: number, counter: number): Zxid {
  return (epoch * COUNTER_RANGE + counter) as Zxid;
}
export function epochOf(zxid: Zxid): number {
  return Math.floor(zxid / COUNTER_RANGE);
}
export function counterOf(zxid: Zxid): number {
  return zxid % COUNTER_RANGE;
}
/** The zxid that follows within the same epoch. */
export function nextZxid(zxid: Zxid): Zxid {
  return (zxid + 1) as Zxid;
}
/** Lower-case hexadecimal without prefix or padding, as in file names; -1 reads as Java prints it. */
export function zxidHex(zxid: Zxid): string {
  return zxid < 0 ? BigInt.asUintN(64, BigInt(zxid)).toString(16) : zxid.toString(16);
}
/** `0x…` for people and four-letter words. */
export function formatZxid(zxid: Zxid): string {
  return `0x${zxidHex(zxid)}`;
}
/** The zxid in a file name's hexadecimal suffix, or undefined (Java: Util.getZxidFromName). */
export function parseZxidHex(text: string): Zxid | undefined {
  if (!/^[0-9a-fA-F]{1,16}$/.test(text)) return undefined;
  const value = Number.parseInt(text, 16);
  return Number.isSafeInteger(value) ? (value as Zxid) : undefined;
}
