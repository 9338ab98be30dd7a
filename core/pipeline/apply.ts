/**
 * Committed transactions into the tree, and the replies that say so (Java: FinalRequestProcessor). Watch events of a txn
 * are written before its reply: the tree tells the watch table while it changes.
 */
import type { Context } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import { Code } from "../protocol/codes.ts";
import { STAT_BYTES } from "../protocol/data.ts";
import { readMultiRequest, writeMultiEnd, writeMultiHeader, writeMultiResult } from "../protocol/multi.ts";
import { OpCode } from "../protocol/op-codes.ts";
import type { Txn } from "../protocol/txns.ts";
import type { ApplyResult, NodeRef, TreeListener } from "../tree/data-tree.ts";
import { NO_LISTENER } from "../tree/data-tree.ts";
import { Reader } from "../jute/reader.ts";
import type { Writer } from "../jute/writer.ts";
import { readPathRequest } from "../protocol/requests.ts";
import type { PendingChanges } from "./pending-changes.ts";
import type { Replies } from "./replies.ts";
import type { Origin, Request } from "./request.ts";
import type { ServerState } from "./state.ts";

export class ApplyStage implements TreeListener {
  readonly #state: ServerState;
  readonly #pending: PendingChanges | undefined;
  readonly #replies: Replies;

  /** `pending` is told of what is applied; undefined where there is none (learners), or where others tell it. */
  constructor(state: ServerState, pending: PendingChanges | undefined, replies: Replies) {
    this.#state = state;
    this.#pending = pending;
    this.#replies = replies;
  }

  /** Applies `request.txn`; answers it, unless it is a session's beginning (that reply is not a normal one). */
  apply(cx: Context, request: Request): void {
    const { tree, sessions } = this.#state;
    const txn = request.txn!;
    const result = tree.apply(
      { clientId: request.session, cxid: request.xid, zxid: request.zxid, time: request.time, type: txn.type },
      txn,
      this.#state.watches.isEmpty ? NO_LISTENER : this,
    );
    this.#pending?.applied(request.zxid);
    if (txn.type === OpCode.createSession) sessions.add(request.session, txn.timeOut, cx.now);
    else if (txn.type === OpCode.closeSession) sessions.remove(request.session);
    cx.facts.applied(request.zxid, tree.treeDigest.to53());
    if (request.digest >= 0 && request.digest !== tree.treeDigest.to53()) this.#digestMismatch(cx, request.zxid);
    const origin = request.origin;
    if (origin !== undefined && !origin.closed && txn.type !== OpCode.createSession) {
      this.#answer(cx, origin, request, txn, result);
    }
  }

  /** sync: everything before it on its way is in the tree. The path is echoed, whatever it is. */
  answerSync(cx: Context, request: Request): void {
    const origin = request.origin!;
    if (origin.closed) return;
    const path = readPathRequest(new Reader(request.body!)).path;
    const zxid = this.#state.tree.lastProcessedZxid;
    if (path === null) this.#replies.begin(cx, origin.conn, request.xid, zxid, Code.MARSHALLINGERROR);
    else this.#replies.begin(cx, origin.conn, request.xid, zxid, Code.OK).string(path);
    this.#end(cx, origin, request, zxid);
  }

  /**
   * Who asks through a server that the session has left gets no reply: the connection ends, and the client finds out
   * where its session is by coming back (ZOOKEEPER-710; reference, section 5.2).
   */
  #answer(cx: Context, origin: Origin, request: Request, txn: Txn, result: ApplyResult): void {
    // Of a multi, this is the first error in it.
    if (result.err === Code.SESSIONMOVED) {
      request.moved = true;
      return;
    }
    const zxid = this.#state.tree.lastProcessedZxid;
    const err = txn.type === OpCode.error ? txn.err : txn.type === OpCode.multi ? Code.OK : result.err;
    const w = this.#replies.begin(cx, origin.conn, request.xid, zxid, err);
    if (err === Code.OK) this.#writeBody(w, request, txn, result);
    this.#end(cx, origin, request, zxid);
  }

  #end(cx: Context, origin: Origin, request: Request, zxid: Zxid): void {
    this.#replies.end();
    const latency = cx.now - request.receivedAt;
    this.#state.stats.latency(latency);
    origin.replied(request.xid, request.type, zxid, latency);
  }

  /** A txn does not say whether its create answers with a Stat: the request does. */
  #writeBody(w: Writer, request: Request, txn: Txn, result: ApplyResult): void {
    switch (txn.type) {
      case OpCode.create:
      case OpCode.create2:
      case OpCode.createContainer:
      case OpCode.createTTL:
        w.string(txn.path);
        return request.type === OpCode.create ? undefined : this.#state.tree.writeStat(w, result.node);
      case OpCode.reconfig:
        this.#state.tree.writeData(w, result.node);
        return this.#state.tree.writeStat(w, result.node);
      case OpCode.setData:
      case OpCode.setACL:
        return this.#state.tree.writeStat(w, result.node);
      case OpCode.multi:
        return writeResults(w, result, request.body);
      default:
        return;
    }
  }

  #digestMismatch(cx: Context, zxid: Zxid): void {
    this.#state.stats.count("digest_mismatches_count");
    cx.facts.log("error", "the tree differs from what its leader predicted", { zxid });
  }

  nodeCreated(path: string, zxid: Zxid, node: NodeRef): void {
    const { tree, watches } = this.#state;
    watches.onCreated(path, zxid, tree.aclId(node), tree.aclId(tree.parent(node)));
  }
  nodeDataChanged(path: string, zxid: Zxid, node: NodeRef): void {
    this.#state.watches.onDataChanged(path, zxid, this.#state.tree.aclId(node));
  }
  nodeDeleted(path: string, zxid: Zxid, aclId: number, _parentPath: string, parentNode: NodeRef): void {
    this.#state.watches.onDeleted(path, zxid, aclId, this.#state.tree.aclId(parentNode));
  }
}

/**
 * In a failed multi every result is an error, with 0 before the one that failed (reference, section 3.2). `asked` is
 * the request's body where the txn came from another server: such a txn has a create where create2 was asked for.
 */
function writeResults(w: Writer, { results, stats }: ApplyResult, asked: Uint8Array | undefined): void {
  const ops = asked === undefined ? undefined : readMultiRequest(new Reader(asked));
  for (let i = 0; i < results.length; i++) {
    const { type, err, path, statAt } = results[i]!;
    if (type === OpCode.error || err !== Code.OK) {
      writeMultiResult(w, { type: OpCode.error, err });
      continue;
    }
    // Every kind of create that answers with a Stat answers as create2.
    const as = ops?.[i]?.type ?? type;
    const hasStat = as !== OpCode.create && as !== OpCode.delete && as !== OpCode.check;
    writeMultiHeader(w, hasStat && as !== OpCode.setData ? OpCode.create2 : as, false, Code.OK);
    if (as !== OpCode.setData && as !== OpCode.delete && as !== OpCode.check) w.string(path!);
    if (hasStat) w.raw(stats, statAt, statAt + STAT_BYTES);
  }
  writeMultiEnd(w);
}
