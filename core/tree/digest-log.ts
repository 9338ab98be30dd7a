/**
 * The tree digest at every 128th zxid, for people comparing servers with the `hash` command (Java: DataTree's
 * digestLog; reference, section 7.6). Bounded: the oldest entry goes.
 */
import type { Zxid } from "../base/zxid.ts";
import type { AdHash } from "./digest.ts";

const INTERVAL = 128;
const ENTRIES_MAX = 1024;

export interface ZxidDigest {
  readonly zxid: Zxid;
  readonly digest: AdHash;
}

export class DigestLog {
  readonly #entries: ZxidDigest[] = [];

  /** Oldest first. */
  get entries(): readonly ZxidDigest[] {
    return this.#entries;
  }

  /** After a transaction. Keeps a copy, if this zxid is one to keep. */
  record(zxid: Zxid, digest: AdHash): void {
    if (zxid % INTERVAL !== 0) return;
    this.#entries.push({ zxid, digest: digest.copy() });
    if (this.#entries.length > ENTRIES_MAX) this.#entries.shift();
  }
}
