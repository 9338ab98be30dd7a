/**
 * The calls of an application that have not been settled: those in flight, in the order of their replies, and those
 * still waiting for a connection (Java: ClientCnxn's pendingQueue and outgoingQueue). Every call is settled once.
 */
import type { Millis } from "../actor.ts";
import type { Xid } from "../base/ids.ts";
import { Deque } from "../base/deque.ts";
import { Code } from "../protocol/codes.ts";
import { ZooKeeperError } from "./errors.ts";
import type { Operation } from "./operations.ts";

/** How a call ends. Must not throw, and must not call the client. */
export interface Completion<T> {
  resolve(value: T): void;
  reject(error: ZooKeeperError): void;
}

export interface Call {
  readonly operation: Operation<unknown>;
  readonly completion: Completion<unknown>;
  readonly since: Millis;
  xid: Xid;
  /** The whole frame, the xid still open, while there is no connection to send it on. */
  frame: Uint8Array | undefined;
  /** Failed attempts to connect that it outlives: each server gets one chance. */
  attemptsLeft: number;
}

const XID_MAX = 0x7fff_ffff;

export class Calls {
  readonly #inFlight: Deque<Call> = new Deque();
  readonly #unsent: Deque<Call> = new Deque();
  #lastXid: Xid;

  constructor(lastXid: Xid = 0) {
    this.#lastXid = lastXid;
  }

  get inFlightCount(): number {
    return this.#inFlight.length;
  }
  get unsentCount(): number {
    return this.#unsent.length;
  }

  /** Numbers a call that is being sent. `xid` is for those which do not count. */
  sent(call: Call, xid: Xid = this.nextXid()): Xid {
    call.xid = xid;
    this.#inFlight.push(call);
    return xid;
  }

  /** From 1, and after 2^31-1 from 1 again: negative xids mean something else. */
  nextXid(): Xid {
    this.#lastXid = this.#lastXid === XID_MAX ? 1 : this.#lastXid + 1;
    return this.#lastXid;
  }

  postpone(call: Call): void {
    this.#unsent.push(call);
  }

  takeUnsent(): Call | undefined {
    return this.#unsent.shift();
  }

  /** The call that a reply answers, or undefined if replies are out of order. */
  answered(xid: Xid): Call | undefined {
    return this.#inFlight.peek()?.xid === xid ? this.#inFlight.shift() : undefined;
  }

  oldest(): Call | undefined {
    return this.#inFlight.peek();
  }

  /** Nobody will answer any more: what was sent may have been carried out. */
  failInFlight(errno: number, detail?: string): void {
    for (let call = this.#inFlight.shift(); call !== undefined; call = this.#inFlight.shift()) {
      reject(call, errno, detail, true);
    }
  }

  /** An attempt to connect failed: gives up on the calls that have waited for every server. */
  attemptFailed(detail: string): void {
    for (let left = this.#unsent.length; left > 0; left--) {
      const call = this.#unsent.shift()!;
      call.attemptsLeft--;
      if (call.attemptsLeft > 0) this.#unsent.push(call);
      else reject(call, Code.CONNECTIONLOSS, detail, false);
    }
  }

  failUnsent(errno: number, detail?: string): void {
    for (let call = this.#unsent.shift(); call !== undefined; call = this.#unsent.shift()) {
      reject(call, errno, detail, false);
    }
  }
}

function reject(call: Call, errno: number, detail: string | undefined, outcomeUnknown: boolean): void {
  call.completion.reject(new ZooKeeperError(errno, call.operation.path, detail, outcomeUnknown));
}
