/**
 * Buffers for bytes on their way to a socket, reused by size. Most are back after one turn of the event loop, because
 * the kernel took everything at once; a burst to thousands of connections keeps as many small ones for the next burst.
 */
const SIZES = [1024, 8 * 1024, 64 * 1024, 512 * 1024] as const;
const KEPT = [4096, 512, 64, 8] as const;

export class Chunks {
  readonly #free: Buffer[][] = SIZES.map(() => []);

  /** At least `length` bytes, of no particular content. */
  take(length: number): Buffer {
    for (let i = 0; i < SIZES.length; i++) {
      if (length <= SIZES[i]!) return this.#free[i]!.pop() ?? Buffer.allocUnsafeSlow(SIZES[i]!);
    }
    return Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(length)));
  }

  /** The giver must not touch `chunk` again. */
  give(chunk: Buffer): void {
    for (let i = 0; i < SIZES.length; i++) {
      if (chunk.length !== SIZES[i]!) continue;
      const free = this.#free[i]!;
      if (free.length < KEPT[i]!) free.push(chunk);
      return;
    }
  }
}
