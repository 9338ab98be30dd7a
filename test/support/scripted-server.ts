/**
 * A client port with a server behind it that does what a test says: it takes any role, prepares as a leader or forwards
 * as a learner to a {@link ScriptedLeader}, and commits when told to. No log, no network between servers.
 */
import type { Actor, Address, CloseCause, ConnId, Context, Millis, Port } from "../../core/actor.ts";
import { AuthProviders } from "../../core/auth/providers.ts";
import type { SessionId } from "../../core/base/ids.ts";
import { Prng } from "../../core/base/prng.ts";
import type { EnsembleConfig, ServerConfig } from "../../core/config.ts";
import { DEFAULT_ENSEMBLE_CONFIG, DEFAULT_SERVER_CONFIG } from "../../core/config.ts";
import { Reader } from "../../core/jute/reader.ts";
import { Writer } from "../../core/jute/writer.ts";
import { ApplyStage } from "../../core/pipeline/apply.ts";
import { PrepareStage } from "../../core/pipeline/prepare.ts";
import { Reads } from "../../core/pipeline/reads.ts";
import { Replies } from "../../core/pipeline/replies.ts";
import { LOCAL_OWNER, Request } from "../../core/pipeline/request.ts";
import type { ServerState } from "../../core/pipeline/state.ts";
import { NO_MUTANTS } from "../../core/pipeline/state.ts";
import { ServerStats } from "../../core/pipeline/stats.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import type { TxnEntry } from "../../core/protocol/txns.ts";
import { readTxnEntry } from "../../core/protocol/txns.ts";
import type { Word } from "../../core/protocol/words.ts";
import type { ClientLink } from "../../core/server/client-link.ts";
import type { PortServer, ServerMode, WordAnswer } from "../../core/server/client-port.ts";
import { ClientPort } from "../../core/server/client-port.ts";
import { answerWord } from "../../core/server/words.ts";
import type { WordSource } from "../../core/server/words.ts";
import { SessionTracker } from "../../core/session/tracker.ts";
import { DataTree } from "../../core/tree/data-tree.ts";
import { WatchTable } from "../../core/watch/watch-table.ts";
import { ServerBench } from "./server-bench.ts";

export function stateOf(config: ServerConfig): ServerState {
  const { extendedTypesEnabled: extendedTypes, emulate353TTLNodes: emulate353, digestEnabled: digest } = config;
  return {
    config,
    tree: new DataTree({ extendedTypes, emulate353, digest }),
    sessions: new SessionTracker(config.tickTime, config.serverId, 0),
    watches: new WatchTable({ anyoneMayRead: () => true, mayRead: () => true }),
    auth: new AuthProviders(config.auth),
    stats: new ServerStats(),
    mutants: NO_MUTANTS,
  };
}

/** What a txn is on the wire and in the log. */
function decoded(payload: Uint8Array): TxnEntry {
  const entry = readTxnEntry(new Reader(payload));
  if (entry === undefined) throw new Error("a prepared txn can be read back");
  return entry;
}

/** The leader of scripted learners: prepares what they forward, and applies it at once. */
export class ScriptedLeader {
  readonly state: ServerState;
  readonly prepare: PrepareStage;
  readonly #apply: ApplyStage;
  /** Everything prepared, as it is proposed. */
  readonly proposals: Uint8Array[] = [];

  constructor(config: Partial<ServerConfig> = {}) {
    this.state = stateOf({ ...DEFAULT_SERVER_CONFIG, ensemble: DEFAULT_ENSEMBLE_CONFIG, serverId: 9, ...config });
    this.state.sessions.beginRole("leader", 0);
    this.#apply = new ApplyStage(this.state, undefined, new Replies(this.state.stats));
    this.prepare = new PrepareStage(this.state, {
      logTxn: (cx, request, payload, length) => {
        this.proposals.push(payload.slice(0, length));
        this.#apply.apply(cx, request);
        this.prepare.pending.applied(request.zxid);
      },
    });
  }

  /** A REQUEST of `owner`; the last proposal is what became of it. */
  take(cx: Context, asked: Request, body: Uint8Array, owner: unknown): Uint8Array {
    const request = new Request(undefined, asked.session, asked.xid, asked.type, cx.now);
    request.ids = asked.ids;
    request.owner = owner;
    const reader = new Reader(body);
    if (asked.type === OpCode.createSession) this.prepare.prepareCreateSession(cx, request, reader.int());
    else this.prepare.prepare(cx, request, reader);
    return this.proposals.at(-1)!;
  }
}

interface Forwarded {
  readonly request: Request;
  readonly body: Uint8Array;
}
interface Question {
  readonly session: SessionId;
  readonly timeout: Millis;
  readonly answer: (cx: Context, valid: boolean) => void;
}

export interface ScriptedOptions {
  readonly mode: ServerMode;
  readonly config?: Partial<ServerConfig>;
  readonly ensemble?: Partial<EnsembleConfig>;
  /** Of a learner. */
  readonly leader?: ScriptedLeader;
}

export class ScriptedServer implements Actor, PortServer {
  readonly bench: ServerBench;
  readonly config: ServerConfig;
  readonly state: ServerState;
  readonly port: ClientPort;
  readonly #replies: Replies;
  readonly #apply: ApplyStage;
  readonly #prepare: PrepareStage | undefined;
  mode: ServerMode;
  serving = true;
  refusingWrites = false;
  /** Commits wait for {@link commitAll}. */
  slow = false;
  /** Questions about sessions wait for the test. */
  readonly asked: Question[] = [];
  readonly leader: ScriptedLeader | undefined;
  readonly #outstanding: Forwarded[] = [];
  words: Partial<WordSource> = {};

  constructor({ mode, config = {}, ensemble = {}, leader }: ScriptedOptions) {
    this.mode = mode;
    this.leader = leader;
    this.config = {
      ...DEFAULT_SERVER_CONFIG,
      ensemble: { ...DEFAULT_ENSEMBLE_CONFIG, ...ensemble },
      fourLetterWords: ["*"],
      ...config,
    };
    this.state = stateOf(this.config);
    const { stats, auth } = this.state;
    this.#replies = new Replies(stats);
    this.port = new ClientPort(this.config, auth, this, stats, this.#replies, new Prng(1));
    this.#apply = new ApplyStage(this.state, undefined, this.#replies);
    if (mode === "leader") {
      this.#prepare = new PrepareStage(this.state, {
        logTxn: (_cx, request) => this.#outstanding.push({ request, body: new Uint8Array(0) }),
      });
    }
    this.bench = new ServerBench(this.config, { wrap: () => this });
  }

  /** Something happens that is no event of the host. */
  act(body: (cx: Context) => void): void {
    this.bench.event((cx) => {
      this.port.begin(cx);
      body(cx);
      this.#finish(cx);
    });
    this.bench.settle();
  }

  /** Serves on, in another role. */
  become(mode: ServerMode): void {
    this.act((cx) => {
      this.port.unserve(cx);
      this.#outstanding.length = 0;
      this.mode = mode;
      this.#serve(cx);
    });
  }

  get outstanding(): readonly Request[] {
    return this.#outstanding.map(({ request }) => request);
  }

  commitAll(): void {
    this.act((cx) => this.#commitAll(cx));
  }

  /** A txn of somebody else, as a learner hears of it. */
  hear(cx: Context, payload: Uint8Array): void {
    const { header } = decoded(payload);
    this.#commit(cx, new Request(undefined, header.clientId, header.cxid, header.type, cx.now), payload);
  }

  #serve(cx: Context): void {
    this.state.sessions.beginRole(this.mode === "leader" ? "leader" : "learner", cx.now);
    this.port.serve(cx, this.state, new Reads(this.state, this.#replies));
  }

  #commitAll(cx: Context): void {
    for (let next = this.#outstanding.shift(); next !== undefined; next = this.#outstanding.shift()) {
      const { request, body } = next;
      if (this.#prepare !== undefined) this.#deliver(cx, request);
      else this.#commit(cx, request, this.leader!.take(cx, request, body, this));
    }
  }

  /** What a learner does with a COMMIT. */
  #commit(cx: Context, request: Request, payload: Uint8Array): void {
    const { header, txn } = decoded(payload);
    request.zxid = header.zxid;
    request.time = header.time;
    request.txn = txn;
    this.#deliver(cx, request);
  }

  #deliver(cx: Context, request: Request): void {
    this.#apply.apply(cx, request);
    this.#prepare?.pending.applied(request.zxid);
    if (request.txn!.type === OpCode.createSession) {
      if (request.origin !== undefined) this.port.onSessionCreated(cx, request);
      return;
    }
    if (request.txn!.type === OpCode.closeSession) this.port.onSessionClosed(cx, request);
    if (request.origin !== undefined) this.port.onAnswered(cx, request);
  }

  #finish(cx: Context): void {
    if (!this.slow) this.#commitAll(cx);
    this.port.resumeHeld(cx);
    this.#replies.flush(cx);
  }

  // What the port asks

  submitWrite(cx: Context, request: Request, body: Reader): void {
    if (this.#prepare !== undefined) return this.#prepare.prepare(cx, request, body);
    const bytes = body.bytes.slice(body.offset, body.end);
    if (request.type === OpCode.multi) request.body = bytes;
    this.#outstanding.push({ request, body: bytes });
  }
  submitCreateSession(cx: Context, request: Request, timeout: Millis): void {
    if (this.#prepare !== undefined) return this.#prepare.prepareCreateSession(cx, request, timeout);
    const w = new Writer(4);
    w.int(timeout);
    this.#outstanding.push({ request, body: w.take() });
  }
  submitBarrier(cx: Context, request: Request): void {
    this.#apply.answerSync(cx, request);
    this.port.onAnswered(cx, request);
  }
  revalidate(cx: Context, session: SessionId, timeout: Millis, answer: Question["answer"]): void {
    if (this.mode !== "leader") this.asked.push({ session, timeout, answer });
    else answer(cx, this.state.sessions.reopen(session, timeout, LOCAL_OWNER, cx.now));
  }
  answerWord(cx: Context, link: ClientLink, word: Word, rest: Uint8Array): WordAnswer {
    const source: WordSource = {
      state: this.serving ? this.state : undefined,
      links: () => this.port.links(),
      connectionDeadlines: () => this.port.deadlines(),
      startedAt: 0,
      environment: [],
      directorySizes: [0, 0],
      traceMask: 0n,
      mode: this.mode,
      ...this.words,
    };
    return answerWord(cx, source, link, word, rest);
  }

  // What the host tells

  onStarted(cx: Context): void {
    this.#serve(cx);
  }
  onAccepted(cx: Context, conn: ConnId, port: Port, from: Address, subject?: string): void {
    this.port.begin(cx);
    this.port.onAccepted(cx, conn, port, from, subject);
  }
  onConnected(): void {}
  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): void {
    this.port.begin(cx);
    this.port.onReceived(cx, conn, bytes);
    this.#finish(cx);
  }
  onDrained(cx: Context, conn: ConnId): void {
    this.port.begin(cx);
    this.port.onDrained(cx, conn);
    this.#finish(cx);
  }
  onClosed(cx: Context, conn: ConnId, cause: CloseCause): void {
    this.port.begin(cx);
    this.port.onClosed(cx, conn, cause);
  }
  onDiskDone(): void {}
  onDeadline(cx: Context): void {
    this.port.begin(cx);
    this.port.onDeadline(cx);
    this.#finish(cx);
  }
  onStopRequested(): void {}
  deadline(): Millis {
    return this.port.deadline();
  }
}
