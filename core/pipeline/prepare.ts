/**
 * Requests into transactions: validates each write against the tree plus everything pending, gives it a zxid, and
 * encodes the txn for the log (Java: PrepRequestProcessor). Every write that gets here takes a zxid, valid or not:
 * what fails becomes an error txn (reference, section 7.4). Which error wins is reference section 5.11.
 */
import type { Context } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import { SESSION_NONE } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import { nextZxid } from "../base/zxid.ts";
import { checkAcl, fixupAcl } from "../auth/acl.ts";
import { Reader } from "../jute/reader.ts";
import { utf8Length } from "../jute/utf8.ts";
import { Writer } from "../jute/writer.ts";
import { Code } from "../protocol/codes.ts";
import type { Acl, Id, RawAcl } from "../protocol/data.ts";
import { ACL_BYTES_MIN, Perms } from "../protocol/data.ts";
import { OpCode } from "../protocol/op-codes.ts";
import {
  readCreateRequest,
  readCreateTtlRequest,
  readDeleteRequest,
  readPathRequest,
  readSetAclRequest,
  readSetDataRequest,
} from "../protocol/requests.ts";
import type { SubTxn, Txn } from "../protocol/txns.ts";
import { TTL_MAX, writeTxn, writeTxnDigest, writeTxnHeader } from "../protocol/txns.ts";
import type { AdHash } from "../tree/digest.ts";
import { DIGEST_VERSION } from "../tree/digest.ts";
import { OwnerKind, ownerHigh, ownerKindOf, ownerLow } from "../tree/owner.ts";
import { CONFIG_PATH, isReserved, parentPath, sequenceSuffix, validatePath } from "../tree/paths.ts";
import { ChangeRecorder } from "./change-recorder.ts";
import type { ChangeRecord } from "./pending-changes.ts";
import { PendingChanges } from "./pending-changes.ts";
import { prepareMulti } from "./prepare-multi.ts";
import type { Request } from "./request.ts";
import { LOCAL_OWNER } from "./request.ts";
import type { ServerState } from "./state.ts";

const NO_IDS: readonly Id[] = [];

/** The stage that travels after this one. */
export interface TxnSink {
  /** `payload[0..length)` is the encoded txn, lent for the call. */
  logTxn(cx: Context, request: Request, payload: Uint8Array, length: number): void;
}

/** Fields of a create of any kind, decoded. */
export interface CreateFields {
  /** create, create2, createContainer or createTTL. */
  readonly type: number;
  readonly path: string | null;
  readonly data: Uint8Array | null;
  readonly acl: readonly RawAcl[] | null;
  readonly flags: number;
  /** -1 where the request has none. */
  readonly ttl: number;
}

export class PrepareStage {
  readonly #state: ServerState;
  readonly #next: TxnSink;
  readonly #record = new Writer(1024);
  readonly #changes: ChangeRecorder;
  readonly pending: PendingChanges;
  /** The last zxid given. */
  lastZxid: Zxid;

  /** What the sub-operations of the request at hand share. */
  #session: SessionId = SESSION_NONE;
  #owner: unknown = LOCAL_OWNER;
  #ids: readonly Id[] = NO_IDS;
  /** Bytes that the request at hand may still make of `auth` entries. */
  #aclRoom = 0;

  constructor(state: ServerState, next: TxnSink) {
    this.#state = state;
    this.#next = next;
    this.pending = new PendingChanges(state.tree, state.config.digestEnabled);
    this.#changes = new ChangeRecorder(this.pending, state.config);
    this.lastZxid = state.tree.lastProcessedZxid;
  }

  /** `body` is lent. */
  prepare(cx: Context, request: Request, body: Reader): void {
    this.#begin(cx, request);
    const txn = this.#derive(cx, request, body);
    this.#finish(cx, request, typeof txn === "number" ? { type: OpCode.error, err: txn } : txn);
  }

  /**
   * A new session, served by `request.owner` (Java: case createSession). The tracker knows it if it was made here; from
   * now on it does in any case, so that requests behind this one are not refused.
   */
  prepareCreateSession(cx: Context, request: Request, timeOut: number): void {
    this.#begin(cx, request);
    const { sessions } = this.#state;
    sessions.ensure(request.session, timeOut, cx.now);
    sessions.setOwner(request.session, request.owner);
    this.#finish(cx, request, { type: OpCode.createSession, timeOut });
  }

  /** The server's own removal of an empty container or stale TTL node. */
  prepareDeleteContainer(cx: Context, request: Request, path: string): void {
    this.#begin(cx, request);
    const txn = this.#deleteContainer(path);
    this.#finish(cx, request, typeof txn === "number" ? { type: OpCode.error, err: txn } : txn);
  }

  /** Nothing outstanding will be applied: the log lost it (disk full). */
  reset(): void {
    this.pending.reset();
    this.lastZxid = this.#state.tree.lastProcessedZxid;
  }

  #begin(cx: Context, request: Request): void {
    const zxid = nextZxid(this.lastZxid);
    this.lastZxid = zxid;
    this.#session = request.session;
    this.#owner = request.owner;
    this.#ids = request.ids;
    this.#aclRoom = this.#state.config.juteMaxBufferExtra / 2;
    this.#changes.begin(zxid, cx.wall, request.session);
    request.zxid = zxid;
    request.time = cx.wall;
  }

  #finish(cx: Context, request: Request, txn: Txn): void {
    request.txn = txn;
    const w = this.#record.clear();
    writeTxnHeader(w, {
      clientId: request.session,
      cxid: request.xid,
      zxid: request.zxid,
      time: request.time,
      type: txn.type,
    });
    writeTxn(w, txn);
    // Error txns of plain requests carry no digest; failed multis do (reference, section 7.4).
    if (this.#state.config.digestEnabled && txn.type !== OpCode.error) {
      const digest = this.pending.digest;
      request.digest = digest.to53();
      writeTxnDigest(w, { version: DIGEST_VERSION, high: digest.high, low: digest.low });
    }
    this.#state.stats.proposalSize(w.length);
    this.#next.logTxn(cx, request, w.bytes, w.length);
  }

  /** The txn, or the code of the error that wins. */
  #derive(cx: Context, request: Request, body: Reader): Txn | number {
    switch (request.type) {
      case OpCode.create:
      case OpCode.create2:
      case OpCode.createContainer: {
        const r = readCreateRequest(body);
        if (body.failed) return Code.MARSHALLINGERROR;
        return this.create({ type: request.type, path: r.path, data: r.data, acl: r.acl, flags: r.flags, ttl: -1 });
      }
      case OpCode.createTTL: {
        const r = readCreateTtlRequest(body);
        if (body.failed) return Code.MARSHALLINGERROR;
        return this.create({ type: request.type, path: r.path, data: r.data, acl: r.acl, flags: r.flags, ttl: r.ttl });
      }
      case OpCode.delete: {
        const r = readDeleteRequest(body);
        return body.failed ? Code.MARSHALLINGERROR : this.delete(r.path, r.version);
      }
      case OpCode.setData: {
        const r = readSetDataRequest(body);
        return body.failed ? Code.MARSHALLINGERROR : this.setData(r.path, r.data, r.version);
      }
      case OpCode.setACL: {
        const r = readSetAclRequest(body);
        return body.failed ? Code.MARSHALLINGERROR : this.#setAcl(r.path, r.acl, r.version);
      }
      case OpCode.multi:
        return this.#multi(body);
      case OpCode.closeSession:
        return this.#closeSession(request.session);
      case OpCode.reconfig:
        return this.#reconfig(cx, request, body);
      case OpCode.check:
        // As a txn of its own it could be neither applied nor read back (ZOOKEEPER-2623).
        return Code.UNIMPLEMENTED;
      case OpCode.deleteContainer: {
        // Never meant for clients (reference, section 3.4).
        if (request.origin !== undefined || request.owner !== LOCAL_OWNER) return Code.BADARGUMENTS;
        const { path } = readPathRequest(body);
        return body.failed || path === null ? Code.MARSHALLINGERROR : this.#deleteContainer(path);
      }
      default:
        return Code.BADARGUMENTS;
    }
  }

  /** The body is kept whole: a copy of each part's data would cost more. */
  #multi(body: Reader): Txn | number {
    const kept = this.#changes.copy(body.bytes.subarray(body.offset, body.end));
    this.#changes.bodyIsKept = true;
    const txn = prepareMulti(this, new Reader(kept, 0, kept.length, body.lengthMax));
    this.#changes.bodyIsKept = false;
    return txn;
  }

  #reconfig(cx: Context, request: Request, body: Reader): Txn | number {
    if (!this.#state.config.reconfigEnabled) return Code.RECONFIGDISABLED;
    const session = this.#checkSession(false);
    if (session !== Code.OK) return session;
    // A standalone server has no ensemble to change.
    if (this.#state.reconfig === undefined) return Code.UNIMPLEMENTED;
    const txn = this.#state.reconfig.prepare(cx, request, body, this);
    if (typeof txn === "number" || txn.type !== OpCode.reconfig) return txn;
    const node = this.pending.get(CONFIG_PATH);
    if (node === undefined) return Code.NONODE;
    if (!this.#allowed(node.acl, Perms.WRITE)) return Code.NOAUTH;
    this.#changes.reconfig(node, txn);
    return txn;
  }

  /** Where a failed multi returns to. */
  savepoint(): { readonly mark: number; readonly digest: AdHash } {
    return { mark: this.pending.mark(), digest: this.pending.digest.copy() };
  }

  rollback(to: { readonly mark: number; readonly digest: AdHash }): void {
    this.pending.rollback(to.mark, to.digest);
  }

  create(fields: CreateFields): SubTxn | number {
    const { type, path, flags, ttl } = fields;
    const { extendedTypesEnabled } = this.#state.config;
    if (flags < 0 || flags > 6) return Code.BADARGUMENTS;
    const wantsTtl = flags === 5 || flags === 6;
    if (wantsTtl && !extendedTypesEnabled) return Code.UNIMPLEMENTED;
    if (wantsTtl ? ttl < 1 || ttl > TTL_MAX : ttl >= 0) return Code.BADARGUMENTS;
    // Whatever a learner holds of a local session, nothing can belong to it (Java: checkGlobalSession).
    const session = this.#checkSession(flags === 1 || flags === 3);
    if (session !== Code.OK) return session;
    if (path === null) return Code.MARSHALLINGERROR;
    const slash = path.lastIndexOf("/");
    // A TTL create without a TTL mode would be logged and then fail to apply, for ever (reference, section 3.1).
    if (slash < 0 || path.includes("\0") || (type === OpCode.createTTL && !wantsTtl)) return Code.BADARGUMENTS;
    const acl = this.#fixupAcl(fields.acl);
    if (typeof acl === "number") return acl;
    const parent = this.pending.get(slash === 0 ? "/" : path.slice(0, slash));
    if (parent === undefined) return Code.NONODE;
    if (!this.#allowed(parent.acl, Perms.CREATE)) return Code.NOAUTH;
    const sequential = flags === 2 || flags === 3 || flags === 6;
    const finalPath = sequential ? path + sequenceSuffix(parent.cversion) : path;
    if (!validatePath(finalPath)) return Code.BADARGUMENTS;
    if (this.pending.get(finalPath) !== undefined) return Code.NODEEXISTS;
    if (this.#isSessionEphemeral(parent)) return Code.NOCHILDRENFOREPHEMERALS;
    if (!this.#withinQuota(finalPath, fields.data?.length ?? 0, 1)) return Code.QUOTAEXCEEDED;
    return this.#changes.create(fields, finalPath, acl, parent);
  }

  delete(path: string | null, version: number): SubTxn | number {
    const session = this.#checkSession(false);
    if (session !== Code.OK) return session;
    if (path === null) return Code.MARSHALLINGERROR;
    if (!path.includes("/") || path.includes("\0") || isReserved(path)) return Code.BADARGUMENTS;
    const parent = this.pending.get(parentPath(path));
    if (parent === undefined) return Code.NONODE;
    if (!this.#allowed(parent.acl, Perms.DELETE)) return Code.NOAUTH;
    const node = this.pending.get(path);
    if (node === undefined) return Code.NONODE;
    if (version !== -1 && version !== node.version) return Code.BADVERSION;
    if (node.childCount > 0) return Code.NOTEMPTY;
    this.#changes.delete(node, parent);
    return { type: OpCode.delete, path };
  }

  #deleteContainer(path: string): SubTxn | number {
    const parent = this.pending.get(parentPath(path));
    const node = this.pending.get(path);
    if (parent === undefined || node === undefined) return Code.NONODE;
    if (node.childCount > 0) return Code.NOTEMPTY;
    if (this.#isSessionEphemeral(node)) return Code.BADVERSION;
    this.#changes.delete(node, parent);
    return { type: OpCode.deleteContainer, path };
  }

  setData(path: string | null, data: Uint8Array | null, version: number): SubTxn | number {
    const session = this.#checkSession(false);
    if (session !== Code.OK) return session;
    // Null is no path here, where elsewhere Java stumbles over it.
    if (path === null || !validatePath(path)) return Code.BADARGUMENTS;
    const before = this.pending.get(path);
    if (before === undefined) return Code.NONODE;
    if (!this.#allowed(before.acl, Perms.WRITE)) return Code.NOAUTH;
    if (this.#state.config.enforceQuota && !this.#withinQuota(path, this.#growth(path, data), 0)) {
      return Code.QUOTAEXCEEDED;
    }
    if (version !== -1 && version !== before.version) return Code.BADVERSION;
    return this.#changes.setData(before, data);
  }

  #setAcl(path: string | null, raw: readonly RawAcl[] | null, version: number): SubTxn | number {
    const session = this.#checkSession(false);
    if (session !== Code.OK) return session;
    if (path === null || !validatePath(path)) return Code.BADARGUMENTS;
    const acl = this.#fixupAcl(raw);
    if (typeof acl === "number") return acl;
    const before = this.pending.get(path);
    if (before === undefined) return Code.NONODE;
    if (!this.#allowed(before.acl, Perms.ADMIN)) return Code.NOAUTH;
    if (version !== -1 && version !== before.aversion) return Code.BADVERSION;
    return this.#changes.setAcl(before, acl);
  }

  check(path: string | null, version: number): SubTxn | number {
    const session = this.#checkSession(false);
    if (session !== Code.OK) return session;
    if (path === null) return Code.MARSHALLINGERROR;
    if (!validatePath(path)) return Code.BADARGUMENTS;
    const node = this.pending.get(path);
    if (node === undefined) return Code.NONODE;
    if (!this.#allowed(node.acl, Perms.READ)) return Code.NOAUTH;
    if (version !== -1 && version !== node.version) return Code.BADVERSION;
    return { type: OpCode.check, path, version: (node.version + 1) | 0 };
  }

  /** Deletes what is the session's now, and what pending creates would make so (reference, section 7.2). */
  #closeSession(session: SessionId): Txn | number {
    const paths = new Set(this.#state.tree.ephemeralsOf(session));
    for (const [path, exists] of this.pending.ephemeralChanges(session)) {
      if (exists) paths.add(path);
      else paths.delete(path);
    }
    for (const path of paths) {
      const parent = this.pending.get(parentPath(path));
      const node = this.pending.get(path);
      if (parent !== undefined && node !== undefined) this.#changes.delete(node, parent);
    }
    this.#state.sessions.setClosing(session);
    return {
      type: OpCode.closeSession,
      paths: this.#state.config.closeSessionTxnEnabled ? [...paths] : undefined,
    };
  }

  /**
   * Whether the client may ask, and ask there (Java: LeaderSessionTracker.checkSession). An id nobody here knows may be
   * a learner's local session, but none of this server's own. `global`: only what every server knows will do.
   */
  #checkSession(global: boolean): number {
    const { sessions, config } = this.#state;
    const id = this.#session;
    const code = this.#mutated(sessions.checkOwner(id, this.#owner));
    if (code !== Code.UNKNOWNSESSION) return code;
    if (global || id === SESSION_NONE || config.ensemble?.localSessionsEnabled !== true) return Code.SESSIONEXPIRED;
    const local = sessions.local.get(id);
    if (local !== undefined) return local.closing ? Code.SESSIONEXPIRED : Code.OK;
    return sessions.isOfThisServer(id) ? Code.SESSIONEXPIRED : Code.OK;
  }

  #mutated(code: number): number {
    const { mutants } = this.#state;
    if (mutants.size === 0) return code;
    if (code === Code.SESSIONMOVED && mutants.has("owner-not-checked")) return Code.OK;
    return mutants.has("session-not-checked") ? Code.OK : code;
  }

  /** `auth` entries multiply: a small request must not become a txn that no log could be read back with. */
  #fixupAcl(raw: readonly RawAcl[] | null): readonly Acl[] | number {
    const acl = fixupAcl(this.#state.auth, raw, this.#ids);
    if (typeof acl === "number" || !raw!.some(({ scheme }) => scheme === "auth")) return acl;
    for (const { scheme, id } of acl) this.#aclRoom -= ACL_BYTES_MIN + utf8Length(scheme) + utf8Length(id);
    return this.#aclRoom < 0 ? Code.INVALIDACL : acl;
  }

  #isSessionEphemeral({ owner }: ChangeRecord): boolean {
    return ownerKindOf(ownerHigh(owner), ownerLow(owner), this.#changes.ownerOptions) === OwnerKind.session;
  }

  #allowed(acl: readonly Acl[], perm: number): boolean {
    return checkAcl(this.#state.auth, acl, perm, this.#ids, this.#state.config.skipAcl);
  }

  #growth(path: string, data: Uint8Array | null): number {
    const tree = this.#state.tree;
    const node = tree.find(path);
    return (data?.length ?? 0) - (node < 0 ? 0 : tree.dataLength(node));
  }

  #withinQuota(path: string, bytes: number, count: number): boolean {
    if (!this.#state.config.enforceQuota) return true;
    return this.#state.tree.quotaCheck(path, bytes, count);
  }
}
