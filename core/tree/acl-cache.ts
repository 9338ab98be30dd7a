/**
 * ACL lists shared by nodes under small ids, counted (Java: ReferenceCountedACLCache; reference, section 8.3). Ids
 * are local to one tree, start at 1 and are never given twice.
 */
import { type Acl, OPEN_ACL_UNSAFE } from "../protocol/data.ts";

/** world:anyone with all permissions as the server itself gives it. The same list from a client gets its own id. */
export const OPEN_ACL_ID = -1;
/** Ids are kept in 32 bits per node. */
export const ACL_ID_MAX = 0x7fff_ffff;

/** A node whose ACL is missing from a fuzzy snapshot: closed until the replay brings the ACL. */
const CLOSED_ACL: readonly Acl[] = Object.freeze([Object.freeze({ perms: 0, scheme: "world", id: "anyone" })]);

interface Entry {
  readonly id: number;
  readonly acl: readonly Acl[];
  readonly key: string;
  uses: number;
}

export class AclCache {
  readonly #byId = new Map<number, Entry>();
  readonly #byKey = new Map<string, Entry>();
  /** The entry interned last: most creates in a row use the same ACL, and comparing is cheaper than a key. */
  #last: Entry | undefined;
  #lastId = 0;

  get size(): number {
    return this.#byId.size;
  }

  /** The id of this list, registered if new, with one use more. */
  internAcl(acl: readonly Acl[]): number {
    const last = this.#last;
    if (last !== undefined && last.uses > 0 && isSameAcl(last.acl, acl)) {
      last.uses++;
      return last.id;
    }
    const key = keyOf(acl);
    let entry = this.#byKey.get(key);
    if (entry === undefined) {
      entry = { id: ++this.#lastId, acl, key, uses: 0 };
      this.#byId.set(entry.id, entry);
      this.#byKey.set(key, entry);
    }
    entry.uses++;
    this.#last = entry;
    return entry.id;
  }

  /** One use less; the last one forgets the list. */
  releaseAcl(id: number): void {
    const entry = this.#byId.get(id);
    if (entry === undefined || --entry.uses > 0) return;
    this.#forget(entry);
  }

  /** The list of an id, the same object every time; closed to everybody when the id is not known. */
  aclOf(id: number): readonly Acl[] {
    if (id === OPEN_ACL_ID) return OPEN_ACL_UNSAFE;
    return this.#byId.get(id)?.acl ?? CLOSED_ACL;
  }

  entries(): [number, readonly Acl[]][] {
    return [...this.#byId.values()].map((entry) => [entry.id, entry.acl]);
  }

  /** Registers a snapshot's entry, so far without uses. False if the id is not one a tree can keep. */
  load(id: number, acl: readonly Acl[]): boolean {
    if (!Number.isInteger(id) || id < 1 || id > ACL_ID_MAX) return false;
    const entry: Entry = { id, acl, key: keyOf(acl), uses: 0 };
    this.#byId.set(id, entry);
    this.#byKey.set(entry.key, entry);
    this.#lastId = Math.max(this.#lastId, id);
    return true;
  }

  /** Counts a use by a loaded node. An id the snapshot did not define is kept from being given to another list. */
  addUse(id: number): void {
    const entry = this.#byId.get(id);
    if (entry !== undefined) entry.uses++;
    else this.#lastId = Math.max(this.#lastId, id);
  }

  purgeUnused(): void {
    for (const entry of this.#byId.values()) if (entry.uses <= 0) this.#forget(entry);
  }

  clear(): void {
    this.#byId.clear();
    this.#byKey.clear();
    this.#last = undefined;
    this.#lastId = 0;
  }

  #forget(entry: Entry): void {
    this.#byId.delete(entry.id);
    // A snapshot may hold the same list under two ids; the key belongs to one of them.
    if (this.#byKey.get(entry.key) === entry) this.#byKey.delete(entry.key);
    if (this.#last === entry) this.#last = undefined;
  }
}

function isSameAcl(a: readonly Acl[], b: readonly Acl[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const left = a[i]!;
    const right = b[i]!;
    if (left.perms !== right.perms || left.scheme !== right.scheme || left.id !== right.id) return false;
  }
  return true;
}

/** Lengths make the parts unambiguous. */
function keyOf(acl: readonly Acl[]): string {
  let key = "";
  for (const { perms, scheme, id } of acl) key += `${perms}:${scheme.length}:${scheme}:${id.length}:${id};`;
  return key;
}
