import { expect, test } from "vitest";
import { Purge } from "../../../core/storage/purge.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";

const VALID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 1, 0x2f);

function diskWith(snapshots: readonly string[], logs: readonly string[]): MemoryDisk {
  const disk = new MemoryDisk();
  for (const name of snapshots) disk.write(`data/version-2/snapshot.${name}`, VALID);
  for (const name of logs) disk.write(`log/version-2/log.${name}`, VALID);
  return disk;
}
function purge(disk: MemoryDisk, retain = 3): Purge {
  const run = new Purge(retain);
  disk.event((cx) => run.start(cx));
  const progress: unknown[] = [];
  while (disk.pendingCount > 0) progress.push(disk.completeOne(run));
  expect(progress.at(-1)).toBe("finished");
  return run;
}
function left(disk: MemoryDisk): string[] {
  return disk.names().map((name) => name.slice(name.lastIndexOf("/") + 1));
}

test("the newest snapshots stay, with the logs they need, and all before goes", () => {
  const disk = diskWith(["0", "10", "20", "30", "40"], ["1", "8", "15", "21", "31", "41"]);
  const run = purge(disk);
  expect(left(disk)).toEqual(["snapshot.20", "snapshot.30", "snapshot.40", "log.15", "log.21", "log.31", "log.41"]);
  expect(run.removedCount).toBe(4);
});

test("a log that begins where the oldest snapshot to keep ends makes the one before unnecessary", () => {
  const disk = diskWith(["10", "20", "30", "40"], ["15", "20", "21"]);
  purge(disk);
  expect(left(disk)).toEqual(["snapshot.20", "snapshot.30", "snapshot.40", "log.20", "log.21"]);
});

test("fewer than three are never kept, and with fewer than that nothing goes but what is older still", () => {
  const disk = diskWith(["10", "20", "30"], ["1", "11", "21"]);
  expect(purge(disk, 1).removedCount).toBe(0);
  const few = diskWith(["20", "30"], ["1", "11", "21"]);
  purge(few);
  expect(left(few)).toEqual(["snapshot.20", "snapshot.30", "log.11", "log.21"]);
});

test("an incomplete snapshot does not count among those to keep", () => {
  const disk = diskWith(["10", "20", "30", "40"], []);
  disk.write("data/version-2/snapshot.35", Uint8Array.of(1, 2, 3));
  disk.write("data/version-2/snapshot.36", VALID.slice(0, 11));
  purge(disk);
  expect(left(disk)).toEqual(["snapshot.20", "snapshot.30", "snapshot.35", "snapshot.36", "snapshot.40"]);
});

test("compressed snapshots count by their first bytes, and other files are left alone", () => {
  const disk = diskWith(["10", "20"], []);
  disk.write("data/version-2/snapshot.30.gz", Uint8Array.of(0x1f, 0x8b, 8));
  disk.write("data/version-2/snapshot.40.snappy", Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0));
  disk.write("data/version-2/acceptedEpoch", Uint8Array.of(0x31));
  disk.write("log/version-2/logger.1", Uint8Array.of(0x31));
  purge(disk);
  expect(left(disk)).toEqual(["acceptedEpoch", "snapshot.20", "snapshot.30.gz", "snapshot.40.snappy", "logger.1"]);
});

test("without any snapshot nothing is removed", () => {
  const disk = diskWith([], ["1", "5"]);
  expect(purge(disk).removedCount).toBe(0);
});
