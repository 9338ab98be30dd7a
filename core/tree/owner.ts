/**
 * What a node's stored ephemeralOwner means (Java: EphemeralType, EphemeralTypeEmulate353; reference, section 5.5).
 * Works on the two 32-bit halves, because bigints are not for hot paths.
 */
import type { Millis } from "../actor.ts";
import { TTL_MAX } from "../protocol/txns.ts";

export const OwnerKind = { none: 0, session: 1, container: 2, ttl: 3 } as const;
export type OwnerKind = (typeof OwnerKind)[keyof typeof OwnerKind];

export interface OwnerOptions {
  /** `zookeeper.extendedTypesEnabled`. All servers of an ensemble must agree. */
  readonly extendedTypes: boolean;
  /** `zookeeper.emulate353TTLNodes`. */
  readonly emulate353: boolean;
}

/** The stored owner of a container. */
export const CONTAINER_OWNER: bigint = BigInt.asIntN(64, 0x8000_0000_0000_0000n);

const TWO_32 = 0x1_0000_0000;
const CONTAINER_HIGH = 0x8000_0000 | 0;

/** Java's order of tests: 3.5.3 emulation, top byte 0xFF, container, 0, session. */
export function ownerKindOf(high: number, low: number, options: OwnerOptions): OwnerKind {
  if ((high | low) === 0) return OwnerKind.none;
  const container = high === CONTAINER_HIGH && low === 0;
  if (options.extendedTypes) {
    if (options.emulate353 && high < 0 && !container) return OwnerKind.ttl;
    if (high >>> 8 === 0xff_0000) return OwnerKind.ttl;
  }
  return container ? OwnerKind.container : OwnerKind.session;
}

/** False for an extended type with a feature nobody has defined: such a node cannot be loaded. */
export function isKnownOwner(high: number, options: OwnerOptions): boolean {
  return !options.extendedTypes || options.emulate353 || high >>> 24 !== 0xff || high >>> 8 === 0xff_0000;
}

/** The stored owner of a TTL node; undefined when `ttl` is not a legal time to live. */
export function ttlOwner(ttl: Millis, options: OwnerOptions): bigint | undefined {
  if (!(ttl >= 1 && ttl <= TTL_MAX)) return undefined;
  const top = options.emulate353 ? 0x8000_0000_0000_0000n : 0xff00_0000_0000_0000n;
  return BigInt.asIntN(64, top | BigInt(ttl));
}

/** The time to live a TTL node's owner carries. */
export function ttlOf(high: number, low: number, options: OwnerOptions): Millis {
  // 3.5.3 had 60 bits for it; longer ones than a double can hold never expire anyway.
  const bits = options.emulate353 && high >>> 24 !== 0xff ? 0x0fff_ffff : 0xff;
  return (high & bits) * TWO_32 + (low >>> 0);
}

export function ownerHigh(owner: bigint): number {
  return owner === 0n ? 0 : Number(BigInt.asIntN(32, owner >> 32n));
}
export function ownerLow(owner: bigint): number {
  return owner === 0n ? 0 : Number(BigInt.asIntN(32, owner));
}
export function ownerOf(high: number, low: number): bigint {
  return (high | low) === 0 ? 0n : (BigInt(high) << 32n) | BigInt(low >>> 0);
}
