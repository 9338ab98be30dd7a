/** The client on a host of your own: browsers, other runtimes, simulations. On Node, see the package's main entry. */
export { Client } from "./client.ts";
export type { ClientSink } from "./client.ts";
export type { Completion } from "./calls.ts";
export { DEFAULT_CLIENT_CONFIG } from "./config.ts";
export type { ClientConfig, Credentials, SessionKey } from "./config.ts";
export { isZooKeeperError, TransactionError, ZooKeeperError } from "./errors.ts";
export type { CodeName, FailedOperation } from "./errors.ts";
export type {
  AddWatchMode,
  ClientState,
  WatchEvent,
  WatchEventType,
  WatcherType,
  WatchKind,
  WatchListener,
} from "./events.ts";
export { parseConnectString } from "./hosts.ts";
export type { ConnectString } from "./hosts.ts";
export * as operations from "./operations.ts";
export type {
  ClientInfo,
  Created,
  CreateMode,
  CreateOptions,
  Data,
  NodeAcl,
  NodeChildren,
  NodeData,
  Operation,
  ReconfigOptions,
} from "./operations.ts";
export { configOf } from "./options.ts";
export type { ClientOptions } from "./options.ts";
export { multi, multiRead } from "./transactions.ts";
export type { ReadOperation, ReadResult, WriteOperation, WriteResult } from "./transactions.ts";
export { isFinal, Transaction, ZooKeeper } from "./zookeeper.ts";
export type { ClientHost, StateListener, VersionOption, WatchOption } from "./zookeeper.ts";
export { Code } from "../protocol/codes.ts";
export { CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, Perms, READ_ACL_UNSAFE } from "../protocol/data.ts";
export type { Acl, Id, Stat } from "../protocol/data.ts";
