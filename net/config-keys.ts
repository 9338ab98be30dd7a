/**
 * Every key of zoo.cfg that this server knows: one row each, which says what its value is, what holds without it and
 * where it goes. Documentation is printed from these rows. Java: QuorumPeerConfig, and system properties all over.
 */
import type { AuthConfig, ConnectionThrottleConfig, ServerConfig } from "../core/config.ts";
import { DEFAULT_SERVER_CONFIG } from "../core/config.ts";
import { decimal, flag, list, milliseconds, oneOf, tcpPort, text, whole, yesOrNo } from "./config-values.ts";
import type { ValueKind } from "./config-values.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What the rows fill in; checked and frozen by config-file.ts. */
export interface ConfigDraft {
  readonly server: Mutable<Omit<ServerConfig, "auth" | "connectionThrottle">>;
  readonly auth: Mutable<AuthConfig>;
  readonly throttle: Mutable<ConnectionThrottleConfig>;
  readonly tls: Mutable<TlsSettings>;
  clientPort?: number;
  clientPortAddress?: string;
  secureClientPort?: number;
  secureClientPortAddress?: string;
  backlog: number;
  keepAlive: boolean;
  portUnification: boolean;
  dataDir?: string;
  dataLogDir?: string;
  createDirectories: boolean;
  minSessionTimeout?: number;
  maxSessionTimeout?: number;
  fourLetterWords?: readonly string[];
  x509: boolean;
  ensembleProvider: boolean;
  enforceAuth: boolean;
  enforcedSchemes: readonly string[];
  superUsers: string[];
}

/** `ssl.*`, as written. */
export interface TlsSettings {
  readonly keyStore?: string;
  readonly keyStorePassword?: string;
  readonly keyStorePasswordPath?: string;
  readonly keyStoreType?: StoreType;
  readonly trustStore?: string;
  readonly trustStorePassword?: string;
  readonly trustStorePasswordPath?: string;
  readonly trustStoreType?: StoreType;
  readonly protocol?: string;
  readonly enabledProtocols?: readonly string[];
  readonly cipherSuites?: readonly string[];
  readonly clientAuth?: "need" | "want" | "none";
  readonly handshakeTimeout?: number;
}
export type StoreType = "PEM" | "PKCS12" | "JKS" | "BCFKS";

export interface KeyRow {
  /** As zoo.cfg spells it, without the optional prefix `zookeeper.`; a final `*` stands for any ending. */
  readonly key: string;
  /** What a value is, and one that could be written. */
  readonly kind: string;
  readonly example: string;
  /** What holds when the key is absent. */
  readonly byDefault: string;
  readonly meaning: string;
  /** Returns a complaint that ends the sentence `key: `, or nothing. `key` is the one written, for rows with `*`. */
  readonly apply: (draft: ConfigDraft, value: string, key: string) => string | undefined;
  /** Set for keys that are read and change nothing here: why. It is logged at start when true value could matter. */
  readonly note?: string;
}

function row<T>(
  key: string,
  kind: ValueKind<T>,
  byDefault: string | number | boolean,
  meaning: string,
  set: (draft: ConfigDraft, value: T, key: string) => void,
): KeyRow {
  return {
    key,
    kind: kind.name,
    example: kind.example,
    byDefault: String(byDefault),
    meaning,
    apply(draft, value, written) {
      const parsed = kind.parse(value);
      if (parsed === undefined) return `"${value}" is not ${kind.name}; write e.g. ${written}=${kind.example}`;
      set(draft, parsed, written);
      return undefined;
    },
  };
}

/** Only `accepted` values ask for what this server does. */
function only(key: string, accepted: readonly string[], remedy: string): KeyRow {
  return {
    key,
    kind: accepted.map((value) => `"${value}"`).join(" or "),
    example: accepted[0]!,
    byDefault: accepted[0]!,
    meaning: remedy,
    apply(_draft, value, written) {
      if (accepted.some((choice) => choice.toLowerCase() === value.toLowerCase())) return undefined;
      return `"${value}" is not possible here: ${remedy}; write ${written}=${accepted[0]} or remove the line`;
    },
  };
}

/** Belongs to something of ZooKeeper's that a server like this does not have, and may be there without harm. */
function idle(key: string, note: string): KeyRow {
  return { key, kind: "anything", example: "", byDefault: "", meaning: note, note, apply: () => undefined };
}

const { connectionThrottle: THROTTLE, ...DEFAULTS } = DEFAULT_SERVER_CONFIG;
const KB = 1024;
const QUORUM = "only an ensemble uses it";
const THREADS = "everything runs on one thread here";
const ADMIN = "there is no admin server (HTTP) here; four-letter words tell the same";
const SASL = "clients cannot log in with SASL here; use digest or x509";

/** Fields that are one number, text or flag. */
type PlainField = {
  [K in keyof ConfigDraft["server"]]: ServerConfig[K] extends number | string | boolean ? K : never;
}[keyof ConfigDraft["server"]];

/** `key` sets the field of the same meaning in ServerConfig. */
function server<K extends PlainField>(
  key: string,
  field: K,
  kind: ValueKind<ServerConfig[K]>,
  meaning: string,
  byDefault: string = String(DEFAULTS[field]),
): KeyRow {
  return row(key, kind, byDefault, meaning, (draft, value) => {
    draft.server[field] = value as ConfigDraft["server"][K];
  });
}
function throttle(
  key: string,
  field: Exclude<keyof ConnectionThrottleConfig, "weightEnabled">,
  kind: ValueKind<number>,
  meaning: string,
): KeyRow {
  const set = (draft: ConfigDraft, value: number): void => void (draft.throttle[field] = value);
  return row(`connection_throttle_${key}`, kind, THROTTLE[field], meaning, set);
}
/** A size in KiB; not above zero means off. */
function kilobytes(key: string, field: "snapSizeLimit" | "txnLogSizeLimit" | "preAllocSize", meaning: string): KeyRow {
  const byDefault = DEFAULTS[field] === 0 ? -1 : DEFAULTS[field] / KB;
  return row(key, whole("KiB", 65_536, -1), byDefault, meaning, (draft, value) => {
    draft.server[field] = Math.max(value, 0) * KB;
  });
}
function tls<K extends keyof TlsSettings>(
  key: string,
  field: K,
  kind: ValueKind<NonNullable<TlsSettings[K]>>,
  byDefault: string,
  meaning: string,
): KeyRow {
  return row(`ssl.${key}`, kind, byDefault, meaning, (draft, value) => {
    draft.tls[field] = value as ConfigDraft["tls"][K];
  });
}
const storeType = oneOf<StoreType>("PEM", "PKCS12", "JKS", "BCFKS");

const PLACES: readonly KeyRow[] = [
  row("dataDir", text("/var/lib/zookeeper"), "must be given", "where snapshots are", (d, v) => (d.dataDir = v)),
  row("dataLogDir", text("/var/log/zookeeper"), "dataDir", "where the log is", (d, v) => (d.dataLogDir = v)),
  row("datadir.autocreate", flag, true, "make missing directories", (d, v) => (d.createDirectories = v)),
  row("clientPort", tcpPort, "none", "port for clients; 0 is any free one", (d, v) => (d.clientPort = v)),
  row("clientPortAddress", text("127.0.0.1"), "every interface", "where clientPort listens", (d, v) => {
    d.clientPortAddress = v;
  }),
  row("secureClientPort", tcpPort, "none", "port for clients with TLS", (d, v) => (d.secureClientPort = v)),
  row("secureClientPortAddress", text("127.0.0.1"), "every interface", "where secureClientPort listens", (d, v) => {
    d.secureClientPortAddress = v;
  }),
  row("clientPortListenBacklog", whole("connections", 511, -1), -1, "connections that wait to be accepted", (d, v) => {
    d.backlog = v;
  }),
  row("clientTcpKeepAlive", flag, false, "TCP keep-alive for clients", (d, v) => (d.keepAlive = v)),
  row("client.portUnification", flag, false, "plain and TLS on clientPort", (d, v) => (d.portUnification = v)),
];

const SESSIONS: readonly KeyRow[] = [
  server("tickTime", "tickTime", milliseconds(2000, 1), "unit of session timeouts and expiry"),
  row("minSessionTimeout", milliseconds(4000, -1), "2 x tickTime", "shortest session timeout", (d, v) => {
    d.minSessionTimeout = v;
  }),
  row("maxSessionTimeout", milliseconds(40_000, -1), "20 x tickTime", "longest session timeout", (d, v) => {
    d.maxSessionTimeout = v;
  }),
  server("maxClientCnxns", "maxClientCnxns", whole("connections", 60), "connections per remote host; 0 = no limit"),
  server("maxCnxns", "maxCnxns", whole("connections", 10_000), "connections altogether; 0 = no limit"),
  server(
    "nio.sessionlessCnxnTimeout",
    "sessionlessCnxnTimeout",
    milliseconds(10_000, 1),
    "how long a connection may stay without a session",
  ),
];

const STORAGE: readonly KeyRow[] = [
  server("snapCount", "snapCount", whole("transactions", 100_000, 2), "transactions between snapshots"),
  kilobytes("snapSizeLimitInKb", "snapSizeLimit", "log size that calls for a snapshot; 0 = off"),
  kilobytes("preAllocSize", "preAllocSize", "how far ahead a log file is made longer"),
  kilobytes("txnLogSizeLimitInKb", "txnLogSizeLimit", "size at which a new log file begins; -1 = off"),
  server("forceSync", "forceSync", yesOrNo, "no = answer before the disk has the write", "yes"),
  server("fsync.warningthresholdms", "fsyncWarningThreshold", milliseconds(1000), "a slower sync is logged"),
  server("flushDelay", "flushDelay", milliseconds(0), "how long a commit waits for company"),
  server("maxBatchSize", "maxBatchSize", whole("transactions", 1000, 1), "transactions in one commit at most"),
  server("commitLogCount", "commitLogCount", whole("transactions", 500, 1), "recent transactions kept in memory"),
  row("snapshot.compression.method", oneOf("none", "gz", "snappy"), "none", "how snapshots are packed", (d, v) => {
    d.server.snapshotCompression = v;
  }),
  server("snapshot.trust.empty", "snapshotTrustEmpty", flag, "start with a log but without any snapshot"),
  server("db.autocreate", "dbAutocreate", flag, "an empty directory is an empty database"),
  server(
    "serializeLastProcessedZxid.enabled",
    "serializeLastProcessedZxid",
    flag,
    "snapshots end with the last zxid they contain",
  ),
  row("autopurge.snapRetainCount", whole("snapshots", 3, 0), 3, "snapshots that purging keeps, at least 3", (d, v) => {
    d.server.snapRetainCount = Math.max(v, 3);
  }),
  row("autopurge.purgeInterval", whole("hours", 24), 0, "hours between purges; 0 = never", (d, v) => {
    d.server.purgeInterval = v * 3_600_000;
  }),
];

const LIMITS: readonly KeyRow[] = [
  server("jute.maxbuffer", "juteMaxBuffer", whole("bytes", 1_048_575, 1), "largest request"),
  server(
    "jute.maxbuffer.extrasize",
    "juteMaxBufferExtra",
    whole("bytes", 1_048_575),
    "records on disk may be so much larger",
  ),
  server(
    "globalOutstandingLimit",
    "globalOutstandingLimit",
    whole("requests", 1000, 1),
    "requests in process before all connections wait",
  ),
  server(
    "request_throttle_max_requests",
    "requestThrottleLimit",
    whole("requests", 2000),
    "requests in process before new ones are throttled; 0 = off",
  ),
  server(
    "request_throttle_stall_time",
    "requestThrottleStallTime",
    milliseconds(100, 1),
    "how long a throttled request waits between looks",
  ),
  server("request_throttle_drop_stale", "requestThrottleDropStale", flag, "drop throttled requests nobody waits for"),
  server(
    "request_stale_connection_check",
    "requestStaleConnectionCheck",
    flag,
    "a request is stale when its connection is closed",
  ),
  server(
    "request_stale_latency_check",
    "requestStaleLatencyCheck",
    flag,
    "a request is stale when it has waited for its session's timeout",
  ),
  server(
    "throttled_op_wait_time",
    "throttledOpWaitTime",
    milliseconds(1000),
    "a request that waited this long is refused; 0 = never",
  ),
  server(
    "largeRequestThreshold",
    "largeRequestThreshold",
    whole("bytes", 1_000_000, -1),
    "a larger request counts as large; -1 = none does",
  ),
  server(
    "largeRequestMaxBytes",
    "largeRequestMaxBytes",
    whole("bytes", 104_857_600, 1),
    "large requests in process, together; more close their connection",
  ),
  throttle(
    "tokens",
    "tokens",
    whole("connections", 100),
    "size of the bucket of tokens, of which new connections take; 0 = off",
  ),
  throttle("fill_time", "fillTime", milliseconds(1, 1), "how often the bucket is filled"),
  throttle("fill_count", "fillCount", whole("connections", 1), "by how many tokens"),
  throttle("freeze_time", "freezeTime", milliseconds(100, -1), "how often the drop probability changes"),
  throttle("drop_increase", "dropIncrease", decimal, "by how much it grows when the bucket is empty"),
  throttle("drop_decrease", "dropDecrease", decimal, "by how much it falls when the bucket is full enough"),
  throttle("decrease_ratio", "decreaseRatio", decimal, "share of the bucket that may be missing when it falls"),
  row(
    "connection_throttle_weight_enabled",
    flag,
    false,
    "kinds of sessions take different numbers of tokens",
    (d, v) => {
      d.throttle.weightEnabled = v;
    },
  ),
  throttle("global_session_weight", "globalSessionWeight", whole("", 3, 1), "tokens that a new session takes"),
  throttle("local_session_weight", "localSessionWeight", whole("", 1, 1), "tokens that a local session takes"),
  throttle(
    "renew_session_weight",
    "renewSessionWeight",
    whole("", 2, 1),
    "tokens that a session takes when it comes back",
  ),
];

const MODEL: readonly KeyRow[] = [
  server("digest.enabled", "digestEnabled", flag, "keep a checksum of the tree and check it at every transaction"),
  server("closeSessionTxn.enabled", "closeSessionTxnEnabled", flag, "the log says which nodes went with a session"),
  server("extendedTypesEnabled", "extendedTypesEnabled", flag, "allow nodes with a time to live"),
  server("emulate353TTLNodes", "emulate353TTLNodes", flag, "read nodes with a time to live as 3.5.3 wrote them"),
  server("enforceQuota", "enforceQuota", flag, "refuse what exceeds a quota"),
  server(
    "znode.container.checkIntervalMs",
    "containerCheckInterval",
    milliseconds(60_000),
    "how often empty containers and expired nodes are removed; 0 = never",
  ),
  server(
    "znode.container.maxPerMinute",
    "containerMaxPerMinute",
    whole("nodes", 10_000, 1),
    "how many of them at most",
  ),
  server(
    "znode.container.maxNeverUsedIntervalMs",
    "containerMaxNeverUsedInterval",
    milliseconds(0),
    "age at which a container that never had children goes; 0 = never",
  ),
  row("skipACL", yesOrNo, "no", "do not check permissions", (d, v) => (d.server.skipAcl = v)),
  idle("enableEagerACLCheck", "only servers of an ensemble check early, in Apache too"),
  server("readonlymode.enabled", "readOnlyModeEnabled", flag, "the four-letter word isro is on the default list"),
  row(
    "4lw.commands.whitelist",
    list("stat, ruok, mntr"),
    "srvr",
    "four-letter words that are answered, beside srvr; * = all",
    (d, v) => {
      d.fourLetterWords = v;
    },
  ),
];

const AUTH: readonly KeyRow[] = [
  row(
    "DigestAuthenticationProvider.enabled",
    flag,
    true,
    "offer the scheme digest",
    (d, v) => (d.auth.digestEnabled = v),
  ),
  row("DigestAuthenticationProvider.superDigest", text("super:base64"), "none", "super user of digest", (d, v) => {
    d.auth.superDigest = v;
  }),
  row(
    "DigestAuthenticationProvider.digestAlg",
    oneOf("SHA1", "SHA-256", "SHA-512"),
    "SHA1",
    "the hash that digest uses",
    (d, v) => {
      d.auth.digestAlgorithm = v;
    },
  ),
  row("X509AuthenticationProvider.superUser", text("CN=admin"), "none", "super user of x509", (d, v) => {
    d.auth.x509SuperUser = v;
  }),
  row("ssl.authProvider", oneOf("x509"), "x509", "which provider reads certificates", (d) => (d.x509 = true)),
  row("superUser", text("admin"), "none", "super user of sasl", (d, v) => void d.superUsers.push(v)),
  row("superUser.*", text("admin"), "none", "further super users of sasl", (d, v) => void d.superUsers.push(v)),
  row("letAnySaslUserDoX", text("name"), "none", "this sasl id means every sasl user", (d, v) => {
    d.auth.letAnySaslUserDoX = v;
  }),
  row(
    "ensembleAuthName",
    list("name"),
    "none",
    "names that the scheme ensemble accepts",
    (d, v) => (d.auth.ensembleNames = v),
  ),
  row("enforce.auth.enabled", flag, false, "refuse who has not authenticated", (d, v) => (d.enforceAuth = v)),
  row(
    "enforce.auth.schemes",
    list("digest"),
    "none",
    "the schemes of which one is needed then",
    (d, v) => (d.enforcedSchemes = v),
  ),
  {
    key: "authProvider.*",
    kind: "a class name of ZooKeeper's",
    example: "org.apache.zookeeper.server.auth.X509AuthenticationProvider",
    byDefault: "none",
    meaning: "a further authentication provider",
    apply(draft, value, key) {
      const name = value.slice(value.lastIndexOf(".") + 1);
      if (name === "X509AuthenticationProvider") draft.x509 = true;
      else if (name === "EnsembleAuthenticationProvider") draft.ensembleProvider = true;
      else if (name === "SASLAuthenticationProvider") return `${SASL}; remove the line`;
      else if (name !== "DigestAuthenticationProvider" && name !== "IPAuthenticationProvider") {
        return `"${value}" is Java code, which cannot be loaded here; remove the line or write e.g. ${key}=${this.example}`;
      }
      return undefined;
    },
  },
  only("sessionRequireClientSASLAuth", ["false"], SASL),
];

const TLS: readonly KeyRow[] = [
  tls("keyStore.location", "keyStore", text("/etc/zookeeper/server.pem"), "must be given", "key and certificates"),
  tls("keyStore.password", "keyStorePassword", text("secret"), "none", "password of the key store"),
  tls("keyStore.passwordPath", "keyStorePasswordPath", text("/etc/zookeeper/pass"), "none", "file with that password"),
  tls("keyStore.type", "keyStoreType", storeType, "by the file's ending", "PEM or PKCS12"),
  tls("trustStore.location", "trustStore", text("/etc/zookeeper/ca.pem"), "the system's", "who may sign clients"),
  tls("trustStore.password", "trustStorePassword", text("secret"), "none", "password of the trust store"),
  tls("trustStore.passwordPath", "trustStorePasswordPath", text("/etc/zookeeper/pass"), "none", "file with it"),
  tls("trustStore.type", "trustStoreType", storeType, "by the file's ending", "PEM"),
  tls("protocol", "protocol", oneOf("TLSv1.2", "TLSv1.3"), "TLSv1.2 and TLSv1.3", "only this protocol"),
  tls("enabledProtocols", "enabledProtocols", list("TLSv1.3,TLSv1.2"), "ssl.protocol", "only these protocols"),
  tls("ciphersuites", "cipherSuites", list("TLS_AES_256_GCM_SHA384"), "Node's", "only these cipher suites"),
  tls("clientAuth", "clientAuth", oneOf("need", "want", "none"), "need", "whether clients show a certificate"),
  tls("handshakeDetectionTimeoutMillis", "handshakeTimeout", milliseconds(5000, 1), "5000", "time for a handshake"),
  only("ssl.clientHostnameVerification", ["false"], "the names of clients' hosts are not checked"),
  only("ssl.crl", ["false"], "revocation lists are not read"),
  only("ssl.ocsp", ["false"], "revocation is not asked for"),
  only("netty.server.outstandingHandshake.limit", ["-1"], "handshakes are not limited"),
  idle("ssl.hostnameVerification", "only a client that dials checks names"),
  idle("ssl.quorum.*", QUORUM),
  idle("fips-mode", "the Node that runs this decides"),
];

const ELSEWHERE: readonly KeyRow[] = [
  only("electionAlg", ["3"], "the other algorithms are gone"),
  only("standaloneEnabled", ["true"], "an ensemble cannot be served yet"),
  only("reconfigEnabled", ["false"], "there is no ensemble to reconfigure"),
  only("peerType", ["participant"], "there is no ensemble to observe"),
  only("localSessionsEnabled", ["false"], "every session is global here"),
  only("localSessionsUpgradingEnabled", ["false"], "every session is global here"),
  only("admin.enableServer", ["false"], ADMIN),
  only("audit.enable", ["false"], "there is no audit log here"),
  only("jvm.pause.monitor", ["false"], "there is no JVM here"),
  only("sslQuorum", ["false"], QUORUM),
  only("portUnification", ["false"], QUORUM),
  only("quorum.auth.enableSasl", ["false"], QUORUM),
  only("quorum.auth.serverRequireSasl", ["false"], QUORUM),
  only("quorum.auth.learnerRequireSasl", ["false"], QUORUM),
  only(
    "metricsProvider.className",
    [
      "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
      "org.apache.zookeeper.metrics.impl.NullMetricsProvider",
    ],
    "metrics are read with the four-letter word mntr",
  ),
  only(
    "serverCnxnFactory",
    ["org.apache.zookeeper.server.NIOServerCnxnFactory", "org.apache.zookeeper.server.NettyServerCnxnFactory"],
    "Java classes cannot be loaded here",
  ),
  only(
    "watchManagerName",
    ["org.apache.zookeeper.server.watch.WatchManager", "org.apache.zookeeper.server.watch.WatchManagerOptimized"],
    "Java classes cannot be loaded here",
  ),
  {
    ...idle("server.*", "one line is tolerated, as by ZooKeeper; an ensemble cannot be served yet"),
    kind: "host:port:port",
    example: "localhost:2888:3888",
  },
  ...[
    "initLimit",
    "syncLimit",
    "connectToLearnerMasterLimit",
    "quorumListenOnAllIPs",
    "syncEnabled",
    "leaderServes",
  ].map((key) => idle(key, QUORUM)),
  ...[
    "observerMasterPort",
    "cnxTimeout",
    "electionPortBindRetry",
    "snapshotSizeFactor",
    "sslQuorumReloadCertFiles",
  ].map((key) => idle(key, QUORUM)),
  ...["quorum.*", "learner.*", "leader.*", "observer.*", "multiAddress.*", "group.*", "weight.*"].map((key) =>
    idle(key, QUORUM),
  ),
  only("dynamicConfigFile", [""], "an ensemble cannot be served yet"),
  only("oraclePath", [""], "an ensemble cannot be served yet"),
  ...["nio.*", "netty.*", "commitProcessor.*", "maxWriteQueuePollTime", "jvm.*"].map((key) => idle(key, THREADS)),
  ...["maxResponseCacheSize", "maxGetChildrenResponseCacheSize"].map((key) =>
    idle(key, "answers are written from the tree without a cache"),
  ),
  idle("admin.*", ADMIN),
  idle("metricsProvider.*", "metrics are read with the four-letter word mntr"),
  ...["allowSaslFailedClients", "kerberos.*", "sasl.*"].map((key) => idle(key, SASL)),
];

/** Rows that belong together, for documentation. */
export interface KeyGroup {
  readonly title: string;
  readonly rows: readonly KeyRow[];
}

export const CONFIG_KEY_GROUPS: readonly KeyGroup[] = [
  { title: "Ports and directories", rows: PLACES },
  { title: "Sessions and connections", rows: SESSIONS },
  { title: "Log and snapshots", rows: STORAGE },
  { title: "Limits and throttling", rows: LIMITS },
  { title: "Nodes, permissions, four-letter words", rows: MODEL },
  { title: "Authentication", rows: AUTH },
  { title: "TLS", rows: TLS },
  { title: "What Apache ZooKeeper has and this server has not", rows: ELSEWHERE },
];

export const CONFIG_KEYS: readonly KeyRow[] = CONFIG_KEY_GROUPS.flatMap((group) => group.rows);
