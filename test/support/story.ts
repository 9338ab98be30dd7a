/** Facts and disk operations of three servers in words, for tests of what the checkers make of them. */
import type { DiskOp } from "../../core/actor.ts";
import { adler32 } from "../../core/base/checksums.ts";
import { packZxid } from "../../core/base/zxid.ts";
import { Writer } from "../../core/jute/writer.ts";
import { ENTRY_END, logHeader } from "../../core/storage/formats.ts";
import type { EnsembleCheckers } from "../../sim/checkers/all.ts";
import { ensembleCheckers } from "../../sim/checkers/all.ts";
import { majorityOf } from "../../sim/checkers/checker.ts";
import type { DiskRequest, DiskVerb } from "../../sim/disk.ts";
import type { FactName } from "../../sim/facts.ts";
import { ROLE_CODES } from "../../sim/facts.ts";

export const SERVERS = ["a", "b", "c"] as const;
export type Name = (typeof SERVERS)[number];
const DIRECTORY = "log/version-2";
const LOG = `${DIRECTORY}/log.1`;

export class Story {
  readonly blamed: string[] = [];
  readonly checkers: EnsembleCheckers;
  readonly #opened: Set<Name> = new Set();
  /** What each disk really holds, for {@link crash}. */
  readonly #disks: Map<Name, Map<string, Uint8Array>> = new Map();

  constructor() {
    const files = (host: string): Iterable<readonly [string, Uint8Array]> => this.#disks.get(host as Name) ?? [];
    this.checkers = ensembleCheckers(
      (invariant, what) => void this.blamed.push(`${invariant}: ${what}`),
      files,
      new Set(SERVERS),
      () => majorityOf(SERVERS),
    );
  }

  fact(host: Name, name: FactName, a: number, b = 0): this {
    this.checkers.listener.fact(host, name, a, b);
    return this;
  }

  did(host: Name, verb: DiskVerb, name: string, more: Partial<DiskRequest> = {}, ok = true): this {
    const request = { verb, op: 1 as DiskOp, name, otherName: "", offset: 0, length: 0, bytes: undefined, ...more };
    this.checkers.listener.did!(
      host,
      request,
      ok ? { kind: "synced" } : { kind: "failed", error: "io", detail: "made up" },
    );
    return this;
  }

  /** Hands a txn to the log: an entry is appended, not synced. `content` tells txns of one zxid apart. */
  log(host: Name, zxid: number, content = 0): this {
    this.fact(host, "logged", zxid);
    const header = this.#opened.has(host) ? new Uint8Array(0) : logHeader();
    this.#opened.add(host);
    const entry = entryOf(zxid, content);
    const bytes = new Uint8Array(header.length + entry.length);
    bytes.set(header);
    bytes.set(entry, header.length);
    this.#keep(host, LOG, bytes);
    return this.did(host, "append", LOG, { bytes });
  }
  sync(host: Name): this {
    return this.did(host, "sync", LOG).did(host, "syncDirectory", DIRECTORY);
  }
  /** Log, sync, and say so. */
  keep(host: Name, zxid: number): this {
    return this.log(host, zxid).sync(host).fact(host, "durable", zxid);
  }
  acknowledge(host: Name, zxid: number): this {
    return this.keep(host, zxid).fact(host, "acknowledged", zxid);
  }

  epochFile(host: Name, file: "acceptedEpoch" | "currentEpoch", epoch: number): this {
    const name = `data/version-2/${file}`;
    const bytes = Uint8Array.from(String(epoch), (digit) => digit.charCodeAt(0));
    return this.did(host, "append", `${name}.tmp`, { bytes })
      .did(host, "sync", `${name}.tmp`)
      .did(host, "rename", `${name}.tmp`, { otherName: name })
      .did(host, "syncDirectory", "data/version-2");
  }
  promise(host: Name, epoch: number): this {
    return this.epochFile(host, "acceptedEpoch", epoch).fact(host, "promised", epoch);
  }
  adopt(host: Name, epoch: number): this {
    return this.epochFile(host, "currentEpoch", epoch).fact(host, "adopted", epoch);
  }

  /** Discovery and synchronisation of `epoch` with nothing to bring anybody, led by `leader`. */
  establish(leader: Name, epoch: number, zxid: number, followers: readonly Name[]): this {
    for (const host of [leader, ...followers]) this.promise(host, epoch);
    this.adopt(leader, epoch);
    for (const host of followers) {
      this.fact(host, "synced", 13, zxid).adopt(host, epoch);
      this.fact(host, "acknowledged", packZxid(epoch, 0));
    }
    this.fact(leader, "established", epoch, zxid).fact(leader, "role", ROLE_CODES.leading, epoch);
    for (const host of followers) this.fact(host, "role", ROLE_CODES.following, epoch);
    return this;
  }

  /** One txn from proposal to commit, applied by all. */
  broadcast(leader: Name, zxid: number, followers: readonly Name[], digest = zxid): this {
    this.fact(leader, "proposed", zxid).keep(leader, zxid);
    for (const host of followers) this.acknowledge(host, zxid);
    for (const host of [leader, ...followers]) this.fact(host, "committed", zxid).fact(host, "applied", zxid, digest);
    return this;
  }

  /** Power is lost; the disk keeps what `keeps` says of its log's bytes (default: all of them). */
  crash(host: Name, keeps?: number): this {
    const disk = this.#disks.get(host);
    if (disk !== undefined && keeps !== undefined) disk.set(LOG, disk.get(LOG)!.slice(0, keeps));
    this.checkers.listener.ended!(host, true);
    return this;
  }

  #keep(host: Name, name: string, bytes: Uint8Array): void {
    let disk = this.#disks.get(host);
    if (disk === undefined) this.#disks.set(host, (disk = new Map<string, Uint8Array>()));
    const before = disk.get(name) ?? new Uint8Array(0);
    const after = new Uint8Array(before.length + bytes.length);
    after.set(before);
    after.set(bytes, before.length);
    disk.set(name, after);
  }
}

function entryOf(zxid: number, content: number): Uint8Array {
  const payload = new Writer();
  payload.long(7);
  payload.int(1);
  payload.long(zxid);
  payload.long(0);
  payload.int(-1);
  payload.int(content);
  const w = new Writer();
  w.int(0);
  w.int(adler32(payload.bytes, 0, payload.length) | 0);
  w.int(payload.length);
  w.raw(payload.bytes, 0, payload.length);
  w.byte(ENTRY_END);
  return w.take();
}
