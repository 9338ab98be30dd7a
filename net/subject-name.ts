/**
 * The subject of a certificate, written as RFC 2253 has it and as Java's X500Principal.getName() prints it: that text is
 * the id of scheme x509, so it must agree to the letter. Node gives subjects in OpenSSL's way only.
 */

import { elements, objectIdentifier } from "./der.ts";
import type { Element } from "./der.ts";

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
