import { expect, test } from "vitest";
import { NO_FACTS } from "../../../core/actor.ts";
import type { Context, FileName } from "../../../core/actor.ts";
import { adler32 } from "../../../core/base/checksums.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { DEFAULT_SERVER_CONFIG } from "../../../core/config.ts";
import { TxnLogReader } from "../../../core/storage/txn-log-reader.ts";
import { TxnLog } from "../../../core/storage/txn-log.ts";
import type { TxnLogConfig } from "../../../core/storage/txn-log.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";

const LOG_1 = "log/version-2/log.1";

function newLog(changes: Partial<TxnLogConfig> = {}, lastZxid = 0): TxnLog {
  return new TxnLog({ ...DEFAULT_SERVER_CONFIG, preAllocSize: 0, ...changes }, lastZxid as Zxid);
}

/** A payload that has a zxid where a txn header has it, and is otherwise filled. */
function payload(zxid: number, length = 60): Uint8Array {
  const bytes = new Uint8Array(length).fill(zxid);
  bytes.fill(0, 12, 16);
  new DataView(bytes.buffer).setUint32(16, zxid);
  return bytes;
}

function append(disk: MemoryDisk, log: TxnLog, ...zxids: number[]): void {
  disk.event((cx: Context) => {
    for (const zxid of zxids) log.append(cx, zxid as Zxid, payload(zxid));
  });
}

function commit(disk: MemoryDisk, log: TxnLog): boolean {
  return disk.event((cx) => log.commit(cx));
}

/** The zxids in a file, and how it ends. */
function entriesOf(bytes: Uint8Array, chunk = 1 << 20): { zxids: number[]; reader: TxnLogReader; end: string } {
  const reader = new TxnLogReader(1 as Zxid, 2_097_150, chunk);
  const zxids: number[] = [];
  for (;;) {
    const step = reader.next();
    if (step === "entry")
      zxids.push(new DataView(reader.bytes.buffer, reader.bytes.byteOffset).getUint32(reader.start + 16));
    else if (step === "more") {
      const end = Math.min(bytes.length, reader.wantedOffset + reader.wantedLength);
      reader.feed(bytes.slice(reader.wantedOffset, end), end === bytes.length);
    } else return { zxids, reader, end: step };
  }
}

test("an entry is a checksum of the payload alone, a length, the payload and a B, after a header", () => {
  const disk = new MemoryDisk();
  const log = newLog();
  append(disk, log, 1);
  const file = disk.read(LOG_1);
  expect(Buffer.from(file.subarray(0, 16)).toString("hex")).toBe("5a4b4c47000000020000000000000000");
  const view = new DataView(file.buffer);
  expect(view.getBigInt64(16)).toBe(BigInt(adler32(payload(1), 0, 60)));
  expect(view.getInt32(24)).toBe(60);
  expect(file.subarray(28, 88)).toEqual(payload(1));
  expect(file[88]).toBe(0x42);
  expect(file.length).toBe(89);
});

test("a file is padded first to its header plus preAllocSize, then by whole steps", () => {
  const disk = new MemoryDisk();
  const log = newLog({ preAllocSize: 65536 });
  append(disk, log, 1);
  expect(disk.read(LOG_1).length).toBe(65552);
  disk.event((cx) => log.append(cx, 2 as Zxid, payload(2, 61_400)));
  expect(disk.read(LOG_1).length).toBe(65552);
  append(disk, log, 3);
  expect(disk.read(LOG_1).length).toBe(131_088);
  disk.event((cx) => log.append(cx, 4 as Zxid, payload(4, 200_000)));
  append(disk, log, 5);
  expect(disk.read(LOG_1).length % 65536).toBe(0);
  expect(entriesOf(disk.read(LOG_1)).zxids).toEqual([1, 2, 3, 4, 5]);
});

test("one sync makes a whole group durable, and the first one of a file syncs its name too", () => {
  const disk = new MemoryDisk();
  const log = newLog();
  append(disk, log, 1, 2, 3);
  expect(log.durableZxid).toBe(0);
  expect(commit(disk, log)).toBe(false);
  append(disk, log, 4);
  expect(disk.completeOne(log)).toBe("waiting");
  expect(log.durableZxid).toBe(0);
  expect(disk.completeOne(log)).toBe("durable");
  expect(log.durableZxid).toBe(3);
  expect(log.uncommitted).toBe(true);
  commit(disk, log);
  expect(disk.completeOne(log)).toBe("durable");
  expect(log.durableZxid).toBe(4);
  expect(commit(disk, log)).toBe(true);
  expect(disk.trace).toEqual([`sync ${LOG_1}`, "syncDirectory log/version-2", `sync ${LOG_1}`]);
});

test("after a roll the old file is synced before the new one receives its first entry", () => {
  const disk = new MemoryDisk();
  const log = newLog();
  append(disk, log, 1, 2);
  log.roll();
  append(disk, log, 3, 4);
  expect(disk.names()).toEqual([LOG_1]);
  commit(disk, log);
  disk.completeOne(log);
  expect(disk.completeOne(log)).toBe("durable");
  expect(log.durableZxid).toBe(2);
  expect(log.syncing).toBe(true);
  append(disk, log, 5);
  disk.settle(log);
  expect(log.durableZxid).toBe(4);
  expect(entriesOf(disk.read("log/version-2/log.3")).zxids).toEqual([3, 4, 5]);
  commit(disk, log);
  disk.settle(log);
  disk.crash();
  expect(entriesOf(disk.read(LOG_1)).zxids).toEqual([1, 2]);
  expect(entriesOf(disk.read("log/version-2/log.3")).zxids).toEqual([3, 4, 5]);
});

test("a roll while a commit is under way loses nothing and keeps the order", () => {
  const disk = new MemoryDisk();
  const log = newLog();
  append(disk, log, 1);
  commit(disk, log);
  append(disk, log, 2);
  log.roll();
  append(disk, log, 3);
  disk.settle(log);
  expect(log.durableZxid).toBe(1);
  append(disk, log, 4);
  commit(disk, log);
  disk.settle(log);
  expect(log.durableZxid).toBe(4);
  expect(entriesOf(disk.read(LOG_1)).zxids).toEqual([1, 2]);
  expect(entriesOf(disk.read("log/version-2/log.3")).zxids).toEqual([3, 4]);
});

test("a roll of a durable file begins the next one at once", () => {
  const disk = new MemoryDisk();
  const log = newLog();
  append(disk, log, 1);
  commit(disk, log);
  disk.settle(log);
  expect(log.txnsSinceRoll).toBe(1);
  log.roll();
  expect([log.txnsSinceRoll, log.bytesSinceRoll]).toEqual([0, 0]);
  append(disk, log, 2);
  expect(disk.names()).toEqual([LOG_1, "log/version-2/log.2"]);
  expect([log.txnsSinceRoll, log.bytesSinceRoll]).toEqual([1, 73]);
});

test("past txnLogSizeLimit the next commit's successor is a new file", () => {
  const disk = new MemoryDisk();
  const log = newLog({ txnLogSizeLimit: 100 });
  for (let zxid = 1; zxid <= 5; zxid++) {
    append(disk, log, zxid);
    commit(disk, log);
    disk.settle(log);
  }
  expect(disk.names()).toEqual([LOG_1, "log/version-2/log.3", "log/version-2/log.5"]);
  expect(log.txnsSinceRoll).toBe(5);
});

test("with forceSync off a commit is durable at once", () => {
  const disk = new MemoryDisk();
  const log = newLog({ forceSync: false });
  append(disk, log, 1);
  expect(commit(disk, log)).toBe(true);
  expect(log.durableZxid).toBe(1);
  log.roll();
  append(disk, log, 2);
  expect(commit(disk, log)).toBe(true);
  expect(disk.names()).toEqual([LOG_1, "log/version-2/log.2"]);
  disk.settle(log);
  expect(log.durableZxid).toBe(2);
});

test("a full disk is reported, the tail can be given up, and the log goes on in a new file when there is room", () => {
  const disk = new MemoryDisk();
  const log = newLog();
  append(disk, log, 1, 2);
  commit(disk, log);
  disk.settle(log);
  disk.capacity = disk.read(LOG_1).length + 80;
  append(disk, log, 3, 4);
  commit(disk, log);
  append(disk, log, 5);
  expect(disk.completeOne(log)).toBe("full");
  expect(log.failure).toContain(LOG_1);
  expect(log.durableZxid).toBe(2);

  disk.event((cx) => log.abandonTail(cx));
  expect(log.syncing).toBe(true);
  expect(disk.completeOne(log)).toBe("waiting");
  expect(disk.completeOne(log)).toBe("abandoned");
  disk.crash();
  expect(entriesOf(disk.read(LOG_1))).toMatchObject({ zxids: [1, 2], end: "end" });

  disk.capacity = Infinity;
  append(disk, log, 3);
  commit(disk, log);
  disk.settle(log);
  expect(log.durableZxid).toBe(3);
  expect(entriesOf(disk.read("log/version-2/log.3")).zxids).toEqual([3]);
});

test("a file whose first commit failed is removed, because its name will be used again", () => {
  const disk = new MemoryDisk();
  const log = newLog();
  disk.capacity = 50;
  append(disk, log, 1);
  commit(disk, log);
  disk.completeOne(log);
  expect(disk.completeOne(log)).toBe("full");
  disk.event((cx) => log.abandonTail(cx));
  disk.settle(log);
  expect(disk.names()).toEqual([]);
  disk.capacity = Infinity;
  append(disk, log, 1);
  commit(disk, log);
  disk.settle(log);
  expect(entriesOf(disk.read(LOG_1)).zxids).toEqual([1]);
});

test("a slow sync is told to the operator", () => {
  const lines: string[] = [];
  const disk = new MemoryDisk({
    ...NO_FACTS,
    log: (level, message) => lines.push(`${level} ${message}`),
  });
  const log = newLog();
  append(disk, log, 1);
  commit(disk, log);
  disk.advance(1500);
  disk.settle(log);
  expect(lines).toEqual(["warn syncing the transaction log was slow and delays every write"]);
  expect(log.lastSyncDuration).toBeGreaterThan(1000);
});

function logWith(...lengths: number[]): Uint8Array {
  const disk = new MemoryDisk();
  const log = newLog();
  disk.event((cx) => lengths.forEach((length, i) => log.append(cx, (i + 1) as Zxid, payload(i + 1, length))));
  return disk.read(LOG_1);
}

test("entries are found whatever the size of the pieces, also when they are longer than a piece", () => {
  const bytes = logWith(40, 3000, 33, 70_000, 60, 40);
  for (const chunk of [16, 17, 100, 1000, 4096, 1 << 20]) {
    const { zxids, end, reader } = entriesOf(bytes, chunk);
    expect(zxids).toEqual([1, 2, 3, 4, 5, 6]);
    expect(end).toBe("end");
    expect(reader.endedCleanly).toBe(true);
  }
});

test("a log may end anywhere: what is incomplete is left out without a complaint", () => {
  const bytes = logWith(40, 40, 40);
  const ends = [16, 69, 122, 175];
  for (let length = 16; length <= bytes.length; length++) {
    const { zxids, end } = entriesOf(bytes.slice(0, length));
    expect(end).toBe("end");
    expect(zxids.length).toBe(ends.filter((at) => at <= length).length - 1);
    // Padding behind the tear changes nothing.
    const padded = new Uint8Array(5000);
    padded.set(bytes.subarray(0, length));
    const torn = entriesOf(padded);
    if (torn.end === "end") expect(torn.zxids.length).toBe(zxids.length);
    else expect(torn.reader.damage).toContain("checksum");
  }
});

test("every flipped bit of a middle entry is noticed", () => {
  const bytes = logWith(40, 40, 40);
  for (let bit = 69 * 8; bit < 122 * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const { end, reader } = entriesOf(flipped);
    expect(end).toBe("damaged");
    expect(reader.damageOffset).toBe(69);
  }
});

test("a flipped bit in the payload of the last entry is damage too, not a torn tail", () => {
  const bytes = logWith(40, 40, 40);
  for (let bit = (122 + 12) * 8; bit < (122 + 52) * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expect(entriesOf(flipped).end).toBe("damaged");
  }
});

test("an entry beyond the limit is believed if it is whole, and a length beyond it is damage if nothing confirms it", () => {
  const bytes = logWith(40, 3_000_000, 40);
  expect(entriesOf(bytes).zxids).toEqual([1, 2, 3]);
  for (const offset of [69 + 8, 69 + 9]) {
    const flipped = logWith(40, 40, 40);
    flipped[offset]! ^= 0x40;
    expect(entriesOf(flipped)).toMatchObject({ end: "damaged" });
    expect(entriesOf(flipped).reader.damage).toMatch(/claims a length of \d+ bytes, and 2097150 is the most/);
  }
});

test("a header that a crash cut short marks the file as holding nothing; a wrong one is damage", () => {
  const bytes = logWith(40);
  for (let length = 0; length < 16; length++) {
    const cut = entriesOf(bytes.slice(0, length));
    expect([cut.end, cut.reader.isStillborn]).toEqual(["end", true]);
    const padded = new Uint8Array(600);
    padded.set(bytes.subarray(0, length));
    expect(entriesOf(padded).reader.isStillborn).toBe(length < 8);
  }
  const wrong = bytes.slice();
  wrong[0] = 0;
  expect(entriesOf(wrong)).toMatchObject({ end: "damaged", zxids: [] });
  expect(entriesOf(Uint8Array.of(1, 2, 3))).toMatchObject({ end: "damaged" });
});

test("the file a log writes to can be asked for", () => {
  const disk = new MemoryDisk();
  const log = newLog({}, 0x1_0000_0000);
  expect(log.file).toBe(undefined);
  append(disk, log, 0x1_0000_0001);
  expect(log.file).toBe("log/version-2/log.100000001" as FileName);
});
