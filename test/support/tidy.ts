/** How the tidy test reads a source: as text, without a parser, so that anyone can follow. */

/** Names that bring in time, chance, locale or concurrency from outside, and what they are called in a report. */
const BANNED: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bDate\b/, "Date"],
  [/\bMath\.random\b/, "Math.random"],
  [/\bMath\.(sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|exp|expm1|log|log2|log10|log1p|pow|cbrt|hypot)\b/, "Math"],
  [/\bWeakRef\b|\bFinalizationRegistry\b/, "WeakRef"],
  [/\bIntl\b|\.toLocale\w*\(|\.localeCompare\(/, "locale"],
  [/\bfor\s*\(\s*(const|let)\s+\w+\s+in\b/, "for…in"],
  [/\.sort\(\s*\)/, "sort without a comparator"],
  [/\.stack\b/, "Error.stack"],
  [/\bglobalThis\b/, "globalThis"],
];
const PROMISES: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\basync\b/, "async"],
  [/\bawait\b/, "await"],
  [/\bPromise\b/, "Promise"],
];

/** What of the banned names `source` uses outside comments and strings. */
export function bannedNames(source: string, promisesAllowed: boolean): string[] {
  const text = withoutStrings(withoutComments(source));
  const rules = promisesAllowed ? BANNED : [...BANNED, ...PROMISES];
  return rules.filter(([pattern]) => pattern.test(text)).map(([, name]) => name);
}

/** Module names in order of appearance, of static and dynamic imports and of re-exports. */
export function importsOf(source: string): string[] {
  const pattern = /(?:^|\n)\s*(?:import|export)\b[^;"']*?from\s*["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)/g;
  return [...withoutComments(source).matchAll(pattern)].map((match) => (match[1] ?? match[2])!);
}

export function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`\\])\/\/[^\n]*/g, "$1");
}

function withoutStrings(source: string): string {
  return source.replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""').replace(/`(?:[^`\\$]|\\.)*`/g, "``");
}
