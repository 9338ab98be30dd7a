/**
 * All or nothing: each sub-operation is validated against the effects of those before it, and the first that fails
 * takes them all back (Java: PrepRequestProcessor, case multi; reference, section 7.3).
 */
import type { Reader } from "../jute/reader.ts";
import { Code } from "../protocol/codes.ts";
import type { MultiOp } from "../protocol/multi.ts";
import { readMultiRequest } from "../protocol/multi.ts";
import { OpCode } from "../protocol/op-codes.ts";
import type { MultiTxn, SubTxn } from "../protocol/txns.ts";
import type { PrepareStage } from "./prepare.ts";

/** The txn, also of a multi that fails; a code only if the body is no multi at all. */
export function prepareMulti(stage: PrepareStage, body: Reader): MultiTxn | number {
  const ops = readMultiRequest(body);
  if (ops === undefined) return Code.MARSHALLINGERROR;
  const savepoint = stage.savepoint();
  const txns: SubTxn[] = [];
  let failed = false;
  for (const op of ops) {
    const result = failed ? Code.RUNTIMEINCONSISTENCY : prepareOne(stage, op);
    if (typeof result !== "number") {
      txns.push(result);
      continue;
    }
    txns.push({ type: OpCode.error, err: result });
    if (!failed) stage.rollback(savepoint);
    failed = true;
  }
  return { type: OpCode.multi, txns };
}

function prepareOne(stage: PrepareStage, op: MultiOp): SubTxn | number {
  switch (op.type) {
    case OpCode.create:
    case OpCode.create2:
    case OpCode.createContainer:
      return stage.create({ type: op.type, ttl: -1, ...op.request });
    case OpCode.createTTL:
      return stage.create({ type: op.type, ...op.request });
    case OpCode.delete:
      return stage.delete(op.request.path, op.request.version);
    case OpCode.setData:
      return stage.setData(op.request.path, op.request.data, op.request.version);
    case OpCode.check:
      return stage.check(op.request.path, op.request.version);
  }
}
