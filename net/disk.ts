/**
 * The real disk behind {@link Context}'s file effects: one queue per file, so that operations on one file complete in
 * order and those on different files do not wait for each other. Which files there are and what is in them is the
 * actor's business. Java: the streams inside FileTxnLog and FileSnap.
 *
 * Appends are gathered in memory until the end of the turn. A sync whose bytes are still in memory costs one trip
 * through the thread pool: a write to a descriptor opened with O_DSYNC (on Linux) is durable when it returns. Against
 * write and fdatasync one after the other that saves 15 % of the latency of a small commit and two thirds of its time
 * on the main thread.
 */
import fs from "node:fs";
import path from "node:path";
import type { DirectoryName, DiskOp, DiskOutcome, FileName } from "../core/actor.ts";
import { invariant } from "../core/invariant.ts";
import { diskError, listDirectory, readAll, writeAll } from "./disk-calls.ts";

export interface Volumes {
  /** Directory of the first part `data` of file names (dataDir). */
  readonly data: string;
  /** Directory of the first part `log` (dataLogDir). */
  readonly log: string;
  /** Directory of the first part `conf`: where the configuration file is, for a server that may change it. */
  readonly conf?: string | undefined;
}

/** Something a file's queue does in its turn. `finish` must be called exactly once, when it is over. */
type Step =
  | { readonly kind: "write"; bytes: Buffer; length: number }
  /** `doomed`: appends that it was to cover were dropped, see {@link Disk.#forsake}. */
  | { readonly kind: "sync"; readonly op: DiskOp; doomed?: NodeJS.ErrnoException }
  | { readonly kind: "run"; readonly run: (file: OpenFile, finish: () => void) => void };

interface OpenFile {
  readonly path: string;
  readonly steps: Step[];
  busy: boolean;
  /** Descriptors: plain, and one whose writes are durable. -1 when not open. */
  fd: number;
  syncFd: number;
  /** Where the next append goes; -1 until the file was opened for one. */
  position: number;
  /** Bytes were written that only an fdatasync makes durable. */
  unsynced: boolean;
  /** The first failure since the last sync, for the next one to report. */
  failure: NodeJS.ErrnoException | undefined;
}

const ONE_HOP = process.platform === "linux" && fs.constants.O_DSYNC !== undefined;
const WRITE_BUFFER = 64 * 1024;
/** Larger buffers are left to the collector. */
const WRITE_BUFFER_KEPT = 4 * 1024 * 1024;
const SPARE_BUFFERS = 4;
/** Descriptors are kept for this many files. */
const OPEN_FILES = 8;
const SYNCED: DiskOutcome = { kind: "synced" };

export class Disk {
  readonly #volumes: Volumes;
  readonly #done: (op: DiskOp, outcome: DiskOutcome) => void;
  readonly #wantFlush: () => void;
  readonly #files: Map<FileName, OpenFile> = new Map();
  /** Files whose queues wait for {@link flush}. */
  readonly #waiting: Set<OpenFile> = new Set();
  /** Files with a descriptor, the longest unused first. */
  readonly #opened: Set<OpenFile> = new Set();
  readonly #spare: Buffer[] = [];
  #running = 0;
  #onIdle: (() => void) | undefined;

  /** `done` is called later, or during {@link flush}; `wantFlush` asks for a {@link flush} at the end of this turn. */
  constructor(volumes: Volumes, done: (op: DiskOp, outcome: DiskOutcome) => void, wantFlush: () => void) {
    this.#volumes = volumes;
    this.#done = done;
    this.#wantFlush = wantFlush;
  }

  append(name: FileName, bytes: Uint8Array, start: number, end: number): void {
    const file = this.#file(name);
    const length = end - start;
    let step = file.steps.at(-1);
    if (step?.kind !== "write") {
      step = { kind: "write", bytes: this.#spare.pop() ?? Buffer.allocUnsafeSlow(WRITE_BUFFER), length: 0 };
      this.#push(file, step);
    }
    const needed = step.length + length;
    if (needed > step.bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(needed)));
      bytes.set(step.bytes.subarray(0, step.length));
      this.#recycle(step.bytes);
      step.bytes = bytes;
    }
    step.bytes.set(bytes.subarray(start, end), step.length);
    step.length = needed;
  }

  reserve(name: FileName, length: number): void {
    this.#run(name, (file, finish) => {
      this.#open(file, true, (error) => {
        if (error !== undefined) return this.#fail(file, error, finish);
        fs.fstat(file.fd, (statError, stat) => {
          if (statError) return this.#fail(file, statError, finish);
          if (stat.size >= length) return finish();
          fs.ftruncate(file.fd, length, (cutError) => {
            if (cutError) return this.#fail(file, cutError, finish);
            finish();
          });
        });
      });
    });
  }

  sync(op: DiskOp, name: FileName): void {
    this.#push(this.#file(name), { kind: "sync", op });
  }

  syncDirectory(op: DiskOp, directory: DirectoryName): void {
    this.#exclusively(this.#busyIn(directory), (finish) => {
      fs.open(this.#path(directory), "r", (openError, fd) => {
        if (openError) return finish(() => this.#failed(op, openError));
        fs.fsync(fd, (error) => {
          fs.close(fd, () => finish(() => (error ? this.#failed(op, error) : this.#done(op, SYNCED))));
        });
      });
    });
  }

  readAt(op: DiskOp, name: FileName, offset: number, length: number): void {
    this.#run(name, (file, finish) => {
      this.#open(file, false, (openError) => {
        if (openError !== undefined) return this.#failed(op, openError, finish);
        fs.fstat(file.fd, (statError, stat) => {
          if (statError) return this.#failed(op, statError, finish);
          // A plain array: `slice` of a Buffer does not copy, and core must not have to know.
          const bytes = new Uint8Array(Math.max(0, Math.min(length, stat.size - offset)));
          readAll(file.fd, bytes, 0, offset, (error, got) => {
            if (error !== undefined) return this.#failed(op, error, finish);
            finish();
            const endOfFile = got < bytes.length || offset + got >= stat.size;
            this.#done(op, { kind: "read", bytes: got === bytes.length ? bytes : bytes.subarray(0, got), endOfFile });
          });
        });
      });
    });
  }

  list(op: DiskOp, directory: DirectoryName): void {
    this.#exclusively(this.#busyIn(directory), (finish) => {
      listDirectory(this.#path(directory), (error, files) => {
        finish(() => (error === undefined ? this.#done(op, { kind: "listed", files }) : this.#failed(op, error)));
      });
    });
  }

  rename(op: DiskOp, from: FileName, to: FileName): void {
    const source = this.#file(from);
    const target = this.#file(to);
    this.#exclusively([source, target], (finish) => {
      fs.rename(source.path, target.path, (error) => {
        if (error) return finish(() => this.#failed(op, error));
        this.#forget(target);
        target.position = source.position;
        this.#forget(source);
        finish(() => this.#done(op, { kind: "renamed" }));
      });
    });
  }

  remove(op: DiskOp, name: FileName): void {
    this.#run(name, (file, finish) => {
      fs.unlink(file.path, (error) => {
        if (error) return this.#failed(op, error, finish);
        this.#forget(file);
        finish();
        this.#done(op, { kind: "removed" });
      });
    });
  }

  truncate(op: DiskOp, name: FileName, length: number): void {
    this.#run(name, (file, finish) => {
      this.#open(file, false, (openError) => {
        if (openError !== undefined) return this.#failed(op, openError, finish);
        fs.ftruncate(file.fd, length, (error) => {
          if (error) return this.#failed(op, error, finish);
          file.position = length;
          file.unsynced = true;
          finish();
          this.#done(op, { kind: "truncated" });
        });
      });
    });
  }

  /** Starts what was asked for since the last call. */
  flush(): void {
    if (this.#waiting.size === 0) return;
    const files = [...this.#waiting];
    this.#waiting.clear();
    for (const file of files) this.#pump(file);
  }

  /** Calls back when nothing is queued any more and every descriptor is closed. */
  close(closed: () => void): void {
    this.flush();
    const finish = (): void => {
      for (const file of this.#opened) closeDescriptors(file);
      this.#opened.clear();
      closed();
    };
    if (this.#running === 0) finish();
    else this.#onIdle = finish;
  }

  #file(name: FileName): OpenFile {
    let file = this.#files.get(name);
    if (file === undefined) {
      file = {
        path: this.#path(name),
        steps: [],
        busy: false,
        fd: -1,
        syncFd: -1,
        position: -1,
        unsynced: false,
        failure: undefined,
      };
      this.#files.set(name, file);
    }
    return file;
  }

  #path(name: FileName | DirectoryName): string {
    const [volume, ...rest] = name.split("/");
    invariant(volume === "data" || volume === "log" || volume === "conf", "a name begins with its volume");
    invariant(!rest.includes(".."), "a name stays within its volume");
    const directory = this.#volumes[volume];
    invariant(directory !== undefined, "only a server with a configuration file names one");
    return path.join(directory, ...rest);
  }

  #push(file: OpenFile, step: Step): void {
    file.steps.push(step);
    if (!file.busy) this.#waiting.add(file);
  }

  #run(name: FileName, run: (file: OpenFile, finish: () => void) => void): void {
    this.#push(this.#file(name), { kind: "run", run });
  }

  /** Runs the next step. While one runs, further ones wait in the queue. */
  #pump(file: OpenFile): void {
    if (file.busy) return;
    const step = file.steps.shift();
    if (step === undefined) return;
    file.busy = true;
    this.#running++;
    if (step.kind === "run") return step.run(file, () => this.#finished(file));
    if (step.kind === "sync") return this.#sync(file, step.op, step.doomed);
    const next = file.steps[0];
    if (ONE_HOP && next?.kind === "sync" && !file.unsynced) {
      file.steps.shift();
      return this.#writeDurably(file, step.bytes, step.length, next.op);
    }
    this.#write(file, step.bytes, step.length, () => this.#finished(file));
  }

  #finished(file: OpenFile): void {
    file.busy = false;
    this.#running--;
    if (file.steps.length === 0) {
      if (this.#running === 0) this.#onIdle?.();
    } else if (file.steps.length === 1 && file.steps[0]!.kind === "write" && this.#onIdle === undefined) {
      // The outcome that is about to be told may well bring the sync that belongs to this write: wait for it.
      this.#waiting.add(file);
      this.#wantFlush();
    } else this.#pump(file);
  }

  #write(file: OpenFile, bytes: Buffer, length: number, then: () => void): void {
    this.#open(file, true, (openError) => {
      if (openError !== undefined) return this.#fail(file, openError, then);
      if (file.failure !== undefined) return then();
      writeAll(file.fd, bytes, 0, length, file.position, (error) => {
        this.#recycle(bytes);
        if (error !== undefined) return this.#fail(file, error, then);
        file.position += length;
        file.unsynced = true;
        then();
      });
    });
  }

  #writeDurably(file: OpenFile, bytes: Buffer, length: number, op: DiskOp): void {
    const inTwoHops = (): void => this.#write(file, bytes, length, () => this.#sync(file, op));
    this.#open(file, true, (openError) => {
      if (openError !== undefined || file.failure !== undefined) return inTwoHops();
      this.#openDurable(file, () => {
        if (file.syncFd < 0) return inTwoHops();
        writeAll(file.syncFd, bytes, 0, length, file.position, (error) => {
          this.#recycle(bytes);
          if (error !== undefined) return this.#fail(file, error, () => this.#sync(file, op));
          file.position += length;
          this.#finished(file);
          this.#done(op, SYNCED);
        });
      });
    });
  }

  #sync(file: OpenFile, op: DiskOp, doomed?: NodeJS.ErrnoException): void {
    const failure = doomed ?? file.failure;
    if (failure !== undefined) {
      if (doomed === undefined) this.#forsake(file, failure);
      // Told before the next step runs, or two outcomes could change places.
      this.#failed(op, failure);
      return this.#finished(file);
    }
    this.#open(file, false, (openError) => {
      if (openError !== undefined) return this.#failed(op, openError, () => this.#finished(file));
      fs.fdatasync(file.fd, (error) => {
        if (error) return this.#failed(op, error, () => this.#finished(file));
        file.unsynced = false;
        this.#finished(file);
        this.#done(op, SYNCED);
      });
    });
  }

  /**
   * Bytes are missing. What was asked for before the actor could know must not be appended behind the gap, and no sync
   * that was to cover it may succeed.
   */
  #forsake(file: OpenFile, failure: NodeJS.ErrnoException): void {
    file.failure = undefined;
    const waiting = file.steps.splice(0);
    for (const step of waiting) {
      if (step.kind === "write") this.#recycle(step.bytes);
      else file.steps.push(step.kind === "sync" ? { ...step, doomed: failure } : step);
    }
  }

  #open(file: OpenFile, toAppend: boolean, then: (error: NodeJS.ErrnoException | undefined) => void): void {
    if (file.fd >= 0 && (!toAppend || file.position >= 0)) return then(undefined);
    const located = (): void => {
      if (!toAppend || file.position >= 0) return then(undefined);
      fs.fstat(file.fd, (error, stat) => {
        if (!error) file.position = stat.size;
        then(error ?? undefined);
      });
    };
    if (file.fd >= 0) return located();
    const flags = fs.constants.O_RDWR | (toAppend ? fs.constants.O_CREAT : 0);
    fs.open(file.path, flags, 0o644, (error, fd) => {
      if (error) return then(error);
      file.fd = fd;
      this.#keepOpen(file);
      located();
    });
  }

  /** Leaves `syncFd` at -1 when the second descriptor cannot be had: the first one will do. */
  #openDurable(file: OpenFile, then: () => void): void {
    if (file.syncFd >= 0) return then();
    fs.open(file.path, fs.constants.O_RDWR | fs.constants.O_DSYNC, (error, fd) => {
      if (!error) file.syncFd = fd;
      then();
    });
  }

  #keepOpen(file: OpenFile): void {
    this.#opened.delete(file);
    this.#opened.add(file);
    if (this.#opened.size <= OPEN_FILES) return;
    for (const other of this.#opened) {
      if (other.busy || other.unsynced) continue;
      closeDescriptors(other);
      this.#opened.delete(other);
      return;
    }
  }

  /** The file under this name is another one from here on, or none. */
  #forget(file: OpenFile): void {
    closeDescriptors(file);
    this.#opened.delete(file);
    file.position = -1;
    file.unsynced = false;
    file.failure = undefined;
  }

  /** Runs `run` when all of `files` have come to this point, and holds them there until it has finished. */
  #exclusively(files: readonly OpenFile[], run: (finish: (then: () => void) => void) => void): void {
    const releases: (() => void)[] = [];
    const start = (): void => {
      this.#running++;
      run((then) => {
        this.#running--;
        for (const release of releases) release();
        then();
        if (this.#running === 0) this.#onIdle?.();
      });
    };
    const distinct = new Set(files);
    if (distinct.size === 0) return start();
    let missing = distinct.size;
    for (const file of distinct) {
      this.#push(file, {
        kind: "run",
        run: (_file, finish) => {
          releases.push(finish);
          if (--missing === 0) start();
        },
      });
    }
  }

  #busyIn(directory: DirectoryName): OpenFile[] {
    const prefix = `${directory}/`;
    const busy: OpenFile[] = [];
    for (const [name, file] of this.#files) {
      if (name.startsWith(prefix) && (file.busy || file.steps.length > 0)) busy.push(file);
    }
    return busy;
  }

  #recycle(bytes: Buffer): void {
    if (bytes.length <= WRITE_BUFFER_KEPT && this.#spare.length < SPARE_BUFFERS) this.#spare.push(bytes);
  }

  #fail(file: OpenFile, error: NodeJS.ErrnoException, then: () => void): void {
    file.failure ??= error;
    then();
  }

  #failed(op: DiskOp, error: NodeJS.ErrnoException, finish?: () => void): void {
    finish?.();
    this.#done(op, { kind: "failed", error: diskError(error), detail: error.message });
  }
}

function closeDescriptors(file: OpenFile): void {
  if (file.fd >= 0) fs.close(file.fd);
  if (file.syncFd >= 0) fs.close(file.syncFd);
  file.fd = -1;
  file.syncFd = -1;
}
