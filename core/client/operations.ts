/**
 * Every request an application can make, as a value: what to send and how to read the reply. Arguments are checked
 * here, before anything is sent; what is wrong throws `BADARGUMENTS` (Java: the methods of ZooKeeper). Transactions
 * are in transactions.ts, credentials and the removal of watches with the client, which keeps books about them.
 */
import type { Millis } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import type { Reader } from "../jute/reader.ts";
import { encodeUtf8 } from "../jute/utf8.ts";
import type { Writer } from "../jute/writer.ts";
import { OPEN_ACL_UNSAFE, readStat } from "../protocol/data.ts";
import type { Acl, Stat } from "../protocol/data.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { TTL_MAX } from "../protocol/txns.ts";
import {
  AddWatchMode as AddWatchModes,
  CreateMode as CreateModes,
  writeAddWatchRequest,
  writeCreateRequest,
  writeCreateTtlRequest,
  writeDeleteRequest,
  writePathRequest,
  writePathWatchRequest,
  writeReconfigRequest,
  writeSetAclRequest,
  writeSetDataRequest,
  writeSetWatches2Request,
  writeSetWatchesRequest,
  writeWatchTypeRequest,
} from "../protocol/requests.ts";
import {
  readCreate2Response,
  readErrorResponse,
  readGetAclResponse,
  readGetAllChildrenNumberResponse,
  readGetChildren2Response,
  readGetChildrenResponse,
  readGetDataResponse,
  readGetEphemeralsResponse,
  readPathResponse,
  readWhoAmIResponse,
} from "../protocol/responses.ts";
import { badArguments } from "./errors.ts";
import type { ZooKeeperError } from "./errors.ts";
import type { AddWatchMode, WatchKind, WatchListener } from "./events.ts";
import { CONFIG_NODE, requirePath } from "./paths.ts";
import type { Chroot } from "./paths.ts";
import type { SetWatchesBatch } from "./watches.ts";

/** A node's data as an application gives it: text is written as UTF-8. `null` is not the same as empty. */
export type Data = Uint8Array | string | null;

/** Java: CreateMode, in lower case. */
export type CreateMode =
  | "persistent"
  | "persistent_sequential"
  | "ephemeral"
  | "ephemeral_sequential"
  | "container"
  | "persistent_with_ttl"
  | "persistent_sequential_with_ttl";

export interface CreateOptions {
  /** `persistent` when not given. */
  readonly mode?: CreateMode | undefined;
  /** {@link OPEN_ACL_UNSAFE} when not given. */
  readonly acl?: readonly Acl[] | undefined;
  /** Milliseconds without a change and without children after which the server deletes a persistent node. */
  readonly ttl?: Millis | undefined;
}

export interface ClientInfo {
  readonly scheme: string;
  readonly user: string;
}

export interface ReconfigOptions {
  /** `server.N=…` each. */
  readonly joining?: readonly string[] | undefined;
  /** Ids of servers. */
  readonly leaving?: readonly (number | string)[] | undefined;
  /** Replaces the whole membership; `server.N=…` each. */
  readonly members?: readonly string[] | undefined;
  /** The version the current configuration must have. */
  readonly version?: number | undefined;
}

/** A successful reply's body while it is read. */
export interface Reply {
  readonly reader: Reader;
  readonly root: Chroot;
  /** Views into the reply may be kept. */
  readonly owned: boolean;
}

/** One request. `T` is what a successful reply says. */
export interface Operation<T> {
  readonly type: number;
  /** As the application spelled it. */
  readonly path: string | undefined;
  readonly write: (w: Writer, root: Chroot) => void;
  /**
   * What does not decode leaves the reader failed, and the result unused. An error is the call's: a transaction's
   * reply can be OK and yet say that nothing was done.
   */
  readonly read: (reply: Reply) => T | ZooKeeperError;
  /** Registered when the reply says that the server has set it. */
  readonly watch?: { readonly kind: WatchKind; readonly listener: WatchListener } | undefined;
  /** For exists: that there is no node is an answer. */
  readonly whenMissing?: { readonly value: T } | undefined;
  /** The path is not under the chroot. */
  readonly absolute?: true | undefined;
}

const MODE_FLAGS: Readonly<Record<CreateMode, number>> = {
  persistent: CreateModes.persistent,
  persistent_sequential: CreateModes.persistentSequential,
  ephemeral: CreateModes.ephemeral,
  ephemeral_sequential: CreateModes.ephemeralSequential,
  container: CreateModes.container,
  persistent_with_ttl: CreateModes.persistentWithTtl,
  persistent_sequential_with_ttl: CreateModes.persistentSequentialWithTtl,
};

/** What the create requests have in common, checked. Type and flags always fit each other. */
export interface CheckedCreate {
  readonly type: number;
  readonly path: string;
  readonly data: Uint8Array | null;
  readonly acl: readonly Acl[];
  readonly flags: number;
  /** 0 where the mode has none. */
  readonly ttl: Millis;
}

/** `plain`: the request type for modes which do not need one of their own. */
export function checkCreate(plain: number, path: string, data: Data, options: CreateOptions): CheckedCreate {
  const { mode = "persistent", acl = OPEN_ACL_UNSAFE, ttl } = options;
  let flags = Object.hasOwn(MODE_FLAGS, mode) ? MODE_FLAGS[mode] : -1;
  if (flags < 0) throw badArguments(`no such create mode: ${String(mode)}`, path);
  if (ttl !== undefined) {
    if (flags === CreateModes.persistent) flags = CreateModes.persistentWithTtl;
    else if (flags === CreateModes.persistentSequential) flags = CreateModes.persistentSequentialWithTtl;
  }
  const expires = flags === CreateModes.persistentWithTtl || flags === CreateModes.persistentSequentialWithTtl;
  if (expires !== (ttl !== undefined)) throw badArguments(`a TTL and mode ${mode} do not go together`, path);
  if (ttl !== undefined && (!Number.isInteger(ttl) || ttl < 1 || ttl > TTL_MAX)) {
    throw badArguments(`a TTL is a whole number of milliseconds from 1 to ${TTL_MAX}`, path);
  }
  const sequential =
    flags === CreateModes.persistentSequential ||
    flags === CreateModes.ephemeralSequential ||
    flags === CreateModes.persistentSequentialWithTtl;
  requirePath(path, sequential);
  requireAcl(acl, path);
  const type = expires ? OpCode.createTTL : flags === CreateModes.container ? OpCode.createContainer : plain;
  return { type, path, data: bytesOf(data), acl, flags, ttl: ttl ?? 0 };
}

export function writeCheckedCreate(w: Writer, root: Chroot, create: CheckedCreate): void {
  const request = { ...create, path: root.toServer(create.path) };
  if (create.type === OpCode.createTTL) writeCreateTtlRequest(w, request);
  else writeCreateRequest(w, request);
}

export function create(path: string, data: Data = null, options: CreateOptions = {}): Operation<string> {
  const checked = checkCreate(OpCode.create, path, data, options);
  return { type: checked.type, path, write: (w, root) => writeCheckedCreate(w, root, checked), read: readCreated };
}

export interface Created {
  readonly path: string;
  readonly stat: Stat;
}

export function create2(path: string, data: Data = null, options: CreateOptions = {}): Operation<Created> {
  const checked = checkCreate(OpCode.create2, path, data, options);
  return { type: checked.type, path, write: (w, root) => writeCheckedCreate(w, root, checked), read: readCreated2 };
}

/** `delete` is a reserved word. */
export function remove(path: string, version: number = -1): Operation<void> {
  requirePath(path);
  requireVersion(version, path);
  return {
    type: OpCode.delete,
    path,
    write: (w, root) => writeDeleteRequest(w, { path: root.toServer(path), version }),
    read: readNothing,
  };
}

export function exists(path: string, listener?: WatchListener): Operation<Stat | null> {
  return { ...watchable(OpCode.exists, "data", path, listener, readStatReply), whenMissing: NOTHING };
}

export interface NodeData {
  readonly data: Uint8Array | null;
  readonly stat: Stat;
}

export function getData(path: string, listener?: WatchListener): Operation<NodeData> {
  return watchable(OpCode.getData, "data", path, listener, readNodeData);
}

export function setData(path: string, data: Data, version: number = -1): Operation<Stat> {
  requirePath(path);
  requireVersion(version, path);
  const bytes = bytesOf(data);
  return {
    type: OpCode.setData,
    path,
    write: (w, root) => writeSetDataRequest(w, { path: root.toServer(path), data: bytes, version }),
    read: readStatReply,
  };
}

export interface NodeAcl {
  readonly acl: readonly Acl[];
  readonly stat: Stat;
}

export function getACL(path: string): Operation<NodeAcl> {
  return pathOnly(OpCode.getACL, path, ({ reader }) => {
    const { acl, stat } = readGetAclResponse(reader);
    const entries = (acl ?? []).map(({ perms, scheme, id }) => ({ perms, scheme: scheme ?? "", id: id ?? "" }));
    return { acl: entries, stat };
  });
}

export function setACL(path: string, acl: readonly Acl[], version: number = -1): Operation<Stat> {
  requirePath(path);
  requireVersion(version, path);
  requireAcl(acl, path);
  return {
    type: OpCode.setACL,
    path,
    write: (w, root) => writeSetAclRequest(w, { path: root.toServer(path), acl, version }),
    read: readStatReply,
  };
}

/** Names, in no order that may be relied on. */
export function getChildren(path: string, listener?: WatchListener): Operation<string[]> {
  return watchable(OpCode.getChildren, "child", path, listener, ({ reader }) =>
    strings(readGetChildrenResponse(reader).children),
  );
}

export interface NodeChildren {
  readonly children: string[];
  readonly stat: Stat;
}

export function getChildren2(path: string, listener?: WatchListener): Operation<NodeChildren> {
  return watchable(OpCode.getChildren2, "child", path, listener, ({ reader }) => {
    const { children, stat } = readGetChildren2Response(reader);
    return { children: strings(children), stat };
  });
}

export function sync(path: string): Operation<void> {
  return pathOnly(OpCode.sync, path, ({ reader }) => void readPathResponse(reader));
}

export function getAllChildrenNumber(path: string): Operation<number> {
  return pathOnly(
    OpCode.getAllChildrenNumber,
    path,
    ({ reader }) => readGetAllChildrenNumberResponse(reader).totalNumber,
  );
}

/** Paths of this session's ephemeral nodes which begin with `prefix`, as raw text. */
export function getEphemerals(prefix: string = "/"): Operation<string[]> {
  return pathOnly(OpCode.getEphemerals, prefix, ({ reader, root }) =>
    strings(readGetEphemeralsResponse(reader).ephemerals).map((path) => root.toClient(path)),
  );
}

export function whoAmI(): Operation<ClientInfo[]> {
  return {
    type: OpCode.whoAmI,
    path: undefined,
    write: writeNothing,
    read: ({ reader }) =>
      (readWhoAmIResponse(reader).clientInfo ?? []).map((info) => ({
        scheme: info.authScheme ?? "",
        user: info.user ?? "",
      })),
  };
}

/** The ensemble's configuration, whatever the chroot. */
export function getConfig(listener?: WatchListener): Operation<NodeData> {
  const watched = watchable(OpCode.getData, "data", CONFIG_NODE, listener, readNodeData);
  const request = { path: CONFIG_NODE, watch: listener !== undefined };
  return { ...watched, write: (w) => writePathWatchRequest(w, request), absolute: true };
}

/** Answers with the configuration that is now active. */
export function reconfig(options: ReconfigOptions): Operation<NodeData> {
  const { joining, leaving, members, version = -1 } = options;
  if (!Number.isSafeInteger(version)) throw badArguments("a configuration's version is a whole number");
  const list = (parts: readonly (number | string)[] | undefined): string | null => parts?.join(",") ?? null;
  return {
    type: OpCode.reconfig,
    path: undefined,
    write: (w) =>
      writeReconfigRequest(w, {
        joiningServers: list(joining),
        leavingServers: list(leaving),
        newMembers: list(members),
        curConfigId: version as Zxid,
      }),
    read: readNodeData,
  };
}

export function addWatch(path: string, mode: AddWatchMode, listener: WatchListener): Operation<void> {
  requirePath(path);
  requireListener(listener, path);
  if (!Object.hasOwn(AddWatchModes, mode)) throw badArguments(`no such watch mode: ${String(mode)}`, path);
  return {
    type: OpCode.addWatch,
    path,
    write: (w, root) => writeAddWatchRequest(w, { path: root.toServer(path), mode: AddWatchModes[mode] }),
    read: ({ reader }) => void readErrorResponse(reader),
    watch: { kind: mode, listener },
  };
}

/** What the server is told of a removal; which types, only the client knows (watches.ts). */
export function removeWatches(path: string, serverType: number): Operation<void> {
  return {
    type: OpCode.removeWatches,
    path,
    write: (w, root) => writeWatchTypeRequest(w, { path: root.toServer(path), type: serverType }),
    read: readNothing,
  };
}

/**
 * Sets a client's watches again on a new connection. Changes after `relativeZxid` are told at once. Servers before 3.6
 * know the old form only, which has no persistent watches.
 */
export function setWatches(relativeZxid: Zxid, batch: SetWatchesBatch): Operation<void> {
  const old = batch.persistent.length === 0 && batch.persistentRecursive.length === 0;
  const request = {
    relativeZxid,
    dataWatches: batch.data,
    existWatches: batch.exist,
    childWatches: batch.child,
    persistentWatches: batch.persistent,
    persistentRecursiveWatches: batch.persistentRecursive,
  };
  return {
    type: old ? OpCode.setWatches : OpCode.setWatches2,
    path: undefined,
    write: (w) => (old ? writeSetWatchesRequest(w, request) : writeSetWatches2Request(w, request)),
    read: readNothing,
  };
}

export function closeSession(): Operation<void> {
  return { type: OpCode.closeSession, path: undefined, write: writeNothing, read: readNothing };
}

export function bytesOf(data: Data): Uint8Array | null {
  if (data === null || data instanceof Uint8Array) return data;
  if (typeof data === "string") return encodeUtf8(data);
  throw badArguments("data is a Uint8Array, a string or null");
}

/** A copy that outlives the packet. Not `slice`, which on a Node Buffer is another view. */
export function keep(view: Uint8Array | null, owned: boolean): Uint8Array | null {
  if (view === null || owned) return view;
  const copy = new Uint8Array(view.length);
  copy.set(view);
  return copy;
}

export function strings(vector: readonly (string | null)[] | null): string[] {
  return (vector ?? []).map((text) => text ?? "");
}

export function requireVersion(version: number, path: string): void {
  if (version !== (version | 0)) throw badArguments("a version is a whole number of 32 bits", path);
}

/** That it can be written; whether it is good, the server says. */
function requireAcl(acl: readonly Acl[], path: string): void {
  const good = Array.isArray(acl) && acl.every((entry) => Number.isInteger(entry.perms) && isIdentity(entry));
  if (!good) throw badArguments("an ACL is a list of { perms, scheme, id }", path);
}
function isIdentity({ scheme, id }: Acl): boolean {
  return typeof scheme === "string" && typeof id === "string";
}

export function requireListener(listener: WatchListener, path: string): void {
  if (typeof listener !== "function") throw badArguments("a watch is a function", path);
}

const NOTHING: { readonly value: null } = { value: null };

type Read<T> = (reply: Reply) => T;

function watchable<T>(
  type: number,
  kind: WatchKind,
  path: string,
  listener: WatchListener | undefined,
  read: Read<T>,
): Operation<T> {
  requirePath(path);
  if (listener !== undefined) requireListener(listener, path);
  const watch = listener === undefined ? undefined : { kind, listener };
  return {
    type,
    path,
    write: (w, root) => writePathWatchRequest(w, { path: root.toServer(path), watch: watch !== undefined }),
    read,
    watch,
  };
}

function pathOnly<T>(type: number, path: string, read: Read<T>): Operation<T> {
  requirePath(path);
  return { type, path, write: (w, root) => writePathRequest(w, { path: root.toServer(path) }), read };
}

function readNothing(): void {}
function writeNothing(): void {}

function readStatReply({ reader }: Reply): Stat {
  return readStat(reader);
}

function readNodeData({ reader, owned }: Reply): NodeData {
  const { data, stat } = readGetDataResponse(reader);
  return { data: keep(data, owned), stat };
}

/** Containers and TTL nodes answer with a Stat behind the path, which a plain create does not ask for. */
function readCreated({ reader, root }: Reply): string {
  return root.toClient(readPathResponse(reader).path ?? "");
}

function readCreated2({ reader, root }: Reply): Created {
  const { path, stat } = readCreate2Response(reader);
  return { path: root.toClient(path ?? ""), stat };
}
