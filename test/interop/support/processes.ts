/**
 * Child processes of the interop tests: each one is ended by its own pid, at the latest when this process exits.
 * Nothing here looks processes up by name.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const PORT_FIRST = 23_200;
const PORT_COUNT = 2000;
/** Output kept per process: enough for a stack trace or two. */
const OUTPUT_CHARACTERS_MAX = 200_000;

const running = new Set<ChildProcess>();
const directories = new Set<string>();

process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  if (process.env["INTEROP_KEEP"] !== undefined) return;
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Output is appended to this file instead of being collected in memory: for processes that run long and say much. */
  readonly outputFile?: string;
}

/** A child whose output is collected. */
export class Process {
  readonly child: ChildProcess;
  readonly #ended: Promise<number>;
  readonly #outputFile: string | undefined;
  #output = "";
  #code: number | undefined;

  constructor(command: string, args: readonly string[], options: SpawnOptions = {}) {
    this.#outputFile = options.outputFile;
    const file = options.outputFile === undefined ? undefined : openSync(options.outputFile, "a");
    this.child = spawn(command, args, {
      stdio: ["pipe", file ?? "pipe", file ?? "pipe"],
      env: { ...process.env, ...options.env },
      cwd: options.cwd,
    });
    if (file !== undefined) closeSync(file);
    running.add(this.child);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output = (this.#output + text).slice(-OUTPUT_CHARACTERS_MAX);
      });
    }
    // The child may be gone before what we type reaches it; its exit code tells.
    this.child.stdin?.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      this.child.once("error", (error) => {
        this.#output += `${command}: ${error.message}\n`;
        this.#finish(127, resolve);
      });
      this.child.once("close", (code, signal) => this.#finish(code ?? (signal === null ? 1 : 128), resolve));
    });
  }

  #finish(code: number, resolve: (code: number) => void): void {
    running.delete(this.child);
    this.#code ??= code;
    resolve(this.#code);
  }

  /** Standard output and error in the order they came. */
  get output(): string {
    const file = this.#outputFile;
    return file !== undefined && existsSync(file) ? readFileSync(file, "utf8") + this.#output : this.#output;
  }

  /** The exit code, or undefined while it runs. */
  get code(): number | undefined {
    return this.#code;
  }

  get ended(): Promise<number> {
    return this.#ended;
  }

  /** Sends `signal`, and SIGKILL after `timeout` ms without an end. */
  async stop(signal: NodeJS.Signals = "SIGTERM", timeout = 10_000): Promise<number> {
    if (this.#code !== undefined) return this.#code;
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), timeout);
    const code = await this.#ended;
    clearTimeout(timer);
    return code;
  }
}

/** Runs a command to its end, `timeout` ms at most, with `input` on its standard input. */
export async function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { readonly input?: string; readonly timeout?: number } = {},
): Promise<{ readonly code: number; readonly output: string }> {
  const child = new Process(command, args, options);
  child.child.stdin?.end(options.input ?? "");
  const timer = setTimeout(() => child.child.kill("SIGKILL"), options.timeout ?? 60_000);
  const code = await child.ended;
  clearTimeout(timer);
  return { code, output: child.output };
}

/** A directory that goes away with this process, unless INTEROP_KEEP is set. */
export function temporaryDirectory(label: string): string {
  const directory = mkdtempSync(join(tmpdir(), `vivarium-${label}-`));
  directories.add(directory);
  return directory;
}

/** Removes it now. */
export function removeDirectory(directory: string): void {
  directories.delete(directory);
  rmSync(directory, { recursive: true, force: true });
}

let nextPort = process.pid % PORT_COUNT;

/** A loopback port that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORT_COUNT; tries++) {
    const port = PORT_FIRST + (nextPort++ % PORT_COUNT);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen({ port, host: "127.0.0.1", exclusive: true }, () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, "close");
    return port;
  }
  throw new Error(`no free port from ${PORT_FIRST} to ${PORT_FIRST + PORT_COUNT - 1}`);
}

/** The answer to a four-letter word; undefined when nobody answers within `timeout` ms. */
export function fourLetterWord(port: number, word: string, timeout = 5000): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    let answer = "";
    socket.setEncoding("utf8").setTimeout(timeout, () => socket.destroy());
    socket.on("connect", () => socket.write(word));
    socket.on("data", (text: string) => (answer += text));
    socket.on("error", () => resolve(undefined));
    socket.on("close", () => resolve(answer === "" ? undefined : answer));
  });
}

/** Polls until `condition` holds; fails with `what` after `timeout` ms. */
export async function eventually(
  what: string,
  timeout: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = Date.now() + timeout;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${timeout} ms: ${what}`);
    await delay(20);
  }
}
