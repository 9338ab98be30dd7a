/**
 * Reads the text of a configuration: zoo.cfg's `server.N` lines, a dynamic file, what other servers send, a client's
 * request (Java: QuorumPeerConfig.parseDynamicConfig, QuorumServer.initializeWithAddressString; reference, section
 * 7.1). Every complaint says what to write instead. Values mean what they mean to Java, with fewer liberties: what is
 * given twice, or could not be told to others, is refused.
 */
import type { Address } from "../actor.ts";
import { hostAddress } from "../auth/ip-addresses.ts";
import { ZXID_ZERO, parseZxidHex } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { Member } from "./config.ts";

export interface ConfigError {
  /** For people: {@link key} and {@link reason}. */
  readonly error: string;
  /** The entry it is about, as in `server.1`. */
  readonly key: string | undefined;
  readonly reason: string;
}

export interface ConfigText {
  readonly members: Map<number, Member>;
  readonly groups: Map<number, readonly number[]>;
  readonly weights: Map<number, number>;
  readonly version: Zxid;
}

interface Draft {
  readonly members: Map<number, Member>;
  readonly groups: Map<number, readonly number[]>;
  readonly weights: Map<number, number>;
  version: Zxid | undefined;
}

const EXAMPLE = "10.0.0.1:2888:3888";
const ENTRY = /^(server|group|weight)\.(\d{1,15})$/;
const ID = /^\d{1,15}$/;
/** Small enough for sums of many to stay exact. */
const WEIGHT = /^\d{1,9}$/;

export function configError(key: string | undefined, reason: string): ConfigError {
  return { error: key === undefined ? reason : `${key}: ${reason}`, key, reason };
}

export function readConfigText(text: string): ConfigText | ConfigError {
  const draft: Draft = { members: new Map(), groups: new Map(), weights: new Map(), version: undefined };
  for (const line of entriesOf(text)) {
    const equals = line.indexOf("=");
    if (equals < 0) return configError(undefined, `"${shown(line)}" is not of the form server.N=host:port:port`);
    const key = line.slice(0, equals).trim();
    const reason = readEntry(draft, key, line.slice(equals + 1).trim());
    if (reason !== undefined) return configError(shown(key), reason);
  }
  const { members, groups, weights, version } = draft;
  if (![...members.values()].some((member) => member.role === "participant")) {
    return configError(undefined, `no server votes; at least one server.N=${EXAMPLE} must be a participant`);
  }
  return checkGroups(draft) ?? { members, groups, weights, version: version ?? ZXID_ZERO };
}

function* entriesOf(text: string): Generator<string> {
  for (const line of text.split(/[\n\r]/)) {
    if (/^\s*[#!]/.test(line)) continue;
    for (const entry of line.split(",")) if (entry.trim() !== "") yield entry.trim();
  }
}

/** What is wrong with it, or undefined. */
function readEntry(draft: Draft, key: string, value: string): string | undefined {
  if (key === "version") {
    if (draft.version !== undefined) return "is given twice";
    draft.version = parseZxidHex(value);
    return draft.version === undefined ? `"${shown(value)}" is not a version in hexadecimal` : undefined;
  }
  const match = ENTRY.exec(key);
  if (match === null) return `is no part of a configuration; write server.N, group.N, weight.N or version`;
  const id = Number(match[2]);
  const table = match[1] === "server" ? draft.members : match[1] === "group" ? draft.groups : draft.weights;
  if (table.has(id)) return "is given twice; remove one of the lines";
  if (match[1] === "server") {
    const member = readMember(id, value);
    if (typeof member === "string") return member;
    draft.members.set(id, member);
  } else if (match[1] === "group") {
    const ids = value.split(":").map((part) => part.trim());
    if (!ids.every((part) => ID.test(part))) return `"${shown(value)}" is not a list of ids; write e.g. 1:2:3`;
    draft.groups.set(id, ids.map(Number));
  } else {
    if (!WEIGHT.test(value)) return `"${shown(value)}" is not a weight; write a number from 0 on`;
    draft.weights.set(id, Number(value));
  }
  return undefined;
}

/** What stands after `server.N=`; a text says what is wrong with it. */
export function readMember(id: number, value: string): Member | string {
  const parts = value.split(";");
  if (parts.length > 2) return `"${shown(value)}" has more than one ";"; write e.g. ${EXAMPLE}:participant;2181`;
  let role: Member["role"] | undefined;
  const places: { readonly host: string; readonly quorumPort: number; readonly electionPort: number }[] = [];
  for (const text of parts[0]!.split("|")) {
    const place = splitHost(text.trim());
    if (place === undefined) return `"${shown(text.trim())}" is not of the form host:port:port; write e.g. ${EXAMPLE}`;
    const [quorumPort, electionPort, roleText, ...rest] = place.rest.map((part) => part.trim());
    if (electionPort === undefined || rest.length > 0) {
      return `"${shown(text.trim())}" must name a host, the quorum port and the election port; write e.g. ${EXAMPLE}`;
    }
    const ports = [readPort(quorumPort!), readPort(electionPort)] as const;
    if (ports[0] === undefined || ports[1] === undefined) {
      return `"${shown(ports[0] === undefined ? quorumPort! : electionPort)}" is not a port from 1 to 65535`;
    }
    if (ports[0] === ports[1]) return `the quorum port and the election port are both ${ports[0]}; they must differ`;
    if (roleText !== undefined) {
      const named = roleText.toLowerCase();
      if (named !== "participant" && named !== "observer") {
        return `"${shown(roleText)}" is not a role; write participant or observer`;
      }
      if (role !== undefined && role !== named) return "has addresses of different roles; write the role once";
      role = named;
    }
    places.push({ host: place.host, quorumPort: ports[0], electionPort: ports[1] });
  }
  const clientAddress = parts.length === 1 ? undefined : readClientAddress(parts[1]!.trim());
  if (parts.length === 2 && clientAddress === undefined) {
    return `"${shown(parts[1]!.trim())}" is not a client port or host:port; write e.g. ${EXAMPLE};2181`;
  }
  places.sort((a, b) => (a.host === b.host ? a.quorumPort - b.quorumPort : a.host < b.host ? -1 : 1));
  return {
    id,
    quorumAddresses: places.map(({ host, quorumPort }) => `${host}:${quorumPort}` as Address),
    electionAddresses: places.map(({ host, electionPort }) => `${host}:${electionPort}` as Address),
    role: role ?? "participant",
    clientAddress,
  };
}

function readClientAddress(text: string): Address | undefined {
  const bare = readPort(text);
  if (bare !== undefined) return `0.0.0.0:${bare}` as Address;
  const place = splitHost(text);
  if (place?.rest.length !== 1) return undefined;
  const port = readPort(place.rest[0]!);
  return port === undefined ? undefined : (`${place.host}:${port}` as Address);
}

function readPort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** `host:…` or `[v6]:…`. An IPv6 address is spelled as Java prints it, so that texts can be compared. */
function splitHost(text: string): { readonly host: string; readonly rest: readonly string[] } | undefined {
  const v6 = /^\[([0-9A-Za-z:.%_-]+)\]:(.*)$/.exec(text);
  if (v6 !== null) {
    const host = hostAddress(`[${v6[1]}]:0` as Address);
    return { host: host.includes(":") ? `[${host}]` : host, rest: v6[2]!.split(":") };
  }
  // ASCII only: Apache 3.8 sends and reads this text in the platform's charset (reference, section 2.4).
  const [host, ...rest] = text.split(":");
  return rest.length > 0 && /^[0-9A-Za-z._-]+$/.test(host!) ? { host: host!, rest } : undefined;
}

function checkGroups({ members, groups, weights }: Draft): ConfigError | undefined {
  if (groups.size === 0 && weights.size === 0) return undefined;
  const groupOf = new Map<number, number>();
  for (const [group, ids] of groups) {
    for (const id of ids) {
      const other = groupOf.get(id);
      if (other !== undefined) return configError(`group.${group}`, `server ${id} is already in group ${other}`);
      groupOf.set(id, group);
      if (members.get(id)?.role !== "participant" && !weights.has(id)) {
        return configError(`group.${group}`, `server ${id} does not vote; remove it from the group`);
      }
    }
  }
  for (const member of members.values()) {
    if (member.role === "participant" && !groupOf.has(member.id)) {
      return configError(`server.${member.id}`, `is in no group; add ${member.id} to a group.N`);
    }
  }
  const votes = [...members.values()].some(({ id, role }) => role === "participant" && (weights.get(id) ?? 1) > 0);
  return votes ? undefined : configError(undefined, "every server has weight 0; none could ever lead");
}

/** Of hostile text only so much, and nothing that a terminal acts upon. */
function shown(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, "?");
  return printable.length > 80 ? `${printable.slice(0, 77)}...` : printable;
}
