/** A node's record in the forms others want: strings, Stat, jute. Stat fields are in their visible forms (5.3). */
import type { Zxid } from "../base/zxid.ts";
import { decodeUtf8 } from "../jute/utf8.ts";
import type { Writer } from "../jute/writer.ts";
import { STAT_BYTES, type Stat } from "../protocol/data.ts";
import { putInt, putLong } from "./digest.ts";
import {
  AVERSION,
  CHILD_COUNT,
  CTIME,
  CVERSION,
  CZXID,
  DATA_BLOCK,
  DATA_LENGTH,
  FIRST_CHILD,
  MTIME,
  MZXID,
  NEXT_SIBLING,
  NO_NODE,
  type NodeRef,
  OWNER_HIGH,
  OWNER_LOW,
  PARENT,
  PATH_BLOCK,
  PATH_LENGTH,
  PZXID,
  ROOT,
  VERSION,
} from "./node-table.ts";
import { OwnerKind, ownerOf } from "./owner.ts";
import type { TreeState } from "./tree-state.ts";

/** Bytes of a snapshot's stat: nine fields with the stored owner and cversion (Java: StatPersisted). */
const STAT_PERSISTED_BYTES = 60;

/** The path; `/` for the root. */
export function pathOf(state: TreeState, n: NodeRef): string {
  if (n === ROOT) return "/";
  const block = state.nodes.int(n, PATH_BLOCK);
  const at = state.slab.offset(block);
  return decodeUtf8(state.slab.page(block), at, at + state.nodes.int(n, PATH_LENGTH));
}

/** The last component; empty for the root. */
export function nameIn(state: TreeState, n: NodeRef): string {
  if (n === ROOT) return "";
  const block = state.nodes.int(n, PATH_BLOCK);
  const at = state.slab.offset(block);
  return decodeUtf8(state.slab.page(block), at + nameStart(state, n), at + state.nodes.int(n, PATH_LENGTH));
}

/** A copy of the data. */
export function dataOf(state: TreeState, n: NodeRef): Uint8Array | null {
  const length = state.nodes.int(n, DATA_LENGTH);
  if (length < 0) return null;
  const data = new Uint8Array(length);
  if (length > 0) state.slab.read(state.nodes.int(n, DATA_BLOCK), length, data, 0);
  return data;
}

/** Counts creates plus deletes of children, from a stored counter of creates. */
export function visibleCversion(state: TreeState, n: NodeRef): number {
  return (2 * state.nodes.int(n, CVERSION) - state.nodes.int(n, CHILD_COUNT)) | 0;
}

export function statOf(state: TreeState, n: NodeRef): Stat {
  const nodes = state.nodes;
  const isEphemeral = state.owners.kindOf(n) === OwnerKind.session;
  return {
    czxid: nodes.double(n, CZXID) as Zxid,
    mzxid: nodes.double(n, MZXID) as Zxid,
    ctime: nodes.double(n, CTIME),
    mtime: nodes.double(n, MTIME),
    version: nodes.int(n, VERSION),
    cversion: visibleCversion(state, n),
    aversion: nodes.int(n, AVERSION),
    ephemeralOwner: isEphemeral ? ownerOf(nodes.int(n, OWNER_HIGH), nodes.int(n, OWNER_LOW)) : 0n,
    dataLength: Math.max(0, nodes.int(n, DATA_LENGTH)),
    numChildren: nodes.int(n, CHILD_COUNT),
    pzxid: nodes.double(n, PZXID) as Zxid,
  };
}

/** The same as jute, without an object. */
export function writeStatOf(state: TreeState, w: Writer, n: NodeRef): void {
  const nodes = state.nodes;
  const isEphemeral = state.owners.kindOf(n) === OwnerKind.session;
  const at = w.grow(STAT_BYTES);
  const b = w.bytes;
  putLong(b, at, nodes.double(n, CZXID));
  putLong(b, at + 8, nodes.double(n, MZXID));
  putLong(b, at + 16, nodes.double(n, CTIME));
  putLong(b, at + 24, nodes.double(n, MTIME));
  putInt(b, at + 32, nodes.int(n, VERSION));
  putInt(b, at + 36, visibleCversion(state, n));
  putInt(b, at + 40, nodes.int(n, AVERSION));
  putInt(b, at + 44, isEphemeral ? nodes.int(n, OWNER_HIGH) : 0);
  putInt(b, at + 48, isEphemeral ? nodes.int(n, OWNER_LOW) : 0);
  putInt(b, at + 52, Math.max(0, nodes.int(n, DATA_LENGTH)));
  putInt(b, at + 56, nodes.int(n, CHILD_COUNT));
  putLong(b, at + 60, nodes.double(n, PZXID));
}

/** The data as a jute buffer. */
export function writeDataOf(state: TreeState, w: Writer, n: NodeRef): void {
  const length = state.nodes.int(n, DATA_LENGTH);
  const at = w.grow(length > 0 ? 4 + length : 4);
  putInt(w.bytes, at, length);
  if (length > 0) state.slab.read(state.nodes.int(n, DATA_BLOCK), length, w.bytes, at + 4);
}

/** The children's names as a jute vector, newest first. */
export function writeChildrenOf(state: TreeState, w: Writer, n: NodeRef): void {
  const nodes = state.nodes;
  const slab = state.slab;
  w.int(nodes.int(n, CHILD_COUNT));
  const start = n === ROOT ? 1 : nodes.int(n, PATH_LENGTH) + 1;
  for (let child = nodes.ref(n, FIRST_CHILD); child !== NO_NODE; child = nodes.ref(child, NEXT_SIBLING)) {
    const length = nodes.int(child, PATH_LENGTH) - start;
    const block = nodes.int(child, PATH_BLOCK);
    const page = slab.page(block);
    const from = slab.offset(block) + start;
    const at = w.grow(4 + length);
    const b = w.bytes;
    putInt(b, at, length);
    for (let i = 0; i < length; i++) b[at + 4 + i] = page[from + i]!;
  }
}

/** A snapshot's record: path (empty for the root), data, ACL id, stat in stored form (reference, section 8.3). */
export function writeSnapshotNodeOf(state: TreeState, w: Writer, n: NodeRef, aclId: number): void {
  const nodes = state.nodes;
  const pathLength = nodes.int(n, PATH_LENGTH);
  const pathAt = w.grow(4 + pathLength);
  putInt(w.bytes, pathAt, pathLength);
  if (pathLength > 0) state.slab.read(nodes.int(n, PATH_BLOCK), pathLength, w.bytes, pathAt + 4);
  writeDataOf(state, w, n);
  const at = w.grow(8 + STAT_PERSISTED_BYTES);
  const b = w.bytes;
  putLong(b, at, aclId);
  putLong(b, at + 8, nodes.double(n, CZXID));
  putLong(b, at + 16, nodes.double(n, MZXID));
  putLong(b, at + 24, nodes.double(n, CTIME));
  putLong(b, at + 32, nodes.double(n, MTIME));
  putInt(b, at + 40, nodes.int(n, VERSION));
  putInt(b, at + 44, nodes.int(n, CVERSION));
  putInt(b, at + 48, nodes.int(n, AVERSION));
  putInt(b, at + 52, nodes.int(n, OWNER_HIGH));
  putInt(b, at + 56, nodes.int(n, OWNER_LOW));
  putLong(b, at + 60, nodes.double(n, PZXID));
}

/** Nodes and data bytes of a subtree, its top included. */
export function usageOf(state: TreeState, top: NodeRef): { count: number; bytes: number } {
  let count = 0;
  let bytes = 0;
  for (let n = top; n !== NO_NODE; n = nextBelow(state, n, top)) {
    count++;
    bytes += Math.max(0, state.nodes.int(n, DATA_LENGTH));
  }
  return { count, bytes };
}

/** The paths of a subtree, its top included; none for NO_NODE. */
export function pathsBelow(state: TreeState, top: NodeRef): string[] {
  const paths: string[] = [];
  for (let n = top; n !== NO_NODE; n = nextBelow(state, n, top)) paths.push(pathOf(state, n));
  return paths;
}

/** The node after `n` in preorder within the subtree of `top`. */
export function nextBelow(state: TreeState, n: NodeRef, top: NodeRef): NodeRef {
  const nodes = state.nodes;
  const child = nodes.ref(n, FIRST_CHILD);
  if (child !== NO_NODE) return child;
  for (let at = n; at !== top; at = nodes.ref(at, PARENT)) {
    const sibling = nodes.ref(at, NEXT_SIBLING);
    if (sibling !== NO_NODE) return sibling;
  }
  return NO_NODE;
}

/** Where the name begins in a path: right after the parent's path and its slash. */
function nameStart(state: TreeState, n: NodeRef): number {
  return state.nodes.int(state.nodes.ref(n, PARENT), PATH_LENGTH) + 1;
}
