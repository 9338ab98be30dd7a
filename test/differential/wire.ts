/** A raw client connection: length-prefixed frames out and in, nothing interpreted. */
import { connect, type Socket } from "node:net";

/** What {@link Wire.next} gives when there is no frame. */
export type NoFrame = "closed" | "silent";

export class Wire {
  readonly #socket: Socket;
  readonly #frames: Buffer[] = [];
  #first = 0;
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", () => this.#end());
    socket.on("close", () => this.#end());
    socket.on("end", () => this.#end());
  }

  static connect(port: number, host = "127.0.0.1"): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Wire(socket));
      });
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends bytes as they are. */
  send(bytes: Uint8Array): void {
    if (!this.#closed) this.#socket.write(bytes);
  }

  /** The next frame without its length; waits `timeout` ms for it. Frames that came before a close are given first. */
  async next(timeout: number): Promise<Buffer | NoFrame> {
    if (this.#first === this.#frames.length && !this.#closed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeout);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    const frame = this.#frames[this.#first];
    if (frame === undefined) return this.#closed ? "closed" : "silent";
    this.#first += 1;
    if (this.#first === this.#frames.length) {
      this.#frames.length = 0;
      this.#first = 0;
    }
    return frame;
  }

  /** Ends the connection without a word. */
  drop(): void {
    this.#socket.destroy();
    this.#end();
  }

  #receive(chunk: Buffer): void {
    this.#partial.push(chunk);
    this.#partialBytes += chunk.length;
    if (this.#partialBytes < 4) return;
    let bytes = this.#partial.length === 1 ? chunk : Buffer.concat(this.#partial);
    while (bytes.length >= 4) {
      const length = bytes.readInt32BE(0);
      if (length < 0) return this.drop();
      if (bytes.length - 4 < length) break;
      this.#frames.push(bytes.subarray(4, 4 + length));
      bytes = bytes.subarray(4 + length);
    }
    this.#partial = bytes.length === 0 ? [] : [bytes];
    this.#partialBytes = bytes.length;
    if (this.#frames.length > this.#first) this.#wake?.();
  }

  #end(): void {
    this.#closed = true;
    this.#wake?.();
  }
}

/** A frame of `payload` with its length before it. */
export function frame(payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(4 + payload.length);
  bytes.writeInt32BE(payload.length, 0);
  bytes.set(payload, 4);
  return bytes;
}
