import type { Zxid } from "../../../core/base/zxid.ts";
import type { Watcher } from "../../../core/watch/watch-table.ts";

type Event = readonly [type: number, path: string, zxid: number];

/** A connection that remembers what it was told. */
export class Listener implements Watcher {
  readonly name: string;
  readonly events: Event[] = [];
  readonly #onEvent: () => void;

  constructor(name: string, onEvent: () => void = () => {}) {
    this.name = name;
    this.#onEvent = onEvent;
  }

  watchFired(type: number, path: string, zxid: Zxid): void {
    this.events.push([type, path, zxid]);
    this.#onEvent();
  }

  take(): Event[] {
    return this.events.splice(0);
  }
}
