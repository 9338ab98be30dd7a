/** The syntax of Java property files, with line numbers (Java: java.util.Properties). Read as UTF-8, where Java reads Latin-1. */

export interface Property {
  readonly key: string;
  readonly value: string;
  /** Of its first line, from 1. */
  readonly line: number;
}

export type Properties =
  | { readonly kind: "read"; readonly properties: readonly Property[] }
  | { readonly kind: "malformed"; readonly line: number; readonly reason: string };

const BLANK = /^[ \t\f]+/;
const ESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };

/** In the order of the file; a key may come several times. Keys and values are trimmed, as ZooKeeper does. */
export function parseProperties(text: string): Properties {
  const properties: Property[] = [];
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/);
  for (let i = 0; i < lines.length; i++) {
    const line = i + 1;
    let logical = lines[i]!.replace(BLANK, "");
    if (logical === "" || logical.startsWith("#") || logical.startsWith("!")) continue;
    while (continues(logical)) {
      logical = logical.slice(0, -1);
      if (i + 1 === lines.length) break;
      logical += lines[++i]!.replace(BLANK, "");
    }
    const [rawKey, rawValue] = split(logical);
    const key = unescape(rawKey);
    const value = unescape(rawValue);
    if (key === undefined || value === undefined) {
      return { kind: "malformed", line, reason: "\\u is not followed by four hexadecimal digits" };
    }
    properties.push({ key: key.trim(), value: value.trim(), line });
  }
  return { kind: "read", properties };
}

/** An odd number of backslashes at the end: the last one is not itself escaped. */
function continues(line: string): boolean {
  let count = 0;
  while (line[line.length - 1 - count] === "\\") count++;
  return count % 2 === 1;
}

/** The key ends at the first `=`, `:` or blank that is not escaped. */
function split(line: string): [key: string, value: string] {
  let end = 0;
  while (end < line.length && !/[=: \t\f]/.test(line[end]!)) end += line[end] === "\\" ? 2 : 1;
  const value = line.slice(end).replace(BLANK, "").replace(/^[=:]/, "").replace(BLANK, "");
  return [line.slice(0, end), value];
}

function unescape(text: string): string | undefined {
  if (!text.includes("\\")) return text;
  let result = "";
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== "\\") {
      result += text[i]!;
      continue;
    }
    const next = text[++i] ?? "";
    if (next !== "u") {
      result += ESCAPES[next] ?? next;
      continue;
    }
    const digits = text.slice(i + 1, i + 5);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) return undefined;
    result += String.fromCharCode(Number.parseInt(digits, 16));
    i += 4;
  }
  return result;
}
