/** Length-prefixed frames out of chunks of any size (reference, section 2.1). */
import { ChunkBuffer } from "./chunks.ts";

export type FrameStatus = "frame" | "partial" | "malformed";

export class FrameBuffer extends ChunkBuffer {
  /** After {@link next} said "frame": the frame is `bytes[start..end)`, valid until the next call. */
  start = 0;
  end = 0;
  readonly #lengthMax: number;

  /** Frames longer than `lengthMax` bytes, without the prefix, are malformed. */
  constructor(lengthMax: number) {
    super();
    this.#lengthMax = lengthMax;
  }

  next(): FrameStatus {
    const length = this.peekInt();
    if (length === undefined) return "partial";
    if (length < 0 || length > this.#lengthMax) return "malformed";
    if (this.limit - this.at - 4 < length) return "partial";
    this.start = this.at + 4;
    this.end = this.start + length;
    this.at = this.end;
    return "frame";
  }
}
