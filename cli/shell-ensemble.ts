/** The shell's commands about credentials, the ensemble's configuration, and versions (Java: org.apache.zookeeper.cli). */
import { readFile } from "node:fs/promises";
import { DONE, withStat } from "./shell-command.ts";
import type { Command, CommandContext, Result } from "./shell-command.ts";
import { dataJson, formatStat, statJson } from "./shell-format.ts";
import { UsageError } from "./shell-words.ts";
import type { Arguments } from "./shell-words.ts";

export const ENSEMBLE_COMMANDS: readonly Command[] = [
  { name: "addauth", usage: "scheme auth", options: {}, words: [1, 2], run: addAuth },
  {
    name: "config",
    usage: "[-c] [-w] [-s]",
    options: { c: "flag", w: "flag", s: "flag" },
    words: [0, 0],
    run: config,
  },
  {
    name: "reconfig",
    usage:
      "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | " +
      "[-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]",
    options: { s: "flag", v: "value", file: "value", members: "value", add: "value", remove: "value" },
    words: [0, 0],
    run: reconfig,
  },
  { name: "whoami", usage: "", options: {}, words: [0, 0], run: whoAmI },
];

async function addAuth({ zk }: CommandContext, call: Arguments): Promise<Result> {
  await zk.addAuth(call.words[0]!, call.words[1] ?? null);
  return DONE;
}

async function config({ zk, watch }: CommandContext, call: Arguments): Promise<Result> {
  const { data, stat } = await zk.getConfig({ watch: call.flags.has("w") ? watch : undefined });
  const text = Buffer.from(data ?? "").toString();
  const shown = call.flags.has("c") ? clientConfig(text) : text;
  const asked = call.flags.has("s");
  return {
    text: withStat(shown, asked ? formatStat(stat) : undefined),
    json: { config: shown, ...(asked ? { stat: statJson(stat) } : {}) },
  };
}

/** The version and where clients connect (Java: ConfigUtils.getClientConfigStr). */
export function clientConfig(text: string): string {
  let version = "";
  const servers: string[] = [];
  for (const line of text.split("\n")) {
    const equals = line.indexOf("=");
    const key = line.slice(0, equals).trim();
    const value = line.slice(equals + 1).trim();
    if (key === "version") version = value;
    if (!key.startsWith("server.")) continue;
    const client = value.split(";")[1]?.trim();
    // Without a host of its own a client port is that of every address.
    if (client !== undefined && client !== "") servers.push(client.includes(":") ? client : `0.0.0.0:${client}`);
  }
  return `${version} ${servers.join(",")}`;
}

async function reconfig({ zk }: CommandContext, call: Arguments): Promise<Result> {
  const { values } = call;
  const incremental = values.has("add") || values.has("remove");
  const whole = values.has("file") || values.has("members");
  if (incremental === whole || (values.has("file") && values.has("members"))) {
    throw new UsageError("either new members, or servers to add and to remove");
  }
  const version = values.get("v");
  if (version !== undefined && !/^[0-9a-fA-F]{1,13}$/.test(version)) {
    throw new UsageError("a configuration's version is a hexadecimal number");
  }
  const list = (name: string): string[] | undefined => values.get(name)?.split(",");
  const file = values.get("file");
  const { data, stat } = await zk.reconfig({
    joining: list("add"),
    leaving: list("remove"),
    members: file === undefined ? list("members") : membersOf(await readFile(file, "utf8")),
    version: version === undefined ? undefined : Number.parseInt(version, 16),
  });
  const text = Buffer.from(data ?? "").toString();
  const asked = call.flags.has("s");
  return {
    text: withStat(`Committed new configuration:\n${text}`, asked ? formatStat(stat) : undefined),
    json: { ...dataJson(data), ...(asked ? { stat: statJson(stat) } : {}) },
  };
}

/** The lines of a dynamic configuration file that make up a membership. */
export function membersOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => /^(server\.|group\.|weight\.)/.test(line));
}

async function whoAmI({ zk }: CommandContext): Promise<Result> {
  const identities = await zk.whoAmI();
  const lines = identities.map(({ scheme, user }) => `${scheme}: ${user}`);
  return { text: ["Auth scheme: User", ...lines].join("\n"), json: { identities } };
}
