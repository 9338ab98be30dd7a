/** TLS for clients: from zoo.cfg's `ssl.*` to what Node wants. Java: X509Util, ClientX509Util. */
import fs from "node:fs";
import path from "node:path";
import tls from "node:tls";
import type { StoreType, TlsSettings } from "./config-rows.ts";
import { ExitCode, StartError } from "./start-error.ts";
import { subjectName } from "./subject-name.ts";
import type { TlsListener } from "./tcp.ts";

/** How a complaint about a key begins. */
type Where = (key: string) => string;

const HANDSHAKE_MS = 5000;
const ENDINGS: Readonly<Record<string, StoreType>> = {
  ".pem": "PEM",
  ".p12": "PKCS12",
  ".pfx": "PKCS12",
  ".jks": "JKS",
  ".bcfks": "BCFKS",
};

/** Throws {@link StartError} when keys or certificates cannot be used. */
export function tlsListener(settings: TlsSettings, plainToo: boolean, where: Where): TlsListener {
  const options = tlsOptions(settings, where);
  try {
    tls.createSecureContext(options);
  } catch (error) {
    const { keyStore } = settings;
    throw refused(where("ssl.keyStore.location"), `${keyStore} cannot be used: ${(error as Error).message}`);
  }
  return {
    plainToo,
    detectionTimeout: settings.handshakeTimeout ?? HANDSHAKE_MS,
    createServer: () => tls.createServer(options),
    identify(socket) {
      const certificate = socket.getPeerX509Certificate();
      if (certificate === undefined) return { subject: undefined };
      // With clientAuth=want a client may come without a certificate, but not with a wrong one.
      if (!socket.authorized) return undefined;
      return { subject: subjectName(certificate.raw) };
    },
  };
}

function tlsOptions(settings: TlsSettings, where: Where): tls.TlsOptions {
  const clientAuth = settings.clientAuth ?? "need";
  return {
    ...keyOptions(settings, where),
    ...trustOptions(settings, where),
    ...protocolOptions(settings, where),
    ...cipherOptions(settings, where),
    requestCert: clientAuth !== "none",
    rejectUnauthorized: clientAuth === "need",
    handshakeTimeout: settings.handshakeTimeout ?? HANDSHAKE_MS,
  };
}

function keyOptions(settings: TlsSettings, where: Where): tls.TlsOptions {
  const file = settings.keyStore!;
  const type = storeType("keyStore", file, settings.keyStoreType, where);
  const bytes = readStore("keyStore", file, where);
  const passphrase = settings.keyStorePassword ?? readPassword("keyStore", settings.keyStorePasswordPath, where);
  const secret = passphrase === undefined ? {} : { passphrase };
  if (type === "PKCS12") return { pfx: bytes, ...secret };
  // One file with both; OpenSSL takes from it what it looks for.
  return { key: bytes, cert: bytes, ...secret };
}

function trustOptions(settings: TlsSettings, where: Where): tls.TlsOptions {
  const file = settings.trustStore;
  if (file === undefined) return {};
  if (storeType("trustStore", file, settings.trustStoreType, where) === "PKCS12") {
    const remedy = `openssl pkcs12 -in ${file} -nokeys -out ${file.replace(/\.\w+$/, "")}.pem`;
    throw refused(where("ssl.trustStore.location"), `a trust store must be PEM; convert it: ${remedy}`);
  }
  return { ca: readStore("trustStore", file, where) };
}

function protocolOptions(settings: TlsSettings, where: Where): tls.TlsOptions {
  const wanted = settings.enabledProtocols ?? (settings.protocol === undefined ? [] : [settings.protocol]);
  const versions: readonly tls.SecureVersion[] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
  const chosen = versions.filter((version) => wanted.includes(version));
  const strange = wanted.find((name) => !versions.some((version) => version === name));
  if (strange !== undefined) {
    throw refused(where("ssl.enabledProtocols"), `"${strange}" is no TLS protocol; choose of ${versions.join(", ")}`);
  }
  if (chosen.length === 0) return { minVersion: "TLSv1.2" };
  return { minVersion: chosen[0]!, maxVersion: chosen.at(-1)! };
}

function cipherOptions(settings: TlsSettings, where: Where): tls.TlsOptions {
  if (settings.cipherSuites === undefined) return {};
  const known = new Set(tls.getCiphers());
  const names = settings.cipherSuites.map((suite) => {
    const name = openSslName(suite);
    if (!known.has(name.toLowerCase()))
      throw refused(where("ssl.ciphersuites"), `"${suite}" is not known to this Node`);
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
  where: Where,
): "PEM" | "PKCS12" {
  const type = given ?? ENDINGS[path.extname(file).toLowerCase()];
  if (type === "PEM" || type === "PKCS12") return type;
  if (type === undefined) {
    throw refused(where(`ssl.${which}.location`), `${file}: its kind cannot be told; write e.g. ssl.${which}.type=PEM`);
  }
  const target = `${path.basename(file).replace(/\.\w+$/, "")}.p12`;
  const convert = `keytool -importkeystore -srckeystore ${file} -destkeystore ${target} -deststoretype PKCS12`;
  throw refused(where(`ssl.${which}.location`), `${file}: only Java reads ${type}; convert it: ${convert}`);
}

function readStore(which: string, file: string, where: Where): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw refused(where(`ssl.${which}.location`), `${file} cannot be read: ${(error as Error).message}`);
  }
}

function readPassword(which: string, file: string | undefined, where: Where): string | undefined {
  if (file === undefined) return undefined;
  try {
    return fs.readFileSync(file, "utf8").trimEnd();
  } catch (error) {
    throw refused(where(`ssl.${which}.passwordPath`), `${file} cannot be read: ${(error as Error).message}`);
  }
}

function refused(place: string, complaint: string): StartError {
  return new StartError(`${place}: ${complaint}`, ExitCode.invocation);
}
