/** Stories about the tree, by section of the reference. */
import { expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, readStat } from "../../../core/protocol/data.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import type { CreateTxn, SubTxn, Txn } from "../../../core/protocol/txns.ts";
import { type ApplyResult, DataTree, NO_LISTENER, NO_NODE, OwnerKind } from "../../../core/tree/data-tree.ts";
import { PreorderCursor } from "../../../core/tree/preorder-cursor.ts";
import { bytesOf, TREE_OPTIONS } from "../../support/tree-txns.ts";

const SESSION = 0x0100_0000_0000_0001n as SessionId;
const ZEROS = { czxid: 0, mzxid: 0, pzxid: 0, ctime: 0, mtime: 0, version: 0, cversion: 0, aversion: 0 };
const STAT = { ...ZEROS, czxid: 0 as Zxid, mzxid: 0 as Zxid, pzxid: 0 as Zxid, ephemeralOwner: 0n };

function freshTree(): { tree: DataTree; apply: (txn: Txn, zxid?: number) => ApplyResult } {
  const tree = new DataTree(TREE_OPTIONS);
  let last = 0;
  const apply = (txn: Txn, zxid: number = last + 1): ApplyResult => {
    last = Math.max(last, zxid);
    const header = { clientId: SESSION, cxid: 0, zxid: zxid as Zxid, time: 1000 + zxid, type: txn.type };
    return tree.apply(header, txn, NO_LISTENER);
  };
  return { tree, apply };
}

function create(path: string, data: string | null = null, ephemeral = false): CreateTxn {
  const bytes = data === null ? null : bytesOf(data);
  return { type: OpCode.create, path, data: bytes, acl: OPEN_ACL_UNSAFE, ephemeral, parentCVersion: -1 };
}

function textAt(tree: DataTree, path: string): string {
  return Buffer.from(tree.data(tree.find(path)) ?? "").toString();
}

test("an empty tree holds the root and ZooKeeper's own nodes", () => {
  const { tree } = freshTree();
  expect(tree.nodeCount).toBe(4);
  expect(tree.approximateDataSize).toBe(44);
  expect(tree.stat(tree.find("/"))).toMatchObject({ cversion: -1, numChildren: 1, version: 0, dataLength: 0 });
  expect(tree.stat(tree.find("/zookeeper"))).toMatchObject({ cversion: -2, numChildren: 2 });
  expect(tree.acl(tree.find(""))).toBe(OPEN_ACL_UNSAFE);
  const config = tree.find("/zookeeper/config");
  expect([tree.aversion(config), tree.acl(config), tree.isNullData(config)]).toEqual([-1, READ_ACL_UNSAFE, false]);
  expect(tree.aclEntries()).toEqual([[1, READ_ACL_UNSAFE]]);
});

test("a cursor over an empty tree visits nodes in the order of ZooKeeper's own empty snapshot", () => {
  const { tree } = freshTree();
  const cursor = new PreorderCursor(tree);
  const paths: string[] = [];
  for (let n = cursor.next(); n !== NO_NODE; n = cursor.next()) paths.push(tree.path(n));
  expect(paths).toEqual(["/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"]);
  expect(tree.cursors.size).toBe(0);
});

test("the next node of a cursor may be removed, and new nodes under visited parents stay unvisited", () => {
  const { tree, apply } = freshTree();
  for (const path of ["/a", "/b", "/c"]) apply(create(path));
  const cursor = new PreorderCursor(tree);
  expect([cursor.next(), cursor.next()].map((n) => tree.path(n))).toEqual(["/", "/c"]);
  apply({ type: OpCode.delete, path: "/b" });
  apply(create("/c/new"));
  apply(create("/b"));
  expect(tree.path(cursor.next())).toBe("/a");
  cursor.close();
  expect(cursor.next()).toBe(NO_NODE);
  expect(tree.cursors.size).toBe(0);
});

test("two creates and one delete show a cversion of three", () => {
  const { tree, apply } = freshTree();
  apply(create("/p"));
  apply(create("/p/a"));
  apply(create("/p/b"));
  apply({ type: OpCode.delete, path: "/p/a" });
  expect(tree.stat(tree.find("/p"))).toMatchObject({ cversion: 3, numChildren: 1, version: 0, mzxid: 1, pzxid: 4 });
  expect(tree.cversion(tree.find("/p"))).toBe(2);
});

test("a delete of what is gone still moves the parent's pzxid", () => {
  const { tree, apply } = freshTree();
  expect(apply({ type: OpCode.delete, path: "/missing" }, 9).err).toBe(Code.NONODE);
  expect(tree.pzxid(tree.find("/"))).toBe(9);
  expect(tree.lastProcessedZxid).toBe(9);
});

test("the root cannot be created or deleted, and odd paths only have codes", () => {
  const { tree, apply } = freshTree();
  expect(apply(create("/")).err).toBe(Code.NODEEXISTS);
  expect(apply({ type: OpCode.delete, path: "/" }).err).toBe(Code.BADARGUMENTS);
  expect(apply(create("")).err).toBe(Code.NONODE);
  expect(apply(create("a")).err).toBe(Code.NONODE);
  expect(apply(create("/a/")).err).toBe(Code.NONODE);
  expect(apply({ type: OpCode.setData, path: "", data: bytesOf("x"), version: 1 }).err).toBe(Code.OK);
  expect(textAt(tree, "/")).toBe("x");
});

test("the parts of a multi report stats of their own moment", () => {
  const { apply } = freshTree();
  const txns: SubTxn[] = [
    create("/a", "x"),
    { type: OpCode.setData, path: "/a", data: bytesOf("xyz"), version: 1 },
    { type: OpCode.check, path: "/a", version: 2 },
    { type: OpCode.delete, path: "/a" },
  ];
  const { err, results, stats } = apply({ type: OpCode.multi, txns });
  expect(err).toBe(Code.OK);
  const lengths = results.map(({ statAt }) =>
    statAt < 0 ? undefined : readStat(new Reader(stats, statAt)).dataLength,
  );
  expect(lengths).toEqual([1, 3, undefined, undefined]);
  expect(results.map((result) => result.path)).toEqual(["/a", "/a", "/a", "/a"]);
});

test("a multi with an error applies nothing and answers for every part", () => {
  const { tree, apply } = freshTree();
  const failure = { type: OpCode.error, err: Code.BADVERSION } as const;
  const after = { type: OpCode.error, err: Code.RUNTIMEINCONSISTENCY } as const;
  const { err, results } = apply({ type: OpCode.multi, txns: [create("/a"), failure, after] });
  expect(err).toBe(Code.BADVERSION);
  expect(results.map((result) => [result.type, result.err])).toEqual([
    [-1, 0],
    [-1, Code.BADVERSION],
    [-1, Code.RUNTIMEINCONSISTENCY],
  ]);
  expect(tree.find("/a")).toBe(NO_NODE);
  expect(tree.lastProcessedZxid).toBe(1);
});

test("closing a session deletes the listed paths and whatever else it owns", () => {
  const { tree, apply } = freshTree();
  apply(create("/p"));
  apply(create("/p/listed", null, true));
  apply(create("/p/unlisted", null, true));
  expect(tree.ephemeralsOf(SESSION)).toEqual(["/p/listed", "/p/unlisted"]);
  expect(tree.stat(tree.find("/p/listed")).ephemeralOwner).toBe(SESSION);
  apply({ type: OpCode.closeSession, paths: ["/p/listed", "/p/never-there"] });
  expect(tree.children(tree.find("/p"))).toEqual([]);
  expect([...tree.sessionsWithEphemerals()]).toEqual([]);
  expect(tree.pzxid(tree.find("/p"))).toBe(4);
});

test("containers and TTL nodes are found for the reaper and show no owner", () => {
  const { tree, apply } = freshTree();
  const common = { data: null, acl: OPEN_ACL_UNSAFE, parentCVersion: -1 };
  apply({ type: OpCode.createContainer, path: "/c", ...common });
  apply({ type: OpCode.createTTL, path: "/t", ttl: 5000, ...common });
  expect(apply({ type: OpCode.createTTL, path: "/bad", ttl: 0, ...common }).err).toBe(Code.BADARGUMENTS);
  expect([...tree.containers()].map((n) => tree.path(n))).toEqual(["/c"]);
  expect([...tree.ttls()].map((n) => [tree.path(n), tree.ttl(n)])).toEqual([["/t", 5000]]);
  expect(tree.ownerKind(tree.find("/t"))).toBe(OwnerKind.ttl);
  expect([tree.stat(tree.find("/c")).ephemeralOwner, tree.stat(tree.find("/t")).ephemeralOwner]).toEqual([0n, 0n]);
  expect(tree.ephemeralCount).toBe(0);
});

test("a stats node is filled in on creation and follows every change below its prefix", () => {
  const { tree, apply } = freshTree();
  for (const path of ["/a", "/a/b", "/zookeeper/quota/a"]) apply(create(path, "12345"));
  apply(create("/zookeeper/quota/a/zookeeper_limits", "count=3,bytes=-1=;byteHardLimit=20;countHardLimit=4"));
  apply(create("/zookeeper/quota/a/zookeeper_stats", "nonsense"));
  const stats = (): string => textAt(tree, "/zookeeper/quota/a/zookeeper_stats");
  expect(stats()).toBe("count=2,bytes=10");
  const digest = tree.treeDigest.copy();
  apply(create("/a/c", "678"));
  expect(stats()).toBe("count=3,bytes=13");
  apply({ type: OpCode.setData, path: "/a/c", data: null, version: 1 });
  expect(stats()).toBe("count=3,bytes=10");
  expect(tree.stat(tree.find("/zookeeper/quota/a/zookeeper_stats"))).toMatchObject({ version: 0, mzxid: 5 });
  expect(tree.treeDigest.equals(digest)).toBe(false);

  expect([tree.quotaCheck("/a/d", 10, 1), tree.quotaCheck("/a/d", 11, 1), tree.quotaCheck("/a/d", 0, 2)]).toEqual([
    true,
    false,
    false,
  ]);
  expect(tree.quotaCheck("/elsewhere", 1000, 1000)).toBe(true);
  apply({ type: OpCode.delete, path: "/zookeeper/quota/a/zookeeper_limits" });
  apply({ type: OpCode.delete, path: "/a/c" });
  expect(stats()).toBe("count=3,bytes=10");
});

test("a loaded snapshot replaces everything, and its quotas are counted anew", () => {
  const tree = new DataTree(TREE_OPTIONS);
  expect(tree.loadAcl(4, OPEN_ACL_UNSAFE)).toBe(true);
  expect(tree.find("/zookeeper/config")).toBe(NO_NODE);
  expect(tree.insertRaw("", bytesOf("root"), -1, { ...STAT, cversion: 7 })).toBe(true);
  expect(tree.insertRaw("/a", bytesOf("four"), 4, { ...STAT, ephemeralOwner: SESSION })).toBe(true);
  for (const path of ["/zookeeper", "/zookeeper/quota", "/zookeeper/quota/a"]) tree.insertRaw(path, null, -1, STAT);
  tree.insertRaw("/zookeeper/quota/a/zookeeper_limits", null, -1, STAT);
  tree.insertRaw("/zookeeper/quota/a/zookeeper_stats", null, -1, STAT);
  tree.finishLoad();
  expect(tree.nodeCount).toBe(7);
  expect(tree.cversion(tree.find("/"))).toBe(7);
  expect(tree.ephemeralsOf(SESSION)).toEqual(["/a"]);
  expect(textAt(tree, "/zookeeper/quota/a/zookeeper_stats")).toBe("count=1,bytes=4");
  expect(tree.aclEntries().map(([id]) => id)).toEqual([4]);
  tree.fillConfig(bytesOf("version=0"), 5 as Zxid, 77);
  expect(tree.stat(tree.find("/zookeeper/config"))).toMatchObject({ version: -1, mzxid: 5, mtime: 77, dataLength: 9 });
});

test("what makes no sense in a snapshot is refused", () => {
  const tree = new DataTree(TREE_OPTIONS);
  tree.insertRaw("/a", null, -1, STAT);
  expect(tree.insertRaw("/missing/child", null, -1, STAT)).toBe(false);
  expect(tree.insertRaw("/a", null, -1, STAT)).toBe(false);
  expect(tree.insertRaw("/", null, -1, STAT)).toBe(false);
  expect(tree.insertRaw("/b", null, 2 ** 40, STAT)).toBe(false);
  const unknownType = { ...STAT, ephemeralOwner: BigInt.asIntN(64, 0xff00_0100_0000_0000n) };
  expect(tree.insertRaw("/c", null, -1, unknownType)).toBe(false);
});

test("a replayed create gives a node the ACL its fuzzy snapshot lacked", () => {
  const { tree, apply } = freshTree();
  tree.insertRaw("", null, -1, STAT);
  tree.insertRaw("/a", null, 9, STAT);
  tree.finishLoad();
  expect(tree.acl(tree.find("/a"))).toEqual([{ perms: 0, scheme: "world", id: "anyone" }]);
  expect(apply(create("/a")).err).toBe(Code.NODEEXISTS);
  expect(tree.acl(tree.find("/a"))).toEqual(OPEN_ACL_UNSAFE);
  expect(tree.aclId(tree.find("/a"))).toBe(10);
});

test("the digest log keeps every 128th zxid, and at most 1024 of them", () => {
  const { tree, apply } = freshTree();
  for (let i = 1; i <= 1030; i++) {
    apply({ type: OpCode.setData, path: "/", data: null, version: i }, i * 128 - 1);
    apply({ type: OpCode.setData, path: "/", data: null, version: i }, i * 128);
  }
  const { entries } = tree.digestLog;
  expect([entries.length, entries[0]!.zxid, entries[1023]!.zxid]).toEqual([1024, 7 * 128, 1030 * 128]);
  expect(entries[1023]!.digest.equals(tree.treeDigest)).toBe(true);
  expect(entries[1022]!.digest.equals(tree.treeDigest)).toBe(false);
});

test("with digests off nothing is summed", () => {
  const tree = new DataTree({ ...TREE_OPTIONS, digest: false });
  expect(tree.treeDigest.toBigInt()).toBe(0n);
});

test("twenty thousand nodes are found, and half of them still are when the others are gone", () => {
  const { tree, apply } = freshTree();
  const path = (i: number): string => `/dir-${i % 100}/node-${i}`;
  for (let i = 0; i < 100; i++) apply(create(`/dir-${i}`));
  for (let i = 0; i < 20_000; i++) apply(create(path(i), "data"));
  expect(tree.nodeCount).toBe(20_104);
  for (let i = 0; i < 20_000; i += 2) apply({ type: OpCode.delete, path: path(i) });
  let wrong = 0;
  for (let i = 0; i < 20_000; i++) {
    const n = tree.find(path(i));
    if (i % 2 === 0 ? n !== NO_NODE : n === NO_NODE || tree.path(n) !== path(i)) wrong++;
  }
  expect(wrong).toBe(0);
  expect(tree.descendantCount(tree.find("/dir-1"))).toBe(200);
  expect(tree.descendantCount(tree.find("/"))).toBe(10_103);
});
