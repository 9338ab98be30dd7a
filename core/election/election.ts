/**
 * Finding a leader (Java: FastLeaderElection; reference, sections 2.4 to 2.7). It lives as long as its server: while
 * that leads or follows, it tells those who are looking. Which bytes go over which connection is links.ts's business,
 * what votes mean is vote.ts's. Safety never depends on anything here: the epoch is agreed upon on the quorum port.
 *
 * Beyond Java: a decision does not wait for a better vote when nobody is left who could cast one; who has missed a vote
 * is told it again; who only asks is told when there is an answer; only the very vote that was cast makes a leader.
 */
import type { Address, CloseCause, ConnId, Context, Millis } from "../actor.ts";
import type { Prng } from "../base/prng.ts";
import { TimerTable } from "../base/timers.ts";
import { formatZxid } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { EnsembleConfig } from "../config.ts";
import { Writer } from "../jute/writer.ts";
import type { Notification } from "../protocol/election-messages.ts";
import { LONG_MIN, PeerState, readNotification, writeNotification } from "../protocol/election-messages.ts";
import type { QuorumConfig } from "../quorum/config.ts";
import type { QuorumView } from "../quorum/view.ts";
import { HeardConfigs } from "./heard-configs.ts";
import { Links } from "./links.ts";
import type { CastVote, Vote } from "./vote.ts";
import { isBetter, isLedBy, supporters } from "./vote.ts";

/** No ensemble gets to such a round; one that somebody invents must not use all rounds up. */
const ROUND_MAX = 2 ** 48;
/** Who has no vote hears only what it asks for: it asks at least this often, whatever the time-outs have grown to. */
const ASKING_INTERVAL: Millis = 2000;
/** And is told no oftener that there is no answer. */
const ASKING_PAUSE: Millis = 100;

export interface ElectionHost {
  readonly myId: number;
  readonly ensemble: EnsembleConfig;
  readonly view: QuorumView;
  /** Of the durable state; -1: there is none, and this server may not vote. */
  lastZxid(): Zxid;
  currentEpoch(): number;
  /** A leader was found: the server takes its role. Comes from {@link Election.onDeadline} only. */
  onElected(cx: Context, vote: Vote): void;
  /** Heard while looking. True when it was adopted, so that the election begins again. */
  onNewerConfig(cx: Context, config: QuorumConfig): boolean;
}

export type SettledState = "leading" | "following" | "observing";

export class Election {
  readonly #host: ElectionHost;
  readonly #links: Links;
  readonly #timers: TimerTable<"notify" | "decide" | "announce"> = new TimerTable();
  readonly #writer = new Writer();
  #started = false;
  #state: PeerState = PeerState.looking;
  /** What others are told: the last one settled on, at first this server's own. */
  #vote: Vote = { leader: LONG_MIN, zxid: LONG_MIN as Zxid, round: -1, peerEpoch: LONG_MIN };
  /** The logical clock. */
  #round = 0;
  /** This server's own vote in this election. */
  #initial: Vote = this.#vote;
  #proposal: Vote = this.#vote;
  /** Votes of this round by voter; and of those who are in no election, in whatever round. Never mixed (S39). */
  readonly #received: Map<number, CastVote> = new Map();
  readonly #settledElsewhere: Map<number, CastVote> = new Map();
  /** The present time-out. */
  #interval: Millis = 0;
  /** Those without a vote who asked while there was no answer, and when they were last told so. */
  readonly #askers: Map<number, Millis> = new Map();
  /** Who was told the present proposal again. */
  readonly #reminded: Set<number> = new Set();
  readonly #heard = new HeardConfigs();

  constructor(host: ElectionHost, prng: Prng) {
    this.#host = host;
    this.#links = new Links(
      host,
      {
        onFrame: (cx, id, bytes, start, end) => this.#onFrame(cx, id, bytes, start, end),
        onReachChanged: (cx) => this.#consider(cx),
      },
      host.ensemble.electionConnectTimeout,
      prng,
    );
  }

  /** The last vote that was settled on, or at first this server's own. */
  get vote(): Vote {
    return this.#vote;
  }
  get looking(): boolean {
    return this.#started && this.#state === PeerState.looking;
  }

  /** The server is up. Until then its election port closes whatever connects. */
  start(_cx: Context): void {
    this.#started = true;
    this.#links.start();
    this.#initial = this.#ownVote();
    this.#vote = { ...this.#initial, round: 0 };
  }

  stop(cx: Context): void {
    this.#started = false;
    this.#rest();
    this.#links.stop(cx);
  }

  /** Begins a round of its own. */
  lookForLeader(cx: Context): void {
    this.#state = PeerState.looking;
    this.#rest();
    this.#round++;
    this.#initial = this.#ownVote();
    this.#proposal = this.#initial;
    this.#received.clear();
    this.#settledElsewhere.clear();
    this.#reminded.clear();
    this.#interval = this.#host.ensemble.minNotificationInterval;
    const { leader, zxid, peerEpoch } = this.#initial;
    cx.facts.log("info", "looking for a leader", {
      round: this.#round,
      ...(leader === LONG_MIN ? {} : { zxid: formatZxid(zxid), epoch: peerEpoch }),
    });
    this.#links.seek(cx, this.#host.view.voters());
    this.#propose(cx);
    this.#armNotify(cx);
  }

  /** The server has taken a role; `vote` when no election led to it. */
  settled(state: SettledState, vote: Vote = this.#vote): void {
    this.#rest();
    this.#state = PeerState[state];
    this.#vote = vote;
    this.#refreshLast();
  }

  /** A leader serves in `epoch`: the vote for it says so from here on (reference, section 2.7). */
  setVoteEpoch(epoch: number): void {
    this.#vote = { ...this.#vote, peerEpoch: epoch };
    if (this.#state !== PeerState.looking) this.#refreshLast();
  }

  /** Members came or went. */
  viewChanged(cx: Context): void {
    this.#links.viewChanged(cx);
    this.#consider(cx);
  }

  // Connections of the election port; those that answer say whether the connection is one.

  onAccepted(cx: Context, conn: ConnId, from: Address): void {
    this.#links.onAccepted(cx, conn, from);
  }
  onConnected(cx: Context, conn: ConnId): boolean {
    return this.#links.onConnected(cx, conn);
  }
  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): boolean {
    return this.#links.onReceived(cx, conn, bytes);
  }
  onDrained(cx: Context, conn: ConnId): boolean {
    return this.#links.onDrained(cx, conn);
  }
  onClosed(cx: Context, conn: ConnId, cause: CloseCause): boolean {
    return this.#links.onClosed(cx, conn, cause);
  }

  deadline(): Millis {
    return Math.min(this.#timers.earliest(), this.#links.deadline());
  }

  onDeadline(cx: Context): void {
    this.#links.onDeadline(cx);
    for (let due = this.#timers.takeExpired(cx.now); due !== undefined; due = this.#timers.takeExpired(cx.now)) {
      if (due === "notify") this.#onSilence(cx);
      else if (due === "decide") this.#settleOn(cx, this.#proposal);
      else return this.#announce(cx);
    }
  }

  // Saying

  /** Of a server without a vote nothing is electable; of an observer its history does not count either. */
  #ownVote(): Vote {
    const { myId, view } = this.#host;
    const observes = this.#observes();
    return {
      leader: view.isVoter(myId) ? myId : LONG_MIN,
      zxid: observes ? (LONG_MIN as Zxid) : this.#host.lastZxid(),
      round: this.#round,
      peerEpoch: observes ? LONG_MIN : this.#host.currentEpoch(),
    };
  }

  #observes(): boolean {
    const { myId, view, ensemble } = this.#host;
    return (view.current.members.get(myId)?.role ?? ensemble.peerType) === "observer";
  }

  /** The proposal, to every voter, this one included: its own vote counts when it is cast. */
  #propose(cx: Context): void {
    const message = this.#encode(PeerState.looking, this.#proposal, this.#round);
    for (const id of this.#host.view.voters()) if (id !== this.#host.myId) this.#links.send(cx, id, message);
    this.#castOwn();
    this.#consider(cx);
  }

  /** A server that must not vote for want of data does not count itself either. */
  #castOwn(): void {
    const { myId, view } = this.#host;
    if (!view.isVoter(myId) || this.#initial.zxid === -1 || !view.isVoter(this.#proposal.leader)) return;
    const { leader, zxid, peerEpoch } = this.#proposal;
    const state = PeerState.looking;
    this.#received.set(myId, { leader, zxid, peerEpoch, round: this.#round, state, unversioned: false });
  }

  #answer(cx: Context, id: number): void {
    // The round of a vote is part of it; one without a vote is told the present one (Java: WorkerReceiver).
    const round = this.#host.view.isVoter(id) ? this.#vote.round : this.#round;
    this.#links.send(cx, id, this.#encode(this.#state, this.#vote, round));
  }

  #encode(state: PeerState, vote: Vote, round: number): Uint8Array {
    const { leader, zxid, peerEpoch } = vote;
    const config = this.#host.view.current.text();
    writeNotification(this.#writer.clear(), { state, leader, zxid, round, peerEpoch, config });
    return this.#writer.take();
  }

  /** Who connects later is not told of an election that is over. */
  #refreshLast(): void {
    const message = this.#encode(this.#state, this.#vote, this.#vote.round);
    for (const id of this.#host.view.voters()) this.#links.replaceLast(id, message);
  }

  #armNotify(cx: Context): void {
    const { myId, view, ensemble } = this.#host;
    const most = view.isVoter(myId) ? Infinity : ASKING_INTERVAL;
    this.#timers.arm("notify", cx.now + Math.min(this.#interval, most));
    this.#interval = Math.min(this.#interval * 2, ensemble.maxNotificationInterval);
  }

  /** Something may have been lost. */
  #onSilence(cx: Context): void {
    this.#links.renewSilent(cx);
    this.#propose(cx);
    this.#armNotify(cx);
  }

  // Hearing

  #onFrame(cx: Context, from: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.#started) return;
    const n = readNotification(bytes, start, end);
    if (n === undefined || n.round > ROUND_MAX) {
      cx.facts.log("warn", "an election message makes no sense", { server: from, bytes: end - start });
      return;
    }
    const { view } = this.#host;
    const looking = this.#state === PeerState.looking;
    if (looking && n.config !== undefined && this.#adopts(cx, from, n.config)) return this.lookForLeader(cx);
    if (!view.isVoter(from)) return this.#onQuestion(cx, from, n);
    if (!looking) {
      if (n.state === PeerState.looking) this.#answer(cx, from);
      return;
    }
    cx.facts.log("debug", "election message", { server: from, ...n, config: undefined });
    if (n.state === PeerState.looking) this.#onLooking(cx, from, n);
    else if (n.state !== PeerState.observing) this.#onSettled(cx, from, n);
  }

  /** From somebody without a vote. */
  #onQuestion(cx: Context, from: number, n: Notification): void {
    // Java answers whatever it says; two that had both lost their votes would answer each other for ever.
    if (n.state !== PeerState.looking) return;
    if (this.#state === PeerState.looking) {
      // One whose round is ahead says so whenever it hears of an earlier one (Java: WorkerReceiver, observers too).
      if (cx.now - (this.#askers.get(from) ?? -Infinity) < ASKING_PAUSE) return;
      this.#askers.set(from, cx.now);
    }
    this.#answer(cx, from);
  }

  /** True when `text` is of a newer configuration that this server goes by from now on. */
  #adopts(cx: Context, from: number, text: string): boolean {
    const { current } = this.#host.view;
    if (text === current.text()) return false;
    const config = this.#heard.read(cx, from, text);
    return config !== undefined && config.version > current.version && this.#host.onNewerConfig(cx, config);
  }

  #onLooking(cx: Context, from: number, n: Notification): void {
    const { view, myId } = this.#host;
    // One without a vote waits for a leader; others change their minds.
    if (!view.isVoter(myId)) return;
    if (n.round < this.#round) return this.#tell(cx, from);
    if (!view.isVoter(n.leader)) return;
    if (this.#initial.zxid === -1 || n.zxid === -1) return;
    const vote: CastVote = castOf(n);
    if (n.round > this.#round) {
      this.#round = n.round;
      this.#received.clear();
      this.#initial = { ...this.#initial, round: n.round };
      // Not than the present proposal: that was made of votes which no longer count.
      const better = isBetter(view, vote, this.#initial);
      this.#received.set(from, vote);
      return this.#changeTo(cx, better ? vote : this.#initial);
    }
    this.#received.set(from, vote);
    if (isBetter(view, vote, this.#proposal)) return this.#changeTo(cx, vote);
    // It has not heard our vote, perhaps because it was in a role until now.
    if (isBetter(view, this.#proposal, vote) && !this.#reminded.has(from)) {
      // Once: two that go by different weights would never stop.
      this.#reminded.add(from);
      this.#tell(cx, from);
    }
    this.#consider(cx);
  }

  #changeTo(cx: Context, vote: Vote): void {
    this.#proposal = vote;
    this.#reminded.clear();
    this.#timers.disarm("decide");
    this.#propose(cx);
  }

  #tell(cx: Context, id: number): void {
    this.#links.send(cx, id, this.#encode(PeerState.looking, this.#proposal, this.#round));
  }

  /** From somebody who follows or leads: the ensemble may have a leader already. */
  #onSettled(cx: Context, from: number, n: Notification): void {
    const { view, myId } = this.#host;
    if (!view.isVoter(n.leader)) return;
    const vote = castOf(n);
    if (n.round === this.#round) {
      // Kept without its version, as Java does: votes of this round are compared by their leader alone.
      this.#received.set(from, { ...vote, unversioned: true });
      if (this.#convinces(this.#received, vote)) return this.#settleOn(cx, vote);
    }
    this.#settledElsewhere.set(from, vote);
    if (this.#convinces(this.#settledElsewhere, vote)) {
      this.#round = n.round;
      return this.#settleOn(cx, vote);
    }
    if (view.isVoter(myId)) this.#consider(cx);
  }

  // Deciding

  #convinces(votes: ReadonlyMap<number, CastVote>, vote: CastVote): boolean {
    const { view, myId } = this.#host;
    return view.containsQuorum(supporters(votes, vote)) && isLedBy(votes, vote, this.#initial, myId);
  }

  /**
   * Does a quorum want what this server proposes? Then it waits for a better vote: `finalizeWait` if there may be one, no
   * longer than it takes to read what has arrived if everybody who can be reached has voted for the same.
   */
  #consider(cx: Context): void {
    const { view, ensemble } = this.#host;
    if (!this.looking) return;
    const proposal: CastVote = { ...this.#proposal, round: this.#round, state: PeerState.looking, unversioned: false };
    if (!view.containsQuorum(supporters(this.#received, proposal))) return this.#timers.disarm("decide");
    const settles = (id: number): boolean =>
      this.#received.get(id)?.leader === proposal.leader || view.weightOf(id) === 0 || this.#links.isDown(id);
    if (view.voters().every(settles)) this.#timers.arm("decide", cx.now);
    else if (!this.#timers.isArmed("decide")) this.#timers.arm("decide", cx.now + ensemble.finalizeWait);
  }

  /** Others hear of it at once; the server itself when the event that brought it is over. */
  #settleOn(cx: Context, vote: Vote): void {
    const { leader, zxid, peerEpoch } = vote;
    const { myId } = this.#host;
    const state = leader === myId ? "leading" : this.#observes() ? "observing" : "following";
    this.settled(state, { leader, zxid, round: this.#round, peerEpoch });
    for (const id of this.#askers.keys()) this.#answer(cx, id);
    this.#askers.clear();
    this.#timers.arm("announce", cx.now);
  }

  #announce(cx: Context): void {
    const { leader, peerEpoch, round, zxid } = this.#vote;
    cx.facts.log("info", "a leader is elected", { leader, zxid: formatZxid(zxid), epoch: peerEpoch, round });
    cx.facts.elected(leader, peerEpoch);
    this.#host.onElected(cx, this.#vote);
  }

  #rest(): void {
    this.#timers.disarm("notify");
    this.#timers.disarm("decide");
    this.#timers.disarm("announce");
    this.#links.rest();
  }
}

function castOf(n: Notification): CastVote {
  const { leader, zxid, round, peerEpoch, state } = n;
  return { leader, zxid, round, peerEpoch, state, unversioned: n.config === undefined };
}
