import fc from "fast-check";
import { expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import { Prng } from "../../../core/base/prng.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { Writer } from "../../../core/jute/writer.ts";
import { OPEN_ACL_UNSAFE } from "../../../core/protocol/data.ts";
import type { Acl } from "../../../core/protocol/data.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import type { Txn } from "../../../core/protocol/txns.ts";
import { SnapshotStreamReader, SnapshotStreamWriter } from "../../../core/storage/snapshot-stream.ts";
import type { StreamStep } from "../../../core/storage/snapshot-stream.ts";
import { NO_LISTENER, NO_NODE } from "../../../core/tree/data-tree.ts";
import type { DataTree } from "../../../core/tree/data-tree.ts";
import { configWith, newTree } from "../../support/storage-history.ts";

const SESSIONS: readonly (readonly [SessionId, number])[] = [
  [0x0100000efc650000n as SessionId, 30_000],
  [-5n as SessionId, 4000],
];
const CREATOR: readonly Acl[] = [{ perms: 31, scheme: "digest", id: "user:hash" }];

function apply(tree: DataTree, txn: Txn, session = SESSIONS[0]![0]): void {
  const zxid = (tree.lastProcessedZxid + 1) as Zxid;
  tree.apply({ clientId: session, cxid: 1, zxid, time: 1_700_000_000_000 + zxid, type: txn.type }, txn, NO_LISTENER);
}
function nextCVersion(tree: DataTree, path: string): number {
  return tree.cversion(tree.find(path.slice(0, path.lastIndexOf("/")))) + 1;
}
function create(tree: DataTree, path: string, size = 10, ephemeral = false, acl = OPEN_ACL_UNSAFE): void {
  const data = size < 0 ? null : new Uint8Array(size).fill(path.length);
  const parentCVersion = nextCVersion(tree, path);
  apply(tree, { type: OpCode.create, path, data, acl, ephemeral, parentCVersion });
}
function someTree(): DataTree {
  const tree = newTree();
  for (const path of ["/a", "/a/b", "/ä €", "/a/b/c"]) create(tree, path);
  create(tree, "/null", -1);
  create(tree, "/empty", 0);
  create(tree, "/large", 20_000);
  create(tree, "/mine", 5, true);
  create(tree, "/closed", 5, false, CREATOR);
  for (let i = 0; i < 200; i++) create(tree, `/a/n${i}`, i);
  return tree;
}
function streamOf(tree: DataTree, records = 7, between: () => void = () => {}): Uint8Array {
  const w = new Writer();
  const writer = new SnapshotStreamWriter(tree, SESSIONS);
  while (!writer.produce(w, records)) between();
  return w.take();
}
function readerOf(): SnapshotStreamReader {
  return new SnapshotStreamReader(newTree, configWith());
}
/** In pieces of the sizes given, the last one over and over. Every piece is overwritten after its call: it was lent. */
function read(reader: SnapshotStreamReader, bytes: Uint8Array, sizes: readonly number[]): [StreamStep, number] {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const piece = bytes.slice(at, at + Math.max(1, sizes[Math.min(i, sizes.length - 1)]!));
    at += piece.length;
    const step = reader.accept(piece);
    piece.fill(0xee);
    if (step !== "more") return [step, at];
  }
  return ["more", at];
}

test("a tree arrives as it was, with sessions, lists and ephemerals", () => {
  const tree = someTree();
  const reader = readerOf();
  expect(read(reader, streamOf(tree), [1 << 20])[0]).toBe("done");
  expect([...reader.sessions]).toEqual(SESSIONS);
  expect(reader.tree.treeDigest.equals(tree.treeDigest)).toBe(true);
  expect(reader.tree.nodeCount).toBe(tree.nodeCount);
  expect(reader.nodeCount).toBe(tree.nodeCount);
  expect(reader.tree.ephemeralCount).toBe(1);
  expect(reader.tree.acl(reader.tree.find("/closed"))).toEqual(CREATOR);
  expect(reader.rest.length).toBe(0);
});

test("the bytes are those of the reference: no header, the root first, a slash, the signature", () => {
  const w = new Writer();
  const tree = newTree();
  expect(new SnapshotStreamWriter(tree, []).produce(w, 1000)).toBe(true);
  const hex = Buffer.from(w.take()).toString("hex");
  expect(hex.startsWith("00000000" + "00000001" + "0000000000000001" + "00000001" + "00000001")).toBe(true);
  expect(hex.endsWith("000000012f" + "0000000a" + Buffer.from("BenWasHere").toString("hex"))).toBe(true);
});

test("a cut anywhere makes no difference, and what follows the signature is kept", () => {
  const tree = newTree();
  for (const path of ["/a", "/a/b", "/ä €"]) create(tree, path);
  create(tree, "/closed", 5, false, CREATOR);
  const stream = streamOf(tree);
  const packets = Uint8Array.of(1, 2, 3, 4, 5);
  const both = new Uint8Array(stream.length + packets.length);
  both.set(stream);
  both.set(packets, stream.length);
  for (let cut = 1; cut < both.length; cut++) {
    const reader = readerOf();
    const [step, at] = read(reader, both, [cut, both.length]);
    expect(step).toBe("done");
    expect([...reader.rest]).toEqual([...packets.subarray(0, at - stream.length)]);
    expect(reader.size).toBe(stream.length);
    expect(reader.tree.treeDigest.equals(tree.treeDigest)).toBe(true);
  }
  const property = fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (sizes) => {
    const reader = readerOf();
    expect(read(reader, both, sizes)[0]).toBe("done");
    expect(reader.tree.treeDigest.equals(tree.treeDigest)).toBe(true);
  });
  fc.assert(property, { seed: 3, numRuns: 60 });
});

test("a stream written while txns are applied is set right by applying them again", () => {
  const tree = someTree();
  const txns: [Txn, number][] = [];
  let round = 0;
  const during = (): void => {
    const path = `/during${round}`;
    const parentCVersion = nextCVersion(tree, path);
    const all: Txn[] = [
      { type: OpCode.create, path, data: null, acl: CREATOR, ephemeral: false, parentCVersion },
      { type: OpCode.delete, path: `/a/n${round * 7}` },
      { type: OpCode.setData, path: "/large", data: Uint8Array.of(round), version: round + 1 },
    ];
    round++;
    if (round > 25) return;
    for (const txn of all) {
      txns.push([txn, tree.lastProcessedZxid + 1]);
      apply(tree, txn);
    }
  };
  const before = tree.lastProcessedZxid;
  const reader = readerOf();
  expect(read(reader, streamOf(tree, 5, during), [1000])[0]).toBe("done");
  reader.tree.lastProcessedZxid = before;
  for (const [txn, zxid] of txns) {
    expect(reader.tree.lastProcessedZxid + 1).toBe(zxid);
    apply(reader.tree, txn);
  }
  expect(txns.length).toBeGreaterThan(60);
  expect(reader.tree.treeDigest.equals(tree.treeDigest)).toBe(true);
});

test("no node has an access list that is not in the table, whatever is created or set meanwhile (S31)", () => {
  const tree = someTree();
  const later: Txn[] = [];
  const others = (name: string): readonly Acl[] => [{ perms: 31, scheme: "digest", id: name }];
  let round = 0;
  const stream = streamOf(tree, 7, () => {
    const txns: Txn[] = [
      {
        type: OpCode.setACL,
        path: "/a/n3",
        acl: others(`set ${round}`),
        version: tree.aversion(tree.find("/a/n3")) + 1,
      },
      {
        type: OpCode.create,
        path: `/a/n3/c${round}`,
        data: null,
        acl: others(`made ${round}`),
        ephemeral: false,
        parentCVersion: nextCVersion(tree, "/a/n3/c"),
      },
    ];
    for (const txn of txns) {
      apply(tree, txn);
      later.push(txn);
    }
    round++;
  });
  const reader = readerOf();
  expect(read(reader, stream, [1000])[0]).toBe("done");
  const begun = someTree().lastProcessedZxid;
  const table = new Set([-1, ...reader.tree.aclEntries().map(([id]) => id)]);
  for (let n = 0; n < 200; n++) expect(table).toContain(reader.tree.aclId(reader.tree.find(`/a/n${n}`)));
  expect(reader.tree.children(reader.tree.find("/a/n3"))).toEqual([]);
  reader.tree.lastProcessedZxid = begun;
  for (const txn of later) apply(reader.tree, txn);
  expect(reader.tree.treeDigest.equals(tree.treeDigest)).toBe(true);
  expect(reader.tree.acl(reader.tree.find("/a/n3"))).toEqual(tree.acl(tree.find("/a/n3")));
  expect(reader.tree.nodeCount).toBe(tree.nodeCount);
});

test("a tree without a node for the configuration is taken as it is", () => {
  const tree = newTree();
  const w = new Writer();
  w.int(0);
  w.int(0);
  for (const path of ["", "/zookeeper", "/zookeeper/quota"]) tree.writeSnapshotNode(w, tree.find(path), -1);
  w.string("/");
  w.string("BenWasHere");
  const reader = readerOf();
  expect(read(reader, w.take(), [9])[0]).toBe("done");
  expect(reader.tree.find("/zookeeper/config")).toBe(NO_NODE);
  expect(reader.tree.nodeCount).toBe(3);
});

test("a stream that ends otherwise is malformed, and says where", () => {
  const stream = streamOf(newTree());
  const wrong = stream.slice();
  wrong[wrong.length - 1]! ^= 1;
  const reader = readerOf();
  expect(read(reader, wrong, [1 << 20])[0]).toBe("malformed");
  expect(reader.failure).toBe(`the nodes are not followed by the signature (offset ${stream.length - 14})`);
  expect(read(readerOf(), stream.subarray(0, stream.length - 1), [100])[0]).toBe("more");
});

test("no bytes whatever make it throw", () => {
  const stream = streamOf(someTree());
  const prng = new Prng(5);
  const seen: Record<string, number> = {};
  for (let run = 0; run < 1500; run++) {
    const bytes = stream.slice(0, run % 3 === 0 ? undefined : 3000);
    for (let i = 1 + prng.below(4); i > 0; i--) bytes[prng.below(Math.min(bytes.length, 1500))] = prng.below(256);
    const [step] = read(readerOf(), bytes, [1 + prng.below(400), 5000]);
    seen[step] = (seen[step] ?? 0) + 1;
  }
  expect(Object.keys(seen).toSorted()).toEqual(["done", "malformed", "more"]);
  for (let run = 0; run < 500; run++) {
    const bytes = Uint8Array.from({ length: prng.below(200) }, () => (prng.chance(2, 3) ? 0 : prng.below(256)));
    read(readerOf(), bytes, [1 + prng.below(50)]);
  }
});

test("a length that would have to be held in memory is refused as soon as it is seen", () => {
  const w = new Writer();
  w.int(0);
  w.int(0);
  w.int(100_000_000);
  const reader = readerOf();
  expect(read(reader, w.take(), [3])[0]).toBe("malformed");
  expect(reader.failure).toMatch(/a path claims a length of 100000000 bytes \(offset 8\)/);
});
