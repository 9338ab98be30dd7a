/**
 * Every key of zoo.cfg that this server knows: one row each, which says what its value is, what holds without it and
 * where it goes. Documentation is printed from these rows. Java: QuorumPeerConfig, and system properties all over.
 */
import { ENSEMBLE, ENSEMBLE_TLS } from "./config-keys-ensemble.ts";
import { CLIENT_TLS, idle, kilobytes, only, row, SASL, server, THREADS, throttle, tlsRows } from "./config-rows.ts";
import type { KeyGroup, KeyRow } from "./config-rows.ts";
import { decimal, flag, list, milliseconds, oneOf, tcpPort, text, whole, yesOrNo } from "./config-values.ts";

const ADMIN = "there is no admin server (HTTP) here; four-letter words tell the same";

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
  idle("enableEagerACLCheck", "permissions are checked once, where a write gets its number"),
  server(
    "readonlymode.enabled",
    "readOnlyModeEnabled",
    flag,
    "without a quorum clients may still read; isro is answered",
  ),
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
  ...tlsRows(CLIENT_TLS),
  only("ssl.clientHostnameVerification", ["false"], "the names of clients' hosts are not checked"),
  only("netty.server.outstandingHandshake.limit", ["-1"], "handshakes are not limited"),
  idle("ssl.hostnameVerification", "only a client that dials checks names"),
  idle("fips-mode", "the Node that runs this decides"),
];

const ELSEWHERE: readonly KeyRow[] = [
  only("admin.enableServer", ["false"], ADMIN),
  only("audit.enable", ["false"], "there is no audit log here"),
  only("jvm.pause.monitor", ["false"], "there is no JVM here"),
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
  ...["nio.*", "netty.*", "commitProcessor.*", "maxWriteQueuePollTime", "jvm.*"].map((key) => idle(key, THREADS)),
  ...["maxResponseCacheSize", "maxGetChildrenResponseCacheSize"].map((key) =>
    idle(key, "answers are written from the tree without a cache"),
  ),
  idle("admin.*", ADMIN),
  idle("metricsProvider.*", "metrics are read with the four-letter word mntr"),
  ...["allowSaslFailedClients", "kerberos.*", "sasl.*"].map((key) => idle(key, SASL)),
];

export const CONFIG_KEY_GROUPS: readonly KeyGroup[] = [
  { title: "Ports and directories", rows: PLACES },
  { title: "Sessions and connections", rows: SESSIONS },
  { title: "Log and snapshots", rows: STORAGE },
  { title: "Limits and throttling", rows: LIMITS },
  { title: "Nodes, permissions, four-letter words", rows: MODEL },
  { title: "Authentication", rows: AUTH },
  { title: "TLS", rows: TLS },
  { title: "Ensembles", rows: ENSEMBLE },
  { title: "TLS between servers", rows: ENSEMBLE_TLS },
  { title: "What Apache ZooKeeper has and this server has not", rows: ELSEWHERE },
];

export const CONFIG_KEYS: readonly KeyRow[] = CONFIG_KEY_GROUPS.flatMap((group) => group.rows);
