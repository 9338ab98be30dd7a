/** The tree against the naive model: any transactions, in any order, replays included. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { DataTree, NO_LISTENER } from "../../../core/tree/data-tree.ts";
import { type NaiveEvent, NaiveTree } from "../../support/naive-tree.ts";
import { anyEntries, expectEqualsNaive, recordingListener, TREE_OPTIONS } from "../../support/tree-txns.ts";

test("any transactions give the model's codes, events, nodes and digest", () => {
  fc.assert(
    fc.property(anyEntries(150), (entries) => {
      const tree = new DataTree(TREE_OPTIONS);
      const naive = new NaiveTree();
      const events: NaiveEvent[] = [];
      const listener = recordingListener(events);
      for (const { header, txn } of entries) {
        expect(tree.apply(header, txn, listener).err).toBe(naive.apply(header, txn));
      }
      expect(events).toEqual(naive.events);
      expect(tree.lastProcessedZxid).toBe(naive.lastProcessedZxid);
      expectEqualsNaive(tree, naive);
    }),
    { seed: 1, numRuns: 50 },
  );
});

test("without a listener the same transactions give the same tree", () => {
  fc.assert(
    fc.property(anyEntries(150), (entries) => {
      const tree = new DataTree(TREE_OPTIONS);
      const naive = new NaiveTree();
      for (const { header, txn } of entries) {
        tree.apply(header, txn, NO_LISTENER);
        naive.apply(header, txn);
      }
      expectEqualsNaive(tree, naive);
    }),
    { seed: 2, numRuns: 20 },
  );
});
