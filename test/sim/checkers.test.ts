/** Each checker lets a right run pass and names a wrong one; what is wrong in each is what a bug would make of it. */
import { expect, test } from "vitest";
import { packZxid } from "../../core/base/zxid.ts";
import { SYNC_CODES } from "../../sim/facts.ts";
import { Story } from "../support/story.ts";

const z = packZxid;

/** A led epoch 1, committed 1:1 and 1:2; then B leads epoch 2 with C, and commits 2:1. */
function history(): Story {
  return new Story()
    .establish("a", 1, 0, ["b", "c"])
    .broadcast("a", z(1, 1), ["b", "c"])
    .broadcast("a", z(1, 2), ["b"])
    .acknowledge("c", z(1, 2))
    .fact("c", "committed", z(1, 2))
    .fact("c", "applied", z(1, 2), z(1, 2))
    .establish("b", 2, z(1, 2), ["c"])
    .broadcast("b", z(2, 1), ["c"]);
}

test("a right history is nobody's fault, and every premise occurred", () => {
  const story = history().crash("a").fact("a", "recovered", z(1, 2), z(1, 2));
  expect(story.blamed).toEqual([]);
  for (const checker of story.checkers.all) expect(checker.premises, checker.name).toBeGreaterThan(0);
});

test("I2: an epoch that is led twice is noticed, by whomever", () => {
  expect(history().fact("c", "established", 2, z(2, 1)).blamed[0]).toMatch(/^I2: c leads epoch 2, which b has led/);
  expect(history().fact("b", "established", 2, z(2, 1)).blamed[0]).toMatch(/^I2: b leads/);
});

test("I1, D5: a proposal by somebody else, before the epoch is established, or out of turn is noticed", () => {
  expect(history().fact("c", "proposed", z(2, 2)).blamed[0]).toMatch(/^I1: c proposed 2:2, but b leads/);
  expect(history().fact("c", "proposed", z(3, 1)).blamed[0]).toMatch(/^I1: c proposed 3:1, but nobody/);
  expect(history().fact("b", "proposed", z(2, 3)).blamed[0]).toMatch(/^D5: b proposed 2:3 after 2:1/);
});

test("D6: equal zxids with different trees are noticed", () => {
  const story = new Story().establish("a", 1, 0, ["b", "c"]).broadcast("a", z(1, 1), ["b"]);
  expect(story.acknowledge("c", z(1, 1)).fact("c", "applied", z(1, 1), 5).blamed[0]).toMatch(/^D6: after 1:1 c has/);
});

test("I3, I6: a hole in what a server applies is noticed, and so is going back", () => {
  const story = (): Story => new Story().establish("a", 1, 0, ["b", "c"]).broadcast("a", z(1, 1), ["b", "c"]);
  const hole = story().broadcast("a", z(1, 2), ["b"]).broadcast("a", z(1, 3), ["b"]);
  expect(hole.fact("c", "applied", z(1, 3), z(1, 3)).blamed[0]).toMatch(
    /^I6: c applied 1:3 after 1:1, others after 1:2/,
  );
  expect(story().fact("b", "applied", z(1, 1), z(1, 1)).blamed[0]).toMatch(/^I6: b applied 1:1 after 1:1/);
});

test("a tree that came as a fuzzy snapshot is compared again once it can be, and only then", () => {
  const story = (): Story =>
    history()
      .fact("a", "synced", SYNC_CODES.snap, z(1, 2))
      .promise("a", 2)
      .did("a", "append", "data/version-2/snapshot.100000002", { bytes: new Uint8Array(9) })
      .did("a", "sync", "data/version-2/snapshot.100000002")
      .did("a", "syncDirectory", "data/version-2")
      .adopt("a", 2)
      .fact("a", "applied", z(2, 1), 99);
  expect(story().blamed).toEqual([]);
  const later = story().broadcast("b", z(2, 2), ["c"]);
  expect(later.fact("a", "applied", z(2, 2), 98).blamed[0]).toMatch(/^D6: after 2:2 a has/);
});

test("a snapshot that is replaced by one of the same zxid is there all the time, unless the new one is not synced", () => {
  const file = "data/version-2/snapshot.100000002";
  const story = (): Story =>
    history()
      .fact("a", "synced", SYNC_CODES.snap, z(1, 2))
      .promise("a", 2)
      .did("a", "append", file, { bytes: new Uint8Array(9) })
      .did("a", "sync", file)
      .did("a", "syncDirectory", "data/version-2")
      .did("a", "append", `${file}.tmp`, { bytes: new Uint8Array(9) });
  const rename = { otherName: file } as const;
  const kept = story().did("a", "sync", `${file}.tmp`).did("a", "rename", `${file}.tmp`, rename).adopt("a", 2);
  expect(kept.blamed).toEqual([]);
  const hollow = story().did("a", "rename", `${file}.tmp`, rename).adopt("a", 2);
  expect(hollow.blamed[0]).toMatch(/^D2: a adopted epoch 2/);
});

test("I4: two txns under one zxid are noticed as they reach a second disk", () => {
  const story = new Story().establish("a", 1, 0, ["b"]).log("a", z(1, 1), 1).log("b", z(1, 1), 1);
  expect(story.blamed).toEqual([]);
  expect(story.log("a", z(1, 2), 1).log("b", z(1, 2), 2).blamed[0]).toMatch(/^I4: b logged another txn as 1:2/);
});

test("Q1: a commit that only a minority's disks would keep is noticed", () => {
  const story = new Story().establish("a", 1, 0, ["b", "c"]);
  story.fact("a", "proposed", z(1, 1)).keep("a", z(1, 1)).log("b", z(1, 1)).log("c", z(1, 1));
  expect(story.fact("a", "committed", z(1, 1)).blamed[0]).toMatch(/^Q1: a committed 1:1, which only a would have/);
});

test("Q1: commits out of order, and commits nobody found a quorum for, are noticed", () => {
  const story = history().fact("b", "proposed", z(2, 2)).fact("b", "proposed", z(2, 3));
  for (const host of ["b", "c"] as const) story.keep(host, z(2, 2)).keep(host, z(2, 3));
  expect(story.fact("b", "committed", z(2, 3)).blamed[0]).toMatch(/^Q1: b committed 2:3 after 2:1/);
  expect(history().fact("c", "committed", z(2, 2)).blamed[0]).toMatch(/^Q1: c was told that 2:2 is committed/);
});

test("D1: a leader without a committed txn is noticed, whether its history is short or another one", () => {
  const short = history().promise("a", 3).promise("c", 3).adopt("a", 3);
  expect(short.fact("a", "established", 3, z(1, 2)).blamed[0]).toMatch(
    /^D1: a leads epoch 3 with a history up to 1:2; 2:1/,
  );
  // A logged 1:3 alone, nobody acknowledged it; then it claims that 1:3 beats the 1:2 and 2:1 of the others.
  const other = history().fact("a", "applied", z(1, 3), 3).fact("a", "applied", z(2, 4), 4);
  expect(other.fact("a", "established", 3, z(2, 4)).blamed).toContainEqual(
    expect.stringMatching(/^D1: the history that a leads epoch 3 with ends in 2:4 and has no 2:1/),
  );
});

test("D1: a late commit by a deposed leader is right when its successor has the txn, and noticed when not", () => {
  const story = (): Story => {
    const s = new Story().establish("a", 1, 0, ["b", "c"]).broadcast("a", z(1, 1), ["b", "c"]);
    s.fact("a", "proposed", z(1, 2));
    return s.keep("a", z(1, 2)).acknowledge("b", z(1, 2));
  };
  const right = story().fact("b", "applied", z(1, 2), z(1, 2)).establish("b", 2, z(1, 2), ["c"]);
  expect(right.fact("a", "committed", z(1, 2)).blamed.filter((what) => !what.includes("when c"))).toEqual([]);
  const wrong = story().establish("c", 2, z(1, 1), ["b"]).fact("a", "committed", z(1, 2));
  expect(wrong.blamed).toContainEqual(expect.stringMatching(/^D1: a committed 1:2, but c leads epoch 2 without it/));
});

test("D8: cutting off what is committed is noticed", () => {
  expect(history().fact("c", "synced", SYNC_CODES.trunc, z(1, 2)).blamed[0]).toMatch(/^D8: c cuts its log back to 1:2/);
  // A never had 2:1 and may cut whatever else it has.
  const right = history().keep("a", z(1, 3)).fact("a", "synced", SYNC_CODES.trunc, z(1, 2));
  expect(right.blamed).toEqual([]);
});

test("D1: a committed txn that too few disks still have is noticed", () => {
  const story = history().did("c", "truncate", "log/version-2/log.1", { length: 16 });
  expect(story.crash("c", 16).blamed[0]).toMatch(/^D1: when c ended, no quorum had 2:1 durable/);
});

test("D2: an acknowledgement before the disk is noticed, whatever the server calls durable", () => {
  const story = history().fact("b", "proposed", z(2, 2)).log("c", z(2, 2)).fact("c", "durable", z(2, 2));
  expect(story.fact("c", "acknowledged", z(2, 2)).blamed[0]).toMatch(
    /^D2: c acknowledged 2:2, which it would not have/,
  );
  const nameless = history().log("c", z(2, 2)).did("c", "sync", "log/version-2/log.1");
  expect(nameless.fact("c", "acknowledged", z(2, 2)).blamed).toEqual([]);
  const failed = history().log("c", z(2, 2)).did("c", "sync", "log/version-2/log.1", {}, false).sync("c");
  expect(failed.fact("c", "acknowledged", z(2, 2)).blamed[0]).toMatch(/^D2: c acknowledged 2:2/);
});

test("D2: NEWLEADER acknowledged before the epoch or the history is durable is noticed", () => {
  const early = history().promise("a", 2).fact("a", "acknowledged", z(2, 0));
  expect(early.blamed[0]).toMatch(/^D2: a acknowledged 2:0, having adopted epoch 1/);
  const hollow = history().promise("a", 3).promise("b", 3).promise("c", 3);
  hollow.fact("a", "synced", SYNC_CODES.diff, z(2, 1)).log("a", z(2, 1));
  expect(hollow.adopt("a", 3).blamed[0]).toMatch(/^D2: a adopted epoch 3, but 2:1 would be lost/);
  const snapless = history().promise("a", 2).fact("a", "synced", SYNC_CODES.snap, z(2, 1)).adopt("a", 2);
  expect(snapless.blamed[0]).toMatch(/^D2: a adopted epoch 2, but the snapshot of 2:1 would be lost/);
});

test("D2: a promise to a newer leader ends the acknowledging of an older one", () => {
  const story = history().promise("a", 3).promise("c", 3).keep("c", z(2, 2));
  expect(story.fact("c", "acknowledged", z(2, 2)).blamed[0]).toMatch(
    /^D2: c acknowledged 2:2, having promised epoch 3/,
  );
});

test("D3: epochs that go back, or are not on the disk when they are said, are noticed", () => {
  expect(history().promise("b", 1).blamed[0]).toMatch(/^D3: b promised 1 after 2/);
  expect(history().fact("b", "promised", 3).blamed[0]).toMatch(/^D3: b promised 3; its disk would say 2/);
  expect(history().adopt("b", 3).blamed[0]).toMatch(/^D3: b adopted 3, having promised 2/);
  expect(history().log("b", z(3, 1)).blamed[0]).toMatch(/^D3: b logged 3:1, having promised epoch 2/);
});

test("D4: a crash that loses what was durable, or finds what never was, is noticed", () => {
  expect(history().fact("c", "recovered", z(1, 2), z(1, 2)).blamed[0]).toMatch(
    /^D4: c recovered up to 1:2; it had 2:1/,
  );
  expect(history().fact("a", "recovered", z(2, 1), z(2, 1)).blamed[0]).toMatch(/^D4: a recovered up to 2:1; it never/);
});
