/**
 * Transactions: what the log, snapshots' replay and the quorum wire carry (zookeeper.jute, module
 * org.apache.zookeeper.txn; reference, section 7.1).
 */
import type { Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import type { Acl } from "./data.ts";
import { OpCode } from "./op-codes.ts";

export interface TxnHeader {
  readonly clientId: SessionId;
  readonly cxid: number;
  readonly zxid: Zxid;
  /** The leader's wall clock. */
  readonly time: Millis;
  readonly type: number;
}

interface Payload {
  readonly path: string;
  /** A view into the encoded txn; null data stays null. */
  readonly data: Uint8Array | null;
  /**
   * CRC-32 state over path and data (tree/digest.ts), carried from prepare so that the payload is summed once. Never
   * written.
   */
  readonly digestPrefix?: number;
}
export interface CreateTxn extends Payload {
  readonly type: typeof OpCode.create | typeof OpCode.create2;
  readonly acl: readonly Acl[];
  readonly ephemeral: boolean;
  /** -1 means "current + 1": the old record without the field. */
  readonly parentCVersion: number;
}
export interface CreateContainerTxn extends Payload {
  readonly type: typeof OpCode.createContainer;
  readonly acl: readonly Acl[];
  readonly parentCVersion: number;
}
export interface CreateTtlTxn extends Payload {
  readonly type: typeof OpCode.createTTL;
  readonly acl: readonly Acl[];
  readonly parentCVersion: number;
  readonly ttl: Millis;
}
export interface DeleteTxn {
  readonly type: typeof OpCode.delete | typeof OpCode.deleteContainer;
  readonly path: string;
}
export interface SetDataTxn extends Payload {
  readonly type: typeof OpCode.setData | typeof OpCode.reconfig;
  /** The new version. */
  readonly version: number;
}
export interface SetAclTxn {
  readonly type: typeof OpCode.setACL;
  readonly path: string;
  readonly acl: readonly Acl[];
  /** The new aversion. */
  readonly version: number;
}
/** Inside a multi only. */
export interface CheckVersionTxn {
  readonly type: typeof OpCode.check;
  readonly path: string;
  readonly version: number;
}
export interface CreateSessionTxn {
  readonly type: typeof OpCode.createSession;
  readonly timeOut: Millis;
}
export interface CloseSessionTxn {
  readonly type: typeof OpCode.closeSession;
  /** Absent in logs from before 3.6 and with closeSessionTxn disabled. */
  readonly paths: readonly string[] | undefined;
}
export interface ErrorTxn {
  readonly type: typeof OpCode.error;
  readonly err: number;
}
export interface MultiTxn {
  readonly type: typeof OpCode.multi;
  readonly txns: readonly SubTxn[];
}
export type SubTxn =
  | CreateTxn
  | CreateContainerTxn
  | CreateTtlTxn
  | DeleteTxn
  | SetDataTxn
  | SetAclTxn
  | CheckVersionTxn
  | ErrorTxn;
export type Txn = SubTxn | CreateSessionTxn | CloseSessionTxn | MultiTxn;

/** The tree digest after a txn as its leader predicted it; the sum modulo 2^64 in two unsigned halves. */
export interface TxnDigest {
  readonly version: number;
  readonly high: number;
  readonly low: number;
}
