/**
 * Session passwords, computed with bigints straight from the definition of java.util.Random, independently of
 * core/session/password.ts.
 */
const MULTIPLIER = 0x5deece66dn;
const MASK_48 = (1n << 48n) - 1n;
const SECRET = 0xb3415c00n;

export function passwordOf(session: bigint): Buffer {
  const password = Buffer.alloc(16);
  let seed = (session ^ SECRET ^ MULTIPLIER) & MASK_48;
  for (let at = 0; at < 16; at += 4) {
    seed = (seed * MULTIPLIER + 0xbn) & MASK_48;
    password.writeUInt32LE(Number(seed >> 16n), at);
  }
  return password;
}
