import type { ServerConfig } from "../config.ts";
import { DataTree } from "../tree/data-tree.ts";

/** A tree as `config` wants it, for a history to be read into. */
export function emptyTree(config: ServerConfig): DataTree {
  const { extendedTypesEnabled: extendedTypes, emulate353TTLNodes: emulate353, digestEnabled: digest } = config;
  return new DataTree({ extendedTypes, emulate353, digest });
}
