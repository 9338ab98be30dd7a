import type { Actor } from "../../core/actor.ts";

/** Does nothing; a test spreads it and writes the handlers it is about. */
export const idle: Actor = {
  onStarted() {},
  onAccepted() {},
  onConnected() {},
  onReceived() {},
  onDrained() {},
  onClosed() {},
  onDiskDone() {},
  onDeadline() {},
  onStopRequested(cx) {
    cx.halt(0, "asked to");
  },
  deadline: () => Infinity,
};
