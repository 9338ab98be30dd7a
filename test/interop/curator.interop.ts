import { expect, test } from "vitest";
import { ServerFixture } from "./support/fixture.ts";
import { compileJava, runJava } from "./support/java.ts";

const JARS = ["curator-client", "curator-framework", "curator-recipes", "guava"].map(
  (name) => `/usr/share/java/${name}.jar`,
);
const PARTS = [
  "mutex",
  "read write lock",
  "semaphore",
  "leader latch",
  "simple queue",
  "queue",
  "double barrier",
  "atomic long",
  "children cache",
  "cache",
  "persistent node",
  "persistent TTL node",
];

const server = new ServerFixture();

test("Curator's recipes work", async () => {
  const classPath = await compileJava("CuratorRecipes", JARS);
  const { code, output } = await runJava(classPath, "CuratorRecipes", [server.address]);
  expect(output.match(/^ok .*/gm), output).toEqual(PARTS.map((part) => `ok ${part}`));
  expect(code, output).toBe(0);
});
