/** Looks at a whole tree from outside: is it what it says it is, and is it the same as another one? */
import { countsInDigest, digestPrefix, nodeDigest } from "../../core/tree/digest.ts";
import type { DataTree, NodeRef } from "../../core/tree/data-tree.ts";
import { NO_NODE } from "../../core/tree/data-tree.ts";
import { PreorderCursor } from "../../core/tree/preorder-cursor.ts";

const MASK_64 = 0xffff_ffff_ffff_ffffn;

function* nodesOf(tree: DataTree): Iterable<NodeRef> {
  const cursor = new PreorderCursor(tree);
  for (let node = cursor.next(); node !== NO_NODE; node = cursor.next()) yield node;
}

/** What is wrong with `tree`: links, counts, ephemerals, digest. Empty when nothing is. */
export function auditTree(tree: DataTree, digestEnabled: boolean): string[] {
  const wrong: string[] = [];
  let count = 0;
  let digest = 0n;
  const ephemerals = new Map<bigint, Set<string>>();
  for (const node of nodesOf(tree)) {
    count++;
    const path = tree.path(node);
    if (tree.find(path) !== node) wrong.push(`${path} is not found where it is`);
    const children = tree.children(node);
    if (children.length !== tree.childCount(node)) wrong.push(`${path} miscounts its children`);
    if (new Set(children).size !== children.length) wrong.push(`${path} has two children of one name`);
    if (tree.isSessionEphemeral(node)) {
      const owner = tree.owner(node);
      ephemerals.set(owner, (ephemerals.get(owner) ?? new Set()).add(path));
      if (children.length > 0) wrong.push(`${path} is ephemeral and has children`);
    }
    if (digestEnabled && countsInDigest(path)) digest += BigInt(digestOf(tree, node, path));
  }
  if (count !== tree.nodeCount) wrong.push(`there are ${count} nodes, and it says ${tree.nodeCount}`);
  const expected = tree.treeDigest.toBigInt() & MASK_64;
  if (digestEnabled && (digest & MASK_64) !== expected) wrong.push("the digest is not that of the nodes");
  for (const owner of tree.sessionsWithEphemerals()) {
    for (const path of tree.ephemeralsOf(owner)) {
      if (ephemerals.get(owner)?.delete(path) !== true) wrong.push(`${path} is listed for ${owner} and not its`);
    }
  }
  for (const [owner, left] of ephemerals) for (const path of left) wrong.push(`${path} is not listed for ${owner}`);
  return wrong;
}

function digestOf(tree: DataTree, node: NodeRef, path: string): number {
  return nodeDigest(
    digestPrefix(path, tree.data(node)),
    tree.czxid(node),
    tree.mzxid(node),
    tree.pzxid(node),
    tree.ctime(node),
    tree.mtime(node),
    tree.version(node),
    tree.cversion(node),
    tree.aversion(node),
    tree.owner(node),
  );
}

/** Where `one` and `other` differ in anything a client can see. Usage under quotas is no part of any transaction. */
export function compareTrees(one: DataTree, other: DataTree): string[] {
  const wrong: string[] = [];
  if (one.nodeCount !== other.nodeCount) wrong.push(`${one.nodeCount} nodes became ${other.nodeCount}`);
  if (one.lastProcessedZxid !== other.lastProcessedZxid) {
    wrong.push(`zxid ${one.lastProcessedZxid} became ${other.lastProcessedZxid}`);
  }
  for (const node of nodesOf(one)) {
    const path = one.path(node);
    const match = other.find(path);
    if (match === NO_NODE) wrong.push(`${path} is gone`);
    else if (describe(one, node, path) !== describe(other, match, path)) {
      wrong.push(`${path} was ${describe(one, node, path)} and is ${describe(other, match, path)}`);
    }
  }
  return wrong;
}

function describe(tree: DataTree, node: NodeRef, path: string): string {
  const counted = path.startsWith("/zookeeper/quota/") && path.endsWith("/zookeeper_stats");
  const { dataLength: _, ...stat } = tree.stat(node);
  const visible = Object.values(counted ? stat : tree.stat(node)).join(" ");
  const data = counted ? "" : (tree.data(node)?.join(",") ?? "null");
  return `${visible} ${tree.owner(node)} ${JSON.stringify(tree.acl(node))} ${data}`;
}
