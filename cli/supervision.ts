/**
 * What a server that was started by `vivarium ensemble` tells its starter, over the channel that Node opens for that
 * (`process.send`). When the channel closes, the starter is gone, and the server stops.
 */
import type { Facts, RoleName } from "../core/actor.ts";
import type { RunningServer } from "../net/server.ts";

export type Report =
  | { readonly kind: "started"; readonly clientPort: number | undefined }
  /** `epoch` 0: it has begun to be that, and does not serve clients yet. */
  | { readonly kind: "role"; readonly role: RoleName; readonly epoch: number }
  | { readonly kind: "elected"; readonly leader: number };

/** Nobody may be left over: a server that does not stop in this time is ended. */
export const STOP_MS = 10_000;

export function isReport(message: unknown): message is Report {
  return typeof message === "object" && message !== null && "kind" in message;
}

export function report(message: Report): void {
  // The starter may be just going: what cannot be told any more need not be.
  if (process.connected) process.send!(message, undefined, undefined, () => {});
}

/** `facts`, and the starter hears who leads. */
export function reportingFacts(facts: Facts): Facts {
  return {
    ...facts,
    role(role, epoch) {
      facts.role(role, epoch);
      report({ kind: "role", role, epoch });
    },
    elected(leader, epoch) {
      facts.elected(leader, epoch);
      report({ kind: "elected", leader });
    },
  };
}

/**
 * Stops what `running` gives as soon as the starter is gone; before there is a server, just ends. Returns what lets go
 * of the starter.
 */
export function stopWithStarter(running: () => RunningServer | undefined): () => void {
  const stop = (): void => {
    const server = running();
    if (server === undefined) process.exit(0);
    setTimeout(() => process.exit(1), STOP_MS).unref();
    void server.stop();
  };
  if (process.connected) process.once("disconnect", stop);
  else stop();
  return () => {
    process.off("disconnect", stop);
    if (process.connected) process.disconnect();
  };
}
