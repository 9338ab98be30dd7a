/**
 * The password of a session follows from its id: any server can check it, none has to store it. 16 bytes of
 * java.util.Random, which a mixed ensemble must reproduce exactly (Java: ZooKeeperServer.generatePasswd; reference,
 * sections 2.3 and 12). No secret in any strict sense; it guards against mistakes.
 */
import { SESSION_NONE } from "../base/ids.ts";
import type { SessionId } from "../base/ids.ts";

export const PASSWORD_BYTES = 16;

const SECRET = 0xb3415c00n;
/** java.util.Random's multiplier 0x5DEECE66D and 48-bit state, in halves of 24 bits: products stay exact. */
const MULTIPLIER_HIGH = 0x5de;
const MULTIPLIER_LOW = 0xece66d;
const MULTIPLIER = 0x5deece66dn;
const INCREMENT = 0xb;
const TWO_24 = 0x1000000;

export function sessionPassword(session: SessionId): Uint8Array {
  const seed = BigInt.asUintN(48, session ^ SECRET ^ MULTIPLIER);
  let high = Number(seed >> 24n);
  let low = Number(seed & 0xffffffn);
  const password = new Uint8Array(PASSWORD_BYTES);
  for (let i = 0; i < PASSWORD_BYTES; i += 4) {
    const product = low * MULTIPLIER_LOW + INCREMENT;
    high = (high * MULTIPLIER_LOW + low * MULTIPLIER_HIGH + Math.floor(product / TWO_24)) % TWO_24;
    low = product % TWO_24;
    // Bits 16 to 47 of the state, the lowest byte first.
    password[i] = low >>> 16;
    password[i + 1] = high;
    password[i + 2] = high >>> 8;
    password[i + 3] = high >>> 16;
  }
  return password;
}

/** Whether `password` opens `session`. Nothing opens session 0. */
export function passwordMatches(session: SessionId, password: Uint8Array | null): boolean {
  if (session === SESSION_NONE || password === null || password.length !== PASSWORD_BYTES) return false;
  const expected = sessionPassword(session);
  let difference = 0;
  for (let i = 0; i < PASSWORD_BYTES; i++) difference |= expected[i]! ^ password[i]!;
  return difference === 0;
}
