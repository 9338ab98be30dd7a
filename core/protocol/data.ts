/** The small records everything shares, in the order of zookeeper.jute (module org.apache.zookeeper.data). */
import type { Millis } from "../actor.ts";
import type { Zxid } from "../base/zxid.ts";
import type { Reader } from "../jute/reader.ts";
import type { Writer } from "../jute/writer.ts";

export interface Id {
  readonly scheme: string;
  readonly id: string;
}
export interface Acl extends Id {
  /** Permission bits; any int is stored as it is. */
  readonly perms: number;
}

export const Perms = { READ: 1, WRITE: 2, CREATE: 4, DELETE: 8, ADMIN: 16, ALL: 31 } as const;

export const OPEN_ACL_UNSAFE: readonly Acl[] = Object.freeze([
  Object.freeze({ perms: Perms.ALL, scheme: "world", id: "anyone" }),
]);
export const READ_ACL_UNSAFE: readonly Acl[] = Object.freeze([
  Object.freeze({ perms: Perms.READ, scheme: "world", id: "anyone" }),
]);
/** Everything for the creator's authenticated ids. */
export const CREATOR_ALL_ACL: readonly Acl[] = Object.freeze([
  Object.freeze({ perms: Perms.ALL, scheme: "auth", id: "" }),
]);

/** What clients see of a node: cversion and ephemeralOwner in their visible forms (reference, section 5.3). */
export interface Stat {
  readonly czxid: Zxid;
  readonly mzxid: Zxid;
  readonly ctime: Millis;
  readonly mtime: Millis;
  readonly version: number;
  readonly cversion: number;
  readonly aversion: number;
  readonly ephemeralOwner: bigint;
  readonly dataLength: number;
  readonly numChildren: number;
  readonly pzxid: Zxid;
}

/** The bytes a {@link Stat} takes on the wire. */
export const STAT_BYTES = 68;
/** The least bytes an ACL entry takes: perms and two empty strings. */
export const ACL_BYTES_MIN = 12;

export function readStat(r: Reader): Stat {
  return {
    czxid: r.zxid(),
    mzxid: r.zxid(),
    ctime: r.long(),
    mtime: r.long(),
    version: r.int(),
    cversion: r.int(),
    aversion: r.int(),
    ephemeralOwner: r.int64(),
    dataLength: r.int(),
    numChildren: r.int(),
    pzxid: r.zxid(),
  };
}

export function writeStat(w: Writer, s: Stat): void {
  w.long(s.czxid);
  w.long(s.mzxid);
  w.long(s.ctime);
  w.long(s.mtime);
  w.int(s.version);
  w.int(s.cversion);
  w.int(s.aversion);
  w.int64(s.ephemeralOwner);
  w.int(s.dataLength);
  w.int(s.numChildren);
  w.long(s.pzxid);
}

/** An ACL entry as it came: any part may be null, which the ACL fix-up refuses with its own codes. */
export interface RawAcl {
  readonly perms: number;
  readonly scheme: string | null;
  readonly id: string | null;
}

/** null is jute's null vector. */
export function readAclVector(r: Reader): RawAcl[] | null {
  const count = r.count(ACL_BYTES_MIN);
  if (count < 0) return null;
  const acl: RawAcl[] = [];
  for (let i = 0; i < count; i++) acl.push({ perms: r.int(), scheme: r.string(), id: r.string() });
  return acl;
}

export function writeAclVector(w: Writer, acl: readonly RawAcl[] | null): void {
  if (acl === null) return w.int(-1);
  w.int(acl.length);
  for (const entry of acl) {
    w.int(entry.perms);
    w.string(entry.scheme);
    w.string(entry.id);
  }
}

export function readStringVector(r: Reader): (string | null)[] | null {
  const count = r.count(4);
  if (count < 0) return null;
  const strings: (string | null)[] = [];
  for (let i = 0; i < count; i++) strings.push(r.string());
  return strings;
}

export function writeStringVector(w: Writer, strings: readonly (string | null)[] | null): void {
  if (strings === null) return w.int(-1);
  w.int(strings.length);
  for (const text of strings) w.string(text);
}
