/**
 * Connections of the real host: listens, dials, keeps the links and writes once per turn what was sent on them. Java:
 * NIOServerCnxnFactory, ClientCnxnSocketNIO.
 */
import net from "node:net";
import type { Server, Socket } from "node:net";
import type { Server as TlsServer, TLSSocket } from "node:tls";
import type { Address, ConnId, Millis, Port } from "../core/actor.ts";
import { Chunks } from "./chunks.ts";
import { Link } from "./link.ts";
import type { LinkEvents, TurnCounter } from "./link.ts";

/** One listening socket. */
export interface Listener {
  readonly port: Port;
  /** Absent: every interface. */
  readonly host?: string | undefined;
  /** 0: any free one. */
  readonly tcpPort: number;
  /** Connections that wait to be accepted; -1 is the system's choice. */
  readonly backlog?: number | undefined;
  readonly keepAlive?: boolean | undefined;
  readonly tls?: TlsListener | undefined;
}

export interface TlsListener {
  readonly createServer: () => TlsServer;
  /** A connection's first byte decides whether it speaks TLS. */
  readonly plainToo: boolean;
  /** How long a connection may keep that byte back, in milliseconds. */
  readonly detectionTimeout: number;
  /** What the peer's certificate calls it, if it showed one; undefined refuses the peer. Never rejects. */
  readonly identify: (socket: TLSSocket) => Identified | undefined | Promise<Identified | undefined>;
}
interface Identified {
  readonly subject: string | undefined;
}

/** How connections of this host's own are made. */
export interface Dialling {
  readonly keepAlive?: boolean | undefined;
  /** How long an attempt may take, TLS included, in milliseconds; absent: as long as the system lets it. */
  readonly timeout?: Millis | undefined;
  readonly tls?: TlsDialler | undefined;
}
export interface TlsDialler {
  /** Begins a connection that emits `secureConnect` once the other side is who it should be. */
  readonly connect: (host: string, port: number) => TLSSocket;
}

export interface TcpEvents extends LinkEvents {
  accepted(conn: ConnId, port: Port, from: Address, certificateSubject: string | undefined): void;
  log(level: "debug" | "warn", message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What the system queues when nobody says: Node's own default, 511, is too few for a storm of clients. */
const BACKLOG = 4096;
const READ_BUFFER = 256 * 1024;
/** Content type "handshake": the first byte of a TLS connection, and of no four-letter word or sensible frame. */
const TLS_HANDSHAKE = 0x16;

export class Tcp {
  readonly #events: TcpEvents;
  readonly #nextConn: () => ConnId;
  readonly #dialling: Dialling;
  readonly #chunks: Chunks = new Chunks();
  readonly #links: Map<ConnId, Link> = new Map();
  /** Links whose sockets are open although the actor is done with them. */
  readonly #lingering: Set<Link> = new Set();
  readonly #servers: Map<Listener, Server> = new Map();
  readonly #turns: TurnCounter = { turn: 0 };
  #dirty: Link[] = [];
  /**
   * One for all sockets: bytes are lent to the actor for one call. A plain array, because `slice` of a Buffer does not
   * copy, and core must not have to know.
   */
  readonly #readBuffer: Uint8Array = new Uint8Array(READ_BUFFER);
  readonly #gone: (link: Link) => void = (link) => {
    this.#links.delete(link.conn);
    this.#lingering.delete(link);
    if (this.#lingering.size === 0) this.#onQuiet?.();
  };
  #accepting = false;
  #onQuiet: (() => void) | undefined;

  constructor(events: TcpEvents, nextConn: () => ConnId, dialling: Dialling = {}) {
    this.#dialling = dialling;
    this.#events = events;
    this.#nextConn = nextConn;
  }

  /** Resolves with the port it got. Rejects with the system's error, e.g. EADDRINUSE. */
  listen(listener: Listener): Promise<number> {
    const options = {
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: listener.keepAlive ?? false,
      pauseOnConnect: listener.tls === undefined,
    };
    const server = net.createServer(options);
    const tlsServer = listener.tls?.createServer();
    if (tlsServer !== undefined) this.#handshakes(tlsServer, listener);
    server.on("connection", (socket) => {
      if (!this.#accepting) return void socket.destroy();
      if (tlsServer === undefined) this.#acceptPlain(socket, listener.port);
      else if (listener.tls?.plainToo) this.#acceptEither(socket, listener, tlsServer);
      else tlsServer.emit("connection", socket);
    });
    this.#servers.set(listener, server);
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      const backlog = listener.backlog === undefined || listener.backlog < 0 ? BACKLOG : listener.backlog;
      server.listen({ host: listener.host, port: listener.tcpPort, backlog }, () => {
        server.off("error", reject);
        server.on("error", (error) => this.#events.log("warn", "accepting failed", { error: error.message }));
        resolve((server.address() as net.AddressInfo).port);
      });
    });
  }

  connect(conn: ConnId, to: Address): void {
    const { host, port } = splitAddress(to);
    const { keepAlive = false, timeout, tls } = this.#dialling;
    const link: Link = this.#add(conn, true, (onread) => {
      try {
        if (tls !== undefined) return tls.connect(host, port).setNoDelay(true).setKeepAlive(keepAlive);
        return net.connect({ host, port, noDelay: true, keepAlive, allowHalfOpen: true, onread });
      } catch (error) {
        // A port that cannot be: fails like a host that is not there, and as late.
        const socket = new net.Socket();
        setImmediate(() => socket.destroy(error as Error));
        return socket;
      }
    });
    const { socket } = link;
    const timer = timeout === undefined ? undefined : setTimeout(() => socket.destroy(), timeout);
    const settled = (): void => clearTimeout(timer);
    socket.once("close", settled);
    const connected = (): void => {
      settled();
      link.opened();
    };
    if (tls === undefined) return void socket.once("connect", connected);
    const refused = (error: Error): void => {
      this.#events.log("debug", "no TLS connection", { to, error: error.message });
    };
    socket.once("error", refused);
    socket.once("secureConnect", () => {
      socket.off("error", refused);
      socket.on("data", ({ buffer, byteOffset, length }: Buffer) => {
        link.received(new Uint8Array(buffer, byteOffset, length));
      });
      connected();
    });
  }

  send(conn: ConnId, bytes: Uint8Array, start: number, end: number): void {
    const link = this.#links.get(conn);
    if (link === undefined || link.over) return;
    if (!link.dirty) {
      link.dirty = true;
      this.#dirty.push(link);
    }
    link.send(bytes, start, end);
  }

  queued(conn: ConnId): number {
    return this.#links.get(conn)?.queued ?? 0;
  }
  close(conn: ConnId): void {
    const link = this.#links.get(conn);
    if (link === undefined || link.over) return;
    this.#lingering.add(link);
    link.close();
  }
  pause(conn: ConnId): void {
    this.#links.get(conn)?.pause();
  }
  resume(conn: ConnId): void {
    this.#links.get(conn)?.resume();
  }

  /** Ends a turn: writes what was sent in it. */
  flush(): void {
    this.#turns.turn++;
    const dirty = this.#dirty;
    if (dirty.length === 0) return;
    this.#dirty = [];
    for (const link of dirty) {
      link.dirty = false;
      link.flush();
    }
  }

  startAccepting(): void {
    this.#accepting = true;
  }

  /** What was accepted stays. */
  unlisten(listener: Listener): void {
    this.#servers.get(listener)?.close();
    this.#servers.delete(listener);
  }

  stopListening(): void {
    for (const listener of this.#servers.keys()) this.unlisten(listener);
  }

  /** Everything at once; nothing is told. */
  destroy(): void {
    this.stopListening();
    for (const link of this.#links.values()) link.destroy();
  }

  /** Lets what was sent go out, waits for peers to take it, a bounded time, and calls back. */
  finish(finished: () => void): void {
    this.stopListening();
    this.flush();
    for (const link of this.#links.values()) {
      this.#lingering.add(link);
      link.close();
    }
    if (this.#lingering.size === 0) finished();
    else this.#onQuiet = finished;
  }

  /**
   * An accepted socket cannot be told to read into a buffer of ours; one made from a handle can, which saves an
   * allocation of 64 KiB for every read. Should a later Node no longer have the handle there, the ordinary way works.
   */
  #acceptPlain(socket: Socket, port: Port): void {
    const from = addressOf(socket);
    const handle: unknown = (socket as unknown as { _handle?: unknown })._handle;
    if (from === undefined) return void socket.destroy();
    if (handle === undefined || handle === null) return this.#acceptStream(socket, port, undefined);
    const conn = this.#nextConn();
    const link = this.#add(conn, false, (onread) => {
      // `handle` is what net.Server itself passes; the types name only the rest.
      const options = { handle, allowHalfOpen: true, manualStart: true, onread };
      return new net.Socket(options as unknown as net.SocketConstructorOpts);
    });
    this.#events.accepted(conn, port, from, undefined);
    if (link.wantsBytes) link.socket.resume();
  }

  #acceptStream(socket: Socket, port: Port, subject: string | undefined): void {
    const from = addressOf(socket);
    if (from === undefined) return void socket.destroy();
    const conn = this.#nextConn();
    const link = this.#add(conn, false, () => socket);
    socket.on("data", ({ buffer, byteOffset, length }: Buffer) => {
      link.received(new Uint8Array(buffer, byteOffset, length));
    });
    this.#events.accepted(conn, port, from, subject);
    if (link.wantsBytes) socket.resume();
    else socket.pause();
  }

  #handshakes(server: TlsServer, { port, tls }: Listener): void {
    const failed = (socket: Socket, error: string): void => {
      const level = port === "quorum" || port === "election" ? "warn" : "debug";
      this.#events.log(level, "TLS handshake failed", { port, from: socket.remoteAddress, error });
      socket.destroy();
    };
    const identified = (socket: TLSSocket, peer: Identified | undefined): void => {
      if (peer === undefined) failed(socket, "its certificate is not trusted, or names another host");
      else this.#acceptStream(socket, port, peer.subject);
    };
    server.on("tlsClientError", (error, socket) => failed(socket, error.message));
    server.on("secureConnection", (socket) => {
      const peer = tls!.identify(socket);
      if (!(peer instanceof Promise)) return identified(socket, peer);
      const dropped = (): void => void socket.destroy();
      socket.on("error", dropped);
      void peer.then((found) => {
        socket.off("error", dropped);
        if (!socket.destroyed) identified(socket, found);
      });
    });
  }

  #acceptEither(socket: Socket, { port, tls }: Listener, tlsServer: TlsServer): void {
    const dropped = (): void => void socket.destroy();
    socket.on("error", dropped);
    socket.setTimeout(tls!.detectionTimeout, dropped);
    socket.once("data", (first: Buffer) => {
      socket.setTimeout(0, dropped);
      socket.pause();
      socket.off("error", dropped);
      socket.unshift(first);
      if (first[0] === TLS_HANDSHAKE) tlsServer.emit("connection", socket);
      else this.#acceptStream(socket, port, undefined);
    });
  }

  #add(conn: ConnId, connecting: boolean, open: (onread: net.OnReadOpts) => Socket): Link {
    const onread = {
      buffer: this.#readBuffer,
      callback: (length: number, buffer: Uint8Array): boolean => {
        link.received(buffer.subarray(0, length));
        return link.wantsBytes;
      },
    };
    const link: Link = new Link(conn, open(onread), connecting, this.#events, this.#chunks, this.#turns);
    this.#links.set(conn, link);
    link.listen(this.#gone);
    return link;
  }
}

function addressOf(socket: Socket): Address | undefined {
  const host = socket.remoteAddress;
  // It may be gone by the time we look.
  if (host === undefined) return undefined;
  const plain = host.startsWith("::ffff:") && host.includes(".") ? host.slice(7) : host;
  return joinAddress(plain, socket.remotePort ?? 0);
}

export function joinAddress(host: string, port: number): Address {
  return (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`) as Address;
}

export function splitAddress(address: Address): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon);
  const bare = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
  return { host: bare, port: Number(address.slice(colon + 1)) };
}
