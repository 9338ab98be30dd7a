/**
 * Several operations in one request: multi, of which all are done or none, and multiRead, where each stands alone
 * (Java: Op, Transaction; reference, sections 3.2 and 3.3).
 */
import { Code } from "../protocol/codes.ts";
import type { Stat } from "../protocol/data.ts";
import { readMultiResponse, writeMultiReadRequest, writeMultiRequest } from "../protocol/multi.ts";
import type { MultiOp, MultiReadOp, MultiResult } from "../protocol/multi.ts";
import { OpCode } from "../protocol/op-codes.ts";
import { codeName } from "../protocol/codes.ts";
import { badArguments, TransactionError, ZooKeeperError } from "./errors.ts";
import { bytesOf, checkCreate, keep, requireVersion, strings } from "./operations.ts";
import type { CreateOptions, Data, Operation, Reply } from "./operations.ts";
import { requirePath } from "./paths.ts";
import type { Chroot } from "./paths.ts";

export type WriteOperation =
  | ({ readonly type: "create"; readonly path: string; readonly data?: Data | undefined } & CreateOptions)
  | { readonly type: "delete"; readonly path: string; readonly version?: number | undefined }
  | {
      readonly type: "setData";
      readonly path: string;
      readonly data: Data;
      readonly version?: number | undefined;
    }
  /** Nothing is changed, but the transaction fails unless the node exists and has this version. */
  | { readonly type: "check"; readonly path: string; readonly version?: number | undefined };

export type WriteResult =
  | { readonly type: "create"; readonly path: string }
  | { readonly type: "delete" }
  | { readonly type: "setData"; readonly stat: Stat }
  | { readonly type: "check" };

export interface ReadOperation {
  readonly type: "getData" | "getChildren";
  readonly path: string;
}

export type ReadResult =
  | { readonly type: "getData"; readonly data: Uint8Array | null; readonly stat: Stat }
  | { readonly type: "getChildren"; readonly children: string[] }
  | { readonly type: "error"; readonly error: ZooKeeperError };

export function multi(operations: readonly WriteOperation[]): Operation<WriteResult[]> {
  const encoders = operations.map(encoderOf);
  return {
    type: OpCode.multi,
    path: undefined,
    write: (w, root) =>
      writeMultiRequest(
        w,
        encoders.map((encode) => encode(root)),
      ),
    read: (reply) => readMulti(reply, operations),
  };
}

export function multiRead(operations: readonly ReadOperation[]): Operation<ReadResult[]> {
  for (const { type, path } of operations) {
    if (type !== "getData" && type !== "getChildren") throw badArguments(`not a read: ${String(type)}`, path);
    requirePath(path);
  }
  return {
    type: OpCode.multiRead,
    path: undefined,
    write: (w, root) =>
      writeMultiReadRequest(
        w,
        operations.map(({ type, path }): MultiReadOp => ({
          type: OpCode[type],
          request: { path: root.toServer(path), watch: false },
        })),
      ),
    read: (reply) => readMultiRead(reply, operations),
  };
}

function encoderOf(operation: WriteOperation): (root: Chroot) => MultiOp {
  const { path } = operation;
  if (operation.type === "create") {
    const checked = checkCreate(OpCode.create, path, operation.data ?? null, operation);
    return (root) => ({ type: checked.type, request: { ...checked, path: root.toServer(path) } }) as MultiOp;
  }
  const { version = -1 } = operation;
  requirePath(path);
  requireVersion(version, path);
  switch (operation.type) {
    case "delete":
      return (root) => ({ type: OpCode.delete, request: { path: root.toServer(path), version } });
    case "check":
      return (root) => ({ type: OpCode.check, request: { path: root.toServer(path), version } });
    case "setData": {
      const data = bytesOf(operation.data);
      return (root) => ({ type: OpCode.setData, request: { path: root.toServer(path), data, version } });
    }
    default:
      throw badArguments(`not part of a transaction: ${String((operation as WriteOperation).type)}`, path);
  }
}

function readMulti({ reader, root }: Reply, operations: readonly WriteOperation[]): WriteResult[] | TransactionError {
  const results = readMultiResponse(reader) ?? [];
  const done: WriteResult[] = [];
  const errors: number[] = [];
  for (const result of results) {
    if (result.type === OpCode.error) errors.push(result.err);
    else done.push(writeResultOf(result, root));
  }
  if (errors.length > 0) return failureOf(errors, operations);
  if (results.length !== operations.length) reader.fail();
  return done;
}

function failureOf(errors: readonly number[], operations: readonly WriteOperation[]): TransactionError {
  const failed = errors.map((errno, i) => ({ code: codeName(errno), errno, path: operations[i]?.path }));
  const index = errors.findIndex((errno) => errno !== Code.OK);
  return new TransactionError(Math.max(index, 0), failed);
}

function writeResultOf(result: MultiResult, root: Chroot): WriteResult {
  switch (result.type) {
    case OpCode.create:
    case OpCode.create2:
      return { type: "create", path: root.toClient(result.path ?? "") };
    case OpCode.setData:
      return { type: "setData", stat: result.stat };
    case OpCode.delete:
      return { type: "delete" };
    default:
      return { type: "check" };
  }
}

function readMultiRead({ reader, owned }: Reply, operations: readonly ReadOperation[]): ReadResult[] {
  const results = readMultiResponse(reader) ?? [];
  if (results.length !== operations.length) reader.fail();
  return results.map((result, i): ReadResult => {
    if (result.type === OpCode.getData) {
      return { type: "getData", data: keep(result.data, owned), stat: result.stat };
    }
    if (result.type === OpCode.getChildren) return { type: "getChildren", children: strings(result.children) };
    const err = result.type === OpCode.error ? result.err : Code.MARSHALLINGERROR;
    return { type: "error", error: new ZooKeeperError(err, operations[i]?.path) };
  });
}
