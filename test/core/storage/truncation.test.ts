import fc from "fast-check";
import { expect, test } from "vitest";
import { packZxid } from "../../../core/base/zxid.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { REWRITE_NOTE } from "../../../core/storage/history-rewrite.ts";
import type { RewriteResult } from "../../../core/storage/history-rewrite.ts";
import { Truncation } from "../../../core/storage/truncation.ts";
import { TxnLog } from "../../../core/storage/txn-log.ts";
import type { Survival } from "../../../sim/disk-image.ts";
import { SimStorage } from "../../support/sim-storage.ts";
import type { Files } from "../../support/sim-storage.ts";
import { Chronicler, configWith, recover, recovered, zxidsIn } from "../../support/storage-history.ts";

const SURVIVALS: readonly Survival[] = ["nothing", "everything", "mixed"];

function truncate(storage: SimStorage, zxid: number, operations = Infinity): RewriteResult | undefined {
  const truncation = new Truncation(configWith(), zxid as Zxid);
  storage.event((cx) => truncation.start(cx));
  storage.settle(truncation, operations);
  return truncation.result;
}
function failureOf(result: RewriteResult | undefined): string {
  return typeof result === "object" ? `${result.untouched ? "untouched" : "TOUCHED"}: ${result.failed}` : `${result}`;
}
function upTo(zxids: readonly number[], zxid: number): number[] {
  return zxids.filter((one) => one <= zxid);
}
/** Everything on the disk that a later txn would show in. */
function namesAfter(files: Files, zxid: number): string[] {
  return [...files.keys()].filter((name) => Number.parseInt(name.split(".")[1] ?? "0", 16) > zxid);
}

/** Three epochs over several logs; a snapshot in the first, one in the last. */
function threeEpochs(): Chronicler {
  const history = new Chronicler(configWith({ preAllocSize: 512 }));
  history.nextEpoch();
  history.writeMany(5);
  history.snapshot();
  history.writeMany(5);
  history.nextEpoch();
  history.writeMany(4);
  history.roll();
  history.writeMany(3);
  history.nextEpoch();
  history.writeMany(2);
  history.snapshot();
  history.writeMany(2);
  return history;
}

test("nothing after the zxid is left in tree, log or snapshots, and everything up to it is", () => {
  const history = threeEpochs();
  const { zxids } = history;
  const files = history.files();
  for (const zxid of zxids) {
    const storage = new SimStorage(files);
    expect(truncate(storage, zxid)).toBe("done");
    storage.crash("nothing", 1);
    expect(namesAfter(storage.files(), zxid)).toEqual([]);
    const { tree, lastZxid, committed } = recovered(storage);
    expect(lastZxid).toBe(zxid);
    expect(zxidsIn(tree)).toEqual(upTo(zxids, zxid));
    expect(committed.every((txn) => txn.zxid <= zxid)).toBe(true);
  }
});

test("what is logged after a truncation is found again (S03)", () => {
  const history = threeEpochs();
  const target = history.zxids[7]!;
  const storage = new SimStorage(history.files());
  truncate(storage, target);
  const { tree } = recovered(storage);
  const log = new TxnLog(configWith(), target);
  const next = packZxid(9, 1);
  const payload = history.payload(next);
  storage.event((cx) => {
    log.append(cx, next, payload);
    log.commit(cx);
  });
  storage.settle(log);
  storage.crash("nothing", 1);
  expect(zxidsIn(recovered(storage).tree)).toEqual([...zxidsIn(tree), next]);
});

test("a crash after any disk operation leaves the history as it was or as it is to be", () => {
  const history = threeEpochs();
  const all = history.zxids as readonly number[];
  const files = history.files();
  const seen = new Set<number>();
  // In the log of the newest snapshot; before that snapshot; before several logs.
  for (const zxid of [all.at(-2)!, all[12]!, all[6]!]) {
    for (let operations = 1; ; operations++) {
      const storage = new SimStorage(files, operations);
      const result = truncate(storage, zxid, operations);
      storage.crash(SURVIVALS[operations % SURVIVALS.length], operations);
      const found = zxidsIn(recovered(storage).tree);
      expect([upTo(all, zxid), all]).toContainEqual(found);
      seen.add(found.length);
      // What the start did about it is durable too.
      storage.crash("nothing", operations);
      expect(zxidsIn(recovered(storage).tree)).toEqual(found);
      expect(storage.files().has(REWRITE_NOTE)).toBe(false);
      if (result === "done") {
        expect(found.at(-1)).toBe(zxid);
        break;
      }
    }
  }
  expect(seen.size).toBe(4);
});

test("a crash while an interrupted truncation is finished does no harm either", () => {
  const history = threeEpochs();
  const zxid = history.zxids[6]!;
  const files = new Map(history.files()).set(REWRITE_NOTE, new TextEncoder().encode(`truncate ${zxid.toString(16)}`));
  for (let operations = 1; operations < 80; operations++) {
    const storage = new SimStorage(files);
    const first = new Truncation(configWith(), zxid, true);
    storage.event((cx) => first.start(cx));
    storage.settle(first, operations);
    storage.crash(SURVIVALS[operations % SURVIVALS.length], operations);
    expect(zxidsIn(recovered(storage).tree)).toEqual(upTo(history.zxids, zxid));
    if (first.result === "done") return;
  }
  throw new Error("it never ended");
});

test("a fuzzy snapshot that holds later effects goes, though its name is older", () => {
  const history = new Chronicler();
  history.writeMany(4);
  history.snapshot();
  history.writeMany(4);
  history.snapshot(() => history.writeMany(3));
  const storage = new SimStorage(history.files());
  expect([...storage.files().keys()]).toContain("data/version-2/snapshot.8");
  expect(truncate(storage, 9)).toBe("done");
  expect([...storage.files().keys()]).not.toContain("data/version-2/snapshot.8");
  expect(zxidsIn(recovered(storage).tree)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("the first zxid of an epoch, which nobody logs, is gone back to by what came before it (S04)", () => {
  const history = threeEpochs();
  const storage = new SimStorage(history.files());
  expect(truncate(storage, packZxid(2, 0))).toBe("done");
  expect(recovered(storage).lastZxid).toBe(packZxid(1, 10));
  const same = new SimStorage(history.files());
  expect(truncate(same, packZxid(1, 5))).toBe("done");
  expect(recovered(same).lastZxid).toBe(packZxid(1, 5));
});

test("where the zxid cannot be gone back to nothing is changed, and it says why", () => {
  const history = threeEpochs();
  const complete = history.files();
  const without = (...names: string[]): Files => new Map([...complete].filter(([name]) => !names.includes(name)));
  const ancient = ["data/version-2/snapshot.0", "data/version-2/snapshot.100000005"];
  const cases: readonly (readonly [files: Files, zxid: number, why: RegExp])[] = [
    [complete, packZxid(2, 9), /untouched: nothing was cut off after 0x200000009: there is no 0x200000009 here/],
    [without(...ancient), packZxid(1, 7), /there is no snapshot from before 0x100000007/],
    [without("log/version-2/log.200000005"), packZxid(2, 7), /there is no 0x200000007 here to go back to, 0x200000004/],
    [without("log/version-2/log.100000006"), packZxid(1, 7), /there is no 0x100000007 here/],
  ];
  for (const [files, zxid, why] of cases) {
    const storage = new SimStorage(files);
    expect(failureOf(truncate(storage, zxid))).toMatch(why);
    expect(storage.files()).toEqual(new SimStorage(files).files());
  }
});

test("a hole before the zxid is noticed", () => {
  const history = new Chronicler();
  history.writeMany(3);
  history.last = 7 as Zxid;
  history.writeMany(3);
  const storage = new SimStorage(history.files());
  expect(failureOf(truncate(storage, 9))).toMatch(/untouched: .*in the log 0x8 comes after 0x3/);
});

test("a disk that fails on the way stops it, and the next start finishes it (S22)", () => {
  const history = threeEpochs();
  const zxid = history.zxids[6]!;
  const names = ["snapshot.300000002", "log.300000003", "log.100000006"];
  for (const [i, verb] of (["remove", "remove", "truncate"] as const).entries()) {
    const storage = new SimStorage(history.files());
    storage.fail({ verb, name: names[i]!, error: "io", times: 1 });
    expect(failureOf(truncate(storage, zxid))).toMatch(/^TOUCHED: /);
    storage.crash(undefined, 1);
    expect(zxidsIn(recovered(storage).tree)).toEqual(upTo(history.zxids, zxid));
  }
  const storage = new SimStorage(history.files());
  storage.fail({ verb: "sync", name: "rewriting", error: "full", times: 1 });
  expect(failureOf(truncate(storage, zxid))).toMatch(/^untouched: /);
  expect(zxidsIn(recovered(storage).tree)).toEqual(history.zxids);
});

test("unreadable bytes behind the zxid are cut off with the rest", () => {
  const history = new Chronicler();
  history.writeMany(6);
  const files = new Map(history.files());
  const log = files.get("log/version-2/log.1")!.slice();
  // The length of the last entry but one.
  const entry = (log.length - 16) / 6;
  log[16 + 4 * entry + 8]! ^= 0x40;
  files.set("log/version-2/log.1", log);
  const storage = new SimStorage(files);
  expect(truncate(storage, 4)).toBe("done");
  expect(storage.files().get("log/version-2/log.1")!.length).toBe(16 + 4 * entry);
  expect(zxidsIn(recovered(storage).tree)).toEqual([1, 2, 3, 4]);
});

test("a note nobody can understand, or that cannot be acted upon, stops the start", () => {
  const files = threeEpochs().files();
  const cases: readonly (readonly [note: string, why: RegExp])[] = [
    ["shuffle 5", /rewriting says .* cannot be finished: it cannot be understood.*move/],
    ["keep snapshot.77", /cannot be finished: data\/version-2\/snapshot\.77 is not there/],
    ["truncate 200000009", /cannot be finished: nothing was cut off after 0x200000009/],
  ];
  for (const [note, why] of cases) {
    const storage = new SimStorage(new Map(files).set(REWRITE_NOTE, new TextEncoder().encode(note)));
    expect(recover(storage)).toEqual({ fatal: expect.stringMatching(why) as string });
  }
});

type Deed = readonly ["write" | "epoch" | "roll" | "snapshot" | "fuzzy", number];
const deeds = fc.array(
  fc.tuple(
    fc.constantFrom("write", "write", "write", "epoch", "roll", "snapshot", "fuzzy"),
    fc.integer({ min: 1, max: 4 }),
  ),
  { minLength: 3, maxLength: 14 },
);

function historyOf(program: readonly Deed[], preAllocSize: number): Chronicler {
  const history = new Chronicler(configWith({ preAllocSize }));
  history.nextEpoch();
  // A snapshot that replaces the first one must not hold later effects: there would be nothing to go back to.
  history.write();
  for (const [deed, count] of program) {
    if (deed === "write") history.writeMany(count);
    else if (deed === "epoch") history.nextEpoch();
    else if (deed === "roll") history.roll();
    else history.snapshot(deed === "fuzzy" ? () => history.writeMany(count) : undefined);
  }
  history.write();
  return history;
}

test("any history, any txn of it, any crash: what is found is the history as it was or as it is to be", () => {
  const property = fc.property(
    deeds,
    fc.nat(),
    fc.integer({ min: 1, max: 40 }),
    fc.constantFrom<Survival>("nothing", "everything", "prefix", "mixed"),
    fc.constantFrom(0, 512),
    (program, which, operations, survival, preAllocSize) => {
      const history = historyOf(program as Deed[], preAllocSize);
      const all = history.zxids as readonly number[];
      const zxid = all[which % all.length]!;
      const storage = new SimStorage(history.files(), which);
      const result = truncate(storage, zxid, operations);
      expect(result === undefined || result === "done").toBe(true);
      storage.crash(survival, which);
      const found = zxidsIn(recovered(storage).tree);
      if (result === "done" || found.length < all.length) expect(found).toEqual(upTo(all, zxid));
      else expect(found).toEqual(all);
      // Told again, as the leader would tell it.
      expect(truncate(storage, zxid)).toBe("done");
      expect(zxidsIn(recovered(storage).tree)).toEqual(upTo(all, zxid));
    },
  );
  fc.assert(property, { seed: 7, numRuns: 120 });
});
