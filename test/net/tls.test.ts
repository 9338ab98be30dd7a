import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import tls from "node:tls";
import { X509Certificate } from "node:crypto";
import { afterEach, expect, test } from "vitest";
import type { Actor } from "../../core/actor.ts";
import type { TlsSettings } from "../../net/config-rows.ts";
import { startNetHost } from "../../net/host.ts";
import type { NetHost } from "../../net/host.ts";
import { StartError } from "../../net/start-error.ts";
import { subjectName } from "../../net/subject-name.ts";
import { openSslName, tlsListener } from "../../net/tls.ts";

const file = (name: string): string => path.join(import.meta.dirname, "certificates", name);
const read = (name: string): Buffer => fs.readFileSync(file(name));
const where = (key: string): string => `zoo.cfg: ${key}`;
/** Printed by java.security.cert.X509Certificate.getSubjectX500Principal().getName(). */
const CLIENT_SUBJECT =
  'UID=u1+CN=Müller \\\\\\, Jörg,DC=example,1.2.840.113549.1.9.1=#160b6140622e6578616d706c65,OU=Gruppe Ä,O=\\ \\ A\\+B\\;C\\<D\\>\\=E\\ \\ ,L=\\#1 \\"Elbe\\",ST=Ham\\, burg,C=DE';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Says who connected, then echoes. */
async function start(settings: TlsSettings, plainToo = false): Promise<NetHost> {
  const actor: Actor = {
    onStarted() {},
    onAccepted: (cx, conn, port, _from, subject) => cx.send(conn, Buffer.from(`${port} ${subject ?? "nobody"}\n`)),
    onConnected() {},
    onReceived: (cx, conn, bytes) => cx.send(conn, bytes),
    onDrained() {},
    onClosed() {},
    onDiskDone() {},
    onDeadline() {},
    onStopRequested() {},
    deadline: () => Infinity,
  };
  const listener = { port: "secureClient" as const, host: "127.0.0.1", tcpPort: 0 };
  const host = await startNetHost(actor, {
    listeners: [{ ...listener, tls: tlsListener(settings, plainToo, where) }],
  });
  cleanups.push(() => host.kill());
  return host;
}

/** What the server says to `bytes`, or the error. */
function talk(host: NetHost, options: tls.ConnectionOptions | undefined, bytes: string): Promise<string> {
  const port = host.portOf("secureClient")!;
  const socket =
    options === undefined
      ? net.connect(port, "127.0.0.1")
      : tls.connect({ port, host: "127.0.0.1", ca: read("ca.pem"), servername: "localhost", ...options });
  cleanups.push(() => socket.destroy());
  let text = "";
  return new Promise((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith(bytes)) resolve(text);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(`error ${error.code}`));
    socket.on("close", () => resolve("closed"));
    socket.write(bytes);
  });
}

const SERVER: TlsSettings = { keyStore: file("server.pem"), trustStore: file("ca.pem") };

test("a client with a trusted certificate is known by its subject", async () => {
  const host = await start(SERVER);
  const client = { cert: read("client.pem"), key: read("client.pem") };
  expect(await talk(host, client, "x".repeat(100_000))).toBe(`secureClient ${CLIENT_SUBJECT}\n${"x".repeat(100_000)}`);
});

test("clientAuth=need turns away clients without a certificate or with a stranger's", async () => {
  const host = await start(SERVER);
  expect(await talk(host, {}, "x")).toMatch(/^(error|closed)/);
  const stranger = { cert: read("stranger.pem"), key: read("stranger.pem") };
  expect(await talk(host, stranger, "x")).toMatch(/^(error|closed)/);
});

test("clientAuth=want takes clients without a certificate, but no wrong one", async () => {
  const host = await start({ ...SERVER, clientAuth: "want" });
  expect(await talk(host, {}, "x")).toBe("secureClient nobody\nx");
  const stranger = { cert: read("stranger.pem"), key: read("stranger.pem") };
  expect(await talk(host, stranger, "x")).toMatch(/^(error|closed)/);
});

test("one port takes TLS and plain connections when asked to", async () => {
  const host = await start({ ...SERVER, clientAuth: "none" }, true);
  expect(await talk(host, {}, "x")).toBe("secureClient nobody\nx");
  expect(await talk(host, undefined, "ruok")).toBe("secureClient nobody\nruok");
});

test("on such a port a connection must say something in time", async () => {
  const host = await start({ ...SERVER, clientAuth: "none", handshakeTimeout: 20 }, true);
  const socket = net.connect(host.portOf("secureClient")!, "127.0.0.1");
  await new Promise((resolve) => socket.on("close", resolve).resume());
});

test("a plain connection to a TLS port is closed", async () => {
  const host = await start(SERVER);
  expect(await talk(host, undefined, "ruok, long enough to be seen")).toMatch(/^(error|closed)/);
});

test("PKCS12 key stores, protocols and Java's names of cipher suites are understood", async () => {
  const host = await start({
    keyStore: file("server.p12"),
    keyStorePassword: "secret",
    clientAuth: "none",
    protocol: "TLSv1.2",
    cipherSuites: ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"],
  });
  expect(await talk(host, { maxVersion: "TLSv1.2" }, "x")).toBe("secureClient nobody\nx");
  expect(await talk(host, { minVersion: "TLSv1.3" }, "x")).toMatch(/^(error|closed)/);
  expect(openSslName("TLS_RSA_WITH_AES_128_CBC_SHA256")).toBe("AES128-SHA256");
  expect(openSslName("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")).toBe("ECDHE-RSA-CHACHA20-POLY1305");
  expect(openSslName("TLS_AES_256_GCM_SHA384")).toBe("TLS_AES_256_GCM_SHA384");
});

test("what cannot be used is one line with the remedy", () => {
  const complaint = (settings: TlsSettings): string => {
    try {
      tlsListener(settings, false, where);
    } catch (error) {
      expect(error).toBeInstanceOf(StartError);
      expect((error as StartError).message).not.toContain("\n");
      return (error as StartError).message;
    }
    return "accepted";
  };
  expect(complaint({ keyStore: "/k/server.jks" })).toBe(
    "zoo.cfg: ssl.keyStore.location: /k/server.jks: only Java reads JKS; convert it: keytool -importkeystore -srckeystore /k/server.jks -destkeystore server.p12 -deststoretype PKCS12",
  );
  expect(complaint({ keyStore: "/k/server.key" })).toMatch(/write e\.g\. ssl\.keyStore\.type=PEM$/);
  expect(complaint({ keyStore: "/nowhere.pem" })).toMatch(/cannot be read/);
  expect(complaint({ keyStore: file("server.p12"), keyStorePassword: "wrong" })).toMatch(/cannot be used/);
  expect(complaint({ keyStore: file("ca.pem") })).toMatch(/cannot be used/);
  expect(complaint({ ...SERVER, trustStore: file("trust.p12") })).toMatch(
    /trust\.p12: cannot be decrypted; correct ssl\.trustStore\.password$/,
  );
  expect(complaint({ ...SERVER, trustStore: file("ca.pem"), trustStoreType: "PKCS12" })).toMatch(/no PKCS #12 file$/);
  expect(complaint({ ...SERVER, cipherSuites: ["NONSENSE"] })).toMatch(/^zoo\.cfg: ssl\.ciphersuites: "NONSENSE"/);
  expect(complaint({ ...SERVER, enabledProtocols: ["SSLv3"] })).toMatch(/"SSLv3" is no TLS protocol/);
});

test("a subject is written as Java writes it", () => {
  expect(subjectName(new X509Certificate(read("client.pem")).raw)).toBe(CLIENT_SUBJECT);
  expect(subjectName(new X509Certificate(read("server.pem")).raw)).toBe("CN=localhost,O=Vivarium tests");
  expect(subjectName(Buffer.from([0x30, 0x80]))).toBeUndefined();
});
