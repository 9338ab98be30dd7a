/**
 * `vivarium ensemble`: a whole ensemble on this machine, one process for each server, until it is told to stop. Says who
 * leads whenever that changes.
 */
import path from "node:path";
import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import type { LogLevel } from "../net/logger.ts";
import { ExitCode, StartError } from "../net/start-error.ts";
import { connectString, layOut } from "./ensemble-layout.ts";
import type { LocalServer } from "./ensemble-layout.ts";
import { Member } from "./ensemble-member.ts";
import type { Ending } from "./ensemble-member.ts";
import { LOG_LEVELS } from "./log-levels.ts";
import { isEcho } from "./signals.ts";
import type { Report } from "./supervision.ts";

interface EnsembleOptions {
  readonly servers: number;
  readonly observers: number;
  readonly basePort?: number;
  readonly dataDir: string;
  readonly restart?: true;
  readonly set: readonly string[];
  readonly logLevel: LogLevel;
}

const SERVERS_MAX = 9;
const RESTART_MS = 1000;

export function register(command: Command): void {
  command
    .addOption(new Option("-n, --servers <n>", "servers that vote").argParser(whole(1, SERVERS_MAX)).default(3))
    .addOption(
      new Option("--observers <n>", "servers beside them that do not").argParser(whole(0, SERVERS_MAX)).default(0),
    )
    .addOption(
      new Option(
        "-p, --base-port <port>",
        "first port for clients, 0 for any free ones (default: 2181, or the next that are free)",
      ).argParser(whole(0, 65_535)),
    )
    .option("-d, --data-dir <directory>", "where each server has a directory; kept when it stops", "data/ensemble")
    .option("--restart", "start a server again when it dies")
    .option("--set <key=value>", "a line for every server's zoo.cfg; can be repeated", line, [])
    .addOption(
      new Option("--log-level <level>", "least important lines in server.log").choices(LOG_LEVELS).default("info"),
    )
    .addHelpText(
      "after",
      `
Ports are on 127.0.0.1. With the default ones clients connect to 2181, 2182, …; servers
talk to each other on 2888, … and 3888, …. The directory of server 1 is
data/ensemble/server-1: its zoo.cfg, server.log and data.

To see a fail-over, kill the server that leads:  kill -9 PID`,
    )
    .action(async (options: EnsembleOptions) => {
      process.exitCode = await runEnsemble(options);
    });
}

/** Returns the exit code. */
async function runEnsemble(options: EnsembleOptions): Promise<number> {
  try {
    const servers = await layOut({
      servers: options.servers,
      observers: options.observers,
      basePort: options.basePort,
      dataDir: options.dataDir,
      lines: options.set,
    });
    return await new LocalEnsemble(servers, options).run();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`vivarium: ${error.message}\n`);
    return error.exitCode;
  }
}

/** What a server is, as far as it has told. */
interface Standing {
  role: string;
  epoch: number;
  leader: number | undefined;
  /** It has recovered its data at least once. */
  started: boolean;
}

class LocalEnsemble {
  readonly #servers: readonly LocalServer[];
  readonly #members: readonly Member[];
  readonly #standings: Map<number, Standing> = new Map();
  readonly #options: EnsembleOptions;
  readonly #restarts: Set<NodeJS.Timeout> = new Set();
  #greeted = false;
  #stopping = false;
  #finish!: (code: number) => void;

  constructor(servers: readonly LocalServer[], options: EnsembleOptions) {
    this.#servers = servers;
    this.#options = options;
    const events = {
      started: (member: Member) => this.#started(member),
      reported: (member: Member, report: Report) => this.#reported(member, report),
      ended: (member: Member, ending: Ending) => this.#ended(member, ending),
    };
    this.#members = servers.map((server) => new Member(server, options.logLevel, events));
  }

  /** Resolves with the exit code when every process is gone. */
  run(): Promise<number> {
    const finished = new Promise<number>((resolve) => (this.#finish = resolve));
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => this.#signalled(signal));
    for (const member of this.#members) member.start();
    return finished;
  }

  #started({ server, pid }: Member): void {
    this.#standings.set(server.id, { role: "", epoch: 0, leader: undefined, started: false });
    say(`server ${server.id} is starting: process ${pid}, clients on ${connectString([server])}`);
  }

  #reported({ server }: Member, report: Report): void {
    // That they lose one another while they stop is nothing to tell.
    if (this.#stopping) return;
    const standing = this.#standings.get(server.id)!;
    if (report.kind === "started") standing.started = true;
    else if (report.kind === "elected") standing.leader = report.leader;
    else if (report.role !== standing.role || report.epoch !== standing.epoch) {
      const before = standing.role;
      standing.role = report.role;
      standing.epoch = report.epoch;
      this.#tell(server.id, standing, before);
    }
  }

  /** Who serves, and who has ceased to. */
  #tell(id: number, { role, epoch, leader }: Standing, before: string): void {
    if (role === "looking") {
      if (before !== "") say(`server ${id} looks for a leader`);
    } else if (role === "readonly") say(`server ${id} serves reads only, without a leader`);
    else if (epoch === 0) return;
    else if (role === "leading") {
      say(`server ${id} leads, epoch ${epoch}`);
      this.#greet(id);
    } else say(`server ${id} ${role === "observing" ? "observes" : "follows"} server ${leader}`);
  }

  #greet(leader: number): void {
    if (this.#greeted) return;
    this.#greeted = true;
    const hosts = connectString(this.#servers);
    const { pid } = this.#members.find(({ server }) => server.id === leader)!;
    process.stdout.write(`
  A ZooKeeper ensemble is listening on ${hosts}
  Its data and logs are in ${path.resolve(this.#options.dataDir)}
  In another terminal:   npx vivarium shell -server ${hosts}
  To see a fail-over:    kill -9 ${pid}
  To stop it:            Ctrl-C

`);
  }

  #ended(member: Member, { code, signal, complaint }: Ending): void {
    if (this.#stopping) return;
    const { id, logFile } = member.server;
    const { started } = this.#standings.get(id) ?? { started: false };
    const how = signal === null ? `exit code ${code}` : signal;
    // What never came up will not do so by itself.
    if (!started && signal === null) {
      process.stderr.write(
        `vivarium: server ${id}: ${complaint === "" ? `${how}; see ${logFile}` : strip(complaint)}\n`,
      );
      return void this.#stop(code ?? ExitCode.unexpected);
    }
    this.#standings.delete(id);
    if (!this.#options.restart) {
      say(`server ${id} has ended (${how}); with --restart it would be started again`);
      if (this.#members.every(({ pid }) => pid === undefined)) void this.#stop(ExitCode.unexpected);
      return;
    }
    say(`server ${id} has ended (${how}) and is started again`);
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      member.start();
    }, RESTART_MS);
    this.#restarts.add(timer);
  }

  /** The first signal asks; a second one does not wait. */
  #signalled(signal: NodeJS.Signals): void {
    if (this.#stopping) {
      if (!isEcho()) for (const member of this.#members) void member.stop(true);
      return;
    }
    isEcho();
    say(`stopping (${signal})`);
    void this.#stop(0);
  }

  async #stop(code: number): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#restarts) clearTimeout(timer);
    await Promise.all(this.#members.map((member) => member.stop()));
    if (code === 0) say("every server has stopped");
    this.#finish(code);
  }
}

function say(line: string): void {
  const now = new Date();
  const clock = `${now.toTimeString().slice(0, 8)}.${String(now.getMilliseconds()).padStart(3, "0")}`;
  process.stdout.write(`${clock} ${line}\n`);
}

/** Our own prefix comes before it. */
function strip(complaint: string): string {
  return complaint.replace(/^vivarium: /, "");
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,5}$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Write a whole number from ${min} to ${max}.`);
  };
}

function line(text: string, before: readonly string[]): readonly string[] {
  if (!/^[^=\s]+=/.test(text)) throw new InvalidArgumentError("Write e.g. --set tickTime=500.");
  return [...before, text];
}
