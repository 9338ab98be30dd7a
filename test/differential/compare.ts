/** Compares what two sides saw of one step, entry by entry and connection by connection. */
import { type Context, EXPLAINED } from "./explained.ts";
import { type Entry, entryText } from "./replies.ts";
import type { Seen } from "./side.ts";

export interface Difference {
  readonly slot: number;
  /** The first entry that differs, as text; undefined where one side saw less. */
  readonly reference: string | undefined;
  readonly subject: string | undefined;
  /** What the connection had seen in this step until then. */
  readonly before: readonly string[];
}

export class Comparer {
  /** How often each explanation was needed. */
  readonly explained = new Map<string, number>();
  readonly #newestEventZxid = new Map<number, number>();
  #newestZxid = 0;

  /** The first difference that nothing explains. */
  compare(reference: readonly Seen[], subject: readonly Seen[]): Difference | undefined {
    for (const { entries } of subject) {
      for (const entry of entries)
        if (entry.kind === "reply") this.#newestZxid = Math.max(this.#newestZxid, entry.zxid);
    }
    for (let at = 0; at < Math.max(reference.length, subject.length); at++) {
      const a = reference[at];
      const b = subject[at];
      const slot = a?.slot ?? b?.slot ?? -1;
      const difference = this.#compareSlot(slot, a?.entries ?? [], b?.entries ?? [], b?.sorted === true);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }

  #compareSlot(
    slot: number,
    reference: readonly Entry[],
    subject: readonly Entry[],
    sorted: boolean,
  ): Difference | undefined {
    const oldest = this.#newestEventZxid.get(slot) ?? 0;
    for (let at = 0; at < Math.max(reference.length, subject.length); at++) {
      const a = reference[at];
      const b = subject[at];
      const newestEventZxid = sorted ? oldest : (this.#newestEventZxid.get(slot) ?? 0);
      const context: Context = { reference, subject, at, newestEventZxid, newestZxid: this.#newestZxid };
      if (!this.#agree(a, b, context)) {
        return {
          slot,
          reference: a && entryText(a),
          subject: b && entryText(b),
          before: reference.slice(0, at).map(entryText),
        };
      }
      if (b?.kind === "event") {
        this.#newestEventZxid.set(slot, Math.max(this.#newestEventZxid.get(slot) ?? 0, b.zxid));
      }
      if (b?.kind === "note" && b.text.startsWith("connected")) this.#newestEventZxid.delete(slot);
    }
    return undefined;
  }

  #agree(a: Entry | undefined, b: Entry | undefined, context: Context): boolean {
    if (a === undefined || b === undefined) return false;
    if (entryText(a) === entryText(b)) return true;
    const explanation = EXPLAINED.find((known) => known.explains(a, b, context));
    if (explanation === undefined) return false;
    this.explained.set(explanation.name, (this.explained.get(explanation.name) ?? 0) + 1);
    return true;
  }
}
