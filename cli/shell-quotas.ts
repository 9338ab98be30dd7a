/**
 * The shell's commands on quotas (Java: SetQuotaCommand, DelQuotaCommand, ListQuotaCommand; reference, section 5.7).
 * A quota is two nodes under /zookeeper/quota: the limits, which we write, and the usage, which the server does.
 */
import { isZooKeeperError } from "../core/client/errors.ts";
import type { ZooKeeper } from "../core/client/zookeeper.ts";
import { CommandError, DONE } from "./shell-command.ts";
import type { Command, CommandContext, Result } from "./shell-command.ts";
import { UsageError } from "./shell-words.ts";
import type { Arguments } from "./shell-words.ts";

const ROOT = "/zookeeper/quota";
const LIMITS = "zookeeper_limits";
const STATS = "zookeeper_stats";
const QUOTA_FLAGS = { n: "count", b: "bytes", N: "countHardLimit", B: "byteHardLimit" } as const;

export const QUOTA_COMMANDS: readonly Command[] = [
  {
    name: "delquota",
    usage: "[-n|-b|-N|-B] path",
    options: { n: "flag", b: "flag", N: "flag", B: "flag" },
    words: [1, 1],
    run: deleteQuota,
  },
  { name: "listquota", usage: "path", options: {}, words: [1, 1], run: listQuota },
  {
    name: "setquota",
    usage: "-n|-b|-N|-B val path",
    options: { n: "value", b: "value", N: "value", B: "value" },
    words: [1, 1],
    run: setQuota,
  },
];

/** What a limits or a stats node says; -1 where there is none. */
export interface Quota {
  count: number;
  bytes: number;
  /** Undefined: the text does not speak of it. */
  byteHardLimit?: number;
  countHardLimit?: number;
}

/** `count=N,bytes=N`, then `=;key=N…`: the lone `=` keeps old parsers from reading on (Java: StatsTrack). */
export function parseQuota(text: string): Quota {
  const quota: Quota = { count: -1, bytes: -1 };
  for (const part of text.split(/[,;]+/)) {
    const [key = "", value = ""] = part.split("=");
    const number = /^-?[0-9]+$/.test(value) ? Number(value) : -1;
    if (key === "count" || key === "bytes" || key === "byteHardLimit" || key === "countHardLimit") quota[key] = number;
  }
  return quota;
}

export function formatQuota({ count, bytes, byteHardLimit, countHardLimit }: Quota): string {
  const extra = [
    ...(byteHardLimit === undefined ? [] : [`;byteHardLimit=${byteHardLimit}`]),
    ...(countHardLimit === undefined ? [] : [`;countHardLimit=${countHardLimit}`]),
  ];
  return `count=${count},bytes=${bytes}${extra.length === 0 ? "" : `=${extra.join("")}`}`;
}

async function setQuota({ zk }: CommandContext, call: Arguments): Promise<Result> {
  const path = call.words[0]!;
  const [[flag, text] = [], second] = [...call.values];
  if (flag === undefined || text === undefined) throw new UsageError("one limit is needed");
  if (second !== undefined) throw new UsageError("one limit at a time");
  if (!/^-?[0-9]+$/.test(text)) throw new CommandError("NumberFormatException happens when parsing the option value");
  if (path === ROOT || path.startsWith(`${ROOT}/`)) {
    throw new CommandError(`cannot set a quota under the path: ${ROOT}`);
  }
  if ((await zk.exists(path)) === null) throw new CommandError(`${path} does not exist.`);
  if (path === "/") throw new CommandError("the root cannot have a quota");
  await refuseNesting(zk, path);
  const limit = { [QUOTA_FLAGS[flag as keyof typeof QUOTA_FLAGS]]: Number(text) };
  const present = await readQuota(zk, `${ROOT}${path}/${LIMITS}`);
  if (present !== undefined) {
    await zk.setData(`${ROOT}${path}/${LIMITS}`, formatQuota({ ...present, ...limit }));
    return DONE;
  }
  let at = ROOT;
  for (const part of path.slice(1).split("/")) {
    at += `/${part}`;
    await zk.create(at).catch(nothingIfThere);
  }
  const none: Quota = { count: -1, bytes: -1, byteHardLimit: -1, countHardLimit: -1 };
  await zk.create(`${at}/${LIMITS}`, formatQuota({ ...none, ...limit }));
  await zk.create(`${at}/${STATS}`, formatQuota({ count: 0, bytes: 0 }));
  return DONE;
}

/** The server counts for one quota per branch only. */
async function refuseNesting(zk: ZooKeeper, path: string): Promise<void> {
  for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
    const parent = path.slice(0, slash);
    if ((await zk.exists(`${ROOT}${parent}/${LIMITS}`)) !== null) {
      throw new CommandError(`${path} has a parent ${parent} which has a quota`);
    }
  }
  const visit = async (at: string): Promise<void> => {
    for (const child of await zk.getChildren(at).catch(noneIfGone)) {
      if (child === LIMITS && at !== `${ROOT}${path}`) {
        throw new CommandError(`${path} has a child ${at.slice(ROOT.length)} which has a quota`);
      }
      await visit(`${at}/${child}`);
    }
  };
  await visit(`${ROOT}${path}`);
}

async function deleteQuota({ zk }: CommandContext, call: Arguments): Promise<Result> {
  const path = call.words[0]!;
  const node = `${ROOT}${path}`;
  const present = await readQuota(zk, `${node}/${LIMITS}`);
  if (present === undefined) throw new CommandError(`quota for ${path} does not exist.`);
  if (call.flags.size > 0) {
    for (const flag of call.flags) present[QUOTA_FLAGS[flag as keyof typeof QUOTA_FLAGS]] = -1;
    await zk.setData(`${node}/${LIMITS}`, formatQuota(present));
    return DONE;
  }
  for (const name of await zk.getChildren(node)) {
    if (name === LIMITS || name === STATS) await zk.delete(`${node}/${name}`);
  }
  // Up to the first node that still leads to another quota.
  for (let at = node; at !== ROOT; at = at.slice(0, at.lastIndexOf("/"))) {
    const gone = await zk.delete(at).then(
      () => true,
      (error: unknown) => {
        if (isZooKeeperError(error, "NOTEMPTY")) return false;
        throw error;
      },
    );
    if (!gone) break;
  }
  return DONE;
}

async function listQuota({ zk }: CommandContext, call: Arguments): Promise<Result> {
  const path = call.words[0]!;
  const node = `${ROOT}${path === "/" ? "" : path}`;
  const limits = await readQuota(zk, `${node}/${LIMITS}`);
  const note = `absolute path is ${node}/${LIMITS}`;
  if (limits === undefined) {
    return { note: `${note}\nquota for ${path} does not exist.`, json: { limits: null, usage: null }, failed: true };
  }
  const usage = await readQuota(zk, `${node}/${STATS}`);
  const lines = [`Output quota for ${path} ${formatQuota(limits)}`];
  if (usage !== undefined) lines.push(`Output stat for ${path} ${formatQuota(usage)}`);
  return { note, text: lines.join("\n"), json: { limits, usage: usage ?? null } };
}

async function readQuota(zk: ZooKeeper, path: string): Promise<Quota | undefined> {
  try {
    return parseQuota(Buffer.from((await zk.getData(path)).data ?? "").toString());
  } catch (error) {
    if (isZooKeeperError(error, "NONODE")) return undefined;
    throw error;
  }
}

function nothingIfThere(error: unknown): void {
  if (!isZooKeeperError(error, "NODEEXISTS")) throw error;
}
function noneIfGone(error: unknown): string[] {
  if (isZooKeeperError(error, "NONODE")) return [];
  throw error;
}
