/**
 * Histories on a disk, made by the storage's own writers: every txn with zxid z creates the node `/z<z>`, so which txns
 * a tree has can be read off it.
 */
import type { Context } from "../../core/actor.ts";
import type { SessionId } from "../../core/base/ids.ts";
import { epochOf, packZxid } from "../../core/base/zxid.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import { DEFAULT_SERVER_CONFIG } from "../../core/config.ts";
import type { ServerConfig } from "../../core/config.ts";
import { Writer } from "../../core/jute/writer.ts";
import { OPEN_ACL_UNSAFE } from "../../core/protocol/data.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import { writeTxnEntry } from "../../core/protocol/txns.ts";
import type { Txn } from "../../core/protocol/txns.ts";
import { Recovery } from "../../core/storage/recovery.ts";
import type { Recovered, RecoveryResult } from "../../core/storage/recovery.ts";
import { SnapshotWriter } from "../../core/storage/snapshot-writer.ts";
import { TxnLog } from "../../core/storage/txn-log.ts";
import { DataTree, NO_LISTENER } from "../../core/tree/data-tree.ts";
import { MemoryDisk } from "./memory-disk.ts";
import type { DiskUser } from "./memory-disk.ts";
import type { Files } from "./sim-storage.ts";

export const SESSION = 0x100000000000000n as SessionId;

export function configWith(changes: Partial<ServerConfig> = {}): ServerConfig {
  return { ...DEFAULT_SERVER_CONFIG, preAllocSize: 0, ...changes };
}
export function newTree(): DataTree {
  return new DataTree({ extendedTypes: false, emulate353: false, digest: true });
}

/** Both disks of the tests. */
export interface EventHost {
  event<T>(body: (cx: Context) => T): T;
  settle(user: DiskUser): void;
}

export function recover(host: EventHost, config: ServerConfig = configWith()): RecoveryResult {
  const recovery = new Recovery(config, newTree);
  host.event((cx) => recovery.start(cx));
  host.settle(recovery);
  if (recovery.result === undefined) throw new Error("recovery did not end");
  return recovery.result;
}
export function recovered(host: EventHost, config: ServerConfig = configWith()): Recovered {
  const result = recover(host, config);
  if ("fatal" in result) throw new Error(result.fatal);
  return result;
}

/** The zxids of the txns whose effects are in a tree. */
export function zxidsIn(tree: DataTree): number[] {
  return tree
    .children(tree.find("/"))
    .filter((name) => name.startsWith("z") && name !== "zookeeper")
    .map((name) => Number(name.slice(1)))
    .toSorted((a, b) => a - b);
}

/** A server of storage only, that writes a history. */
export class Chronicler {
  readonly disk: MemoryDisk = new MemoryDisk();
  readonly config: ServerConfig;
  readonly tree: DataTree;
  readonly log: TxnLog;
  readonly zxids: Zxid[] = [];
  last: Zxid;
  /** Of the snapshots taken. */
  readonly snapshots: Zxid[] = [];

  constructor(config: ServerConfig = configWith()) {
    this.config = config;
    const { tree, lastZxid } = recovered(this.disk, config);
    this.tree = tree;
    this.last = lastZxid;
    this.log = new TxnLog(config, lastZxid);
  }

  /** The next txn, logged and applied. `padding` makes it larger. */
  write(padding = 0): Zxid {
    const zxid = (this.last + 1) as Zxid;
    const payload = this.payload(zxid, padding);
    this.disk.event((cx) => this.log.append(cx, zxid, payload));
    this.last = zxid;
    this.zxids.push(zxid);
    return zxid;
  }
  writeMany(count: number): void {
    for (let i = 0; i < count; i++) this.write();
  }

  payload(zxid: Zxid, padding = 0): Uint8Array {
    const txn: Txn = {
      type: OpCode.create,
      path: `/z${zxid}`,
      data: new Uint8Array(padding).fill(zxid % 251),
      acl: OPEN_ACL_UNSAFE,
      ephemeral: false,
      parentCVersion: this.tree.cversion(this.tree.find("/")) + 1,
    };
    const header = { clientId: SESSION, cxid: 1, zxid, time: 1_700_000_000_000, type: txn.type };
    this.tree.apply(header, txn, NO_LISTENER);
    const { high, low } = this.tree.treeDigest;
    const w = new Writer();
    writeTxnEntry(w, { header, txn, digest: { version: 2, high, low } });
    return w.take();
  }

  commit(): void {
    if (!this.disk.event((cx) => this.log.commit(cx))) this.disk.settle(this.log);
  }

  /** The next txn begins a new epoch. */
  nextEpoch(): void {
    this.last = packZxid(epochOf(this.last) + 1, 0);
  }

  /** The next txn begins a new file. */
  roll(): void {
    this.commit();
    this.log.roll();
  }

  /** Takes a snapshot; `during` happens in the middle of it. */
  snapshot(during: () => void = () => {}): void {
    this.roll();
    this.snapshots.push(this.tree.lastProcessedZxid);
    const writer = new SnapshotWriter(this.tree, [[SESSION, 30_000]], this.tree.lastProcessedZxid, this.config);
    let nodes = 3;
    let progress = this.disk.event((cx) => writer.step(cx, nodes));
    while (progress !== "finished") {
      if (progress === "full" || progress === "io") throw new Error(writer.failure);
      if (progress === "more") {
        if (nodes === 3) during();
        nodes = 1000;
        progress = this.disk.event((cx) => writer.step(cx, nodes));
      } else progress = this.disk.completeOne(writer) as typeof progress;
    }
    this.commit();
  }

  /** What is on the disk, everything committed. */
  files(): Files {
    this.commit();
    return new Map(this.disk.names().map((name) => [name, this.disk.read(name)]));
  }
}
