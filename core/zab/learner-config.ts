/**
 * What a learner does with configurations: those of NEWLEADER and of reconfig txns become the newest proposed at once,
 * and come into force when the leader says so (Java: Learner.syncWithLeader, Follower.processPacket; reference, sections
 * 7.2 and 7.4). With reconfigEnabled=false they are only txns. Methods return why the role must end, if it must.
 */
import type { Context } from "../actor.ts";
import { formatZxid } from "../base/zxid.ts";
import { decodeUtf8 } from "../jute/utf8.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { readTextData } from "../protocol/quorum-packets.ts";
import { QuorumConfig } from "../quorum/config.ts";
import type { Request } from "../pipeline/request.ts";
import type { RoleHost } from "./role.ts";

export class LearnerConfig {
  readonly #host: RoleHost;
  /** NEWLEADER's, in force from UPTODATE on. */
  #ofLeader: QuorumConfig | undefined;

  constructor(host: RoleHost) {
    this.#host = host;
  }

  /** A txn was proposed: if it is a reconfig, its voters have a say from here on. */
  onProposed(cx: Context, { txn, zxid }: Request): string | undefined {
    if (txn?.type !== OpCode.reconfig || !this.#host.config.reconfigEnabled) return undefined;
    const config = parse(txn.data);
    if (config === undefined) return `the configuration proposed at ${formatZxid(zxid)} is none`;
    this.#propose(cx, config);
    return undefined;
  }

  /** A reconfig was committed and applied. The role may be over when this returns. */
  onCommitted(cx: Context, { txn, zxid }: Request, designated: number): string | undefined {
    if (!this.#host.config.reconfigEnabled) return undefined;
    const config = txn?.type === OpCode.reconfig ? parse(txn.data) : undefined;
    if (config === undefined) return `the configuration committed at ${formatZxid(zxid)} is none`;
    if (this.#host.activateConfig(cx, config, designated)) this.#host.leaveForConfig(cx, designated);
    return undefined;
  }

  onNewLeader(cx: Context, data: Uint8Array | null): string | undefined {
    if (!this.#host.config.reconfigEnabled || data === null) return undefined;
    const config = QuorumConfig.parse(readTextData(data));
    if ("error" in config) return `the leader's configuration is none: ${config.error}`;
    this.#ofLeader = config;
    this.#propose(cx, config);
    return undefined;
  }

  /** True when the role is over by it. */
  onUpToDate(cx: Context): boolean {
    const config = this.#ofLeader;
    if (config === undefined || !this.#host.activateConfig(cx, config, undefined)) return false;
    this.#host.leaveForConfig(cx, undefined);
    return true;
  }

  #propose(cx: Context, config: QuorumConfig): void {
    if (config.version > this.#host.view.lastSeen.version) this.#host.proposeConfig(cx, config);
  }
}

function parse(data: Uint8Array | null): QuorumConfig | undefined {
  if (data === null) return undefined;
  const config = QuorumConfig.parse(decodeUtf8(data, 0, data.length));
  return "error" in config ? undefined : config;
}
