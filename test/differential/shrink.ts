/**
 * Cuts a sequence that shows a difference down to a short one, by playing parts of it on fresh servers: first whole
 * stretches of steps, halving, then the requests inside each step that is left.
 */
import { nameOf } from "./ops.ts";
import type { Step } from "./side.ts";

/** Enough for every slot to have one. */
const OPENS = 12;

/** True if these steps still show a difference. */
export type StillDiffers = (steps: readonly Step[]) => Promise<boolean>;

/** Stops at `deadline` (as Date.now()) with the shortest so far. */
export async function shrink(
  steps: readonly Step[],
  differs: StillDiffers,
  deadline: number,
): Promise<readonly Step[]> {
  let best = await shrinkByTrait(await lastSteps(steps, differs, deadline), differs, deadline);
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

/** Most differences need little of what came before: connections, and the last few steps. */
async function lastSteps(steps: readonly Step[], differs: StillDiffers, deadline: number): Promise<readonly Step[]> {
  for (let count = 1; count < steps.length / 2 && Date.now() < deadline; count *= 4) {
    const start = steps.length - count;
    const opens = steps.slice(0, start).filter(({ kind }) => kind === "open");
    const candidate = [...opens.slice(-OPENS), ...steps.slice(start)];
    if (await differs(candidate)) return candidate;
  }
  return steps;
}

/** Whole clients and whole kinds of requests first: each is one try. */
async function shrinkByTrait(
  steps: readonly Step[],
  differs: StillDiffers,
  deadline: number,
): Promise<readonly Step[]> {
  let best = steps;
  for (const trait of new Set(steps.flatMap(traits))) {
    if (Date.now() >= deadline) break;
    const without = best.flatMap((step) => withoutTrait(step, trait));
    if (without.length < best.length || opsOf(without) < opsOf(best)) if (await differs(without)) best = without;
  }
  return best;
}

function traits(step: Step): string[] {
  const slot = step.kind === "flush" || step.kind === "restart" ? [] : [`slot ${step.slot}`];
  const kinds = step.kind === "ops" ? step.ops.map(nameOf) : step.kind === "open" ? [] : [step.kind];
  return [...slot, ...kinds];
}

function withoutTrait(step: Step, trait: string): Step[] {
  if (step.kind !== "ops") return traits(step).includes(trait) ? [] : [step];
  if (trait === `slot ${step.slot}`) return [];
  const ops = step.ops.filter((op) => nameOf(op) !== trait);
  return ops.length === 0 ? [] : [{ ...step, ops }];
}

function opsOf(steps: readonly Step[]): number {
  return steps.reduce((sum, step) => sum + (step.kind === "ops" ? step.ops.length : 1), 0);
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
