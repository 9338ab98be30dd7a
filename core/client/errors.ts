/**
 * What a failed call of the client is rejected with. One class: `code` tells the cases apart by ZooKeeper's own names,
 * as `code` does on Node's system errors (Java: KeeperException, which has a subclass per code).
 */
import { Code, codeName } from "../protocol/codes.ts";

/** ZooKeeper's name of a reply code, such as `NONODE` or `BADVERSION`. */
export type CodeName = keyof typeof Code;

export class ZooKeeperError extends Error {
  /** ZooKeeper's name of the code; `code N` for one that this client does not know. */
  readonly code: CodeName | (string & {});
  /** ZooKeeper's number of the code: `NONODE` is -101. */
  readonly errno: number;
  /** The path of the call, as the caller spelled it. */
  readonly path: string | undefined;
  /**
   * The request had gone out and no reply came: it may have been carried out all the same. Whoever repeats it must
   * expect to meet their own first try (NODEEXISTS, BADVERSION, NONODE, or a second sequential node).
   */
  readonly outcomeUnknown: boolean;
  /** What exactly is wrong, where more is known than the code says. */
  readonly detail: string | undefined;

  constructor(errno: number, path?: string, detail?: string, outcomeUnknown: boolean = false) {
    super(messageOf(errno, path, detail, outcomeUnknown));
    this.name = "ZooKeeperError";
    this.code = codeName(errno);
    this.errno = errno;
    this.path = path;
    this.outcomeUnknown = outcomeUnknown;
    this.detail = detail;
  }
}

/** One operation's part in a transaction that failed. */
export interface FailedOperation {
  /** OK before the culprit, the culprit's own code, RUNTIMEINCONSISTENCY behind it. */
  readonly code: CodeName | (string & {});
  readonly errno: number;
  readonly path: string | undefined;
}

/** A transaction of which nothing was done. `code` and `path` are those of the operation that stood in the way. */
export class TransactionError extends ZooKeeperError {
  /** The place of the culprit among the operations. */
  readonly index: number;
  readonly operations: readonly FailedOperation[];

  constructor(index: number, operations: readonly FailedOperation[]) {
    const culprit = operations[index];
    super(culprit?.errno ?? Code.SYSTEMERROR, culprit?.path, `operation ${index} of the transaction`);
    this.name = "TransactionError";
    this.index = index;
    this.operations = operations;
  }
}

/** Whether `error` came from this client or its server, with one of `codes` when any are given. */
export function isZooKeeperError(error: unknown, ...codes: readonly CodeName[]): error is ZooKeeperError {
  if (!(error instanceof ZooKeeperError)) return false;
  return codes.length === 0 || codes.some((code) => code === error.code);
}

/** What the caller got wrong, found before anything was sent. */
export function badArguments(detail: string, path?: string): ZooKeeperError {
  return new ZooKeeperError(Code.BADARGUMENTS, path, detail);
}

const MEANINGS: Readonly<Partial<Record<CodeName, string>>> = {
  CONNECTIONLOSS: "there is no connection",
  MARSHALLINGERROR: "the server could not decode the request",
  UNIMPLEMENTED: "the server does not offer this operation",
  BADARGUMENTS: "the arguments are not valid",
  NONODE: "the node does not exist",
  NOAUTH: "the node's ACL does not permit this",
  BADVERSION: "the node has another version",
  NOCHILDRENFOREPHEMERALS: "an ephemeral node cannot have children",
  NODEEXISTS: "the node already exists",
  NOTEMPTY: "the node has children",
  SESSIONEXPIRED: "the session is over",
  INVALIDACL: "the ACL is not valid",
  AUTHFAILED: "authentication failed",
  NOTREADONLY: "the server is read-only",
  NOWATCHER: "no such watch is set",
  REQUESTTIMEOUT: "no reply came in time",
  RECONFIGDISABLED: "reconfiguration is disabled",
  SESSIONCLOSEDREQUIRESASLAUTH: "the server requires authentication",
  QUOTAEXCEEDED: "the quota would be exceeded",
  THROTTLEDOP: "the server is overloaded",
};

function messageOf(errno: number, path: string | undefined, detail: string | undefined, unknown: boolean): string {
  const name = codeName(errno);
  const where = path === undefined ? "" : ` for ${path}`;
  const meaning = detail ?? MEANINGS[name as CodeName];
  const rest = unknown ? "; the request may have been carried out" : "";
  return `${name}${where}${meaning === undefined ? "" : `: ${meaning}`}${rest}`;
}
