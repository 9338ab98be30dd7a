/** One direction of a connection: a buffer that both ends read and write without copying twice. Belongs to side.ts. */
import type { Micros } from "./events.ts";

const BUFFER_INITIAL = 512;

/** One direction of a connection: what one side sent and the other has not read. Offsets count from the buffer's start. */
export class Pipe {
  bytes: Uint8Array = new Uint8Array(BUFFER_INITIAL);
  /** `head <= arrived <= handed <= tail`: read by the receiver; at its host; given to the network; sent by the actor. */
  head = 0;
  arrived = 0;
  handed = 0;
  tail = 0;
  /** No segment arrives before the one sent earlier. */
  lastArrival: Micros = 0;
  /** The sender closed; a FIN follows the last byte. */
  finishing = false;
  finSent = false;
  finArrived = false;

  push(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (this.tail + length > this.bytes.length) this.#makeRoom(length);
    if (length <= 48) for (let i = 0; i < length; i++) this.bytes[this.tail + i] = source[start + i]!;
    else this.bytes.set(source.subarray(start, end), this.tail);
    this.tail += length;
  }

  #makeRoom(length: number): void {
    const held = this.tail - this.head;
    let size = this.bytes.length;
    while (size < held + length) size *= 2;
    // Moving within the same buffer pays only when most of it is free again.
    const target = size === this.bytes.length && held > size >> 1 ? size * 2 : size;
    const bytes = target === this.bytes.length ? this.bytes : new Uint8Array(target);
    if (bytes === this.bytes) bytes.copyWithin(0, this.head, this.tail);
    else bytes.set(this.bytes.subarray(this.head, this.tail));
    this.bytes = bytes;
    this.arrived -= this.head;
    this.handed -= this.head;
    this.tail -= this.head;
    this.head = 0;
  }
}
