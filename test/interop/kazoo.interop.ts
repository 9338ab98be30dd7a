import { expect, test } from "vitest";
import { ServerFixture } from "./support/fixture.ts";
import { run } from "./support/processes.ts";
import { repositoryPath } from "./support/servers.ts";

const PARTS = [
  "nodes",
  "transactions",
  "access",
  "watches",
  "lock",
  "election",
  "barriers",
  "queues",
  "counter",
  "party",
  "states",
];

const server = new ServerFixture();

test("kazoo's API and recipes work", async () => {
  const script = repositoryPath("test/interop/clients/recipes.py");
  // Debian's Python, which has Debian's kazoo.
  const { code, output } = await run("/usr/bin/python3", [script, server.address], { timeout: 180_000 });
  expect(output.match(/^ok .*/gm), output).toEqual(PARTS.map((part) => `ok ${part}`));
  expect(code, output).toBe(0);
});
