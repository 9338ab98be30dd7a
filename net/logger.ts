/** Facts into log lines: JSON for machines, plain lines for somebody who looks at a terminal. Java: log4j's part. */
import { pino } from "pino";
import type { DestinationStream } from "pino";
import type { Facts } from "../core/actor.ts";
import { NO_FACTS } from "../core/actor.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export interface Logger {
  log: Facts["log"];
}

/** Writes to standard output. Lines are written at once: what a process said last is what matters when it dies. */
export function createLogger(level: LogLevel, forPeople: boolean = process.stdout.isTTY): Logger {
  const destination = forPeople ? peopleStream(process.stdout) : pino.destination({ fd: 1, sync: true });
  const options = { level, base: { pid: process.pid }, serializers: { error: pino.stdSerializers.err } };
  const logger = pino(options, destination);
  return {
    log(lineLevel, message, fields) {
      if (fields === undefined) logger[lineLevel](message);
      else logger[lineLevel](printable(fields), message);
    },
  };
}

/** Facts that are lines, and nothing else. */
export function loggingFacts(logger: Logger): Facts {
  return { ...NO_FACTS, log: (level, message, fields) => logger.log(level, message, fields) };
}

/** JSON has no bigints; those we have are session ids. */
function printable(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(fields).map(([key, value]) => [key, typeof value === "bigint" ? hex(value) : value]);
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function hex(value: bigint): string {
  return `0x${BigInt.asUintN(64, value).toString(16)}`;
}

/** `12:34:56.789 info  message key=value …`, in local time. */
export function peopleStream(out: { write(text: string): unknown }): DestinationStream {
  return {
    write(line: string): void {
      const { time, level, msg, pid: _pid, error, ...fields } = JSON.parse(line) as Record<string, unknown>;
      const when = new Date(Number(time));
      const clock = `${when.toTimeString().slice(0, 8)}.${String(when.getMilliseconds()).padStart(3, "0")}`;
      const name = pino.levels.labels[Number(level)] ?? "";
      const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${plain(value)}`);
      const stack = error === undefined ? "" : `\n${(error as { stack?: string }).stack ?? plain(error)}`;
      out.write(`${clock} ${name.padEnd(5)} ${plain(msg ?? "")}${rest.join("")}${stack}\n`);
    },
  };
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
