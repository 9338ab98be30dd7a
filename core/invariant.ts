/** Broken only by a bug of ours. The host treats it as a crash; on in production (style rule 6). */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
}

/** `fact` says, positively, what should be true. */
export function invariant(condition: boolean, fact: string): asserts condition {
  if (!condition) throw new InvariantViolation(fact);
}

export function unreachable(what: string): never {
  throw new InvariantViolation(`unreachable: ${what}`);
}
