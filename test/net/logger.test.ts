import { expect, test } from "vitest";
import type { Logger, LogLevel } from "../../net/logger.ts";
import { createLogger, loggingFacts } from "../../net/logger.ts";

function logging(level: LogLevel, isTTY: boolean): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  return { logger: createLogger(level, { isTTY, write: (line) => lines.push(line) }), lines };
}

test("lines for people have the time, the level, the message and the fields", () => {
  const { logger, lines } = logging("info", true);
  logger.log("warn", "slow sync", { file: "log.1", milliseconds: 12, session: -1n });
  logger.log("error", "crashed", { error: new Error("a bug") });
  logger.log("debug", "not asked for");
  expect(lines[0]).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} warn {2}slow sync file=log\.1 milliseconds=12 session=0xffffffffffffffff\n$/,
  );
  expect(lines[1]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} error crashed\nError: a bug\n {4}at /);
  expect(lines.length).toBe(2);
});

test("lines for machines are JSON, one object each", () => {
  const { logger, lines } = logging("debug", false);
  loggingFacts(logger).log("debug", "one\ntwo", { session: 0x1_0000n, level2: undefined });
  logger.log("error", "crashed", { error: new TypeError("a bug") });
  expect(lines.every((line) => line.indexOf("\n") === line.length - 1)).toBe(true);
  const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(first).toEqual({
    level: 20,
    time: expect.any(Number),
    pid: process.pid,
    session: "0x10000",
    msg: "one\ntwo",
  });
  expect(second).toMatchObject({ level: 50, error: { type: "TypeError", message: "a bug" }, msg: "crashed" });
});
