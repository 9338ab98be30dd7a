/**
 * The world's agenda: a priority queue ordered by instant, then by the order of scheduling, so that a run never depends
 * on how a heap happens to break ties. Events are recycled: the simulator makes millions of them per second, and a
 * campaign should not spend its time in the garbage collector.
 */
import { invariant } from "../core/invariant.ts";

/** An instant of the world, or a span of it: whole microseconds since the world began. */
export type Micros = number;

export const MICROS_PER_MILLI = 1000;

/** Whoever events happen to: a host, one side of a connection, a disk, the fault schedule. */
export interface Subject {
  /** `kind` and the rest mean what the subject wanted them to mean when it scheduled the event. */
  happen(kind: number, n: number, what: object | undefined): void;
}

interface Event {
  at: Micros;
  sequence: number;
  subject: Subject;
  kind: number;
  n: number;
  what: object | undefined;
}

const NOBODY: Subject = {
  happen() {
    invariant(false, "a recycled event has no subject");
  },
};
/** How many spent events are kept for reuse. */
const SPARE_EVENTS_MAX = 4096;

export class Agenda {
  readonly #heap: Event[] = [];
  readonly #spare: Event[] = [];
  #now: Micros = 0;
  #scheduled = 0;
  #happened = 0;

  /** The instant of the event that is happening, or that happened last. */
  get now(): Micros {
    return this.#now;
  }
  /** Events that are still to come. */
  get length(): number {
    return this.#heap.length;
  }
  /** Events that happened so far. */
  get happened(): number {
    return this.#happened;
  }
  /** The instant of the next event; Infinity when there is none. */
  get next(): Micros {
    return this.#heap.length === 0 ? Infinity : this.#heap[0]!.at;
  }

  /** An instant that has passed means now: after everything already scheduled for now. */
  schedule(at: Micros, subject: Subject, kind: number, n = 0, what?: object): void {
    const event = this.#spare.pop() ?? { at: 0, sequence: 0, subject: NOBODY, kind: 0, n: 0, what: undefined };
    event.at = at > this.#now ? at : this.#now;
    event.sequence = this.#scheduled++;
    event.subject = subject;
    event.kind = kind;
    event.n = n;
    event.what = what;
    this.#siftUp(event);
  }

  /** Lets the next event happen. False when there is none. */
  step(): boolean {
    const heap = this.#heap;
    if (heap.length === 0) return false;
    const event = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) this.#siftDown(last);
    this.#now = event.at;
    this.#happened++;
    const { subject, kind, n, what } = event;
    event.subject = NOBODY;
    event.what = undefined;
    if (this.#spare.length < SPARE_EVENTS_MAX) this.#spare.push(event);
    subject.happen(kind, n, what);
    return true;
  }

  /** Moves time forward with nothing happening; never past the next event. */
  idleUntil(at: Micros): void {
    invariant(at <= this.next, "time does not pass over an event");
    if (at > this.#now) this.#now = at;
  }

  #siftUp(event: Event): void {
    const heap = this.#heap;
    let hole = heap.length;
    heap.push(event);
    while (hole > 0) {
      const parentIndex = (hole - 1) >> 1;
      const parent = heap[parentIndex]!;
      // A newer event never precedes an older one of the same instant, so sequence needs no comparison here.
      if (parent.at <= event.at) break;
      heap[hole] = parent;
      hole = parentIndex;
    }
    heap[hole] = event;
  }

  #siftDown(event: Event): void {
    const heap = this.#heap;
    const length = heap.length;
    let hole = 0;
    for (;;) {
      let childIndex = 2 * hole + 1;
      if (childIndex >= length) break;
      let child = heap[childIndex]!;
      const right = childIndex + 1 < length ? heap[childIndex + 1]! : undefined;
      if (right !== undefined && precedes(right, child)) {
        child = right;
        childIndex++;
      }
      if (precedes(event, child)) break;
      heap[hole] = child;
      hole = childIndex;
    }
    heap[hole] = event;
  }
}

function precedes(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}
