/**
 * One TCP connection of the real host: what is queued on it, whether it may deliver, how it ends. Java: the socket half
 * of NIOServerCnxn.
 *
 * All sends of a turn become one write. A second write waits until the first is with the kernel: then a buffer can be
 * reused as soon as its write is over, and a peer that does not read costs one queue, not one per turn.
 */
import type { Socket } from "node:net";
import type { CloseCause, ConnId } from "../core/actor.ts";
import { QUEUED_HIGH_WATER } from "../core/outbox.ts";
import type { Chunks } from "./chunks.ts";

/** What a link tells its host. Called from the event loop only, never from within a call into the link. */
export interface LinkEvents {
  connected(conn: ConnId): void;
  received(conn: ConnId, bytes: Uint8Array): void;
  drained(conn: ConnId): void;
  closed(conn: ConnId, cause: CloseCause): void;
}

/** Counts the host's turns; one for all links. */
export interface TurnCounter {
  turn: number;
}

const NOTHING = Buffer.alloc(0);
/**
 * With unread bytes in our receive buffer a plain close would be a reset, which may take back what the peer has not
 * read. So when a connection is closed while its peer is sending, only our end of it is closed, and the peer gets this
 * long to read and close its own. A peer that was quiet in this turn has sent nothing more: that close is plain and
 * cheap.
 */
const LINGER_MS = 1000;
/** After close, a peer that does not even take what was sent before gets this long. */
const FLUSH_MS = 10_000;
/** Below this a loop beats `set`, which has to make a view first. */
const COPY_BY_LOOP = 48;

export class Link {
  readonly conn: ConnId;
  readonly socket: Socket;
  /** In the list of links to flush at the end of this turn. */
  dirty = false;
  readonly #events: LinkEvents;
  readonly #chunks: Chunks;
  readonly #turns: TurnCounter;
  /** The turn in which bytes came last. */
  #heardIn = -1;
  #chunk: Buffer = NOTHING;
  #used = 0;
  /** Bytes of the write that the kernel has not taken whole yet. */
  #inFlight = 0;
  #connecting: boolean;
  #everSent = false;
  #passedHighWater = false;
  #paused = false;
  /** The actor knows that it is over: it hears and says nothing any more. */
  #over = false;
  #ended = false;
  #linger: NodeJS.Timeout | undefined;

  constructor(
    conn: ConnId,
    socket: Socket,
    connecting: boolean,
    events: LinkEvents,
    chunks: Chunks,
    turns: TurnCounter,
  ) {
    this.conn = conn;
    this.socket = socket;
    this.#connecting = connecting;
    this.#events = events;
    this.#chunks = chunks;
    this.#turns = turns;
  }

  get over(): boolean {
    return this.#over;
  }
  /** False: stop reading. */
  get wantsBytes(): boolean {
    return !this.#paused;
  }
  get queued(): number {
    return this.#used + this.#inFlight;
  }

  /** Hears what the socket has to say; bytes come through {@link received}. */
  listen(gone: (link: Link) => void): void {
    const { socket } = this;
    socket.on("error", (error: NodeJS.ErrnoException) => this.#finish(this.#causeOf(error)));
    socket.on("end", () => this.#peerFinished());
    socket.on("close", () => {
      this.#finish(this.#connecting ? "unreachable" : "peer");
      clearTimeout(this.#linger);
      this.#drop();
      gone(this);
    });
  }

  opened(): void {
    this.#connecting = false;
    if (this.#over) return;
    this.#events.connected(this.conn);
    if (this.#used > 0) this.flush();
  }

  received(bytes: Uint8Array): void {
    this.#heardIn = this.#turns.turn;
    if (!this.#over) this.#events.received(this.conn, bytes);
  }

  /** Copies. The first call of a turn must be followed by {@link flush}. */
  send(bytes: Uint8Array, start: number, end: number): void {
    if (this.#over) return;
    const length = end - start;
    const needed = this.#used + length;
    if (needed > this.#chunk.length) {
      const larger = this.#chunks.take(Math.max(needed, this.#chunk.length + 1));
      if (this.#used > 0) larger.set(this.#chunk.subarray(0, this.#used));
      this.#chunks.give(this.#chunk);
      this.#chunk = larger;
    }
    const chunk = this.#chunk;
    const at = this.#used;
    if (length <= COPY_BY_LOOP) for (let i = 0; i < length; i++) chunk[at + i] = bytes[start + i]!;
    else chunk.set(bytes.subarray(start, end), at);
    this.#used = needed;
    this.#everSent = true;
    if (needed + this.#inFlight > QUEUED_HIGH_WATER) this.#passedHighWater = true;
  }

  /** Hands what is queued to the kernel, if it takes it. */
  flush(): void {
    if (this.#used === 0 || this.#inFlight > 0 || this.#connecting || this.#ended) return;
    const { socket } = this;
    const chunk = this.#chunk;
    const length = this.#used;
    this.#chunk = NOTHING;
    this.#used = 0;
    socket.write(length === chunk.length ? chunk : chunk.subarray(0, length));
    if (socket.writableLength === 0) {
      this.#chunks.give(chunk);
      if (this.#passedHighWater) setImmediate(() => this.#written());
      return;
    }
    this.#inFlight = length;
    // An empty write behind the other one: the cheapest way to hear of its end only when it did not end at once.
    socket.write(NOTHING, (error) => {
      if (error) return;
      this.#chunks.give(chunk);
      this.#inFlight = 0;
      this.#written();
    });
  }

  pause(): void {
    if (this.#paused || this.#over) return;
    this.#paused = true;
    this.socket.pause();
  }
  resume(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    this.socket.resume();
  }

  /** The actor's close. `closed` is told in a later turn. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    setImmediate(() => this.#events.closed(this.conn, "local"));
    if (this.#connecting || !this.#everSent) return void this.socket.destroy();
    this.#endAfterFlush();
  }

  /** Drops everything at once. Nothing is told. */
  destroy(): void {
    this.#over = true;
    this.socket.destroy();
  }

  #written(): void {
    if (this.#used > 0) this.flush();
    if (this.queued > 0) return;
    if (this.#over) return this.#endAfterFlush();
    if (!this.#passedHighWater) return;
    this.#passedHighWater = false;
    this.#events.drained(this.conn);
  }

  /** Also called when the rest has been written, by {@link #written}. */
  #endAfterFlush(): void {
    this.flush();
    if (this.#ended) return;
    if (this.queued > 0) return this.#destroyAfter(FLUSH_MS);
    this.#ended = true;
    if (this.#heardIn !== this.#turns.turn && !this.#paused) return void this.socket.destroy();
    this.socket.end();
    // What still comes in is read and dropped.
    this.socket.resume();
    this.#destroyAfter(LINGER_MS);
  }

  #destroyAfter(delay: number): void {
    clearTimeout(this.#linger);
    this.#linger = setTimeout(() => this.socket.destroy(), delay);
  }

  /** A client that has closed its end gets what was sent before, but does not ask any more. */
  #peerFinished(): void {
    if (!this.#over) {
      this.flush();
      this.#finish("peer");
    }
    this.#endAfterFlush();
  }

  #finish(cause: CloseCause): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.closed(this.conn, cause);
  }

  #drop(): void {
    this.#ended = true;
    this.#used = 0;
    this.#inFlight = 0;
    this.#chunks.give(this.#chunk);
    this.#chunk = NOTHING;
  }

  #causeOf(error: NodeJS.ErrnoException): CloseCause {
    if (!this.#connecting) return "reset";
    return error.code === "ECONNREFUSED" ? "refused" : "unreachable";
  }
}
