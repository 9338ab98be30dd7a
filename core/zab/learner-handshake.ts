/**
 * The first words of a learner and its leader: who this server is, the epoch, what its log ends with (Java:
 * Learner.registerWithLeader; reference, section 3.3). A promise (acceptedEpoch) is durable before it is given.
 */
import type { Context } from "../actor.ts";
import { ZXID_ZERO, epochOf, packZxid } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import { Writer } from "../jute/writer.ts";
import {
  PROTOCOL_VERSION,
  PacketType,
  readIntData,
  writeAckEpoch,
  writeLearnerInfo,
  writePacket,
} from "../protocol/quorum-packets.ts";
import type { RoleHost } from "./role.ts";

/** Java: ExitCode.UNABLE_TO_ACCESS_DATADIR. */
const EXIT_DATA_DIRECTORY = 3;
/** What a history without any txn ends with. */
const NO_HISTORY = ZXID_ZERO;
/** This epoch was promised before, possibly to a leader that came to nothing: this server's history does not count. */
const ALREADY_PROMISED = -1;

/** FOLLOWERINFO, or OBSERVERINFO. */
export function introduce(out: Writer, host: RoleHost, isObserver: boolean): void {
  const info = new Writer(24);
  writeLearnerInfo(info, {
    serverId: host.myId,
    protocolVersion: PROTOCOL_VERSION,
    configVersion: host.view.current.version,
    isVivarium: true,
  });
  const type = isObserver ? PacketType.observerInfo : PacketType.followerInfo;
  writePacket(out, type, packZxid(host.epochs.accepted, 0), info.bytes, 0, info.length);
}

export type EpochAnswer = { readonly refused: string } | "answered" | "promising";

/**
 * LEADERINFO names an epoch. "promising": the promise has to reach the disk first, and `promised` is called when it has
 * (the role may be over by then); "answered": it was given before, and ACKEPOCH has been written to `out`.
 * `needsTree`: what is here is of no use, so that this server asks for everything. It can only where its answer does
 * not count: otherwise a leader would be told of a history that falls short of what this server has acknowledged.
 */
export function answerEpoch(
  cx: Context,
  host: RoleHost,
  out: Writer,
  zxid: Zxid,
  data: Uint8Array | null,
  needsTree: boolean,
  promised: () => void,
): EpochAnswer {
  const version = readIntData(data);
  if (version !== PROTOCOL_VERSION)
    return { refused: `the leader speaks version ${version ?? "none"} of the protocol` };
  const { epochs } = host;
  const epoch = epochOf(zxid);
  const { accepted } = epochs;
  // Nobody has ever counted on the promise of a server without a vote.
  if (epoch < accepted && host.view.isVoter(host.myId)) {
    return { refused: `the leader's epoch ${epoch} is over: this server has promised not to go below ${accepted}` };
  }
  // The end of the log: the server applies everything that is in it before it takes a role (reference, S07 and S08).
  const last = host.state.tree.lastProcessedZxid;
  if (epoch <= accepted) {
    writeAckEpoch(out, needsTree ? NO_HISTORY : last, ALREADY_PROMISED);
    return "answered";
  }
  epochs.setAccepted(cx, epoch, (then, ok) => {
    if (!ok) return then.halt(EXIT_DATA_DIRECTORY, `the promise of epoch ${epoch} cannot be kept on disk`);
    promised();
  });
  return "promising";
}

/** currentEpoch as NEWLEADER's acknowledgement claims it, durable before `then`. Without a vote, it may be later here. */
export function adoptEpoch(cx: Context, host: RoleHost, epoch: number, then: (cx: Context) => void): void {
  if (host.epochs.current >= epoch) return then(cx);
  host.epochs.setCurrent(cx, epoch, (later, ok) => {
    if (!ok) return later.halt(EXIT_DATA_DIRECTORY, `epoch ${epoch} cannot be noted on disk`);
    then(later);
  });
}
