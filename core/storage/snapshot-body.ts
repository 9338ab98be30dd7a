/**
 * What a snapshot file and the stream a learner is sent have in common: sessions, access lists, nodes, terminator (Java:
 * SerializeUtils, DataTree.serialize and deserialize; reference, sections 8.3 and, of the quorum's, 3.6). What goes
 * around it, checksums or a signature, is its users' business.
 */
import type { Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import { ZXID_ZERO } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import { invariant } from "../invariant.ts";
import { Reader } from "../jute/reader.ts";
import { decodeUtf8 } from "../jute/utf8.ts";
import type { Writer } from "../jute/writer.ts";
import { readAclVector, writeAclVector } from "../protocol/data.ts";
import type { Acl } from "../protocol/data.ts";
import { OPEN_ACL_ID } from "../tree/acl-cache.ts";
import { NO_NODE } from "../tree/data-tree.ts";
import type { DataTree, StatPersisted } from "../tree/data-tree.ts";
import { PreorderCursor } from "../tree/preorder-cursor.ts";
import { NODE_FIXED_BYTES, TERMINATOR } from "./formats.ts";
import { joined } from "./snapshot-codecs.ts";

export class SnapshotBodyWriter {
  nodeCount = 0;
  readonly #tree: DataTree;
  readonly #sessions: readonly (readonly [SessionId, Millis])[];
  readonly #acls: readonly (readonly [number, readonly Acl[]])[];
  readonly #cursor: PreorderCursor;
  /** The last txn applied, and the newest id of an access list, when the walk began. */
  readonly #begunAt: Zxid;
  readonly #newestAcl: number;
  /** The czxid of the newest node that was left out. */
  #leftOut = 0;
  #phase: "session-count" | "sessions" | "acls" | "nodes" | "done" = "session-count";
  #index = 0;

  /** Sessions and access lists are as of now; the nodes are as they are when their turn comes. */
  constructor(tree: DataTree, sessions: Iterable<readonly [SessionId, Millis]>) {
    this.#tree = tree;
    this.#sessions = [...sessions];
    this.#begunAt = tree.lastProcessedZxid;
    this.#acls = tree.aclEntries();
    this.#newestAcl = this.#acls.reduce((newest, [id]) => Math.max(newest, id), OPEN_ACL_ID);
    this.#cursor = new PreorderCursor(tree);
  }

  /** Writes about one record more. False once the terminator has been written. */
  next(w: Writer): boolean {
    switch (this.#phase) {
      case "session-count":
        w.int(this.#sessions.length);
        this.#phase = "sessions";
        return true;
      case "sessions":
        return this.#nextSession(w);
      case "acls":
        return this.#nextAcl(w);
      case "nodes":
        return this.#nextNode(w);
      case "done":
        return false;
    }
  }

  /** A replay up to `zxid` does not bring everything that was left out: the tree came fuzzy from elsewhere. */
  isShortOf(zxid: Zxid): boolean {
    return this.#leftOut > zxid;
  }

  /** Gives up: the tree need not mind the walk any more. */
  close(): void {
    this.#cursor.close();
  }

  #nextSession(w: Writer): boolean {
    const session = this.#sessions[this.#index++];
    if (session === undefined) {
      w.int(this.#acls.length);
      this.#index = 0;
      this.#phase = "acls";
    } else {
      w.int64(session[0]);
      w.int(session[1]);
    }
    return true;
  }

  #nextAcl(w: Writer): boolean {
    const entry = this.#acls[this.#index++];
    if (entry === undefined) {
      this.#phase = "nodes";
      return this.#nextNode(w);
    }
    w.long(entry[0]);
    writeAclVector(w, entry[1]);
    return true;
  }

  /**
   * The access lists went before any node, so a node may have one that is not among them. Java cannot even replay a create
   * below such a node (ZOOKEEPER-4846; reference, S31). What was created since is left out: the replay of its create
   * brings it. A list that was set since is left for its replay too.
   */
  #nextNode(w: Writer): boolean {
    const tree = this.#tree;
    const node = this.#cursor.next();
    if (node === NO_NODE) {
      w.string(TERMINATOR);
      this.#phase = "done";
      return false;
    }
    if (tree.czxid(node) > this.#begunAt) {
      this.#leftOut = Math.max(this.#leftOut, tree.czxid(node));
      return true;
    }
    this.nodeCount++;
    const acl = tree.aclId(node);
    tree.writeSnapshotNode(w, node, acl > this.#newestAcl ? OPEN_ACL_ID : acl);
    return true;
  }
}

const SESSION_BYTES = 12;
const SLASH = 0x2f;
const TWO_32 = 0x1_0000_0000;

type ReadPhase = "session-count" | "sessions" | "acl-count" | "acls" | "nodes" | "done";

export class SnapshotBodyReader {
  readonly sessions: Map<SessionId, Millis> = new Map();
  nodeCount = 0;
  /** After {@link take} has returned -1: why, and where in its bytes. */
  failure = "";
  failedAt = 0;

  readonly #tree: DataTree;
  readonly #lengthMax: number;
  readonly #reader: Reader;
  #phase: ReadPhase = "session-count";
  #left = 0;
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
  constructor(tree: DataTree, lengthMax: number) {
    this.#tree = tree;
    this.#lengthMax = lengthMax;
    this.#reader = new Reader(new Uint8Array(0), 0, 0, lengthMax);
  }

  /** The terminator has been read. The caller finishes the load once it believes what it has read. */
  get isComplete(): boolean {
    return this.#phase === "done";
  }

  /** Takes all records that are complete in `bytes` from `at` on. Returns how far it got, or -1 for damage. */
  take(bytes: Uint8Array, at: number): number {
    for (;;) {
      if (this.#phase === "done") return at;
      const next = this.#phase === "nodes" ? this.#takeNode(bytes, at) : this.#takePrelude(bytes, at);
      if (next < 0 || next === at) return next;
      at = next;
    }
  }

  #fail(at: number, failure: string): number {
    this.failure = failure;
    this.failedAt = at;
    return -1;
  }

  /** What comes before the nodes. Returns where it got to: `at` if the next piece is incomplete, -1 after failing. */
  #takePrelude(bytes: Uint8Array, at: number): number {
    const available = bytes.length - at;
    const r = this.#reader.reset(bytes, at, bytes.length);
    switch (this.#phase) {
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
        return this.#takeAcl(r, at);
    }
  }

  #takeAcl(r: Reader, at: number): number {
    const id = r.long();
    const raw = readAclVector(r);
    // A short read and a damaged length look the same here. A list is small: what does not fit in this is damage.
    if (r.failed) return r.bytes.length - at <= this.#lengthMax ? at : this.#fail(at, "an ACL is too long");
    if (raw === null) return this.#fail(at, "an ACL is missing");
    const acl: Acl[] = raw.map(({ perms, scheme, id: name }) => ({ perms, scheme: scheme ?? "", id: name ?? "" }));
    if (!this.#tree.loadAcl(id, acl)) return this.#fail(at, `an ACL has the impossible id ${id}`);
    if (--this.#left === 0) this.#phase = "nodes";
    return r.offset;
  }

  /** This is run a million times: no reader, no objects but the path and a view of the data. */
  #takeNode(bytes: Uint8Array, at: number): number {
    const available = bytes.length - at;
    if (available < 4) return at;
    const pathLength = intAt(bytes, at);
    if (pathLength < 0 || pathLength > this.#lengthMax) {
      return this.#fail(at, `a path claims a length of ${pathLength} bytes`);
    }
    if (available < 4 + pathLength) return at;
    if (pathLength === 1 && bytes[at + 4] === SLASH) {
      this.#phase = "done";
      return at + 5;
    }
    if (available < 8 + pathLength) return at;
    const dataLength = intAt(bytes, at + 4 + pathLength);
    if (dataLength < -1 || dataLength > this.#lengthMax) {
      return this.#fail(at, `the data of a node claims a length of ${dataLength} bytes`);
    }
    const dataAt = at + 8 + pathLength;
    const statAt = dataAt + (dataLength > 0 ? dataLength : 0);
    const end = statAt + NODE_FIXED_BYTES - 8;
    if (end > bytes.length) return at;
    const path = decodeUtf8(bytes, at + 4, at + 4 + pathLength);
    const data = dataLength < 0 ? null : bytes.subarray(dataAt, dataAt + dataLength);
    if (!this.#insert(path, data, bytes, statAt)) {
      return this.#fail(at, `the node ${path === "" ? "/" : path} has no parent, comes twice, or has an unknown kind`);
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
}

/** How much of a piece is joined to what the one before left over. */
const SEAM_BYTES = 4096;

/** Records out of pieces that are cut anywhere: keeps, as a copy, what a piece leaves over. */
export class PieceJoiner {
  /** What is left over. */
  rest: Uint8Array = new Uint8Array(0);
  /** How many bytes have been consumed. */
  consumed = 0;
  readonly #parse: (bytes: Uint8Array) => number;

  /** `parse` takes all that is complete and says how much that was; -1: it failed. */
  constructor(parse: (bytes: Uint8Array) => number) {
    this.#parse = parse;
  }

  /** `piece` is lent. False after `parse` has failed. */
  push(piece: Uint8Array): boolean {
    const held = this.rest.length;
    let from = 0;
    if (held > 0) {
      // Only about as much is joined as the record across the seam needs: joining whole pieces would copy everything.
      let consumed = this.#parse(joined(this.rest, piece.subarray(0, SEAM_BYTES)));
      if (consumed === 0 && piece.length > SEAM_BYTES) consumed = this.#parse(joined(this.rest, piece));
      if (consumed < 0) return false;
      if (consumed === 0) {
        this.rest = joined(this.rest, piece);
        return true;
      }
      invariant(consumed >= held, "what is held back is one incomplete record");
      this.consumed += consumed;
      from = consumed - held;
    }
    const bytes = from === 0 ? piece : piece.subarray(from);
    const consumed = this.#parse(bytes);
    if (consumed < 0) return false;
    this.consumed += consumed;
    this.rest = bytes.slice(consumed);
    return true;
  }
}

export function intAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

export function longAt(bytes: Uint8Array, at: number): number {
  return intAt(bytes, at) * TWO_32 + (intAt(bytes, at + 4) >>> 0);
}
