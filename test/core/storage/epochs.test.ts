import { expect, test } from "vitest";
import { NO_FACTS } from "../../../core/actor.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { Epochs } from "../../../core/storage/epochs.ts";
import type { Survival } from "../../../sim/disk-image.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";
import { SimStorage } from "../../support/sim-storage.ts";
import type { EventHost } from "../../support/storage-history.ts";

const ACCEPTED = "data/version-2/acceptedEpoch";
const CURRENT = "data/version-2/currentEpoch";

/** `found`: what the files hold; undefined: there is none. */
function diskWith(accepted?: string, current?: string, temporary?: string): MemoryDisk {
  const disk = new MemoryDisk();
  const put = (name: string, text: string | undefined): void => {
    if (text !== undefined) disk.write(name, new TextEncoder().encode(text));
  };
  put(ACCEPTED, accepted);
  put(CURRENT, current);
  put(`${CURRENT}.tmp`, temporary);
  return disk;
}
function start(host: EventHost, lastZxid: number): Epochs {
  const epochs = new Epochs();
  host.event((cx) => epochs.start(cx));
  host.settle(epochs);
  expect([epochs.loaded, epochs.settled]).toEqual([true, false]);
  host.event((cx) => epochs.settle(cx, lastZxid as Zxid));
  host.settle(epochs);
  return epochs;
}
function settled(host: EventHost, lastZxid: number): readonly [accepted: number, current: number] {
  const epochs = start(host, lastZxid);
  expect([epochs.failure, epochs.settled]).toEqual([undefined, true]);
  return [epochs.accepted, epochs.current];
}
function failure(disk: MemoryDisk, lastZxid: number): string {
  const epochs = start(disk, lastZxid);
  expect(epochs.settled).toBe(false);
  return epochs.failure ?? "";
}
function text(disk: MemoryDisk, name: string): string {
  return new TextDecoder().decode(disk.read(name));
}

test("without files both are the epoch of the last txn, and durable", () => {
  for (const [lastZxid, epoch] of [
    [0, 0],
    [-1, 0],
    [packZxid(7, 3), 7],
  ] as const) {
    const disk = diskWith();
    expect(settled(disk, lastZxid)).toEqual([epoch, epoch]);
    disk.crash();
    expect([text(disk, ACCEPTED), text(disk, CURRENT)]).toEqual([`${epoch}`, `${epoch}`]);
  }
});

test("what Java writes is read, and what is written is what Java writes: the number and nothing else", () => {
  expect(settled(diskWith("12", "11"), packZxid(11, 4))).toEqual([12, 11]);
  expect(settled(diskWith("12\n", "11\r\nwhatever"), packZxid(11, 4))).toEqual([12, 11]);
  expect(settled(diskWith("-1", "-1"), -1)).toEqual([0, 0]);
  const disk = diskWith("12", "11");
  const epochs = start(disk, packZxid(11, 4));
  disk.event((cx) => epochs.setAccepted(cx, 13, () => {}));
  disk.settle(epochs);
  expect(disk.read(ACCEPTED)).toEqual(Uint8Array.of(0x31, 0x33));
  expect(disk.names()).toEqual([ACCEPTED, CURRENT]);
});

test("files that fit are left alone", () => {
  const disk = diskWith("3", "2");
  start(disk, packZxid(2, 9));
  expect(disk.trace.filter((what) => !what.startsWith("readAt"))).toEqual([]);
});

test("a crash between the log and the epoch file is made up for (S17)", () => {
  const disk = diskWith("5", "3");
  expect(settled(disk, packZxid(5, 1))).toEqual([5, 5]);
  disk.crash();
  expect(text(disk, CURRENT)).toBe("5");
  // A history of an epoch between the two: a leader of epoch 4 was followed, and one of 5 promised to.
  expect(settled(diskWith("5", "3"), packZxid(4, 1))).toEqual([5, 4]);
});

test("what does not fit is refused, and says what to do", () => {
  expect(failure(diskWith("3", "4"), packZxid(3, 1))).toMatch(
    /acceptedEpoch holds 3, but the currentEpoch beside it is 4/,
  );
  expect(failure(diskWith("3", "2"), packZxid(4, 1))).toMatch(
    /acceptedEpoch holds 3, but there are transactions of epoch 4/,
  );
  expect(failure(diskWith(undefined, "4"), packZxid(3, 1))).toMatch(
    /acceptedEpoch is missing.* a promise has been lost/,
  );
  expect(failure(diskWith("", "4"), packZxid(3, 1))).toMatch(
    /acceptedEpoch is unusable \(it is empty\).*largest number/,
  );
  expect(failure(diskWith("4x", "4"), packZxid(3, 1))).toMatch(/does not hold a number/);
  expect(failure(diskWith("9999999", "4"), packZxid(3, 1))).toMatch(/epoch 9999999 is beyond/);
  expect(failure(diskWith("7".repeat(300), "4"), packZxid(3, 1))).toMatch(/more than 256 bytes/);
  expect(failure(diskWith("6", ""), packZxid(3, 1))).toMatch(/currentEpoch is unusable \(it is empty\).*move the data/);
});

test("an unusable currentEpoch is repaired where it can only have been one number", () => {
  expect(settled(diskWith("5", ""), packZxid(5, 1))).toEqual([5, 5]);
  expect(settled(diskWith("5", "", "5"), packZxid(3, 1))).toEqual([5, 5]);
  // The first digit of 12, perhaps.
  expect(failure(diskWith("14", "", "1"), packZxid(1, 1))).toMatch(/currentEpoch is unusable/);
});

test("memory changes when the file is durable, not before (S18)", () => {
  const said: string[] = [];
  const facts = {
    ...NO_FACTS,
    promised: (epoch: number) => said.push(`promised ${epoch}`),
    adopted: (epoch: number) => said.push(`adopted ${epoch}`),
  };
  const disk = new MemoryDisk(facts);
  const epochs = start(disk, packZxid(2, 1));
  disk.event((cx) => epochs.setAccepted(cx, 3, (_, ok) => said.push(`accepted ${ok}`)));
  disk.event((cx) => epochs.setCurrent(cx, 3, (_, ok) => said.push(`current ${ok}`)));
  const seen: string[] = [];
  while (disk.pendingCount > 0) {
    seen.push(`${epochs.accepted} ${epochs.current}`);
    disk.completeOne(epochs);
  }
  expect(seen).toEqual(["2 2", "2 2", "2 2", "2 2", "3 2", "3 2", "3 2", "3 2"]);
  expect(said).toEqual(["promised 2", "adopted 2", "promised 3", "accepted true", "adopted 3", "current true"]);
  disk.crash();
  expect(settled(disk, packZxid(2, 1))).toEqual([3, 3]);
});

test("what is known already is answered at once; a lower or unaccepted epoch is not written", () => {
  const disk = diskWith("5", "4");
  const epochs = start(disk, packZxid(4, 1));
  const answers: boolean[] = [];
  disk.event((cx) => {
    epochs.setAccepted(cx, 5, (_, ok) => answers.push(ok));
    epochs.setCurrent(cx, 4, (_, ok) => answers.push(ok));
    epochs.setAccepted(cx, 4, (_, ok) => answers.push(ok));
    epochs.setCurrent(cx, 6, (_, ok) => answers.push(ok));
  });
  expect(answers).toEqual([true, true, false, false]);
  expect(epochs.writeFailure).toBe("epoch 6 has not been accepted, 5 has");
  expect(disk.pendingCount).toBe(0);
});

test("an epoch asked for while a later one is being written is refused: the file never goes back", () => {
  const disk = diskWith("5", "4");
  const epochs = start(disk, packZxid(4, 1));
  const answers: string[] = [];
  disk.event((cx) => {
    epochs.setAccepted(cx, 8, (_, ok) => answers.push(`8 ${ok}`));
    epochs.setAccepted(cx, 6, (_, ok) => answers.push(`6 ${ok}`));
  });
  disk.settle(epochs);
  expect(answers).toEqual(["8 true", "6 false"]);
  expect([epochs.accepted, text(disk, ACCEPTED)]).toEqual([8, "8"]);
});

test("a failed write is reported and changes nothing, and the next one may succeed", () => {
  for (const verb of ["sync", "rename", "syncDirectory"] as const) {
    const storage = new SimStorage(diskWithFiles("2", "2"));
    const epochs = start(storage, packZxid(2, 1));
    storage.fail({ verb, name: "version-2", error: verb === "sync" ? "full" : "io", times: 1 });
    const answers: boolean[] = [];
    storage.event((cx) => epochs.setAccepted(cx, 3, (_, ok) => answers.push(ok)));
    storage.settle(epochs);
    expect([answers, epochs.accepted]).toEqual([[false], 2]);
    expect(epochs.writeFailure).toContain("acceptedEpoch");
    storage.event((cx) => epochs.setAccepted(cx, 3, (_, ok) => answers.push(ok)));
    storage.settle(epochs);
    expect([answers, epochs.accepted]).toEqual([[false, true], 3]);
  }
});

test("a crash after any disk operation leaves a file that starts, and what was answered for is in it", () => {
  const survivals: readonly Survival[] = ["nothing", "everything", "prefix", "sectors", "mixed"];
  for (const survival of survivals) {
    for (let operations = 1; operations < 14; operations++) {
      const storage = new SimStorage(diskWithFiles("9", "9"), operations);
      const epochs = start(storage, packZxid(9, 1));
      let durable = [9, 9];
      storage.event((cx) => {
        epochs.setAccepted(cx, 10, () => (durable = [10, 9]));
        epochs.setCurrent(cx, 10, () => (durable = [10, 10]));
      });
      storage.settle(epochs, operations);
      storage.crash(survival, operations);
      const [accepted, current] = settled(storage, packZxid(9, 1));
      expect(accepted).toBeGreaterThanOrEqual(durable[0]!);
      expect(current).toBeGreaterThanOrEqual(durable[1]!);
      expect(accepted).toBeGreaterThanOrEqual(current);
    }
  }
});

function diskWithFiles(accepted: string, current: string): Map<string, Uint8Array> {
  const bytes = (number: string): Uint8Array => new TextEncoder().encode(number);
  return new Map([
    [ACCEPTED, bytes(accepted)],
    [CURRENT, bytes(current)],
  ]);
}
