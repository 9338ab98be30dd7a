/** What the generator knows of the reference server, learned from its replies: enough to aim, not a second server. */
import type { Prng } from "../../core/base/prng.ts";
import type { Op } from "./ops.ts";
import type { Entry } from "./replies.ts";
import type { Side } from "./side.ts";

/** Above this the generator's reads and deletes have plenty to aim at. */
const PATHS_MAX = 200;
/** The oldest paths are used more, so that clients and watches meet. */
const FAVOURITES = 16;

export class World {
  readonly #side: Side;
  readonly #paths = new Set<string>(["/"]);
  #list: string[] = ["/"];

  constructor(side: Side) {
    this.#side = side;
  }

  isOpen(slot: number): boolean {
    return this.#side.isOpen(slot);
  }

  hasSession(slot: number): boolean {
    return this.#side.hasSession(slot);
  }

  /** A path that exists, or did a moment ago; at most `depth` levels deep. */
  anyPath(prng: Prng, depth = 4): string {
    for (let tries = 0; tries < 5; tries++) {
      const among = prng.chance(3, 5) ? Math.min(FAVOURITES, this.#list.length) : this.#list.length;
      const path = this.#list[prng.below(among)]!;
      if (path.split("/").length <= depth + 1) return path;
    }
    return "/";
  }

  learn(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.kind !== "reply" || entry.err !== 0) continue;
      if (entry.op.type === 14) {
        if (!entry.parts.some((part) => part.startsWith("-1"))) {
          entry.op.ops.forEach((op, index) => this.#apply(op, entry.parts[index] ?? ""));
        }
      } else {
        this.#apply(entry.op, entry.parts[0] ?? "");
      }
    }
  }

  #apply(op: Op, result: string): void {
    switch (op.type) {
      case 1:
      case 15:
      case 19:
      case 21: {
        const path = /"[^"]*"/.exec(result)?.[0];
        if (path !== undefined) this.#add(JSON.parse(path) as string);
        return;
      }
      case 2:
        if (op.path !== null && this.#paths.delete(op.path)) this.#list = [...this.#paths];
        return;
      default:
    }
  }

  #add(path: string): void {
    // Random data in these would not be quotas (NOT_SENT).
    if (this.#paths.has(path) || /\/zookeeper_(limits|stats)/.test(path)) return;
    this.#paths.add(path);
    this.#list.push(path);
    if (this.#list.length > PATHS_MAX) {
      const oldest = this.#list[1]!;
      this.#paths.delete(oldest);
      this.#list = [...this.#paths];
    }
  }
}
