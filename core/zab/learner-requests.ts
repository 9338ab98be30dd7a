/**
 * What a synced learner asks for its clients: writes, syncs, sessions that come back, sessions that are alive (Java:
 * LearnerHandler.run, cases REQUEST, REVALIDATE and PING; Leader.revalidateSession, LearnerSyncRequest; reference,
 * sections 4.5, 5.2 and 6.4). Each method says why the connection must be closed, if it must.
 *
 * A forwarded request does not keep its session alive: only the table in a PING's reply does.
 */
import type { Context } from "../actor.ts";
import { Reader } from "../jute/reader.ts";
import type { ServerState } from "../pipeline/state.ts";
import { Request } from "../pipeline/request.ts";
import { OpCode } from "../protocol/op-codes.ts";
import {
  REQUEST_HEAD_BYTES,
  readRequestHead,
  readRevalidate,
  readTouches,
  writeRevalidateReply,
} from "../protocol/quorum-packets.ts";
import type { Broadcast } from "./leader-broadcast.ts";
import type { LearnerLink } from "./learner-link.ts";
import type { LearnerTable } from "./learner-table.ts";

const NO_BYTES = new Uint8Array(0);

export class LearnerRequests {
  readonly #state: ServerState;
  readonly #broadcast: Broadcast;
  readonly #table: LearnerTable;
  readonly #reader: Reader;

  constructor(state: ServerState, broadcast: Broadcast, table: LearnerTable) {
    this.#state = state;
    this.#broadcast = broadcast;
    this.#table = table;
    const { juteMaxBuffer, juteMaxBufferExtra } = state.config;
    this.#reader = new Reader(NO_BYTES, 0, 0, juteMaxBuffer + juteMaxBufferExtra);
  }

  onRequest(cx: Context, link: LearnerLink): string | undefined {
    const { data, authinfo } = link.stream;
    if (data === null || data.length < REQUEST_HEAD_BYTES) return "its request is cut short";
    const body = this.#reader.reset(data, 0, data.length);
    const { session, cxid, type } = readRequestHead(body);
    const request = new Request(undefined, session, cxid, type, cx.now);
    request.ids = authinfo;
    request.owner = link.owner;
    switch (type) {
      case OpCode.sync:
        this.#broadcast.syncLearner(cx, link);
        return undefined;
      case OpCode.createSession: {
        const timeout = body.int();
        if (body.failed || timeout < 0) return "it asks for a session without a timeout";
        // Known from here on, so that what its client asks next finds it; in the tree when the txn is.
        this.#state.sessions.ensure(session, timeout, cx.now);
        this.#state.sessions.setOwner(session, link.owner);
        this.#broadcast.prepare.prepareCreateSession(cx, request, timeout);
        return undefined;
      }
      default:
        this.#broadcast.prepare.prepare(cx, request, body);
        return undefined;
    }
  }

  onRevalidate(cx: Context, link: LearnerLink): string | undefined {
    const asked = readRevalidate(link.stream.data);
    if (asked === undefined) return "it asks for a session without saying which";
    const { id, timeout } = asked;
    const valid = this.#state.sessions.reopen(id, Math.max(0, timeout), link.owner, cx.now);
    const w = this.#table.packet();
    writeRevalidateReply(w, id, valid);
    this.#table.send(cx, link, w);
    return undefined;
  }

  onPing(cx: Context, link: LearnerLink): string | undefined {
    const touches = readTouches(link.stream.data);
    if (touches === undefined) return "its list of sessions is malformed";
    if (this.#state.mutants.has("touches-ignored")) return undefined;
    for (const { id, timeout } of touches) this.#state.sessions.touchFromLearner(id, timeout, cx.now);
    return undefined;
  }
}
