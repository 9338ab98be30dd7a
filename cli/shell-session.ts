/**
 * One shell: the connection it has, the commands it knows, what it has been told so far, and where output goes (Java:
 * ZooKeeperMain). Lines come from shell.ts, which has the terminal.
 */
import { ZooKeeperError } from "../core/client/errors.ts";
import type { ClientState, WatchEvent } from "../core/client/events.ts";
import type { ClientOptions } from "../core/client/options.ts";
import type { ZooKeeper } from "../core/client/zookeeper.ts";
import { isFinal } from "../core/client/zookeeper.ts";
import { CommandError } from "./shell-command.ts";
import type { Command, Result } from "./shell-command.ts";
import { ENSEMBLE_COMMANDS } from "./shell-ensemble.ts";
import { errorJson, eventJson, formatError, formatEvent, formatState } from "./shell-format.ts";
import { NODE_COMMANDS } from "./shell-nodes.ts";
import { QUOTA_COMMANDS } from "./shell-quotas.ts";
import { parseArguments, splitWords, UsageError } from "./shell-words.ts";

export const Exit = { ok: 0, failed: 1, unknownCommand: 127 } as const;

export interface ShellSettings {
  readonly server: string;
  readonly client: ClientOptions;
  readonly json: boolean;
  /** What `version` prints. */
  readonly version: string;
  readonly open: (hosts: string, options: ClientOptions) => ZooKeeper;
  /** Whole lines, without the line's end. */
  readonly print: (text: string) => void;
  readonly printError: (text: string) => void;
  /** What happened, as opposed to what was asked. */
  readonly printEvent: (text: string) => void;
}

/** Those that are about the shell, not about nodes. */
const SHELL_USAGES: Readonly<Record<string, string>> = {
  close: "",
  connect: "host:port",
  exit: "",
  help: "",
  history: "",
  printwatches: "on|off",
  quit: "",
  redo: "cmdno",
  version: "",
};
const HISTORY_SHOWN = 11;

const COMMANDS: ReadonlyMap<string, Command> = new Map(
  [...NODE_COMMANDS, ...ENSEMBLE_COMMANDS, ...QUOTA_COMMANDS].map((command) => [command.name, command]),
);

/** All of them, in the order of `help`. */
export const COMMAND_NAMES: readonly string[] = [...COMMANDS.keys(), ...Object.keys(SHELL_USAGES)].sort((a, b) =>
  a < b ? -1 : 1,
);

/** What may follow a dash. */
export function optionsOf(name: string): readonly string[] {
  return Object.keys(COMMANDS.get(name)?.options ?? {}).map((option) => `-${option}`);
}

export class Shell {
  /** Of the last command. */
  exitCode: number = Exit.ok;
  /** `quit` was said. */
  finished = false;
  readonly #settings: ShellSettings;
  readonly #history: string[] = [];
  #server: string;
  #zk: ZooKeeper | undefined;
  #printWatches = true;
  /** One listener for all, so that a node watched twice is told of once. */
  readonly #watch = (event: WatchEvent): void => this.#showEvent(event);

  constructor(settings: ShellSettings) {
    this.#settings = settings;
    this.#server = settings.server;
  }

  get zk(): ZooKeeper | undefined {
    return this.#zk === undefined || isFinal(this.#zk.state) ? undefined : this.#zk;
  }
  /** The number that the next command gets in the history. */
  get commandCount(): number {
    return this.#history.length;
  }
  get prompt(): string {
    const state = this.#zk === undefined ? "CLOSED" : formatState(this.#zk.state);
    return `[zk: ${this.#server}(${state}) ${this.#history.length}] `;
  }

  /** Begins to connect. Throws a `BADARGUMENTS` error. */
  connect(server: string = this.#server): ZooKeeper {
    this.#server = server;
    const onState = (state: ClientState): void => {
      // Only the present connection's: a `connect` has closed the former one.
      if (zk === this.#zk) this.#showEvent({ type: "none", state, path: undefined, zxid: undefined });
    };
    const zk = this.#settings.open(server, { ...this.#settings.client, onState });
    this.#zk = zk;
    return zk;
  }

  async close(): Promise<void> {
    await this.#zk?.close();
  }

  /** One line of a session. Never rejects. */
  async runLine(line: string): Promise<void> {
    const words = splitWords(line);
    if (words.length === 0 || words[0]!.startsWith("#")) return;
    this.#history.push(line.trim());
    await this.run(words);
  }

  /** Never rejects; see {@link exitCode}. */
  async run(words: readonly string[]): Promise<void> {
    const [name = "", ...given] = words;
    const command = COMMANDS.get(name);
    this.exitCode = Exit.ok;
    try {
      if (command === undefined) await this.#runOwn(name, given);
      else await this.#runCommand(command, given);
    } catch (error) {
      this.exitCode = Exit.failed;
      this.#showError(name, error);
    }
  }

  async #runCommand(command: Command, given: readonly string[]): Promise<void> {
    const call = parseArguments(given, command.options);
    const [least, most] = command.words;
    if (call.words.length < least) throw new UsageError("too few arguments");
    if (call.words.length > most) throw new UsageError("too many arguments");
    const zk = this.zk;
    if (zk === undefined) throw new CommandError("Not connected");
    const warn = (message: string): void => this.#settings.printError(message);
    this.#show(await command.run({ zk, watch: this.#watch, warn }, call));
  }

  /** Commands that work without a connection. */
  async #runOwn(name: string, given: readonly string[]): Promise<void> {
    const { print, json, version } = this.#settings;
    switch (name) {
      case "quit":
      case "exit":
        this.finished = true;
        return this.close();
      case "close":
        return this.close();
      case "connect":
        await this.close();
        this.connect(given[0]);
        return;
      case "redo":
        return this.#redo(given[0]);
      case "history":
        return this.#show({ text: this.#recent().join("\n"), json: { history: this.#history } });
      case "printwatches":
        return this.#setPrintWatches(given[0]);
      case "version":
        return this.#show({ text: `ZooKeeper CLI version: ${version}`, json: { version } });
      case "help":
        return print(json ? JSON.stringify({ commands: COMMAND_NAMES }) : usage());
      default:
        this.exitCode = Exit.unknownCommand;
        if (json) this.#settings.printError(JSON.stringify({ error: "COMMANDNOTFOUND", command: name }));
        else this.#settings.printError(`${usage()}\nCommand not found: Command not found ${name}`);
    }
  }

  #recent(): string[] {
    const lines = this.#history.map((line, i) => `${i} - ${line}`);
    return lines.slice(-HISTORY_SHOWN);
  }

  async #redo(text: string | undefined): Promise<void> {
    if (text === undefined) throw new UsageError("which command?");
    const at = /^[0-9]+$/.test(text) ? Number(text) : -1;
    const line = this.#history[at];
    // The last one is this very `redo`.
    if (line === undefined || at === this.#history.length - 1) throw new CommandError("Command index out of range");
    this.#history[this.#history.length - 1] = line;
    await this.run(splitWords(line));
  }

  #setPrintWatches(text: string | undefined): void {
    if (text !== undefined && text !== "on" && text !== "off") throw new UsageError("on or off");
    if (text !== undefined) this.#printWatches = text === "on";
    else {
      const state = this.#printWatches ? "on" : "off";
      this.#show({ text: `printwatches is ${state}`, json: { printwatches: state } });
    }
  }

  #show(result: Result): void {
    const { json, print, printError } = this.#settings;
    if (json) print(JSON.stringify(result.json));
    else {
      if (result.note !== undefined) printError(result.note);
      if (result.text !== undefined) print(result.text);
    }
    if (result.failed === true) this.exitCode = Exit.failed;
  }

  #showError(name: string, error: unknown): void {
    const { json, printError } = this.#settings;
    if (json) return printError(JSON.stringify(jsonOf(name, error)));
    if (error instanceof ZooKeeperError) return printError(formatError(error));
    if (error instanceof UsageError) {
      // zkCli shows the usage; what exactly was wrong helps too.
      return printError(`${error.message}\n${usageOf(name)}`);
    }
    printError(error instanceof Error ? error.message : String(error));
  }

  #showEvent(event: WatchEvent): void {
    if (event.type === "none" && event.path === undefined && event.state === this.#toldState) return;
    this.#toldState = event.type === "none" ? event.state : this.#toldState;
    if (!this.#printWatches) return;
    const { json, printEvent } = this.#settings;
    printEvent(json ? JSON.stringify(eventJson(event)) : formatEvent(event));
  }
  /** Watches are told of states too; once is enough. */
  #toldState: ClientState | undefined;
}

function jsonOf(name: string, error: unknown): Record<string, unknown> {
  if (error instanceof ZooKeeperError) return errorJson(error);
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof UsageError ? { error: "USAGE", message, usage: usageOf(name) } : { error: "FAILED", message };
}

function usageOf(name: string): string {
  return `${name} ${COMMANDS.get(name)?.usage ?? SHELL_USAGES[name] ?? ""}`.trimEnd();
}

function usage(): string {
  const head = "ZooKeeper -server host:port -client-configuration properties-file cmd args";
  return [head, ...COMMAND_NAMES.map((name) => `\t${usageOf(name)}`)].join("\n");
}
