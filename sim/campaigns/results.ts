/** What a reply says, as text: taken from the wire on one side and from the model on the other, to be equal. */
import { crc32 } from "../../core/base/checksums.ts";
import type { Reader } from "../../core/jute/reader.ts";
import { Code } from "../../core/protocol/codes.ts";
import type { Stat } from "../../core/protocol/data.ts";
import { readStat } from "../../core/protocol/data.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import { readGetChildren2Response, readGetDataResponse } from "../../core/protocol/responses.ts";
import type { TreeModel } from "../model/tree-model.ts";

/** Undefined: nothing that could be compared. */
export function resultOf(type: number, err: number, r: Reader): string | undefined {
  switch (type) {
    case OpCode.getData: {
      if (err !== Code.OK) return `error ${err}`;
      const { data, stat } = readGetDataResponse(r);
      return `${describeData(data)} ${describeStat(stat)}`;
    }
    case OpCode.exists:
      return err === Code.OK ? describeStat(readStat(r)) : `error ${err}`;
    case OpCode.getChildren2: {
      if (err !== Code.OK) return `error ${err}`;
      const { children, stat } = readGetChildren2Response(r);
      return `${describeNames(children as string[])} ${describeStat(stat)}`;
    }
    case OpCode.create:
    case OpCode.create2:
    case OpCode.createContainer:
      return err === Code.OK ? (r.string() ?? "null") : undefined;
    default:
      return undefined;
  }
}

/** What a server in the model's state answers. */
export function expectedRead(type: number, path: string, model: TreeModel): string {
  const node = model.nodes.get(path);
  if (node === undefined) return `error ${Code.NONODE}`;
  const children = model.children(path);
  const stat = describeStat({
    ...node,
    ephemeralOwner: model.sessions.has(node.owner) ? node.owner : 0n,
    dataLength: node.data?.length ?? 0,
    numChildren: children.length,
    cversion: (node.cversion * 2 - children.length) | 0,
  });
  if (type === OpCode.exists) return stat;
  return `${type === OpCode.getData ? describeData(node.data) : describeNames(children)} ${stat}`;
}

type StatLike = Omit<Stat, "czxid" | "mzxid" | "pzxid" | "ephemeralOwner"> & {
  readonly czxid: number;
  readonly mzxid: number;
  readonly pzxid: number;
  readonly ephemeralOwner: bigint;
};

function describeStat(stat: StatLike): string {
  const { czxid, mzxid, pzxid, ctime, mtime, version, cversion, aversion, dataLength, numChildren } = stat;
  const owner = stat.ephemeralOwner.toString(16);
  return `z ${czxid} ${mzxid} ${pzxid} t ${ctime} ${mtime} v ${version} ${cversion} ${aversion} owner ${owner} sizes ${dataLength} ${numChildren}`;
}

/** Servers may answer null data as empty. */
function describeData(data: Uint8Array | null): string {
  return data === null ? "0:0" : `${data.length}:${crc32(data, 0, data.length)}`;
}

function describeNames(names: readonly string[]): string {
  return [...names].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)).join(",");
}
