/**
 * A network on loopback that can be cut: each server and the clients reach every other server through a port of their
 * own here. What goes from one to another can be stopped (either way alone too) or delayed. A stopped connection stays
 * open and silent, as in a network that loses packets, and goes on where it was when the cut is mended.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** Stands for every client, where a server's id is asked for. */
export const CLIENTS = 0;

const GREETING_HEAD_BYTES = 20;
const GREETING_ADDRESS_BYTES_MAX = 512;

export interface Route {
  readonly from: number;
  readonly to: number;
  /** Where `from` is told that `to` listens. */
  readonly port: number;
  /** Where `to` does listen. */
  readonly target: number;
  /** On an election port: where `to` may call back, put into the greeting in place of the caller's own address. */
  readonly callback?: number;
  /** For how long to dial again when nobody listens, ms: a refusal could not be passed on as one. */
  readonly patience?: number;
}

const DIAL_AGAIN = 20;

interface Pair {
  readonly route: Route;
  readonly near: Socket;
  far: Socket | undefined;
  readonly since: number;
}

export class CutProxy {
  readonly #listeners: Server[] = [];
  readonly #pairs = new Set<Pair>();
  readonly #blocked = new Set<string>();
  readonly #delays = new Map<string, number>();

  async listen(route: Route): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (near) => this.#accept(route, near));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port: route.port, host: "127.0.0.1", exclusive: true }, resolve);
    });
    this.#listeners.push(server);
  }

  /** Nothing goes from `from` to `to` any more. */
  block(from: number, to: number): void {
    this.#blocked.add(key(from, to));
    this.#changed();
  }

  /** Nothing goes between `a` and `b`. */
  cut(a: number, b: number): void {
    this.block(a, b);
    this.block(b, a);
  }

  /** What goes from `from` to `to` takes `delay` ms. */
  delay(from: number, to: number, delay: number): void {
    this.#delays.set(key(from, to), delay);
  }

  /** Ends every cut and delay. */
  mend(): void {
    this.#blocked.clear();
    this.#delays.clear();
    this.#changed();
  }

  /** Breaks what connections there are between `a` and `b`; new ones may be made. */
  reset(a: number, b: number): void {
    for (const pair of this.#pairs) {
      const { from, to } = pair.route;
      if ((from === a && to === b) || (from === b && to === a)) this.#drop(pair);
    }
  }

  close(): void {
    for (const server of this.#listeners) server.close();
    for (const pair of this.#pairs) this.#drop(pair);
  }

  #isBlocked(from: number, to: number): boolean {
    return this.#blocked.has(key(from, to));
  }

  #accept(route: Route, near: Socket): void {
    const pair: Pair = { route, near, far: undefined, since: performance.now() };
    this.#pairs.add(pair);
    near.setNoDelay(true).pause();
    near.on("error", () => this.#drop(pair));
    near.on("close", () => this.#drop(pair));
    this.#dial(pair);
  }

  /** A connection needs both ways. */
  #dial(pair: Pair): void {
    const { from, to, target, callback, patience = 0 } = pair.route;
    const isOver = pair.far !== undefined || !this.#pairs.has(pair);
    if (isOver || this.#isBlocked(from, to) || this.#isBlocked(to, from)) return;
    const far = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true });
    let connected = false;
    pair.far = far;
    far.setNoDelay(true).pause();
    far.on("error", () => {
      if (connected || performance.now() - pair.since > patience) return this.#drop(pair);
      pair.far = undefined;
      setTimeout(() => this.#dial(pair), DIAL_AGAIN);
    });
    far.on("close", () => {
      if (pair.far === far) this.#drop(pair);
    });
    far.once("connect", () => {
      connected = true;
      this.#forward(pair.near, far, from, to, callback === undefined ? undefined : rewriter(callback));
      this.#forward(far, pair.near, to, from, undefined);
      this.#flow(pair);
    });
  }

  #forward(source: Socket, sink: Socket, from: number, to: number, rewrite: Rewriter | undefined): void {
    let last: Promise<void> = Promise.resolve();
    let waiting = 0;
    const write = (bytes: Buffer): void => {
      if (!sink.destroyed && !sink.write(bytes)) {
        source.pause();
        sink.once("drain", () => !this.#isBlocked(from, to) && source.resume());
      }
    };
    const inOrder = (act: () => void): void => {
      const delay = this.#delays.get(key(from, to)) ?? 0;
      if (delay === 0 && waiting === 0) return act();
      const due = new Promise<void>((resolve) => void setTimeout(resolve, delay));
      waiting += 1;
      last = last.then(async () => {
        await due;
        waiting -= 1;
        act();
      });
    };
    source.on("data", (chunk: Buffer) => {
      const bytes = rewrite === undefined ? chunk : rewrite(chunk);
      if (bytes.length > 0) inOrder(() => write(bytes));
    });
    source.on("end", () => inOrder(() => void sink.end()));
  }

  #changed(): void {
    for (const pair of this.#pairs) {
      if (pair.far === undefined) this.#dial(pair);
      else this.#flow(pair);
    }
  }

  #flow({ near, far, route: { from, to } }: Pair): void {
    if (far === undefined || far.connecting) return;
    if (this.#isBlocked(from, to)) near.pause();
    else near.resume();
    if (this.#isBlocked(to, from)) far.pause();
    else far.resume();
  }

  /** While the way is cut not even the end of a connection gets through. */
  #drop(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    pair.near.destroy();
    pair.far?.destroy();
  }
}

function key(from: number, to: number): string {
  return `${from}>${to}`;
}

type Rewriter = (chunk: Buffer) => Buffer;

/**
 * A server greets with the address of its own election port, and a server with a larger id hangs up and calls back
 * there: past the proxy, were it not changed on the way. Whatever is no such greeting passes as it is.
 */
function rewriter(callback: number): Rewriter {
  let head: Buffer | undefined = Buffer.alloc(0);
  return (chunk) => {
    if (head === undefined) return chunk;
    const bytes = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    head = bytes;
    if (bytes.length < GREETING_HEAD_BYTES) return Buffer.alloc(0);
    const isGreeting = bytes.readBigInt64BE(0) < 0n;
    const length = bytes.readInt32BE(16);
    if (isGreeting && length > 0 && length <= GREETING_ADDRESS_BYTES_MAX) {
      if (bytes.length < GREETING_HEAD_BYTES + length) return Buffer.alloc(0);
      head = undefined;
      const address = Buffer.from(`127.0.0.1:${callback}`);
      const start = Buffer.from(bytes.subarray(0, GREETING_HEAD_BYTES));
      start.writeInt32BE(address.length, 16);
      return Buffer.concat([start, address, bytes.subarray(GREETING_HEAD_BYTES + length)]);
    }
    head = undefined;
    return bytes;
  };
}
