import fc from "fast-check";
import { expect, test } from "vitest";
import { packZxid } from "../../../core/base/zxid.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { LogTail } from "../../../core/storage/log-tail.ts";
import { Chronicler, configWith, recovered } from "../../support/storage-history.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";
import type { Files } from "../../support/sim-storage.ts";

/** Small pieces, so that entries lie across their ends. */
const CHUNK = 300;

function begin(disk: MemoryDisk, from: number, chunk = CHUNK): LogTail {
  const tail = new LogTail(configWith(), from as Zxid, chunk);
  disk.event((cx) => tail.start(cx));
  disk.settle(tail);
  return tail;
}
/** Until the end, or the gap; `between` happens before each further batch. */
function readOn(disk: MemoryDisk, tail: LogTail, between: () => void = () => {}): number[] {
  const found: number[] = [];
  while (tail.state !== "gap") {
    disk.event((cx) => tail.next(cx));
    disk.settle(tail);
    if (tail.state !== "batch") break;
    expect(tail.batch.length).toBeGreaterThan(0);
    found.push(...tail.batch.map(({ zxid }) => zxid));
    between();
  }
  return found;
}
function allAfter(disk: MemoryDisk, from: number): readonly [state: string, found: readonly number[]] {
  const tail = begin(disk, from);
  const found = readOn(disk, tail);
  return [tail.state, found];
}
function diskWith(files: Files): MemoryDisk {
  const disk = new MemoryDisk();
  for (const [name, bytes] of files) disk.write(name, bytes);
  return disk;
}
function without(history: Chronicler, ...names: string[]): MemoryDisk {
  return diskWith(new Map([...history.files()].filter(([name]) => !names.some((one) => name.endsWith(one)))));
}
/** Epochs 1 to 3, a log of its own for every few txns, padded; snapshots in between. */
function threeEpochs(): Chronicler {
  const history = new Chronicler(configWith({ preAllocSize: 512 }));
  for (let epoch = 1; epoch <= 3; epoch++) {
    history.nextEpoch();
    for (let part = 0; part < 3; part++) {
      for (let i = 0; i < 4; i++) history.write(i * 100);
      if (part === 1) history.snapshot();
      else history.roll();
    }
  }
  return history;
}

test("what comes after any txn of the log is handed out in order, and then there is an end", () => {
  const history = threeEpochs();
  const disk = diskWith(history.files());
  for (const from of history.zxids) {
    expect(allAfter(disk, from)).toEqual(["end", history.zxids.filter((zxid) => zxid > from)]);
  }
});

test("payloads are what was logged", () => {
  const history = new Chronicler();
  history.writeMany(30);
  const disk = diskWith(history.files());
  const { committed } = recovered(disk);
  const tail = begin(disk, 10);
  const payloads: string[] = [];
  for (;;) {
    disk.event((cx) => tail.next(cx));
    disk.settle(tail);
    if (tail.state !== "batch") break;
    payloads.push(...tail.batch.map(({ payload }) => Buffer.from(payload).toString("hex")));
  }
  expect(payloads).toEqual(committed.slice(10).map(({ payload }) => Buffer.from(payload).toString("hex")));
});

test("sizes are told before anything is read: of the files that matter, and of the newest snapshot", () => {
  const history = threeEpochs();
  const files = history.files();
  const disk = diskWith(files);
  const tail = begin(disk, packZxid(3, 6));
  expect(tail.state).toBe("ready");
  const sizeOf = (name: string): number => files.get(name)!.length;
  expect(tail.logBytes).toBe(sizeOf("log/version-2/log.300000005") + sizeOf("log/version-2/log.300000009"));
  expect(tail.snapshotBytes).toBe(sizeOf("data/version-2/snapshot.300000008"));
});

test("no piece is larger than was asked for, but for an entry that is", () => {
  const history = new Chronicler();
  for (let i = 0; i < 20; i++) history.write(i === 10 ? 5000 : 10);
  const disk = diskWith(history.files());
  const tail = begin(disk, 1);
  const sizes: number[] = [];
  readOn(disk, tail, () => {
    sizes.push(tail.batch.reduce((sum, { payload }) => sum + payload.length, 0));
  });
  expect(sizes.filter((size) => size > CHUNK).length).toBe(1);
  expect(sizes.length).toBeGreaterThan(5);
});

test("a log that goes on is followed, into new files too, while it is read and after its end was reached", () => {
  for (const preAllocSize of [0, 4096]) {
    const history = new Chronicler(configWith({ preAllocSize }));
    history.writeMany(10);
    history.commit();
    const { disk } = history;
    const tail = begin(disk, 2);
    let left = 12;
    const found = readOn(disk, tail, () => {
      if (left-- <= 0) return;
      if (left % 3 === 0) history.roll();
      history.writeMany(2);
      history.commit();
    });
    expect(tail.state).toBe("end");
    for (const rolls of [false, true, true]) {
      if (rolls) history.roll();
      history.writeMany(3);
      history.commit();
      found.push(...readOn(disk, tail));
    }
    expect(found).toEqual(history.zxids.filter((zxid) => zxid > 2));
    expect(readOn(disk, tail)).toEqual([]);
  }
});

test("a log that does not reach back is a gap, at once", () => {
  const history = threeEpochs();
  const disk = without(history, "log.100000001", "log.100000005");
  expect(allAfter(disk, packZxid(1, 7))).toEqual(["gap", []]);
  expect(begin(without(history, "log"), 5).state).toBe("ready");
  // The very next one will do: whoever has it had the one before.
  expect(allAfter(disk, packZxid(1, 8))[0]).toBe("end");
});

test("a txn this history does not have is a gap: what follows it here is another history's", () => {
  const history = threeEpochs();
  const disk = diskWith(history.files());
  for (const from of [packZxid(1, 13), packZxid(2, 40), packZxid(3, 40)])
    expect(allAfter(disk, from)).toEqual(["gap", []]);
  // But nobody logs the first zxid of an epoch.
  expect(allAfter(disk, packZxid(4, 0))).toEqual(["end", []]);
  expect(allAfter(disk, packZxid(2, 0))).toEqual(["end", history.zxids.filter((zxid) => zxid > packZxid(2, 0))]);
});

test("a missing file is a gap (S27), and so is a damaged one", () => {
  const history = threeEpochs();
  // Nothing of what stands before it was handed out: it might be what another history ended with.
  expect(allAfter(without(history, "log.200000005"), packZxid(1, 3))).toEqual(["gap", []]);
  expect(allAfter(without(history, "log.200000001"), packZxid(1, 3))).toEqual(["gap", []]);
  const files = new Map(history.files());
  const log = files.get("log/version-2/log.200000005")!.slice();
  log[100]! ^= 1;
  const disk = diskWith(files.set("log/version-2/log.200000005", log));
  const tail = begin(disk, packZxid(2, 2));
  expect(readOn(disk, tail)).toEqual([]);
  expect([tail.state, tail.reason]).toEqual(["gap", expect.stringContaining("log.200000005 is damaged at offset")]);
});

test("logs from before a tree was received are not taken for what led to it (S24)", () => {
  const history = new Chronicler();
  history.nextEpoch();
  history.writeMany(9);
  // Other servers went on; this one was sent their tree, and logs what comes after it.
  history.nextEpoch();
  history.tree.lastProcessedZxid = packZxid(2, 0);
  history.snapshot();
  history.writeMany(5);
  const disk = diskWith(history.files());
  expect(allAfter(disk, packZxid(1, 4))).toEqual(["gap", []]);
  expect(allAfter(disk, packZxid(2, 2))).toEqual(["end", [3, 4, 5].map((counter) => packZxid(2, counter))]);
});

test("an epoch that does not begin with its first txn is a gap", () => {
  const history = new Chronicler();
  history.nextEpoch();
  history.writeMany(4);
  history.last = packZxid(2, 7);
  history.writeMany(3);
  expect(allAfter(diskWith(history.files()), packZxid(1, 2))).toEqual(["gap", []]);
});

test("a disk that cannot be read is a gap", () => {
  const history = threeEpochs();
  const disk = diskWith(history.files());
  const tail = begin(disk, packZxid(1, 3));
  for (const name of disk.names()) if (name.includes("log.")) disk.delete(name);
  readOn(disk, tail);
  expect([tail.state, tail.reason]).toEqual(["gap", expect.stringContaining("cannot be read")]);
});

test("any history read in any pieces comes out whole", () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 40 });
  const property = fc.property(sizes, fc.integer({ min: 16, max: 700 }), fc.nat(), (program, chunk, which) => {
    const history = new Chronicler(configWith({ preAllocSize: which % 2 === 0 ? 0 : 1024 }));
    history.nextEpoch();
    history.write();
    for (const size of program) {
      if (size % 11 === 0) history.roll();
      if (size % 13 === 0) history.nextEpoch();
      history.write(size);
    }
    const disk = diskWith(history.files());
    const from = history.zxids[which % history.zxids.length]!;
    const tail = begin(disk, from, chunk);
    expect(readOn(disk, tail)).toEqual(history.zxids.filter((zxid) => zxid > from));
  });
  fc.assert(property, { seed: 11, numRuns: 100 });
});
