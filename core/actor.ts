/**
 * The boundary of every actor: what can happen to it ({@link Actor}) and what it may ask for ({@link Context}).
 *
 * A server is one actor, a client session is one actor. Two hosts run them: `sim` and `net`. Nothing crosses but
 * bytes, instants and outcomes. The numbered host contract is in core/README.md; `test/hosts/contract.test.ts` holds
 * both hosts to it.
 */
declare const brand: unique symbol;
/** A nominal type: a `T` that only the code which makes it may make. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Names one connection. Given by the host (through the outbox), never reused within one run of an actor. */
export type ConnId = Brand<number, "ConnId">;
/** Names one asynchronous disk operation. Never reused within one run of an actor. */
export type DiskOp = Brand<number, "DiskOp">;
/** Milliseconds. Integers, so that a transcript never depends on float formatting. */
export type Millis = number;

/**
 * A file as a path relative to the volumes the host was given, parts joined by `/`: the first part is the volume,
 * `data` (ZooKeeper's dataDir), `log` (its dataLogDir; the same directory when dataLogDir is not set) or `conf` (where
 * the configuration file lies, for servers whose configuration changes). Example: `log/version-2/log.1`.
 */
export type FileName = Brand<string, "FileName">;
/** A directory, spelled like a {@link FileName}. The host makes a volume's `version-2` before the actor starts. */
export type DirectoryName = Brand<string, "DirectoryName">;
/** `host:port`, IPv6 hosts in brackets. */
export type Address = Brand<string, "Address">;

/** Which listener a connection came in on. */
export type Port = "client" | "secureClient" | "quorum" | "election" | "admin";
export type CloseCause =
  /** The other side finished or closed. */
  | "peer"
  /** Nobody listens there. */
  | "refused"
  /** No route, no such host, or the attempt timed out. */
  | "unreachable"
  /** Cut in the middle. */
  | "reset"
  /** This actor closed it. */
  | "local";

export type DiskError = "missing" | "full" | "io";
export interface FileEntry {
  /** The last part of the name only. */
  readonly name: string;
  readonly size: number;
}
export type DiskOutcome =
  | { readonly kind: "synced" | "renamed" | "removed" | "truncated" }
  | { readonly kind: "listed"; readonly files: readonly FileEntry[] }
  /** `bytes` belongs to the actor from here on. Shorter than asked for only at the end of the file. */
  | { readonly kind: "read"; readonly bytes: Uint8Array; readonly endOfFile: boolean }
  | { readonly kind: "failed"; readonly error: DiskError; readonly detail: string };

/** What can happen to an actor. Names are past tense: the world has already moved. */
export interface Actor {
  onStarted(cx: Context): void;
  /** `subject` is the distinguished name (RFC 2253) of a client certificate the host has verified. */
  onAccepted(cx: Context, conn: ConnId, port: Port, from: Address, subject?: string): void;
  onConnected(cx: Context, conn: ConnId): void;
  /** `bytes` is lent for this call only. Copy what must outlive it. */
  onReceived(cx: Context, conn: ConnId, bytes: Uint8Array): void;
  /** Everything sent on `conn` has been handed to the network, after {@link Context.queued} had passed the high-water mark. */
  onDrained(cx: Context, conn: ConnId): void;
  /** The last event of a connection. Also comes, with cause "local", after the actor's own `close`. */
  onClosed(cx: Context, conn: ConnId, cause: CloseCause): void;
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): void;
  onDeadline(cx: Context): void;
  /** The host wants the process to end (SIGTERM). The actor finishes what it owes and calls {@link Context.halt}. */
  onStopRequested(cx: Context): void;
  /** The next instant at which `onDeadline` is wanted; Infinity when none is. */
  deadline(): Millis;
}

/** What an actor may ask for, and the time at which it is asking. Names are imperative. Valid during one event only. */
export interface Context {
  /** Monotonic; constant during one event. */
  readonly now: Millis;
  /** Wall clock since 1970; may jump. Only ever written into stat times and shown to people. */
  readonly wall: Millis;

  connect(to: Address): ConnId;
  /** Copies `bytes[start..end)`, so encoders may reuse one scratch buffer. Ignored when `conn` has closed. */
  send(conn: ConnId, bytes: Uint8Array, start?: number, end?: number): void;
  /** Bytes accepted by `send` on `conn` and not yet handed to the network, this event's included. */
  queued(conn: ConnId): number;
  /** What was sent before still goes out; nothing is received any more. */
  close(conn: ConnId): void;
  /** Stop, or start again, delivering bytes from `conn`: backpressure towards the sender. */
  pause(conn: ConnId): void;
  resume(conn: ConnId): void;

  /**
   * Appends after what was appended before (a new file starts empty). A failure surfaces at the next `sync`; what was
   * asked to be appended before that outcome was delivered is dropped, so that no gap opens. Copies.
   */
  append(file: FileName, bytes: Uint8Array, start?: number, end?: number): void;
  /** Makes the file at least `length` bytes long, the new part zero, without moving the place where appends go. */
  reserve(file: FileName, length: number): void;
  /** Makes the bytes of `file` durable: not its name, see {@link syncDirectory}. */
  sync(file: FileName): DiskOp;
  /** Makes names durable: files created in, renamed within or removed from `directory` before the call. */
  syncDirectory(directory: DirectoryName): DiskOp;
  readAt(file: FileName, offset: number, length: number): DiskOp;
  /** Names in code-unit order. A missing directory is empty. */
  list(directory: DirectoryName): DiskOp;
  rename(from: FileName, to: FileName): DiskOp;
  remove(file: FileName): DiskOp;
  truncate(file: FileName, length: number): DiskOp;

  /**
   * Stop the process: exit code 0 means it was asked to; others are ZooKeeper's (org.apache.zookeeper.server.ExitCode).
   * No further event is delivered. What was sent before still goes out if the code is 0.
   */
  halt(code: number, reason: string): void;
  readonly facts: Facts;
}

/**
 * What the protocol decided, for logs, metrics and checkers. Observations, not effects: they are delivered at once and
 * also count when the event is later dropped. A host that does not care gives {@link NO_FACTS}.
 */
export interface Facts {
  /** A line for people. `level` follows the usual meaning; `fields` are printed as they are. */
  log(level: "debug" | "info" | "warn" | "error", message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** The txn was handed to the log (not yet durable). */
  logged(zxid: number): void;
  /** Everything up to and including `zxid` is durable here. */
  durable(zxid: number): void;
  /** `digest` is the tree digest after applying, modulo 2^53. */
  applied(zxid: number, digest: number): void;
  sessionOpened(session: bigint, timeout: Millis): void;
  sessionClosed(session: bigint): void;
  /** Recovery ended; the server may serve. */
  recovered(zxid: number, digest: number): void;

  /** A server of an ensemble changed what it is. `epoch` is the epoch it does it in: 0 while it looks for a leader. */
  role(role: RoleName, epoch: number): void;
  /** An election ended here, with this vote. */
  elected(leader: number, epoch: number): void;
  /** acceptedEpoch is durable: no leader of an earlier epoch will be accepted any more. */
  promised(epoch: number): void;
  /** currentEpoch is durable: the history of this epoch's leader is this server's. */
  adopted(epoch: number): void;
  /** A quorum has acknowledged NEWLEADER: this server leads `epoch`, and its history up to `zxid` is committed. */
  established(epoch: number, zxid: number): void;
  /** A learner was told how it will be brought up to date (its side). `zxid` is the packet's. */
  synced(how: SyncMode, zxid: number): void;
  /** A leader proposed a txn. */
  proposed(zxid: number): void;
  /** A learner acknowledged a txn, or (counter 0) NEWLEADER: said when the packet is handed over. */
  acknowledged(zxid: number): void;
  /** A leader found a quorum for a txn (its side), or a learner was told so. */
  committed(zxid: number): void;
  /** A configuration took effect here. */
  activated(version: number): void;
}

export type RoleName = "looking" | "leading" | "following" | "observing" | "readonly";
export type SyncMode = "diff" | "trunc" | "snap";

export const NO_FACTS: Facts = {
  log() {},
  logged() {},
  durable() {},
  applied() {},
  sessionOpened() {},
  sessionClosed() {},
  recovered() {},
  role() {},
  elected() {},
  promised() {},
  adopted() {},
  established() {},
  synced() {},
  proposed() {},
  acknowledged() {},
  committed() {},
  activated() {},
};
