/**
 * Reads a snapshot into a tree, piece by piece (Java: FileSnap.deserialize, SerializeUtils, DataTree.deserialize;
 * reference, section 8.3). Nothing of it is to be trusted before {@link SnapshotReader.feed} has said `loaded`: the
 * checksum stands at the end. After `failed` the tree holds rubbish and is thrown away.
 */
import type { Millis } from "../actor.ts";
import { adler32 } from "../base/checksums.ts";
import type { SessionId } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import { Reader } from "../jute/reader.ts";
import type { TxnDigest } from "../protocol/txns.ts";
import { DIGEST_VERSION } from "../tree/digest.ts";
import type { DataTree } from "../tree/data-tree.ts";
import type { Compression } from "./files.ts";
import { FILE_HEADER_BYTES, SEAL_BYTES, SNAPSHOT_MAGIC, TERMINATOR } from "./formats.ts";
import { PieceJoiner, SnapshotBodyReader, intAt, longAt } from "./snapshot-body.ts";
import { decoderFor, joined } from "./snapshot-codecs.ts";
import type { SnapshotDecoder } from "./snapshot-codecs.ts";

export type SnapshotStep = "more" | "loaded" | "failed";

/** The tree digest of the last txn applied when the nodes had been written. */
export interface SnapshotDigest extends TxnDigest {
  readonly zxid: Zxid;
}

/** What follows the nodes is short; bytes beyond this are not looked at. */
const TAIL_BYTES_MAX = 4096;

type Phase = "header" | "body" | "seal" | "tail";

export class SnapshotReader {
  readonly #tree: DataTree;
  readonly #decoder: SnapshotDecoder;
  readonly #reader: Reader;
  readonly #body: SnapshotBodyReader;
  readonly #joiner: PieceJoiner = new PieceJoiner((bytes) => this.#parse(bytes));
  /** Absent in snapshots from before 3.6, from servers with digests off, and when no txn had been applied yet. */
  digest: SnapshotDigest | undefined;
  /** The third section; only the admin server's restore command cares. */
  lastZxid: Zxid | undefined;
  /** Why it failed, and where in the plain bytes. */
  failure = "";
  /** Optional sections were missing or cut short. */
  isOldOrCut = false;
  #phase: Phase = "header";
  #tail: Uint8Array = new Uint8Array(0);
  #sum = 1;

  /** `tree` is new. `lengthMax`: longer strings and data are damage. */
  constructor(tree: DataTree, compression: Compression, lengthMax: number) {
    this.#tree = tree;
    this.#decoder = decoderFor(compression);
    this.#body = new SnapshotBodyReader(tree, lengthMax);
    this.#reader = new Reader(this.#tail, 0, 0, lengthMax);
  }

  get sessions(): Map<SessionId, Millis> {
    return this.#body.sessions;
  }
  get nodeCount(): number {
    return this.#body.nodeCount;
  }

  /** The file's next bytes. `last`: there are none behind them. */
  feed(bytes: Uint8Array, last: boolean): SnapshotStep {
    let ok = true;
    const decoded = this.#decoder.decode(bytes, last, (plain, start, end) => {
      ok &&= this.#push(start === 0 && end === plain.length ? plain : plain.subarray(start, end));
    });
    if (!ok) return "failed";
    // Java, too, takes a compressed stream that is cut behind the first seal: all nodes are there, and verified.
    if (!decoded && this.#phase !== "tail") return this.#fail(0, "it cannot be decompressed");
    if (!last) return "more";
    if (this.#phase !== "tail") return this.#fail(this.#joiner.rest.length, "it is cut short");
    if (!this.#readTail()) return "failed";
    this.#tree.finishLoad();
    return "loaded";
  }

  #fail(at: number, failure: string): "failed" {
    this.failure = `${failure} (offset ${this.#joiner.consumed + at})`;
    return "failed";
  }

  /** False after failing. */
  #push(plain: Uint8Array): boolean {
    if (this.#isInTail) {
      if (this.#tail.length < TAIL_BYTES_MAX) this.#tail = joined(this.#tail, plain.slice(0, TAIL_BYTES_MAX));
      return true;
    }
    if (!this.#joiner.push(plain)) return false;
    if (this.#isInTail) this.#tail = this.#joiner.rest;
    return true;
  }

  get #isInTail(): boolean {
    return this.#phase === "tail";
  }

  /** Takes all that is complete in `bytes`. Returns how much that was, or -1 after failing. */
  #parse(bytes: Uint8Array): number {
    if (this.#isInTail) return 0;
    let at = 0;
    if (this.#phase === "header") {
      if (bytes.length < FILE_HEADER_BYTES) return 0;
      if (intAt(bytes, 0) !== SNAPSHOT_MAGIC) return this.#failAt(0, "it does not begin with ZKSN");
      this.#phase = "body";
      at = FILE_HEADER_BYTES;
    }
    if (this.#phase === "body") {
      at = this.#body.take(bytes, at);
      if (at < 0) return this.#failAt(this.#body.failedAt, this.#body.failure);
      if (this.#body.isComplete) this.#phase = "seal";
    }
    // The sum covers everything before the seal and is continued over the seal itself.
    this.#sum = adler32(bytes, 0, at, this.#sum);
    if (this.#phase !== "seal" || bytes.length - at < SEAL_BYTES) return at;
    if (!this.#checkSeal(bytes, at)) return this.#failAt(at, "its checksum does not match its contents");
    this.#phase = "tail";
    this.#sum = adler32(bytes, at, at + SEAL_BYTES, this.#sum);
    return at + SEAL_BYTES;
  }

  #failAt(at: number, failure: string): number {
    this.#fail(at, failure);
    return -1;
  }

  #checkSeal(bytes: Uint8Array, at: number): boolean {
    const sum = intAt(bytes, at) === 0 && intAt(bytes, at + 4) >>> 0 === this.#sum;
    return sum && intAt(bytes, at + 8) === 1 && bytes[at + 12] === TERMINATOR.charCodeAt(0);
  }

  /**
   * Which of the optional sections are there is only told by whether they fit: digests may be off. A section that ends
   * early is as good as none (an old or interrupted writer; the nodes are verified), one that does not match is not.
   */
  #readTail(): boolean {
    const tail = this.#tail;
    if (tail.length === 8 + SEAL_BYTES && this.#readLastZxid(tail, 0)) return true;
    const r = this.#reader.reset(tail, 0, tail.length);
    const zxid = r.zxid();
    const version = r.int();
    // Before version 2 a digest was a string, and summed something else.
    let high = 0;
    let low = 0;
    if (version < DIGEST_VERSION) r.string();
    else {
      high = r.int() >>> 0;
      low = r.int() >>> 0;
    }
    if (r.failed) {
      this.isOldOrCut = true;
      return true;
    }
    const sealAt = r.offset;
    this.#sum = adler32(tail, 0, sealAt, this.#sum);
    if (tail.length - sealAt < SEAL_BYTES || !this.#checkSeal(tail, sealAt)) {
      this.#fail(sealAt, "the checksum of its digest section does not match");
      return false;
    }
    if (version === DIGEST_VERSION && zxid > 0) this.digest = { zxid, version, high, low };
    const next = sealAt + SEAL_BYTES;
    this.#sum = adler32(tail, sealAt, next, this.#sum);
    if (tail.length - next < 8) {
      this.isOldOrCut = true;
      return true;
    }
    if (this.#readLastZxid(tail, next)) return true;
    this.#fail(next, "the checksum of its last section does not match");
    return false;
  }

  #readLastZxid(tail: Uint8Array, at: number): boolean {
    const before = this.#sum;
    this.#sum = adler32(tail, at, at + 8, before);
    if (tail.length - at >= 8 + SEAL_BYTES && this.#checkSeal(tail, at + 8)) {
      this.lastZxid = longAt(tail, at) as Zxid;
      return true;
    }
    this.#sum = before;
    return false;
  }
}
