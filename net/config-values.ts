/** Kinds of values in zoo.cfg: what they are called, an example, and how to read one. */

export interface ValueKind<T> {
  /** Ends the sentence `"x" is not …`. */
  readonly name: string;
  readonly example: string;
  /** Undefined when `text` is no such value. */
  readonly parse: (text: string) => T | undefined;
}

export function whole(unit: string, example: number, min: number = 0, max: number = 0x7fff_ffff): ValueKind<number> {
  const bounds = min > 0 || min < -1 ? ` of at least ${min}` : "";
  return {
    name: `a whole number${unit === "" ? "" : ` of ${unit}`}${bounds}`,
    example: String(example),
    parse(text) {
      if (!/^[+-]?\d{1,16}$/.test(text)) return undefined;
      const value = Number(text);
      return value >= min && value <= max ? value : undefined;
    },
  };
}

export function milliseconds(example: number, min?: number): ValueKind<number> {
  return whole("milliseconds", example, min);
}

/** 0 lets the system choose. */
export const tcpPort: ValueKind<number> = {
  name: "a port from 0 to 65535",
  example: "2181",
  parse: (text) => (/^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined),
};

export const flag: ValueKind<boolean> = {
  name: "true or false",
  example: "true",
  parse(text) {
    const lower = text.toLowerCase();
    return lower === "true" ? true : lower === "false" ? false : undefined;
  },
};

export const yesOrNo: ValueKind<boolean> = {
  name: "yes or no",
  example: "yes",
  parse(text) {
    const lower = text.toLowerCase();
    return lower === "yes" ? true : lower === "no" ? false : undefined;
  },
};

export const decimal: ValueKind<number> = {
  name: "a decimal number",
  example: "0.5",
  parse: (text) => (/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : undefined),
};

export function text(example: string): ValueKind<string> {
  return { name: "a text that is not empty", example, parse: (value) => (value === "" ? undefined : value) };
}

/** Comma-separated; empty items are dropped. */
export function list(example: string): ValueKind<readonly string[]> {
  return {
    name: "a comma-separated list",
    example,
    parse: (value) =>
      value
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== ""),
  };
}

export function oneOf<T extends string>(...choices: readonly [T, ...T[]]): ValueKind<T> {
  return {
    name: choices.length === 1 ? `"${choices[0]}"` : `one of ${choices.join(", ")}`,
    example: choices[0],
    parse: (value) => choices.find((choice) => choice.toLowerCase() === value.toLowerCase()),
  };
}
