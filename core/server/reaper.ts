/**
 * Removes containers that have emptied and TTL nodes whose time is up, by transactions of the server's own (Java:
 * ContainerManager; reference, section 5.6). What became non-empty meanwhile wins: the request is validated like any.
 */
import type { Context, Millis } from "../actor.ts";
import type { ServerState } from "../pipeline/state.ts";
import type { NodeRef } from "../tree/data-tree.ts";

export class Reaper {
  readonly #state: ServerState;
  readonly #submit: (cx: Context, path: string) => void;
  #checkAt: Millis;
  #candidates: string[] = [];
  #nextAt: Millis = Infinity;

  constructor(state: ServerState, now: Millis, submit: (cx: Context, path: string) => void) {
    this.#state = state;
    this.#submit = submit;
    this.#checkAt = now + state.config.containerCheckInterval;
  }

  deadline(): Millis {
    return Math.min(this.#checkAt, this.#nextAt);
  }

  onDeadline(cx: Context): void {
    if (cx.now >= this.#checkAt) {
      this.#checkAt = cx.now + this.#state.config.containerCheckInterval;
      this.#candidates = this.#find(cx.wall);
      this.#nextAt = this.#candidates.length > 0 ? cx.now : Infinity;
    }
    const pause = Math.ceil(60_000 / this.#state.config.containerMaxPerMinute);
    while (cx.now >= this.#nextAt) {
      const path = this.#candidates.shift();
      if (path === undefined) {
        this.#nextAt = Infinity;
        return;
      }
      this.#nextAt += pause;
      this.#submit(cx, path);
    }
  }

  #find(wall: Millis): string[] {
    const { tree, config } = this.#state;
    const paths: string[] = [];
    const neverUsedAge = config.containerMaxNeverUsedInterval;
    for (const node of tree.containers()) {
      if (tree.childCount(node) > 0) continue;
      // A container that never had a child is being set up; it only goes when that takes too long.
      const used = tree.cversion(node) > 0;
      if (used || (neverUsedAge > 0 && this.#age(node, wall) > neverUsedAge)) paths.push(tree.path(node));
    }
    for (const node of tree.ttls()) {
      if (tree.childCount(node) === 0 && this.#age(node, wall) > tree.ttl(node)) paths.push(tree.path(node));
    }
    return paths;
  }

  /** Only a change of its data makes a node younger. */
  #age(node: NodeRef, wall: Millis): Millis {
    return wall - this.#state.tree.mtime(node);
  }
}
