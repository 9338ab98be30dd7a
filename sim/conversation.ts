/**
 * What servers and clients say to each other, as lines for people: a tap on the network that reads every connection's
 * bytes as the protocol of its port (election 2.4, quorum 3.1, client: references). One line per packet, in the order in
 * which they were sent:
 *
 *     server1 -> server3  FOLLOWERINFO accepted 1, id 1
 *     server3 -> server1  PROPOSAL 2:1 create /a
 *
 * Reads only. Bytes that make no sense end the reading of their direction with a line that says so.
 */
import { FrameBuffer } from "../core/jute/frames.ts";
import { Reader } from "../core/jute/reader.ts";
import { codeName } from "../core/protocol/codes.ts";
import { PeerState, readGreeting, readNotification } from "../core/protocol/election-messages.ts";
import type { Notification } from "../core/protocol/election-messages.ts";
import {
  readConnectRequest,
  readConnectResponse,
  readReplyHeader,
  readRequestHeader,
  readWatcherEvent,
  Xids,
} from "../core/protocol/headers.ts";
import { OpCode, opName } from "../core/protocol/op-codes.ts";
import { PacketStream } from "../core/protocol/quorum-packets.ts";
import { showZxid } from "./checkers/checker.ts";
import { SnapshotSkip, describePacket } from "./conversation-packets.ts";
import { nameOf } from "./session-name.ts";
import type { Network } from "./network.ts";
import type { Side } from "./side.ts";

const BYTES_MAX = 4 * 1024 * 1024;
const ELECTION_PORT = ":3888";
const QUORUM_PORT = ":2888";
const CLIENT_PORT = ":2181";
const STATES = new Map<number, string>(Object.entries(PeerState).map(([name, state]) => [state, name.toUpperCase()]));
/** XIDs' requests on one client connection, for the replies' lines. */
type Asked = Map<number, string>;

/** Reads one direction of one connection. */
interface Listener {
  accept(bytes: Uint8Array, say: (line: string) => void): void;
}

export type Port = "election" | "quorum" | "client";

export class Conversation {
  readonly lines: string[] = [];
  readonly #ports: ReadonlySet<Port>;
  readonly #listeners: Map<Side, Listener> = new Map();
  /** What was asked on a client connection, found by either of its sides. */
  readonly #asked: Map<Side, Asked> = new Map();

  constructor(ports: readonly Port[]) {
    this.#ports = new Set(ports);
  }

  /** Listens from now on: connections that stand already are not understood. */
  listen(network: Network): this {
    network.tap = (side, to, bytes, start, end) => this.#heard(side, to, bytes.subarray(start, end));
    return this;
  }

  /** A line of the listener's own, to tell apart what follows. */
  note(text: string): void {
    this.lines.push(`-- ${text}`);
  }

  #heard(side: Side, to: string, bytes: Uint8Array): void {
    let listener = this.#listeners.get(side);
    if (listener === undefined) {
      listener = this.#listenerFor(side);
      this.#listeners.set(side, listener);
    }
    listener.accept(bytes, (line) => void this.lines.push(`${side.host.name} -> ${to}  ${line}`));
  }

  #listenerFor(side: Side): Listener {
    const { to, host } = side;
    const isCaller = !to.startsWith(`${host.name}:`);
    if (to.endsWith(ELECTION_PORT)) return this.#ports.has("election") ? new Votes(isCaller) : DEAF;
    if (to.endsWith(QUORUM_PORT)) return this.#ports.has("quorum") ? new Packets() : DEAF;
    if (!to.endsWith(CLIENT_PORT) || !this.#ports.has("client")) return DEAF;
    const asked = this.#askedOn(side);
    return isCaller ? new Requests(asked) : new Answers(asked);
  }

  #askedOn(side: Side): Asked {
    const shared = this.#asked.get(side) ?? (side.peer === undefined ? undefined : this.#asked.get(side.peer));
    const asked: Asked = shared ?? new Map<number, string>();
    this.#asked.set(side, asked);
    return asked;
  }
}

const DEAF: Listener = { accept() {} };

class Votes implements Listener {
  readonly #frames: FrameBuffer = new FrameBuffer(BYTES_MAX);
  #greets: boolean;

  constructor(greets: boolean) {
    this.#greets = greets;
  }

  accept(bytes: Uint8Array, say: (line: string) => void): void {
    let rest = bytes;
    if (this.#greets) {
      this.#greets = false;
      const greeting = readGreeting(bytes);
      if (typeof greeting === "string") return say(`a greeting that is ${greeting}`);
      say(`greeting of ${greeting.id}`);
      rest = bytes.subarray(greeting.length);
    }
    this.#frames.accept(rest);
    while (this.#frames.next() === "frame") {
      const { start, end } = this.#frames;
      const notification = readNotification(this.#frames.bytes, start, end);
      say(notification === undefined ? "a notification that cannot be read" : describeNotification(notification));
    }
    this.#frames.keep();
  }
}

function describeNotification({ state, leader, zxid, round, peerEpoch }: Notification): string {
  const vote = leader < 0 ? "nobody" : `${leader} with epoch ${peerEpoch}, zxid ${showZxid(zxid)}`;
  return `${STATES.get(state)} votes in round ${round} for ${vote}`;
}

class Packets implements Listener {
  readonly #stream: PacketStream = new PacketStream(BYTES_MAX);
  #skip: SnapshotSkip | undefined;

  accept(bytes: Uint8Array, say: (line: string) => void): void {
    if (this.#skip === undefined) this.#stream.accept(bytes);
    else if (!this.#skipped(bytes, say)) return;
    while (this.#skip === undefined) {
      const status = this.#stream.next();
      if (status === "malformed") return say("what is no packet");
      if (status === "partial") break;
      const { type, zxid, data } = this.#stream;
      const packet = describePacket(type, zxid, data);
      if (packet.line !== undefined) say(packet.line);
      if (!packet.beginsSnapshot) continue;
      this.#skip = new SnapshotSkip();
      this.#skipped(this.#stream.takeRest().slice(), say);
    }
    this.#stream.keep();
  }

  /** True once the snapshot is over; the packets behind it have been accepted. */
  #skipped(bytes: Uint8Array, say: (line: string) => void): boolean {
    const rest = this.#skip!.accept(bytes);
    if (rest === undefined) return false;
    say(`(a tree, ${this.#skip!.summary})`);
    this.#skip = undefined;
    this.#stream.accept(rest);
    return true;
  }
}

class Requests implements Listener {
  readonly #frames: FrameBuffer = new FrameBuffer(BYTES_MAX);
  readonly #asked: Asked;
  #connects = true;

  constructor(asked: Asked) {
    this.#asked = asked;
  }

  accept(bytes: Uint8Array, say: (line: string) => void): void {
    this.#frames.accept(bytes);
    while (this.#frames.next() === "frame") {
      const r = new Reader(this.#frames.bytes, this.#frames.start, this.#frames.end);
      if (this.#connects) {
        this.#connects = false;
        const { sessionId, lastZxidSeen } = readConnectRequest(r);
        say(sessionId === 0n ? "connect" : `connect, session ${nameOf(sessionId)}, has seen ${showZxid(lastZxidSeen)}`);
        continue;
      }
      const { xid, type } = readRequestHeader(r);
      if (type === OpCode.ping) continue;
      const path = HAS_PATH.has(type) ? ` ${r.string() ?? "null"}` : "";
      const what = `${opName(type)}${path}`;
      this.#asked.set(xid, what);
      say(what);
    }
    this.#frames.keep();
  }
}

class Answers implements Listener {
  readonly #frames: FrameBuffer = new FrameBuffer(BYTES_MAX);
  readonly #asked: Asked;
  #connects = true;

  constructor(asked: Asked) {
    this.#asked = asked;
  }

  accept(bytes: Uint8Array, say: (line: string) => void): void {
    this.#frames.accept(bytes);
    while (this.#frames.next() === "frame") {
      const r = new Reader(this.#frames.bytes, this.#frames.start, this.#frames.end);
      if (this.#connects) {
        this.#connects = false;
        const { timeOut, sessionId } = readConnectResponse(r);
        say(timeOut <= 0 ? "session refused" : `session ${nameOf(sessionId)} for ${timeOut} ms`);
        continue;
      }
      const { xid, zxid, err } = readReplyHeader(r);
      if (xid === Xids.ping) continue;
      if (xid === Xids.notification) {
        const { type, path } = readWatcherEvent(r);
        say(`event ${type} at ${path}`);
        continue;
      }
      const outcome = err === 0 ? "done" : codeName(err);
      say(`${this.#asked.get(xid) ?? `xid ${xid}`}: ${outcome}, zxid ${showZxid(zxid)}`);
      this.#asked.delete(xid);
    }
    this.#frames.keep();
  }
}

const HAS_PATH: ReadonlySet<number> = new Set([
  OpCode.create,
  OpCode.create2,
  OpCode.createContainer,
  OpCode.createTTL,
  OpCode.delete,
  OpCode.setData,
  OpCode.setACL,
  OpCode.getData,
  OpCode.exists,
  OpCode.getChildren,
  OpCode.getChildren2,
  OpCode.sync,
]);
