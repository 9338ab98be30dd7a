/**
 * A client actor without sockets: the test plays the network and the server, byte by byte, and owns the clock. Calls
 * of the application and what became of them are plain records.
 */
import type { Address, ConnId, Context } from "../../core/actor.ts";
import { NO_FACTS } from "../../core/actor.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import type { SessionId } from "../../core/base/ids.ts";
import { Client } from "../../core/client/client.ts";
import type { Completion } from "../../core/client/calls.ts";
import { DEFAULT_CLIENT_CONFIG } from "../../core/client/config.ts";
import type { ClientConfig } from "../../core/client/config.ts";
import type { ZooKeeperError } from "../../core/client/errors.ts";
import type { ClientState, WatcherType, WatchEvent, WatchListener } from "../../core/client/events.ts";
import type { Operation } from "../../core/client/operations.ts";
import { Reader } from "../../core/jute/reader.ts";
import { Writer } from "../../core/jute/writer.ts";
import { Outbox } from "../../core/outbox.ts";
import type { EffectSink } from "../../core/outbox.ts";
import {
  EventType,
  readConnectRequest,
  writeConnectResponse,
  writeReplyHeader,
  writeWatcherEvent,
  Xids,
} from "../../core/protocol/headers.ts";
import type { ConnectRequest } from "../../core/protocol/headers.ts";
import { opName } from "../../core/protocol/op-codes.ts";

/** A connection that the client asked for, from the other end. */
export interface Peer {
  readonly conn: ConnId;
  readonly server: Address;
  /** What the client has sent and the test has not yet looked at. */
  sent: Uint8Array;
  /** The client has closed it. */
  closed: boolean;
}

export interface SentRequest {
  readonly xid: number;
  readonly type: number;
  readonly name: string;
  /** Stands at the body. */
  readonly body: Reader;
}

/** What became of a call. */
export interface Outcome<T> {
  value: T | undefined;
  error: ZooKeeperError | undefined;
  settled: boolean;
}

export const SESSION = 0x0100_0000_0000_002an as SessionId;
export const PASSWORD: Uint8Array = Uint8Array.from({ length: 16 }, (_, i) => i + 1);

export class ClientBench {
  now = 1_000_000;
  readonly client: Client;
  readonly peers: Peer[] = [];
  readonly states: ClientState[] = [];
  /** In the order in which the client told of them: `state`, `event path`, or what a call settled with. */
  readonly log: string[] = [];
  readonly events: WatchEvent[] = [];
  halted: number | undefined;
  readonly #outbox: Outbox = new Outbox(NO_FACTS, () => 0);
  readonly #sink: EffectSink;

  constructor(config: Partial<ClientConfig> = {}, seed = 1) {
    const servers = ["a:2181" as Address];
    this.client = new Client({ ...DEFAULT_CLIENT_CONFIG, servers, sessionTimeout: 9000, ...config }, seed, {
      stateChanged: (state) => {
        this.states.push(state);
        this.log.push(state);
      },
      watchFired: (listener, event) => listener(event),
    });
    this.#sink = this.#effects();
    this.run((cx) => this.client.onStarted(cx));
  }

  /** The last connection that the client asked for. */
  get peer(): Peer {
    const peer = this.peers.at(-1);
    if (peer === undefined) throw new Error("the client has not asked for a connection");
    return peer;
  }

  run(f: (cx: Context) => void): void {
    this.#outbox.begin(this.now, 0);
    f(this.#outbox);
    this.#outbox.drain(this.#sink);
  }

  /** Moves the clock, delivering every deadline on the way at its own instant. */
  advance(by: number): void {
    const until = this.now + by;
    for (let turns = 0; this.client.deadline() <= until; turns++) {
      if (turns > 1000) throw new Error(`the deadline ${this.client.deadline()} does not move on`);
      this.now = Math.max(this.now, this.client.deadline());
      this.run((cx) => this.client.onDeadline(cx));
    }
    this.now = until;
  }

  connected(peer: Peer = this.peer): ConnectRequest {
    this.run((cx) => this.client.onConnected(cx, peer.conn));
    const frame = takeFrame(peer);
    if (frame === undefined) throw new Error("no ConnectRequest");
    return readConnectRequest(new Reader(frame));
  }

  /** Accepts the connection and answers the handshake. */
  establish(answer: { timeOut?: number; readOnly?: boolean; sessionId?: SessionId } = {}): ConnectRequest {
    const request = this.connected();
    this.deliver(connectResponse(answer));
    return request;
  }

  deliver(bytes: Uint8Array, peer: Peer = this.peer): void {
    const lent = bytes.slice();
    this.run((cx) => this.client.onReceived(cx, peer.conn, lent));
    // What was lent is no longer ours to rely on.
    lent.fill(0xee);
  }

  drop(cause: "peer" | "refused" | "unreachable" | "reset" = "peer", peer: Peer = this.peer): void {
    this.run((cx) => this.client.onClosed(cx, peer.conn, cause));
  }

  requests(peer: Peer = this.peer): SentRequest[] {
    const requests: SentRequest[] = [];
    for (let frame = takeFrame(peer); frame !== undefined; frame = takeFrame(peer)) {
      const body = new Reader(frame);
      const xid = body.int();
      const type = body.int();
      requests.push({ xid, type, name: opName(type), body });
    }
    return requests;
  }

  /** The one request that was sent since. */
  request(): SentRequest {
    const requests = this.requests();
    if (requests.length !== 1) throw new Error(`sent: ${requests.map((each) => each.name).join(", ")}`);
    return requests[0]!;
  }

  call<T>(operation: Operation<T>, name?: string): Outcome<T> {
    const outcome: Outcome<T> = { value: undefined, error: undefined, settled: false };
    this.run((cx) => this.client.submit(cx, operation, this.#completion(outcome, name)));
    return outcome;
  }

  addCredentials(scheme: string, auth: string): Outcome<void> {
    const outcome: Outcome<void> = { value: undefined, error: undefined, settled: false };
    const credentials = { scheme, auth: ascii(auth) };
    this.run((cx) => this.client.addCredentials(cx, credentials, this.#completion(outcome)));
    return outcome;
  }

  removeWatches(path: string, type: WatcherType, listener?: WatchListener): Outcome<void> {
    const outcome: Outcome<void> = { value: undefined, error: undefined, settled: false };
    this.run((cx) => this.client.removeWatches(cx, path, type, listener, this.#completion(outcome)));
    return outcome;
  }

  close(): Outcome<void> {
    const outcome: Outcome<void> = { value: undefined, error: undefined, settled: false };
    this.run((cx) => this.client.close(cx, this.#completion(outcome, "close")));
    return outcome;
  }

  /** A listener which notes what it hears under `name`. */
  listener(name = ""): WatchListener {
    return (event) => {
      this.events.push(event);
      this.log.push(`${name === "" ? "" : `${name}: `}${event.type} ${event.path ?? event.state}`);
    };
  }

  #completion<T>(outcome: Outcome<T>, name?: string): Completion<T> {
    const settle = (what: string): void => {
      if (outcome.settled) throw new Error("a call was settled twice");
      outcome.settled = true;
      if (name !== undefined) this.log.push(`${name}: ${what}`);
    };
    return {
      resolve: (value) => {
        outcome.value = value;
        settle("ok");
      },
      reject: (error) => {
        outcome.error = error;
        settle(error.code);
      },
    };
  }

  #effects(): EffectSink {
    const no = (): never => {
      throw new Error("a client does not use the disk");
    };
    return {
      connect: (conn, server) => void this.peers.push({ conn, server, sent: new Uint8Array(0), closed: false }),
      send: (conn, bytes, start, end) => {
        const peer = this.peers.find((each) => each.conn === conn)!;
        if (!peer.closed) peer.sent = joined(peer.sent, bytes.subarray(start, end));
      },
      close: (conn) => void (this.peers.find((each) => each.conn === conn)!.closed = true),
      halt: (code) => void (this.halted = code),
      pause: no,
      resume: no,
      append: no,
      reserve: no,
      sync: no,
      syncDirectory: no,
      readAt: no,
      list: no,
      rename: no,
      remove: no,
      truncate: no,
    };
  }
}

export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** A packet: its length, then what `write` writes. */
export function packet(write: (w: Writer) => void): Uint8Array {
  const w = new Writer();
  w.int(0);
  write(w);
  w.patchInt(0, w.length - 4);
  return w.take();
}

export function connectResponse(answer: { timeOut?: number; readOnly?: boolean; sessionId?: SessionId }): Uint8Array {
  const { timeOut = 9000, readOnly = false, sessionId = SESSION } = answer;
  return packet((w) =>
    writeConnectResponse(w, { protocolVersion: 0, timeOut, sessionId, passwd: PASSWORD, readOnly, hasReadOnly: true }),
  );
}

export function reply(xid: number, zxid: number, err = 0, body: (w: Writer) => void = () => {}): Uint8Array {
  return packet((w) => {
    writeReplyHeader(w, xid, zxid as Zxid, err);
    body(w);
  });
}

export function notification(type: keyof typeof EventType, path: string, zxid = -1): Uint8Array {
  return reply(Xids.notification, zxid, 0, (w) => writeWatcherEvent(w, { type: EventType[type], state: 3, path }));
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function takeFrame(peer: Peer): Uint8Array | undefined {
  if (peer.sent.length < 4) return undefined;
  const end = 4 + new Reader(peer.sent).int();
  if (peer.sent.length < end) return undefined;
  const frame = peer.sent.slice(4, end);
  peer.sent = peer.sent.subarray(end);
  return frame;
}
