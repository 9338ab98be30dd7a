/**
 * What four-letter words answer (Java: FourLetterCommands and org.apache.zookeeper.server.command; reference, sections
 * 9.1 and 9.2). Recognising them is client-port.ts's, what they look at belongs to others.
 */
import type { Address, Context, Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import { formatSession, SESSION_NONE } from "../base/ids.ts";
import { formatZxid, zxidHex } from "../base/zxid.ts";
import type { ServerState } from "../pipeline/state.ts";
import { portOf } from "../quorum/config.ts";
import type { QuorumView } from "../quorum/view.ts";
import type { Word } from "../protocol/words.ts";
import { dumpGlobalSessions, dumpSessions, formatJavaDate } from "../session/dump.ts";
import type { ZxidDigest } from "../tree/digest-log.ts";
import { wchc, wchp, wchs } from "../watch/dump.ts";
import type { Watcher } from "../watch/watch-table.ts";
import type { RoleDescription } from "../zab/role.ts";
import type { ClientLink } from "./client-link.ts";
import type { ServerMode } from "./client-port.ts";
import { connectionLine } from "./connection-line.ts";
import { metricLines } from "./metrics.ts";

/** What the words need to know beyond the shared state; undefined parts while the server does not serve. */
export interface WordSource {
  readonly state: ServerState | undefined;
  links(): Iterable<ClientLink>;
  /** Deadlines of connections, soonest first. */
  connectionDeadlines(): Iterable<readonly [at: Millis, links: readonly ClientLink[]]>;
  readonly startedAt: Millis;
  readonly environment: readonly (readonly [string, string])[];
  /** Bytes in the data and log directories, when somebody measured them for this word. */
  readonly directorySizes: readonly [data: number, log: number];
  traceMask: bigint;
  readonly mode: ServerMode;
  /** Of a server of an ensemble, once it has a role. */
  readonly role?: RoleDescription | undefined;
  /** Of a server of an ensemble. */
  readonly view?: QuorumView | undefined;
  /** Since when it has served in its role; for `zk_leader_uptime`. */
  readonly servingSince?: Millis | undefined;
}

/** Words that answer even while the server does not serve. */
const ALWAYS: ReadonlySet<Word> = new Set<Word>(["ruok", "envi", "gtmk", "stmk", "isro"]);
const NOT_SERVING = "This ZooKeeper instance is not currently serving requests\n";

/** Whether `whitelist` (names or `*`) lets `word` through; srvr always, isro when read-only mode may occur. */
export function isWhitelisted(word: Word, whitelist: readonly string[], readOnlyModeEnabled: boolean): boolean {
  if (word === "srvr" || whitelist.includes("*") || whitelist.includes(word)) return true;
  return word === "isro" && readOnlyModeEnabled && whitelist.length === 1 && whitelist[0] === "srvr";
}

/** The answer's text; undefined closes the connection without a byte. `rest` is what followed the word. */
export function answerWord(
  cx: Context,
  source: WordSource,
  asking: ClientLink,
  word: Word,
  rest: Uint8Array,
): string | undefined {
  if (source.state === undefined && !ALWAYS.has(word)) return NOT_SERVING;
  const state = source.state!;
  switch (word) {
    case "ruok":
      return "imok";
    case "isro":
      return source.state === undefined ? "null" : source.mode === "read-only" ? "ro" : "rw";
    case "gtmk":
      return String(source.traceMask);
    case "stmk":
      source.traceMask = maskOf(rest);
      return String(source.traceMask);
    case "envi":
      return environment(source);
    case "srvr":
      return `${version(source, state)}${summary(source, state)}`;
    case "stat":
      return `${version(source, state)}Clients:\n${lines(source, asking, "brief")}\n${summary(source, state)}`;
    case "cons":
      return `${lines(source, asking, "full")}\n`;
    case "crst":
      for (const link of source.links()) link.resetStats();
      return "Connection stats reset.\n";
    case "srst":
      state.stats.reset();
      return "Server stats reset.\n";
    case "conf":
      return configuration(source, state);
    case "dirs":
      return `datadir_size: ${source.directorySizes[0]}\nlogdir_size: ${source.directorySizes[1]}\n`;
    case "dump":
      return dump(cx, source, state);
    case "wchs":
      return wchs(state.watches);
    case "wchc":
      return [...wchc(state.watches, sessionOf)].join("");
    case "wchp":
      return [...wchp(state.watches, sessionOf)].join("");
    case "mntr":
      return metricLines(cx, source, state);
    case "hash":
      return state.tree.digestLog.entries.map(digestLine).join("");
    case "telnet close":
      return undefined;
  }
}

/** Java prints doubles so: at least one decimal, at most four here. */
export function formatAverage(value: number): string {
  const rounded = Math.round(value * 10_000) / 10_000;
  return Number.isInteger(rounded) ? `${rounded}.0` : String(rounded);
}

/** Root is stored under two names, and Apache counts both. */
export function reportedNodeCount(state: ServerState): number {
  return state.tree.nodeCount + 1;
}

function digestLine({ zxid, digest }: ZxidDigest): string {
  return `${zxidHex(zxid)}: ${BigInt.asIntN(64, digest.toBigInt())}\n`;
}

function version(source: WordSource, state: ServerState): string {
  const warning = source.mode === "read-only" ? "READ-ONLY mode; serving only read-only clients\n" : "";
  return `Zookeeper version: ${state.config.description.version}\n${warning}`;
}

function summary(source: WordSource, state: ServerState): string {
  const { stats, tree } = state;
  let connections = 0;
  for (const _ of source.links()) connections++;
  return [
    `Latency min/avg/max: ${stats.latencyMin}/${formatAverage(stats.latencyAverage)}/${stats.latencyMax}`,
    `Received: ${stats.packetsReceived}`,
    `Sent: ${stats.packetsSent}`,
    `Connections: ${connections}`,
    `Outstanding: ${stats.inProcess}`,
    `Zxid: ${formatZxid(tree.lastProcessedZxid)}`,
    `Mode: ${source.mode}`,
    `Node count: ${reportedNodeCount(state)}`,
    source.mode === "leader" ? `Proposal sizes last/min/max: ${proposalSizes(state)}\n` : "",
  ].join("\n");
}

function proposalSizes({ stats }: ServerState): string {
  return `${stats.proposalSizeLast}/${stats.proposalSizeMin}/${stats.proposalSizeMax}`;
}

function lines(source: WordSource, asking: ClientLink, form: "brief" | "full"): string {
  let text = "";
  for (const link of source.links()) text += `${connectionLine(link, form, link === asking)}\n`;
  return text;
}

function environment(source: WordSource): string {
  return `Environment:\n${source.environment.map(([key, value]) => `${key}=${value}\n`).join("")}`;
}

function configuration(source: WordSource, { config }: ServerState): string {
  const { description } = config;
  const [dataSize, logSize] = source.directorySizes;
  const entries: [string, string | number][] = [
    ["clientPort", description.clientPort],
    ["secureClientPort", description.secureClientPort],
    ["dataDir", `${description.dataDir}/version-2`],
    ["dataDirSize", dataSize],
    ["dataLogDir", `${description.dataLogDir}/version-2`],
    ["dataLogSize", logSize],
    ["tickTime", config.tickTime],
    ["maxClientCnxns", config.maxClientCnxns],
    ["minSessionTimeout", config.minSessionTimeout],
    ["maxSessionTimeout", config.maxSessionTimeout],
    ["clientPortListenBacklog", description.clientPortListenBacklog],
    ["serverId", config.serverId],
  ];
  const text = entries.map(([key, value]) => `${key}=${value}\n`).join("");
  return `${text}${source.view === undefined ? "" : ensembleConfiguration(source.view, config)}`;
}

/** The text of the configuration in force ends it, without a line feed. */
function ensembleConfiguration(view: QuorumView, { ensemble }: ServerState["config"]): string {
  const me = view.current.members.get(view.myId) ?? view.lastSeen.members.get(view.myId);
  const ports = (addresses: readonly Address[] = []): string => addresses.map(portOf).join("|");
  const entries: [string, string | number][] = [
    ["initLimit", ensemble?.initLimit ?? 0],
    ["syncLimit", ensemble?.syncLimit ?? 0],
    ["electionAlg", 3],
    ["electionPort", ports(me?.electionAddresses)],
    ["quorumPort", ports(me?.quorumAddresses)],
    ["peerType", (me?.role ?? ensemble?.peerType) === "observer" ? 1 : 0],
  ];
  return `${entries.map(([key, value]) => `${key}=${value}\n`).join("")}membership: \n${view.current.text()}`;
}

function dump(cx: Context, source: WordSource, { config, sessions, tree }: ServerState): string {
  const wallOf = (at: Millis): Millis => cx.wall + (at - cx.now);
  const learns = source.mode === "follower" || source.mode === "observer" || source.mode === "read-only";
  const hasLocal = config.ensemble?.localSessionsEnabled === true;
  const tracked = [
    ...(hasLocal ? ["Local ", ...dumpSessions(sessions.local, wallOf)] : []),
    ...(learns ? dumpGlobalSessions(sessions) : [hasLocal ? "Global " : "", ...dumpSessions(sessions, wallOf)]),
  ];
  let text = `SessionTracker dump:\n${tracked.join("")}ephemeral nodes dump:\n`;
  const owners = [...tree.sessionsWithEphemerals()];
  text += `Sessions with Ephemerals (${owners.length}):\n`;
  for (const owner of owners) {
    text += `${formatSession(owner as SessionId)}:\n`;
    for (const path of tree.ephemeralsOf(owner)) text += `\t${path}\n`;
  }
  const buckets = [...source.connectionDeadlines()];
  const count = buckets.reduce((sum, [, links]) => sum + links.length, 0);
  text += `Connections dump:\nConnections Sets (${buckets.length})/(${count}):\n`;
  for (const [at, links] of buckets) {
    text += `${links.length} expire at ${formatJavaDate(wallOf(at))}:\n`;
    for (const link of links) text += `\tip: /${link.remote} sessionId: ${formatSession(link.session)}\n`;
  }
  return text;
}

function sessionOf(watcher: Watcher): ClientLink["session"] {
  return (watcher as Partial<ClientLink>).session ?? SESSION_NONE;
}

function maskOf(bytes: Uint8Array): bigint {
  let mask = 0n;
  for (let i = 0; i < 8; i++) mask = (mask << 8n) | BigInt(bytes[i] ?? 0);
  return BigInt.asIntN(64, mask);
}
