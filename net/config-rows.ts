/**
 * What a row of the table of zoo.cfg's keys is, what rows fill in, and the few shapes that rows have. The rows are in
 * config-keys.ts and config-keys-ensemble.ts.
 */
import type { AuthConfig, ConnectionThrottleConfig, EnsembleConfig, ServerConfig } from "../core/config.ts";
import { DEFAULT_ENSEMBLE_CONFIG, DEFAULT_SERVER_CONFIG } from "../core/config.ts";
import { list, milliseconds, oneOf, text, whole } from "./config-values.ts";
import type { ValueKind } from "./config-values.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What the rows fill in; checked and frozen by config-file.ts. */
export interface ConfigDraft {
  readonly server: Mutable<Omit<ServerConfig, "auth" | "connectionThrottle">>;
  readonly auth: Mutable<AuthConfig>;
  readonly throttle: Mutable<ConnectionThrottleConfig>;
  readonly tls: Mutable<TlsSettings>;
  readonly ensemble: Mutable<EnsembleConfig>;
  readonly quorum: QuorumDraft;
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

/** What only a server of an ensemble has, beside {@link EnsembleConfig}. */
export interface QuorumDraft {
  /** Lines of a dynamic configuration, in the order of the file: `server.1=…`, `group.1=…`, `weight.1=…`. */
  readonly lines: string[];
  readonly tls: Mutable<TlsSettings>;
  dynamicConfigFile?: string;
  /** Quorum and election ports speak TLS. */
  tlsOn: boolean;
  /** They take both. */
  plainToo: boolean;
  listenOnAllIPs: boolean;
  /** How often a port is asked for; 0: until it is free. */
  bindTries: number;
  keepAlive: boolean;
}

/** `ssl.*` or `ssl.quorum.*`, as written. */
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
  /** Between servers: whether a certificate has to name the host that shows it. Undefined: yes. */
  readonly hostnameVerification?: boolean;
  /** The same of those who connect to us. */
  readonly clientHostnameVerification?: boolean;
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
  /** Changes nothing for a single server, which says so in its log. */
  readonly ensembleOnly?: boolean;
}

/** Rows that belong together, for documentation. */
export interface KeyGroup {
  readonly title: string;
  readonly rows: readonly KeyRow[];
}

export function row<T>(
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
export function only(key: string, accepted: readonly string[], remedy: string): KeyRow {
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
export function idle(key: string, note: string): KeyRow {
  return { key, kind: "anything", example: "", byDefault: "", meaning: note, note, apply: () => undefined };
}

/** For servers of an ensemble. */
export function ensembleOnly(given: KeyRow): KeyRow {
  return { ...given, ensembleOnly: true };
}

const { connectionThrottle: THROTTLE, ...DEFAULTS } = DEFAULT_SERVER_CONFIG;
const KB = 1024;
/** Why a single server does not need a row that is for ensembles only. */
export const ENSEMBLES_ONLY = "only an ensemble uses it";
/** Reasons that several rows have. */
export const THREADS = "everything runs on one thread here";
export const SASL = "clients cannot log in with SASL here; use digest or x509";

/** Fields that are one number, text or flag. */
type PlainField = {
  [K in keyof ConfigDraft["server"]]: ServerConfig[K] extends number | string | boolean ? K : never;
}[keyof ConfigDraft["server"]];

/** `key` sets the field of the same meaning in ServerConfig. */
export function server<K extends PlainField>(
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
export function throttle(
  key: string,
  field: Exclude<keyof ConnectionThrottleConfig, "weightEnabled">,
  kind: ValueKind<number>,
  meaning: string,
): KeyRow {
  const set = (draft: ConfigDraft, value: number): void => void (draft.throttle[field] = value);
  return row(`connection_throttle_${key}`, kind, THROTTLE[field], meaning, set);
}
/** A size in KiB; not above zero means off. */
export function kilobytes(
  key: string,
  field: "snapSizeLimit" | "txnLogSizeLimit" | "preAllocSize",
  meaning: string,
): KeyRow {
  const byDefault = DEFAULTS[field] === 0 ? -1 : DEFAULTS[field] / KB;
  return row(key, whole("KiB", 65_536, -1), byDefault, meaning, (draft, value) => {
    draft.server[field] = Math.max(value, 0) * KB;
  });
}

type EnsembleField = {
  [K in keyof EnsembleConfig]: EnsembleConfig[K] extends number | string | boolean ? K : never;
}[keyof EnsembleConfig];

/** `key` sets the field of the same meaning in EnsembleConfig. */
export function ensemble<K extends Exclude<EnsembleField, "members">>(
  key: string,
  field: K,
  kind: ValueKind<EnsembleConfig[K]>,
  meaning: string,
  byDefault: string = String(DEFAULT_ENSEMBLE_CONFIG[field]),
): KeyRow {
  return ensembleOnly(
    row(key, kind, byDefault, meaning, (draft, value) => {
      draft.ensemble[field] = value as ConfigDraft["ensemble"][K];
    }),
  );
}

/** The other side of a connection, in the rows about TLS, and where the rows go. */
interface TlsUse {
  readonly prefix: "ssl." | "ssl.quorum.";
  readonly peers: string;
  readonly settings: (draft: ConfigDraft) => Mutable<TlsSettings>;
}
export const CLIENT_TLS: TlsUse = { prefix: "ssl.", peers: "clients", settings: (draft) => draft.tls };
export const QUORUM_TLS: TlsUse = {
  prefix: "ssl.quorum.",
  peers: "other servers",
  settings: (draft) => draft.quorum.tls,
};

/** What is told of both kinds of ports. */
export function tlsRows(use: TlsUse): KeyRow[] {
  const tls = <K extends keyof TlsSettings>(
    key: string,
    field: K,
    kind: ValueKind<NonNullable<TlsSettings[K]>>,
    byDefault: string,
    meaning: string,
  ): KeyRow =>
    row(`${use.prefix}${key}`, kind, byDefault, meaning, (draft, value) => {
      use.settings(draft)[field] = value as Mutable<TlsSettings>[K];
    });
  const secret = text("/etc/zookeeper/pass");
  return [
    tls("keyStore.location", "keyStore", text("/etc/zookeeper/server.pem"), "must be given", "key and certificates"),
    tls("keyStore.password", "keyStorePassword", text("secret"), "none", "password of the key store"),
    tls("keyStore.passwordPath", "keyStorePasswordPath", secret, "none", "file with that password"),
    tls("keyStore.type", "keyStoreType", storeType, "by the file's ending", "PEM or PKCS12"),
    tls(
      "trustStore.location",
      "trustStore",
      text("/etc/zookeeper/ca.pem"),
      "the system's",
      `who may sign ${use.peers}`,
    ),
    tls("trustStore.password", "trustStorePassword", text("secret"), "none", "password of the trust store"),
    tls("trustStore.passwordPath", "trustStorePasswordPath", secret, "none", "file with it"),
    tls("trustStore.type", "trustStoreType", storeType, "by the file's ending", "PEM or PKCS12"),
    tls("protocol", "protocol", oneOf("TLSv1.2", "TLSv1.3"), "TLSv1.2 and TLSv1.3", "only this protocol"),
    tls(
      "enabledProtocols",
      "enabledProtocols",
      list("TLSv1.3,TLSv1.2"),
      `${use.prefix}protocol`,
      "only these protocols",
    ),
    tls("ciphersuites", "cipherSuites", list("TLS_AES_256_GCM_SHA384"), "Node's", "only these cipher suites"),
    tls("clientAuth", "clientAuth", oneOf("need", "want", "none"), "need", `whether ${use.peers} show a certificate`),
    tls("handshakeDetectionTimeoutMillis", "handshakeTimeout", milliseconds(5000, 1), "5000", "time for a handshake"),
    only(`${use.prefix}crl`, ["false"], "revocation lists are not read"),
    only(`${use.prefix}ocsp`, ["false"], "revocation is not asked for"),
  ];
}
const storeType = oneOf<StoreType>("PEM", "PKCS12", "JKS", "BCFKS");
