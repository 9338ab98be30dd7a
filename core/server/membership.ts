/**
 * Which configuration this server goes by, on disk and in /zookeeper/config, and what a new one makes of it (Java:
 * QuorumPeer.setQuorumVerifier, setLastSeenQuorumVerifier, processReconfig; reference, sections 7.2, 7.4 and 7.6).
 * With reconfiguration disabled nothing that is heard is stored or activated.
 */
import type { Context, DiskOp, DiskOutcome } from "../actor.ts";
import type { ServerConfig } from "../config.ts";
import { invariant } from "../invariant.ts";
import { zxidHex } from "../base/zxid.ts";
import { decodeUtf8, encodeUtf8 } from "../jute/utf8.ts";
import { QuorumConfig } from "../quorum/config.ts";
import { QuorumView } from "../quorum/view.ts";
import type { DataTree } from "../tree/data-tree.ts";
import { NO_NODE } from "../tree/data-tree.ts";
import { CONFIG_PATH } from "../tree/paths.ts";
import { whatBecomes } from "../zab/reconfig.ts";
import type { Role } from "../zab/role.ts";
import { DynamicConfigFiles } from "./dynamic-config.ts";

export class Membership {
  readonly view: QuorumView;
  /** Why this server cannot take part, as one line for whoever started it. */
  readonly failure: string | undefined;
  readonly #enabled: boolean;
  readonly #files: DynamicConfigFiles;

  constructor(config: ServerConfig) {
    const { ensemble, serverId } = config;
    invariant(ensemble !== undefined, "a member has an ensemble");
    this.#enabled = config.reconfigEnabled;
    this.#files = new DynamicConfigFiles(config);
    const current = QuorumConfig.parse(ensemble.members);
    if ("error" in current) {
      this.failure = current.error;
      this.view = new QuorumView(serverId, QuorumConfig.EMPTY);
      return;
    }
    const proposed = this.#enabled ? parseOrNone(ensemble.proposedMembers) : undefined;
    const newer = proposed !== undefined && proposed.version > current.version ? proposed : current;
    this.view = new QuorumView(serverId, current, newer);
    if (!current.has(serverId)) this.failure = `myid is ${serverId}, but there is no line server.${serverId}`;
  }

  /** What it is by the configuration in force: one who was removed goes on following, without a vote. */
  get isObserver(): boolean {
    return this.view.current.members.get(this.view.myId)?.role === "observer";
  }

  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    return this.#files.onDiskDone(cx, op, outcome);
  }

  /**
   * A reconfig that is in the log was proposed to this server, whether or not the file that says so became durable
   * before it: it is the newest seen.
   */
  onRecovered(cx: Context, tree: DataTree): void {
    const node = tree.find(CONFIG_PATH);
    const data = node === NO_NODE ? null : tree.data(node);
    const logged = data === null ? undefined : parseOrNone(decodeUtf8(data, 0, data.length));
    if (logged !== undefined) this.propose(cx, logged);
    this.initConfigNode(cx, tree);
  }

  /** There is no record in any log for the first configuration, nor for one heard of during an election. */
  initConfigNode(cx: Context, tree: DataTree): void {
    const { current } = this.view;
    tree.fillConfig(encodeUtf8(current.text()), current.version, cx.wall);
  }

  propose(cx: Context, config: QuorumConfig): void {
    if (!this.#enabled || config.version <= this.view.lastSeen.version) return;
    this.view.lastSeen = config;
    this.#files.propose(cx, config);
  }

  /** True when what this server does, or whom it follows, is another matter now. */
  activate(
    cx: Context,
    config: QuorumConfig,
    designated: number | undefined,
    leader: number,
    kind: Role["kind"] | undefined,
    tree: DataTree,
  ): boolean {
    const before = this.view.current;
    if (!this.#enabled || config.version <= before.version) return false;
    this.#enforce(cx, config, tree);
    cx.facts.log("info", "a new configuration is in force", { version: zxidHex(config.version) });
    return kind !== undefined && whatBecomes(this.view.myId, kind, leader, before, config, designated).ends;
  }

  /** Heard from another server while both look for a leader. True when it has other members. */
  adopt(cx: Context, config: QuorumConfig, tree: DataTree): boolean {
    const before = this.view.current;
    if (!this.#enabled || config.version <= before.version) return false;
    this.#enforce(cx, config, tree);
    return !config.sameMembers(before);
  }

  #enforce(cx: Context, config: QuorumConfig, tree: DataTree): void {
    this.view.current = config;
    if (this.view.lastSeen.version <= config.version) this.view.lastSeen = config;
    this.#files.activate(cx, config);
    this.initConfigNode(cx, tree);
    cx.facts.activated(config.version);
  }
}

function parseOrNone(text: string | undefined): QuorumConfig | undefined {
  if (text === undefined) return undefined;
  const config = QuorumConfig.parse(text);
  return "error" in config ? undefined : config;
}
