/**
 * How a learner gets a history that does not merely continue its own: the leader's snapshot out of the stream (SNAP), or
 * its own log, cut (TRUNC) (Java: Learner.syncWithLeader; reference, sections 3.6 and 3.7). What comes behind it on the
 * connection waits there until the new history is durable: nothing may be appended before.
 */
import type { Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import { ZXID_ZERO } from "../base/zxid.ts";
import { emptyTree } from "../storage/empty-tree.ts";
import { SnapshotStreamReader } from "../storage/snapshot-stream.ts";
import type { Install } from "./install.ts";
import { SnapshotInstall, TruncationInstall } from "./install.ts";
import type { LeaderLink } from "./leader-link.ts";
import { Pause } from "./leader-link.ts";
import type { RoleHost } from "./role.ts";

/** Java: ExitCode.UNABLE_TO_ACCESS_DATADIR. */
const EXIT_DATA_DIRECTORY = 3;

export class SyncReceiver {
  readonly #host: RoleHost;
  readonly #link: LeaderLink;
  #snapshot: SnapshotStreamReader | undefined;
  #snapshotZxid: Zxid = ZXID_ZERO;
  #install: Install | undefined;

  constructor(host: RoleHost, link: LeaderLink) {
    this.#host = host;
    this.#link = link;
  }

  /** What is read from the connection is a snapshot's, not packets. */
  get isLoading(): boolean {
    return this.#snapshot !== undefined;
  }
  /** Another history is on its way to the disk: nothing is to be read. */
  get isInstalling(): boolean {
    return this.#install !== undefined;
  }

  /** SNAP was read; the snapshot's bytes follow it. Returns why the role must end, if it must. */
  beginSnapshot(cx: Context, zxid: Zxid): string | undefined {
    this.#snapshotZxid = zxid;
    this.#snapshot = new SnapshotStreamReader(() => emptyTree(this.#host.config), this.#host.config);
    return this.onBytes(cx, this.#link.stream.takeRest());
  }

  /** The snapshot's next bytes, lent. Returns why the role must end, if it must. */
  onBytes(cx: Context, bytes: Uint8Array): string | undefined {
    const reader = this.#snapshot!;
    const step = reader.accept(bytes);
    if (step === "more") return undefined;
    this.#snapshot = undefined;
    if (step === "malformed") return `the leader's snapshot is damaged: ${reader.failure}`;
    const { tree, sessions, rest } = reader;
    tree.lastProcessedZxid = this.#snapshotZxid;
    this.#link.stream.accept(rest);
    this.#link.stream.keep();
    const forgets = this.#host.state.mutants.has("sessions-not-synced");
    this.#begin(cx, new SnapshotInstall(this.#host.config, tree, forgets ? new Map<SessionId, Millis>() : sessions));
    return undefined;
  }

  beginTruncation(cx: Context, zxid: Zxid): void {
    this.#begin(cx, new TruncationInstall(this.#host.config, zxid, this.#host.state.mutants));
  }

  /** What is here in memory only, onto the disk: a log could not follow on what the disk has. */
  beginFromMemory(cx: Context): void {
    const { tree, sessions } = this.#host.state;
    this.#begin(cx, new SnapshotInstall(this.#host.config, tree, new Map(sessions.committed())));
  }

  deadline(): Millis {
    return this.#install?.deadline() ?? Infinity;
  }
  onDeadline(cx: Context): void {
    this.#install?.onDeadline(cx);
    this.#haltIfFailed(cx);
  }
  /** False when `op` is not its own. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    if (this.#install === undefined || !this.#install.onDiskDone(cx, op, outcome)) return false;
    this.#haltIfFailed(cx);
    return true;
  }

  /** Why the leader's way does not exist here: nothing has changed, and nothing is under way any more. */
  takeRefusal(): string | undefined {
    const refusal = this.#install?.refusal;
    if (refusal !== undefined) this.#install = undefined;
    return refusal;
  }

  /** Makes the installed database the server's, once it is durable; undefined before. Then more may be read. */
  takeInstalled(cx: Context): Install | undefined {
    const install = this.#install;
    if (install?.recovered === undefined) return undefined;
    this.#install = undefined;
    this.#host.replaceDatabase(cx, install.recovered);
    this.#link.resume(cx, Pause.installing);
    return install;
  }

  /**
   * Drops what is not finished. False when that cannot be: memory and disk are two histories just now, and this server
   * must not vote before {@link takeInstalled} has made them one.
   */
  giveUp(): boolean {
    this.#snapshot = undefined;
    if (this.#install !== undefined && !this.#install.giveUp()) return false;
    this.#install = undefined;
    return true;
  }

  #begin(cx: Context, install: Install): void {
    this.#link.pause(cx, Pause.installing);
    this.#install = install;
    install.start(cx);
    this.#haltIfFailed(cx);
  }

  #haltIfFailed(cx: Context): void {
    const failure = this.#install?.failure;
    if (failure !== undefined) cx.halt(EXIT_DATA_DIRECTORY, failure);
  }
}
