/** How the shell shows things: as zkCli does for people, and as records for `--json`. */
import type { Acl, Stat } from "../core/protocol/data.ts";
import { Perms } from "../core/protocol/data.ts";
import { formatSession } from "../core/base/ids.ts";
import type { SessionId } from "../core/base/ids.ts";
import { formatZxid } from "../core/base/zxid.ts";
import type { ZooKeeperError } from "../core/client/errors.ts";
import type { ClientState, WatchEvent } from "../core/client/events.ts";
import type { CodeName } from "../core/client/errors.ts";

/** One `name = value` per line (Java: StatPrinter). */
export function formatStat(stat: Stat): string {
  return [
    `cZxid = ${formatZxid(stat.czxid)}`,
    `ctime = ${formatDate(stat.ctime)}`,
    `mZxid = ${formatZxid(stat.mzxid)}`,
    `mtime = ${formatDate(stat.mtime)}`,
    `pZxid = ${formatZxid(stat.pzxid)}`,
    `cversion = ${stat.cversion}`,
    `dataVersion = ${stat.version}`,
    `aclVersion = ${stat.aversion}`,
    `ephemeralOwner = ${formatSession(stat.ephemeralOwner as SessionId)}`,
    `dataLength = ${stat.dataLength}`,
    `numChildren = ${stat.numChildren}`,
  ].join("\n");
}

/** Zxids and session ids as everywhere in ZooKeeper, in hexadecimal: no reader of JSON loses bits of them. */
export function statJson(stat: Stat): Record<string, unknown> {
  return {
    ...stat,
    czxid: formatZxid(stat.czxid),
    mzxid: formatZxid(stat.mzxid),
    pzxid: formatZxid(stat.pzxid),
    ephemeralOwner: formatSession(stat.ephemeralOwner as SessionId),
  };
}

/** As Java's `Date.toString`: `Thu Jan 01 00:00:00 UTC 1970`, in the local time zone. */
export function formatDate(time: number): string {
  const date = new Date(time);
  const part = (options: Intl.DateTimeFormatOptions, type: string): string =>
    new Intl.DateTimeFormat("en-US", options).formatToParts(date).find((each) => each.type === type)?.value ?? "";
  const two = (value: number): string => String(value).padStart(2, "0");
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const day = `${part({ weekday: "short" }, "weekday")} ${part({ month: "short" }, "month")} ${two(date.getDate())}`;
  return `${day} ${clock} ${part({ timeZoneName: "short" }, "timeZoneName")} ${date.getFullYear()}`;
}

const PERM_LETTERS: readonly (readonly [number, string])[] = [
  [Perms.CREATE, "c"],
  [Perms.DELETE, "d"],
  [Perms.READ, "r"],
  [Perms.WRITE, "w"],
  [Perms.ADMIN, "a"],
];

export function formatPerms(perms: number): string {
  return PERM_LETTERS.map(([bit, letter]) => ((perms & bit) === 0 ? "" : letter)).join("");
}

export function formatAcl(acl: readonly Acl[]): string {
  return acl.map(({ scheme, id, perms }) => `'${scheme},'${id}\n: ${formatPerms(perms)}`).join("\n");
}

export function aclJson(acl: readonly Acl[]): Record<string, unknown>[] {
  return acl.map(({ scheme, id, perms }) => ({ scheme, id, perms: formatPerms(perms) }));
}

/**
 * A comma list of `scheme:id:perms`, where the first and the last colon count. An id may hold commas (x509's do): an
 * entry ends with the first comma behind permissions. What is no entry is reported through `warn` and left out.
 */
export function parseAcl(text: string, warn: (message: string) => void): Acl[] {
  const entries: string[] = [];
  let open = "";
  for (const part of text.split(",")) {
    open = open === "" ? part : `${open},${part}`;
    if (/^[^:]*:.*:[a-z]*$/s.test(open)) {
      entries.push(open);
      open = "";
    }
  }
  if (open !== "") entries.push(open);
  const acl: Acl[] = [];
  for (const entry of entries) {
    const first = entry.indexOf(":");
    const last = entry.lastIndexOf(":");
    if (first === last) warn(`${entry} does not have the form scheme:id:perm`);
    else {
      const perms = parsePerms(entry.slice(last + 1), warn);
      acl.push({ scheme: entry.slice(0, first), id: entry.slice(first + 1, last), perms });
    }
  }
  return acl;
}

function parsePerms(letters: string, warn: (message: string) => void): number {
  let perms = 0;
  for (const letter of letters) {
    const known = PERM_LETTERS.find(([, each]) => each === letter);
    if (known === undefined) warn(`Unknown perm type: ${letter}`);
    else perms |= known[0];
  }
  return perms;
}

/** `[a, b]`, as Java prints lists. */
export function formatList(items: readonly string[]): string {
  return `[${items.join(", ")}]`;
}

/** Sixteen bytes a line, with what is printable beside them (Java: netty's ByteBufUtil.prettyHexDump). */
export function hexDump(bytes: Uint8Array): string {
  const rule = `+--------+${"-".repeat(49)}+${"-".repeat(16)}+`;
  const lines = [`         +${"-".repeat(49)}+`, `         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |`, rule];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte) => ` ${byte.toString(16).padStart(2, "0")}`).join("");
    const text = row.map((byte) => (byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`|${at.toString(16).padStart(8, "0")}|${hex.padEnd(48)} |${text.padEnd(16)}|`);
  }
  lines.push(rule);
  return lines.join("\n");
}

/** Text if the bytes are UTF-8, otherwise base64: a reader of JSON can tell and loses nothing. */
export function dataJson(data: Uint8Array | null): Record<string, unknown> {
  if (data === null) return { data: null };
  try {
    return { data: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data) };
  } catch {
    return { data: Buffer.from(data).toString("base64"), encoding: "base64" };
  }
}

const STATE_NAMES: Readonly<Record<ClientState, string>> = {
  connecting: "Disconnected",
  connected: "SyncConnected",
  connectedReadOnly: "ConnectedReadOnly",
  expired: "Expired",
  authFailed: "AuthFailed",
  closed: "Closed",
};

/** Java: WatchedEvent.toString; the zxid where the server tells it. */
export function formatEvent(event: WatchEvent): string {
  const type = event.type.charAt(0).toUpperCase() + event.type.slice(1);
  const zxid = event.zxid === undefined ? "" : ` zxid: ${event.zxid}`;
  return `\nWATCHER::\n\nWatchedEvent state:${STATE_NAMES[event.state]} type:${type} path:${event.path ?? "null"}${zxid}`;
}

export function eventJson(event: WatchEvent): Record<string, unknown> {
  const { type, state, path = null, zxid } = event;
  return { event: type, state, path, ...(zxid === undefined ? {} : { zxid: formatZxid(zxid) }) };
}

/** As in the prompt (Java: ZooKeeper.States). */
export function formatState(state: ClientState): string {
  if (state === "authFailed") return "AUTH_FAILED";
  return state === "expired" ? "CLOSED" : state.toUpperCase();
}

/** zkCli's own words for what often goes wrong (Java: CliWrapperException). */
const CLI_MESSAGES: Readonly<Partial<Record<CodeName, string>>> = {
  NODEEXISTS: "Node already exists: ",
  NOCHILDRENFOREPHEMERALS: "Ephemerals cannot have children: ",
  NONODE: "Node does not exist: ",
  NOTEMPTY: "Node not empty: ",
  NOTREADONLY: "Not a read-only call: ",
  INVALIDACL: "Acl is not valid : ",
  NOAUTH: "Insufficient permission : ",
  BADARGUMENTS: "Arguments are not valid : ",
  BADVERSION: "version No is not valid : ",
  QUOTAEXCEEDED: "Quota has exceeded : ",
};
const RECONFIG_MESSAGES: Readonly<Partial<Record<CodeName, string>>> = {
  RECONFIGINPROGRESS: "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)",
  NEWCONFIGNOQUORUM:
    "No quorum of new config is connected and up-to-date with the leader of last committed config - " +
    "try invoking reconfiguration after new servers are connected and synced",
};
/** The rest (Java: KeeperException.getCodeMessage). */
const CODE_MESSAGES: Readonly<Partial<Record<CodeName, string>>> = {
  SYSTEMERROR: "SystemError",
  RUNTIMEINCONSISTENCY: "RuntimeInconsistency",
  DATAINCONSISTENCY: "DataInconsistency",
  CONNECTIONLOSS: "ConnectionLoss",
  MARSHALLINGERROR: "MarshallingError",
  UNIMPLEMENTED: "Unimplemented",
  OPERATIONTIMEOUT: "OperationTimeout",
  APIERROR: "APIError",
  AUTHFAILED: "AuthFailed",
  SESSIONEXPIRED: "Session expired",
  SESSIONMOVED: "Session moved",
  EPHEMERALONLOCALSESSION: "Ephemeral node on local session",
  NOWATCHER: "No such watcher",
  REQUESTTIMEOUT: "Request timeout",
  RECONFIGDISABLED: "Reconfig is disabled",
  SESSIONCLOSEDREQUIRESASLAUTH: "Session closed because client failed to authenticate",
  THROTTLEDOP: "Op throttled due to high load",
};

export function formatError(error: ZooKeeperError): string {
  const code = error.code as CodeName;
  // Found here, before anything was sent.
  if (code === "BADARGUMENTS" && error.detail !== undefined) {
    return error.path === undefined ? error.detail : `${error.detail}: ${error.path}`;
  }
  const own = CLI_MESSAGES[code];
  if (own !== undefined) return `${own}${error.path ?? "null"}`;
  const whole = RECONFIG_MESSAGES[code];
  if (whole !== undefined) return whole;
  const where = error.path === undefined ? "" : ` for ${error.path}`;
  const why = code === "CONNECTIONLOSS" && error.detail !== undefined ? ` (${error.detail})` : "";
  return `KeeperErrorCode = ${CODE_MESSAGES[code] ?? code}${where}${why}`;
}

export function errorJson(error: ZooKeeperError): Record<string, unknown> {
  const { code, errno, path = null, outcomeUnknown, message } = error;
  return { error: code, errno, path, outcomeUnknown, message };
}
