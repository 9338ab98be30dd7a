import { describe, expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import { CommittedLog } from "../../../core/zab/committed-log.ts";
import { show, stretch, z } from "./leader-bench.ts";

function entry(zxid: Zxid): { readonly zxid: Zxid; readonly payload: Uint8Array } {
  return { zxid, payload: Uint8Array.of(zxid & 0xff) };
}
function all(log: CommittedLog): string[] {
  return Array.from({ length: log.length }, (_, i) => `${show(log.zxidAt(i))}=${log.payloadAt(i)[0]}`);
}

describe("the committed log", () => {
  test("keeps the newest, in order, and knows what they follow on", () => {
    const log = new CommittedLog(500, [], z("1:0"));
    for (const { zxid, payload } of stretch(1, 1, 1234).map(entry)) log.add(zxid, payload);
    expect([log.length, show(log.min), show(log.max), show(log.base!)]).toEqual([500, "1:735", "1:1234", "1:734"]);
    expect(all(log).slice(0, 2)).toEqual([`1:735=${735 & 0xff}`, `1:736=${736 & 0xff}`]);
    expect(all(log).at(-1)).toBe(`1:1234=${1234 & 0xff}`);
    expect([log.indexAfter(z("1:734")), log.indexAfter(z("1:735")), log.indexAfter(z("1:1234"))]).toEqual([0, 1, 500]);
    expect([log.has(z("1:734")), log.has(z("1:733")), log.has(z("1:900")), log.has(z("2:1"))]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([log.reaches(z("1:734")), log.reaches(z("1:733"))]).toEqual([true, false]);
  });

  test("that is empty ends where the history ends", () => {
    const log = new CommittedLog(500, [], z("3:7"));
    expect([log.min, log.max, log.base].map((zxid) => show(zxid!))).toEqual(["3:7", "3:7", "3:7"]);
    expect([log.has(z("3:7")), log.reaches(z("3:6")), log.indexAfter(z("0:0"))]).toEqual([true, false, 0]);
  });

  test("keeps of what was recovered only what comes after the last gap", () => {
    const recovered = [...stretch(1, 1, 3), ...stretch(1, 5, 6), ...stretch(2, 1, 2)].map(entry);
    const log = new CommittedLog(500, recovered, z("2:2"));
    expect(all(log)).toEqual(["1:5=5", "1:6=6", "2:1=1", "2:2=2"]);
    expect(log.base).toBe(undefined);
    log.add(z("2:3"), Uint8Array.of(9));
    expect(all(log).at(-1)).toBe("2:3=9");
  });

  test("keeps no more of what was recovered than of anything else", () => {
    const log = new CommittedLog(500, stretch(1, 1, 700).map(entry), z("1:700"));
    expect([log.length, show(log.min), log.base]).toEqual([500, "1:201", undefined]);
    log.add(z("1:701"), Uint8Array.of(0));
    expect([log.length, show(log.min), show(log.base!)]).toEqual([500, "1:202", "1:201"]);
  });
});
