/** What a host knows about itself and four-letter words print. Java: Environment, Version. */
import fs from "node:fs";
import os from "node:os";
import type { ServerDescription } from "../core/config.ts";
import { DEFAULT_SERVER_CONFIG } from "../core/config.ts";

export function describeServer(given: Omit<ServerDescription, "version" | "environment">): ServerDescription {
  const version = versionLine();
  return { ...given, version, environment: environment(version) };
}

/** `X.Y.Z-…, built on …`: tools read the numbers at its beginning as those of a ZooKeeper. */
function versionLine(): string {
  const here = new URL(import.meta.url);
  const built = fs.statSync(here).mtime.toISOString();
  return `${DEFAULT_SERVER_CONFIG.description.version}-${packageVersion(here)}, built on ${built.slice(0, 16).replace("T", " ")} UTC`;
}

/** From the package.json above this file, whether it runs from `dist` or from the sources. */
function packageVersion(here: URL): string {
  for (const up of ["../package.json", "../../package.json"]) {
    try {
      const { version } = JSON.parse(fs.readFileSync(new URL(up, here), "utf8")) as { version?: unknown };
      if (typeof version === "string") return version;
    } catch {
      // Not there: look further up.
    }
  }
  return "unknown";
}

/** `envi`'s keys, in ZooKeeper's order. What only a JVM has is told of Node. */
function environment(version: string): [string, string][] {
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)}MB`;
  const memory = process.memoryUsage();
  const { username } = userInfo();
  return [
    ["zookeeper.version", version],
    ["host.name", os.hostname()],
    ["java.version", `none; Node.js ${process.version}`],
    ["java.vendor", "none"],
    ["java.home", process.execPath],
    ["java.class.path", ""],
    ["java.library.path", ""],
    ["java.io.tmpdir", os.tmpdir()],
    ["java.compiler", `V8 ${process.versions.v8}`],
    ["os.name", os.type()],
    ["os.arch", os.arch()],
    ["os.version", os.release()],
    ["user.name", username],
    ["user.home", os.homedir()],
    ["user.dir", process.cwd()],
    ["os.memory.free", megabytes(memory.heapTotal - memory.heapUsed)],
    ["os.memory.max", megabytes(os.totalmem())],
    ["os.memory.total", megabytes(memory.heapTotal)],
  ];
}

/** A container may run under a number that has no name. */
function userInfo(): { username: string } {
  try {
    return os.userInfo();
  } catch {
    return { username: String(process.getuid?.() ?? "") };
  }
}
