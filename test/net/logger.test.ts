import { expect, test } from "vitest";
import { pino } from "pino";
import { peopleStream } from "../../net/logger.ts";

test("lines for people have the time, the level, the message and the fields", () => {
  const lines: string[] = [];
  const logger = pino(
    { serializers: { error: pino.stdSerializers.err } },
    peopleStream({ write: (line) => lines.push(line) }),
  );
  logger.warn({ file: "log.1", milliseconds: 12 }, "slow sync");
  logger.error({ error: new Error("a bug") }, "crashed");
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warn {2}slow sync .*file=log\.1 milliseconds=12\n$/);
  expect(lines[1]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} error crashed.*\nError: a bug\n {4}at /);
});
