/** Chance enters here, once per actor: 32 bits from the operating system. All else is drawn from them. */
import { randomBytes } from "node:crypto";

export function drawSeed(): number {
  return randomBytes(4).readUInt32LE();
}
