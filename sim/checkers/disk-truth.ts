/**
 * What is durable on every server, from the operations of its disk and nothing else: the checkers' own books, so that a
 * server which says `durable` too early is found out. A txn counts when the bytes of its entry are synced in a log file
 * whose name is, or a snapshot that has it is. Also every txn's content, which is the same on all servers (I4, I7).
 */
import type { DiskOutcome } from "../../core/actor.ts";
import { adler32 } from "../../core/base/checksums.ts";
import { Reader } from "../../core/jute/reader.ts";
import { ENTRY_END, ENTRY_OVERHEAD_BYTES, ENTRY_PREFIX_BYTES, FILE_HEADER_BYTES } from "../../core/storage/formats.ts";
import type { DiskRequest } from "../disk.ts";
import type { Blame, Checker } from "./checker.ts";
import { showZxid } from "./checker.ts";

/** Where the zxid stands in a txn's header: behind the session and the cxid. */
const ZXID_AT = 12;
const LOG_FILE = /\/log\.[0-9a-f]+$/;
const SNAPSHOT_FILE = /\/snapshot\.([0-9a-f]+)$/;
const EPOCH_FILE = /\/(acceptedEpoch|currentEpoch)$/;

interface Entry {
  readonly zxid: number;
  /** The offset behind it. */
  readonly end: number;
}

/** One file as far as a loss of power is concerned. */
interface Book {
  entries: Entry[];
  /** Bytes appended, and how many of them are durable. */
  size: number;
  synced: number;
  named: boolean;
  /** A sync of it failed: later ones prove nothing. */
  doubtful: boolean;
  /** An append failed: nothing is written, and nothing synced, until this run of the server has ended. */
  stuck: boolean;
  /** Of an epoch file. */
  text: string;
}

class Server {
  books: Map<string, Book> = new Map();
  /** Snapshots and epochs that are durable. */
  snapshot = -1;
  acceptedEpoch = -1;
  currentEpoch = -1;
}

export type FilesOf = (host: string) => Iterable<readonly [name: string, bytes: Uint8Array]>;

export class DiskTruth implements Checker {
  readonly name = "I4 I7";
  readonly #blame: Blame;
  readonly #filesOf: FilesOf;
  readonly #servers: Map<string, Server> = new Map();
  readonly #payloads: Map<number, Uint8Array> = new Map();
  /** Entries of two servers compared. */
  premises = 0;

  /** `filesOf`: what a server's disk holds after a crash. */
  constructor(blame: Blame, filesOf: FilesOf) {
    this.#blame = blame;
    this.#filesOf = filesOf;
  }

  /** Every txn that reached any log: header, body, digest. */
  get payloads(): ReadonlyMap<number, Uint8Array> {
    return this.#payloads;
  }

  /** Would `host` have `zxid` after losing power this very moment? */
  holds(host: string, zxid: number): boolean {
    const server = this.#servers.get(host);
    if (server === undefined) return false;
    if (server.snapshot >= zxid) return true;
    for (const [name, book] of server.books) {
      if (!book.named || !LOG_FILE.test(name)) continue;
      const entry = find(book.entries, zxid);
      if (entry !== undefined && entry.end <= book.synced) return true;
    }
    return false;
  }
  /** Does the log of `host` have `zxid`, durable or not? */
  logged(host: string, zxid: number): boolean {
    for (const [name, book] of this.#servers.get(host)?.books ?? []) {
      if (LOG_FILE.test(name) && find(book.entries, zxid) !== undefined) return true;
    }
    return false;
  }
  snapshotOf(host: string): number {
    return this.#servers.get(host)?.snapshot ?? -1;
  }
  /** -1 before the first one. */
  epochOf(host: string, file: "acceptedEpoch" | "currentEpoch"): number {
    return this.#servers.get(host)?.[file] ?? -1;
  }

  fact(): void {}

  did(host: string, request: DiskRequest, outcome: DiskOutcome): void {
    const { verb } = request;
    if (verb === "readAt" || verb === "list" || verb === "reserve") return;
    const server = this.#server(host);
    const ok = outcome.kind !== "failed";
    if (verb === "syncDirectory") {
      if (ok) this.#nameAll(server, request.name);
      return;
    }
    const name = plain(request.name);
    if (verb === "append") return this.#append(server, host, name, request.bytes!, ok);
    const book = server.books.get(name);
    if (book === undefined) return;
    if (verb === "sync") {
      if (!ok) book.doubtful ||= !book.stuck;
      else if (!book.doubtful) book.synced = book.size;
      settle(server, name, book);
      return;
    }
    if (!ok) return;
    if (verb === "truncate") {
      book.size = Math.min(book.size, request.length);
      book.synced = Math.min(book.synced, request.length);
      book.entries = book.entries.filter((entry) => entry.end <= request.length);
      book.text = book.text.slice(0, request.length);
      return;
    }
    server.books.delete(name);
    if (verb === "rename") {
      const other = plain(request.otherName);
      const replaced = server.books.get(other);
      // The name is there already, and whichever of the two it leads to after a loss of power is that snapshot.
      const isThere = replaced?.named === true && replaced.synced >= replaced.size && book.synced >= book.size;
      book.named = isThere && SNAPSHOT_FILE.test(other);
      server.books.set(other, book);
      if (SNAPSHOT_FILE.test(other)) server.snapshot = newestSnapshot(server);
    } else if (SNAPSHOT_FILE.test(name)) server.snapshot = newestSnapshot(server);
  }

  ended(host: string, power: boolean): void {
    this.reread(host, power);
  }

  /** What is there is read anew. After a loss of power all of it is durable. */
  reread(host: string, power: boolean): void {
    const server = this.#server(host);
    const books = new Map<string, Book>();
    for (const [path, bytes] of this.#filesOf(host)) {
      const name = plain(path);
      const before = server.books.get(name);
      const entries = LOG_FILE.test(name) ? readEntries(bytes) : [];
      this.#learn(bytes, entries);
      const size = LOG_FILE.test(name) ? (entries.at(-1)?.end ?? FILE_HEADER_BYTES) : bytes.length;
      const synced = power ? size : Math.min(size, before?.synced ?? 0);
      const text = EPOCH_FILE.test(name.replace(".tmp", "")) ? textOf(bytes) : "";
      const known = power || (before?.named ?? false);
      books.set(name, {
        entries,
        size,
        synced,
        named: known,
        doubtful: !power && (before?.doubtful ?? false),
        stuck: false,
        text,
      });
    }
    server.books = books;
    server.snapshot = newestSnapshot(server);
    for (const [name, book] of books) settle(server, name, book);
  }

  #append(server: Server, host: string, name: string, bytes: Uint8Array, ok: boolean): void {
    let book = server.books.get(name);
    if (book === undefined) {
      book = { entries: [], size: 0, synced: 0, named: false, doubtful: false, stuck: false, text: "" };
      server.books.set(name, book);
    }
    if (!ok) {
      book.stuck = true;
      return;
    }
    if (LOG_FILE.test(name)) this.#appendEntries(host, name, book, bytes);
    else if (EPOCH_FILE.test(name.replace(".tmp", ""))) book.text += textOf(bytes);
    book.size += bytes.length;
  }

  #appendEntries(host: string, name: string, book: Book, bytes: Uint8Array): void {
    let at = book.size < FILE_HEADER_BYTES ? FILE_HEADER_BYTES - book.size : 0;
    while (at < bytes.length) {
      const length = new Reader(bytes, at + 8, at + ENTRY_PREFIX_BYTES).int();
      const start = at + ENTRY_PREFIX_BYTES;
      at += length + ENTRY_OVERHEAD_BYTES;
      if (length <= 0 || at > bytes.length) return this.#blame("D5", `${host} wrote no whole entry to ${name}`);
      const zxid = zxidAt(bytes, start);
      const last = book.entries.at(-1)?.zxid ?? -1;
      if (zxid <= last) this.#blame("D5", `${host} logged ${showZxid(zxid)} behind ${showZxid(last)} in ${name}`);
      book.entries.push({ zxid, end: book.size + at });
      this.#compare(host, zxid, bytes.subarray(start, start + length));
    }
  }

  /** A write that failed may have been whole all the same. */
  #learn(bytes: Uint8Array, entries: readonly Entry[]): void {
    let at = FILE_HEADER_BYTES;
    for (const { zxid, end } of entries) {
      if (!this.#payloads.has(zxid)) this.#payloads.set(zxid, bytes.slice(at + ENTRY_PREFIX_BYTES, end - 1));
      at = end;
    }
  }

  #compare(host: string, zxid: number, payload: Uint8Array): void {
    const known = this.#payloads.get(zxid);
    if (known === undefined) {
      this.#payloads.set(zxid, payload);
      return;
    }
    this.premises++;
    if (known.length === payload.length && known.every((byte, i) => byte === payload[i])) return;
    this.#blame("I4", `${host} logged another txn as ${showZxid(zxid)} than somebody before`);
  }

  #nameAll(server: Server, directory: string): void {
    const within = `${plain(directory)}/`;
    for (const [name, book] of server.books) {
      if (book.named || !name.startsWith(within)) continue;
      book.named = true;
      settle(server, name, book);
    }
  }

  #server(host: string): Server {
    let server = this.#servers.get(host);
    if (server === undefined) this.#servers.set(host, (server = new Server()));
    return server;
  }
}

/** `log/…` and `data/…` are the same volume in some plans, and never hold files of one name in others. */
function plain(name: string): string {
  return name.startsWith("log/") ? `data/${name.slice(4)}` : name;
}

/** A snapshot or an epoch counts from the moment its bytes and its name are durable. */
function settle(server: Server, name: string, book: Book): void {
  if (!book.named || book.synced < book.size) return;
  const snapshot = SNAPSHOT_FILE.exec(name);
  if (snapshot !== null) server.snapshot = Math.max(server.snapshot, Number.parseInt(snapshot[1]!, 16));
  const epoch = EPOCH_FILE.exec(name);
  if (epoch !== null) server[epoch[1] as "acceptedEpoch" | "currentEpoch"] = Number(book.text);
}

function newestSnapshot(server: Server): number {
  let newest = -1;
  for (const [name, book] of server.books) {
    const snapshot = SNAPSHOT_FILE.exec(name);
    if (snapshot === null || !book.named || book.synced < book.size) continue;
    newest = Math.max(newest, Number.parseInt(snapshot[1]!, 16));
  }
  return newest;
}

/** The entries up to the first that is not whole. */
function readEntries(bytes: Uint8Array): Entry[] {
  const entries: Entry[] = [];
  let at = FILE_HEADER_BYTES;
  while (at + ENTRY_OVERHEAD_BYTES <= bytes.length) {
    const r = new Reader(bytes, at, at + ENTRY_PREFIX_BYTES);
    r.int();
    const sum = r.int() >>> 0;
    const length = r.int();
    const start = at + ENTRY_PREFIX_BYTES;
    const end = start + length + 1;
    if (length <= 0 || end > bytes.length || bytes[end - 1] !== ENTRY_END) break;
    if (adler32(bytes, start, start + length) !== sum) break;
    entries.push({ zxid: zxidAt(bytes, start), end });
    at = end;
  }
  return entries;
}

function zxidAt(bytes: Uint8Array, payload: number): number {
  return new Reader(bytes, payload + ZXID_AT, payload + ZXID_AT + 8).zxid();
}

function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Entries are in order of zxid. */
function find(entries: readonly Entry[], zxid: number): Entry | undefined {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entries[middle]!.zxid < zxid) low = middle + 1;
    else high = middle;
  }
  return entries[low]?.zxid === zxid ? entries[low] : undefined;
}
