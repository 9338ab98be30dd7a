/** The parts of README.md that are printed from the code, and where they go. */
import { CONFIG_KEY_GROUPS } from "../../net/config-keys.ts";
import type { KeyGroup, KeyRow } from "../../net/config-rows.ts";
import { EXPLAINED, NOT_SENT } from "../differential/explained.ts";

const PARTS: Readonly<Record<string, () => string>> = {
  "zoo.cfg": () => CONFIG_KEY_GROUPS.map(keyTable).join("\n\n"),
  differences: () =>
    [
      table(
        ["what", "why"],
        EXPLAINED.map(({ name, reason }) => [name, reason]),
      ),
      "And these, which a comparison cannot include:",
      table(
        ["what", "why"],
        NOT_SENT.map(({ what, reason }) => [what, reason]),
      ),
    ].join("\n\n"),
};

/** `page` with every part between `<!-- begin NAME … -->` and `<!-- end NAME -->` printed anew. */
export function withTables(page: string): string {
  let result = page;
  for (const [name, print] of Object.entries(PARTS)) {
    const begin = result.indexOf(`<!-- begin ${name}:`);
    const end = result.indexOf(`<!-- end ${name} -->`);
    if (begin < 0 || end < begin) throw new Error(`README.md has no part "${name}"`);
    const head = result.slice(0, result.indexOf("\n", begin) + 1);
    const part = `<!-- prettier-ignore-start -->\n\n${print()}\n\n<!-- prettier-ignore-end -->\n\n`;
    result = head + part + result.slice(end);
  }
  return result;
}

function keyTable({ title, rows }: KeyGroup): string {
  const effective = rows.filter((row) => row.note === undefined);
  const idle = rows.filter((row) => row.note !== undefined);
  const parts = [`<details><summary>${title} (${rows.length})</summary>`];
  parts.push(
    table(
      ["key", "value", "without it", "meaning"],
      effective.map((row) => [code(row.key), valueOf(row), row.byDefault, row.meaning]),
    ),
  );
  if (idle.length > 0) parts.push(`Read, reported at start, and without effect: ${idleList(idle)}.`);
  parts.push("</details>");
  return parts.join("\n\n");
}

/** Grouped by reason, in the order of their first appearance. */
function idleList(rows: readonly KeyRow[]): string {
  const byReason = new Map<string, string[]>();
  for (const { key, note = "" } of rows) byReason.set(note, [...(byReason.get(note) ?? []), code(key)]);
  return [...byReason].map(([reason, keys]) => `${keys.join(", ")} (${reason})`).join("; ");
}

/** A kind that needs an example shows one. */
function valueOf({ kind, example }: KeyRow): string {
  const own = /^(a text|a comma-separated list|a class name|a decimal|host)/.test(kind);
  return own ? `${kind.replace(" that is not empty", "")}, e.g. ${code(example)}` : kind;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escape).join(" | ")} |`;
  return [line(head), `| ${head.map(() => "---").join(" | ")} |`, ...rows.map(line)].join("\n");
}

function escape(cell: string): string {
  return cell
    .replaceAll("|", "\\|")
    .replaceAll("<", "&lt;")
    .replace(/\*(?![^`]*`)/g, "\\*");
}

function code(text: string): string {
  return `\`${text}\``;
}
