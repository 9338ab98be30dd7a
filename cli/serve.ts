/** `vivarium serve [zoo.cfg]`: a server in the foreground, until it is told to stop. Java: zkServer.sh start-foreground. */
import { Option } from "commander";
import type { Command } from "commander";
import { configFromSettings, readConfigFile } from "../net/config-file.ts";
import type { ServeConfig } from "../net/config-file.ts";
import { createLogger, loggingFacts } from "../net/logger.ts";
import type { Logger, LogLevel } from "../net/logger.ts";
import { startServer } from "../net/server.ts";
import type { RunningServer } from "../net/server.ts";
import { ExitCode, StartError } from "../net/start-error.ts";
import { LOG_LEVELS } from "./log-levels.ts";
import { isEcho } from "./signals.ts";
import { report, reportingFacts, stopWithStarter } from "./supervision.ts";

interface ServeOptions {
  readonly port: string;
  readonly data: string;
  readonly logLevel: LogLevel;
  readonly supervised?: true;
}

export function register(command: Command): void {
  command
    .argument("[zoo.cfg]", "configuration as Apache ZooKeeper has it; without one: 127.0.0.1:2181, data in ./data")
    .option("-p, --port <port>", "port for clients, when there is no zoo.cfg", "2181")
    .option("-d, --data <directory>", "where data is kept, when there is no zoo.cfg", "data")
    .addOption(new Option("--log-level <level>", "least important lines to print").choices(LOG_LEVELS).default("info"))
    .addOption(new Option("--supervised", "report to the process that started this one, and end with it").hideHelp())
    .action(async (file: string | undefined, options: ServeOptions) => {
      const beside = (["port", "data"] as const).find((name) => command.getOptionValueSource(name) === "cli");
      if (file !== undefined && beside !== undefined) {
        command.error(`error: --${beside} is for a server without a zoo.cfg; write it into ${file} instead`);
      }
      process.exitCode = await serve(file, options);
    });
}

/** Returns the exit code, ZooKeeper's. */
async function serve(file: string | undefined, options: ServeOptions): Promise<number> {
  const logger = createLogger(options.logLevel);
  let running: RunningServer | undefined;
  const letGo = options.supervised ? stopWithStarter(() => running) : undefined;
  try {
    const config = file === undefined ? embeddedConfig(options) : readConfigFile(file);
    const facts = loggingFacts(logger);
    const server = await startServer(config, { facts: options.supervised ? reportingFacts(facts) : facts });
    running = server;
    if (options.supervised) report({ kind: "started", clientPort: server.clientPort });
    stopOnSignals(server, logger);
    greet(config, server, logger);
    const { code, reason } = await server.halted;
    logger.log(code === 0 ? "info" : "error", `stopped: ${reason}`, { code });
    return code;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`vivarium: ${error.message}\n`);
    return error.exitCode;
  } finally {
    letGo?.();
  }
}

function embeddedConfig({ port, data }: ServeOptions): ServeConfig {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new StartError(`--port: "${port}" is not a port; write e.g. --port 2181`, ExitCode.invocation);
  }
  const settings = { clientPort: port, clientPortAddress: "127.0.0.1", dataDir: data, tickTime: 2000 };
  const spelled: Readonly<Record<string, string>> = { clientPort: "--port", dataDir: "--data" };
  return { ...configFromSettings(settings), where: (key) => spelled[key] ?? key };
}

/** The first signal asks; a second one does not wait. */
function stopOnSignals(server: RunningServer, logger: Logger): void {
  const stop = (signal: NodeJS.Signals): void => {
    isEcho();
    logger.log("info", "stopping", { signal });
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      process.off(name, stop);
      process.on(name, () => {
        if (!isEcho()) process.exit(ExitCode.unexpected);
      });
    }
    void server.stop();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

/** People are told what to type next; machines get the same as fields. */
function greet(config: ServeConfig, server: RunningServer, logger: Logger): void {
  const { clientPort, secureClientPort } = server;
  const { dataDir } = config;
  logger.log("info", "listening", { clientPort, secureClientPort, dataDir, dataLogDir: config.dataLogDir });
  if (!process.stdout.isTTY || clientPort === undefined) return;
  const host = config.clientPortAddress ?? "127.0.0.1";
  const address = `${host.includes(":") ? `[${host}]` : host}:${clientPort}`;
  const who = config.ensemble === undefined ? "A ZooKeeper" : `Server ${config.server.serverId} of an ensemble`;
  process.stdout.write(`
  ${who} is listening on ${address}; its data is in ${dataDir}.
  In another terminal:   npx vivarium shell -server ${address}
  To stop it:            Ctrl-C

`);
}
