/**
 * From a line to a command's arguments: words with quotes, then options among them (Java: ZooKeeperMain.MyCommandOptions
 * and commons-cli's PosixParser, whose habits users of zkCli have).
 */

/** `-s` is a flag, `-v 3` has a value. */
export type OptionKinds = Readonly<Record<string, "flag" | "value">>;

export interface Arguments {
  /** Everything that is not an option, the command's name not included. */
  readonly words: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
}

/** A command was not given what it takes; the shell then shows its usage. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Whitespace separates, `'` and `"` hold together and may stand inside a word; a quote left open ends with the line. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (const character of line) {
    if (quote !== "") {
      if (character === quote) quote = "";
      else word += character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= "";
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + character;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** Options may stand anywhere, flags may be joined (`-sw`), and `--` ends the options. Throws {@link UsageError}. */
export function parseArguments(given: readonly string[], kinds: OptionKinds): Arguments {
  const words: string[] = [];
  const flags = new Set<string>();
  const values = new Map<string, string>();
  for (let i = 0; i < given.length; i++) {
    const word = given[i]!;
    if (word === "--") {
      words.push(...given.slice(i + 1));
      break;
    }
    // A lone dash and negative numbers are arguments.
    if (!/^-[A-Za-z]/.test(word)) {
      words.push(word);
      continue;
    }
    const name = word.slice(1);
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === "flag") flags.add(name);
    else if (kind === "value") {
      const value = given[++i];
      if (value === undefined) throw new UsageError(`Missing argument for option: ${name}`);
      values.set(name, value);
    } else {
      for (const letter of name) {
        if (!Object.hasOwn(kinds, letter) || kinds[letter] !== "flag") {
          throw new UsageError(`Unrecognized option: ${word}`);
        }
        flags.add(letter);
      }
    }
  }
  return { words, flags, values };
}

/** A whole number, or {@link UsageError}. */
export function numberOf(text: string, what: string): number {
  if (!/^-?[0-9]+$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new UsageError(`${what} is not a number: ${text}`);
  }
  return Number(text);
}
