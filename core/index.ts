/** What writing a host, or running a server's actor in one, takes. */
export type {
  Actor,
  Address,
  CloseCause,
  ConnId,
  Context,
  DirectoryName,
  DiskError,
  DiskOp,
  DiskOutcome,
  Facts,
  FileEntry,
  FileName,
  Millis,
  Port,
} from "./actor.ts";
export { NO_FACTS } from "./actor.ts";
export type { EffectSink } from "./outbox.ts";
export { Outbox, QUEUED_HIGH_WATER } from "./outbox.ts";
export type { AuthConfig, ConnectionThrottleConfig, ServerConfig, ServerDescription } from "./config.ts";
export type { EnsembleConfig } from "./config.ts";
export { DEFAULT_ENSEMBLE_CONFIG, DEFAULT_SERVER_CONFIG } from "./config.ts";
export { InvariantViolation } from "./invariant.ts";
export { Peer } from "./server/peer.ts";
export { StandaloneServer } from "./server/standalone.ts";
