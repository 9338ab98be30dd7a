/** The shell's commands on nodes and their ACLs (Java: org.apache.zookeeper.cli). */
import type { Acl, Stat } from "../core/protocol/data.ts";
import { isZooKeeperError } from "../core/client/errors.ts";
import type { CreateMode } from "../core/client/operations.ts";
import type { WatcherType } from "../core/client/events.ts";
import type { WriteOperation } from "../core/client/transactions.ts";
import type { ZooKeeper } from "../core/client/zookeeper.ts";
import { CommandError, DONE, withStat } from "./shell-command.ts";
import type { Command, CommandContext, Result } from "./shell-command.ts";
import { aclJson, dataJson, formatAcl, formatList, formatStat, hexDump, parseAcl, statJson } from "./shell-format.ts";
import { numberOf, UsageError } from "./shell-words.ts";
import type { Arguments } from "./shell-words.ts";

const DELETE_BATCH = 1000;
const DELETES_IN_FLIGHT = 10;

export const NODE_COMMANDS: readonly Command[] = [
  {
    name: "addWatch",
    usage:
      "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is PERSISTENT_RECURSIVE",
    options: { m: "value" },
    words: [1, 1],
    run: addWatch,
  },
  {
    name: "create",
    usage: "[-s] [-e] [-c] [-t ttl] path [data] [acl]",
    options: { s: "flag", e: "flag", c: "flag", t: "value" },
    words: [1, 3],
    run: create,
  },
  { name: "delete", usage: "[-v version] path", options: { v: "value" }, words: [1, 1], run: deleteNode },
  { name: "deleteall", usage: "path [-b batch size]", options: { b: "value" }, words: [1, 1], run: deleteAll },
  {
    name: "get",
    usage: "[-s] [-w] [-b] [-x] path",
    options: { s: "flag", w: "flag", b: "flag", x: "flag" },
    words: [1, 1],
    run: get,
  },
  { name: "getAcl", usage: "[-s] path", options: { s: "flag" }, words: [1, 1], run: getAcl },
  { name: "getAllChildrenNumber", usage: "path", options: {}, words: [1, 1], run: getAllChildrenNumber },
  { name: "getEphemerals", usage: "[path]", options: {}, words: [0, 1], run: getEphemerals },
  { name: "ls", usage: "[-s] [-w] [-R] path", options: { s: "flag", w: "flag", R: "flag" }, words: [1, 1], run: ls },
  {
    name: "removewatches",
    usage: "path [-c|-d|-p|-r|-a] [-l]",
    options: { c: "flag", d: "flag", p: "flag", r: "flag", a: "flag", l: "flag" },
    words: [1, 1],
    run: removeWatches,
  },
  {
    name: "set",
    usage: "path data [-s] [-v version] [-b]",
    options: { s: "flag", v: "value", b: "flag" },
    words: [2, 2],
    run: set,
  },
  {
    name: "setAcl",
    usage: "[-s] [-v version] [-R] path acl",
    options: { s: "flag", v: "value", R: "flag" },
    words: [2, 2],
    run: setAcl,
  },
  { name: "stat", usage: "[-w] path", options: { w: "flag" }, words: [1, 1], run: stat },
  { name: "sync", usage: "path", options: {}, words: [1, 1], run: sync },
];

function versionOf(call: Arguments): number | undefined {
  const text = call.values.get("v");
  return text === undefined ? undefined : numberOf(text, "version");
}

function statIfAsked(call: Arguments, stat: Stat): { text: string | undefined; json: Record<string, unknown> } {
  return call.flags.has("s")
    ? { text: formatStat(stat), json: { stat: statJson(stat) } }
    : { text: undefined, json: {} };
}

async function addWatch({ zk, watch }: CommandContext, call: Arguments): Promise<Result> {
  const mode = call.values.get("m") ?? "PERSISTENT_RECURSIVE";
  if (mode !== "PERSISTENT" && mode !== "PERSISTENT_RECURSIVE") throw new UsageError(`no such mode: ${mode}`);
  await zk.addWatch(call.words[0]!, mode === "PERSISTENT" ? "persistent" : "persistentRecursive", watch);
  return DONE;
}

async function create({ zk, warn }: CommandContext, call: Arguments): Promise<Result> {
  const { flags, values, words } = call;
  const [path = "", data = null, acl] = words;
  const ttl = values.get("t");
  if (ttl !== undefined && flags.has("e")) throw new UsageError("TTLs cannot be used with Ephemeral znodes");
  if (flags.has("c") && (flags.has("e") || flags.has("s") || ttl !== undefined)) {
    throw new UsageError("-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.");
  }
  const kind: CreateMode = flags.has("e") ? "ephemeral" : "persistent";
  const mode: CreateMode = flags.has("c") ? "container" : flags.has("s") ? `${kind}_sequential` : kind;
  const created = await zk.create(path, data, {
    mode,
    acl: acl === undefined ? undefined : parseAcl(acl, warn),
    ttl: ttl === undefined ? undefined : numberOf(ttl, "ttl"),
  });
  return { note: `Created ${created}`, json: { path: created } };
}

async function deleteNode({ zk }: CommandContext, call: Arguments): Promise<Result> {
  await zk.delete(call.words[0]!, { version: versionOf(call) });
  return DONE;
}

async function deleteAll({ zk }: CommandContext, call: Arguments): Promise<Result> {
  const batchText = call.values.get("b");
  const batch = batchText === undefined ? DELETE_BATCH : numberOf(batchText, "batch size");
  if (batch < 1) throw new UsageError("the batch size is at least 1");
  const paths = await subtree(zk, call.words[0]!);
  // Children before their parents; the batches arrive, and are done, in the order in which they are sent.
  paths.reverse();
  const inFlight = new Set<Promise<void>>();
  let failed: unknown;
  for (let at = 0; at < paths.length && failed === undefined; at += batch) {
    const writes = paths.slice(at, at + batch).map((path): WriteOperation => ({ type: "delete", path }));
    const done = zk.multi(writes).then(
      () => void inFlight.delete(done),
      (error: unknown) => {
        inFlight.delete(done);
        failed ??= error;
      },
    );
    inFlight.add(done);
    if (inFlight.size >= DELETES_IN_FLIGHT) await Promise.race(inFlight);
  }
  await Promise.all(inFlight);
  if (failed === undefined) return { json: { deleted: paths.length } };
  if (!isZooKeeperError(failed)) throw failed;
  return {
    note: `Failed to delete some node(s) in the subtree! (${failed.message})`,
    json: { deleted: null, error: failed.code, path: failed.path ?? null },
    failed: true,
  };
}

/** Parents before their children, as zkCli's `ls -R` lists them: the children of a node, then each child's own. */
async function subtree(zk: ZooKeeper, path: string, visited?: (path: string) => Promise<string[]>): Promise<string[]> {
  const read = visited ?? ((each: string): Promise<string[]> => zk.getChildren(each));
  const paths = [path];
  const visit = async (parent: string, children: readonly string[]): Promise<void> => {
    const below = [...children].sort(compare).map((name) => (parent === "/" ? `/${name}` : `${parent}/${name}`));
    paths.push(...below);
    // Asked for at once and listed in order; what has gone in the meantime has no children.
    const all = await Promise.all(below.map((each) => read(each).catch(noneIfGone)));
    for (const [i, each] of below.entries()) await visit(each, all[i]!);
  };
  await visit(path, await read(path));
  return paths;
}

function noneIfGone(error: unknown): string[] {
  if (isZooKeeperError(error, "NONODE")) return [];
  throw error;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function get({ zk, watch }: CommandContext, call: Arguments): Promise<Result> {
  const { flags, words } = call;
  const { data, stat } = await zk.getData(words[0]!, { watch: flags.has("w") ? watch : undefined });
  const bytes = Buffer.from(data ?? "null");
  const shown = flags.has("b") ? bytes.toString("base64") : flags.has("x") ? hexDump(bytes) : bytes.toString();
  const asked = statIfAsked(call, stat);
  const content = flags.has("b") ? { data: data && bytes.toString("base64"), encoding: "base64" } : dataJson(data);
  return { text: withStat(shown, asked.text), json: { ...content, ...asked.json } };
}

async function getAcl({ zk }: CommandContext, call: Arguments): Promise<Result> {
  const { acl, stat } = await zk.getACL(call.words[0]!);
  const asked = statIfAsked(call, stat);
  return { text: withStat(formatAcl(acl), asked.text), json: { acl: aclJson(acl), ...asked.json } };
}

async function getAllChildrenNumber({ zk }: CommandContext, call: Arguments): Promise<Result> {
  const count = await zk.getAllChildrenNumber(call.words[0]!);
  return { text: String(count), json: { count } };
}

async function getEphemerals({ zk }: CommandContext, call: Arguments): Promise<Result> {
  const ephemerals = await zk.getEphemerals(call.words[0]);
  return { text: formatList(ephemerals), json: { ephemerals } };
}

async function ls({ zk, watch, warn }: CommandContext, call: Arguments): Promise<Result> {
  const path = call.words[0]!;
  const option = { watch: call.flags.has("w") ? watch : undefined };
  if (call.flags.has("R")) {
    let failed = false;
    const paths = await subtree(zk, path, (each) =>
      zk.getChildren(each, option).catch((error: unknown) => {
        // The rest of the tree is still worth showing.
        if (!isZooKeeperError(error, "NOAUTH") || each === path) throw error;
        warn(`Insufficient permission : ${each}`);
        failed = true;
        return [];
      }),
    );
    return { text: paths.join("\n"), json: { paths }, failed };
  }
  const { children, stat } = await zk.getChildren2(path, option);
  children.sort(compare);
  const asked = statIfAsked(call, stat);
  return { text: withStat(formatList(children), asked.text), json: { children, ...asked.json } };
}

async function removeWatches({ zk }: CommandContext, call: Arguments): Promise<Result> {
  const types: Readonly<Record<string, WatcherType>> = {
    c: "children",
    d: "data",
    p: "persistent",
    r: "persistentRecursive",
    a: "any",
  };
  // -l, "even without a connection", is how this client does it anyway.
  const asked = [...call.flags].filter((flag) => flag !== "l");
  if (asked.length > 1) throw new UsageError("one type of watch at a time");
  await zk.removeAllWatches(call.words[0]!, asked.length === 0 ? "any" : types[asked[0]!]!);
  return DONE;
}

async function set({ zk }: CommandContext, call: Arguments): Promise<Result> {
  const [path = "", text = ""] = call.words;
  const data = call.flags.has("b") ? decodeBase64(text) : text;
  const stat = await zk.setData(path, data, { version: versionOf(call) });
  return { text: statIfAsked(call, stat).text, json: { stat: statJson(stat) } };
}

function decodeBase64(text: string): Uint8Array {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new CommandError("the data is not base64");
  return Buffer.from(text, "base64");
}

async function setAcl({ zk, warn }: CommandContext, call: Arguments): Promise<Result> {
  const [path = "", text = ""] = call.words;
  const acl = parseAcl(text, warn);
  if (call.flags.has("R")) return setAclRecursively(zk, path, acl, versionOf(call));
  const stat = await zk.setACL(path, acl, { version: versionOf(call) });
  return { text: statIfAsked(call, stat).text, json: { stat: statJson(stat) } };
}

async function setAclRecursively(zk: ZooKeeper, path: string, acl: readonly Acl[], version = -1): Promise<Result> {
  const paths = await subtree(zk, path);
  await Promise.all(paths.map((each) => zk.setACL(each, acl, { version }).catch(nothingIfGone)));
  return { json: { paths } };
}

function nothingIfGone(error: unknown): void {
  if (!isZooKeeperError(error, "NONODE")) throw error;
}

async function stat({ zk, watch }: CommandContext, call: Arguments): Promise<Result> {
  const path = call.words[0]!;
  const found = await zk.exists(path, { watch: call.flags.has("w") ? watch : undefined });
  if (found === null) throw new CommandError(`Node does not exist: ${path}`);
  return { text: formatStat(found), json: { stat: statJson(found) } };
}

async function sync({ zk }: CommandContext, call: Arguments): Promise<Result> {
  await zk.sync(call.words[0]!);
  return { text: "Sync is OK", json: DONE.json };
}
