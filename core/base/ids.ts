import type { Brand } from "../actor.ts";

/** 64 bits, two's complement, kept as a signed bigint like Java's long. */
export type SessionId = Brand<bigint, "SessionId">;
/** `myid`: 0 to 255 where extended types or session ids matter; a standalone server is 1. */
export type ServerId = Brand<number, "ServerId">;
/** The client's request counter; the special values are in protocol/headers.ts. */
export type Xid = number;

export const SESSION_NONE: SessionId = 0n as SessionId;

/** `0x…`, as ZooKeeper prints session ids everywhere. */
export function formatSession(session: SessionId): string {
  return `0x${BigInt.asUintN(64, session).toString(16)}`;
}
