/**
 * Changing who belongs to the ensemble: what a leader checks of a request, who leads next, and what a new configuration
 * makes of a server (Java: PrepRequestProcessor, case reconfig; Leader.getDesignatedLeader;
 * QuorumPeer.processReconfig; reference, sections 7.3 to 7.5). Decisions only: what follows from them is done by the
 * leader, the learner and the server.
 */
import type { Address, Context } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import type { Reader } from "../jute/reader.ts";
import { encodeUtf8, utf8Length } from "../jute/utf8.ts";
import type { Request } from "../pipeline/request.ts";
import type { ReconfigGate } from "../pipeline/state.ts";
import { Code } from "../protocol/codes.ts";
import { ELECTION_FRAME_MAX, NOTIFICATION_BYTES_MIN } from "../protocol/election-messages.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { readReconfigRequest } from "../protocol/requests.ts";
import type { ReconfigRequest } from "../protocol/requests.ts";
import type { Txn } from "../protocol/txns.ts";
import type { AckSet } from "../quorum/ack-set.ts";
import { QuorumConfig } from "../quorum/config.ts";
import type { Member } from "../quorum/config.ts";
import { readMember } from "../quorum/config-text.ts";
import type { QuorumView } from "../quorum/view.ts";
import { CONFIG_PATH } from "../tree/paths.ts";
import type { Role } from "./role.ts";

/** A notification carries the whole text; a longer one could not be elected with any more. */
const TEXT_MAX: number = ELECTION_FRAME_MAX - NOTIFICATION_BYTES_MIN;

/** Voting followers that have been brought up to date and are not late (reference, section 3.4); observers never. */
export type SyncedFollowers = (cx: Context) => ReadonlySet<number>;

/** Of a leader whose ensemble may be changed. */
export class LeaderReconfigGate implements ReconfigGate {
  readonly #view: QuorumView;
  readonly #standaloneEnabled: boolean;
  readonly #syncedFollowers: SyncedFollowers;

  constructor(view: QuorumView, standaloneEnabled: boolean, syncedFollowers: SyncedFollowers) {
    this.#view = view;
    this.#standaloneEnabled = standaloneEnabled;
    this.#syncedFollowers = syncedFollowers;
  }

  prepare(cx: Context, request: Request, body: Reader): Txn | number {
    const wanted = readReconfigRequest(body);
    if (body.failed) return Code.MARSHALLINGERROR;
    const next = nextConfig(wanted, {
      view: this.#view,
      standaloneEnabled: this.#standaloneEnabled,
      syncedFollowers: this.#syncedFollowers(cx),
      zxid: request.zxid,
    });
    if (typeof next === "number") return next;
    return { type: OpCode.reconfig, path: CONFIG_PATH, data: encodeUtf8(next.text()), version: -1 };
  }
}

export interface ReconfigContext {
  readonly view: QuorumView;
  readonly standaloneEnabled: boolean;
  /** With or without the leader. */
  readonly syncedFollowers: ReadonlySet<number>;
  /** Of the request: the new configuration's version. */
  readonly zxid: Zxid;
}

/** The configuration that `request` makes, or the code of the first check that fails, in Java's order. */
export function nextConfig(request: ReconfigRequest, context: ReconfigContext): QuorumConfig | number {
  const { view, zxid } = context;
  const { current, lastSeen, myId } = view;
  if (lastSeen.version !== current.version) return Code.RECONFIGINPROGRESS;
  // Versions beyond what a number holds are none of ours.
  if (request.curConfigId !== -1 && request.curConfigId !== lastSeen.version) return Code.BADVERSION;
  const wanted = request.newMembers === null ? changed(lastSeen, request) : QuorumConfig.parse(request.newMembers);
  if (wanted === undefined || "error" in wanted) return Code.BADARGUMENTS;
  // Refused in zoo.cfg too (Java: multiAddress.enabled, off by default): nobody could be started again with it.
  for (const member of wanted.members.values()) if (member.quorumAddresses.length > 1) return Code.BADARGUMENTS;
  if (wanted.voters.length < (context.standaloneEnabled ? 2 : 1)) return Code.BADARGUMENTS;
  const next = wanted.withVersion(zxid);
  if (utf8Length(next.text()) > TEXT_MAX) return Code.BADARGUMENTS;
  const synced = new Set(context.syncedFollowers).add(myId);
  return next.containsQuorum(synced) ? next : Code.NEWCONFIGNOQUORUM;
}

/** Leaving servers first, then joining ones. Undefined: some part of the request is malformed. */
function changed(base: QuorumConfig, request: ReconfigRequest): QuorumConfig | undefined {
  if (base.isHierarchical) return undefined;
  const members = new Map(base.members);
  for (const leaving of listOf(request.leavingServers)) {
    if (!/^-?\d{1,15}$/.test(leaving)) return undefined;
    members.delete(Number(leaving));
  }
  for (const joining of listOf(request.joiningServers)) {
    const match = /^server\.(\d{1,15})\s*=\s*(.*)$/.exec(joining);
    if (match === null) return undefined;
    const member = readMember(Number(match[1]), match[2]!);
    // Nobody else could say where its clients are to go.
    if (typeof member === "string" || member.clientAddress === undefined) return undefined;
    const own = placesOf(member);
    for (const other of members.values()) {
      if (other.id !== member.id && placesOf(other).some((place) => own.includes(place))) return undefined;
    }
    members.set(member.id, member);
  }
  return new QuorumConfig(members, base.version);
}

/** Java: StringUtils.split, which drops blank parts. */
function listOf(text: string | null): string[] {
  if (text === null) return [];
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** Where it is, but for places that are another one on every machine (Java: QuorumServer.excludedSpecialAddresses). */
function placesOf(member: Member): Address[] {
  const places = [...member.quorumAddresses, ...member.electionAddresses];
  if (member.clientAddress !== undefined) places.push(member.clientAddress);
  return places.filter((place) => !isLocal(place.slice(0, place.lastIndexOf(":"))));
}

function isLocal(host: string): boolean {
  return /^(0\.0\.0\.0|127\.\d+\.\d+\.\d+|localhost|\[0:0:0:0:0:0:0:[01]\])$/i.test(host);
}

/**
 * Who leads once `next` is in force. The leader stays if it votes there at the same quorum addresses; else whoever
 * acknowledged the reconfig and the longest run of what was proposed after it, so that least is lost.
 *
 * `later` are the acks of proposals after the reconfig, in zxid order. Without any other candidate the leader is it.
 */
export function designatedLeader(
  leader: number,
  before: QuorumConfig,
  next: QuorumConfig,
  reconfigAcks: AckSet,
  later: Iterable<AckSet>,
): number {
  if (next.isVoter(leader) && samePlaces(before.members.get(leader), next.members.get(leader))) return leader;
  let candidates = reconfigAcks.ids().filter((id) => id !== leader && next.isVoter(id) && next.weightOf(id) > 0);
  candidates.sort((a, b) => a - b);
  for (const acks of later) {
    if (candidates.length <= 1) break;
    const remaining = candidates.filter((id) => acks.has(id));
    if (remaining.length === 0) break;
    candidates = remaining;
  }
  return candidates[0] ?? leader;
}

/** A server that is in no list takes part without a vote. */
export type Membership = "participant" | "observer";

export function membershipOf(id: number, config: QuorumConfig): Membership {
  return config.members.get(id)?.role ?? "participant";
}

export interface Becoming {
  /** What it is from now on. */
  readonly membership: Membership;
  /** Its role ends: it is to be something else, or somebody else leads. */
  readonly ends: boolean;
  /** Who leads, as the reconfig named it; undefined: an election decides, if the role ends. */
  readonly leader: number | undefined;
}

/**
 * What becomes of a server in role `kind` under `leader` when `after` follows `before`. `designated` is undefined where
 * the configuration came without a commit: with UPTODATE.
 */
export function whatBecomes(
  myId: number,
  kind: Role["kind"],
  leader: number,
  before: QuorumConfig,
  after: QuorumConfig,
  designated: number | undefined,
): Becoming {
  const membership = membershipOf(myId, after);
  const stays = { membership, ends: false, leader };
  if (after.version <= before.version || after.sameMembers(before)) return stays;
  const roleChanges = kind === "leading" ? false : (membership === "observer") !== (kind === "observing");
  const leaderChanges =
    designated === undefined
      ? !before.isVoter(leader) ||
        !after.isVoter(leader) ||
        !samePlaces(before.members.get(leader), after.members.get(leader))
      : designated !== leader;
  if (!roleChanges && !leaderChanges) return stays;
  return { membership, ends: true, leader: designated };
}

function samePlaces(before: Member | undefined, after: Member | undefined): boolean {
  return before !== undefined && after !== undefined && before.quorumAddresses.join() === after.quorumAddresses.join();
}
