import fc from "fast-check";
import { expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { DEFAULT_SERVER_CONFIG } from "../../../core/config.ts";
import { OPEN_ACL_UNSAFE } from "../../../core/protocol/data.ts";
import type { Acl } from "../../../core/protocol/data.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import { SnappyCompressor, snappyBound, snappyDecompress } from "../../../core/storage/snappy.ts";
import { SnapshotReader } from "../../../core/storage/snapshot-reader.ts";
import { SnapshotWriter } from "../../../core/storage/snapshot-writer.ts";
import { DataTree, NO_LISTENER } from "../../../core/tree/data-tree.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";

const SESSIONS: readonly (readonly [SessionId, number])[] = [
  [0x100000000000001n as SessionId, 4000],
  [-0x7f00000000000001n as SessionId, 30_000],
];

function newTree(digest = true): DataTree {
  return new DataTree({ extendedTypes: true, emulate353: false, digest });
}
function create(tree: DataTree, path: string, data: Uint8Array | null, acl: readonly Acl[] = OPEN_ACL_UNSAFE): void {
  const zxid = (tree.lastProcessedZxid + 1) as Zxid;
  const header = { clientId: SESSIONS[1]![0], cxid: 1, zxid, time: 1_700_000_000_000, type: OpCode.create };
  const parent = tree.find(path.slice(0, path.lastIndexOf("/")));
  const ephemeral = path.endsWith("~");
  const parentCVersion = tree.cversion(parent) + 1;
  tree.apply(header, { type: OpCode.create, path, data, acl, ephemeral, parentCVersion }, NO_LISTENER);
}
function someTree(): DataTree {
  const tree = newTree();
  create(tree, "/a", new Uint8Array(0));
  create(tree, "/a/null", null);
  create(tree, "/a/ephemeral~", Uint8Array.of(1));
  create(tree, "/käse", new Uint8Array(5000).fill(7), [{ perms: 3, scheme: "digest", id: "bob:ü" }]);
  for (let i = 0; i < 50; i++) create(tree, `/a/n${i}`, new Uint8Array(i * 3).fill(i));
  create(tree, "/large", new Uint8Array(30_000).fill(9));
  return tree;
}

function written(tree: DataTree, changes: Partial<typeof DEFAULT_SERVER_CONFIG> = {}): Uint8Array {
  const disk = new MemoryDisk();
  const config = { ...DEFAULT_SERVER_CONFIG, ...changes };
  const writer = new SnapshotWriter(tree, SESSIONS, tree.lastProcessedZxid, config);
  let progress: unknown = disk.event((cx) => writer.step(cx, 10));
  while (progress !== "finished") {
    progress = progress === "more" ? disk.event((cx) => writer.step(cx, 10)) : disk.completeOne(writer);
  }
  return disk.read(writer.file);
}

function fed(reader: SnapshotReader, bytes: Uint8Array, piece: number): string {
  for (let at = 0; ; at += piece) {
    const last = at + piece >= bytes.length;
    const step = reader.feed(bytes.slice(at, at + piece), last);
    if (step !== "more" || last) return step;
  }
}

for (const snapshotCompression of ["none", "gz", "snappy"] as const) {
  test(`a tree comes back whatever the pieces it is read in (${snapshotCompression})`, () => {
    const tree = someTree();
    const bytes = written(tree, { snapshotCompression });
    for (const piece of [29, 1000, 4096, 5000, 1 << 20]) {
      const copy = newTree();
      const reader = new SnapshotReader(copy, snapshotCompression, 1 << 20);
      expect([fed(reader, bytes, piece), reader.failure]).toEqual(["loaded", ""]);
      expect(copy.treeDigest.equals(tree.treeDigest)).toBe(true);
      expect(copy.nodeCount).toBe(tree.nodeCount);
      expect([...reader.sessions]).toEqual(SESSIONS.map((entry) => [...entry]));
      expect(copy.ephemeralsOf(SESSIONS[1]![0])).toEqual(["/a/ephemeral~"]);
      expect(copy.isNullData(copy.find("/a/null"))).toBe(true);
      expect(copy.acl(copy.find("/käse"))).toEqual([{ perms: 3, scheme: "digest", id: "bob:ü" }]);
      expect(reader.lastZxid).toBe(tree.lastProcessedZxid);
      expect(reader.digest?.zxid).toBe(tree.lastProcessedZxid);
    }
  });
}

test("sections are told apart by what fits, whatever this server would write itself", () => {
  const tree = someTree();
  for (const digestEnabled of [true, false]) {
    for (const serializeLastProcessedZxid of [true, false]) {
      const bytes = written(tree, { digestEnabled, serializeLastProcessedZxid });
      const reader = new SnapshotReader(newTree(), "none", 1 << 20);
      expect(fed(reader, bytes, 1000)).toBe("loaded");
      expect(reader.digest !== undefined).toBe(digestEnabled);
      expect(reader.lastZxid !== undefined).toBe(serializeLastProcessedZxid);
    }
  }
});

test("a length beyond the limit, and a node without its parent, fail with a place", () => {
  const bytes = written(someTree());
  const strict = new SnapshotReader(newTree(), "none", 20_000);
  expect(fed(strict, bytes, 1 << 20)).toBe("failed");
  expect(strict.failure).toMatch(/claims a length of 30000 bytes \(offset \d+\)/);

  const orphan = bytes.slice();
  const at = Buffer.from(orphan).indexOf("/a/n49");
  orphan[at + 1] = 0x62;
  const reader = new SnapshotReader(newTree(), "none", 1 << 20);
  expect(fed(reader, orphan, 1 << 20)).toBe("failed");
  expect(reader.failure).toContain("the node /b/n49 has no parent");
});

test("a writer never has more on its way to the disk than two stretches, however slow the disk is", () => {
  const tree = newTree();
  for (let i = 0; i < 150; i++) create(tree, `/n${i}`, new Uint8Array(200_000).fill(i));
  const disk = new MemoryDisk();
  const writer = new SnapshotWriter(tree, [], tree.lastProcessedZxid, DEFAULT_SERVER_CONFIG);
  let progress: unknown = disk.event((cx) => writer.step(cx, 50));
  let waits = 0;
  while (progress !== "finished") {
    const before = writer.size;
    if (progress === "more") progress = disk.event((cx) => writer.step(cx, 50));
    else {
      waits++;
      progress = disk.completeOne(writer);
    }
    expect(writer.size - before).toBeLessThan(1_000_000);
  }
  expect(waits).toBeGreaterThan(5);
  expect(disk.unsyncedBytesMax).toBeLessThan(9.5 * 1024 * 1024);
});

test("snappy blocks come back, and rubbish is refused rather than trusted", () => {
  const compressor = new SnappyCompressor();
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    fc
      .array(fc.constantFrom("abc", "abcdefgh", "/path/to/", "\0\0\0\0"), { maxLength: 800 })
      .map((words) => new TextEncoder().encode(words.join(""))),
  );
  fc.assert(
    fc.property(input, fc.nat(), (bytes, spot) => {
      const output = new Uint8Array(snappyBound(bytes.length));
      const end = compressor.compress(bytes, 0, bytes.length, output, 0);
      expect(snappyDecompress(output, 0, end)).toEqual(bytes);
      if (end === 0) return;
      output[spot % end]! ^= 1 + (spot % 255);
      snappyDecompress(output, 0, end);
    }),
    { seed: 1, numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const decoded = snappyDecompress(bytes, 0, bytes.length);
      expect(decoded === undefined || decoded.length < 20_000_000).toBe(true);
    }),
    { seed: 1, numRuns: 300 },
  );
});
