/**
 * What clients prove of themselves on a connection (Java: ZooKeeperServer.processPacket, AuthenticationHelper;
 * reference, sections 2.6, 10.7 and 10.8). Ids belong to the connection; what they allow is decided elsewhere.
 */
import type { Context } from "../actor.ts";
import { mergeIds } from "../auth/providers.ts";
import type { AuthProviders } from "../auth/providers.ts";
import { ZXID_ZERO } from "../base/zxid.ts";
import type { Reader } from "../jute/reader.ts";
import type { Replies } from "../pipeline/replies.ts";
import type { ServerStats } from "../pipeline/stats.ts";
import { Code } from "../protocol/codes.ts";
import { readAuthPacket } from "../protocol/headers.ts";
import { OpCode } from "../protocol/op-codes.ts";
import type { ClientLink, LinkKeeper } from "./client-link.ts";

export class ClientAuth {
  readonly #auth: AuthProviders;
  readonly #stats: ServerStats;
  readonly #replies: Replies;
  readonly #keeper: LinkKeeper;

  constructor(auth: AuthProviders, stats: ServerStats, replies: Replies, keeper: LinkKeeper) {
    this.#auth = auth;
    this.#stats = stats;
    this.#replies = replies;
    this.#keeper = keeper;
  }

  /** False when a scheme is enforced that `link` has not used: it was told so and closed. */
  mayAsk(cx: Context, link: ClientLink, xid: number, type: number): boolean {
    if (this.#auth.satisfiesEnforcement(link.ids)) return true;
    this.#refuse(cx, link, xid, type, Code.SESSIONCLOSEDREQUIRESASLAUTH);
    this.#keeper.close(cx, link);
    return false;
  }

  onAuth(cx: Context, link: ClientLink, xid: number, reader: Reader): void {
    const packet = readAuthPacket(reader);
    const result =
      reader.failed || packet.scheme === null
        ? ({ kind: "failed" } as const)
        : this.#auth.authenticate(packet.scheme, packet.auth, link.remote, link.ids);
    if (result.kind === "ok") link.ids = mergeIds(link.ids, result.add);
    if (result.kind === "misdirected") return this.#keeper.close(cx, link);
    const err = result.kind === "ok" ? Code.OK : Code.AUTHFAILED;
    this.#refuse(cx, link, xid, OpCode.auth, err);
    if (err === Code.OK) return;
    this.#stats.count("auth_failed_count");
    cx.facts.log("warn", "authentication failed", { remote: link.remote, scheme: packet.scheme });
    this.#keeper.close(cx, link);
  }

  /** No SASL login is configured on this server: the exchange ends at once (reference, section 10.8). */
  onSasl(cx: Context, link: ClientLink, xid: number, reader: Reader): void {
    const token = reader.buffer();
    if (reader.failed || token === null) return this.#keeper.close(cx, link);
    this.#replies.begin(cx, link.conn, xid, ZXID_ZERO, Code.OK).buffer(null);
    this.#replies.end();
    link.replied(xid, OpCode.sasl, ZXID_ZERO, 0);
  }

  #refuse(cx: Context, link: ClientLink, xid: number, type: number, err: number): void {
    this.#replies.begin(cx, link.conn, xid, ZXID_ZERO, err);
    this.#replies.end();
    link.replied(xid, type, ZXID_ZERO, 0);
  }
}
