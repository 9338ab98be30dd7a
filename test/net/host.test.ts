import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { startNetHost } from "../../net/host.ts";
import type { NetHost } from "../../net/host.ts";
import type { Actor, ConnId } from "../../core/actor.ts";
import { idle } from "../support/idle-actor.ts";
import { JournalActor } from "./journal-actor.ts";

const cleanups: (() => void | Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function makeVolumes(): { data: string; log: string } {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "vivarium-host-"));
  cleanups.push(() => fs.rmSync(directory, { recursive: true }));
  fs.mkdirSync(path.join(directory, "version-2"));
  return { data: directory, log: directory };
}

async function start(actor: Actor, volumes = makeVolumes()): Promise<NetHost> {
  const host = await startNetHost(actor, {
    volumes,
    listeners: [{ port: "client", host: "127.0.0.1", tcpPort: 0 }],
  });
  cleanups.push(() => host.kill());
  return host;
}

/** A client that collects what it gets. */
class Peer {
  readonly socket: net.Socket;
  text = "";
  readonly closed: Promise<void>;
  #wake: (() => void) | undefined;

  constructor(host: NetHost) {
    this.socket = net.connect(host.portOf("client")!, "127.0.0.1");
    this.socket.on("data", (bytes) => {
      this.text += bytes.toString();
      this.#wake?.();
    });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.socket.on("close", () => resolve()));
    cleanups.push(() => void this.socket.destroy());
  }
  async until(done: (text: string) => boolean): Promise<void> {
    while (!done(this.text)) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

test("a byte is echoed when it is durable, and is there after a restart", async () => {
  const volumes = makeVolumes();
  const first = await start(new JournalActor(), volumes);
  const peer = new Peer(first);
  peer.socket.write("a");
  await peer.until((text) => text === "a");
  peer.socket.write("bc");
  await peer.until((text) => text === "abc");
  await first.kill();
  expect(fs.readFileSync(path.join(volumes.log, "version-2/journal"), "utf8")).toBe("abc");
  const again = new JournalActor();
  const second = await start(again, volumes);
  const other = new Peer(second);
  other.socket.write("d");
  await other.until((text) => text === "d");
  expect(again.recovered).toBe("abc");
  expect(fs.readFileSync(path.join(volumes.log, "version-2/journal"), "utf8")).toBe("abcd");
});

test("a stop sends what was owed and then closes every connection", async () => {
  const host = await start({
    ...idle,
    onStopRequested(cx) {
      cx.send(1 as ConnId, Buffer.from("x".repeat(1_000_000)));
      cx.halt(0, "asked to");
    },
  });
  const peer = new Peer(host);
  await new Promise((resolve) => peer.socket.once("connect", resolve));
  await turns(5);
  host.requestStop();
  await peer.closed;
  expect(peer.text.length).toBe(1_000_000);
  expect(await host.halted).toEqual({ code: 0, reason: "asked to" });
});

test("a handler that throws ends the actor, and nothing of its event is sent", async () => {
  const host = await start({
    ...idle,
    onReceived(cx, conn) {
      cx.send(conn, Buffer.from("never"));
      throw new Error("a bug");
    },
  });
  const peer = new Peer(host);
  peer.socket.write("go");
  await peer.closed;
  expect(peer.text).toBe("");
  expect(await host.halted).toEqual({ code: 1, reason: "a bug" });
});

test("a peer that has finished writing still gets the answer to what it wrote", async () => {
  const causes: string[] = [];
  const host = await start({
    ...idle,
    onReceived: (cx, conn) => cx.send(conn, Buffer.from("imok")),
    onClosed: (_cx, _conn, cause) => void causes.push(cause),
  });
  const peer = new Peer(host);
  peer.socket.end("ruok");
  await peer.closed;
  expect(peer.text).toBe("imok");
  expect(causes).toEqual(["peer"]);
});

test("a closed connection gets what was sent before, even with unread bytes behind", async () => {
  const causes: string[] = [];
  const host = await start({
    ...idle,
    onReceived(cx, conn) {
      cx.send(conn, Buffer.from("bye"));
      cx.close(conn);
    },
    onClosed: (_cx, _conn, cause) => void causes.push(cause),
  });
  const peer = new Peer(host);
  peer.socket.write("x".repeat(3_000_000));
  peer.socket.on("end", () => peer.socket.end());
  await peer.closed;
  expect(peer.text).toBe("bye");
  expect(causes).toEqual(["local"]);
});

test("a paused connection delivers nothing until it is resumed", async () => {
  let conn: ConnId | undefined;
  let received = 0;
  const host = await start({
    ...idle,
    onReceived(cx, from, bytes) {
      conn = from;
      if (received === 0) cx.pause(from);
      received += bytes.length;
      if (received >= 2) cx.send(from, Buffer.from("done"));
    },
  });
  const peer = new Peer(host);
  peer.socket.write("1");
  while (conn === undefined) await turns(1);
  peer.socket.write("2");
  await turns(20);
  expect(received).toBe(1);
  host.run((cx) => cx.resume(conn!));
  await peer.until((text) => text === "done");
});

test("a slow reader raises the queue, and draining it is told once", async () => {
  let drained = 0;
  let queued = 0;
  const host = await start({
    ...idle,
    onReceived(cx, conn) {
      for (let i = 0; i < 64; i++) cx.send(conn, new Uint8Array(256 * 1024));
      queued = cx.queued(conn);
    },
    onDrained: () => void drained++,
  });
  const peer = new Peer(host);
  let got = 0;
  peer.socket.removeAllListeners("data");
  peer.socket.pause();
  peer.socket.write("go");
  while (queued === 0) await turns(1);
  await turns(20);
  expect(queued).toBe(16 * 1024 * 1024);
  expect(drained).toBe(0);
  peer.socket.on("data", (bytes) => (got += bytes.length));
  peer.socket.resume();
  while (got < 16 * 1024 * 1024 || drained === 0) await turns(1);
  await turns(5);
  expect(drained).toBe(1);
});

test("a deadline in the past comes once the turn's bytes have been delivered, never nested", async () => {
  const order: string[] = [];
  let wanted = Infinity;
  let depth = 0;
  const host = await start({
    ...idle,
    onReceived(cx) {
      depth++;
      order.push("received");
      wanted = cx.now - 5;
      depth--;
    },
    onDeadline(cx) {
      order.push(`deadline ${depth} ${cx.now >= wanted}`);
      wanted = Infinity;
    },
    deadline: () => wanted,
  });
  new Peer(host).socket.write("x");
  while (order.length < 2) await turns(1);
  expect(order).toEqual(["received", "deadline 0 true"]);
});

test("a deadline in the future comes at or after its instant", async () => {
  const seen: number[] = [];
  let wanted = Infinity;
  const host = await start({
    ...idle,
    onStarted: (cx) => void (wanted = cx.now + 7),
    onDeadline(cx) {
      if (cx.now >= wanted) {
        seen.push(cx.now - wanted);
        wanted = Infinity;
        cx.halt(0, "seen");
      }
    },
    deadline: () => wanted,
  });
  await host.halted;
  expect(seen.length).toBe(1);
  expect(seen[0]).toBeGreaterThanOrEqual(0);
});

test("dialling nobody is refused, a name that is none is unreachable, a listener connects", async () => {
  const server = await start(idle);
  const got = new Map<ConnId, string>();
  const conns: ConnId[] = [];
  const host = await start({
    ...idle,
    onStarted(cx) {
      conns.push(cx.connect("127.0.0.1:1" as never));
      conns.push(cx.connect("127.0.0.1:99999" as never));
      conns.push(cx.connect(`127.0.0.1:${server.portOf("client")}` as never));
      const own = cx.connect(`127.0.0.1:${server.portOf("client")}` as never);
      cx.close(own);
      conns.push(own);
    },
    onConnected: (_cx, conn) => void got.set(conn, "connected"),
    onClosed: (_cx, conn, cause) => void got.set(conn, cause),
  });
  while (got.size < 4) await turns(1);
  expect(conns.map((conn) => got.get(conn))).toEqual(["refused", "unreachable", "connected", "local"]);
  await host.kill();
});

test("a port in use rejects with the system's error and leaves nothing open", async () => {
  const host = await start(idle);
  const listeners = [{ port: "client" as const, host: "127.0.0.1", tcpPort: host.portOf("client")! }];
  await expect(startNetHost(idle, { listeners })).rejects.toMatchObject({ code: "EADDRINUSE" });
});

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
