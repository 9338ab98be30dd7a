/**
 * Cuts a sequence that shows a difference down to a short one, by playing parts of it on fresh servers: first whole
 * stretches of steps, halving, then the requests inside each step that is left.
 */
import type { Step } from "./side.ts";

/** True if these steps still show a difference. */
export type StillDiffers = (steps: readonly Step[]) => Promise<boolean>;

/** Stops at `deadline` (as Date.now()) with the shortest so far. */
export async function shrink(
  steps: readonly Step[],
  differs: StillDiffers,
  deadline: number,
): Promise<readonly Step[]> {
  let best = steps;
  for (let size = Math.ceil(best.length / 2); size >= 1;) {
    let removedAny = false;
    // From the end: what comes last is the difference itself, what matters stands near it.
    for (let end = best.length - 1; end > 0 && Date.now() < deadline; end -= size) {
      const start = Math.max(0, end - size);
      const candidate = [...best.slice(0, start), ...best.slice(end)];
      if (await differs(candidate)) {
        best = candidate;
        removedAny = true;
      }
    }
    if (Date.now() >= deadline) return best;
    if (size === 1 && !removedAny) break;
    size = size === 1 ? 1 : Math.ceil(size / 2);
  }
  return shrinkOps(best, differs, deadline);
}

async function shrinkOps(steps: readonly Step[], differs: StillDiffers, deadline: number): Promise<readonly Step[]> {
  let best = steps;
  for (let at = 0; at < best.length; at++) {
    let size = 8;
    for (let op = 0; Date.now() < deadline;) {
      const step = best[at]!;
      if (step.kind !== "ops" || step.ops.length < 2) break;
      if (op >= step.ops.length) {
        if (size === 1) break;
        size /= 2;
        op = 0;
        continue;
      }
      const ops = step.ops.toSpliced(op, Math.min(size, step.ops.length - 1));
      const candidate = best.toSpliced(at, 1, { ...step, ops });
      if (await differs(candidate)) best = candidate;
      else op += size;
    }
  }
  return best;
}
