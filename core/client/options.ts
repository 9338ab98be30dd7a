/** What an application says about the client it wants, and what it gets when it says nothing. */
import type { Millis } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import { DEFAULT_CLIENT_CONFIG } from "./config.ts";
import type { ClientConfig, Credentials, SessionKey } from "./config.ts";
import { badArguments } from "./errors.ts";
import type { ClientState } from "./events.ts";
import { parseConnectString } from "./hosts.ts";
import { bytesOf } from "./operations.ts";
import type { Data } from "./operations.ts";

/** Times are milliseconds. */
export interface ClientOptions {
  /** How long the session may go unheard; the server decides within its bounds. 30 s. */
  readonly sessionTimeout?: Millis | undefined;
  /** How long to look for a first connection before giving up; Infinity: for ever. 30 s. */
  readonly connectTimeout?: Millis | undefined;
  /** How long the oldest request may go unanswered before its connection is given up. Infinity. */
  readonly requestTimeout?: Millis | undefined;
  /** Every attempt to connect but the first waits for a random time below this. 1 s. */
  readonly reconnectDelayMax?: Millis | undefined;
  /** A server without a quorum will do, for reading, until one with a quorum is found. */
  readonly readOnly?: boolean | undefined;
  /** A longer reply ends the connection. 256 MiB. */
  readonly replyBytesMax?: number | undefined;
  /** Call the session expired after 4/3 of its timeout without word from any server. Yes. */
  readonly expireLocally?: boolean | undefined;
  /** Sent on every connection before anything else; with scheme `digest`: `user:password`. */
  readonly auth?: readonly { readonly scheme: string; readonly auth: Data }[] | undefined;
  /** Go on with the session of another client, if it has not expired; `zk.session` of that client. */
  readonly session?: SessionKey | undefined;
  /** Refuse servers that are behind this, so that reads never go back behind an earlier session's. */
  readonly lastZxidSeen?: number | undefined;
  /** As {@link ZooKeeper.onState}, from the beginning. */
  readonly onState?: ((state: ClientState) => void) | undefined;
}

/** Throws `BADARGUMENTS`. */
export function configOf(hosts: string, options: ClientOptions): ClientConfig {
  const d = DEFAULT_CLIENT_CONFIG;
  return Object.freeze({
    ...parseConnectString(hosts),
    sessionTimeout: duration("sessionTimeout", options.sessionTimeout ?? d.sessionTimeout, 0x7fff_ffff),
    connectTimeout: duration("connectTimeout", options.connectTimeout ?? d.connectTimeout, Infinity),
    requestTimeout: duration("requestTimeout", options.requestTimeout ?? d.requestTimeout, Infinity),
    reconnectDelayMax: duration("reconnectDelayMax", options.reconnectDelayMax ?? d.reconnectDelayMax, 0x7fff_ffff),
    readOnly: options.readOnly ?? d.readOnly,
    replyBytesMax: duration("replyBytesMax", options.replyBytesMax ?? d.replyBytesMax, 0x7fff_ffff),
    expireLocally: options.expireLocally ?? d.expireLocally,
    session: options.session,
    lastZxidSeen: (options.lastZxidSeen ?? d.lastZxidSeen) as Zxid,
    credentials: (options.auth ?? []).map(({ scheme, auth }) => credentialsOf(scheme, auth)),
  });
}

/** Throws `BADARGUMENTS`. */
export function credentialsOf(scheme: string, auth: Data): Credentials {
  if (typeof scheme !== "string") throw badArguments("a scheme is a string");
  return { scheme, auth: bytesOf(auth) ?? NO_BYTES };
}

const NO_BYTES = new Uint8Array(0);

function duration(name: string, value: number, max: number): number {
  const fits = value === Infinity ? max === Infinity : Number.isInteger(value) && value >= 1 && value <= max;
  if (!fits) throw badArguments(`${name} is a positive whole number`);
  return value;
}
