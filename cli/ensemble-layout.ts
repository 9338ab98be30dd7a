/** A local ensemble on disk and on loopback: a directory, a zoo.cfg, a number and three ports for each server. */
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { ExitCode, StartError } from "../net/start-error.ts";

export interface LocalServer {
  readonly id: number;
  readonly observer: boolean;
  readonly clientPort: number;
  readonly quorumPort: number;
  readonly electionPort: number;
  /** Its zoo.cfg and log file are in here, its data in `data` below. */
  readonly directory: string;
  readonly configFile: string;
  readonly logFile: string;
}

export interface LayoutOptions {
  readonly servers: number;
  readonly observers: number;
  /** Undefined: 2181, or where else there is room. 0: any free ports. */
  readonly basePort: number | undefined;
  readonly dataDir: string;
  /** Further lines for every zoo.cfg, as `key=value`. */
  readonly lines: readonly string[];
}

const HOST = "127.0.0.1";
const DEFAULT_BASE = 2181;
/** From the first client port to the first quorum port, and to the first election port: 2181, 2888, 3888. */
const TO_QUORUM = 707;
const TO_ELECTION = 1707;
/** Steps of base ports that are tried when the default ones are taken. */
const BASES_TRIED = 50;
const BASE_STEP = 10;
/** A log file that has grown beyond this begins anew, and one old one is kept. */
const LOG_FILE_MAX = 10 * 1024 * 1024;

/** Finds ports, makes directories and writes what servers read. Throws {@link StartError}. */
export async function layOut(options: LayoutOptions): Promise<LocalServer[]> {
  const dataDir = path.resolve(options.dataDir);
  checkEarlier(dataDir, options.servers);
  const ports = await choosePorts(options.servers + options.observers, options.basePort);
  const servers = ports.map((port, index): LocalServer => {
    const id = index + 1;
    const directory = path.join(dataDir, `server-${id}`);
    const files = { configFile: path.join(directory, "zoo.cfg"), logFile: path.join(directory, "server.log") };
    return { id, observer: id > options.servers, ...port, directory, ...files };
  });
  try {
    for (const server of servers) writeServer(server, servers, options);
  } catch (error) {
    const reason = (error as Error).message;
    throw new StartError(`--data-dir: ${dataDir} cannot be used: ${reason}`, ExitCode.dataDirectory);
  }
  return servers;
}

export function connectString(servers: readonly LocalServer[]): string {
  return servers.map(({ clientPort }) => `${HOST}:${clientPort}`).join(",");
}

/**
 * What a majority of five has acknowledged may be unknown to three of them, and five of which two are new could forget
 * what three knew: so the number of voters of a directory stays what it is.
 */
function checkEarlier(dataDir: string, servers: number): void {
  let text: string;
  try {
    text = fs.readFileSync(path.join(dataDir, "server-1", "zoo.cfg"), "utf8");
  } catch {
    return;
  }
  const before = text.match(/^server\.\d+=.*:participant$/gm)?.length ?? 0;
  if (before === 0 || before === servers) return;
  throw new StartError(
    `--servers: ${dataDir} holds an ensemble of ${before}; write --servers ${before}, choose another --data-dir, or remove it`,
    ExitCode.invocation,
  );
}

type Ports = Pick<LocalServer, "clientPort" | "quorumPort" | "electionPort">;

async function choosePorts(count: number, basePort: number | undefined): Promise<Ports[]> {
  if (basePort === 0) return anyPorts(count);
  const wanted = basePort ?? DEFAULT_BASE;
  if (wanted + TO_ELECTION + count > 65_536) {
    const most = 65_536 - TO_ELECTION - count;
    throw new StartError(
      `--base-port: ${wanted} leaves no room for further ports; at most ${most}`,
      ExitCode.invocation,
    );
  }
  const taken = await firstTaken(portsFrom(wanted, count));
  if (taken === undefined) return portsFrom(wanted, count);
  for (let tried = 1; tried <= BASES_TRIED; tried++) {
    const base = wanted + tried * BASE_STEP;
    if (base + TO_ELECTION + count > 65_536) break;
    const ports = portsFrom(base, count);
    if ((await firstTaken(ports)) !== undefined) continue;
    if (basePort === undefined) return ports;
    const complaint = `port ${taken} is in use; stop what listens there or write e.g. --base-port ${base}`;
    throw new StartError(`--base-port: ${complaint}`, ExitCode.unexpected);
  }
  throw new StartError(
    `--base-port: port ${taken} is in use, and so are those above; write --base-port 0`,
    ExitCode.unexpected,
  );
}

function portsFrom(base: number, count: number): Ports[] {
  return Array.from({ length: count }, (_, i) => ({
    clientPort: base + i,
    quorumPort: base + TO_QUORUM + i,
    electionPort: base + TO_ELECTION + i,
  }));
}

async function firstTaken(ports: readonly Ports[]): Promise<number | undefined> {
  for (const { clientPort, quorumPort, electionPort } of ports) {
    for (const port of [clientPort, quorumPort, electionPort]) {
      const server = await listen(port);
      if (server === undefined) return port;
      await close(server);
    }
  }
  return undefined;
}

/** All are held until all are known, so that no two are the same. */
async function anyPorts(count: number): Promise<Ports[]> {
  const held: net.Server[] = [];
  for (let i = 0; i < 3 * count; i++) {
    const server = await listen(0);
    if (server === undefined) throw new StartError("--base-port: no port is free", ExitCode.unexpected);
    held.push(server);
  }
  const numbers = held.map((server) => (server.address() as net.AddressInfo).port);
  for (const server of held) await close(server);
  return Array.from({ length: count }, (_, i) => ({
    clientPort: numbers[3 * i]!,
    quorumPort: numbers[3 * i + 1]!,
    electionPort: numbers[3 * i + 2]!,
  }));
}

function listen(port: number): Promise<net.Server | undefined> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen({ port, host: HOST }, () => resolve(server));
  });
}

function close(server: net.Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function writeServer(server: LocalServer, all: readonly LocalServer[], { lines }: LayoutOptions): void {
  const dataDir = path.join(server.directory, "data");
  fs.mkdirSync(dataDir, { recursive: true });
  fs.writeFileSync(path.join(dataDir, "myid"), `${server.id}\n`);
  fs.writeFileSync(server.configFile, configText(server, all, dataDir, lines));
  const size = fs.statSync(server.logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_FILE_MAX) fs.renameSync(server.logFile, `${server.logFile}.old`);
}

function configText(
  server: LocalServer,
  all: readonly LocalServer[],
  dataDir: string,
  lines: readonly string[],
): string {
  const voters = all.filter(({ observer }) => !observer);
  return [
    "# Written by `vivarium ensemble`, at every start.",
    "tickTime=2000",
    "initLimit=10",
    "syncLimit=5",
    `dataDir=${dataDir.replaceAll("\\", "\\\\")}`,
    `clientPort=${server.clientPort}`,
    `clientPortAddress=${HOST}`,
    "4lw.commands.whitelist=*",
    ...(server.observer ? ["peerType=observer"] : []),
    ...(voters.length === 1 ? ["standaloneEnabled=false"] : []),
    ...all.map(
      ({ id, quorumPort, electionPort, observer }) =>
        `server.${id}=${HOST}:${quorumPort}:${electionPort}:${observer ? "observer" : "participant"}`,
    ),
    ...lines,
    "",
  ].join("\n");
}
