import { expect, test } from "vitest";
import { ServerFixture } from "./support/fixture.ts";
import { compileJava, runJava, startJava } from "./support/java.ts";
import { eventually } from "./support/processes.ts";

const PARTS = [
  "nodes",
  "kinds of nodes",
  "data",
  "multi",
  "watches",
  "persistent watches",
  "access",
  "pipelining",
  "chroot",
  "resume",
  "close",
  "expiry",
];

const server = new ServerFixture();

test("the Java client does everything it can do", async () => {
  const { code, output } = await runJava(await compileJava("JavaClient"), "JavaClient", [server.address]);
  expect(output.match(/^ok .*/gm), output).toEqual(PARTS.map((part) => `ok ${part}`));
  expect(code, output).toBe(0);
});

test("the Java client's session and watches survive a restart of the server", async () => {
  const client = startJava(await compileJava("JavaClient"), "JavaClient", [server.address, "restart"]);
  await eventually("the client is ready", 30_000, () => client.output.includes("ready") || client.code !== undefined);
  await server.restart();
  expect(await client.ended, client.output).toBe(0);
  expect(client.output).toContain("ok restart");
});
