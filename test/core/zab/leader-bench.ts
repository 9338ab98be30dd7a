/**
 * A Leader with a host of memory around it; the test is its learners and says bytes. Database, epochs and log are real
 * and lie on a disk whose operations complete one by one, when told to. Every txn of the prepared history creates a node
 * named after its zxid, so a tree shows which txns are in it.
 */
import { NO_FACTS } from "../../../core/actor.ts";
import type { Address, ConnId, Context, DiskOp, DiskOutcome, Facts } from "../../../core/actor.ts";
import { AuthProviders } from "../../../core/auth/providers.ts";
import type { SessionId } from "../../../core/base/ids.ts";
import { Prng } from "../../../core/base/prng.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { counterOf, epochOf, packZxid } from "../../../core/base/zxid.ts";
import { DEFAULT_ENSEMBLE_CONFIG, DEFAULT_SERVER_CONFIG } from "../../../core/config.ts";
import type { EnsembleConfig, ServerConfig } from "../../../core/config.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { Writer } from "../../../core/jute/writer.ts";
import { QUEUED_HIGH_WATER } from "../../../core/outbox.ts";
import { ApplyStage } from "../../../core/pipeline/apply.ts";
import { Replies } from "../../../core/pipeline/replies.ts";
import { Request } from "../../../core/pipeline/request.ts";
import type { ServerState } from "../../../core/pipeline/state.ts";
import { NO_MUTANTS } from "../../../core/pipeline/state.ts";
import { ServerStats } from "../../../core/pipeline/stats.ts";
import { OPEN_ACL_UNSAFE, writeAclVector } from "../../../core/protocol/data.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import type { LearnerInfo } from "../../../core/protocol/quorum-packets.ts";
import {
  PROTOCOL_VERSION,
  PacketStream,
  PacketType,
  packetName,
  writeAckEpoch,
  writeLearnerInfo,
  writePacket,
} from "../../../core/protocol/quorum-packets.ts";
import { writeTxnEntry } from "../../../core/protocol/txns.ts";
import type { TxnEntry } from "../../../core/protocol/txns.ts";
import { QuorumConfig } from "../../../core/quorum/config.ts";
import { QuorumView } from "../../../core/quorum/view.ts";
import { Database } from "../../../core/server/database.ts";
import { Epochs } from "../../../core/storage/epochs.ts";
import { Recovery } from "../../../core/storage/recovery.ts";
import { SnapshotStreamReader } from "../../../core/storage/snapshot-stream.ts";
import type { TxnLog } from "../../../core/storage/txn-log.ts";
import { DataTree } from "../../../core/tree/data-tree.ts";
import { WatchTable } from "../../../core/watch/watch-table.ts";
import type { CommittedLog } from "../../../core/zab/committed-log.ts";
import { Leader } from "../../../core/zab/leader.ts";
import type { Proposal, RoleHost } from "../../../core/zab/role.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";

const EVENTS_MAX = 100_000;
const DATA_MAX = 1 << 24;
export const TICK = 1000;
/** Of the client that is connected to the leader. */
export const LOCAL_SESSION = 0x0300_0000_0000_0001n as SessionId;

export interface BenchOptions {
  /** Ids of voters; the leader's is 3. */
  readonly voters?: readonly number[];
  readonly observers?: readonly number[];
  /** `epoch:counter` of every txn the leader begins with; see {@link z}. */
  readonly history?: readonly Zxid[];
  /** Both epochs at the beginning; the history's by default. */
  readonly epoch?: number;
  readonly config?: Partial<ServerConfig>;
  readonly ensemble?: Partial<EnsembleConfig>;
  /** Of every node in the history. */
  readonly bytesOfData?: number;
}

/** `z("1:5")` */
export function z(text: string): Zxid {
  const [epoch, counter] = text.split(":");
  return packZxid(Number(epoch), Number(counter));
}
/** The other way round. */
export function show(zxid: Zxid): string {
  return zxid < 0 ? `${zxid}` : `${epochOf(zxid)}:${counterOf(zxid)}`;
}
export function stretch(epoch: number, from: number, to: number): Zxid[] {
  return Array.from({ length: to - from + 1 }, (_, i) => packZxid(epoch, from + i));
}

export class LeaderBench extends MemoryDisk implements RoleHost {
  readonly config: ServerConfig;
  readonly ensemble: EnsembleConfig;
  readonly myId = 3;
  readonly view: QuorumView;
  epochs: Epochs = new Epochs();
  state!: ServerState;
  readonly replies: Replies;
  readonly prng: Prng = new Prng(7);
  readonly #stats = new ServerStats();
  #database!: Database;
  #apply!: ApplyStage;
  leader!: Leader;
  readonly learners = new Map<ConnId, ScriptedLearner>();
  #over: ConnId[] = [];
  #drained: ConnId[] = [];
  diskHeld = false;

  /** Facts, calls of the host, warnings. */
  readonly journal: string[];
  left: string | undefined;
  serving = false;
  voteEpoch = 0;
  unapplied: readonly Proposal[] = [];
  readonly committed: Request[] = [];
  readonly synced: Request[] = [];
  changesRole = false;
  releases = 0;

  constructor(options: BenchOptions = {}) {
    const journal: string[] = [];
    super(factsInto(journal));
    this.journal = journal;
    const { voters = [1, 2, 3], observers = [], history = [] } = options;
    const lines = [
      ...voters.map((id) => `server.${id}=10.0.0.${id}:2888:3888:participant;0.0.0.0:2181`),
      ...observers.map((id) => `server.${id}=10.0.0.${id}:2888:3888:observer;0.0.0.0:2181`),
    ];
    const members = lines.join("\n");
    this.ensemble = {
      ...DEFAULT_ENSEMBLE_CONFIG,
      members,
      initLimit: 10,
      syncLimit: 5,
      snapshotSizeFactor: 0,
      ...options.ensemble,
    };
    this.config = {
      ...DEFAULT_SERVER_CONFIG,
      tickTime: TICK,
      preAllocSize: 0,
      serverId: this.myId,
      digestEnabled: false,
      ...options.config,
      ensemble: this.ensemble,
    };
    const config = QuorumConfig.parse(`${members}\nversion=0`);
    if ("error" in config) throw new Error(config.error);
    this.view = new QuorumView(this.myId, config);
    this.replies = new Replies(this.#stats);
    this.boot();
    this.#log(history, options.bytesOfData ?? 0);
    this.#reachEpoch(options.epoch ?? epochOf(history.at(-1) ?? (0 as Zxid)));
    journal.length = 0;
  }

  /** Reads the disk, as at a start. */
  boot(): void {
    const recovery = new Recovery(this.config, () => this.newTree());
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
      this.#database.sessions.add(LOCAL_SESSION, 60_000, cx.now);
    });
    this.#newState();
  }

  #log(history: readonly Zxid[], bytes: number): void {
    if (history.length === 0) return;
    // Epochs first, as for any server that logs.
    this.#reachEpoch(epochOf(history.at(-1)!));
    this.event((cx) => {
      for (const zxid of history) {
        const { request, payload } = txnOf(zxid, bytes);
        this.log.append(cx, zxid, payload);
        this.#database.fastForward(cx, { request, payload });
      }
      this.log.commit(cx);
    });
    this.settle({ onDiskDone: (cx, op, outcome) => this.log.onDiskDone(cx, op, outcome) });
  }

  #reachEpoch(epoch: number): void {
    this.event((cx) => {
      this.epochs.setAccepted(cx, epoch, () => {});
      this.epochs.setCurrent(cx, epoch, () => {});
    });
    this.settle(this.epochs);
  }

  newTree(): DataTree {
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

  // Events for the leader

  /** Elected. */
  lead(): this {
    this.happen((cx) => {
      this.#database.sessions.beginRole("leader", cx.now);
      this.leader = new Leader(this, []);
      this.leader.start(cx);
    });
    return this;
  }

  happen(body: (cx: Context) => void): void {
    if (this.left !== undefined || this.halted !== undefined) return;
    this.event((cx) => {
      body(cx);
      if (this.left === undefined) this.leader.flush(cx);
    });
  }

  /** The next thing that can happen without learners; false when there is nothing. */
  step(): boolean {
    const over = this.#over.shift();
    if (over !== undefined) {
      this.happen((cx) => this.leader.onClosed(cx, over, "local"));
      return true;
    }
    if (this.left !== undefined || this.halted !== undefined) return false;
    const drained = this.#drained.shift();
    if (drained !== undefined) {
      this.happen((cx) => this.leader.onDrained(cx, drained));
      return true;
    }
    if (this.leader.deadline() <= this.now) {
      this.happen((cx) => this.leader.onDeadline(cx));
      return true;
    }
    if (this.pendingCount === 0 || this.diskHeld) return false;
    this.completeDisk();
    return true;
  }
  completeDisk(): void {
    this.completeOne({
      onDiskDone: (cx, op, outcome): void => {
        if (!this.leader.onDiskDone(cx, op, outcome)) this.epochs.onDiskDone(cx, op, outcome);
        if (this.left === undefined) this.leader.flush(cx);
      },
    });
  }
  run(): this {
    for (let i = 0; this.step(); i++) if (i > EVENTS_MAX) throw new Error("running in circles");
    return this;
  }
  /** Time passes, with everything that falls due on the way. */
  pass(milliseconds: number): void {
    const until = this.now + milliseconds;
    this.run();
    while (this.left === undefined && this.leader.deadline() <= until) {
      this.advance(Math.max(0, this.leader.deadline() - this.now));
      this.run();
    }
    this.advance(Math.max(0, until - this.now));
  }

  /** A connection to the quorum port. */
  accept(id: number): ScriptedLearner {
    const learner = new ScriptedLearner(this, this.nextConn(), id);
    this.learners.set(learner.conn, learner);
    this.happen((cx) => this.leader.onAccepted(cx, learner.conn, `10.0.0.${id}:5000` as Address));
    return learner;
  }

  /** One that goes the usual way as far as it can. */
  join(id: number, info: Partial<JoinOptions> = {}): ScriptedLearner {
    const learner = this.accept(id);
    learner.join(info);
    return learner;
  }

  /** A client's write here. */
  create(path: string): Request {
    const request = new Request(undefined, LOCAL_SESSION, ++this.#xid, OpCode.create, this.now);
    this.happen((cx) => this.leader.submitWrite(cx, request, new Reader(createBody(path))));
    return request;
  }
  #xid = 0;

  drained(conn: ConnId): void {
    this.#drained.push(conn);
  }

  protected override queued(conn: ConnId): number {
    return this.learners.get(conn)?.unread ?? 0;
  }
  override send(conn: ConnId, bytes: Uint8Array, start: number, end: number): void {
    this.learners.get(conn)?.arrive(bytes.slice(start, end));
  }
  override close(conn: ConnId): void {
    const learner = this.learners.get(conn);
    if (learner === undefined || learner.closed) return;
    learner.closed = true;
    if (this.left === undefined) this.#over.push(conn);
  }

  // RoleHost

  get log(): TxnLog {
    return this.#database.log;
  }
  get committedLog(): CommittedLog {
    return this.#database.committedLog;
  }
  get tree(): DataTree {
    return this.#database.tree;
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
    this.journal.push("serves");
  }
  leave(cx: Context, reason: string): void {
    if (this.left !== undefined) throw new Error("left twice");
    this.left = reason;
    this.unapplied = this.leader.stop(cx);
  }
  leaveForConfig(cx: Context, designated: number | undefined): void {
    this.leave(cx, `the configuration changed, ${designated ?? "nobody"} leads`);
  }
  replaceDatabase(): void {
    throw new Error("a leader's database is never replaced");
  }
  setVoteEpoch(epoch: number): void {
    this.voteEpoch = epoch;
  }
  takeSnapshot(): void {}
  released(): void {
    this.releases++;
  }
  proposeConfig(_cx: Context, config: QuorumConfig): void {
    this.view.lastSeen = config;
    this.journal.push(`config ${show(config.version)} proposed`);
  }
  activateConfig(_cx: Context, config: QuorumConfig, designated: number | undefined): boolean {
    this.view.current = config;
    this.journal.push(`config ${show(config.version)} in force, ${designated ?? "nobody"} designated`);
    return this.changesRole;
  }
}

export interface JoinOptions {
  readonly accepted: number;
  readonly current: number;
  readonly last: Zxid;
  readonly observer: boolean;
  readonly info: Partial<LearnerInfo>;
  /** How far it goes by itself. */
  readonly until: "announced" | "promised" | "acknowledged";
}

/** The other end of a connection: says what it is told to, keeps what it hears. */
export class ScriptedLearner {
  readonly bench: LeaderBench;
  readonly conn: ConnId;
  readonly id: number;
  closed = false;
  /** Reads nothing: what it is sent piles up at the leader. */
  stalled = false;
  unread = 0;
  #stream = new PacketStream(DATA_MAX);
  /** Packets heard, as `TYPE epoch:counter`, since {@link takeHeard}. */
  #heard: string[] = [];
  #tree: SnapshotStreamReader | undefined;
  /** Its history, as a learner of ours keeps it: zxids, and how many of them are committed. */
  history: Zxid[];
  committed: Zxid = 0 as Zxid;
  lastData: Uint8Array | null = null;
  wasCut = false;
  #waiting: Uint8Array[] = [];

  constructor(bench: LeaderBench, conn: ConnId, id: number) {
    this.bench = bench;
    this.conn = conn;
    this.id = id;
    this.history = [];
  }

  say(write: (w: Writer) => void): void {
    const w = new Writer();
    write(w);
    this.sayBytes(w.take());
  }
  sayBytes(bytes: Uint8Array): void {
    if (this.closed) return;
    const lent = bytes.slice();
    this.bench.happen((cx) => this.bench.leader.onReceived(cx, this.conn, lent));
    lent.fill(0xee);
  }
  announce(accepted: number, { observer = false, info = {} }: Partial<JoinOptions> = {}): void {
    const type = observer ? PacketType.observerInfo : PacketType.followerInfo;
    const w = new Writer();
    const usual = { serverId: this.id, protocolVersion: PROTOCOL_VERSION, configVersion: 0 as Zxid, isVivarium: true };
    writeLearnerInfo(w, { ...usual, ...info });
    this.say((out) => writePacket(out, type, packZxid(accepted, 0), w.take()));
  }
  promise(last: Zxid, current: number): void {
    this.say((w) => writeAckEpoch(w, last, current));
  }
  ack(zxid: Zxid): void {
    this.say((w) => writePacket(w, PacketType.ack, zxid, null));
  }
  cut(): void {
    this.closed = true;
    this.bench.happen((cx) => this.bench.leader.onClosed(cx, this.conn, "peer"));
  }

  join(options: Partial<JoinOptions> = {}): void {
    const last = options.last ?? this.history.at(-1) ?? (0 as Zxid);
    const { accepted = epochOf(last), current = epochOf(last), until = "acknowledged" } = options;
    this.announce(accepted, options);
    this.bench.run();
    if (until === "announced") return;
    this.promise(last, current);
    this.bench.run();
    if (until === "promised") return;
    if (this.#newLeader !== undefined) this.ack(this.#newLeader);
    this.bench.run();
  }
  #newLeader: Zxid | undefined;

  arrive(bytes: Uint8Array): void {
    if (this.stalled) {
      this.unread += bytes.length;
      this.#waiting.push(bytes);
      return;
    }
    this.#read(bytes);
  }
  /** Reads what has piled up, and whatever comes. */
  resume(): void {
    this.stalled = false;
    const owed = this.unread > QUEUED_HIGH_WATER;
    this.unread = 0;
    for (const bytes of this.#waiting.splice(0)) this.#read(bytes);
    if (owed) this.bench.drained(this.conn);
  }

  #read(bytes: Uint8Array): void {
    if (this.#tree !== undefined) {
      if (!this.#readTree(this.#tree, bytes)) return;
    } else this.#stream.accept(bytes);
    for (;;) {
      const status = this.#stream.next();
      if (status === "malformed") throw new Error(`learner ${this.id} was sent what is no packet`);
      if (status === "partial") break;
      this.#onPacket();
      if (this.#tree !== undefined && !this.#readTree(this.#tree, this.#stream.takeRest().slice())) break;
    }
    this.#stream.keep();
  }

  #readTree(reader: SnapshotStreamReader, bytes: Uint8Array): boolean {
    const step = bytes.length === 0 ? "more" : reader.accept(bytes);
    if (step === "malformed") throw new Error(`learner ${this.id} was sent a malformed tree: ${reader.failure}`);
    if (step === "more") return false;
    this.#tree = undefined;
    this.history = historyIn(reader.tree);
    this.#heard.push(`tree of ${this.history.length}`);
    this.#stream = new PacketStream(DATA_MAX);
    this.#stream.accept(reader.rest);
    return true;
  }

  #onPacket(): void {
    const { type, zxid, data } = this.#stream;
    this.#heard.push(`${packetName(type)} ${show(zxid)}`);
    this.lastData = data?.slice() ?? null;
    switch (type) {
      case PacketType.trunc:
        this.wasCut = true;
        this.history = this.history.filter((one) => one <= zxid);
        return;
      case PacketType.snap:
        this.#tree = new SnapshotStreamReader(() => this.bench.newTree(), this.bench.config);
        return;
      case PacketType.proposal:
      case PacketType.inform:
        // A tree may hold what follows it already.
        if (!this.history.includes(zxid)) this.history.push(zxid);
        return;
      case PacketType.commit:
        this.committed = zxid;
        return;
      case PacketType.newLeader:
        this.#newLeader = zxid;
        return;
      default:
    }
  }

  takeHeard(): string[] {
    return this.#heard.splice(0);
  }
}

/** The txns that a tree shows, in zxid order. */
export function historyIn(tree: DataTree): Zxid[] {
  const found: Zxid[] = [];
  for (const name of tree.children(tree.find("/"))) {
    const match = /^z(\d+:\d+)$/.exec(name);
    if (match !== null) found.push(z(match[1]!));
  }
  return found.sort((a, b) => a - b);
}

export function txnOf(zxid: Zxid, bytes = 0): { request: Request; payload: Uint8Array } {
  const data = bytes > 0 ? new Uint8Array(bytes).fill(counterOf(zxid)) : null;
  const txn = {
    type: OpCode.create,
    path: `/z${show(zxid)}`,
    data,
    acl: OPEN_ACL_UNSAFE,
    ephemeral: false,
    parentCVersion: -1,
  } as const;
  const entry: TxnEntry = {
    header: { clientId: 0n as SessionId, cxid: 0, zxid, time: 0, type: txn.type },
    txn,
    digest: undefined,
  };
  const w = new Writer();
  writeTxnEntry(w, entry);
  const request = Request.internal(OpCode.create, 0);
  request.zxid = zxid;
  request.txn = txn;
  return { request, payload: w.take() };
}

export function createBody(path: string, data: Uint8Array | null = null): Uint8Array {
  const w = new Writer();
  w.string(path);
  w.buffer(data);
  writeAclVector(w, OPEN_ACL_UNSAFE);
  w.int(0);
  return w.take();
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function factsInto(journal: string[]): Facts {
  return {
    ...NO_FACTS,
    log: (level, message, fields) => {
      if (level === "warn" || level === "error") journal.push(`${message}: ${text(fields?.["why"])}`);
    },
    promised: (epoch) => void journal.push(`promised ${epoch}`),
    adopted: (epoch) => void journal.push(`adopted ${epoch}`),
    established: (epoch, zxid) => void journal.push(`established ${epoch} with ${show(zxid as Zxid)}`),
    proposed: (zxid) => void journal.push(`proposed ${show(zxid as Zxid)}`),
    committed: (zxid) => void journal.push(`committed ${show(zxid as Zxid)}`),
    durable: (zxid) => void journal.push(`durable ${show(zxid as Zxid)}`),
  };
}
