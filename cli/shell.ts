/**
 * `vivarium shell`: zkCli's commands, options and output (Java: ZooKeeperMain). With a command it runs that one and
 * ends; otherwise it reads lines, from a terminal with completion and a history, or from a pipe.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import * as readline from "node:readline";
import type { Command } from "commander";
import { ZooKeeperError } from "../core/client/errors.ts";
import { open } from "../net/client.ts";
import { complete } from "./shell-complete.ts";
import { Exit, Shell } from "./shell-session.ts";
import type { ShellSettings } from "./shell-session.ts";
import { formatError } from "./shell-format.ts";

interface ShellOptions {
  readonly server: string;
  readonly timeout: number;
  readonly readOnly: boolean;
  readonly waitForConnection: boolean;
  readonly json: boolean;
  /** A command to run instead of reading lines. */
  readonly command: readonly string[];
}

const HISTORY_LINES = 1000;
const HELP = `
Options, as zkCli has them (one dash or two):
  -server host:port[,...][/chroot]   where to connect (localhost:2181)
  -timeout ms                        the session's timeout (30000)
  -r                                 a server without a quorum will do, for reading
  -waitforconnection                 do not begin before there is a connection
  --json                             one JSON value per result, error and event
Without a command it reads lines; "help" lists the commands.
Exit code: 0, 1 when a command failed, 127 when there is no such command.`;

export function register(command: Command): void {
  command
    .argument("[command...]", "what to do, e.g. ls /")
    .allowUnknownOption()
    .helpOption("--help", "show this")
    .addHelpText("after", HELP)
    .action(async () => {
      // zkCli's options have one dash and many letters, which commander would take apart.
      process.exitCode = await shell(process.argv.slice(process.argv.indexOf(command.name()) + 1));
    });
}

/** Returns the exit code. */
export async function shell(given: readonly string[]): Promise<number> {
  const options = parseOptions(given);
  if (typeof options === "string") {
    process.stderr.write(`vivarium shell: ${options}\n${HELP}\n`);
    return Exit.failed;
  }
  const terminal = process.stdin.isTTY === true && process.stdout.isTTY === true && options.command.length === 0;
  const conversation = terminal ? new Conversation() : undefined;
  const session = new Shell(settingsOf(options, conversation));
  try {
    const zk = session.connect();
    if (options.waitForConnection) await zk.connected();
  } catch (error) {
    conversation?.end();
    process.stderr.write(`${error instanceof ZooKeeperError ? formatError(error) : String(error)}\n`);
    return Exit.failed;
  }
  if (options.command.length > 0) await session.run(options.command);
  else if (conversation !== undefined) await conversation.hold(session);
  else await readPipe(session);
  await session.close();
  return session.exitCode;
}

function parseOptions(given: readonly string[]): ShellOptions | string {
  let [server, timeout, readOnly, waitForConnection, json] = ["localhost:2181", 30_000, false, false, false];
  let at = 0;
  for (; at < given.length && given[at]!.startsWith("-"); at++) {
    const option = given[at]!.replace(/^--?/, "");
    if (option === "r" || option === "readonly") readOnly = true;
    else if (option === "waitforconnection") waitForConnection = true;
    else if (option === "json") json = true;
    else if (option === "server" || option === "timeout") {
      const value = given[++at];
      if (value === undefined) return `-${option} needs a value`;
      if (option === "server") server = value;
      else if (/^[1-9][0-9]{0,8}$/.test(value)) timeout = Number(value);
      else return `not a timeout in milliseconds: ${value}`;
    } else if (option === "client-configuration") return "client configuration files are not supported";
    else return `unknown option ${given[at]!}`;
  }
  return { server, timeout, readOnly, waitForConnection, json, command: given.slice(at) };
}

function settingsOf(options: ShellOptions, conversation: Conversation | undefined): ShellSettings {
  const { server, timeout, readOnly, json, command } = options;
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  return {
    server,
    json,
    client: { sessionTimeout: timeout, connectTimeout: options.waitForConnection ? timeout : Infinity, readOnly },
    version: `vivarium ${packageVersion()}`,
    open,
    print,
    printError: (text) => void process.stderr.write(`${text}\n`),
    // The output of a single command is its result and nothing else.
    printEvent:
      command.length > 0
        ? () => {}
        : (text) => (conversation === undefined ? print(text) : conversation.interrupt(text)),
  };
}

function packageVersion(): string {
  try {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    return String((JSON.parse(text) as { version?: unknown }).version);
  } catch {
    return "unknown";
  }
}

// ---- a pipe ----

/** One after the other; the exit code is that of the last command which failed. */
async function readPipe(session: Shell): Promise<void> {
  let failed: number = Exit.ok;
  for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    await session.runLine(line);
    if (session.exitCode !== Exit.ok) failed = session.exitCode;
    if (session.finished) break;
  }
  session.exitCode = failed;
}

// ---- a terminal ----

/** Prompts, and keeps what happens apart from what is being typed. */
class Conversation {
  readonly #lines: readline.Interface;
  #session: Shell | undefined;
  /** The prompt is shown, and perhaps half a line behind it. */
  #asking = false;

  constructor() {
    this.#lines = readline.createInterface({
      input: process.stdin,
      output: process.stdout,
      history: readHistory(),
      historySize: HISTORY_LINES,
      removeHistoryDuplicates: true,
      completer: (line: string, callback: (error: null, result: [string[], string]) => void) => {
        void complete(this.#session?.zk, line).then((result) => callback(null, result));
      },
    });
  }

  /** Until `quit` or the end of the input. */
  async hold(session: Shell): Promise<void> {
    this.#session = session;
    process.stdout.write("Welcome to ZooKeeper!\n");
    this.#ask(false);
    this.#lines.on("SIGINT", () => {
      // As in every shell: throws the line away.
      process.stdout.write("^C\n");
      this.#lines.write(null, { ctrl: true, name: "u" });
      this.#ask(false);
    });
    for await (const line of this.#lines) {
      this.#asking = false;
      await session.runLine(line);
      writeHistory(line);
      if (session.finished) break;
      this.#ask(false);
    }
    this.end();
    // Somebody was there to see what failed.
    session.exitCode = Exit.ok;
  }

  /** Events come whenever they like: they go above the line that is being typed. */
  interrupt(text: string): void {
    if (this.#asking) {
      readline.cursorTo(process.stdout, 0);
      readline.clearLine(process.stdout, 0);
    }
    process.stdout.write(`${text}\n`);
    if (this.#asking) this.#ask(true);
  }

  end(): void {
    this.#asking = false;
    this.#lines.close();
  }

  #ask(again: boolean): void {
    this.#asking = true;
    this.#lines.setPrompt(this.#session!.prompt);
    this.#lines.prompt(again);
  }
}

function historyFile(): string {
  return process.env["VIVARIUM_HISTORY"] ?? path.join(homedir(), ".vivarium_history");
}

/** Newest first, as readline wants it. A history that cannot be read is an empty one. */
function readHistory(): string[] {
  try {
    return readFileSync(historyFile(), "utf8").split("\n").filter(Boolean).slice(-HISTORY_LINES).reverse();
  } catch {
    return [];
  }
}

/** Credentials do not belong in a file. */
function writeHistory(line: string): void {
  if (line.trim() === "" || /^\s*addauth\b/.test(line)) return;
  try {
    appendFileSync(historyFile(), `${line}\n`, { mode: 0o600 });
  } catch {
    // A home that cannot be written to is no reason to stop.
  }
}
