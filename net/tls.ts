/**
 * TLS: from zoo.cfg's `ssl.*` and `ssl.quorum.*` to what Node wants, and the listener for clients. Between servers:
 * quorum-tls.ts. Java: X509Util, ClientX509Util.
 */
import fs from "node:fs";
import path from "node:path";
import tls from "node:tls";
import { X509Certificate } from "node:crypto";
import type { StoreType, TlsSettings } from "./config-rows.ts";
import { readPkcs12Certificates } from "./pkcs12.ts";
import { ExitCode, StartError } from "./start-error.ts";
import { subjectName } from "./subject-name.ts";
import type { TlsListener } from "./tcp.ts";

/** How a complaint about a key begins. */
type Where = (key: string) => string;

/** The keys that settings came from. */
export interface TlsKeys {
  readonly prefix: "ssl." | "ssl.quorum.";
  readonly where: Where;
}

const HANDSHAKE_MS = 5000;
const ENDINGS: Readonly<Record<string, StoreType>> = {
  ".pem": "PEM",
  ".p12": "PKCS12",
  ".pfx": "PKCS12",
  ".jks": "JKS",
  ".bcfks": "BCFKS",
};

/** For clients. Throws {@link StartError} when keys or certificates cannot be used. */
export function tlsListener(settings: TlsSettings, plainToo: boolean, where: Where): TlsListener {
  const context = tlsContext(settings, { prefix: "ssl.", where });
  return {
    ...listening(settings, plainToo, context),
    identify(socket) {
      const certificate = socket.getPeerX509Certificate();
      if (certificate === undefined) return { subject: undefined };
      // With clientAuth=want a client may come without a certificate, but not with a wrong one.
      if (!socket.authorized) return undefined;
      return { subject: subjectName(certificate.raw) };
    },
  };
}

/** What is the same for clients and for servers. */
export function listening(
  settings: TlsSettings,
  plainToo: boolean,
  context: tls.SecureContextOptions,
): Omit<TlsListener, "identify"> {
  const { clientAuth = "need", handshakeTimeout = HANDSHAKE_MS } = settings;
  const asked = { requestCert: clientAuth !== "none", rejectUnauthorized: clientAuth === "need" };
  return {
    plainToo,
    detectionTimeout: handshakeTimeout,
    createServer: () => tls.createServer({ ...context, ...asked, handshakeTimeout }),
  };
}

/** Keys, whom to trust, and how to talk. Throws {@link StartError}. */
export function tlsContext(settings: TlsSettings, keys: TlsKeys): tls.SecureContextOptions {
  const context = {
    ...keyOptions(settings, keys),
    ...trustOptions(settings, keys),
    ...protocolOptions(settings, keys),
    ...cipherOptions(settings, keys),
  };
  try {
    tls.createSecureContext(context);
  } catch (error) {
    throw refused(keys, "keyStore.location", `${settings.keyStore} cannot be used: ${(error as Error).message}`);
  }
  return context;
}

function keyOptions(settings: TlsSettings, keys: TlsKeys): tls.SecureContextOptions {
  const file = settings.keyStore!;
  const type = storeType("keyStore", file, settings.keyStoreType, keys);
  const bytes = readStore("keyStore", file, keys);
  const passphrase = settings.keyStorePassword ?? readPassword("keyStore", settings.keyStorePasswordPath, keys);
  const secret = passphrase === undefined ? {} : { passphrase };
  if (type === "PKCS12") return { pfx: bytes, ...secret };
  // One file with both; OpenSSL takes from it what it looks for.
  return { key: bytes, cert: bytes, ...secret };
}

function trustOptions(settings: TlsSettings, keys: TlsKeys): tls.SecureContextOptions {
  const file = settings.trustStore;
  if (file === undefined) return {};
  const type = storeType("trustStore", file, settings.trustStoreType, keys);
  const bytes = readStore("trustStore", file, keys);
  if (type === "PEM") return { ca: bytes };
  const password = settings.trustStorePassword ?? readPassword("trustStore", settings.trustStorePasswordPath, keys);
  const complain = (complaint: string): never => {
    throw refused(keys, "trustStore.location", `${file}: ${complaint}`);
  };
  const read = readPkcs12Certificates(bytes, password ?? "");
  const convert = `convert it: openssl pkcs12 -legacy -in ${file} -nokeys -out ${file.replace(/\.\w+$/, "")}.pem`;
  switch (read.kind) {
    case "malformed":
      return complain("is no PKCS #12 file");
    case "password":
      return complain(`cannot be decrypted; correct ${keys.prefix}trustStore.password`);
    case "unsupported":
      return complain(`is encrypted in a way that only Java reads (${read.algorithm}); ${convert}`);
    case "certificates":
      if (read.certificates.length === 0) return complain("holds no certificate");
      return { ca: read.certificates.map((certificate) => new X509Certificate(certificate).toString()) };
  }
}

function protocolOptions(settings: TlsSettings, keys: TlsKeys): tls.SecureContextOptions {
  const wanted = settings.enabledProtocols ?? (settings.protocol === undefined ? [] : [settings.protocol]);
  const versions: readonly tls.SecureVersion[] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
  const chosen = versions.filter((version) => wanted.includes(version));
  const strange = wanted.find((name) => !versions.some((version) => version === name));
  if (strange !== undefined) {
    throw refused(keys, "enabledProtocols", `"${strange}" is no TLS protocol; choose of ${versions.join(", ")}`);
  }
  if (chosen.length === 0) return { minVersion: "TLSv1.2" };
  return { minVersion: chosen[0]!, maxVersion: chosen.at(-1)! };
}

function cipherOptions(settings: TlsSettings, keys: TlsKeys): tls.SecureContextOptions {
  if (settings.cipherSuites === undefined) return {};
  const known = new Set(tls.getCiphers());
  const names = settings.cipherSuites.map((suite) => {
    const name = openSslName(suite);
    if (!known.has(name.toLowerCase())) throw refused(keys, "ciphersuites", `"${suite}" is not known to this Node`);
    return name;
  });
  return { ciphers: names.join(":") };
}

/** Java names suites as the standard does; OpenSSL only those of TLS 1.3. `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` → `ECDHE-RSA-AES128-GCM-SHA256`. */
export function openSslName(suite: string): string {
  const match = /^TLS_(.+)_WITH_(.+)$/.exec(suite);
  if (match === null) return suite;
  const exchange = match[1] === "RSA" ? "" : `${match[1]!.replaceAll("_", "-")}-`;
  const cipher = match[2]!
    .replace(/^AES_(\d+)_CBC/, "AES$1")
    .replace(/^AES_(\d+)/, "AES$1")
    .replace(/^CHACHA20_POLY1305_SHA256$/, "CHACHA20-POLY1305");
  return `${exchange}${cipher.replaceAll("_", "-")}`;
}

function storeType(
  which: "keyStore" | "trustStore",
  file: string,
  given: StoreType | undefined,
  keys: TlsKeys,
): "PEM" | "PKCS12" {
  const type = given ?? ENDINGS[path.extname(file).toLowerCase()];
  if (type === "PEM" || type === "PKCS12") return type;
  const key = `${which}.location`;
  if (type === undefined) {
    throw refused(keys, key, `${file}: its kind cannot be told; write e.g. ${keys.prefix}${which}.type=PEM`);
  }
  const target = `${path.basename(file).replace(/\.\w+$/, "")}.p12`;
  const convert = `keytool -importkeystore -srckeystore ${file} -destkeystore ${target} -deststoretype PKCS12`;
  throw refused(keys, key, `${file}: only Java reads ${type}; convert it: ${convert}`);
}

function readStore(which: string, file: string, keys: TlsKeys): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw refused(keys, `${which}.location`, `${file} cannot be read: ${(error as Error).message}`);
  }
}

function readPassword(which: string, file: string | undefined, keys: TlsKeys): string | undefined {
  if (file === undefined) return undefined;
  try {
    return fs.readFileSync(file, "utf8").trimEnd();
  } catch (error) {
    throw refused(keys, `${which}.passwordPath`, `${file} cannot be read: ${(error as Error).message}`);
  }
}

function refused({ prefix, where }: TlsKeys, key: string, complaint: string): StartError {
  return new StartError(`${where(prefix + key)}: ${complaint}`, ExitCode.invocation);
}
