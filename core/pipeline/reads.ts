/**
 * Requests that change nothing in the log, answered from the tree as it is (Java: FinalRequestProcessor's read cases).
 * Ordering behind the session's own writes is the caller's business.
 */
import type { Context, Millis } from "../actor.ts";
import { checkAcl, maskDigestIds } from "../auth/acl.ts";
import type { Zxid } from "../base/zxid.ts";
import { Reader } from "../jute/reader.ts";
import type { Writer } from "../jute/writer.ts";
import { MULTI_READ_REPLY_MAX_BYTES } from "../limits.ts";
import { Code } from "../protocol/codes.ts";
import { Perms, writeAclVector, writeStringVector } from "../protocol/data.ts";
import { Xids } from "../protocol/headers.ts";
import {
  readMultiReadRequest,
  readMultiRequest,
  writeMultiEnd,
  writeMultiHeader,
  writeMultiResult,
} from "../protocol/multi.ts";
import { OpCode } from "../protocol/op-codes.ts";
import {
  AddWatchMode,
  readAddWatchRequest,
  readPathRequest,
  readPathWatchRequest,
  readSetWatches2Request,
  readSetWatchesRequest,
  readWatchTypeRequest,
} from "../protocol/requests.ts";
import { writeWhoAmIResponse } from "../protocol/responses.ts";
import type { NodeRef } from "../tree/data-tree.ts";
import { NO_NODE } from "../tree/data-tree.ts";
import { catchUp } from "../watch/catch-up.ts";
import { isWatcherType } from "../watch/watch-table.ts";
import type { Replies } from "./replies.ts";
import type { Origin } from "./request.ts";
import type { ServerState } from "./state.ts";

// oxlint-disable-next-line no-control-regex
const JAVA_BLANK_ENDS = /^[\0-\x20]+|[\0-\x20]+$/g;

export class Reads {
  readonly #state: ServerState;
  readonly #replies: Replies;

  constructor(state: ServerState, replies: Replies) {
    this.#state = state;
    this.#replies = replies;
  }

  /** `body` is what follows the request header. */
  answer(cx: Context, origin: Origin, xid: number, type: number, body: Reader, receivedAt: Millis): void {
    const zxid = this.#state.tree.lastProcessedZxid;
    // setWatches sends its events before its own reply: nothing of the reply may be written yet.
    const early = type === OpCode.setWatches || type === OpCode.setWatches2 ? this.#setWatches(origin, type, body) : 0;
    const w = this.#replies.begin(cx, origin.conn, type === OpCode.ping ? Xids.ping : xid, zxid, Code.OK);
    const bodyStart = w.length;
    const from = body.offset;
    const err = early !== 0 ? early : this.#writeBody(w, origin, type, body);
    if (err !== Code.OK) {
      // Drops a half-written body. A multiRead that is a multi keeps its terminator, as Apache's answer does.
      w.length = bodyStart;
      w.patchInt(bodyStart - 4, err);
      if (type === OpCode.multiRead && isMulti(body, from)) writeMultiEnd(w);
    }
    this.#replies.end();
    const latency = cx.now - receivedAt;
    this.#state.stats.latency(latency);
    origin.replied(xid, type, zxid, latency);
  }

  /** A reply that is nothing but a code. */
  refuse(cx: Context, origin: Origin, xid: number, type: number, zxid: Zxid, err: number): void {
    this.#replies.begin(cx, origin.conn, xid, zxid, err);
    this.#replies.end();
    origin.replied(xid, type, zxid, 0);
  }

  #writeBody(w: Writer, origin: Origin, type: number, body: Reader): number {
    switch (type) {
      case OpCode.ping:
      case OpCode.setWatches:
      case OpCode.setWatches2:
        return Code.OK;
      case OpCode.exists:
        return this.#exists(w, origin, body);
      case OpCode.getData:
        return this.#getData(w, origin, body);
      case OpCode.getChildren:
      case OpCode.getChildren2:
        return this.#getChildren(w, origin, body, type === OpCode.getChildren2);
      case OpCode.getACL:
        return this.#getAcl(w, origin, body);
      case OpCode.multiRead:
        return this.#multiRead(w, origin, body);
      case OpCode.addWatch:
        return this.#addWatch(w, origin, body);
      case OpCode.checkWatches:
      case OpCode.removeWatches:
        return this.#watchType(origin, body, type === OpCode.removeWatches);
      case OpCode.getEphemerals:
        return this.#getEphemerals(w, origin, body);
      case OpCode.getAllChildrenNumber:
        return this.#getAllChildrenNumber(w, origin, body);
      case OpCode.whoAmI:
        return this.#whoAmI(w, origin);
      default:
        return Code.UNIMPLEMENTED;
    }
  }

  #exists(w: Writer, origin: Origin, body: Reader): number {
    const { path, watch } = readPathWatchRequest(body);
    if (body.failed || path === null) return Code.MARSHALLINGERROR;
    if (path.includes("\0")) return Code.BADARGUMENTS;
    const { tree, watches } = this.#state;
    const node = tree.find(path);
    // Since 3.8.4 and 3.9.2; and it comes first, so that a refusal arms nothing.
    if (node !== NO_NODE && !this.#allowed(origin, node, Perms.READ)) return Code.NOAUTH;
    if (watch) watches.addData(path, origin);
    if (node === NO_NODE) return Code.NONODE;
    tree.writeStat(w, node);
    return Code.OK;
  }

  #getData(w: Writer, origin: Origin, body: Reader): number {
    const path = body.string();
    const watch = body.boolean();
    if (body.failed || path === null) return Code.MARSHALLINGERROR;
    const { tree, watches } = this.#state;
    const node = tree.find(path);
    if (node === NO_NODE) return Code.NONODE;
    if (!this.#allowed(origin, node, Perms.READ)) return Code.NOAUTH;
    if (watch) watches.addData(path, origin);
    tree.writeData(w, node);
    tree.writeStat(w, node);
    return Code.OK;
  }

  #getChildren(w: Writer, origin: Origin, body: Reader, withStat: boolean): number {
    const { path, watch } = readPathWatchRequest(body);
    if (body.failed || path === null) return Code.MARSHALLINGERROR;
    const { tree, watches } = this.#state;
    const node = tree.find(path);
    if (node === NO_NODE) return Code.NONODE;
    if (!this.#allowed(origin, node, Perms.READ)) return Code.NOAUTH;
    if (watch) watches.addChild(path, origin);
    tree.writeChildren(w, node);
    if (withStat) tree.writeStat(w, node);
    return Code.OK;
  }

  #getAcl(w: Writer, origin: Origin, body: Reader): number {
    const { path } = readPathRequest(body);
    if (body.failed || path === null) return Code.MARSHALLINGERROR;
    const { tree } = this.#state;
    const node = tree.find(path);
    if (node === NO_NODE) return Code.NONODE;
    if (!this.#allowed(origin, node, Perms.READ | Perms.ADMIN)) return Code.NOAUTH;
    const acl = tree.acl(node);
    writeAclVector(w, this.#allowed(origin, node, Perms.ADMIN) ? acl : maskDigestIds(acl));
    tree.writeStat(w, node);
    return Code.OK;
  }

  #multiRead(w: Writer, origin: Origin, body: Reader): number {
    const ops = readMultiReadRequest(body);
    if (ops === undefined) return Code.MARSHALLINGERROR;
    const { tree } = this.#state;
    const start = w.length;
    for (const { type, request } of ops) {
      // A few bytes can ask for a megabyte, thousands of times in one frame.
      if (w.length - start > MULTI_READ_REPLY_MAX_BYTES) return Code.MARSHALLINGERROR;
      const node = request.path === null ? NO_NODE : tree.find(request.path);
      const err =
        request.path === null
          ? Code.MARSHALLINGERROR
          : node === NO_NODE
            ? Code.NONODE
            : this.#allowed(origin, node, Perms.READ)
              ? Code.OK
              : Code.NOAUTH;
      if (err !== Code.OK) {
        writeMultiResult(w, { type: OpCode.error, err });
        continue;
      }
      writeMultiHeader(w, type, false, Code.OK);
      if (type === OpCode.getData) {
        tree.writeData(w, node);
        tree.writeStat(w, node);
      } else tree.writeChildren(w, node);
    }
    writeMultiEnd(w);
    return Code.OK;
  }

  #setWatches(origin: Origin, type: number, body: Reader): number {
    const request = type === OpCode.setWatches2 ? readSetWatches2Request(body) : readSetWatchesRequest(body);
    if (body.failed) return Code.MARSHALLINGERROR;
    const { tree, watches } = this.#state;
    const known = catchUp(watches, origin, request, {
      mzxidOf: (path) => zxidOf(tree.find(path), (node) => tree.mzxid(node)),
      pzxidOf: (path) => zxidOf(tree.find(path), (node) => tree.pzxid(node)),
    });
    return known ? Code.OK : Code.MARSHALLINGERROR;
  }

  #addWatch(w: Writer, origin: Origin, body: Reader): number {
    const { path, mode } = readAddWatchRequest(body);
    if (body.failed || path === null) return Code.MARSHALLINGERROR;
    if (mode !== AddWatchMode.persistent && mode !== AddWatchMode.persistentRecursive) return Code.MARSHALLINGERROR;
    this.#state.watches.addPersistent(path, origin, mode === AddWatchMode.persistentRecursive);
    w.int(0);
    return Code.OK;
  }

  #watchType(origin: Origin, body: Reader, remove: boolean): number {
    const { path, type } = readWatchTypeRequest(body);
    if (body.failed || path === null || !isWatcherType(type)) return Code.MARSHALLINGERROR;
    const { watches } = this.#state;
    const found = remove ? watches.remove(path, origin, type) : watches.has(path, origin, type);
    return found ? Code.OK : Code.NOWATCHER;
  }

  #getEphemerals(w: Writer, origin: Origin, body: Reader): number {
    const { path: prefix } = readPathRequest(body);
    if (body.failed) return Code.MARSHALLINGERROR;
    const all = this.#state.tree.ephemeralsOf(origin.session);
    // Java's trim takes every character up to the blank, so these prefixes are blank or the root too.
    const trimmed = prefix === null ? "" : prefix.replace(JAVA_BLANK_ENDS, "");
    const any = prefix === null || trimmed === "" || trimmed === "/";
    writeStringVector(w, any ? all : all.filter((path) => path.startsWith(prefix)));
    return Code.OK;
  }

  #getAllChildrenNumber(w: Writer, origin: Origin, body: Reader): number {
    const { path } = readPathRequest(body);
    if (body.failed || path === null) return Code.MARSHALLINGERROR;
    const node = this.#state.tree.find(path);
    if (node === NO_NODE) return Code.NONODE;
    if (!this.#allowed(origin, node, Perms.READ)) return Code.NOAUTH;
    // Asked under its empty name, the root's other name counts among the children (Java: DataTree.nodes has both).
    w.int(this.#state.tree.descendantCount(node) + (path === "" ? 1 : 0));
    return Code.OK;
  }

  #whoAmI(w: Writer, origin: Origin): number {
    const users = this.#state.auth.whoAmI(origin.ids);
    writeWhoAmIResponse(w, { clientInfo: users.map(({ scheme, id }) => ({ authScheme: scheme, user: id })) });
    return Code.OK;
  }

  #allowed(origin: Origin, node: NodeRef, perm: number): boolean {
    return checkAcl(this.#state.auth, this.#state.tree.acl(node), perm, origin.ids, this.#state.config.skipAcl);
  }
}

/** Whether the body from `from` on is a request of the other kind: writes, well formed. */
function isMulti(body: Reader, from: number): boolean {
  const again = new Reader(body.bytes, from, body.end, body.lengthMax);
  return readMultiRequest(again) !== undefined;
}

function zxidOf(node: NodeRef, read: (node: NodeRef) => Zxid): Zxid | undefined {
  return node === NO_NODE ? undefined : read(node);
}
