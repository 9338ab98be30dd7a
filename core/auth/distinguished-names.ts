/**
 * X.500 names as text (RFC 2253), as far as the `x509` scheme needs them: is it one, and are two the same. Not a full
 * reader: no attribute values in BER are decoded, and case in values counts.
 */

/** The keywords Java's X500Principal knows; any other attribute is given as an OID. */
const KEYWORDS: ReadonlySet<string> = new Set(
  (
    "CN C L S ST O OU T IP STREET DC DNQUALIFIER DNQ SURNAME GIVENNAME INITIALS GENERATION EMAIL EMAILADDRESS UID " +
    "SERIALNUMBER"
  ).split(" "),
);
const OID = /^(?:OID\.)?[0-2](?:\.[0-9]+)+$/;

/**
 * A canonical form, equal for names that differ only in blanks around separators, in the case of keywords, or in `;`
 * for `,`. Undefined when `text` is no name. The empty name is one.
 */
export function canonicalName(text: string): string | undefined {
  const parts: string[] = [];
  let at = skipBlanks(text, 0);
  if (at === text.length) return "";
  for (;;) {
    const equals = text.indexOf("=", at);
    if (equals < 0) return undefined;
    const type = text.slice(at, equals).trim().toUpperCase();
    if (!KEYWORDS.has(type) && !OID.test(type)) return undefined;
    const end = valueEnd(text, skipBlanks(text, equals + 1));
    if (end === undefined) return undefined;
    parts.push(`${type}=${trimValue(text.slice(equals + 1, end))}`);
    if (end === text.length) return parts.join("");
    parts.push(text[end] === "+" ? "+" : ",");
    at = skipBlanks(text, end + 1);
  }
}

/** Where the value that begins at `at` ends: at a separator or the end. Undefined when it is malformed. */
function valueEnd(text: string, at: number): number | undefined {
  if (text[at] === '"') {
    at++;
    while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    if (at >= text.length) return undefined;
    at = skipBlanks(text, at + 1);
    return at === text.length || isSeparator(text[at]!) ? at : undefined;
  }
  if (text[at] === "#") {
    const hex = /^#(?:[0-9a-fA-F]{2})+ */.exec(text.slice(at));
    if (hex === null) return undefined;
    at += hex[0].length;
    return at === text.length || isSeparator(text[at]!) ? at : undefined;
  }
  while (at < text.length && !isSeparator(text[at]!)) {
    if (text[at] === "\\") {
      if (at + 1 >= text.length) return undefined;
      at += 2;
    } else if ('"<>'.includes(text[at]!)) return undefined;
    else at++;
  }
  return at;
}

/** Without the blanks around it, except one that is escaped at its end. */
function trimValue(text: string): string {
  const value = text.trim();
  return /(?:^|[^\\])(?:\\\\)*\\$/.test(value) ? `${value} ` : value;
}

function isSeparator(character: string): boolean {
  return character === "," || character === ";" || character === "+";
}

function skipBlanks(text: string, at: number): number {
  while (text[at] === " ") at++;
  return at;
}
