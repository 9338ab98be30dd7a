import fc from "fast-check";
import { expect, test } from "vitest";
import type { DiskOp, DiskOutcome } from "../../core/actor.ts";
import { Prng } from "../../core/base/prng.ts";
import type { DiskVerb } from "../../sim/disk.ts";
import { Disk, FAST_DISK } from "../../sim/disk.ts";
import type { Survival } from "../../sim/disk-image.ts";
import { Agenda } from "../../sim/events.ts";

const DIRECTORY = "log/version-2";
const A = `${DIRECTORY}/a`;
const B = `${DIRECTORY}/b`;
const SURVIVALS: readonly Survival[] = ["nothing", "everything", "prefix", "suffix", "sectors", "mixed"];

/** A disk without a host: operations by name, crashes by hand. */
class Bench {
  readonly agenda: Agenda = new Agenda();
  readonly disk: Disk;
  readonly outcomes: DiskOutcome[] = [];
  readonly did: string[] = [];
  #op = 0;

  constructor(capacity = Infinity) {
    const user = {
      diskDid: ({ verb, name }: { verb: DiskVerb; name: string }) => void this.did.push(`${verb} ${name}`),
      diskDone: (_op: DiskOp, outcome: DiskOutcome) => void this.outcomes.push(outcome),
    };
    this.disk = new Disk(this.agenda, { ...FAST_DISK, capacity }, new Prng(1), user);
  }
  ask(verb: DiskVerb, name: string, more: { otherName?: string; length?: number; text?: string } = {}): this {
    const quiet = verb === "append" || verb === "reserve";
    const bytes = more.text === undefined ? undefined : Uint8Array.from(more.text, (letter) => letter.charCodeAt(0));
    const op = (quiet ? 0 : ++this.#op) as DiskOp;
    const { otherName = "", length = 0 } = more;
    this.disk.submit({ verb, op, name, otherName, offset: 0, length, bytes });
    return this;
  }
  append(name: string, text: string): this {
    return this.ask("append", name, { text });
  }
  settle(): this {
    while (this.agenda.step());
    return this;
  }
  losePower(survival: Survival, seed = 1): Record<string, string> {
    this.disk.crash(survival, new Prng(seed));
    return this.content();
  }
  content(): Record<string, string> {
    const files = [...this.disk.files()].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(files.map(([name, bytes]) => [name, String.fromCharCode(...bytes)]));
  }
}

test("what was synced survives with its name once the directory was synced too", () => {
  for (const survival of SURVIVALS) {
    const bench = new Bench().append(A, "kept").ask("sync", A).ask("syncDirectory", DIRECTORY).settle();
    expect(bench.losePower(survival)).toEqual({ [A]: "kept" });
  }
});

test("a name is lost without a sync of its directory, though its bytes were synced", () => {
  const bench = new Bench().append(A, "bytes").ask("sync", A).settle();
  expect(bench.losePower("nothing")).toEqual({});
  // The other half of the hazard: the name is there and the bytes are not.
  const other = new Bench().append(A, "bytes").ask("syncDirectory", DIRECTORY).settle();
  expect(other.losePower("nothing")).toEqual({ [A]: "" });
});

test("a rename is durable with its directory: until then either name may be found, never both", () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const bench = new Bench().append(A, "new").append(B, "old").ask("sync", A).ask("sync", B);
    bench.ask("syncDirectory", DIRECTORY).settle().ask("rename", A, { otherName: B }).settle();
    seen.add(JSON.stringify(bench.losePower("mixed", seed)));
    const durable = new Bench().append(A, "new").ask("sync", A).ask("rename", A, { otherName: B });
    expect(durable.ask("syncDirectory", DIRECTORY).settle().losePower("mixed", seed)).toEqual({ [B]: "new" });
  }
  expect([...seen].toSorted()).toEqual([JSON.stringify({ [A]: "new", [B]: "old" }), JSON.stringify({ [B]: "new" })]);
});

test("a removed file may come back until its directory was synced", () => {
  const bench = new Bench().append(A, "x").ask("sync", A).ask("syncDirectory", DIRECTORY);
  bench.settle().ask("remove", A).settle();
  expect(bench.content()).toEqual({});
  expect(bench.losePower("nothing")).toEqual({ [A]: "x" });
});

test("a truncation may be undone until the file was synced", () => {
  const bench = new Bench().append(A, "abcdef").ask("sync", A).ask("syncDirectory", DIRECTORY);
  bench.ask("truncate", A, { length: 2 }).settle();
  expect(bench.content()).toEqual({ [A]: "ab" });
  expect(bench.losePower("nothing")).toEqual({ [A]: "abcdef" });
  bench.ask("truncate", A, { length: 2 }).append(A, "X").ask("sync", A).settle();
  expect(bench.losePower("nothing")).toEqual({ [A]: "abX" });
});

test("a killed process loses nothing that had reached the kernel, and everything that had not", () => {
  const bench = new Bench().append(A, "written").settle().append(A, " under way");
  bench.disk.crash(undefined, new Prng(1));
  bench.settle();
  expect(bench.content()).toEqual({ [A]: "written" });
  // The kernel still has it to lose.
  expect(bench.losePower("nothing")).toEqual({});
});

test("a prefix survives a loss that keeps prefixes, torn anywhere; a suffix leaves zeros before it", () => {
  const whole = "0123456789abcdefghij";
  const prefixes = new Set<string>();
  const suffixes = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    for (const [survival, seen] of [
      ["prefix", prefixes],
      ["suffix", suffixes],
    ] as const) {
      const bench = new Bench()
        .append(A, whole.slice(0, 10))
        .append(A, whole.slice(10))
        .ask("syncDirectory", DIRECTORY);
      seen.add(bench.settle().losePower(survival, seed)[A]!);
    }
  }
  expect([...prefixes].every((found) => whole.startsWith(found))).toBe(true);
  expect(prefixes.size).toBeGreaterThan(12);
  expect(
    [...suffixes].every(
      (found) => /^\0*/.exec(found)![0] + whole.slice(found.replace(/[^\0].*/, "").length) === found || found === "",
    ),
  ).toBe(true);
  expect(suffixes.size).toBeGreaterThan(12);
});

test("whole sectors survive or not when any of them may", () => {
  const sector = (letter: string): string => letter.repeat(512);
  const seen = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const bench = new Bench()
      .append(A, sector("a") + sector("b") + sector("c"))
      .ask("syncDirectory", DIRECTORY)
      .settle();
    const found = bench.losePower("sectors", seed)[A]!;
    seen.add(
      [0, 512, 1024]
        .map((at) => found.slice(at, at + 512))
        .map((one) => one.replace(/(.)\1*/s, "$1"))
        .join("|"),
    );
  }
  expect(seen.size).toBe(8);
});

test("what was synced is never harmed by the loss of what came after, whatever is lost", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 700 });
  const losses = fc.constantFrom(...SURVIVALS);
  fc.assert(
    fc.property(text, fc.array(text, { maxLength: 4 }), losses, fc.nat(1000), (synced, after, survival, seed) => {
      const bench = new Bench().append(A, synced).ask("reserve", A, { length: 4096 }).ask("sync", A);
      bench.ask("syncDirectory", DIRECTORY);
      for (const piece of after) bench.append(A, piece);
      const found = bench.settle().losePower(survival, seed)[A]!;
      expect(found.slice(0, synced.length)).toBe(synced);
      expect(found.length).toBeGreaterThanOrEqual(4096);
      const rest = after.join("").padEnd(4096, "\0");
      const odd = found
        .split("")
        .findIndex((at, i) => i >= synced.length && at !== "\0" && at !== rest[i - synced.length]);
      expect(odd).toBe(-1);
    }),
    { seed: 4, numRuns: 150 },
  );
});

test("a full disk takes what fits, says so at the next sync, and nothing is appended in between", () => {
  const bench = new Bench(10)
    .append(A, "12345678")
    .ask("sync", A)
    .append(A, "9abcdef")
    .append(A, "!")
    .ask("sync", A)
    .settle();
  expect(bench.outcomes.map((one) => (one.kind === "failed" ? one.error : one.kind))).toEqual(["synced", "full"]);
  expect(bench.content()).toEqual({ [A]: "123456789a" });
  bench.ask("truncate", A, { length: 8 }).append(A, "xy").ask("sync", A).settle();
  expect(bench.outcomes.at(-1)!.kind).toBe("synced");
  expect(bench.content()).toEqual({ [A]: "12345678xy" });
});

test("what was asked to be appended before a failure was known is dropped, and no sync claims to cover it", () => {
  const bench = new Bench();
  bench.disk.fail({ verb: "append", name: "", error: "io", times: 1 });
  bench.append(A, "first").ask("sync", A).append(A, "second").ask("sync", A).settle();
  expect(bench.outcomes.map((one) => (one.kind === "failed" ? one.error : one.kind))).toEqual(["io", "io"]);
  expect(bench.content()).toEqual({ [A]: "" });
  bench.append(A, "third").ask("sync", A).settle();
  expect(bench.outcomes.at(-1)!.kind).toBe("synced");
  expect(bench.content()).toEqual({ [A]: "third" });
});

test("after a failed sync its bytes are in doubt for ever, even if the next sync succeeds", () => {
  const bench = new Bench().append(A, "one").ask("syncDirectory", DIRECTORY).settle();
  bench.disk.fail({ verb: "sync", name: "", error: "io", times: 1 });
  bench.ask("sync", A).append(A, "two").ask("sync", A).settle();
  expect(bench.outcomes.slice(1).map((one) => one.kind)).toEqual(["failed", "synced"]);
  expect(bench.content()).toEqual({ [A]: "onetwo" });
  expect(bench.losePower("nothing")).toEqual({ [A]: "\0\0\0two" });
});

test("every operation can be made to fail, by its kind and its name", () => {
  const verbs: DiskVerb[] = [
    "append",
    "reserve",
    "sync",
    "syncDirectory",
    "readAt",
    "list",
    "rename",
    "remove",
    "truncate",
  ];
  for (const verb of verbs) {
    const bench = new Bench().append(A, "x").append(B, "x").settle();
    const name = verb === "list" || verb === "syncDirectory" ? DIRECTORY : A;
    bench.disk.fail({ verb, name, error: "io", times: 1 });
    bench.ask("readAt", B, { length: 1 }).settle();
    bench
      .ask(verb, name, { otherName: verb === "rename" ? `${A}2` : "", length: 1, text: "y" })
      .ask("sync", A)
      .settle();
    const kinds = bench.outcomes.map((one) => (one.kind === "failed" ? one.error : one.kind));
    expect(kinds[0], verb).toBe("read");
    expect(kinds.filter((kind) => kind === "io").length, verb).toBe(1);
  }
});

test("each operation is an event of its own: a crash can fall behind any of them", () => {
  const seen = new Set<string>();
  for (let steps = 0; steps < 12; steps++) {
    const bench = new Bench()
      .append(A, "1")
      .ask("sync", A)
      .ask("rename", A, { otherName: B })
      .ask("syncDirectory", DIRECTORY);
    for (let i = 0; i < steps; i++) bench.agenda.step();
    bench.disk.crash(undefined, new Prng(1));
    while (bench.agenda.step());
    seen.add(bench.did.join(", "));
  }
  expect(seen.size).toBe(5);
});

test("rot changes a durable byte", () => {
  const bench = new Bench().append(A, "abc").ask("sync", A).ask("syncDirectory", DIRECTORY).settle();
  expect(bench.disk.file(A)!.rot(1, 0x20)).toBe(true);
  expect(bench.content()).toEqual({ [A]: "aBc" });
  expect(bench.losePower("nothing")).toEqual({ [A]: "aBc" });
  expect(bench.disk.file(A)!.rot(99, 1)).toBe(false);
});
