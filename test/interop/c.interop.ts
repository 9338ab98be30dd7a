import { join } from "node:path";
import { expect, test } from "vitest";
import { ServerFixture } from "./support/fixture.ts";
import { run, temporaryDirectory } from "./support/processes.ts";
import { repositoryPath } from "./support/servers.ts";

const PARTS = ["nodes", "pipelining", "multi", "watches", "access", "resume", "close"];

const server = new ServerFixture();

test("the C client works", async () => {
  const program = join(temporaryDirectory("c"), "client");
  const source = repositoryPath("test/interop/clients/client.c");
  const built = await run("gcc", [
    "-std=gnu11",
    "-Wall",
    "-Wextra",
    "-o",
    program,
    source,
    "-lzookeeper_mt",
    "-lpthread",
  ]);
  expect(built.code, built.output).toBe(0);
  const { code, output } = await run(program, [server.address], { timeout: 120_000 });
  expect(output.match(/^ok .*/gm), output).toEqual(PARTS.map((part) => `ok ${part}`));
  expect(code, output).toBe(0);
});
