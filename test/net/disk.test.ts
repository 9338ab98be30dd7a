import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import type { DirectoryName, DiskOp, DiskOutcome, FileName } from "../../core/actor.ts";
import { Disk } from "../../net/disk.ts";

const A = "data/version-2/a" as FileName;
const B = "data/version-2/b" as FileName;
const HERE = "data/version-2" as DirectoryName;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A disk, and its outcomes in the order in which they came. */
class Bench {
  readonly directory: string = fs.mkdtempSync(path.join(os.tmpdir(), "vivarium-disk-"));
  readonly outcomes: string[] = [];
  readonly disk: Disk;
  #missing = 0;
  #wake = (): void => {};
  #op = 0;

  constructor() {
    fs.mkdirSync(path.join(this.directory, "version-2"));
    const done = (op: DiskOp, outcome: DiskOutcome): void => {
      this.outcomes.push(`${op} ${describe(outcome)}`);
      this.onDone();
      if (--this.#missing === 0) this.#wake();
    };
    const volumes = { data: this.directory, log: this.directory, conf: this.directory };
    this.disk = new Disk(volumes, done, () => setImmediate(() => this.disk.flush()));
  }
  /** Called with every outcome, before it counts. */
  onDone: () => void = () => {};
  op(): DiskOp {
    this.#missing++;
    return ++this.#op as DiskOp;
  }
  append(file: FileName, text: string): void {
    this.disk.append(file, bytes(text), 0, text.length);
  }
  async settle(): Promise<string[]> {
    const settled = new Promise<void>((resolve) => (this.#wake = resolve));
    this.disk.flush();
    await settled;
    return this.outcomes.splice(0);
  }
  text(file: FileName): string {
    return fs.readFileSync(path.join(this.directory, file.slice("data/".length)), "latin1");
  }
}

function describe(outcome: DiskOutcome): string {
  if (outcome.kind === "failed") return `failed ${outcome.error}`;
  if (outcome.kind === "listed") return `listed ${outcome.files.map(({ name, size }) => `${name}:${size}`).join(" ")}`;
  if (outcome.kind !== "read") return outcome.kind;
  return `read ${Buffer.from(outcome.bytes).toString("latin1")} ${outcome.endOfFile}`;
}

const benches: Bench[] = [];
afterEach(async () => {
  for (const { disk, directory } of benches.splice(0)) {
    await new Promise<void>((resolve) => disk.close(resolve));
    fs.rmSync(directory, { recursive: true });
  }
});
function start(): Bench {
  const bench = new Bench();
  benches.push(bench);
  return bench;
}

test("operations on one file complete in order, and reads see the appends before them only", async () => {
  const bench = start();
  bench.append(A, "one");
  bench.disk.readAt(bench.op(), A, 0, 100);
  bench.append(A, "two");
  bench.disk.sync(bench.op(), A);
  bench.append(A, "three");
  bench.disk.readAt(bench.op(), A, 3, 4);
  bench.disk.sync(bench.op(), A);
  expect(await bench.settle()).toEqual(["1 read one true", "2 synced", "3 read twot false", "4 synced"]);
  expect(bench.text(A)).toBe("onetwothree");
});

test("a reserve makes the file longer and does not move the place of appends", async () => {
  const bench = start();
  bench.append(A, "x");
  bench.disk.reserve(A, 8);
  bench.append(A, "y");
  bench.disk.reserve(A, 4);
  bench.disk.sync(bench.op(), A);
  await bench.settle();
  expect(bench.text(A)).toBe("xy\0\0\0\0\0\0");
});

test("a truncated file goes on where it was cut", async () => {
  const bench = start();
  bench.append(A, "0123456789");
  bench.disk.truncate(bench.op(), A, 4);
  bench.append(A, "x");
  bench.disk.sync(bench.op(), A);
  expect(await bench.settle()).toEqual(["1 truncated", "2 synced"]);
  expect(bench.text(A)).toBe("0123x");
});

test("a listing sees what was appended before it, sorted by code unit", async () => {
  const bench = start();
  bench.append(B, "bb");
  bench.append(A, "a");
  bench.append("data/version-2/B" as FileName, "");
  bench.disk.list(bench.op(), HERE);
  bench.disk.list(bench.op(), "data/nowhere" as DirectoryName);
  expect((await bench.settle()).sort()).toEqual(["1 listed B:0 a:1 b:2", "2 listed "]);
});

test("names are made durable after the files they name exist", async () => {
  const bench = start();
  bench.append(A, "a");
  bench.disk.syncDirectory(bench.op(), HERE);
  expect(await bench.settle()).toEqual(["1 synced"]);
  expect(fs.existsSync(path.join(bench.directory, "version-2/a"))).toBe(true);
});

test("a renamed file takes its place of appends along, and its old name begins anew", async () => {
  const bench = start();
  bench.append(A, "old");
  bench.disk.reserve(A, 5);
  bench.append(B, "gone");
  bench.disk.rename(bench.op(), A, B);
  bench.append(B, "er");
  bench.append(A, "new");
  bench.disk.sync(bench.op(), A);
  bench.disk.sync(bench.op(), B);
  expect((await bench.settle())[0]).toBe("1 renamed");
  expect([bench.text(A), bench.text(B)]).toEqual(["new", "older"]);
});

test("a removed file begins anew", async () => {
  const bench = start();
  bench.append(A, "old");
  bench.disk.remove(bench.op(), A);
  bench.append(A, "new");
  bench.disk.sync(bench.op(), A);
  expect(await bench.settle()).toEqual(["1 removed", "2 synced"]);
  expect(bench.text(A)).toBe("new");
});

test("what is not there is missing", async () => {
  const bench = start();
  bench.disk.readAt(bench.op(), A, 0, 1);
  bench.disk.remove(bench.op(), A);
  bench.disk.truncate(bench.op(), A, 0);
  bench.disk.rename(bench.op(), A, B);
  bench.disk.sync(bench.op(), A);
  expect(await bench.settle()).toEqual([1, 2, 3, 4, 5].map((op) => `${op} failed missing`));
});

test("an append that failed surfaces at the next sync of its file, once", async () => {
  const bench = start();
  fs.mkdirSync(path.join(bench.directory, "version-2/a"));
  bench.append(A, "x");
  bench.append(B, "y");
  bench.disk.sync(bench.op(), A);
  bench.disk.sync(bench.op(), B);
  expect((await bench.settle()).sort()).toEqual(["1 failed io", "2 synced"]);
  fs.rmdirSync(path.join(bench.directory, "version-2/a"));
  bench.append(A, "z");
  bench.disk.sync(bench.op(), A);
  expect(await bench.settle()).toEqual(["3 synced"]);
  expect(bench.text(A)).toBe("z");
});

test("many files may be used although few are kept open", async () => {
  const bench = start();
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 30; i++) {
      const file = `data/version-2/f${i}` as FileName;
      bench.append(file, String(round));
      bench.disk.sync(bench.op(), file);
    }
    await bench.settle();
  }
  for (let i = 0; i < 30; i++) expect(bench.text(`data/version-2/f${i}` as FileName)).toBe("01");
});

test("a large append arrives whole", async () => {
  const bench = start();
  bench.append(A, "x".repeat(3_000_000));
  bench.append(A, "y");
  bench.disk.sync(bench.op(), A);
  await bench.settle();
  expect(bench.text(A).length).toBe(3_000_001);
  expect(bench.text(A).endsWith("xy")).toBe(true);
});

test("what was asked to be appended before a failure was known is dropped, and no sync claims to cover it", async () => {
  const bench = new Bench();
  benches.push(bench);
  const inTheWay = path.join(bench.directory, "version-2/a");
  fs.mkdirSync(inTheWay);
  bench.append(A, "first");
  bench.disk.sync(bench.op(), A);
  bench.append(A, "second");
  bench.disk.sync(bench.op(), A);
  // From the first outcome on writing would work again: nothing but the second half would be in the file.
  bench.onDone = () => fs.existsSync(inTheWay) && fs.rmSync(inTheWay, { recursive: true });
  expect(await bench.settle()).toEqual(["1 failed io", "2 failed io"]);
  bench.onDone = () => {};
  expect(fs.existsSync(inTheWay)).toBe(false);
  bench.append(A, "third");
  bench.disk.sync(bench.op(), A);
  expect(await bench.settle()).toEqual(["3 synced"]);
  expect(bench.text(A)).toBe("third");
});

test("the volume of the configuration file is that file's own directory", async () => {
  const bench = start();
  const next = "conf/zoo.cfg.dynamic.next" as FileName;
  bench.append(next, "server.1=a:2888:3888");
  bench.disk.sync(bench.op(), next);
  bench.disk.rename(bench.op(), next, "conf/zoo.cfg.dynamic.5" as FileName);
  bench.disk.syncDirectory(bench.op(), "conf" as DirectoryName);
  expect(await bench.settle()).toEqual(["1 synced", "2 renamed", "3 synced"]);
  expect(fs.readFileSync(path.join(bench.directory, "zoo.cfg.dynamic.5"), "utf8")).toBe("server.1=a:2888:3888");
  const without = new Disk(
    { data: bench.directory, log: bench.directory },
    () => {},
    () => {},
  );
  expect(() => without.readAt(1 as DiskOp, next, 0, 1)).toThrow(/only a server with a configuration file names one/);
});
