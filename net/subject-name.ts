/**
 * The subject of a certificate, written as RFC 2253 has it and as Java's X500Principal.getName() prints it: that text is
 * the id of scheme x509, so it must agree to the letter. Node gives subjects in OpenSSL's way only.
 */

/** Attribute types that RFC 2253 names; all others are printed by number. */
const NAMES: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "STREET",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "0.9.2342.19200300.100.1.25": "DC",
  "0.9.2342.19200300.100.1.1": "UID",
};

interface Element {
  readonly tag: number;
  /** With tag and length. */
  readonly whole: Buffer;
  readonly content: Buffer;
}

/** `certificate` is in DER. Undefined when it is not understood. */
export function subjectName(certificate: Buffer): string | undefined {
  const outer = elements(certificate)?.[0];
  const body = outer && elements(outer.content)?.[0];
  const fields = body && elements(body.content);
  if (!fields) return undefined;
  // [0] version is optional; then serial number, algorithm, issuer, validity, subject.
  const subject = fields[fields[0]?.tag === 0xa0 ? 5 : 4];
  const parts = subject && elements(subject.content);
  if (!parts) return undefined;
  const printed: string[] = [];
  for (const part of parts.reverse()) {
    const attributes = elements(part.content)?.map((attribute) => printAttribute(attribute));
    if (attributes === undefined || attributes.includes(undefined)) return undefined;
    printed.push(attributes.join("+"));
  }
  return printed.join(",");
}

function printAttribute(attribute: Element): string | undefined {
  const [type, value] = elements(attribute.content) ?? [];
  if (type === undefined || value === undefined) return undefined;
  const number = objectIdentifier(type.content);
  const name = NAMES[number];
  const text = name === undefined ? undefined : decodeText(value);
  if (text === undefined) return `${name ?? number}=#${value.whole.toString("hex")}`;
  return `${name}=${escapeText(text)}`;
}

function escapeText(text: string): string {
  return text
    .replace(/[,=+<>#;"\\]/g, "\\$&")
    .replaceAll("\0", "\\00")
    .replace(/^ +| +$/g, (blanks) => blanks.replaceAll(" ", "\\ "));
}

function decodeText({ tag, content }: Element): string | undefined {
  switch (tag) {
    case 0x0c: // UTF8String
      return content.toString("utf8");
    case 0x13: // PrintableString
    case 0x14: // T61String
    case 0x16: // IA5String
    case 0x1b: // GeneralString
      return content.toString("latin1");
    case 0x1e: // BMPString
      return content.length % 2 === 0 ? Buffer.from(content).swap16().toString("utf16le") : undefined;
    default:
      return undefined;
  }
}

function objectIdentifier(content: Buffer): string {
  const numbers: number[] = [];
  let number = 0;
  for (const byte of content) {
    number = number * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (numbers.length === 0) {
      const first = Math.min(Math.floor(number / 40), 2);
      numbers.push(first, number - first * 40);
    } else numbers.push(number);
    number = 0;
  }
  return numbers.join(".");
}

/** The DER elements that lie in `bytes` one after the other. */
function elements(bytes: Buffer): Element[] | undefined {
  const found: Element[] = [];
  let at = 0;
  while (at < bytes.length) {
    const start = at;
    const tag = bytes[at++]!;
    let length = bytes[at++] ?? -1;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 4 || at + count > bytes.length) return undefined;
      length = bytes.readUIntBE(at, count);
      at += count;
    }
    if (length < 0 || at + length > bytes.length) return undefined;
    found.push({ tag, whole: bytes.subarray(start, at + length), content: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}
