/**
 * Reads a snapshot into a tree, piece by piece (Java: FileSnap.deserialize, SerializeUtils, DataTree.deserialize;
 * reference, section 8.3). Nothing of it is to be trusted before {@link SnapshotReader.feed} has said `loaded`: the
 * checksum stands at the end. After `failed` the tree holds rubbish and is thrown away.
 */
import type { Millis } from "../actor.ts";
import { adler32 } from "../base/checksums.ts";
import type { SessionId } from "../base/ids.ts";
import { ZXID_ZERO } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import { invariant } from "../invariant.ts";
import { Reader } from "../jute/reader.ts";
import { decodeUtf8 } from "../jute/utf8.ts";
import type { Acl } from "../protocol/data.ts";
import { readAclVector } from "../protocol/data.ts";
import type { TxnDigest } from "../protocol/txns.ts";
import { DIGEST_VERSION } from "../tree/digest.ts";
import type { DataTree, StatPersisted } from "../tree/data-tree.ts";
import type { Compression } from "./files.ts";
import { FILE_HEADER_BYTES, NODE_FIXED_BYTES, SEAL_BYTES, SNAPSHOT_MAGIC } from "./formats.ts";
import { decoderFor, joined } from "./snapshot-codecs.ts";
import type { SnapshotDecoder } from "./snapshot-codecs.ts";

export type SnapshotStep = "more" | "loaded" | "failed";

/** The tree digest of the last txn applied when the nodes had been written. */
export interface SnapshotDigest extends TxnDigest {
  readonly zxid: Zxid;
}

/** What follows the nodes is short; bytes beyond this are not looked at. */
const TAIL_BYTES_MAX = 4096;
/** How much of a piece is joined to what the one before left over. */
const SEAM_BYTES = 4096;
const SESSION_BYTES = 12;
const SLASH = 0x2f;
const TWO_32 = 0x1_0000_0000;

type Phase = "header" | "session-count" | "sessions" | "acl-count" | "acls" | "nodes" | "seal" | "tail";

export class SnapshotReader {
  readonly #tree: DataTree;
  readonly #decoder: SnapshotDecoder;
  readonly #reader: Reader;
  readonly #lengthMax: number;
  readonly sessions: Map<SessionId, Millis> = new Map();
  /** Absent in snapshots from before 3.6, from servers with digests off, and when no txn had been applied yet. */
  digest: SnapshotDigest | undefined;
  /** The third section; only the admin server's restore command cares. */
  lastZxid: Zxid | undefined;
  /** Why it failed, and where in the plain bytes. */
  failure = "";
  /** Optional sections were missing or cut short. */
  isOldOrCut = false;
  nodeCount = 0;

  #phase: Phase = "header";
  #left = 0;
  #rest: Uint8Array = new Uint8Array(0);
  #base = 0;
  #sum = 1;
  readonly #stat: StatPersisted = {
    czxid: ZXID_ZERO,
    mzxid: ZXID_ZERO,
    ctime: 0,
    mtime: 0,
    version: 0,
    cversion: 0,
    aversion: 0,
    ephemeralOwner: 0n,
    pzxid: ZXID_ZERO,
  };

  /** `tree` is new. `lengthMax`: longer strings and data are damage. */
  constructor(tree: DataTree, compression: Compression, lengthMax: number) {
    this.#tree = tree;
    this.#decoder = decoderFor(compression);
    this.#lengthMax = lengthMax;
    this.#reader = new Reader(this.#rest, 0, 0, lengthMax);
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
    if (this.#phase !== "tail") return this.#fail(this.#rest.length, "it is cut short");
    if (!this.#readTail()) return "failed";
    this.#tree.finishLoad();
    return "loaded";
  }

  #fail(at: number, failure: string): "failed" {
    this.failure = `${failure} (offset ${this.#base + at})`;
    return "failed";
  }

  /** False after failing. */
  #push(plain: Uint8Array): boolean {
    if (this.#phase === "tail") {
      if (this.#rest.length < TAIL_BYTES_MAX) this.#rest = joined(this.#rest, plain.slice(0, TAIL_BYTES_MAX));
      return true;
    }
    const held = this.#rest.length;
    let from = 0;
    if (held > 0) {
      // Only about as much is joined as the record across the seam needs: joining whole pieces would copy everything.
      let consumed = this.#parse(joined(this.#rest, plain.subarray(0, SEAM_BYTES)));
      if (consumed === 0 && plain.length > SEAM_BYTES) consumed = this.#parse(joined(this.#rest, plain));
      if (consumed < 0) return false;
      if (consumed === 0) {
        this.#rest = joined(this.#rest, plain);
        return true;
      }
      invariant(consumed >= held, "what is held back is one incomplete record");
      this.#base += consumed;
      from = consumed - held;
    }
    const bytes = from === 0 ? plain : plain.subarray(from);
    const consumed = this.#parse(bytes);
    if (consumed < 0) return false;
    this.#base += consumed;
    this.#rest = bytes.slice(consumed);
    return true;
  }

  /** Takes all that is complete in `bytes`. Returns how much that was, or -1 after failing. */
  #parse(bytes: Uint8Array): number {
    let at = 0;
    let summed = 0;
    for (;;) {
      if (this.#phase === "tail") return at;
      if (this.#phase === "seal") {
        // The sum covers everything before the seal and is continued over the seal itself.
        this.#sum = adler32(bytes, summed, at, this.#sum);
        summed = at;
        if (bytes.length - at < SEAL_BYTES) return at;
        if (!this.#checkSeal(bytes, at)) return this.#failAt(at, "its checksum does not match its contents");
        this.#phase = "tail";
        at += SEAL_BYTES;
        this.#sum = adler32(bytes, summed, at, this.#sum);
        return at;
      }
      const next = this.#phase === "nodes" ? this.#parseNode(bytes, at) : this.#parsePrelude(bytes, at);
      if (next < 0) return -1;
      if (next === at) break;
      at = next;
    }
    this.#sum = adler32(bytes, summed, at, this.#sum);
    return at;
  }

  #failAt(at: number, failure: string): number {
    this.#fail(at, failure);
    return -1;
  }

  /** What comes before the nodes. Returns where it got to: `at` if the next piece is incomplete, -1 after failing. */
  #parsePrelude(bytes: Uint8Array, at: number): number {
    const available = bytes.length - at;
    const r = this.#reader.reset(bytes, at, bytes.length);
    switch (this.#phase) {
      case "header":
        if (available < FILE_HEADER_BYTES) return at;
        if (r.int() !== SNAPSHOT_MAGIC) return this.#failAt(at, "it does not begin with ZKSN");
        this.#phase = "session-count";
        return at + FILE_HEADER_BYTES;
      case "session-count":
      case "acl-count":
        if (available < 4) return at;
        this.#left = r.int();
        this.#phase = this.#phase === "session-count" ? "sessions" : "acls";
        // Counts of nothing leave no byte behind, so the next phase is entered here.
        if (this.#left <= 0) this.#phase = this.#phase === "sessions" ? "acl-count" : "nodes";
        return at + 4;
      case "sessions":
        if (available < SESSION_BYTES) return at;
        this.sessions.set(r.sessionId(), r.int());
        if (--this.#left === 0) this.#phase = "acl-count";
        return at + SESSION_BYTES;
      default:
        return this.#parseAcl(r, at);
    }
  }

  #parseAcl(r: Reader, at: number): number {
    const id = r.long();
    const raw = readAclVector(r);
    // A short read and a damaged length look the same here. A list is small: what does not fit in this is damage.
    if (r.failed) return r.bytes.length - at <= this.#lengthMax ? at : this.#failAt(at, "an ACL is too long");
    if (raw === null) return this.#failAt(at, "an ACL is missing");
    const acl: Acl[] = raw.map(({ perms, scheme, id: name }) => ({ perms, scheme: scheme ?? "", id: name ?? "" }));
    if (!this.#tree.loadAcl(id, acl)) return this.#failAt(at, `an ACL has the impossible id ${id}`);
    if (--this.#left === 0) this.#phase = "nodes";
    return r.offset;
  }

  /** This is run a million times: no reader, no objects but the path and a view of the data. */
  #parseNode(bytes: Uint8Array, at: number): number {
    const available = bytes.length - at;
    if (available < 4) return at;
    const pathLength = intAt(bytes, at);
    if (pathLength < 0 || pathLength > this.#lengthMax) {
      return this.#failAt(at, `a path claims a length of ${pathLength} bytes`);
    }
    if (available < 4 + pathLength) return at;
    if (pathLength === 1 && bytes[at + 4] === SLASH) {
      this.#phase = "seal";
      return at + 5;
    }
    if (available < 8 + pathLength) return at;
    const dataLength = intAt(bytes, at + 4 + pathLength);
    if (dataLength < -1 || dataLength > this.#lengthMax) {
      return this.#failAt(at, `the data of a node claims a length of ${dataLength} bytes`);
    }
    const dataAt = at + 8 + pathLength;
    const statAt = dataAt + (dataLength > 0 ? dataLength : 0);
    const end = statAt + NODE_FIXED_BYTES - 8;
    if (end > bytes.length) return at;
    const path = decodeUtf8(bytes, at + 4, at + 4 + pathLength);
    const data = dataLength < 0 ? null : bytes.subarray(dataAt, dataAt + dataLength);
    if (!this.#insert(path, data, bytes, statAt)) {
      return this.#failAt(
        at,
        `the node ${path === "" ? "/" : path} has no parent, comes twice, or has an unknown kind`,
      );
    }
    this.nodeCount++;
    return end;
  }

  #insert(path: string, data: Uint8Array | null, bytes: Uint8Array, at: number): boolean {
    const stat = this.#stat;
    stat.czxid = longAt(bytes, at + 8) as Zxid;
    stat.mzxid = longAt(bytes, at + 16) as Zxid;
    stat.ctime = longAt(bytes, at + 24);
    stat.mtime = longAt(bytes, at + 32);
    stat.version = intAt(bytes, at + 40);
    stat.cversion = intAt(bytes, at + 44);
    stat.aversion = intAt(bytes, at + 48);
    const high = intAt(bytes, at + 52);
    const low = intAt(bytes, at + 56);
    stat.ephemeralOwner = high === 0 && low === 0 ? 0n : (BigInt(high) << 32n) | BigInt(low >>> 0);
    stat.pzxid = longAt(bytes, at + 60) as Zxid;
    return this.#tree.insertRaw(path, data, longAt(bytes, at), stat);
  }

  #checkSeal(bytes: Uint8Array, at: number): boolean {
    const sum = intAt(bytes, at) === 0 && intAt(bytes, at + 4) >>> 0 === this.#sum;
    return sum && intAt(bytes, at + 8) === 1 && bytes[at + 12] === SLASH;
  }

  /**
   * Which of the optional sections are there is only told by whether they fit: digests may be off. A section that ends
   * early is as good as none (an old or interrupted writer; the nodes are verified), one that does not match is not.
   */
  #readTail(): boolean {
    const tail = this.#rest;
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

function intAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function longAt(bytes: Uint8Array, at: number): number {
  return intAt(bytes, at) * TWO_32 + (intAt(bytes, at + 4) >>> 0);
}
