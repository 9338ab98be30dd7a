/** Random requests over a small tree, so that they meet: bodies only, the header is the client's. */
import type { Prng } from "../../core/base/prng.ts";
import type { Writer } from "../../core/jute/writer.ts";
import type { RawAcl } from "../../core/protocol/data.ts";
import { OPEN_ACL_UNSAFE, Perms, READ_ACL_UNSAFE } from "../../core/protocol/data.ts";
import type { MultiOp } from "../../core/protocol/multi.ts";
import { writeMultiRequest } from "../../core/protocol/multi.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import {
  CreateMode,
  writeCreateRequest,
  writeCreateTtlRequest,
  writeDeleteRequest,
  writePathWatchRequest,
  writeSetAclRequest,
  writeSetDataRequest,
} from "../../core/protocol/requests.ts";

const DIRECTORIES = 4;
const NAMES = 6;
const MODES: readonly number[] = [
  CreateMode.persistent,
  CreateMode.persistent,
  CreateMode.ephemeral,
  CreateMode.persistentSequential,
  CreateMode.ephemeralSequential,
];
const TTL = 60;
const ACLS: readonly (readonly RawAcl[])[] = [
  OPEN_ACL_UNSAFE,
  OPEN_ACL_UNSAFE,
  [{ perms: Perms.ALL, scheme: "ip", id: "10.0.0.0/8" }, ...OPEN_ACL_UNSAFE],
  [...READ_ACL_UNSAFE, { perms: Perms.ALL - Perms.ADMIN, scheme: "world", id: "anyone" }],
];

/** Writes a body and returns its type. */
export function writeRandomRequest(out: Writer, prng: Prng, extendedTypes: boolean): number {
  const roll = prng.below(100);
  if (roll < 34) return writeCreate(out, prng, extendedTypes);
  if (roll < 58) {
    writeSetDataRequest(out, { path: somePath(prng), data: someData(prng), version: someVersion(prng) });
    return OpCode.setData;
  }
  if (roll < 72) {
    writeDeleteRequest(out, { path: somePath(prng), version: someVersion(prng) });
    return OpCode.delete;
  }
  if (roll < 88) {
    const ops: MultiOp[] = [];
    const count = prng.below(6);
    for (let i = 0; i < count; i++) ops.push(someOp(prng));
    writeMultiRequest(out, ops);
    return OpCode.multi;
  }
  if (roll < 93) {
    writeSetAclRequest(out, { path: somePath(prng), acl: ACLS[prng.below(ACLS.length)]!, version: -1 });
    return OpCode.setACL;
  }
  writePathWatchRequest(out, { path: somePath(prng), watch: prng.chance(1, 2) });
  return roll < 97 ? OpCode.getData : OpCode.exists;
}

/** A multi that makes a directory with many nodes, so that a snapshot takes more than one event. */
export function writeManyCreates(out: Writer, directory: string, from: number, count: number): number {
  const ops: MultiOp[] = [];
  const data = new Uint8Array(3);
  const make = (path: string): void => {
    const request = { path, data, acl: OPEN_ACL_UNSAFE, flags: CreateMode.persistent };
    ops.push({ type: OpCode.create, request });
  };
  if (from === 0) make(directory);
  for (let i = from; i < from + count; i++) make(`${directory}/n${i}`);
  writeMultiRequest(out, ops);
  return OpCode.multi;
}

function writeCreate(out: Writer, prng: Prng, extendedTypes: boolean): number {
  const acl = ACLS[prng.below(ACLS.length)]!;
  const base = { path: somePath(prng), data: someData(prng), acl };
  const roll = prng.below(12);
  if (roll === 0) {
    writeCreateRequest(out, { ...base, flags: CreateMode.container });
    return OpCode.createContainer;
  }
  if (roll === 1 && extendedTypes) {
    writeCreateTtlRequest(out, { ...base, flags: CreateMode.persistentWithTtl, ttl: TTL });
    return OpCode.createTTL;
  }
  writeCreateRequest(out, { ...base, flags: MODES[prng.below(MODES.length)]! });
  return prng.chance(1, 2) ? OpCode.create : OpCode.create2;
}

function someOp(prng: Prng): MultiOp {
  const path = somePath(prng);
  const roll = prng.below(10);
  if (roll < 4) {
    const request = { path, data: someData(prng), acl: OPEN_ACL_UNSAFE, flags: MODES[prng.below(MODES.length)]! };
    return { type: prng.chance(1, 2) ? OpCode.create : OpCode.create2, request };
  }
  if (roll < 7) return { type: OpCode.setData, request: { path, data: someData(prng), version: -1 } };
  if (roll < 9) return { type: OpCode.delete, request: { path, version: -1 } };
  return { type: OpCode.check, request: { path, version: -1 } };
}

export function somePath(prng: Prng): string {
  const directory = `/d${prng.below(DIRECTORIES)}`;
  return prng.chance(1, 3) ? directory : `${directory}/c${prng.below(NAMES)}`;
}

function someVersion(prng: Prng): number {
  return prng.chance(3, 4) ? -1 : prng.below(4);
}

/** Mostly a few bytes; sometimes enough for several sectors of a disk, so that a torn write can tear it. */
function someData(prng: Prng): Uint8Array | null {
  const roll = prng.below(20);
  if (roll === 0) return null;
  return prng.bytes(roll < 15 ? prng.below(40) : roll < 19 ? 400 + prng.below(700) : prng.below(4000));
}
