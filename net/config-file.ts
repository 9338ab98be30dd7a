/**
 * zoo.cfg, or the same keys given by a program, into what a server needs to know. Every complaint is one line that
 * names the place, the key, what is wrong and what to write instead. Java: QuorumPeerConfig, ServerConfig.
 */
import fs from "node:fs";
import path from "node:path";
import type { ServerConfig } from "../core/config.ts";
import { DEFAULT_SERVER_CONFIG } from "../core/config.ts";
import { CONFIG_KEYS } from "./config-keys.ts";
import type { ConfigDraft, KeyRow, TlsSettings } from "./config-keys.ts";
import { describeServer } from "./description.ts";
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
  /** Set when some port speaks TLS. */
  readonly tls: TlsSettings | undefined;
  /** How a complaint about `key` begins: file, line and key. */
  readonly where: (key: string) => string;
  /** What was accepted and changes nothing: lines for the log. */
  readonly notes: readonly string[];
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
  return parseConfig(text, path.basename(file));
}

/** `name` is what complaints call the file. Throws {@link StartError}. */
export function parseConfig(text: string, name: string): ServeConfig {
  const read = parseProperties(text);
  if (read.kind === "malformed") throw new StartError(`${name}:${read.line}: ${read.reason}`, ExitCode.invocation);
  return configure(read.properties, ({ line, key }) => (line === 0 ? `${name}: ${key}` : `${name}:${line}: ${key}`));
}

/** Throws {@link StartError}. */
export function configFromSettings(settings: Settings): ServeConfig {
  const properties = Object.entries(settings).map(([key, value]) => ({ key, value: String(value).trim(), line: 0 }));
  return configure(properties, ({ key }) => key);
}

/** How a complaint begins; line 0 is none. */
type Place = (property: Pick<Property, "key" | "line">) => string;

function configure(properties: readonly Property[], place: Place): ServeConfig {
  const draft = newDraft();
  const written = new Map<string, Property>();
  const notes: string[] = [];
  // The last of several wins, as in Java.
  for (const property of properties) written.set(plainKey(property.key), property);
  for (const [key, property] of written) {
    const found = findRow(key);
    if (found === undefined) {
      throw new StartError(`${place(property)}: ${unknownKey(key)}`, ExitCode.invocation);
    }
    const complaint = found.apply(draft, property.value, property.key);
    if (complaint !== undefined) {
      throw new StartError(`${place(property)}: ${complaint}`, ExitCode.invocation);
    }
    if (found.note !== undefined) notes.push(`${place(property)} has no effect: ${found.note}`);
  }
  const where = (key: string): string => place(written.get(key) ?? { key, line: 0 });
  const complain = (key: string, complaint: string): never => {
    throw new StartError(`${where(key)}: ${complaint}`, ExitCode.invocation);
  };
  check(draft, written, complain);
  return { ...finish(draft, complain), where, notes };
}

function newDraft(): ConfigDraft {
  const { auth, connectionThrottle, ...server } = DEFAULT_SERVER_CONFIG;
  return {
    server: { ...server },
    auth: { ...auth },
    throttle: { ...connectionThrottle },
    tls: {},
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
function check(draft: ConfigDraft, written: ReadonlyMap<string, Property>, complain: Complain): void {
  if (draft.dataDir === undefined) complain("dataDir", "is missing; write e.g. dataDir=/var/lib/zookeeper");
  const tlsWanted = draft.secureClientPort !== undefined || draft.portUnification;
  if (draft.clientPort === undefined) {
    if (draft.secureClientPort === undefined) complain("clientPort", "is missing; write e.g. clientPort=2181");
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
  const members = [...written.keys()].filter((key) => key.startsWith("server."));
  if (members.length > 1) {
    complain(members[1]!, "an ensemble cannot be served yet; keep one server line, or none, to run a single server");
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

function finish(draft: ConfigDraft, complain: Complain): Omit<ServeConfig, "where" | "notes"> {
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
  };
}

/** ZooKeeper writes -1 for "not set". */
function fallback(value: number | undefined, otherwise: number): number {
  return value === undefined || value < 0 ? otherwise : value;
}
