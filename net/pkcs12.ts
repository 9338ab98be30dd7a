/**
 * The certificates in a PKCS #12 file (RFC 7292): a trust store, which OpenSSL does not read, because it expects a
 * private key. Java: KeyStore.getInstance("PKCS12").
 */
import { createDecipheriv, pbkdf2Sync } from "node:crypto";
import { elements, objectIdentifier } from "./der.ts";
import type { Element } from "./der.ts";

export type Pkcs12 =
  | { readonly kind: "certificates"; readonly certificates: readonly Buffer[] }
  | { readonly kind: "malformed" | "password" }
  /** Encrypted in a way that only old Javas write, and only they read. */
  | { readonly kind: "unsupported"; readonly algorithm: string };

const DATA = "1.2.840.113549.1.7.1";
const ENCRYPTED_DATA = "1.2.840.113549.1.7.6";
const CERTIFICATE_BAG = "1.2.840.113549.1.12.10.1.3";
const X509 = "1.2.840.113549.1.9.22.1";
const PBES2 = "1.2.840.113549.1.5.13";
const PBKDF2 = "1.2.840.113549.1.5.12";
const HASHES: Readonly<Record<string, string>> = {
  "1.2.840.113549.2.7": "sha1",
  "1.2.840.113549.2.8": "sha224",
  "1.2.840.113549.2.9": "sha256",
  "1.2.840.113549.2.10": "sha384",
  "1.2.840.113549.2.11": "sha512",
};
const CIPHERS: Readonly<Record<string, readonly [name: string, keyLength: number]>> = {
  "2.16.840.1.101.3.4.1.2": ["aes-128-cbc", 16],
  "2.16.840.1.101.3.4.1.22": ["aes-192-cbc", 24],
  "2.16.840.1.101.3.4.1.42": ["aes-256-cbc", 32],
  "1.2.840.113549.3.7": ["des-ede3-cbc", 24],
};
/** More would only keep the process busy: Java writes 10,000, OpenSSL 2,048. */
const ITERATIONS_MAX = 10_000_000;

/** What is wrong, thrown through this file only. */
class Refusal extends Error {
  readonly result: Pkcs12;
  constructor(result: Pkcs12) {
    super(result.kind);
    this.result = result;
  }
}
const malformed = (): Refusal => new Refusal({ kind: "malformed" });

export function readPkcs12Certificates(file: Buffer, password: string): Pkcs12 {
  try {
    const [, authSafe] = children(only(file));
    const certificates: Buffer[] = [];
    for (const info of children(only(octets(contentOf(authSafe, DATA))))) {
      for (const bag of children(only(contents(info, password)))) {
        const certificate = certificateOf(bag);
        if (certificate !== undefined) certificates.push(certificate);
      }
    }
    return { kind: "certificates", certificates };
  } catch (error) {
    if (error instanceof Refusal) return error.result;
    throw error;
  }
}

/** The bytes of a SafeContents, in the clear. */
function contents(info: Element, password: string): Buffer {
  const [type] = children(info);
  if (identifier(type) === DATA) return octets(contentOf(info, DATA));
  const [, encrypted] = children(contentOf(info, ENCRYPTED_DATA));
  const [, algorithm, bytes] = children(present(encrypted));
  return decrypt(present(algorithm), octets(present(bytes)), password);
}

function decrypt(algorithm: Element, bytes: Buffer, password: string): Buffer {
  const [scheme, parameters] = children(algorithm);
  if (identifier(scheme) !== PBES2) throw new Refusal({ kind: "unsupported", algorithm: identifier(scheme) });
  const [derivation, encryption] = children(present(parameters));
  const [cipher, iv] = children(present(encryption));
  const known = CIPHERS[identifier(cipher)];
  if (known === undefined) throw new Refusal({ kind: "unsupported", algorithm: identifier(cipher) });
  const [name, keyLength] = known;
  const key = deriveKey(present(derivation), keyLength, password);
  try {
    const decipher = createDecipheriv(name, key, present(iv).content);
    return Buffer.concat([decipher.update(bytes), decipher.final()]);
  } catch {
    throw new Refusal({ kind: "password" });
  }
}

function deriveKey(derivation: Element, keyLength: number, password: string): Buffer {
  const [scheme, parameters] = children(derivation);
  if (identifier(scheme) !== PBKDF2) throw new Refusal({ kind: "unsupported", algorithm: identifier(scheme) });
  const [salt, iterations, ...rest] = children(present(parameters));
  const count = Number(`0x${present(iterations).content.toString("hex") || "0"}`);
  if (count < 1 || count > ITERATIONS_MAX) throw malformed();
  // The length of the key may stand between, and is known.
  const prf = rest.find(({ tag }) => tag === 0x30);
  const hash = prf === undefined ? "sha1" : HASHES[identifier(children(prf)[0])];
  if (hash === undefined) throw new Refusal({ kind: "unsupported", algorithm: identifier(children(prf!)[0]) });
  return pbkdf2Sync(password, present(salt).content, count, keyLength, hash);
}

function certificateOf(bag: Element): Buffer | undefined {
  const [kind, value] = children(bag);
  if (identifier(kind) !== CERTIFICATE_BAG) return undefined;
  const [type, certificate] = children(only(present(value).content));
  return identifier(type) === X509 ? octets(only(present(certificate).content)) : undefined;
}

/** What a ContentInfo of `type` holds. */
function contentOf(info: Element | undefined, type: string): Element {
  const [found, content] = children(present(info));
  if (identifier(found) !== type) throw malformed();
  return only(present(content).content);
}

function only(bytes: Buffer): Element {
  const found = elements(bytes);
  // What follows the first one is padding that some tools leave.
  if (found?.[0] === undefined) throw malformed();
  return found[0];
}
function children(element: Element): Element[] {
  const found = elements(element.content);
  if (found === undefined) throw malformed();
  return found;
}
function present(element: Element | undefined): Element {
  if (element === undefined) throw malformed();
  return element;
}
function identifier(element: Element | undefined): string {
  if (present(element).tag !== 0x06) throw malformed();
  return objectIdentifier(element!.content);
}
/** Of an octet string, in one piece or in several. */
function octets(element: Element): Buffer {
  return (element.tag & 0x20) === 0 ? element.content : Buffer.concat(children(element).map(octets));
}
