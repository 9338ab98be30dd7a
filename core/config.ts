/**
 * What a server's actor needs to know, parsed and validated by a host (net/config-file.ts), frozen here. Field names
 * are zoo.cfg's keys where those are words; the comment gives the key where the name differs. Times are milliseconds,
 * sizes bytes.
 */
import type { Millis } from "./actor.ts";

export interface ServerConfig {
  /** The top byte of session ids; a standalone server is 1 (`myid` when present). */
  readonly serverId: number;
  readonly tickTime: Millis;
  readonly minSessionTimeout: Millis;
  readonly maxSessionTimeout: Millis;
  /** Live connections per remote host; 0 = unlimited. */
  readonly maxClientCnxns: number;
  /** Live connections altogether; 0 = unlimited. */
  readonly maxCnxns: number;
  /** `nio.sessionlessCnxnTimeout`: how long a connection may stay without a session. */
  readonly sessionlessCnxnTimeout: Millis;

  /** `jute.maxbuffer` and `jute.maxbuffer.extrasize`. */
  readonly juteMaxBuffer: number;
  readonly juteMaxBufferExtra: number;
  readonly globalOutstandingLimit: number;
  /** `request_throttle_max_requests` (0 = off) and its companions. */
  readonly requestThrottleLimit: number;
  readonly requestThrottleStallTime: Millis;
  readonly requestThrottleDropStale: boolean;
  readonly requestStaleConnectionCheck: boolean;
  readonly requestStaleLatencyCheck: boolean;
  readonly throttledOpWaitTime: Millis;
  readonly connectionThrottle: ConnectionThrottleConfig;
  /** `largeRequestThreshold` (-1 = off) and `largeRequestMaxBytes`. */
  readonly largeRequestThreshold: number;
  readonly largeRequestMaxBytes: number;

  readonly snapCount: number;
  /** `snapSizeLimitInKb` in bytes; 0 = off. */
  readonly snapSizeLimit: number;
  /** `preAllocSize` in bytes; 0 = off. */
  readonly preAllocSize: number;
  /** `txnLogSizeLimitInKb` in bytes; 0 = off. */
  readonly txnLogSizeLimit: number;
  /** false: replies do not wait for the disk. */
  readonly forceSync: boolean;
  /** `fsync.warningthresholdms`. */
  readonly fsyncWarningThreshold: Millis;
  readonly flushDelay: Millis;
  /** Txns in one group commit at most. */
  readonly maxBatchSize: number;
  readonly commitLogCount: number;
  /** `snapshot.compression.method`. */
  readonly snapshotCompression: "none" | "gz" | "snappy";
  /** `snapshot.trust.empty`. */
  readonly snapshotTrustEmpty: boolean;
  /** `db.autocreate`. */
  readonly dbAutocreate: boolean;
  /** `serializeLastProcessedZxid.enabled`: the third section of snapshots. */
  readonly serializeLastProcessedZxid: boolean;
  /** `autopurge.snapRetainCount`. */
  readonly snapRetainCount: number;
  /** `autopurge.purgeInterval` in milliseconds; 0 = off. */
  readonly purgeInterval: Millis;

  readonly digestEnabled: boolean;
  readonly closeSessionTxnEnabled: boolean;
  readonly extendedTypesEnabled: boolean;
  readonly emulate353TTLNodes: boolean;
  readonly enforceQuota: boolean;
  readonly reconfigEnabled: boolean;
  /** `znode.container.checkIntervalMs`, `.maxPerMinute`, `.maxNeverUsedIntervalMs` (0 = never). */
  readonly containerCheckInterval: Millis;
  readonly containerMaxPerMinute: number;
  readonly containerMaxNeverUsedInterval: Millis;

  readonly skipAcl: boolean;
  readonly auth: AuthConfig;

  /** `4lw.commands.whitelist`: names, or `*`. `srvr` is always among them. */
  readonly fourLetterWords: readonly string[];
  /** `readonlymode.enabled`: also puts `isro` on the default whitelist. */
  readonly readOnlyModeEnabled: boolean;
  /** What a host knows and four-letter words print. */
  readonly description: ServerDescription;
  /** Undefined: a standalone server. */
  readonly ensemble: EnsembleConfig | undefined;
}

/** What a server of an ensemble needs beside that. Limits in ticks are ZooKeeper's; times are milliseconds. */
export interface EnsembleConfig {
  /** The members as the configuration files give them, in the form of a dynamic configuration (reference, section 7.1). */
  readonly members: string;
  /** A newer configuration that was proposed to this server and not yet activated (`<config>.dynamic.next`). */
  readonly proposedMembers: string | undefined;
  /** The name of the static configuration file in the volume `conf`; undefined: configurations are kept in memory only. */
  readonly configFile: string | undefined;
  /** The directory of that file as it is spelled for people and for the next start; only ever written into the file. */
  readonly configDirectory: string | undefined;
  readonly peerType: "participant" | "observer";
  /** Ticks a learner may take to connect and to be brought up to date. */
  readonly initLimit: number;
  /** Ticks a learner may be silent or behind. */
  readonly syncLimit: number;
  /** Ticks to try to connect to a leader in; 0: initLimit. */
  readonly connectToLearnerMasterLimit: number;
  readonly standaloneEnabled: boolean;
  readonly localSessionsEnabled: boolean;
  readonly localSessionsUpgradingEnabled: boolean;
  /** `cnxTimeout`: of one attempt to connect to another server's election port. */
  readonly electionConnectTimeout: Millis;
  /** How long a decided vote waits for a better one. */
  readonly finalizeWait: Millis;
  /** `fastleader.minNotificationInterval` and `.maxNotificationInterval`. */
  readonly minNotificationInterval: Millis;
  readonly maxNotificationInterval: Millis;
  /** `observer.election.DelayMs`, drawn below it; `observer.reconnectDelayMs`. */
  readonly observerElectionDelay: Millis;
  readonly observerReconnectDelay: Millis;
  /** `leaderConnectDelayDuringRetryMs`. */
  readonly leaderConnectRetryDelay: Millis;
  /** `leader.maxTimeToWaitForEpoch`; -1: initLimit alone bounds it. */
  readonly maxTimeToWaitForEpoch: Millis;
  readonly forceSnapshotSync: boolean;
  /** `snapshotSizeFactor`; negative: the log on disk is not used to bring learners up to date. */
  readonly snapshotSizeFactor: number;
  /** `leader.maxConcurrentSnapSyncs` and `.maxConcurrentDiffSyncs`. */
  readonly maxConcurrentSnapSyncs: number;
  readonly maxConcurrentDiffSyncs: number;
  /** `syncEnabled`: an observer keeps a log. */
  readonly observerLogs: boolean;
  /** Bytes that may wait for one learner before it is dropped, to be brought up to date again when it returns. */
  readonly learnerQueueBytes: number;
  /** `testingonly.initialZxid`: the counter the first epoch led here begins from. */
  readonly initialCounter: number;
}

/** Everything but the members: ZooKeeper's defaults, with the limits of its sample configuration. */
export const DEFAULT_ENSEMBLE_CONFIG: EnsembleConfig = Object.freeze<EnsembleConfig>({
  members: "",
  proposedMembers: undefined,
  configFile: undefined,
  configDirectory: undefined,
  peerType: "participant",
  initLimit: 10,
  syncLimit: 5,
  connectToLearnerMasterLimit: 0,
  standaloneEnabled: true,
  localSessionsEnabled: false,
  localSessionsUpgradingEnabled: false,
  electionConnectTimeout: 5000,
  finalizeWait: 200,
  minNotificationInterval: 200,
  maxNotificationInterval: 60_000,
  observerElectionDelay: 200,
  observerReconnectDelay: 0,
  leaderConnectRetryDelay: 100,
  maxTimeToWaitForEpoch: -1,
  forceSnapshotSync: false,
  snapshotSizeFactor: 0.33,
  maxConcurrentSnapSyncs: 10,
  maxConcurrentDiffSyncs: 100,
  observerLogs: true,
  learnerQueueBytes: 64 * 1024 * 1024,
  initialCounter: 0,
});

export interface ConnectionThrottleConfig {
  /** 0 = off. */
  readonly tokens: number;
  readonly fillTime: Millis;
  readonly fillCount: number;
  readonly freezeTime: Millis;
  readonly dropIncrease: number;
  readonly dropDecrease: number;
  readonly decreaseRatio: number;
  readonly weightEnabled: boolean;
  readonly globalSessionWeight: number;
  readonly localSessionWeight: number;
  readonly renewSessionWeight: number;
}

export interface AuthConfig {
  /** `authProvider.*`: the schemes beside ip and digest. Without it an ACL of such a scheme is invalid. */
  readonly extraSchemes: readonly ("x509" | "sasl" | "ensemble")[];
  /** `DigestAuthenticationProvider.enabled`, `.superDigest`, `.digestAlg`. */
  readonly digestEnabled: boolean;
  readonly superDigest: string | undefined;
  readonly digestAlgorithm: "SHA1" | "SHA-256" | "SHA-512";
  /** `superUser` and every `superUser.*`: sasl users that are super. */
  readonly saslSuperUsers: readonly string[];
  /** `X509AuthenticationProvider.superUser`. */
  readonly x509SuperUser: string | undefined;
  /** `letAnySaslUserDoX`. */
  readonly letAnySaslUserDoX: string | undefined;
  /** `ensembleAuthName`: comma-separated names. */
  readonly ensembleNames: readonly string[];
  /** `enforce.auth.schemes` when `enforce.auth.enabled`; empty = not enforced. */
  readonly enforcedSchemes: readonly string[];
}

/** Only printed (`conf`, `envi`, `stat`), never decided upon. */
export interface ServerDescription {
  /** `X.Y.Z-…, built on …`, as after "Zookeeper version: ". */
  readonly version: string;
  readonly clientPort: number;
  readonly secureClientPort: number;
  readonly dataDir: string;
  readonly dataLogDir: string;
  readonly clientPortListenBacklog: number;
  /** `envi`'s lines. */
  readonly environment: readonly (readonly [string, string])[];
}

export const DEFAULT_SERVER_CONFIG: ServerConfig = Object.freeze<ServerConfig>({
  serverId: 1,
  tickTime: 3000,
  minSessionTimeout: 6000,
  maxSessionTimeout: 60_000,
  maxClientCnxns: 60,
  maxCnxns: 0,
  sessionlessCnxnTimeout: 10_000,
  juteMaxBuffer: 0xfffff,
  juteMaxBufferExtra: 0xfffff,
  globalOutstandingLimit: 1000,
  requestThrottleLimit: 0,
  requestThrottleStallTime: 100,
  requestThrottleDropStale: true,
  requestStaleConnectionCheck: true,
  requestStaleLatencyCheck: false,
  throttledOpWaitTime: 0,
  connectionThrottle: {
    tokens: 0,
    fillTime: 1,
    fillCount: 1,
    freezeTime: -1,
    dropIncrease: 0.02,
    dropDecrease: 0.002,
    decreaseRatio: 0,
    weightEnabled: false,
    globalSessionWeight: 3,
    localSessionWeight: 1,
    renewSessionWeight: 2,
  },
  largeRequestThreshold: -1,
  largeRequestMaxBytes: 100 * 1024 * 1024,
  snapCount: 100_000,
  snapSizeLimit: 4_194_304 * 1024,
  preAllocSize: 65_536 * 1024,
  txnLogSizeLimit: 0,
  forceSync: true,
  fsyncWarningThreshold: 1000,
  flushDelay: 0,
  maxBatchSize: 1000,
  commitLogCount: 500,
  snapshotCompression: "none",
  snapshotTrustEmpty: false,
  dbAutocreate: true,
  serializeLastProcessedZxid: true,
  snapRetainCount: 3,
  purgeInterval: 0,
  digestEnabled: true,
  closeSessionTxnEnabled: true,
  extendedTypesEnabled: false,
  emulate353TTLNodes: false,
  enforceQuota: false,
  reconfigEnabled: false,
  containerCheckInterval: 60_000,
  containerMaxPerMinute: 10_000,
  containerMaxNeverUsedInterval: 0,
  skipAcl: false,
  auth: {
    extraSchemes: [],
    digestEnabled: true,
    superDigest: undefined,
    digestAlgorithm: "SHA1",
    saslSuperUsers: [],
    x509SuperUser: undefined,
    letAnySaslUserDoX: undefined,
    ensembleNames: [],
    enforcedSchemes: [],
  },
  fourLetterWords: ["srvr"],
  readOnlyModeEnabled: false,
  description: {
    version: "3.8.0-vivarium",
    clientPort: -1,
    secureClientPort: -1,
    dataDir: "data",
    dataLogDir: "log",
    clientPortListenBacklog: -1,
    environment: [],
  },
  ensemble: undefined,
});
