/**
 * The static configuration file, once the members have a file of their own (Java: QuorumPeerConfig.editStaticConfig;
 * reference, section 7.4). Java writes it anew from what it understood; here comments and order stay. Bytes are taken
 * one by one, so that it does not matter which encoding a comment is in: what is looked for is ASCII.
 */
import { encodeUtf8 } from "../jute/utf8.ts";

const LF = 0x0a;
const CR = 0x0d;
const BACKSLASH = 0x5c;

const MEMBER_KEY = /^(server\.|group|weight|dynamicConfigFile$|peerType$)/;
const CLIENT_PORT_KEY = /^(clientPort|clientPortAddress)$/;

/** Does it say where the members are, so that it was written by a server before? */
export function namesDynamicFile(bytes: Uint8Array): boolean {
  return entriesOf(bytes).some(({ key }) => key === "dynamicConfigFile");
}

/**
 * Without members, with `dynamicFile` (a path, as it is to be read) in their place; without the client's port where
 * this server's own entry among the members has it.
 */
export function editStaticConfig(bytes: Uint8Array, dynamicFile: string, clientPortMoved: boolean): Uint8Array {
  const kept: number[] = [];
  for (const { key, start, end } of entriesOf(bytes)) {
    if (MEMBER_KEY.test(key) || (clientPortMoved && CLIENT_PORT_KEY.test(key))) continue;
    for (let i = start; i < end; i++) kept.push(bytes[i]!);
  }
  // An unfinished last line would swallow what follows.
  if (kept.length > 0 && kept.at(-1) !== LF && kept.at(-1) !== CR) kept.push(LF);
  kept.push(...encodeUtf8(`dynamicConfigFile=${dynamicFile.replaceAll("\\", "\\\\")}\n`));
  return Uint8Array.from(kept);
}

interface Entry {
  /** Without ZooKeeper's `zookeeper.` before it; empty for blank lines and comments. */
  readonly key: string;
  readonly start: number;
  /** After its line end. */
  readonly end: number;
}

/** Logical lines: one that ends with a backslash goes on, unless it is a comment (Java: Properties.load). */
function entriesOf(bytes: Uint8Array): Entry[] {
  const entries: Entry[] = [];
  let start = 0;
  while (start < bytes.length) {
    let end = lineEnd(bytes, start);
    const key = keyAt(bytes, start, end);
    if (key !== "") while (end < bytes.length && isContinued(bytes, start, end)) end = lineEnd(bytes, end);
    entries.push({ key, start, end });
    start = end;
  }
  return entries;
}

/** After the line feed, carriage return, or both, that ends the line at `start`. */
function lineEnd(bytes: Uint8Array, start: number): number {
  for (let i = start; i < bytes.length; i++) {
    if (bytes[i] === LF) return i + 1;
    if (bytes[i] === CR) return bytes[i + 1] === LF ? i + 2 : i + 1;
  }
  return bytes.length;
}

function isContinued(bytes: Uint8Array, start: number, end: number): boolean {
  let at = end - 1;
  while (at >= start && (bytes[at] === LF || bytes[at] === CR)) at--;
  let backslashes = 0;
  while (at >= start && bytes[at] === BACKSLASH) {
    backslashes++;
    at--;
  }
  return backslashes % 2 === 1;
}

function keyAt(bytes: Uint8Array, start: number, end: number): string {
  let line = "";
  for (let i = start; i < end; i++) line += String.fromCharCode(bytes[i]!);
  const key = /^(?:\u00ef\u00bb\u00bf)?[ \t\f]*([^\s=:#!][^\s=:]*)/.exec(line)?.[1] ?? "";
  return key.startsWith("zookeeper.") ? key.slice("zookeeper.".length) : key;
}
