/**
 * Hostile clients against a real server, in process and deterministic. Every connection has an {@link Oracle} that says
 * what it must see; one well-behaved session must never notice anything; at the end of an episode the tree must be
 * sound, nothing may have leaked, and recovery must give back exactly what was there.
 *
 * An episode is a server with a configuration and a seed of its own. What goes wrong is thrown as a {@link Finding},
 * which says how to come back to it.
 */
import type { ServerConfig } from "../../core/config.ts";
import { SEND_QUEUE_MAX_BYTES } from "../../core/limits.ts";
import { Prng } from "../../core/base/prng.ts";
import type { SessionId } from "../../core/base/ids.ts";
import { FOUR_LETTER_WORDS } from "../../core/protocol/words.ts";
import { bytesOf, connectFrame } from "../support/raw-client.ts";
import type { BenchOptions, Peer } from "../support/server-bench.ts";
import { ServerBench } from "../support/server-bench.ts";
import { auditTree, compareTrees } from "../support/tree-audit.ts";
import { Citizen } from "./citizen.ts";
import { Grammar } from "./grammar.ts";
import { framed, joined, mutate } from "./mutate.ts";
import { Oracle } from "./oracle.ts";

export interface FuzzOptions {
  readonly seed: number;
  readonly frames: number;
  readonly framesPerEpisode?: number;
  /** Only this one, counted from 0: to come back to a finding. */
  readonly episode?: number;
  /** Breaks the server, to prove that it shows. */
  readonly wrap?: BenchOptions["wrap"];
  /** A clock, for how long the longest event took; milliseconds. */
  readonly clock?: () => number;
  /** Bytes in use, for the most there ever were. */
  readonly memory?: () => number;
  readonly onFrame?: (episode: number, frame: number) => void;
  readonly onEpisode?: (report: FuzzReport) => void;
}

export interface FuzzReport {
  episodes: number;
  /** Sent, of any kind. */
  frames: number;
  /** Accepted by the server as frames. */
  framesAccepted: number;
  connections: number;
  /** By the server, and why. */
  closures: Map<string, number>;
  replies: number;
  /** Of handlers. */
  events: number;
  txns: number;
  recoveries: number;
  longestEvent: number;
  memoryMax: number;
}

export class Finding extends Error {
  override readonly name: string = "Finding";
}

/** A frame, or a blob of noise, may not keep the server busy for longer than this; in milliseconds. */
const EVENT_PATIENCE = 3000;
const MEMORY_MAX = 1_500 * 1024 * 1024;
const CONNECTIONS = 8;
/** How often time may pass until everybody has been answered. */
const ROUNDS_MAX = 500;
/** Xid and type. */
const HEADER = 8;
const MARGIN = 2 * 1024 * 1024;

export function fuzz(options: FuzzOptions): FuzzReport {
  const report: FuzzReport = {
    episodes: 0,
    frames: 0,
    framesAccepted: 0,
    connections: 0,
    closures: new Map(),
    replies: 0,
    events: 0,
    txns: 0,
    recoveries: 0,
    longestEvent: 0,
    memoryMax: 0,
  };
  const perEpisode = options.framesPerEpisode ?? 20_000;
  const episodes = Math.ceil(options.frames / perEpisode);
  for (let episode = 0; episode < episodes; episode++) {
    if (options.episode !== undefined && options.episode !== episode) continue;
    const frames = Math.min(perEpisode, options.frames - episode * perEpisode);
    new Episode(new Prng(options.seed).fork(`episode ${episode}`), frames, options, report, episode).live();
    report.episodes++;
    options.onEpisode?.(report);
  }
  return report;
}

interface Hostile {
  readonly peer: Peer;
  readonly oracle: Oracle;
  /** Bytes decided on and not yet sent. */
  readonly chunks: Uint8Array[];
  reading: boolean;
  xid: number;
  /** When bytes were last sent on it. */
  spokeAt: number;
}

class Episode {
  readonly #prng: Prng;
  readonly #frames: number;
  readonly #options: FuzzOptions;
  readonly #report: FuzzReport;
  readonly #name: string;
  readonly #episode: number;
  readonly #config: ServerConfig;
  readonly #bench: ServerBench;
  readonly #grammar: Grammar;
  readonly #citizen: Citizen;
  #hostiles: Hostile[] = [];
  /** Sessions that were had, with what is needed to have them again. */
  #sessions: { readonly id: bigint; readonly passwd: Uint8Array }[] = [];
  /** Every session id somebody asked for: whoever has it is disconnected, and rightly. */
  readonly #asked = new Map<bigint, number>();
  #lastPayload: Uint8Array = new Uint8Array(8);
  #sent = 0;

  constructor(prng: Prng, frames: number, options: FuzzOptions, report: FuzzReport, episode: number) {
    this.#prng = prng;
    this.#frames = frames;
    this.#options = options;
    this.#report = report;
    this.#episode = episode;
    this.#name = `--seed ${options.seed} --episode ${episode}`;
    const config = drawConfig(prng.fork("config"));
    const { wrap } = options;
    this.#bench = new ServerBench(config, { seed: prng.next(), ...(wrap === undefined ? {} : { wrap }) });
    this.#config = this.#bench.config;
    this.#bench.patience = this.#config.flushDelay;
    this.#grammar = new Grammar(prng.fork("grammar"), this.#config.juteMaxBuffer + 100);
    this.#citizen = new Citizen(this.#bench, prng.fork("citizen"));
  }

  live(): void {
    try {
      while (this.#sent < this.#frames) this.#act();
      this.#end();
    } catch (error) {
      if (error instanceof Finding) throw error;
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Finding(`${this.#where()}: ${what}`, { cause: error });
    }
  }

  #act(): void {
    const prng = this.#prng;
    const dice = prng.below(1000);
    if (dice < 20) this.#meet();
    else if (dice < 26) this.#measure(() => this.#bench.pass(prng.below(prng.chance(1, 4) ? 15_000 : 1000)));
    else if (dice < 60) this.#hold();
    else if (dice < 66) this.#change(this.#any());
    else this.#speak(this.#any());
    this.#hostiles = this.#hostiles.filter((hostile) => !this.#isDone(hostile));
  }

  /** The disk, or the rest of the turn, waits for a while, so that requests pile up. */
  #hold(): void {
    const bench = this.#bench;
    const held = bench.diskHeld || bench.turnHeld;
    bench.diskHeld = !held && this.#prng.chance(2, 3);
    bench.turnHeld = !held && !bench.diskHeld;
    if (held) this.#measure(() => bench.settle());
  }

  #any(): Hostile {
    const { length } = this.#hostiles;
    if (length < CONNECTIONS && (length === 0 || this.#prng.chance(1, 4))) return this.#connect();
    return this.#hostiles[this.#prng.below(length)]!;
  }

  #connect(): Hostile {
    const bench = this.#bench;
    const peer = bench.accept(`10.${this.#prng.below(3)}.0.1:${1024 + (this.#report.connections % 60_000)}`);
    this.#report.connections++;
    const oracle = new Oracle(this.#config.juteMaxBuffer);
    const hostile = { peer, oracle, chunks: [], reading: true, xid: 0, spokeAt: bench.now };
    this.#hostiles.push(hostile);
    return hostile;
  }

  /** A client stops reading, begins again, or goes away. */
  #change(hostile: Hostile): void {
    if (this.#prng.chance(1, 3)) return this.#measure(() => hostile.peer.cut());
    if (hostile.reading) hostile.peer.stopReading();
    else this.#measure(() => hostile.peer.readAgain());
    hostile.reading = !hostile.reading;
  }

  #speak(hostile: Hostile): void {
    this.#options.onFrame?.(this.#episode, this.#sent);
    this.#sent++;
    this.#report.frames++;
    const bytes = this.#next(hostile);
    const prng = this.#prng;
    if (prng.chance(3, 4)) hostile.chunks.push(bytes);
    else {
      for (let at = 0; at < bytes.length;) {
        const to = Math.min(bytes.length, at + 1 + prng.below(prng.chance(1, 2) ? 8 : bytes.length));
        hostile.chunks.push(bytes.subarray(at, to));
        at = to;
      }
    }
    // Some of it comes later, between what others send.
    if (prng.chance(1, 5)) return;
    if (prng.chance(1, 3)) {
      const all = joined(...hostile.chunks);
      hostile.chunks.length = 0;
      this.#send(hostile, all);
    } else for (const chunk of hostile.chunks.splice(0)) this.#send(hostile, chunk);
  }

  #next(hostile: Hostile): Uint8Array {
    const prng = this.#prng;
    const { oracle } = hostile;
    if (!oracle.welcomed && oracle.unanswered === undefined) return this.#greeting();
    if (prng.chance(1, 400)) return prng.bytes(prng.below(200));
    let payload = this.#grammar.request(++hostile.xid);
    if (prng.chance(1, 4)) {
      const before = payload;
      // Mostly below the header: a type nobody knows only ends the connection.
      const header = prng.chance(1, 20) ? 0 : HEADER;
      let body: Uint8Array = payload.subarray(header);
      for (let n = 1 + prng.below(2); n > 0; n--) body = mutate(prng, body, this.#lastPayload);
      payload = joined(payload.subarray(0, header), body);
      this.#lastPayload = before;
    }
    if (payload.length >= 4 && payload.subarray(0, 4).every((byte) => byte === 255)) payload[3] = 253;
    return framed(prng, payload, prng.chance(1, 400), this.#config.juteMaxBuffer);
  }

  #greeting(): Uint8Array {
    const prng = this.#prng;
    const timeout = prng.below(8) * 2000;
    const dice = prng.below(20);
    if (dice === 0) return prng.bytes(prng.below(100));
    if (dice === 1)
      return joined(bytesOf(FOUR_LETTER_WORDS[prng.below(FOUR_LETTER_WORDS.length)]!), prng.bytes(prng.below(12)));
    if (dice < 5) {
      return framed(
        prng,
        mutate(prng, connectFrame({ timeout }).subarray(4), this.#lastPayload),
        prng.chance(1, 8),
        1000,
      );
    }
    if (dice < 10 && this.#sessions.length > 0) {
      const { id, passwd } = this.#sessions[prng.below(this.#sessions.length)]!;
      const wrong = prng.chance(1, 6);
      return connectFrame({ timeout, sessionId: id as SessionId, passwd: wrong ? prng.bytes(16) : passwd });
    }
    return connectFrame({ timeout, readOnlyByte: prng.chance(4, 5), lastZxidSeen: prng.chance(1, 30) ? 2 ** 50 : 0 });
  }

  #send(hostile: Hostile, bytes: Uint8Array): void {
    const { peer, oracle } = hostile;
    if (peer.closed) return;
    const before = oracle.frames;
    oracle.sending(bytes, this.#bench.state.tree.lastProcessedZxid);
    this.#report.framesAccepted += oracle.frames - before;
    if (oracle.asked === this.#citizen.session) return peer.cut();
    if (oracle.asked !== 0n) this.#asked.set(oracle.asked, (this.#asked.get(oracle.asked) ?? 0) + 1);
    hostile.spokeAt = this.#bench.now;
    this.#measure(() => peer.send(bytes));
    this.#listen(hostile);
  }

  #listen({ peer, oracle }: Hostile): void {
    if (peer.unreadBytes > SEND_QUEUE_MAX_BYTES + MARGIN) this.#blame(`${peer.unreadBytes} bytes wait to be read`);
    if (oracle.closeDue === "a four-letter word") return void peer.takeBytes();
    for (const frame of peer.takeFrames()) {
      this.#report.replies++;
      const wrong = oracle.received(frame);
      if (wrong !== undefined) this.#blame(wrong);
      if (oracle.session !== 0n && oracle.passwd !== null && this.#sessions.at(-1)?.id !== oracle.session) {
        this.#sessions.push({ id: oracle.session, passwd: oracle.passwd });
        if (this.#sessions.length > 30) this.#sessions.shift();
      }
    }
  }

  /** Everything comes to rest: every reply must be there, every closure done and justified. */
  #meet(): void {
    const bench = this.#bench;
    bench.diskHeld = false;
    bench.turnHeld = false;
    this.#measure(() => bench.pass(bench.patience));
    if (!bench.running) this.#blame(`the server ended: ${bench.halted}`);
    for (const hostile of this.#hostiles) this.#listen(hostile);
    // Small limits and a flush delay let requests through a few at a time.
    for (let round = 0; round < ROUNDS_MAX && this.#hostiles.some(isOwed); round++) {
      this.#measure(() => bench.pass(1 + bench.patience));
      for (const hostile of this.#hostiles) this.#listen(hostile);
    }
    for (const hostile of this.#hostiles) if (hostile.reading && !hostile.peer.closed) this.#judgeOpen(hostile);
    this.#citizen.act();
    bench.trace.length = 0;
    this.#weigh();
  }

  #judgeOpen({ oracle, peer }: Hostile): void {
    if (oracle.closeDue !== undefined) this.#blame(`${oracle.closeDue} did not close its connection`);
    const { unanswered } = oracle;
    if (unanswered !== undefined) this.#blame(`no answer to ${unanswered}`);
    if (peer.paused) this.#blame("a connection is paused although there is nothing to wait for");
  }

  #isDone(hostile: Hostile): boolean {
    const { peer, oracle } = hostile;
    if (!peer.closed) return false;
    if (!hostile.reading) peer.readAgain();
    this.#listen(hostile);
    const why = oracle.closeDue ?? this.#excuse(hostile);
    if (why === undefined) this.#blame("the server closed a connection that did nothing wrong");
    const kind = why!.replace(/-?\d+/g, "N");
    this.#report.closures.set(kind, (this.#report.closures.get(kind) ?? 0) + 1);
    return true;
  }

  /** Why a connection that did nothing wrong itself may have been closed. */
  #excuse({ peer, oracle, reading, spokeAt }: Hostile): string | undefined {
    const { sessions } = this.#bench.state;
    if (peer.cutByClient) return "its client went away";
    if (!oracle.welcomed && oracle.unanswered === undefined) return "silence";
    if (oracle.blurred) return "xids that look like notifications";
    const session = (oracle.welcomed ? oracle.session : oracle.asked) as SessionId;
    if (!oracle.welcomed && this.#config.connectionThrottle.tokens > 0) return "connection throttle";
    if (!sessions.isLive(session)) return "expiry";
    // Its connection may be given up a little before its session.
    if (oracle.welcomed && this.#bench.now - spokeAt >= oracle.timeout) return "idleness";
    if ((this.#asked.get(session) ?? 0) > 0) return "its session was asked for elsewhere";
    if (!reading) return "it did not read";
    if (this.#config.largeRequestThreshold >= 0) return "large requests";
    if (this.#config.requestStaleLatencyCheck) return "a stale request";
    return undefined;
  }

  #end(): void {
    for (const hostile of this.#hostiles) {
      if (!hostile.reading) this.#change(hostile);
      for (const chunk of hostile.chunks.splice(0)) this.#send(hostile, chunk);
    }
    this.#hostiles = this.#hostiles.filter((hostile) => !this.#isDone(hostile));
    this.#meet();
    for (const { peer } of this.#hostiles) if (!peer.closed) peer.cut();
    const bench = this.#bench;
    this.#citizen.leave();
    bench.pass(bench.patience);
    const { state } = bench;
    if (bench.openPeers > 0) this.#blame(`${bench.openPeers} connections are left`);
    if (state.stats.inProcess !== 0) this.#blame(`${state.stats.inProcess} requests never left the pipeline`);
    if (state.watches.count !== 0) this.#blame(`${state.watches.count} watches are left`);
    if (state.stats.counters.has("digest_mismatches_count")) this.#blame("a digest was not as predicted");
    this.#expectNone(auditTree(state.tree, this.#config.digestEnabled));
    this.#recover();
    this.#report.events += bench.events;
    this.#report.txns += state.tree.lastProcessedZxid;
  }

  #recover(): void {
    const bench = this.#bench;
    const { tree, sessions } = bench.state;
    const committed = [...sessions.committed()].map(([id, timeout]) => `${id} ${timeout}`).sort();
    if (this.#config.forceSync) bench.crashAndRestart((_name, unsynced) => this.#prng.below(unsynced + 1));
    else bench.restart();
    if (!bench.running) this.#blame(`it does not start again: ${bench.halted}`);
    const { state } = bench;
    this.#expectNone(compareTrees(tree, state.tree));
    this.#expectNone(auditTree(state.tree, this.#config.digestEnabled));
    const recovered = [...state.sessions.committed()].map(([id, timeout]) => `${id} ${timeout}`).sort();
    if (committed.join() !== recovered.join()) this.#blame("sessions were not recovered as they were");
    this.#report.recoveries++;
  }

  #measure(call: () => void): void {
    const { clock } = this.#options;
    if (clock === undefined) return call();
    const began = clock();
    call();
    const took = clock() - began;
    if (took > this.#report.longestEvent) this.#report.longestEvent = took;
    if (took > EVENT_PATIENCE) this.#blame(`one frame took ${Math.round(took)} ms`);
  }

  #weigh(): void {
    const bytes = this.#options.memory?.() ?? 0;
    if (bytes > this.#report.memoryMax) this.#report.memoryMax = bytes;
    if (bytes > MEMORY_MAX) this.#blame(`${bytes} bytes of memory are in use`);
  }

  #expectNone(wrong: readonly string[]): void {
    if (wrong.length > 0)
      this.#blame(`${wrong.length} things are wrong with the tree: ${wrong.slice(0, 3).join("; ")}`);
  }

  #where(): string {
    return `${this.#name}, after ${this.#sent} frames`;
  }
  #blame(what: string): never {
    throw new Finding(`${this.#where()}: ${what}`);
  }
}

function isOwed({ peer, oracle, reading }: Hostile): boolean {
  return reading && !peer.closed && (oracle.unanswered !== undefined || oracle.closeDue !== undefined);
}

/** Most settings stay as they are; some are small, so that their limits are met. */
function drawConfig(prng: Prng): Partial<ServerConfig> {
  const sometimes = <T extends object>(part: T): T | Record<string, never> => (prng.chance(1, 3) ? part : {});
  const buffer = prng.chance(1, 2) ? 4096 + prng.below(60_000) : 0xfffff;
  return {
    juteMaxBuffer: buffer,
    juteMaxBufferExtra: buffer,
    maxClientCnxns: 0,
    fourLetterWords: prng.chance(1, 2) ? ["*"] : ["srvr"],
    containerCheckInterval: 2000,
    purgeInterval: 60_000,
    snapCount: 300 + prng.below(3000),
    extendedTypesEnabled: prng.chance(1, 2),
    digestEnabled: prng.chance(4, 5),
    preAllocSize: prng.chance(1, 3) ? 65_536 : 0,
    ...sometimes({ globalOutstandingLimit: 1 + prng.below(20) }),
    ...sometimes({ requestThrottleLimit: 1 + prng.below(6), throttledOpWaitTime: 500 * prng.below(2) }),
    ...sometimes({ enforceQuota: true }),
    ...sometimes({ flushDelay: 5, maxBatchSize: 10 }),
    ...sometimes({ largeRequestThreshold: 2000, largeRequestMaxBytes: 10_000 }),
    ...sometimes({ closeSessionTxnEnabled: false }),
    ...sometimes({ reconfigEnabled: true }),
    ...sometimes({ forceSync: false }),
    ...sometimes({ snapshotCompression: prng.chance(1, 2) ? ("gz" as const) : ("snappy" as const) }),
    ...sometimes({ txnLogSizeLimit: 20_000 }),
    ...sometimes({ skipAcl: true }),
    ...sometimes({ serializeLastProcessedZxid: false }),
  };
}
