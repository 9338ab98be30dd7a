/**
 * A Learner with a host of memory around it and the ends of its connections in the test's hands: the test is the leader
 * and says bytes. The database, the epochs and the log are real and lie on a disk that loses what was not synced. Disk
 * operations complete one by one, when told to, so that a test can stop between any two. `trace` has what can be seen
 * from outside, in order: disk operations asked for, packets said, facts, calls of the host.
 */
import { NO_FACTS } from "../../../core/actor.ts";
import type {
  Address,
  CloseCause,
  ConnId,
  Context,
  DiskOp,
  DiskOutcome,
  Facts,
  FileName,
} from "../../../core/actor.ts";
import { AuthProviders } from "../../../core/auth/providers.ts";
import { Prng } from "../../../core/base/prng.ts";
import { formatZxid } from "../../../core/base/zxid.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { DEFAULT_ENSEMBLE_CONFIG, DEFAULT_SERVER_CONFIG } from "../../../core/config.ts";
import type { EnsembleConfig, ServerConfig } from "../../../core/config.ts";
import { ApplyStage } from "../../../core/pipeline/apply.ts";
import { Replies } from "../../../core/pipeline/replies.ts";
import type { Request } from "../../../core/pipeline/request.ts";
import type { ServerState } from "../../../core/pipeline/state.ts";
import { NO_MUTANTS } from "../../../core/pipeline/state.ts";
import { ServerStats } from "../../../core/pipeline/stats.ts";
import { PacketStream, packetName } from "../../../core/protocol/quorum-packets.ts";
import { QuorumConfig } from "../../../core/quorum/config.ts";
import { QuorumView } from "../../../core/quorum/view.ts";
import { Database } from "../../../core/server/database.ts";
import { Epochs } from "../../../core/storage/epochs.ts";
import { Recovery } from "../../../core/storage/recovery.ts";
import type { Recovered } from "../../../core/storage/recovery.ts";
import type { TxnLog } from "../../../core/storage/txn-log.ts";
import { DataTree } from "../../../core/tree/data-tree.ts";
import { WatchTable } from "../../../core/watch/watch-table.ts";
import type { CommittedLog } from "../../../core/zab/committed-log.ts";
import { Learner } from "../../../core/zab/learner.ts";
import type { Proposal, RoleHost } from "../../../core/zab/role.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";

export const MEMBERS: string = ["1", "2", "3"]
  .map((id) => `server.${id}=10.0.0.${id}:2888:3888:participant;0.0.0.0:2181`)
  .join("\n");
const LEADER = 3;
const EVENTS_MAX = 100_000;

export interface BenchOptions {
  readonly observer?: boolean;
  readonly config?: Partial<ServerConfig>;
  readonly ensemble?: Partial<EnsembleConfig>;
}

/** A packet of the learner's. */
export interface Said {
  readonly type: string;
  readonly zxid: Zxid;
  readonly data: Uint8Array | null;
}

export class LearnerBench extends MemoryDisk implements RoleHost {
  readonly config: ServerConfig;
  ensemble: EnsembleConfig;
  readonly myId = 1;
  readonly view: QuorumView;
  epochs: Epochs = new Epochs();
  state!: ServerState;
  readonly replies: Replies;
  readonly prng: Prng = new Prng(7);
  #observer: boolean;
  readonly #stats = new ServerStats();
  #database!: Database;
  #apply!: ApplyStage;
  learner!: Learner;

  /** Where the learner tried to connect. */
  readonly dialled: Address[] = [];
  conn: ConnId | undefined;
  paused = false;
  closed = false;
  readonly #said: Uint8Array[] = [];
  sends = 0;
  left: string | undefined;
  serving = false;
  voteEpoch = 0;
  unapplied: readonly Proposal[] = [];
  readonly committed: Request[] = [];
  readonly synced: Request[] = [];
  snapshotsWanted = 0;
  releases = 0;
  /** The disk breaks when it is next to sync the log. */
  failNextSync = false;
  /** What {@link activateConfig} answers. */
  changesRole = false;

  constructor(options: BenchOptions = {}) {
    let journal: string[] = [];
    super(factsInto((line) => journal.push(line)));
    journal = this.trace;
    this.#observer = options.observer ?? false;
    this.ensemble = { ...DEFAULT_ENSEMBLE_CONFIG, members: MEMBERS, initLimit: 10, syncLimit: 5, ...options.ensemble };
    this.config = {
      ...DEFAULT_SERVER_CONFIG,
      tickTime: 1000,
      preAllocSize: 0,
      serverId: this.myId,
      ...options.config,
      ensemble: this.ensemble,
    };
    const members = QuorumConfig.parse(`${MEMBERS}\nversion=0`);
    if ("error" in members) throw new Error(members.error);
    this.view = new QuorumView(this.myId, members);
    this.replies = new Replies(this.#stats);
    this.#boot();
  }

  // A server's life

  /** Reads the disk, as at a start. */
  #boot(): void {
    const recovery = new Recovery(this.config, () => this.#newTree());
    const epochs = new Epochs();
    this.epochs = epochs;
    this.event((cx) => {
      recovery.start(cx);
      epochs.start(cx);
    });
    const user = {
      onDiskDone: (cx: Context, op: DiskOp, outcome: DiskOutcome): unknown =>
        recovery.onDiskDone(cx, op, outcome) || epochs.onDiskDone(cx, op, outcome),
    };
    this.settle(user);
    const { result } = recovery;
    if (result === undefined || "fatal" in result) throw new Error(`recovery: ${result?.fatal}`);
    this.event((cx) => epochs.settle(cx, result.lastZxid));
    this.settle(user);
    if (!epochs.settled) throw new Error(`epochs: ${epochs.failure}`);
    this.event((cx) => {
      this.#database = new Database(cx, this.config, result, NO_MUTANTS);
    });
    this.#newState();
  }

  /** The process ends and another begins on what the disk has. `power`: what was not synced is lost. */
  restart(power: boolean): void {
    if (power) this.crash();
    else this.kill();
    this.halted = undefined;
    this.#forgetRole();
    this.#boot();
  }

  /** Nobody's configuration has this server. */
  makeStranger(): void {
    const others = new Map([...this.view.current.members].filter(([id]) => id !== this.myId));
    this.view.current = new QuorumConfig(others, 0 as Zxid);
    this.view.lastSeen = this.view.current;
  }

  /** From the next role on: one that keeps a log. */
  becomeFollower(): void {
    this.#observer = false;
  }

  /** Elected: follow or observe server 3. */
  begin(): void {
    this.#forgetRole();
    this.event((cx) => {
      this.#database.sessions.beginRole("learner", cx.now);
      this.#newState();
      this.learner = new Learner(this, { leader: LEADER, zxid: 0 as Zxid, round: 1, peerEpoch: 0 }, this.#observer);
      this.learner.start(cx);
      this.learner.flush(cx);
    });
  }

  /** What a server does between two roles: the log durable, everything in it applied. */
  settleRole(): void {
    const log = this.log;
    const done = { onDiskDone: log.onDiskDone.bind(log) };
    while (log.syncing) this.completeOne(done);
    if (log.uncommitted) this.event((cx) => log.commit(cx));
    while (log.syncing) this.completeOne(done);
    this.event((cx) => {
      for (const proposal of this.unapplied) this.#database.fastForward(cx, proposal);
    });
    this.unapplied = [];
  }

  #forgetRole(): void {
    this.conn = undefined;
    this.paused = false;
    this.closed = false;
    this.left = undefined;
    this.serving = false;
    this.unapplied = [];
    this.#said.length = 0;
    this.dialled.length = 0;
  }

  #newTree(): DataTree {
    const { extendedTypesEnabled: extendedTypes, emulate353TTLNodes: emulate353, digestEnabled: digest } = this.config;
    return new DataTree({ extendedTypes, emulate353, digest });
  }

  #newState(): void {
    const { tree, sessions } = this.#database;
    const watches = new WatchTable({ anyoneMayRead: () => true, mayRead: () => true });
    const auth = new AuthProviders(this.config.auth);
    this.state = { config: this.config, tree, sessions, watches, auth, stats: this.#stats, mutants: NO_MUTANTS };
    this.#apply = new ApplyStage(this.state, undefined, this.replies);
  }

  get tree(): DataTree {
    return this.#database.tree;
  }
  get lastZxid(): string {
    return formatZxid(this.tree.lastProcessedZxid);
  }

  // Events for the learner

  #event(body: (cx: Context) => void): void {
    this.event((cx) => {
      body(cx);
      if (this.left === undefined) this.learner.flush(cx);
    });
  }

  connected(): void {
    this.#event((cx) => this.learner.onConnected(cx, this.conn!));
  }
  cut(cause: CloseCause = "peer"): void {
    this.#event((cx) => this.learner.onClosed(cx, this.conn!, cause));
  }
  /** The leader says all of it at once. */
  say(...packets: Uint8Array[]): void {
    const bytes = joined(packets);
    this.#event((cx) => this.learner.onReceived(cx, this.conn!, bytes));
    // Lent for that call only.
    bytes.fill(0xee);
  }
  ask(body: (cx: Context, learner: Learner) => void): void {
    this.#event((cx) => body(cx, this.learner));
  }

  /** The next thing that can happen without the leader; false when there is nothing. */
  step(): boolean {
    if (this.left !== undefined || this.halted !== undefined) return false;
    if (this.learner.deadline() <= this.now + 1) {
      this.#event((cx) => this.learner.onDeadline(cx));
      return true;
    }
    if (this.pendingCount === 0) return false;
    this.completeOne({
      onDiskDone: (cx: Context, op: DiskOp, outcome: DiskOutcome): void => {
        if (!this.learner.onDiskDone(cx, op, outcome)) this.epochs.onDiskDone(cx, op, outcome);
        if (this.left === undefined) this.learner.flush(cx);
      },
    });
    return true;
  }
  /** Everything that can happen without the leader. */
  run(): void {
    for (let i = 0; this.step(); i++) if (i > EVENTS_MAX) throw new Error("running in circles");
  }
  /** Lets time pass until the learner's next deadline, and tells it. */
  toDeadline(): number {
    const at = this.learner.deadline();
    this.advance(Math.max(0, at - this.now - 1));
    this.#event((cx) => this.learner.onDeadline(cx));
    return at;
  }

  // What the learner does

  /** Its packets since the last call. */
  heard(): Said[] {
    const stream = new PacketStream(1 << 24);
    stream.accept(joined(this.#said.splice(0)));
    const said: Said[] = [];
    for (let status = stream.next(); status !== "partial"; status = stream.next()) {
      if (status === "malformed") throw new Error("the learner sent what is not a packet");
      said.push({ type: packetName(stream.type), zxid: stream.zxid, data: stream.data?.slice() ?? null });
    }
    return said;
  }
  /** The same as lines: type and zxid. */
  heardLines(): string[] {
    return this.heard().map(({ type, zxid }) => `${type} ${formatZxid(zxid)}`);
  }
  heardBytes(): string {
    return Buffer.from(joined(this.#said.splice(0))).toString("hex");
  }

  override connect(...args: readonly unknown[]): void {
    const [conn, to] = args as [ConnId, Address];
    this.conn = conn;
    this.closed = false;
    this.paused = false;
    this.dialled.push(to);
  }
  override send(conn: ConnId, bytes: Uint8Array, start: number, end: number): void {
    if (conn !== this.conn || this.closed) throw new Error("sent on a connection that is not there");
    this.sends++;
    const copy = bytes.slice(start, end);
    this.#said.push(copy);
    const stream = new PacketStream(1 << 24);
    stream.accept(copy);
    while (stream.next() === "packet") this.trace.push(`said ${packetName(stream.type)} ${formatZxid(stream.zxid)}`);
  }
  override close(conn: ConnId): void {
    if (conn === this.conn) this.closed = true;
  }
  override pause(): void {
    this.paused = true;
  }
  override resume(): void {
    this.paused = false;
  }

  override sync(op: DiskOp, name: FileName): void {
    if (this.failNextSync) this.files.get(name)!.failure = "io";
    this.failNextSync = false;
    super.sync(op, name);
  }

  // RoleHost

  get log(): TxnLog {
    return this.#database.log;
  }
  get committedLog(): CommittedLog {
    return this.#database.committedLog;
  }
  commit(cx: Context, proposal: Proposal): void {
    this.#apply.apply(cx, proposal.request);
    this.committedLog.add(proposal.request.zxid, proposal.payload);
    this.committed.push(proposal.request);
  }
  answerSync(_cx: Context, request: Request): void {
    this.synced.push(request);
  }
  serve(): void {
    this.serving = true;
    this.trace.push("serves");
  }
  leave(cx: Context, reason: string): void {
    if (this.left !== undefined) throw new Error("left twice");
    this.left = reason;
    this.serving = false;
    this.unapplied = this.learner.stop(cx);
  }
  replaceDatabase(cx: Context, recovered: Recovered): void {
    this.#database.replace(cx, recovered);
    this.#newState();
    this.trace.push(`database ${formatZxid(recovered.lastZxid)}`);
  }
  setVoteEpoch(epoch: number): void {
    this.voteEpoch = epoch;
  }
  takeSnapshot(): void {
    this.snapshotsWanted++;
  }
  released(): void {
    this.releases++;
  }
  proposeConfig(_cx: Context, config: QuorumConfig): void {
    this.view.lastSeen = config;
    this.trace.push(`proposed ${config.version.toString(16)}`);
  }
  activateConfig(_cx: Context, config: QuorumConfig, designated: number | undefined): boolean {
    this.view.current = config;
    this.trace.push(`activated ${config.version.toString(16)} ${designated ?? "-"}`);
    return this.changesRole;
  }
  leaveForConfig(cx: Context, designated: number | undefined): void {
    this.leave(cx, `configuration, ${designated ?? "-"} leads`);
  }
}

function factsInto(note: (line: string) => unknown): Facts {
  return {
    ...NO_FACTS,
    log: (level, message) => {
      if (level === "error") note(`error: ${message}`);
    },
    synced: (how, zxid) => void note(`synced by ${how} ${formatZxid(zxid as Zxid)}`),
    adopted: (epoch) => void note(`adopted ${epoch}`),
    promised: (epoch) => void note(`promised ${epoch}`),
  };
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
