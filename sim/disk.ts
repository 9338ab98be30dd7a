/**
 * The disk of one host. It outlives the host's actors. Every operation is an event of its own, so that a crash can fall
 * between any two; operations on one file keep their order, those on different files do not. Names live in directories
 * and become durable apart from the bytes they name. What fails, and when, is decided by the fault schedule through
 * {@link Disk.fail} and {@link Disk.setCapacity}; the disk draws only latencies.
 */
import type { DiskError, DiskOp, DiskOutcome, FileEntry } from "../core/actor.ts";
import type { Prng } from "../core/base/prng.ts";
import type { Survival } from "./disk-image.ts";
import { DiskFile, drawSurvival } from "./disk-image.ts";
import type { Agenda, Micros, Subject } from "./events.ts";
import type { Range } from "./range.ts";
import { drawFrom } from "./range.ts";

export interface DiskProfile {
  readonly append: Range;
  readonly sync: Range;
  readonly read: Range;
  /** Everything that deals with names. */
  readonly names: Range;
  /** Between an operation's taking effect and its actor's learning so: a crash may fall here too. */
  readonly notify: Range;
  /** Bytes. */
  readonly capacity: number;
}

export const FAST_DISK: DiskProfile = Object.freeze<DiskProfile>({
  append: [1, 20],
  sync: [50, 400],
  read: [5, 50],
  names: [5, 100],
  notify: [1, 30],
  capacity: Infinity,
});

export type DiskVerb =
  "append" | "reserve" | "sync" | "syncDirectory" | "readAt" | "list" | "rename" | "remove" | "truncate";

/** One operation on its way; `op` is 0 for those that report nothing. */
export interface DiskRequest {
  readonly verb: DiskVerb;
  readonly op: DiskOp;
  readonly name: string;
  readonly otherName: string;
  readonly offset: number;
  readonly length: number;
  readonly bytes: Uint8Array | undefined;
}

/** Operations that will fail. */
export interface DiskFault {
  readonly verb: DiskVerb;
  /** Only names that contain this. */
  readonly name: string;
  readonly error: DiskError;
  /** How many; Infinity for a broken disk. */
  times: number;
}

/** The host of a disk. */
export interface DiskUser {
  /** An operation has taken effect, or not. The host may crash here. */
  diskDid(request: DiskRequest, outcome: DiskOutcome): void;
  diskDone(op: DiskOp, outcome: DiskOutcome): void;
}

const NO_OP: DiskOp = 0 as DiskOp;
const NO_BYTES: Uint8Array = new Uint8Array(0);
/** What operations without an id come to: nobody asks. */
const NOTHING: DiskOutcome = { kind: "truncated" };
const EXECUTE = 0;
const NOTIFY = 1;

interface Notice {
  readonly op: DiskOp;
  readonly outcome: DiskOutcome;
  /** Its failure is known from here on. */
  readonly file: DiskFile | undefined;
}
interface Asked {
  readonly request: DiskRequest;
  /** Counts requests. */
  readonly number: number;
}

type NameChange =
  | { readonly kind: "link"; readonly name: string; readonly file: DiskFile }
  | { readonly kind: "unlink"; readonly name: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string; readonly file: DiskFile };

/** Names of one directory, last parts only. */
class Directory {
  names: Map<string, DiskFile> = new Map();
  durable: Map<string, DiskFile> = new Map();
  changes: NameChange[] = [];

  change(change: NameChange): void {
    applyName(this.names, change);
    this.changes.push(change);
  }
  sync(): void {
    if (this.changes.length === 0) return;
    this.durable = new Map(this.names);
    this.changes = [];
  }
}

export class Disk implements Subject {
  readonly #agenda: Agenda;
  readonly #profile: DiskProfile;
  readonly #prng: Prng;
  readonly #user: DiskUser;
  /** `log/…` means `data/…`: dataLogDir is not set. */
  readonly #oneVolume: boolean;
  readonly #directories: Map<string, Directory> = new Map();
  /** When the last operation on a name takes effect, so that the next one on it comes later. */
  #busyUntil: Map<string, Micros> = new Map();
  #notifyUntil: Micros = 0;
  #faults: DiskFault[] = [];
  #capacity: number;
  #used = 0;
  /** Operations of earlier runs are void. */
  #run = 0;
  #asked = 0;

  constructor(agenda: Agenda, profile: DiskProfile, prng: Prng, user: DiskUser, oneVolume = false) {
    this.#agenda = agenda;
    this.#profile = profile;
    this.#prng = prng;
    this.#user = user;
    this.#oneVolume = oneVolume;
    this.#capacity = profile.capacity;
  }

  submit(request: DiskRequest): void {
    const place = this.#place(request.name);
    const latency = drawFrom(this.#prng, this.#latencyOf(request.verb));
    const at = Math.max(this.#agenda.now, this.#earliest(request, place)) + latency;
    const directory = isDirectoryVerb(request.verb) ? place : directoryOf(place);
    this.#busyUntil.set(place, at);
    if (request.otherName !== "") this.#busyUntil.set(this.#place(request.otherName), at);
    // Names come and go with these, and whoever asks about the directory later wants to see it.
    const seen = `${directory}/`;
    this.#busyUntil.set(seen, Math.max(this.#busyUntil.get(seen) ?? 0, at));
    const asked: Asked = { request, number: ++this.#asked };
    this.#agenda.schedule(at, this, EXECUTE, this.#run, asked);
  }

  fail(fault: DiskFault): void {
    this.#faults.push(fault);
  }
  /** Ends faults that would go on for ever. */
  heal(): void {
    this.#faults = [];
    this.#capacity = this.#profile.capacity;
  }
  setCapacity(bytes: number): void {
    this.#capacity = bytes;
  }
  get used(): number {
    return this.#used;
  }

  /** What is on its way is lost. `survival`: power is lost too. */
  crash(survival: Survival | undefined, prng: Prng): void {
    this.#run++;
    this.#busyUntil = new Map();
    this.#notifyUntil = 0;
    const files = new Set<DiskFile>();
    for (const directory of this.#directories.values()) {
      if (survival !== undefined) this.#loseNames(directory, drawSurvival(survival, prng), prng);
      for (const file of directory.names.values()) files.add(file);
    }
    this.#used = 0;
    for (const file of files) {
      if (survival === undefined) file.loseProcess();
      else file.losePower(drawSurvival(survival, prng), prng);
      this.#used += file.filled;
    }
  }

  /** The files as programs see them, for tests and checkers: name and content. */
  *files(): Iterable<readonly [name: string, bytes: Uint8Array]> {
    for (const [path, directory] of this.#directories) {
      for (const [name, file] of directory.names) yield [`${path}/${name}`, file.read(0, file.size)];
    }
  }
  file(name: string): DiskFile | undefined {
    const place = this.#place(name);
    return this.#directories.get(directoryOf(place))?.names.get(lastOf(place));
  }

  happen(kind: number, run: number, what: object | undefined): void {
    if (run !== this.#run) return;
    if (kind === NOTIFY) {
      const notice = what as Notice;
      if (notice.file !== undefined) notice.file.failureToldAt = this.#asked;
      return this.#user.diskDone(notice.op, notice.outcome);
    }
    const { request, number } = what as Asked;
    const outcome = this.#execute(request, number);
    if (request.op !== NO_OP) {
      const at = Math.max(this.#notifyUntil, this.#agenda.now + drawFrom(this.#prng, this.#profile.notify));
      this.#notifyUntil = at;
      const told = request.verb === "sync" && outcome.kind === "failed" ? this.file(request.name) : undefined;
      const notice: Notice = { op: request.op, outcome, file: told };
      this.#agenda.schedule(at, this, NOTIFY, run, notice);
    }
    this.#user.diskDid(request, outcome);
  }

  #execute(request: DiskRequest, asked: number): DiskOutcome {
    const error = this.#faults.length === 0 ? undefined : this.#takeFault(request);
    switch (request.verb) {
      case "append":
        return this.#append(request, asked, error);
      case "reserve":
        return this.#reserve(request, error);
      case "sync":
        return this.#sync(request, asked, error);
      case "syncDirectory":
        if (error !== undefined) return failed(error, request);
        this.#directory(this.#place(request.name)).sync();
        return { kind: "synced" };
      case "list":
        return error === undefined ? this.#list(request) : failed(error, request);
      case "rename":
        return error === undefined ? this.#rename(request) : failed(error, request);
      default:
        return error === undefined ? this.#onFile(request) : failed(error, request);
    }
  }

  /** A failure is kept for the next sync; until its outcome is known what follows is dropped, so that no gap opens. */
  #append(request: DiskRequest, asked: number, error: DiskError | undefined): DiskOutcome {
    const bytes = request.bytes!;
    const file = this.#create(request.name);
    const earlier = file.failureFor(asked);
    if (earlier !== undefined) return failed(earlier, request);
    const before = file.filled;
    const room = Math.max(0, this.#capacity - this.#used);
    if (error !== undefined) file.appendFailed(NO_BYTES, error);
    // A full disk takes what fits.
    else if (bytes.length > room) file.appendFailed(bytes.subarray(0, room), "full");
    else file.append(bytes);
    this.#used += file.filled - before;
    return file.failure === undefined ? NOTHING : failed(file.failure, request);
  }

  #reserve(request: DiskRequest, error: DiskError | undefined): DiskOutcome {
    const file = this.#create(request.name);
    if (error === undefined) file.reserve(request.length);
    else file.failure ??= error;
    return NOTHING;
  }

  #sync(request: DiskRequest, asked: number, error: DiskError | undefined): DiskOutcome {
    const file = this.file(request.name);
    if (file === undefined) return failed("missing", request);
    const failure = file.failureFor(asked);
    // A failed append is told here, and nothing is tried; what had been written before it waits for the next sync.
    if (failure !== undefined) return failed(failure, request);
    if (error === undefined) file.sync();
    else file.syncFailed();
    return error === undefined ? { kind: "synced" } : failed(error, request);
  }

  #list(request: DiskRequest): DiskOutcome {
    const files: FileEntry[] = [];
    for (const [name, file] of this.#directories.get(this.#place(request.name))?.names ?? []) {
      files.push({ name, size: file.size });
    }
    files.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    return { kind: "listed", files };
  }

  #rename(request: DiskRequest): DiskOutcome {
    const file = this.file(request.name);
    if (file === undefined) return failed("missing", request);
    const from = this.#place(request.name);
    const to = this.#place(request.otherName);
    const replaced = this.file(request.otherName);
    if (replaced !== undefined && replaced !== file) this.#used -= replaced.filled;
    const source = this.#directory(directoryOf(from));
    const target = this.#directory(directoryOf(to));
    if (source === target) {
      source.change({ kind: "rename", from: lastOf(from), to: lastOf(to), file });
    } else {
      source.change({ kind: "unlink", name: lastOf(from) });
      target.change({ kind: "link", name: lastOf(to), file });
    }
    return { kind: "renamed" };
  }

  #onFile(request: DiskRequest): DiskOutcome {
    const file = this.file(request.name);
    if (file === undefined) return failed("missing", request);
    if (request.verb === "readAt") {
      const bytes = file.read(request.offset, request.length);
      return { kind: "read", bytes, endOfFile: request.offset + bytes.length >= file.size };
    }
    const before = file.filled;
    if (request.verb === "remove") {
      const place = this.#place(request.name);
      this.#directory(directoryOf(place)).change({ kind: "unlink", name: lastOf(place) });
      this.#used -= before;
      return { kind: "removed" };
    }
    file.truncate(request.length);
    this.#used += file.filled - before;
    return { kind: "truncated" };
  }

  /** Directory entries are kept or lost like bytes: in order, or any of them. */
  #loseNames(directory: Directory, survival: Exclude<Survival, "mixed">, prng: Prng): void {
    const names = directory.durable;
    const { changes } = directory;
    const kept = survival === "prefix" ? prng.below(changes.length + 1) : changes.length;
    for (let i = 0; i < kept; i++) {
      const keep = survival === "everything" || survival === "prefix" || (survival !== "nothing" && prng.chance(1, 2));
      if (keep) applyName(names, changes[i]!);
    }
    directory.names = new Map(names);
    directory.changes = [];
  }

  /** Operations on one file complete in order; what concerns a directory waits for what was asked for in it before. */
  #earliest(request: DiskRequest, place: string): Micros {
    if (isDirectoryVerb(request.verb)) return this.#busyUntil.get(`${place}/`) ?? 0;
    const own = this.#busyUntil.get(place) ?? 0;
    return request.otherName === "" ? own : Math.max(own, this.#busyUntil.get(this.#place(request.otherName)) ?? 0);
  }

  #takeFault(request: DiskRequest): DiskError | undefined {
    const fault = this.#faults.find((one) => one.verb === request.verb && request.name.includes(one.name));
    if (fault === undefined) return undefined;
    if (--fault.times <= 0) this.#faults = this.#faults.filter((one) => one !== fault);
    return fault.error;
  }

  #create(name: string): DiskFile {
    const existing = this.file(name);
    if (existing !== undefined) return existing;
    const place = this.#place(name);
    const file = new DiskFile();
    this.#directory(directoryOf(place)).change({ kind: "link", name: lastOf(place), file });
    return file;
  }

  #directory(path: string): Directory {
    let directory = this.#directories.get(path);
    if (directory === undefined) this.#directories.set(path, (directory = new Directory()));
    return directory;
  }

  #place(name: string): string {
    return this.#oneVolume && name.startsWith("log/") ? `data/${name.slice(4)}` : name;
  }

  #latencyOf(verb: DiskVerb): Range {
    if (verb === "append" || verb === "reserve") return this.#profile.append;
    if (verb === "sync" || verb === "syncDirectory") return this.#profile.sync;
    return verb === "readAt" ? this.#profile.read : this.#profile.names;
  }
}

function applyName(names: Map<string, DiskFile>, change: NameChange): void {
  if (change.kind === "link") names.set(change.name, change.file);
  else if (change.kind === "unlink") names.delete(change.name);
  else {
    names.delete(change.from);
    names.set(change.to, change.file);
  }
}

/** For people. */
export function describeRequest(request: DiskRequest): string {
  const { verb, op, name, otherName, offset, length } = request;
  const number = op === 0 ? "" : ` op ${op}`;
  if (verb === "append") return `append ${name} ${length} bytes`;
  if (verb === "readAt") return `read ${name} at ${offset} ${length} bytes${number}`;
  if (verb === "rename") return `rename ${name} to ${otherName}${number}`;
  return verb === "reserve" || verb === "truncate" ? `${verb} ${name} ${length}${number}` : `${verb} ${name}${number}`;
}

function isDirectoryVerb(verb: DiskVerb): boolean {
  return verb === "list" || verb === "syncDirectory";
}
function directoryOf(place: string): string {
  return place.slice(0, place.lastIndexOf("/"));
}
function lastOf(place: string): string {
  return place.slice(place.lastIndexOf("/") + 1);
}

function failed(error: DiskError, request: DiskRequest): DiskOutcome {
  return { kind: "failed", error, detail: `${request.verb} ${request.name}: ${error}` };
}
