/**
 * The client as an application sees it: promises over the actor, on any host (Java: ZooKeeper). The only file of core
 * with promises. Methods never throw; arguments that are wrong reject with `BADARGUMENTS` before anything is sent.
 */
import type { Actor, Address, Context, Millis } from "../actor.ts";
import type { Acl, Stat } from "../protocol/data.ts";
import { Client } from "./client.ts";
import type { Completion } from "./calls.ts";
import type { SessionKey } from "./config.ts";
import type { ZooKeeperError } from "./errors.ts";
import type { AddWatchMode, ClientState, WatcherType, WatchListener } from "./events.ts";
import * as operations from "./operations.ts";
import type {
  ClientInfo,
  Created,
  CreateOptions,
  Data,
  NodeAcl,
  NodeChildren,
  NodeData,
  Operation,
  ReconfigOptions,
} from "./operations.ts";
import { configOf, credentialsOf } from "./options.ts";
import type { ClientOptions } from "./options.ts";
import { requirePath } from "./paths.ts";
import { requireWatcherType } from "./watches.ts";
import { multi, multiRead } from "./transactions.ts";
import type { ReadOperation, ReadResult, WriteOperation, WriteResult } from "./transactions.ts";

/** What runs one client's actor. */
export interface ClientHost {
  /** Runs `f` as an event of the actor. Never called during another one. */
  run(f: (cx: Context) => void): void;
  /** Nothing more will come: lets go of everything. */
  close(): void;
}

export interface WatchOption {
  /** Called once, when what was read has changed, or when the session is over. */
  readonly watch?: WatchListener | undefined;
}
export interface VersionOption {
  /** The version the node must have; any when not given. */
  readonly version?: number | undefined;
}
export type StateListener = (state: ClientState) => void;

export class ZooKeeper {
  readonly #client: Client;
  readonly #host: ClientHost;
  readonly #stateListeners: Set<StateListener> = new Set();
  readonly #connected: Promise<void>;

  /**
   * Begins to connect and returns at once; calls wait for the connection. `hosts`: see {@link ClientOptions} and
   * `host[:port][,…][/chroot]`. `start` runs the actor. Throws `BADARGUMENTS`.
   */
  constructor(hosts: string, options: ClientOptions, seed: number, start: (actor: Actor) => ClientHost) {
    if (options.onState !== undefined) this.#stateListeners.add(options.onState);
    let settle: Completion<void> | undefined;
    this.#connected = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
    // Whoever does not wait for the connection hears of its failure through every call.
    this.#connected.catch(() => {});
    const stateChanged = (state: ClientState, error: ZooKeeperError | undefined): void => {
      if (error !== undefined) settle!.reject(error);
      else if (state !== "connecting") settle!.resolve();
      later(() => this.#onState(state));
    };
    // In order with the promises of calls: a reply's continuation runs before a listener of a later event.
    const watchFired: ConstructorParameters<typeof Client>[2]["watchFired"] = (listener, event) =>
      later(() => listener(event));
    this.#client = new Client(configOf(hosts, options), seed, { stateChanged, watchFired });
    this.#host = start(this.#client);
  }

  get state(): ClientState {
    return this.#client.state;
  }
  /** What `options.session` of another client takes. Id 0 before the first connection. */
  get session(): SessionKey {
    return this.#client.session;
  }
  /** Milliseconds, as the server decided. */
  get sessionTimeout(): Millis {
    return this.#client.sessionTimeout;
  }
  get lastZxidSeen(): number {
    return this.#client.lastZxidSeen;
  }
  /** The server connected to, as `host:port`. */
  get server(): Address | undefined {
    return this.#client.server;
  }

  /** Resolves with the first connection; rejects when the client ends without one. */
  connected(): Promise<void> {
    return this.#connected;
  }

  /** Calls `listener` with every new state. Returns what stops it. */
  onState(listener: StateListener): () => void {
    this.#stateListeners.add(listener);
    return () => void this.#stateListeners.delete(listener);
  }

  /** The path as created: with a sequential mode, ten digits longer than the one given. */
  create(path: string, data?: Data, options?: CreateOptions): Promise<string> {
    return this.#call(() => operations.create(path, data, options));
  }

  create2(path: string, data?: Data, options?: CreateOptions): Promise<Created> {
    return this.#call(() => operations.create2(path, data, options));
  }

  delete(path: string, options?: VersionOption): Promise<void> {
    return this.#call(() => operations.remove(path, options?.version));
  }

  /** null when there is no such node. */
  exists(path: string, options?: WatchOption): Promise<Stat | null> {
    return this.#call(() => operations.exists(path, options?.watch));
  }

  getData(path: string, options?: WatchOption): Promise<NodeData> {
    return this.#call(() => operations.getData(path, options?.watch));
  }

  setData(path: string, data: Data, options?: VersionOption): Promise<Stat> {
    return this.#call(() => operations.setData(path, data, options?.version));
  }

  getACL(path: string): Promise<NodeAcl> {
    return this.#call(() => operations.getACL(path));
  }

  /** `version`: the ACL's own, `stat.aversion`. */
  setACL(path: string, acl: readonly Acl[], options?: VersionOption): Promise<Stat> {
    return this.#call(() => operations.setACL(path, acl, options?.version));
  }

  /** Names, in no order that may be relied on. */
  getChildren(path: string, options?: WatchOption): Promise<string[]> {
    return this.#call(() => operations.getChildren(path, options?.watch));
  }

  getChildren2(path: string, options?: WatchOption): Promise<NodeChildren> {
    return this.#call(() => operations.getChildren2(path, options?.watch));
  }

  /** Descendants at any depth. */
  getAllChildrenNumber(path: string): Promise<number> {
    return this.#call(() => operations.getAllChildrenNumber(path));
  }

  /** This session's ephemeral nodes whose path begins with `prefix`. */
  getEphemerals(prefix?: string): Promise<string[]> {
    return this.#call(() => operations.getEphemerals(prefix));
  }

  /** Resolves when the server has caught up with what the leader had committed when asked. */
  sync(path: string): Promise<void> {
    return this.#call(() => operations.sync(path));
  }

  /** All or nothing. Rejects with a `TransactionError`. */
  multi(writes: readonly WriteOperation[]): Promise<WriteResult[]> {
    return this.#call(() => multi(writes));
  }

  /** Several reads in one request; each succeeds or fails alone. */
  multiRead(reads: readonly ReadOperation[]): Promise<ReadResult[]> {
    return this.#call(() => multiRead(reads));
  }

  transaction(): Transaction {
    return new Transaction((writes) => this.multi(writes));
  }

  /**
   * Calls `listener` with every change of the node, whether or not it exists, until removed; with mode
   * `persistentRecursive` of all below it too, but then not with `nodeChildrenChanged`.
   */
  addWatch(path: string, mode: AddWatchMode, listener: WatchListener): Promise<void> {
    return this.#call(() => operations.addWatch(path, mode, listener));
  }

  /** Rejects with `NOWATCHER` when `listener` does not watch the path in this way. */
  removeWatches(path: string, listener: WatchListener, type: WatcherType = "any"): Promise<void> {
    return this.#removeWatches(path, type, listener);
  }

  removeAllWatches(path: string, type: WatcherType = "any"): Promise<void> {
    return this.#removeWatches(path, type, undefined);
  }

  /** Credentials for this connection and all later ones. If the server refuses them, the client ends. */
  addAuth(scheme: string, auth: Data): Promise<void> {
    return new Promise((resolve, reject) => {
      const credentials = credentialsOf(scheme, auth);
      this.#run(reject, undefined, (cx) => this.#client.addCredentials(cx, credentials, { resolve, reject }));
    });
  }

  /** As whom the server sees this connection. */
  whoAmI(): Promise<ClientInfo[]> {
    return this.#call(() => operations.whoAmI());
  }

  /** The ensemble's configuration as text, whatever the chroot. */
  getConfig(options?: WatchOption): Promise<NodeData> {
    return this.#call(() => operations.getConfig(options?.watch));
  }

  reconfig(options: ReconfigOptions): Promise<NodeData> {
    return this.#call(() => operations.reconfig(options));
  }

  /** Ends the session; its ephemeral nodes go at once. What was called before is still answered. */
  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (isFinal(this.state)) resolve();
      else this.#host.run((cx) => this.#client.close(cx, { resolve, reject }));
    });
  }

  #call<T>(build: () => Operation<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // What throws here is an argument's fault, and rejects.
      const operation = build();
      const completion: Completion<T> = { resolve, reject };
      this.#run(reject, operation.path, (cx) => this.#client.submit(cx, operation, completion));
    });
  }

  #removeWatches(path: string, type: WatcherType, listener: WatchListener | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      requirePath(path);
      requireWatcherType(type, path);
      const completion: Completion<void> = { resolve, reject };
      this.#run(reject, path, (cx) => this.#client.removeWatches(cx, path, type, listener, completion));
    });
  }

  #run(reject: (error: ZooKeeperError) => void, path: string | undefined, f: (cx: Context) => void): void {
    // The host of a client that has ended is closed and runs nothing.
    const refusal = this.#client.refusal(path);
    if (refusal !== undefined) reject(refusal);
    else this.#host.run(f);
  }

  #onState(state: ClientState): void {
    for (const listener of this.#stateListeners) listener(state);
    if (isFinal(state)) this.#host.close();
  }
}

/** Collects operations and sends them as one request. */
export class Transaction {
  readonly #operations: WriteOperation[] = [];
  readonly #commit: (operations: readonly WriteOperation[]) => Promise<WriteResult[]>;

  constructor(commit: (operations: readonly WriteOperation[]) => Promise<WriteResult[]>) {
    this.#commit = commit;
  }

  create(path: string, data: Data = null, options: CreateOptions = {}): this {
    return this.#add({ ...options, type: "create", path, data });
  }
  delete(path: string, options?: VersionOption): this {
    return this.#add({ type: "delete", path, version: options?.version });
  }
  setData(path: string, data: Data, options?: VersionOption): this {
    return this.#add({ type: "setData", path, data, version: options?.version });
  }
  /** Nothing is changed, but the transaction fails unless the node exists and has this version. */
  check(path: string, options?: VersionOption): this {
    return this.#add({ type: "check", path, version: options?.version });
  }

  /** Results in the order of the operations. Rejects with a `TransactionError`. */
  commit(): Promise<WriteResult[]> {
    return this.#commit(this.#operations);
  }

  #add(operation: WriteOperation): this {
    this.#operations.push(operation);
    return this;
  }
}

export function isFinal(state: ClientState): boolean {
  return state === "expired" || state === "authFailed" || state === "closed";
}

/** After what is running now; what it throws is nobody's to catch, as with any listener. */
function later(f: () => void): void {
  void Promise.resolve().then(f);
}
