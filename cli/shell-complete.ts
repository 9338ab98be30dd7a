/** What the Tab key offers: commands first, then the options of the command, and paths (Java: JLineZNodeCompleter). */
import type { ZooKeeper } from "../core/client/zookeeper.ts";
import { COMMAND_NAMES, optionsOf } from "./shell-session.ts";

/** The candidates, and the part of the line that they would replace: as readline's completers answer. */
export type Completion = [candidates: string[], replaced: string];

export async function complete(zk: ZooKeeper | undefined, line: string): Promise<Completion> {
  const words = line.split(/\s+/);
  const last = words.at(-1) ?? "";
  const first = words.find((word) => word !== "");
  if (first === undefined || (words.length === 1 && first === last)) {
    return [COMMAND_NAMES.filter((name) => name.startsWith(last)).map((name) => `${name} `), last];
  }
  if (last.startsWith("-")) {
    return [
      optionsOf(first)
        .filter((option) => option.startsWith(last))
        .map((option) => `${option} `),
      last,
    ];
  }
  if (!last.startsWith("/") || zk === undefined) return [[], last];
  return [await completePath(zk, last), last];
}

/** A node with children could go on, so it is offered without a space; an only candidate shows what it goes on with. */
async function completePath(zk: ZooKeeper, path: string): Promise<string[]> {
  const slash = path.lastIndexOf("/");
  const parent = slash === 0 ? "/" : path.slice(0, slash);
  const begun = path.slice(slash + 1);
  const children = await zk.getChildren(parent).catch((): string[] => []);
  const names = children.filter((name) => name.startsWith(begun)).sort((a, b) => (a < b ? -1 : 1));
  return names.map((name) => `${parent === "/" ? "" : parent}/${name}`);
}
