/** Asks again and again, for a bounded time: for what other processes and real sockets do in their own time. */
import { setTimeout as pause } from "node:timers/promises";

const PAUSE_MS = 20;

/** The first value of `ask` that is neither undefined nor false. Rejects with `what` when there is none in time. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  milliseconds: number = 20_000,
): Promise<T> {
  const end = performance.now() + milliseconds;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await pause(PAUSE_MS);
  }
}
