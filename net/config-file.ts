/**
 * zoo.cfg, or the same keys given by a program, into what a server needs to know. Every complaint is one line that
 * names the place, the key, what is wrong and what to write instead. Java: QuorumPeerConfig, ServerConfig.
 */
import fs from "node:fs";
import path from "node:path";
import type { ServerConfig } from "../core/config.ts";
import { DEFAULT_ENSEMBLE_CONFIG, DEFAULT_SERVER_CONFIG } from "../core/config.ts";
import { CONFIG_KEYS } from "./config-keys.ts";
import { ENSEMBLES_ONLY } from "./config-rows.ts";
import type { ConfigDraft, KeyRow, TlsSettings } from "./config-rows.ts";
import { describeServer } from "./description.ts";
import { readMembership } from "./ensemble-config.ts";
import type { EnsembleServing, Membership } from "./ensemble-config.ts";
import { parseProperties } from "./properties.ts";
import type { Property } from "./properties.ts";
import { ExitCode, StartError } from "./start-error.ts";

/** Everything a server process is told. Paths are absolute. */
export interface ServeConfig {
  readonly server: ServerConfig;
  readonly clientPort: number | undefined;
  /** Absent: every interface. */
  readonly clientPortAddress: string | undefined;
  readonly secureClientPort: number | undefined;
  readonly secureClientPortAddress: string | undefined;
  /** -1 is the system's choice. */
  readonly backlog: number;
  readonly keepAlive: boolean;
  /** clientPort takes TLS too. */
  readonly portUnification: boolean;
  readonly dataDir: string;
  readonly dataLogDir: string;
  readonly createDirectories: boolean;
  /** Set when some port for clients speaks TLS. */
  readonly tls: TlsSettings | undefined;
  /** Set for a server of an ensemble, together with `server.ensemble`. */
  readonly ensemble: EnsembleServing | undefined;
  /** How a complaint about `key` begins: file, line and key. */
  readonly where: (key: string) => string;
  /** What was accepted and changes nothing: lines for the log. */
  readonly notes: readonly string[];
  /** What was accepted and is probably not meant. */
  readonly warnings: readonly string[];
}

/** Keys as in zoo.cfg. */
export type Settings = Readonly<Record<string, string | number | boolean>>;

/** Throws {@link StartError}. */
export function readConfigFile(file: string): ServeConfig {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : String(error);
    throw new StartError(`${file}: cannot be read: ${reason}`, ExitCode.invocation);
  }
  return parseConfig(text, path.basename(file), path.resolve(file));
}

/**
 * `name` is what complaints call the file. `file` is where it lies, if it does: a server may change it there, and what
 * was proposed to it is beside it. Throws {@link StartError}.
 */
export function parseConfig(text: string, name: string, file?: string): ServeConfig {
  const read = parseProperties(text);
  if (read.kind === "malformed") throw new StartError(`${name}:${read.line}: ${read.reason}`, ExitCode.invocation);
  return configure(
    read.properties,
    ({ line, key }) => (line === 0 ? `${name}: ${key}` : `${name}:${line}: ${key}`),
    file,
  );
}

/** Throws {@link StartError}. */
export function configFromSettings(settings: Settings): ServeConfig {
  const properties = Object.entries(settings).map(([key, value]) => ({ key, value: String(value).trim(), line: 0 }));
  return configure(properties, ({ key }) => key);
}

/** How a complaint begins; line 0 is none. */
type Place = (property: Pick<Property, "key" | "line">) => string;

function configure(properties: readonly Property[], place: Place, file?: string): ServeConfig {
  const draft = newDraft();
  const written = new Map<string, Property>();
  // The last of several wins, as in Java.
  for (const property of properties) written.set(plainKey(property.key), property);
  const where = (key: string): string => place(written.get(key) ?? { key, line: 0 });
  const complain = (key: string, complaint: string): never => {
    throw new StartError(`${where(key)}: ${complaint}`, ExitCode.invocation);
  };
  const rows = new Map<string, KeyRow>();
  for (const [key, property] of written) {
    const found = findRow(key) ?? complain(key, unknownKey(key));
    const complaint = found.apply(draft, property.value, key);
    if (complaint !== undefined) complain(key, complaint);
    rows.set(key, found);
  }
  if (draft.dataDir === undefined) complain("dataDir", "is missing; write e.g. dataDir=/var/lib/zookeeper");
  const source = { file, written: (key: string) => written.has(key), where, complain };
  const membership = readMembership(draft, source, path.resolve(draft.dataDir!));
  check(draft, membership?.ensemble !== undefined, complain);
  const notes = [...(membership?.notes ?? [])];
  for (const [key, { note, ensembleOnly }] of rows) {
    const idle = note ?? (ensembleOnly && membership?.ensemble === undefined ? ENSEMBLES_ONLY : undefined);
    if (idle !== undefined) notes.push(`${where(key)} has no effect: ${idle}`);
  }
  return { ...finish(draft, membership, complain), where, notes, warnings: membership?.warnings ?? [] };
}

/** Of electionPortBindRetry. */
const BIND_TRIES = 3;

function newDraft(): ConfigDraft {
  const { auth, connectionThrottle, ...server } = DEFAULT_SERVER_CONFIG;
  return {
    server: { ...server },
    auth: { ...auth },
    throttle: { ...connectionThrottle },
    tls: {},
    // ZooKeeper's default of this one is that of zoo.cfg's parser, not of the server.
    ensemble: { ...DEFAULT_ENSEMBLE_CONFIG, localSessionsUpgradingEnabled: false },
    quorum: {
      lines: [],
      tls: {},
      tlsOn: false,
      plainToo: false,
      listenOnAllIPs: false,
      bindTries: BIND_TRIES,
      keepAlive: false,
    },
    backlog: -1,
    keepAlive: false,
    portUnification: false,
    createDirectories: true,
    x509: false,
    ensembleProvider: false,
    enforceAuth: false,
    enforcedSchemes: [],
    superUsers: [],
  };
}

function plainKey(key: string): string {
  return key.startsWith("zookeeper.") ? key.slice("zookeeper.".length) : key;
}

const EXACT: ReadonlyMap<string, KeyRow> = new Map(CONFIG_KEYS.map((row) => [row.key, row]));
const FAMILIES: readonly KeyRow[] = CONFIG_KEYS.filter((row) => row.key.endsWith("*"));

function findRow(key: string): KeyRow | undefined {
  return EXACT.get(key) ?? FAMILIES.find((row) => key.startsWith(row.key.slice(0, -1)) && key.length >= row.key.length);
}

function unknownKey(key: string): string {
  let nearest = "";
  let best = Infinity;
  for (const known of EXACT.keys()) {
    const distance = editDistance(key.toLowerCase(), known.toLowerCase());
    if (distance < best) [nearest, best] = [known, distance];
  }
  const guess = best <= Math.max(2, key.length / 4) ? `did you mean ${nearest}?` : "remove the line";
  return `no such key; ${guess}`;
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replace, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}

type Complain = (key: string, complaint: string) => never;

/** What no single key can say. */
function check(draft: ConfigDraft, ensemble: boolean, complain: Complain): void {
  const tlsWanted = draft.secureClientPort !== undefined || draft.portUnification;
  if (draft.clientPort === undefined) {
    // A server of an ensemble may be there for the others only.
    if (draft.secureClientPort === undefined && !ensemble)
      complain("clientPort", "is missing; write e.g. clientPort=2181");
    if (draft.clientPortAddress !== undefined)
      complain("clientPortAddress", "needs a port; write e.g. clientPort=2181");
    if (draft.portUnification) complain("client.portUnification", "needs a port; write e.g. clientPort=2181");
  }
  if (draft.secureClientPort === undefined && draft.secureClientPortAddress !== undefined) {
    complain("secureClientPortAddress", "needs a port; write e.g. secureClientPort=2281");
  }
  if (draft.clientPort !== undefined && draft.clientPort > 0 && draft.clientPort === draft.secureClientPort) {
    complain("secureClientPort", "is the same as clientPort; give each its own, or use client.portUnification=true");
  }
  if (tlsWanted && draft.tls.keyStore === undefined) {
    complain("ssl.keyStore.location", "is missing; write e.g. ssl.keyStore.location=/etc/zookeeper/server.pem");
  }
  if (draft.enforceAuth && draft.enforcedSchemes.length === 0) {
    complain("enforce.auth.schemes", "is missing; write e.g. enforce.auth.schemes=digest");
  }
  for (const scheme of draft.enforceAuth ? draft.enforcedSchemes : []) {
    const known = ["ip", ...(draft.auth.digestEnabled ? ["digest"] : []), ...(tlsWanted || draft.x509 ? ["x509"] : [])];
    if (draft.ensembleProvider) known.push("ensemble");
    if (known.includes(scheme)) continue;
    complain(
      "enforce.auth.schemes",
      `"${scheme}" is no scheme that clients can use here; choose of ${known.join(", ")}`,
    );
  }
}

function finish(
  draft: ConfigDraft,
  membership: Membership | undefined,
  complain: Complain,
): Omit<ServeConfig, "where" | "notes" | "warnings"> {
  const { tickTime } = draft.server;
  const minSessionTimeout = fallback(draft.minSessionTimeout, 2 * tickTime);
  const maxSessionTimeout = fallback(draft.maxSessionTimeout, 20 * tickTime);
  if (minSessionTimeout > maxSessionTimeout) {
    complain("minSessionTimeout", `${minSessionTimeout} is more than maxSessionTimeout, ${maxSessionTimeout}`);
  }
  const dataDir = path.resolve(draft.dataDir!);
  const dataLogDir = path.resolve(draft.dataLogDir ?? dataDir);
  const words = new Set(draft.fourLetterWords ?? (draft.server.readOnlyModeEnabled ? ["isro"] : []));
  const server: ServerConfig = {
    ...draft.server,
    serverId: membership?.serverId ?? draft.server.serverId,
    ensemble: membership?.ensemble,
    minSessionTimeout,
    maxSessionTimeout,
    fourLetterWords: [...words.add("srvr")],
    connectionThrottle: draft.throttle,
    auth: {
      ...draft.auth,
      saslSuperUsers: draft.superUsers,
      enforcedSchemes: draft.enforceAuth ? draft.enforcedSchemes : [],
    },
    description: describeServer({
      clientPort: draft.clientPort ?? -1,
      secureClientPort: draft.secureClientPort ?? -1,
      dataDir,
      dataLogDir,
      clientPortListenBacklog: draft.backlog,
    }),
  };
  const tlsWanted = draft.secureClientPort !== undefined || draft.portUnification;
  return {
    server: Object.freeze(server),
    clientPort: draft.clientPort,
    clientPortAddress: draft.clientPortAddress,
    secureClientPort: draft.secureClientPort,
    secureClientPortAddress: draft.secureClientPortAddress,
    backlog: draft.backlog,
    keepAlive: draft.keepAlive,
    portUnification: draft.portUnification,
    dataDir,
    dataLogDir,
    createDirectories: draft.createDirectories,
    tls: tlsWanted ? draft.tls : undefined,
    ensemble: membership?.serving,
  };
}

/** ZooKeeper writes -1 for "not set". */
function fallback(value: number | undefined, otherwise: number): number {
  return value === undefined || value < 0 ? otherwise : value;
}
