/**
 * What zoo.cfg says of an ensemble: who its members are, which of them this server is, where it listens for the others.
 * Java: QuorumPeerConfig.setupQuorumPeerConfig and what it calls; reference, sections 7.1 and 7.7.
 */
import fs from "node:fs";
import path from "node:path";
import type { Address } from "../core/actor.ts";
import type { EnsembleConfig } from "../core/config.ts";
import { QuorumConfig } from "../core/quorum/config.ts";
import type { Member } from "../core/quorum/config.ts";
import type { ConfigDraft, TlsSettings } from "./config-rows.ts";
import { readServerId } from "./data-directory.ts";
import { parseProperties } from "./properties.ts";
import { ExitCode, StartError } from "./start-error.ts";
import { splitAddress } from "./tcp.ts";

/** What the host of a server of an ensemble does; what the server itself does is in core's EnsembleConfig. */
export interface EnsembleServing {
  /** The key that says all this, for complaints. */
  readonly key: string;
  /** As the server's own line has them. */
  readonly quorumAddress: Address;
  readonly electionAddress: Address;
  readonly listenOnAllIPs: boolean;
  /** How often a port is asked for, a second apart; 0: until it is free. */
  readonly bindTries: number;
  readonly keepAlive: boolean;
  /** Set when the ports speak TLS, or may. */
  readonly tls: TlsSettings | undefined;
  /** Connections to other servers are TLS. */
  readonly tlsOut: boolean;
  /** The ports take plain connections beside TLS. */
  readonly plainToo: boolean;
  /** Hosts of all members, for certificates. */
  readonly hosts: readonly string[];
  /** Where the configuration file lies, when the server may change it. */
  readonly configDirectory: string | undefined;
}

/** Of one member, in an ensemble or alone. */
export interface Membership {
  readonly serverId: number | undefined;
  /** Undefined: the list makes a single server of it. */
  readonly ensemble: EnsembleConfig | undefined;
  readonly serving: EnsembleServing | undefined;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

export interface ConfigSource {
  /** Absolute; undefined when a program gave the keys. */
  readonly file: string | undefined;
  readonly written: (key: string) => boolean;
  /** Complaints about `key` begin with this. */
  readonly where: (key: string) => string;
  readonly complain: (key: string, complaint: string) => never;
}

/**
 * Undefined when nothing is said of members. Fills in the client port from this server's line. `dataDir` is where
 * `myid` is. Throws {@link StartError}.
 */
export function readMembership(draft: ConfigDraft, source: ConfigSource, dataDir: string): Membership | undefined {
  const found = readMembers(draft, source);
  if (found === undefined) {
    if (!draft.ensemble.standaloneEnabled) {
      source.complain(
        "standaloneEnabled",
        "false needs members; add e.g. server.1=localhost:2888:3888 and a file myid",
      );
    }
    return undefined;
  }
  const { config, key } = found;
  const alone = isAlone(draft, config, key, source);
  const serverId = readServerId(dataDir);
  if (alone) {
    // One line is tolerated, as by ZooKeeper, whatever myid says of it.
    const own = serverId === undefined ? undefined : config.members.get(serverId);
    if (own !== undefined) takeClientPort(draft, own, source);
    const note = `${source.where(key)}: one member is a single server; standaloneEnabled=false makes an ensemble of it`;
    return { serverId, ensemble: undefined, serving: undefined, notes: [note], warnings: [] };
  }
  for (const limit of ["initLimit", "syncLimit"] as const) {
    if (!source.written(limit)) source.complain(limit, `is missing; write e.g. ${limit}=${draft.ensemble[limit]}`);
  }
  const own = ownMember(config, serverId, dataDir, key, source);
  takeClientPort(draft, own, source);
  return {
    serverId: own.id,
    ensemble: ensembleOf(draft, config, own, source),
    serving: servingOf(draft, config, own, source),
    notes: [],
    warnings: [...warningsOf(config, key, source), ...peerTypeWarning(draft, own, source)],
  };
}

interface Members {
  readonly config: QuorumConfig;
  /** What to blame when the list as a whole is wrong. */
  readonly key: string;
}

function readMembers(draft: ConfigDraft, source: ConfigSource): Members | undefined {
  const { lines, dynamicConfigFile } = draft.quorum;
  if (dynamicConfigFile !== undefined) return readDynamicFile(dynamicConfigFile, draft, source);
  const keys = lines.map((line) => line.slice(0, line.indexOf("=")));
  const first = keys.find((key) => key.startsWith("server."));
  if (first === undefined) return undefined;
  const config = QuorumConfig.parse(lines.join("\n"));
  if ("error" in config) return source.complain(config.key ?? first, config.reason);
  return { config, key: first };
}

function readDynamicFile(given: string, draft: ConfigDraft, source: ConfigSource): Members {
  const key = "dynamicConfigFile";
  const complain = (complaint: string): never => source.complain(key, complaint);
  const misplaced = draft.quorum.lines[0];
  if (misplaced !== undefined) {
    source.complain(misplaced.slice(0, misplaced.indexOf("=")), `belongs into ${given}; move the line there`);
  }
  const file = locate(given, source.file);
  const read = parseProperties(readText(file) ?? complain(`${file} cannot be read; correct the name`));
  if (read.kind === "malformed") return complain(`${file}:${read.line}: ${read.reason}`);
  for (const property of read.properties) {
    if (/^(server|group|weight)\./.test(property.key)) continue;
    const remedy =
      property.key === "version"
        ? "the version is the ending of the file's name"
        : "only members belong into this file";
    complain(`${file}:${property.line}: ${property.key}: ${remedy}; remove the line`);
  }
  const lines = read.properties.map((property) => `${property.key}=${property.value}`);
  const version = /\.([0-9a-fA-F]{1,13})$/.exec(file)?.[1];
  if (version !== undefined) lines.push(`version=${version}`);
  const config = QuorumConfig.parse(lines.join("\n"));
  if ("error" in config) return complain(`${file}: ${config.error}`);
  return { config, key };
}

/**
 * A name without a directory is found from where the server was started, as Java does; but what was made for this very
 * configuration file, `zoo.cfg.dynamic.…`, lies beside it wherever the server is started from.
 */
function locate(given: string, configFile: string | undefined): string {
  if (configFile !== undefined && given.startsWith(`${path.basename(configFile)}.dynamic`)) {
    const beside = path.join(path.dirname(configFile), given);
    if (fs.existsSync(beside)) return beside;
  }
  return path.resolve(given);
}

function readText(file: string): string | undefined {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** One voter alone is a single server, unless that is not wanted. */
function isAlone(draft: ConfigDraft, config: QuorumConfig, key: string, { complain }: ConfigSource): boolean {
  const { standaloneEnabled } = draft.ensemble;
  if (config.voters.length > 1 || !standaloneEnabled) return false;
  if (config.observers.length > 0) {
    complain(key, "one participant alone has no observers; add participants or write standaloneEnabled=false");
  }
  return true;
}

function ownMember(
  config: QuorumConfig,
  serverId: number | undefined,
  dataDir: string,
  key: string,
  source: ConfigSource,
): Member {
  const file = path.join(dataDir, "myid");
  const ids = [...config.members.keys()].join(", ");
  if (serverId === undefined) {
    throw new StartError(
      `${source.where(key)}: which of the servers ${ids} this is must be in ${file}; write e.g. echo ${config.voters[0]} > ${file}`,
      ExitCode.invocation,
    );
  }
  const own = config.members.get(serverId);
  if (own === undefined) {
    throw new StartError(
      `${file}:1: ${serverId} is none of the servers ${ids} of ${source.where(key)}; correct it or add server.${serverId}`,
      ExitCode.invocation,
    );
  }
  return own;
}

/** The address in the list is the one that counts; zoo.cfg may repeat it. Java: setupClientPort. */
function takeClientPort(draft: ConfigDraft, own: Member, { complain }: ConfigSource): void {
  if (own.clientAddress === undefined) return;
  const { host, port } = splitAddress(own.clientAddress);
  const address = isWildcard(host) ? undefined : host;
  const { clientPort, clientPortAddress } = draft;
  if (clientPort !== undefined) {
    const given = clientPortAddress === undefined || isWildcard(clientPortAddress) ? undefined : clientPortAddress;
    const sameHost = given === undefined || plainHost(given) === plainHost(address ?? "");
    if (clientPort !== port || !sameHost) {
      const repeated = `${given ?? "every interface"}, port ${clientPort}`;
      complain(
        "clientPort",
        `${repeated} differs from server.${own.id}, which says ${own.clientAddress}; remove the line`,
      );
    }
  }
  draft.clientPort = port;
  if (address === undefined) delete draft.clientPortAddress;
  else draft.clientPortAddress = address;
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::" || host === "[::]";
}
function plainHost(host: string): string {
  const bare = host.replace(/^\[|\]$/g, "").toLowerCase();
  return bare === "localhost" ? "127.0.0.1" : bare;
}

function ensembleOf(draft: ConfigDraft, config: QuorumConfig, own: Member, source: ConfigSource): EnsembleConfig {
  const { file } = source;
  const proposed = file === undefined ? undefined : readProposed(`${file}.dynamic.next`, config);
  return {
    ...draft.ensemble,
    peerType: own.role,
    members: config.text(),
    proposedMembers: proposed?.text(),
    configFile: file !== undefined && draft.server.reconfigEnabled ? path.basename(file) : undefined,
    configDirectory: file === undefined ? undefined : path.dirname(file),
  };
}

/** A file that cannot be understood was not written whole, so nobody was promised anything: Java ignores it too. */
function readProposed(file: string, current: QuorumConfig): QuorumConfig | undefined {
  const read = parseProperties(readText(file) ?? "");
  if (read.kind === "malformed" || read.properties.length === 0) return undefined;
  const config = QuorumConfig.parse(read.properties.map(({ key, value }) => `${key}=${value}`).join("\n"));
  return "error" in config || config.version <= current.version ? undefined : config;
}

function servingOf(draft: ConfigDraft, config: QuorumConfig, own: Member, source: ConfigSource): EnsembleServing {
  const { quorum } = draft;
  const members = [...config.members.values()];
  const many = members.find(({ quorumAddresses }) => quorumAddresses.length > 1);
  if (many !== undefined) {
    source.complain(`server.${many.id}`, "a member has one address here; keep the first and remove the rest");
  }
  const tlsWanted = quorum.tlsOn || quorum.plainToo;
  if (tlsWanted && quorum.tls.keyStore === undefined) {
    const key = "ssl.quorum.keyStore.location";
    source.complain(key, `is missing; write e.g. ${key}=/etc/zookeeper/server.pem`);
  }
  return {
    key: source.written(`server.${own.id}`) ? `server.${own.id}` : "dynamicConfigFile",
    quorumAddress: own.quorumAddresses[0]!,
    electionAddress: own.electionAddresses[0]!,
    listenOnAllIPs: quorum.listenOnAllIPs,
    bindTries: quorum.bindTries,
    keepAlive: quorum.keepAlive,
    tls: tlsWanted ? quorum.tls : undefined,
    tlsOut: quorum.tlsOn,
    plainToo: quorum.plainToo,
    hosts: [...new Set(members.map(({ quorumAddresses }) => splitAddress(quorumAddresses[0]!).host))],
    configDirectory: source.file !== undefined && draft.server.reconfigEnabled ? path.dirname(source.file) : undefined,
  };
}

function warningsOf(config: QuorumConfig, key: string, { where }: ConfigSource): string[] {
  const count = config.voters.length;
  if (count <= 2) return [`${where(key)}: no server may fail among ${count}; three are needed for that`];
  if (count % 2 === 0) return [`${where(key)}: ${count} participants tolerate no more failures than ${count - 1}`];
  return [];
}

function peerTypeWarning(draft: ConfigDraft, own: Member, { written, where }: ConfigSource): string[] {
  if (!written("peerType") || draft.ensemble.peerType === own.role) return [];
  return [`${where("peerType")}: server.${own.id} is in the list as ${own.role}, which is what counts`];
}
