/**
 * A first-in first-out queue over a ring buffer. `Array.prototype.shift` is linear for long arrays; queues here are
 * shifted once per request. It does not bound itself: its owner knows what the bound is and what passing it means.
 */
const CAPACITY_MIN = 16;
/** An emptied ring larger than this is given back, so that one burst does not hold its memory for ever. */
const CAPACITY_KEPT = 4096;

export class Deque<T> {
  /** Always a power of two long. Free places hold undefined, so that nothing shifted out stays reachable. */
  #ring: (T | undefined)[] = freePlaces(CAPACITY_MIN);
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#ring.length) this.#enlarge();
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = item;
    this.#length++;
  }

  /** Takes the oldest item out; undefined when there is none. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length--;
    if (this.#length === 0 && this.#ring.length > CAPACITY_KEPT) this.clear();
    return item;
  }

  /** The oldest item, left where it is. */
  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#ring[this.#head];
  }

  /** The item `index` places behind the oldest; undefined outside `[0, length)`. */
  at(index: number): T | undefined {
    if (index < 0 || index >= this.#length) return undefined;
    return this.#ring[(this.#head + index) & (this.#ring.length - 1)];
  }

  clear(): void {
    if (this.#ring.length > CAPACITY_KEPT) this.#ring = freePlaces(CAPACITY_MIN);
    else this.#ring.fill(undefined);
    this.#head = 0;
    this.#length = 0;
  }

  #enlarge(): void {
    const ring = this.#ring;
    const larger: (T | undefined)[] = freePlaces(ring.length * 2);
    for (let i = 0; i < this.#length; i++) larger[i] = ring[(this.#head + i) & (ring.length - 1)];
    this.#ring = larger;
    this.#head = 0;
  }
}

/** Filled one by one, for an array that never had holes is the faster one. */
function freePlaces(count: number): undefined[] {
  const places: undefined[] = [];
  for (let i = 0; i < count; i++) places.push(undefined);
  return places;
}
