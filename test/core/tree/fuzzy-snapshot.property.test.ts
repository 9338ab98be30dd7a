/** Snapshots taken with a cursor while transactions go on (reference, section 8.6). */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Acl } from "../../../core/protocol/data.ts";
import { DataTree, NO_LISTENER, NO_NODE, type NodeRef, type StatPersisted } from "../../../core/tree/data-tree.ts";
import { PreorderCursor } from "../../../core/tree/preorder-cursor.ts";
import { type Choice, History } from "../../support/tree-history.ts";
import { contentOf, type Entry, TREE_OPTIONS } from "../../support/tree-txns.ts";

interface Record {
  readonly path: string;
  readonly data: Uint8Array | null;
  readonly aclId: number;
  readonly stat: StatPersisted;
}
interface Snapshot {
  readonly acls: readonly [number, readonly Acl[]][];
  readonly records: Record[];
}

const number = fc.nat({ max: 0xffff });
const choice: fc.Arbitrary<Choice> = fc.record({ kind: number, where: number, what: number });
const steps = (maxLength: number): fc.Arbitrary<Choice[]> => fc.array(choice, { maxLength, size: "max" });

test("a snapshot taken during transactions, plus their replay, is the final tree", () => {
  const during = fc.array(fc.record({ choice, visits: fc.constantFrom(0, 0, 0, 1, 1, 2) }), {
    maxLength: 120,
    size: "max",
  });
  fc.assert(
    fc.property(steps(150), during, (before, after) => {
      const history = new History();
      const tree = new DataTree(TREE_OPTIONS);
      for (const step of before) applyAll(tree, [history.next(step)]);
      const snapshot: Snapshot = { acls: tree.aclEntries(), records: [] };
      const cursor = new PreorderCursor(tree);
      const replayed: (Entry | undefined)[] = [];
      for (const { choice: step, visits } of after) {
        for (let i = 0; i < visits; i++) visit(tree, cursor, snapshot);
        const entry = history.next(step);
        applyAll(tree, [entry]);
        replayed.push(entry);
      }
      while (visit(tree, cursor, snapshot));
      expect(tree.cursors.size).toBe(0);

      const loaded = load(snapshot);
      applyAll(loaded, replayed);
      expect(contentOf(loaded)).toEqual(contentOf(tree));
      expect(loaded.treeDigest.equals(tree.treeDigest)).toBe(true);
      expect(loaded.treeDigest.toBigInt()).toBe(history.model.digest());
      expect(loaded.ephemeralCount).toBe(tree.ephemeralCount);
      expect(loaded.approximateDataSize).toBe(tree.approximateDataSize);
    }),
    { seed: 3, numRuns: 80 },
  );
});

test("replaying a suffix of a history twice changes nothing", () => {
  fc.assert(
    fc.property(steps(100), fc.nat({ max: 100 }), (choices, from) => {
      const history = new History();
      const entries = choices.map((step) => history.next(step));
      const tree = new DataTree(TREE_OPTIONS);
      applyAll(tree, entries);
      const once = contentOf(tree);
      const digest = tree.treeDigest.copy();
      applyAll(tree, entries.slice(from));
      expect(contentOf(tree)).toEqual(once);
      expect(tree.treeDigest.equals(digest)).toBe(true);
    }),
    { seed: 4, numRuns: 60 },
  );
});

/** One step of the walk; the loader checks that the parent came before. */
function visit(tree: DataTree, cursor: PreorderCursor, snapshot: Snapshot): boolean {
  const n = cursor.next();
  if (n !== NO_NODE) snapshot.records.push(recordOf(tree, n));
  return n !== NO_NODE;
}

function recordOf(tree: DataTree, n: NodeRef): Record {
  const stat = {
    czxid: tree.czxid(n),
    mzxid: tree.mzxid(n),
    ctime: tree.ctime(n),
    mtime: tree.mtime(n),
    version: tree.version(n),
    cversion: tree.cversion(n),
    aversion: tree.aversion(n),
    ephemeralOwner: tree.owner(n),
    pzxid: tree.pzxid(n),
  };
  return { path: tree.path(n) === "/" ? "" : tree.path(n), data: tree.data(n), aclId: tree.aclId(n), stat };
}

function load({ acls, records }: Snapshot): DataTree {
  const tree = new DataTree(TREE_OPTIONS);
  for (const [id, acl] of acls) expect(tree.loadAcl(id, acl)).toBe(true);
  for (const { path, data, aclId, stat } of records) expect(tree.insertRaw(path, data, aclId, stat), path).toBe(true);
  tree.finishLoad();
  return tree;
}

function applyAll(tree: DataTree, entries: readonly (Entry | undefined)[]): void {
  for (const entry of entries) if (entry !== undefined) tree.apply(entry.header, entry.txn, NO_LISTENER);
}
