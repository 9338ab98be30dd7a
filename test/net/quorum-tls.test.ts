import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import tls from "node:tls";
import { afterEach, expect, test } from "vitest";
import type { Actor, Address, Context } from "../../core/actor.ts";
import type { TlsSettings } from "../../net/config-rows.ts";
import { startNetHost } from "../../net/host.ts";
import type { NetHost } from "../../net/host.ts";
import { readPkcs12Certificates } from "../../net/pkcs12.ts";
import { quorumTls } from "../../net/quorum-tls.ts";
import type { QuorumTls } from "../../net/quorum-tls.ts";
import { tlsListener } from "../../net/tls.ts";

const file = (name: string): string => path.join(import.meta.dirname, "certificates", name);
const where = (key: string): string => `zoo.cfg: ${key}`;

const TRUST = { trustStore: file("trust.p12"), trustStorePassword: "secret" };
/** Its certificate names localhost and 127.0.0.1. */
const SERVER: TlsSettings = { ...TRUST, keyStore: file("server.pem") };
/** As trusted, but it names another host. */
const ELSEWHERE: TlsSettings = { ...TRUST, keyStore: file("elsewhere.pem") };
/** Trusted by nobody. */
const STRANGER: TlsSettings = { ...TRUST, keyStore: file("stranger.pem") };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const SILENT: Actor = {
  onStarted() {},
  onAccepted() {},
  onConnected() {},
  onReceived() {},
  onDrained() {},
  onClosed() {},
  onDiskDone() {},
  onDeadline() {},
  onStopRequested() {},
  deadline: () => Infinity,
};

const between = (settings: TlsSettings, plainToo = false, hosts: readonly string[] = []): QuorumTls =>
  quorumTls(settings, plainToo, hosts, where);

/** A server that echoes, on its quorum port. */
async function accepting(given: QuorumTls): Promise<number> {
  const actor = { ...SILENT, onReceived: (cx: Context, conn: never, bytes: Uint8Array) => cx.send(conn, bytes) };
  const listeners = [{ port: "quorum" as const, host: "127.0.0.1", tcpPort: 0, tls: given.listener }];
  const host = await startNetHost(actor, { listeners });
  cleanups.push(() => host.kill());
  return host.portOf("quorum")!;
}

/** What another server that dials there hears: its own words, or why it is closed. */
function dial(given: QuorumTls | undefined, to: string, words = "x".repeat(300_000)): Promise<string> {
  return new Promise((resolve) => {
    let heard = "";
    const actor: Actor = {
      ...SILENT,
      onStarted: (cx) => void cx.connect(to as Address),
      onConnected: (cx, conn) => cx.send(conn, Buffer.from(words)),
      onReceived(_cx, _conn, bytes) {
        heard += Buffer.from(bytes).toString();
        if (heard.length === words.length) resolve(heard === words ? "echo" : "other words");
      },
      onClosed: (_cx, _conn, cause) => resolve(cause),
    };
    void startNetHost(actor, { dialling: { tls: given?.dialler, timeout: 5000, keepAlive: true } }).then(
      (host: NetHost) => cleanups.push(() => host.kill()),
    );
  });
}

test("servers that name their hosts and trust each other talk, in both versions of TLS", async () => {
  for (const protocol of ["TLSv1.2", "TLSv1.3"]) {
    const port = await accepting(between({ ...SERVER, protocol }));
    expect(await dial(between(SERVER), `127.0.0.1:${port}`)).toBe("echo");
    expect(await dial(between(SERVER), `localhost:${port}`)).toBe("echo");
  }
});

test("nobody talks plainly to a port that is TLS only, nor is a plain port dialled with TLS", async () => {
  const port = await accepting(between(SERVER));
  expect(await dial(undefined, `127.0.0.1:${port}`, "words that are no handshake")).toMatch(/^(peer|reset)$/);
  const plain = net.createServer((socket) => socket.on("error", () => {}).end("no handshake"));
  await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => plain.close());
  expect(await dial(between(SERVER), `127.0.0.1:${(plain.address() as net.AddressInfo).port}`)).toBe("unreachable");
});

test("a port for both takes either", async () => {
  const port = await accepting(between(SERVER, true));
  expect(await dial(undefined, `127.0.0.1:${port}`)).toBe("echo");
  expect(await dial(between(SERVER), `127.0.0.1:${port}`)).toBe("echo");
});

test("a certificate that names another host is refused by whoever dials it", async () => {
  const port = await accepting(between(ELSEWHERE, false, ["elsewhere.example", "localhost"]));
  expect(await dial(between(SERVER), `127.0.0.1:${port}`)).toBe("unreachable");
  expect(await dial(between({ ...SERVER, hostnameVerification: false }), `127.0.0.1:${port}`)).toBe("echo");
});

test("a caller's certificate must name its address or the host of a member", async () => {
  const dialler = between({ ...ELSEWHERE, hostnameVerification: false });
  const strict = await accepting(between(SERVER, false, ["localhost"]));
  expect(await dial(dialler, `127.0.0.1:${strict}`)).toMatch(/^(peer|reset)$/);
  const member = await accepting(between(SERVER, false, ["elsewhere.example"]));
  expect(await dial(dialler, `127.0.0.1:${member}`)).toBe("echo");
  const lax = await accepting(between({ ...SERVER, clientHostnameVerification: false }));
  expect(await dial(dialler, `127.0.0.1:${lax}`)).toBe("echo");
});

test("a stranger is refused, whichever side it is on", async () => {
  const lax = { hostnameVerification: false };
  const port = await accepting(between({ ...SERVER, ...lax }));
  expect(await dial(between({ ...STRANGER, ...lax }), `127.0.0.1:${port}`)).toMatch(/^(peer|reset)$/);
  const stranger = await accepting(between({ ...STRANGER, ...lax, clientAuth: "none" }));
  expect(await dial(between({ ...SERVER, ...lax }), `127.0.0.1:${stranger}`)).toBe("unreachable");
});

test("a connection that does not come about in time counts as unreachable", async () => {
  const mute = net.createServer(() => {});
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => mute.close());
  const closed = new Promise((resolve) => {
    const actor: Actor = {
      ...SILENT,
      onStarted: (cx) => void cx.connect(`127.0.0.1:${(mute.address() as net.AddressInfo).port}` as Address),
      onClosed: (_cx, _conn, cause) => resolve(cause),
    };
    void startNetHost(actor, { dialling: { tls: between(SERVER).dialler, timeout: 30 } }).then((host) =>
      cleanups.push(() => host.kill()),
    );
  });
  expect(await closed).toBe("unreachable");
});

test("a trust store of Java's is read, by clients' ports too", () => {
  const read = readPkcs12Certificates(fs.readFileSync(file("trust.p12")), "secret");
  expect(read).toMatchObject({ kind: "certificates", certificates: [expect.any(Buffer), expect.any(Buffer)] });
  expect(tlsListener(SERVER, false, where).createServer()).toBeInstanceOf(tls.Server);
  expect(readPkcs12Certificates(Buffer.from("no such file at all"), "").kind).toBe("malformed");
  const bytes = fs.readFileSync(file("trust.p12"));
  for (let length = 0; length < bytes.length; length += 7) {
    expect(readPkcs12Certificates(bytes.subarray(0, length), "secret").kind).not.toBe("certificates");
  }
});

test("complaints name the keys of servers", () => {
  expect(() => between({ keyStore: "/k/server.jks" })).toThrow(
    /^zoo\.cfg: ssl\.quorum\.keyStore\.location: \/k\/server\.jks: only Java reads JKS; convert it: keytool -importkeystore /,
  );
  expect(() => between({ ...SERVER, trustStorePassword: "wrong" })).toThrow(
    /correct ssl\.quorum\.trustStore\.password$/,
  );
});
