/**
 * The configuration of the ensemble on this server's disk (Java: QuorumPeerConfig.writeDynamicConfig and
 * editStaticConfig, as QuorumPeer.setLastSeenQuorumVerifier and setQuorumVerifier call them; reference, section 7.4).
 * What is proposed goes to `<configFile>.dynamic.next`; what is in force to `<configFile>.dynamic.<version>`, which the
 * static file then names. Reading all this at the start is the host's business.
 *
 * The protocol does not wait for any of it: a server that comes back without its newest configuration learns it from its
 * log or from the others. So a failure is a line in the log, and an older configuration stays in force on disk, whole.
 */
import type { Context, DirectoryName, DiskOp, DiskOutcome, FileName } from "../actor.ts";
import { ZXID_ZERO, zxidHex } from "../base/zxid.ts";
import type { Zxid } from "../base/zxid.ts";
import type { ServerConfig } from "../config.ts";
import { encodeUtf8 } from "../jute/utf8.ts";
import { QuorumConfig } from "../quorum/config.ts";
import { editStaticConfig, namesDynamicFile } from "./static-config.ts";

const DIRECTORY = "conf" as DirectoryName;
/** A static file beyond it is not one. */
const STATIC_FILE_MAX: number = 1024 * 1024;

/** Asks for one operation of a job. */
interface Step {
  readonly ask: (cx: Context) => DiskOp;
  /** That the file is not there is no failure. */
  readonly mayBeMissing: boolean;
}
/** The operations of one job, one after the other. */
type Steps = Generator<Step, void, DiskOutcome>;

interface Job {
  readonly kind: "propose" | "activate";
  readonly config: QuorumConfig;
}

export class DynamicConfigFiles {
  readonly #serverId: number;
  readonly #configFile: string | undefined;
  readonly #configDirectory: string | undefined;
  /** Of the newest configuration that was ever proposed to this server. */
  #proposed: Zxid;
  #waiting: Job[] = [];
  #job: Job | undefined;
  #steps: Steps | undefined;
  #step: Step | undefined;
  #op: DiskOp | undefined;

  /** Without {@link EnsembleConfig.configFile} nothing is ever written. */
  constructor(config: ServerConfig) {
    this.#serverId = config.serverId;
    this.#configFile = config.ensemble?.configFile;
    this.#configDirectory = config.ensemble?.configDirectory;
    const left = QuorumConfig.parse(config.ensemble?.proposedMembers ?? "");
    this.#proposed = "error" in left ? ZXID_ZERO : left.version;
  }

  /** Nothing is on its way to the disk. */
  get idle(): boolean {
    return this.#job === undefined;
  }

  /** `config` was proposed to this server, and is newer than all before. */
  propose(cx: Context, config: QuorumConfig): void {
    this.#proposed = config.version;
    this.#enqueue(cx, { kind: "propose", config });
  }

  /** `config` is in force here. */
  activate(cx: Context, config: QuorumConfig): void {
    this.#enqueue(cx, { kind: "activate", config });
  }

  /** False: the operation is not one of these files'. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    if (op !== this.#op) return false;
    this.#advance(cx, outcome);
    return true;
  }

  /** A disk that is slower than reconfigurations come gets the newest ones only. */
  #enqueue(cx: Context, job: Job): void {
    if (this.#configFile === undefined) return;
    this.#waiting = this.#waiting.filter((other) => {
      if (job.kind === "propose") return other.kind === "activate";
      return other.kind === "propose" && other.config.version > job.config.version;
    });
    this.#waiting.push(job);
    if (this.#job === undefined) this.#startNext(cx);
  }

  #startNext(cx: Context): void {
    this.#job = this.#waiting.shift();
    this.#op = undefined;
    if (this.#job === undefined) return;
    const { kind, config } = this.#job;
    this.#steps = kind === "propose" ? this.#proposeSteps(config) : this.#activateSteps(config);
    this.#take(cx, this.#steps.next());
  }

  #advance(cx: Context, outcome: DiskOutcome): void {
    const step = this.#step!;
    if (outcome.kind === "failed" && !(step.mayBeMissing && outcome.error === "missing")) {
      const { kind, config } = this.#job!;
      cx.facts.log("warn", "the configuration of the ensemble could not be written", {
        what: kind === "propose" ? "proposed" : "in force",
        version: zxidHex(config.version),
        reason: outcome.detail,
      });
      this.#startNext(cx);
      return;
    }
    this.#take(cx, this.#steps!.next(outcome));
  }

  #take(cx: Context, next: IteratorResult<Step, void>): void {
    if (next.done === true) return this.#startNext(cx);
    this.#step = next.value;
    this.#op = next.value.ask(cx);
  }

  /** Java keeps the version line in this file only. */
  *#proposeSteps(config: QuorumConfig): Steps {
    yield* replaceFile(fileOf(nextFileName(this.#configFile!)), encodeUtf8(config.text()));
    yield { ask: (cx) => cx.syncDirectory(DIRECTORY), mayBeMissing: false };
  }

  /**
   * The dynamic file is durable under its name before the static file names it, and that before the proposal goes: a
   * crash in between leaves a configuration that is whole, and the newer one as proposed.
   */
  *#activateSteps(config: QuorumConfig): Steps {
    const staticName = this.#configFile!;
    const dynamicName = dynamicFileName(staticName, config.version);
    yield* replaceFile(fileOf(dynamicName), encodeUtf8(`${config.linesForFile().join("\n")}\n`));
    const staticFile = fileOf(staticName);
    const read = yield { ask: (cx) => cx.readAt(staticFile, 0, STATIC_FILE_MAX), mayBeMissing: false };
    if (read.kind !== "read") return;
    // Once: what the administrator wrote (Java: QuorumPeerConfig.backupOldConfig).
    if (!namesDynamicFile(read.bytes)) yield* replaceFile(fileOf(`${staticName}.bak`), read.bytes);
    yield { ask: (cx) => cx.syncDirectory(DIRECTORY), mayBeMissing: false };
    const shown = this.#configDirectory === undefined ? dynamicName : `${this.#configDirectory}/${dynamicName}`;
    const clientPortMoved = config.members.get(this.#serverId)?.clientAddress !== undefined;
    yield* replaceFile(staticFile, editStaticConfig(read.bytes, shown, clientPortMoved));
    yield { ask: (cx) => cx.syncDirectory(DIRECTORY), mayBeMissing: false };
    if (this.#proposed > config.version) return;
    yield { ask: (cx) => cx.remove(fileOf(nextFileName(staticName))), mayBeMissing: true };
  }
}

/** Durable content; its name becomes durable with the directory. */
function* replaceFile(file: FileName, bytes: Uint8Array): Steps {
  const temporary = `${file}.tmp` as FileName;
  // What an earlier run left there would come before what is appended now.
  yield { ask: (cx) => cx.remove(temporary), mayBeMissing: true };
  yield {
    ask: (cx) => {
      cx.append(temporary, bytes);
      return cx.sync(temporary);
    },
    mayBeMissing: false,
  };
  yield { ask: (cx) => cx.rename(temporary, file), mayBeMissing: false };
}

function fileOf(name: string): FileName {
  return `${DIRECTORY}/${name}` as FileName;
}

/** Where the configuration in force is; the version is only in the name. */
export function dynamicFileName(configFile: string, version: Zxid): string {
  return `${configFile}.dynamic.${zxidHex(version)}`;
}

/** Where the newest proposed one is, version and all. */
export function nextFileName(configFile: string): string {
  return `${configFile}.dynamic.next`;
}
