/** What a client's actor needs to know. Times are milliseconds. */
import type { Address, Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";

export interface Credentials {
  /** `digest`, mostly. */
  readonly scheme: string;
  /** With `digest`: `user:password`. */
  readonly auth: Uint8Array;
}

/** What it takes to go on with a session of another handle. */
export interface SessionKey {
  readonly id: SessionId;
  readonly password: Uint8Array;
}

export interface ClientConfig {
  readonly servers: readonly Address[];
  /** Put before every path; `/` is none. */
  readonly chroot: string;
  /** What is asked for; the server decides within its bounds. */
  readonly sessionTimeout: Millis;
  /** A server without a quorum will do, for reading, until one with a quorum is found. */
  readonly readOnly: boolean;
  /** How long to look for a first connection before giving up; Infinity: for ever. */
  readonly connectTimeout: Millis;
  /** The oldest unanswered request may be this old; then its connection is given up. Infinity: read timeouts alone. */
  readonly requestTimeout: Millis;
  /** Every attempt but the first waits for a random time below this, so that clients do not come back all at once. */
  readonly reconnectDelayMax: Millis;
  /** A longer reply ends the connection (Java: jute.maxbuffer). */
  readonly replyBytesMax: number;
  /**
   * Call the session expired when nothing was heard for 4/3 of its timeout, although no server has said so. Otherwise
   * an application that is cut off learns of it only when it reaches a server again.
   */
  readonly expireLocally: boolean;
  readonly session: SessionKey | undefined;
  /** Servers that are behind this are refused: reads of a new session never go back behind an old one's. */
  readonly lastZxidSeen: Zxid;
  readonly credentials: readonly Credentials[];
}

export const DEFAULT_CLIENT_CONFIG: Omit<ClientConfig, "servers"> = Object.freeze({
  chroot: "/",
  sessionTimeout: 30_000,
  readOnly: false,
  connectTimeout: 30_000,
  requestTimeout: Infinity,
  reconnectDelayMax: 1000,
  replyBytesMax: 256 * 1024 * 1024,
  expireLocally: true,
  session: undefined,
  lastZxidSeen: 0 as Zxid,
  credentials: [],
});
