/**
 * The snapshot a leader sends to a learner: a file's body without header, checksums or compression, and a signature
 * behind it (Java: ZKDatabase.serializeSnapshot, Learner.syncWithLeader; reference of the quorum, section 3.6).
 *
 * The stream is fuzzy like a file: it may hold effects of txns after the zxid it goes by, which follow as proposals.
 */
import type { Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import type { ServerConfig } from "../config.ts";
import { invariant } from "../invariant.ts";
import type { Writer } from "../jute/writer.ts";
import type { DataTree } from "../tree/data-tree.ts";
import { PieceJoiner, SnapshotBodyReader, SnapshotBodyWriter, intAt } from "./snapshot-body.ts";

/** Shows that the other side has written all of it. */
const SIGNATURE = "BenWasHere";
const SIGNATURE_BYTES: number = 4 + SIGNATURE.length;

export class SnapshotStreamWriter {
  readonly #body: SnapshotBodyWriter;
  #done = false;

  /** `sessions` are those of committed createSession txns. The zxid of the SNAP packet is that of this moment. */
  constructor(tree: DataTree, sessions: Iterable<readonly [SessionId, Millis]>) {
    this.#body = new SnapshotBodyWriter(tree, sessions);
  }

  get nodeCount(): number {
    return this.#body.nodeCount;
  }

  /** Adds at most `records` more (sessions, lists, nodes) to `w`. True once the signature has been written. */
  produce(w: Writer, records: number): boolean {
    invariant(!this.#done, "nothing follows the signature");
    for (let left = records; left > 0; left--) {
      if (this.#body.next(w)) continue;
      w.string(SIGNATURE);
      this.#done = true;
      break;
    }
    return this.#done;
  }

  /** Gives up: the tree need not mind the walk any more. */
  abandon(): void {
    this.#body.close();
  }
}

export type StreamStep = "more" | "done" | "malformed";

export class SnapshotStreamReader {
  /** A new one. Nothing in it is to be relied on before `done`; thrown away otherwise (reference, S10). */
  readonly tree: DataTree;
  /** Why it is malformed, and where in the stream. */
  failure = "";
  readonly #body: SnapshotBodyReader;
  readonly #joiner: PieceJoiner;
  #isDone = false;

  constructor(newTree: () => DataTree, config: Pick<ServerConfig, "juteMaxBuffer" | "juteMaxBufferExtra">) {
    this.tree = newTree();
    this.#body = new SnapshotBodyReader(this.tree, config.juteMaxBuffer + config.juteMaxBufferExtra);
    this.#joiner = new PieceJoiner((bytes) => this.#parse(bytes));
  }

  get sessions(): Map<SessionId, Millis> {
    return this.#body.sessions;
  }
  get nodeCount(): number {
    return this.#body.nodeCount;
  }
  /** How long the stream has been so far. */
  get size(): number {
    return this.#joiner.consumed;
  }
  /** After `done`: what came behind the signature, packets. A copy. */
  get rest(): Uint8Array {
    invariant(this.#isDone, "what is left over is known at the end");
    return this.#joiner.rest;
  }

  /** The stream's next bytes, lent for this call. After `done` or `malformed` there are no more calls. */
  accept(bytes: Uint8Array): StreamStep {
    invariant(!this.#isDone && this.failure === "", "a stream is read to its end once");
    if (!this.#joiner.push(bytes)) return "malformed";
    if (!this.#hasSignature()) return "more";
    this.tree.finishLoad();
    return "done";
  }

  #hasSignature(): boolean {
    return this.#isDone;
  }

  #parse(bytes: Uint8Array): number {
    if (this.#isDone) return 0;
    const at = this.#body.take(bytes, 0);
    if (at < 0) return this.#fail(this.#body.failedAt, this.#body.failure);
    if (!this.#body.isComplete || bytes.length - at < SIGNATURE_BYTES) return at;
    let same = intAt(bytes, at) === SIGNATURE.length;
    for (let i = 0; i < SIGNATURE.length; i++) same &&= bytes[at + 4 + i] === SIGNATURE.charCodeAt(i);
    if (!same) return this.#fail(at, "the nodes are not followed by the signature");
    this.#isDone = true;
    return at + SIGNATURE_BYTES;
  }

  #fail(at: number, failure: string): number {
    this.failure = `${failure} (offset ${this.#joiner.consumed + at})`;
    return -1;
  }
}
