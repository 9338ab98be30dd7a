/**
 * Paths as the application spells them: validated before anything is sent, and moved under the chroot of the connect
 * string and back (Java: PathUtils, Chroot). The server never hears of a chroot.
 */
import { badArguments } from "./errors.ts";

/** Outside every chroot: the ensemble's configuration. */
export const CONFIG_NODE = "/zookeeper/config";

/** Throws `BADARGUMENTS` for what ZooKeeper's PathUtils refuses. `sequential`: a suffix of digits will follow. */
export function requirePath(path: string, sequential = false): void {
  const fault = pathFault(sequential ? `${path}1` : path);
  if (fault !== undefined) throw badArguments(fault, String(path));
}

/** What is wrong with `path`, or undefined. */
export function pathFault(path: string): string | undefined {
  if (typeof path !== "string") return "a path is a string";
  if (path.length === 0) return "a path has at least one character";
  if (path.charCodeAt(0) !== SLASH) return "a path begins with /";
  if (path.length === 1) return undefined;
  if (path.charCodeAt(path.length - 1) === SLASH) return "a path does not end with /";
  let start = 1;
  for (let i = 1; i <= path.length; i++) {
    const unit = i === path.length ? SLASH : path.charCodeAt(i);
    if (unit !== SLASH) {
      if (isIllegal(unit)) return `a path does not contain U+${unit.toString(16).toUpperCase().padStart(4, "0")}`;
      continue;
    }
    const length = i - start;
    if (length === 0) return "a path has no empty part";
    const dots =
      path.charCodeAt(start) === DOT && (length === 1 || (length === 2 && path.charCodeAt(start + 1) === DOT));
    if (dots) return "a path is not relative";
    start = i + 1;
  }
  return undefined;
}

const SLASH = 0x2f;
const DOT = 0x2e;

function isIllegal(unit: number): boolean {
  if (unit < 0x20) return true;
  if (unit < 0x7f) return false;
  return unit <= 0x9f || (unit >= 0xd800 && unit <= 0xf8ff) || unit >= 0xfff0;
}

export class Chroot {
  /** Without a slash at the end; empty when there is none. */
  readonly prefix: string;

  /** `path` is a valid path; `/` is no chroot. */
  constructor(path: string) {
    this.prefix = path === "/" ? "" : path;
  }

  toServer(path: string): string {
    if (this.prefix === "") return path;
    return path === "/" ? this.prefix : this.prefix + path;
  }

  /** What lies outside, such as {@link CONFIG_NODE}, keeps its full path. */
  toClient(path: string): string {
    const prefix = this.prefix;
    if (prefix === "" || !path.startsWith(prefix)) return path;
    if (path.length === prefix.length) return "/";
    return path.charCodeAt(prefix.length) === SLASH ? path.slice(prefix.length) : path;
  }
}
