/** Random transactions over a small namespace, and what is needed to compare two trees. */
import fc from "fast-check";
import { expect } from "vitest";
import type { SessionId } from "../../core/base/ids.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import { Writer } from "../../core/jute/writer.ts";
import { type Acl, writeStat, writeStringVector } from "../../core/protocol/data.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import type { SubTxn, Txn, TxnHeader } from "../../core/protocol/txns.ts";
import { NO_NODE, type DataTree, type NodeRef, type TreeListener } from "../../core/tree/data-tree.ts";
import { CONTAINER, isTtl, type NaiveEvent, type NaiveTree } from "./naive-tree.ts";

export const TREE_OPTIONS = { extendedTypes: true, emulate353: false, digest: true };
export const SESSIONS: readonly SessionId[] = [1n, 0x0100_0000_0000_0002n, -5n] as SessionId[];
export const ACLS: readonly (readonly Acl[])[] = [
  [{ perms: 31, scheme: "world", id: "anyone" }],
  [{ perms: 1, scheme: "world", id: "anyone" }],
  [
    { perms: 31, scheme: "digest", id: "bob:x" },
    { perms: 1, scheme: "ip", id: "10.0.0.0/8" },
  ],
];

export interface Entry {
  readonly header: TxnHeader;
  readonly txn: Txn;
}

/** Few paths, so that transactions meet each other. */
const path = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("/a", "/b", "/längere-näme") },
  { weight: 6, arbitrary: fc.constantFrom("/a/a", "/a/b", "/b/a", "/a/a-rather-long-component-of-a-path") },
  { weight: 3, arbitrary: fc.constantFrom("/a/b/a", "/a/a/längere-näme", "/a/b/a/c") },
  { weight: 2, arbitrary: fc.constantFrom("/zookeeper/quota/a", "/zookeeper/quota/a/b", "/zookeeper/a") },
  {
    weight: 2,
    arbitrary: fc.constantFrom("/zookeeper/quota/a/zookeeper_limits", "/zookeeper/quota/a/zookeeper_stats"),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("/zookeeper/quota/a/b/zookeeper_limits", "/zookeeper/quota/a/b/zookeeper_stats"),
  },
);
const data = fc.oneof(
  fc.constant(null),
  fc.nat({ max: 200 }).map((length) => filled(length)),
  fc.constantFrom(0, 129, 1024, 20_000).map((length) => filled(length)),
  fc.constantFrom("junk", "count=1,bytes=5", "count=-1,bytes=9=;byteHardLimit=7").map((text) => bytesOf(text)),
);
const acl = fc.constantFrom(...ACLS);
const version = fc.integer({ min: -1, max: 5 });

const subTxn: fc.Arbitrary<SubTxn> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant(OpCode.create),
      path,
      data,
      acl,
      ephemeral: fc.boolean(),
      parentCVersion: version,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant(OpCode.createContainer), path, data, acl, parentCVersion: version }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant(OpCode.createTTL),
      path,
      data,
      acl,
      parentCVersion: version,
      ttl: fc.constantFrom(1, 2 ** 40 - 1),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant(OpCode.delete), path }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant(OpCode.setData), path, data, version }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant(OpCode.setACL), path, acl, version }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant(OpCode.check), path, version }) },
);
const errorTxn: fc.Arbitrary<SubTxn> = fc.record({ type: fc.constant(OpCode.error), err: fc.constantFrom(-101, -2) });
const txn: fc.Arbitrary<Txn> = fc.oneof(
  { weight: 16, arbitrary: subTxn },
  { weight: 1, arbitrary: errorTxn },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant(OpCode.multi),
      txns: fc.array(fc.oneof({ weight: 9, arbitrary: subTxn }, { weight: 1, arbitrary: errorTxn }), { maxLength: 5 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant(OpCode.closeSession),
      paths: fc.option(fc.array(path, { maxLength: 4 }), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant(OpCode.createSession), timeOut: fc.constant(4000) }) },
);

/** Any transactions at all, sensible or not, with zxids that mostly grow and sometimes are replays. */
export function anyEntries(maxLength: number): fc.Arbitrary<Entry[]> {
  const step = fc.record({ txn, session: fc.constantFrom(...SESSIONS), advance: fc.integer({ min: -3, max: 5 }) });
  return fc.array(step, { maxLength, size: "max" }).map((steps) => {
    let zxid = 10;
    return steps.map(({ txn, session, advance }, i) => {
      zxid = Math.max(1, zxid + advance);
      const header = { clientId: session, cxid: i, zxid: zxid as Zxid, time: 1_700_000_000_000 + zxid, type: txn.type };
      return { header, txn };
    });
  });
}

export function filled(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);
}

export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

export function recordingListener(events: NaiveEvent[]): TreeListener {
  return {
    nodeCreated: (path, zxid) => events.push(["created", path, zxid]),
    nodeDataChanged: (path, zxid) => events.push(["changed", path, zxid]),
    nodeDeleted: (path, zxid) => events.push(["deleted", path, zxid]),
  };
}

/** Every reading of every node. */
export function expectEqualsNaive(tree: DataTree, naive: NaiveTree): void {
  expect(tree.nodeCount).toBe(naive.nodes.size);
  expect(tree.treeDigest.toBigInt()).toBe(naive.digest());
  let size = 1;
  for (const [path, expected] of naive.nodes) {
    const n = tree.find(path);
    expect(n, path).not.toBe(NO_NODE);
    expect(tree.path(n)).toBe(path);
    expect(tree.stat(n), path).toEqual(naive.stat(path));
    expect(tree.data(n), path).toEqual(expected.data === null ? null : new Uint8Array(expected.data));
    expect(tree.acl(n), path).toEqual(expected.acl);
    expect(tree.owner(n)).toBe(expected.owner);
    expect(tree.cversion(n)).toBe(expected.cversion);
    expect(tree.children(n).sort(byCodeUnits)).toEqual(naive.children(path).sort(byCodeUnits));
    expectJuteAgrees(tree, n);
    size += (path === "/" ? 0 : Buffer.byteLength(path)) + (expected.data?.length ?? 0);
  }
  expect(tree.approximateDataSize).toBe(size);
  for (const session of SESSIONS)
    expect(tree.ephemeralsOf(session).sort(byCodeUnits)).toEqual(naive.ephemeralsOf(session).sort(byCodeUnits));
  const owned = (isKind: (owner: bigint) => boolean): string[] =>
    [...naive.nodes].filter(([, n]) => isKind(n.owner)).map(([path]) => path);
  expect(pathsOf(tree, tree.containers())).toEqual(owned((owner) => owner === CONTAINER).sort(byCodeUnits));
  expect(pathsOf(tree, tree.ttls())).toEqual(owned(isTtl).sort(byCodeUnits));
  expect(tree.ephemeralCount).toBe(SESSIONS.reduce((sum, session) => sum + naive.ephemeralsOf(session).length, 0));
  const used = new Set([...naive.nodes.keys()].map((path) => tree.aclId(tree.find(path))));
  expect(new Set(tree.aclEntries().map(([id]) => id))).toEqual(new Set([...used].filter((id) => id !== -1)));
}

function expectJuteAgrees(tree: DataTree, n: NodeRef): void {
  const actual = new Writer();
  tree.writeStat(actual, n);
  tree.writeData(actual, n);
  tree.writeChildren(actual, n);
  const expected = new Writer();
  writeStat(expected, tree.stat(n));
  expected.buffer(tree.data(n));
  writeStringVector(expected, tree.children(n));
  expect(actual.take()).toEqual(expected.take());
}

/** Everything a snapshot would hold, by path, but not the ACL ids. */
export function contentOf(tree: DataTree): Map<string, unknown> {
  const content = new Map<string, unknown>();
  const visit = (n: NodeRef): void => {
    const stored = [tree.cversion(n), tree.owner(n), tree.acl(n)];
    content.set(tree.path(n), { stat: tree.stat(n), data: tree.data(n), stored });
    for (let child = tree.firstChild(n); child !== NO_NODE; child = tree.nextSibling(child)) visit(child);
  };
  visit(tree.find("/"));
  return new Map([...content].sort(([a], [b]) => byCodeUnits(a, b)));
}

function pathsOf(tree: DataTree, nodes: Iterable<NodeRef>): string[] {
  return [...nodes].map((n) => tree.path(n)).sort(byCodeUnits);
}

export function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
