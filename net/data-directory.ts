/**
 * The directories of one server: made, looked through and claimed before its actor starts, so that two servers never
 * write into one. Java: FileTxnSnapLog's constructor; there nothing keeps a second server out.
 */
import fs from "node:fs";
import path from "node:path";
import type { ServeConfig } from "./config-file.ts";
import { ExitCode, StartError } from "./start-error.ts";

export interface DataDirectories {
  /** `myid`, if there is one. */
  readonly serverId: number | undefined;
  release(): void;
}

/** Throws {@link StartError}. */
export function openDirectories(config: ServeConfig): DataDirectories {
  const places = new Map([
    [config.dataDir, "dataDir"],
    [config.dataLogDir, config.dataLogDir === config.dataDir ? "dataDir" : "dataLogDir"],
  ]);
  const claims: string[] = [];
  const release = (): void => {
    for (const claim of claims.splice(0)) fs.rmSync(claim, { force: true });
  };
  try {
    for (const [directory, key] of places) {
      const where = config.where(key);
      prepare(directory, where, config.createDirectories);
      claims.push(claimDirectory(directory, where));
    }
    if (places.size === 2) checkContents(config);
    return { serverId: readServerId(config.dataDir), release };
  } catch (error) {
    release();
    throw error;
  }
}

function refuse(message: string): never {
  throw new StartError(message, ExitCode.dataDirectory);
}

function prepare(directory: string, where: string, mayMake: boolean): void {
  const inner = path.join(directory, "version-2");
  try {
    if (mayMake) makeDirectories(inner);
    else if (!fs.statSync(inner).isDirectory()) refuse(`${where}: ${inner} is not a directory`);
    fs.accessSync(inner, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    if (error instanceof StartError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && !mayMake) {
      refuse(`${where}: ${inner} does not exist; make it or remove datadir.autocreate=false`);
    }
    refuse(`${where}: ${directory} cannot be used (${REASONS[code ?? ""] ?? code}); choose another directory`);
  }
}

/**
 * One level after the other: Node's own `recursive` never returns where a directory exists and yet nothing can be made
 * in it because the system says that it does not (such as /proc).
 */
function makeDirectories(directory: string): void {
  if (fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const parent = path.dirname(directory);
  if (parent !== directory) makeDirectories(parent);
  try {
    fs.mkdirSync(directory);
  } catch (error) {
    // Somebody else may have made it just now.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !fs.statSync(directory).isDirectory()) throw error;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  ENOENT: "nothing can be made there",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOTDIR: "part of the path is a file",
  EEXIST: "part of the path is a file",
  ENOSPC: "the disk is full",
};

/** With two directories, files in the wrong one mean that somebody mixed them up: recovery would miss them. */
function checkContents(config: ServeConfig): void {
  const misplaced = (directory: string, prefix: string): string | undefined =>
    fs.readdirSync(path.join(directory, "version-2")).find((name) => new RegExp(`^${prefix}\\.[0-9a-f]+`).test(name));
  const log = misplaced(config.dataDir, "log");
  if (log !== undefined)
    refuse(
      `${config.where("dataDir")}: holds ${log}, but logs belong into dataLogDir; move it to ${config.dataLogDir}`,
    );
  const snapshot = misplaced(config.dataLogDir, "snapshot");
  if (snapshot !== undefined) {
    refuse(
      `${config.where("dataLogDir")}: holds ${snapshot}, but snapshots belong into dataDir; move it to ${config.dataDir}`,
    );
  }
}

/** From the file `myid`; undefined when there is none. Throws {@link StartError}. */
export function readServerId(dataDir: string): number | undefined {
  const file = path.join(dataDir, "myid");
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8").split("\n", 1)[0]!.trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    return refuse(`${file}: cannot be read: ${(error as Error).message}`);
  }
  if (/^\d{1,3}$/.test(text) && Number(text) <= 255) return Number(text);
  throw new StartError(`${file}:1: "${text}" is not a server id from 0 to 255; write e.g. 1`, ExitCode.invocation);
}

/**
 * A claim is an empty file named after the process that made it: its id, and when it began, since ids come again.
 * First a process makes its own claim, then it looks for others: of two that start at once each sees the other, so
 * both may give up, but never do both go on. A claim whose process is gone can be removed by anybody at any time,
 * because nobody will make it again. Nothing to lock, nothing to time out.
 *
 * Processes in other containers or on other machines cannot be seen and count as gone.
 */
function claimDirectory(directory: string, where: string): string {
  const own = `.vivarium.${process.pid}.${startOf(process.pid) ?? 0}.lock`;
  const claim = path.join(directory, own);
  try {
    fs.writeFileSync(claim, "", { flag: "wx" });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST")
      refuse(`${where}: ${directory} is in use by a server in this very process; choose another directory`);
    refuse(`${where}: ${directory} cannot be used (${REASONS[code ?? ""] ?? code}); choose another directory`);
  }
  for (const name of fs.readdirSync(directory)) {
    const match = /^\.vivarium\.(\d+)\.(\d+)\.lock$/.exec(name);
    if (match === null || name === own) continue;
    const pid = Number(match[1]);
    if (isAlive(pid, Number(match[2]))) {
      fs.rmSync(claim, { force: true });
      refuse(`${where}: ${directory} is in use by process ${pid}; stop that server or choose another directory`);
    }
    fs.rmSync(path.join(directory, name), { force: true });
  }
  return claim;
}

function isAlive(pid: number, start: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const now = startOf(pid);
  return now !== ENDED && (now === undefined || start === 0 || now === start);
}

/** Of a process that has ended and is still listed. */
const ENDED = -1;

/** In clock ticks since the machine started; undefined where there is no /proc. */
function startOf(pid: number): number | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in brackets, and may itself hold blanks and brackets.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // Nobody has asked yet how it ended; it holds nothing any more.
    return fields[0] === "Z" ? ENDED : Number(fields[19]);
  } catch {
    return undefined;
  }
}
