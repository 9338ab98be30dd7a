/**
 * While connected to a read-only server: asks the others, one after the other and ever more rarely, whether they have
 * a quorum (Java: ClientCnxn.SendThread.pingRwServer). The question is the four-letter word `isro`.
 */
import type { Address, ConnId, Context, Millis } from "../actor.ts";
import type { HostList } from "./hosts.ts";

const INTERVAL_MIN: Millis = 100;
const INTERVAL_MAX: Millis = 60_000;
const ANSWER_WITHIN: Millis = 1000;
const QUESTION = ascii("isro");
const ANSWER = ascii("rw");

export class ReadWriteSearch {
  readonly #hosts: HostList;
  #probe: { readonly conn: ConnId; readonly server: Address; heard: number } | undefined;
  /** Of the next probe, or the end of the present one's patience; Infinity when not searching. */
  #at: Millis = Infinity;
  #interval = INTERVAL_MIN;

  constructor(hosts: HostList) {
    this.#hosts = hosts;
  }

  deadline(): Millis {
    return this.#at;
  }

  start(cx: Context): void {
    this.#interval = INTERVAL_MIN;
    this.#at = cx.now;
  }

  stop(cx: Context): void {
    if (this.#probe !== undefined) cx.close(this.#probe.conn);
    this.#probe = undefined;
    this.#at = Infinity;
  }

  owns(conn: ConnId): boolean {
    return this.#probe?.conn === conn;
  }

  onDeadline(cx: Context): void {
    if (cx.now < this.#at) return;
    if (this.#probe !== undefined) return this.#giveUp(cx);
    const server = this.#hosts.next();
    this.#probe = { conn: cx.connect(server), server, heard: 0 };
    this.#at = cx.now + ANSWER_WITHIN;
  }

  onConnected(cx: Context, conn: ConnId): void {
    cx.send(conn, QUESTION);
  }

  /** The server that was asked, when it answers that it has a quorum. */
  onReceived(cx: Context, bytes: Uint8Array): Address | undefined {
    const probe = this.#probe!;
    for (const byte of bytes) {
      if (byte !== ANSWER[probe.heard]) {
        this.#giveUp(cx);
        return undefined;
      }
      probe.heard++;
      if (probe.heard === ANSWER.length) return probe.server;
    }
    return undefined;
  }

  onClosed(cx: Context): void {
    this.#probe = undefined;
    this.#wait(cx);
  }

  #giveUp(cx: Context): void {
    cx.close(this.#probe!.conn);
    this.#probe = undefined;
    this.#wait(cx);
  }

  #wait(cx: Context): void {
    this.#at = cx.now + this.#interval;
    this.#interval = Math.min(this.#interval * 2, INTERVAL_MAX);
  }
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
