/** Watch events on their way to clients (Java: NIOServerCnxn.process; reference, sections 2.6 and 6). */
import type { Context } from "../actor.ts";
import { formatSession } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import { ZXID_ZERO } from "../base/zxid.ts";
import { Writer } from "../jute/writer.ts";
import { SEND_QUEUE_MAX_BYTES } from "../limits.ts";
import type { Replies } from "../pipeline/replies.ts";
import type { ServerStats } from "../pipeline/stats.ts";
import { Code } from "../protocol/codes.ts";
import { KeeperState, Xids } from "../protocol/headers.ts";
import type { ClientLink, LinkKeeper } from "./client-link.ts";

export class ClientNotifications {
  readonly #stats: ServerStats;
  readonly #replies: Replies;
  readonly #keeper: LinkKeeper;
  /** The event at hand, for those whom the watch table calls. */
  cx: Context | undefined;
  readonly #event = new Writer(256);
  #type = 0;
  #path = "";
  #zxid: Zxid = ZXID_ZERO;

  constructor(stats: ServerStats, replies: Replies, keeper: LinkKeeper) {
    this.#stats = stats;
    this.#replies = replies;
    this.#keeper = keeper;
  }

  readonly notify = (link: ClientLink, type: number, path: string, zxid: Zxid): void => {
    const cx = this.cx!;
    if (link.phase === "closing") return;
    const w = this.#event;
    // One change may concern thousands of connections: it is encoded once.
    if (zxid !== this.#zxid || type !== this.#type || path !== this.#path || w.length === 0) {
      this.#encode(type, path, zxid);
    }
    this.#replies.raw(cx, link.conn, w.bytes, w.length);
    this.#stats.packetsSent++;
    link.packetsSent++;
    if (cx.queued(link.conn) > SEND_QUEUE_MAX_BYTES) {
      cx.facts.log("warn", "closed a connection: it does not read its notifications", {
        remote: link.remote,
        session: formatSession(link.session),
      });
      this.#keeper.close(cx, link);
    }
  };

  #encode(type: number, path: string, zxid: Zxid): void {
    this.#type = type;
    this.#path = path;
    this.#zxid = zxid;
    const w = this.#event.clear();
    w.int(0);
    w.int(Xids.notification);
    w.long(zxid);
    w.int(Code.OK);
    w.int(type);
    w.int(KeeperState.syncConnected);
    w.string(path);
    w.patchInt(0, w.length - 4);
  }
}
