/**
 * Starts the servers under test on loopback: ours, or Debian's Apache ZooKeeper 3.8, from the same settings. The
 * interop tests run against ours unless INTEROP_SERVER=apache, which is how the tests themselves are tested.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { eventually, fourLetterWord, freePort, Process, temporaryDirectory } from "./processes.ts";

export type ServerKind = "vivarium" | "apache";

export interface ServerOptions {
  readonly port?: number;
  /** Where configuration, logs and (unless `dataDir` is given) data go; a temporary directory by default. */
  readonly directory?: string;
  readonly dataDir?: string;
  /** Lines of zoo.cfg over the defaults below. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /** What Apache takes only as a Java system property and ours as a key of zoo.cfg. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
  /** How long it may take to serve, ms. */
  readonly startTimeout?: number;
}

export interface RunningServer {
  readonly kind: ServerKind;
  readonly port: number;
  /** `host:port`, for clients. */
  readonly address: string;
  readonly dataDir: string;
  readonly pid: number;
  /** What it printed and logged. */
  log(): string;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number>;
  /** SIGKILL, and its end. */
  kill(): Promise<void>;
}

const REPOSITORY = findUp(import.meta.dirname);
/** zookeeper.jar names the rest of what it needs in its manifest. */
const APACHE_JARS = ["zookeeper.jar", "slf4j-log4j12.jar", "log4j-1.2.jar"].map((jar) => `/usr/share/java/${jar}`);

/** Super is `super:adm`. */
export const SUPER_DIGEST = "super:r6E2C++zNwVMDz3XvPehmL0jqnY=";

const DEFAULTS: Readonly<Record<string, string | number | boolean>> = {
  tickTime: 2000,
  clientPortAddress: "127.0.0.1",
  maxClientCnxns: 0,
  "4lw.commands.whitelist": "*",
  "admin.enableServer": false,
  "DigestAuthenticationProvider.superDigest": SUPER_DIGEST,
  preAllocSize: 64,
};

export const LOG4J = `log4j.rootLogger=WARN, FILE
log4j.appender.FILE=org.apache.log4j.FileAppender
log4j.appender.FILE.File=\${zookeeper.log.dir}/zookeeper.log
log4j.appender.FILE.layout=org.apache.log4j.PatternLayout
log4j.appender.FILE.layout.ConversionPattern=%d{ISO8601} %-5p [%t:%C{1}@%L] - %m%n
`;

function findUp(from: string): string {
  for (let at = from; ; at = resolve(at, "..")) {
    if (existsSync(join(at, "package-lock.json"))) return at;
    if (at === "/") throw new Error(`${from} is not inside a checkout`);
  }
}

export function repositoryPath(...parts: readonly string[]): string {
  return join(REPOSITORY, ...parts);
}

/** The server the interop tests are about. */
export function serverUnderTest(): ServerKind {
  const kind = process.env["INTEROP_SERVER"] ?? "vivarium";
  if (kind !== "vivarium" && kind !== "apache") throw new Error(`INTEROP_SERVER=${kind}: vivarium or apache`);
  return kind;
}

/** Starts a server and waits until it serves. */
export async function startServer(kind: ServerKind, options: ServerOptions = {}): Promise<RunningServer> {
  const port = options.port ?? (await freePort());
  const directory = options.directory ?? temporaryDirectory(kind);
  const dataDir = options.dataDir ?? join(directory, "data");
  mkdirSync(dataDir, { recursive: true });
  const config: Record<string, string | number | boolean> = {
    ...DEFAULTS,
    ...options.config,
    dataDir,
    clientPort: port,
  };
  if (kind === "vivarium") Object.assign(config, options.properties);
  const configFile = join(directory, "zoo.cfg");
  writeFileSync(
    configFile,
    lines(config, (key, value) => `${key}=${value}\n`),
  );
  const process_ = kind === "apache" ? apache(directory, configFile, options.properties ?? {}) : vivarium(configFile);
  const logFile = join(directory, "zookeeper.log");
  const log = (): string => process_.output + (existsSync(logFile) ? readFileSync(logFile, "utf8") : "");
  try {
    await eventually(`${kind} serves on port ${port}`, options.startTimeout ?? 60_000, async () => {
      if (process_.code !== undefined) throw new Error(`${kind} ended with ${process_.code} at start`);
      return (await fourLetterWord(port, "srvr"))?.includes("Mode: ") === true;
    });
  } catch (error) {
    await process_.stop("SIGKILL");
    throw new Error(`${String(error)}\n${log().slice(-4000)}`, { cause: error });
  }
  return {
    kind,
    port,
    address: `127.0.0.1:${port}`,
    dataDir,
    pid: process_.child.pid!,
    log,
    stop: () => process_.stop(),
    kill: async () => void (await process_.stop("SIGKILL")),
  };
}

function apache(
  directory: string,
  configFile: string,
  properties: Readonly<Record<string, string | number | boolean>>,
): Process {
  writeFileSync(join(directory, "log4j.properties"), LOG4J);
  const flags = lines(properties, (key, value) => `-D${key}=${value}\n`)
    .split("\n")
    .filter(Boolean);
  return new Process("java", [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    `-Dzookeeper.log.dir=${directory}`,
    ...flags,
    "-cp",
    apacheClassPath(directory),
    "org.apache.zookeeper.server.quorum.QuorumPeerMain",
    configFile,
  ]);
}

function vivarium(configFile: string): Process {
  return new Process(process.execPath, [repositoryPath("dist/cli/main.js"), "serve", configFile]);
}

/** Class path of Apache's server, client and tools; `extra` come first. Fails when a jar is missing. */
export function apacheClassPath(...extra: readonly string[]): string {
  for (const jar of [...APACHE_JARS, ...extra.filter((path) => path.endsWith(".jar"))]) {
    if (!existsSync(jar)) throw new Error(`${jar} is missing: install the Debian packages that .ci/run names`);
  }
  return [...extra, ...APACHE_JARS].join(":");
}

function lines<T>(record: Readonly<Record<string, T>>, line: (key: string, value: T) => string): string {
  return Object.entries(record)
    .map(([key, value]) => line(key, value))
    .join("");
}
