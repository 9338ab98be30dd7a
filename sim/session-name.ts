/** A session's id has a time in it; what tells it apart is who gave it, and which of that server's it is. */
export function nameOf(session: bigint): string {
  const id = BigInt.asUintN(64, session);
  return `${id >> 56n}.${id & 0xffffn}`;
}
