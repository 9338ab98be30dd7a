import { expect, test } from "vitest";
import { packZxid } from "../../../core/base/zxid.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import type { RewriteResult } from "../../../core/storage/history-rewrite.ts";
import { HistoryReset } from "../../../core/storage/history-reset.ts";
import { snapshotFileName } from "../../../core/storage/files.ts";
import type { Survival } from "../../../sim/disk-image.ts";
import { SimStorage } from "../../support/sim-storage.ts";
import type { Files } from "../../support/sim-storage.ts";
import { Chronicler, configWith, recovered, zxidsIn } from "../../support/storage-history.ts";

const SURVIVALS: readonly Survival[] = ["nothing", "everything", "mixed"];

/** Of a server that was away: epochs 1 and 2, several logs and snapshots. */
function oldHistory(): Chronicler {
  const history = new Chronicler();
  history.nextEpoch();
  history.writeMany(4);
  history.snapshot();
  history.writeMany(4);
  history.nextEpoch();
  history.writeMany(3);
  history.snapshot(() => history.writeMany(2));
  history.writeMany(2);
  return history;
}

/** The snapshot a leader's tree comes to: it has other txns in place of the old history's last ones. */
function received(
  epochs: number,
  zxid: Zxid,
): { readonly name: string; readonly bytes: Uint8Array; readonly zxids: number[] } {
  const leader = new Chronicler();
  for (let epoch = 1; epoch <= epochs; epoch++) {
    leader.nextEpoch();
    leader.writeMany(3);
  }
  leader.tree.lastProcessedZxid = zxid;
  leader.snapshot();
  const name = snapshotFileName(zxid, "none");
  return { name, bytes: leader.files().get(name)!, zxids: [...leader.zxids].filter((each) => each <= zxid) };
}

function resetTo(zxid: Zxid, compression: "none" | "gz" = "none"): HistoryReset {
  return new HistoryReset(snapshotFileName(zxid, compression));
}
function reset(storage: SimStorage, part: HistoryReset, operations = Infinity): RewriteResult | undefined {
  storage.event((cx) => part.start(cx));
  storage.settle(part, operations);
  return part.result;
}

test("only the snapshot is left, and is what a start finds", () => {
  const zxid = packZxid(4, 3);
  const { name, bytes, zxids } = received(4, zxid);
  const storage = new SimStorage(new Map(oldHistory().files()).set(name, bytes));
  expect(reset(storage, resetTo(zxid))).toBe("done");
  storage.crash("nothing", 1);
  expect([...storage.files().keys()]).toEqual([name]);
  const { tree, lastZxid, committed } = recovered(storage);
  expect([zxidsIn(tree), lastZxid, committed]).toEqual([zxids, zxid, []]);
});

test("a crash after any disk operation leaves one of the two histories, whichever of them is newer", () => {
  const old = oldHistory();
  // Newer than all the server has; the first zxid of an epoch; and older, as when a leader cannot have it cut back.
  for (const zxid of [packZxid(4, 3), packZxid(3, 0), packZxid(2, 1)]) {
    const { name, bytes, zxids } = received(2, zxid);
    const files: Files = new Map(old.files()).set(name, bytes);
    const isOlder = zxid < old.last;
    for (let operations = 1; ; operations++) {
      const storage = new SimStorage(files, operations);
      const result = reset(storage, resetTo(zxid), operations);
      storage.crash(SURVIVALS[operations % SURVIVALS.length], operations);
      const found = recovered(storage);
      if (isOlder) expect([zxids, [...old.zxids]]).toContainEqual(zxidsIn(found.tree));
      else expect(zxidsIn(found.tree)).toEqual(zxids);
      expect(storage.files().has("data/version-2/rewriting")).toBe(false);
      if (result === "done") {
        expect(found.lastZxid).toBe(zxid);
        break;
      }
    }
  }
});

test("a snapshot of the same zxid in another form is another one", () => {
  const history = new Chronicler(configWith({ snapshotCompression: "gz" }));
  history.writeMany(3);
  history.snapshot();
  const plain = new Chronicler();
  plain.writeMany(3);
  plain.snapshot();
  const name = "data/version-2/snapshot.3";
  const storage = new SimStorage(new Map(history.files()).set(name, plain.files().get(name)!));
  expect(reset(storage, resetTo(3 as Zxid, "gz"))).toBe("done");
  expect([...storage.files().keys()]).toEqual([`${name}.gz`]);
});

test("without the snapshot nothing is removed", () => {
  const files = oldHistory().files();
  const storage = new SimStorage(files);
  expect(reset(storage, resetTo(packZxid(9, 9)))).toMatchObject({ untouched: true });
  expect(storage.files()).toEqual(new SimStorage(files).files());
});

test("a disk that fails on the way says so, and the next start finishes it", () => {
  const zxid = packZxid(4, 3);
  const { name, bytes, zxids } = received(4, zxid);
  const storage = new SimStorage(new Map(oldHistory().files()).set(name, bytes));
  storage.fail({ verb: "remove", name: "log.1", error: "io", times: 1 });
  expect(reset(storage, resetTo(zxid))).toMatchObject({ untouched: false });
  storage.crash(undefined, 1);
  expect(zxidsIn(recovered(storage).tree)).toEqual(zxids);
  expect([...storage.files().keys()]).toEqual([name]);
});
