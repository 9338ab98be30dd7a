/** What is inside the fences of a page, in order. */

export interface Block {
  readonly language: string;
  readonly text: string;
  /** Of the first line inside the fence. */
  readonly line: number;
  /** What may differ from run to run: from a comment `<!-- varies: PATTERN -->` above the fence. */
  readonly varies: RegExp | undefined;
}

export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  const lines = page.split("\n");
  let varies: RegExp | undefined;
  for (let i = 0; i < lines.length; i++) {
    const comment = /^<!-- varies: (.*) -->$/.exec(lines[i]!);
    if (comment !== null) varies = new RegExp(comment[1]!, "g");
    const fence = /^```(\S*)$/.exec(lines[i]!);
    if (fence === null) continue;
    const start = ++i;
    while (i < lines.length && lines[i] !== "```") i++;
    blocks.push({ language: fence[1]!, text: lines.slice(start, i).join("\n"), line: start + 1, varies });
    varies = undefined;
  }
  return blocks;
}

/** One command of a transcript and what it printed. */
export interface Exchange {
  readonly command: string;
  readonly output: string;
}

/** `$ command`, then its output up to the next `$`. A command goes on behind a backslash at the end of a line. */
export function exchangesOf(transcript: string): Exchange[] {
  return transcript
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [, command = "", output = ""] = /^((?:[^\n]*\\\n)*[^\n]*)\n?([^]*)$/.exec(part)!;
      return { command, output: output.trimEnd() };
    });
}
