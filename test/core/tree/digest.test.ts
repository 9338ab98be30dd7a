/** The digest against values observed on ZooKeeper 3.8 (DigestCalculator, AdHash). */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { OPEN_ACL_UNSAFE } from "../../../core/protocol/data.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import { DataTree, NO_LISTENER } from "../../../core/tree/data-tree.ts";
import { AdHash, countsInDigest, digestPrefix, nodeDigest } from "../../../core/tree/digest.ts";

const OPTIONS = { extendedTypes: false, emulate353: false, digest: true };
const NO_BYTES = new Uint8Array(0);

test("an empty root, an empty /zookeeper and an empty tree have ZooKeeper's digests", () => {
  expect(nodeDigest(digestPrefix("/", NO_BYTES), 0, 0, 0, 0, 0, 0, 0, 0, 0n)).toBe(68323592);
  expect(nodeDigest(digestPrefix("/zookeeper", NO_BYTES), 0, 0, 0, 0, 0, 0, 0, 0, 0n)).toBe(1303661912);
  expect(new DataTree(OPTIONS).treeDigest.toBigInt()).toBe(1371985504n);
});

test("a create on a fresh tree leads to the digest ZooKeeper wrote into its log", () => {
  const tree = new DataTree(OPTIONS);
  const header = { clientId: 0x0100000000000000n as SessionId, cxid: 1, zxid: 2 as Zxid, time: 1700000000000 };
  const data = new Uint8Array([0x78]);
  tree.apply(
    { ...header, type: OpCode.create },
    { type: OpCode.create, path: "/a", data, acl: OPEN_ACL_UNSAFE, ephemeral: false, parentCVersion: 1 },
    NO_LISTENER,
  );
  expect(tree.treeDigest.to53()).toBe(2889769415);
  expect(tree.digestOf(tree.find("/a"))).toBe(
    nodeDigest(digestPrefix("/a", data), 2, 2, 2, 1700000000000, 1700000000000, 0, 0, 0, 0n),
  );
});

test("the digest covers everything but what is below /zookeeper", () => {
  expect(["/", "", "/zookeeper", "/zookeeperx/a", "/a"].every(countsInDigest)).toBe(true);
  expect(["/zookeeper/config", "/zookeeper/quota/a"].some(countsInDigest)).toBe(false);
});

test("AdHash adds and subtracts modulo 2^64", () => {
  const crc = fc.nat({ max: 0xffff_ffff });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), crc)), crc, crc, (steps, high, low) => {
      const hash = new AdHash(high, low);
      let expected = (BigInt(high) << 32n) | BigInt(low);
      for (const [isAdded, value] of steps) {
        if (isAdded) hash.add(value);
        else hash.subtract(value);
        expected = BigInt.asUintN(64, expected + (isAdded ? 1n : -1n) * BigInt(value));
      }
      expect(hash.toBigInt()).toBe(expected);
      expect(BigInt(hash.to53())).toBe(BigInt.asUintN(53, expected));
      expect(hash.copy().equals(hash)).toBe(true);
    }),
    { seed: 1, numRuns: 200 },
  );
});
