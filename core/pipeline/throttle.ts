/**
 * Holds requests back before the pipeline while too many are inside (Java: RequestThrottler; reference, section 10.3).
 * Off unless request_throttle_max_requests is set. FIFO over all connections.
 */
import type { Context, Millis } from "../actor.ts";
import { Deque } from "../base/deque.ts";
import { Code } from "../protocol/codes.ts";
import { OpCode } from "../protocol/op-codes.ts";
import type { Request } from "./request.ts";
import type { ServerState } from "./state.ts";

export interface ThrottleSink {
  /** Goes on into the pipeline. */
  admit(cx: Context, request: Request): void;
  /** Too late for the client to care: its connection is closed, so that no later request overtakes this one. */
  dropStale(cx: Context, request: Request): void;
  /** Waited too long: answered with `err`, not executed. */
  refuse(cx: Context, request: Request, err: number): void;
  sessionTimeoutOf(request: Request): Millis;
}

export class Throttle {
  readonly #state: ServerState;
  readonly #next: ThrottleSink;
  readonly #queue = new Deque<Request>();
  #stalledUntil: Millis = Infinity;

  constructor(state: ServerState, next: ThrottleSink) {
    this.#state = state;
    this.#next = next;
  }

  get enabled(): boolean {
    return this.#state.config.requestThrottleLimit > 0;
  }
  get length(): number {
    return this.#queue.length;
  }

  /** `request.body` must be its own copy. */
  push(cx: Context, request: Request): void {
    this.#queue.push(request);
    this.pump(cx);
  }

  deadline(): Millis {
    return this.#stalledUntil;
  }

  /** Call when requests have left the pipeline, and at {@link deadline}. */
  pump(cx: Context): void {
    const { requestThrottleLimit: limit, requestThrottleStallTime: stall } = this.#state.config;
    while (this.#queue.length > 0) {
      if (this.#state.stats.inProcess >= limit) {
        this.#stalledUntil = cx.now + stall;
        return;
      }
      this.#pass(cx, this.#queue.shift()!);
    }
    this.#stalledUntil = Infinity;
  }

  #pass(cx: Context, request: Request): void {
    const { requestThrottleDropStale: dropStale, throttledOpWaitTime } = this.#state.config;
    if (dropStale && this.#isStale(cx, request)) return this.#next.dropStale(cx, request);
    const waited = cx.now - request.receivedAt;
    if (throttledOpWaitTime > 0 && waited > throttledOpWaitTime && !isExempt(request.type)) {
      this.#state.stats.count("throttled_ops");
      return this.#next.refuse(cx, request, Code.THROTTLEDOP);
    }
    this.#next.admit(cx, request);
  }

  #isStale(cx: Context, request: Request): boolean {
    if (request.type === OpCode.closeSession) return false;
    const { requestStaleConnectionCheck: byConnection, requestStaleLatencyCheck: byLatency } = this.#state.config;
    if (byConnection && request.origin?.closed === true) return true;
    return byLatency && cx.now - request.receivedAt > this.#next.sessionTimeoutOf(request);
  }
}

function isExempt(type: number): boolean {
  return type === OpCode.ping || type === OpCode.createSession || type === OpCode.closeSession;
}
