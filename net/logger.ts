/**
 * Facts into log lines: JSON for machines, in the form that pino made usual, and plain lines for somebody who looks at
 * a terminal. Java: log4j's part. Our own, because every server of an ensemble pays for what it loads.
 */
import type { Facts } from "../core/actor.ts";
import { NO_FACTS } from "../core/actor.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export interface Logger {
  log: Facts["log"];
}
type Fields = Readonly<Record<string, unknown>>;

const NUMBERS: Readonly<Record<LogLevel, number>> = { debug: 20, info: 30, warn: 40, error: 50 };

/** Where lines go. Node writes to a standard output at once: what a process said last is what matters when it dies. */
export interface LogOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export function createLogger(level: LogLevel, out: LogOutput = standardOutput()): Logger {
  const least = NUMBERS[level];
  const lineOf = out.isTTY === true ? lineForPeople : lineForMachines;
  return {
    log(lineLevel, message, fields = {}) {
      if (NUMBERS[lineLevel] >= least) out.write(`${lineOf(lineLevel, message, fields)}\n`);
    },
  };
}

/** Facts that are lines, and nothing else. */
export function loggingFacts(logger: Logger): Facts {
  return { ...NO_FACTS, log: (level, message, fields) => logger.log(level, message, fields) };
}

/** A server goes on when nobody reads its lines any more. */
function standardOutput(): LogOutput {
  if (process.stdout.listenerCount("error") === 0) process.stdout.on("error", () => {});
  return process.stdout;
}

function lineForMachines(level: LogLevel, message: string, fields: Fields): string {
  const head = { level: NUMBERS[level], time: Date.now(), pid: process.pid };
  return JSON.stringify({ ...head, ...fields, msg: message }, printable);
}

/** `12:34:56.789 info  message key=value …`, in local time; an error's stack below. */
function lineForPeople(level: LogLevel, message: string, { error, ...fields }: Fields): string {
  const now = new Date();
  const clock = `${now.toTimeString().slice(0, 8)}.${String(now.getMilliseconds()).padStart(3, "0")}`;
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${plain(value)}`);
  const stack = error === undefined ? "" : `\n${error instanceof Error ? error.stack : plain(error)}`;
  return `${clock} ${level.padEnd(5)} ${message}${rest.join("")}${stack}`;
}

function plain(value: unknown): string {
  const text = printable("", value);
  return typeof text === "string" ? text : (JSON.stringify(text, printable) ?? "");
}

/** JSON has no bigints; those we have are session ids. Of errors it would print nothing. */
function printable(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return `0x${BigInt.asUintN(64, value).toString(16)}`;
  if (value instanceof Error) return { type: value.name, message: value.message, stack: value.stack };
  return value;
}
