/** A client of an {@link Ensemble} that says bytes and waits, in simulated time, for what comes back. */
import type { Address, ConnId } from "../../core/actor.ts";
import type { SessionId } from "../../core/base/ids.ts";
import { FrameBuffer } from "../../core/jute/frames.ts";
import { Reader } from "../../core/jute/reader.ts";
import type { ConnectResponse } from "../../core/protocol/headers.ts";
import { readConnectResponse, readReplyHeader, Xids } from "../../core/protocol/headers.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import { clientAddressOf } from "../../sim/ensemble.ts";
import type { Ensemble } from "../../sim/ensemble.ts";
import type { SimHost } from "../../sim/host.ts";
import { idle } from "./idle-actor.ts";
import type { Body, ConnectOptions, Reply } from "./raw-client.ts";
import { bytesOf, connectFrame, createBody, requestFrame } from "./raw-client.ts";
import { OPEN_ACL_UNSAFE } from "../../core/protocol/data.ts";

const PATIENCE = 5000;

export class WireClient {
  readonly #ensemble: Ensemble;
  readonly #host: SimHost;
  #conn: ConnId | undefined;
  #input = new FrameBuffer(0xfffff);
  readonly #frames: Uint8Array[] = [];
  #raw: Uint8Array[] = [];
  #rawWanted = false;
  #xid = 0;
  closed = true;
  welcome: ConnectResponse | undefined;

  constructor(ensemble: Ensemble, name: string) {
    this.#ensemble = ensemble;
    this.#host = ensemble.world.addHost({
      name,
      boot: () => ({
        ...idle,
        onReceived: (_cx, conn, bytes) => {
          if (conn === this.#conn) this.#receive(bytes);
        },
        onClosed: (_cx, conn) => {
          if (conn === this.#conn) this.closed = true;
        },
      }),
    });
    this.#host.start();
  }

  get session(): SessionId {
    return this.welcome!.sessionId;
  }

  /** A new connection to `server`; the one before is cut. True when the server gave, or gave back, a session. */
  connect(server: string, options: ConnectOptions = {}): boolean {
    this.#dial(clientAddressOf(server), connectFrame({ timeout: 1000, ...options }));
    this.welcome = undefined;
    this.#until(() => this.#frames.length > 0 || this.closed);
    const first = this.#frames.shift();
    if (first !== undefined) this.welcome = readConnectResponse(new Reader(first));
    return (this.welcome?.timeOut ?? 0) > 0;
  }

  /** The session of `other` (or its own) on another server. */
  resume(server: string, other: WireClient = this, options: ConnectOptions = {}): boolean {
    const { sessionId, passwd } = other.welcome!;
    return this.connect(server, { sessionId, passwd, ...options });
  }

  /** The answer to a four-letter word. */
  ask(server: string, word: string): string {
    this.#rawWanted = true;
    this.#raw = [];
    this.#dial(clientAddressOf(server), bytesOf(word));
    this.#until(() => this.closed);
    this.#rawWanted = false;
    return this.#raw.map((bytes) => new TextDecoder().decode(bytes)).join("");
  }

  send(type: number, body?: Body): number {
    const xid = ++this.#xid;
    this.#say(requestFrame(xid, type, body));
    return xid;
  }

  /** The next reply; undefined when the connection ends first. Events on the way are dropped. */
  take(): Reply | undefined {
    for (;;) {
      this.#until(() => this.#frames.length > 0 || this.closed);
      const bytes = this.#frames.shift();
      if (bytes === undefined) return undefined;
      const reader = new Reader(bytes);
      const header = readReplyHeader(reader);
      if (header.xid !== Xids.notification) return { ...header, body: bytes.slice(reader.offset) };
    }
  }

  call(type: number, body?: Body): Reply | undefined {
    this.send(type, body);
    return this.take();
  }
  /** The code it is answered with. */
  create(path: string, flags = 0): number | undefined {
    return this.call(OpCode.create, createBody(path, "", flags, OPEN_ACL_UNSAFE))?.err;
  }

  cut(): void {
    const conn = this.#conn;
    if (conn !== undefined) this.#host.run((cx) => cx.close(conn));
    this.#conn = undefined;
    this.closed = true;
  }

  #dial(to: Address, first: Uint8Array): void {
    this.cut();
    this.#frames.length = 0;
    this.#input = new FrameBuffer(0xfffff);
    this.closed = false;
    this.#host.run((cx) => {
      this.#conn = cx.connect(to);
      cx.send(this.#conn, first);
    });
  }
  #say(bytes: Uint8Array): void {
    this.#host.run((cx) => {
      if (this.#conn !== undefined) cx.send(this.#conn, bytes);
    });
  }
  #until(condition: () => boolean): void {
    this.#ensemble.until(condition, PATIENCE);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#rawWanted) {
      this.#raw.push(bytes.slice());
      return;
    }
    this.#input.accept(bytes);
    while (this.#input.next() === "frame") {
      this.#frames.push(this.#input.bytes.slice(this.#input.start, this.#input.end));
    }
    this.#input.keep();
  }
}
