/**
 * Access lists: who may, what a list must look like, and what of it is shown (Java: ZooKeeperServer.checkACL and
 * PrepRequestProcessor.fixupACL; reference, section 5.10).
 */
import { Code } from "../protocol/codes.ts";
import type { Acl, Id, RawAcl } from "../protocol/data.ts";
import { OPEN_ACL_UNSAFE, Perms } from "../protocol/data.ts";
import { SUPER_SCHEME } from "./providers.ts";
import type { AuthProviders } from "./providers.ts";

/** More than a packet of the default size can list; `auth` entries could multiply far beyond it. */
const ENTRIES_MAX = 100_000;

/** Whether a connection with `ids` has any of the bits `perm` on a node with the list `acl`. An empty list allows. */
export function checkAcl(
  providers: AuthProviders,
  acl: readonly Acl[],
  perm: number,
  ids: readonly Id[],
  skipAcl: boolean,
): boolean {
  if (skipAcl || acl.length === 0 || anyoneMay(acl, perm)) return true;
  for (const id of ids) if (id.scheme === SUPER_SCHEME) return true;
  for (const entry of acl) {
    if ((entry.perms & perm) === 0) continue;
    for (const id of ids) {
      if (id.scheme === entry.scheme && providers.matches(entry.scheme, id.id, entry.id)) return true;
    }
  }
  return false;
}

function isOpen({ perms, scheme, id }: RawAcl): boolean {
  return perms === Perms.ALL && scheme === "world" && id === "anyone";
}

/** Whether an entry gives the whole world one of the bits `perm`. Nearly every list's answer, so it comes first. */
export function anyoneMay(acl: readonly Acl[], perm: number): boolean {
  for (const entry of acl) {
    if ((entry.perms & perm) !== 0 && entry.id === "anyone" && entry.scheme === "world") return true;
  }
  return false;
}

/**
 * The list to store for a list a client sent: duplicates dropped, `auth` replaced by the sender's ids, everything else
 * as given. Or the code to answer: INVALIDACL, or MARSHALLINGERROR where Java stumbles over a null id.
 */
export function fixupAcl(
  providers: AuthProviders,
  acl: readonly RawAcl[] | null,
  ids: readonly Id[],
): readonly Acl[] | typeof Code.INVALIDACL | typeof Code.MARSHALLINGERROR {
  if (acl === null || acl.length === 0) return Code.INVALIDACL;
  // What nearly every create carries; one list for all of them is also what interning compares fastest.
  if (acl.length === 1 && isOpen(acl[0]!)) return OPEN_ACL_UNSAFE;
  const own = ids.filter((id) => providers.authenticates(id.scheme));
  const fixed: Acl[] = [];
  for (const entry of withoutDuplicates(acl)) {
    const { perms, scheme, id } = entry;
    if (scheme === null) return Code.INVALIDACL;
    if (scheme === "auth") {
      if (own.length === 0 || fixed.length + own.length > ENTRIES_MAX) return Code.INVALIDACL;
      for (const mine of own) fixed.push({ perms, scheme: mine.scheme, id: mine.id });
      continue;
    }
    if (id === null) return scheme === "world" || providers.has(scheme) ? Code.MARSHALLINGERROR : Code.INVALIDACL;
    const valid = scheme === "world" ? id === "anyone" : providers.isValidId(scheme, id);
    if (!valid) return Code.INVALIDACL;
    fixed.push({ perms, scheme, id });
  }
  return fixed;
}

/** The list as shown to those without ADMIN: digests are hidden, so that nobody can try passwords on them. */
export function maskDigestIds(acl: readonly Acl[]): readonly Acl[] {
  if (!acl.some((entry) => entry.scheme === "digest")) return acl;
  return acl.map((entry) => {
    const colon = entry.scheme === "digest" ? entry.id.indexOf(":") : -1;
    return colon < 0 ? entry : { perms: entry.perms, scheme: entry.scheme, id: `${entry.id.slice(0, colon)}:x` };
  });
}

/** A packet's worth of entries may be hostile: comparing all pairs would take seconds. */
function withoutDuplicates(acl: readonly RawAcl[]): readonly RawAcl[] {
  if (acl.length === 1) return acl;
  const seen = new Set<string>();
  return acl.filter(({ perms, scheme, id }) => {
    const key = `${perms} ${scheme === null ? "null" : scheme.length} ${scheme} ${id === null ? "null" : "id"} ${id}`;
    return seen.size < seen.add(key).size;
  });
}
