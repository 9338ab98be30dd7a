/** Ctrl-C under npm comes twice: from the terminal to everybody, and from npm, which passes on what it got itself. */

const ECHO_MS = 500;
let first = -Infinity;

/** Whether a signal that came now is the same keystroke as the first one. The first call takes note of the time. */
export function isEcho(): boolean {
  const now = performance.now();
  if (first === -Infinity) first = now;
  return now - first < ECHO_MS;
}
