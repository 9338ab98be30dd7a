/**
 * What a path may look like and how it divides (Java: PathUtils, PrepRequestProcessor.validatePath; reference,
 * sections 5.1 and 5.4). Comparison is on UTF-16 code units; nothing is normalised.
 */
const SLASH = 0x2f;
const DOT = 0x2e;

export const ROOT_PATH = "/";
export const ZOOKEEPER_PATH = "/zookeeper";
export const QUOTA_PATH = "/zookeeper/quota";
export const CONFIG_PATH = "/zookeeper/config";

/** The complete rule for a path that names a node. A violation is answered with BADARGUMENTS. */
export function validatePath(path: string): boolean {
  const length = path.length;
  if (length === 0 || path.charCodeAt(0) !== SLASH) return false;
  if (length === 1) return true;
  if (path.charCodeAt(length - 1) === SLASH) return false;
  for (let i = 1; i < length; i++) {
    const unit = path.charCodeAt(i);
    if (unit > SLASH && unit < 0x7f) continue;
    if (unit === SLASH) {
      if (path.charCodeAt(i - 1) === SLASH) return false;
    } else if (unit === DOT) {
      if (endsRelativeComponent(path, i)) return false;
    } else if (isForbidden(unit)) return false;
  }
  return true;
}

/** Whether the dot at `at` is the last unit of a component that is exactly `.` or `..`. */
function endsRelativeComponent(path: string, at: number): boolean {
  if (at + 1 < path.length && path.charCodeAt(at + 1) !== SLASH) return false;
  const before = path.charCodeAt(at - 1);
  return before === SLASH || (before === DOT && path.charCodeAt(at - 2) === SLASH);
}

/** Controls, surrogates, private use and specials: what Java's PathUtils refuses. */
function isForbidden(unit: number): boolean {
  return unit <= 0x1f || (unit >= 0x7f && unit <= 0x9f) || (unit >= 0xd800 && unit <= 0xf8ff) || unit >= 0xfff0;
}

/** The path of the parent: `/` for a top level node. Meant for paths with at least one slash. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? ROOT_PATH : path.slice(0, slash);
}

/** The last component. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** What a sequential create appends: the parent's stored cversion as Java's `%010d`, whose width counts the sign. */
export function sequenceSuffix(cversion: number): string {
  return cversion < 0 ? `-${String(-cversion).padStart(9, "0")}` : String(cversion).padStart(10, "0");
}

/** Nodes that clients cannot delete (Java: ZKDatabase.isSpecialPath). */
export function isReserved(path: string): boolean {
  return path === ROOT_PATH || path === ZOOKEEPER_PATH || path === QUOTA_PATH || path === CONFIG_PATH;
}
