/** Calls to the file system that node:fs leaves half done: short reads and writes, a listing with sizes, kinds of errors. */
import fs from "node:fs";
import path from "node:path";
import type { DiskError, FileEntry } from "../core/actor.ts";

type Failure = NodeJS.ErrnoException | undefined;

export function diskError(error: NodeJS.ErrnoException): DiskError {
  if (error.code === "ENOENT") return "missing";
  return error.code === "ENOSPC" || error.code === "EDQUOT" ? "full" : "io";
}

/** Writes `bytes[from..to)` at `position` of the file. */
export function writeAll(
  fd: number,
  bytes: Uint8Array,
  from: number,
  to: number,
  position: number,
  then: (error: Failure) => void,
): void {
  fs.write(fd, bytes, from, to - from, position, (error, written) => {
    if (error) return then(error);
    if (from + written === to) return then(undefined);
    writeAll(fd, bytes, from + written, to, position + written, then);
  });
}

/** Fills `bytes[from..]` from `offset + from` of the file; `got` is how far it came before the file's end. */
export function readAll(
  fd: number,
  bytes: Uint8Array,
  from: number,
  offset: number,
  then: (error: Failure, got: number) => void,
): void {
  if (from === bytes.length) return then(undefined, from);
  fs.read(fd, bytes, from, bytes.length - from, offset + from, (error, got) => {
    if (error) return then(error, from);
    if (got === 0) return then(undefined, from);
    readAll(fd, bytes, from + got, offset, then);
  });
}

/** Files only, in code-unit order. A missing directory is empty. */
export function listDirectory(directory: string, then: (error: Failure, files: FileEntry[]) => void): void {
  fs.readdir(directory, (listError, names) => {
    if (listError) return then(listError.code === "ENOENT" ? undefined : listError, []);
    const files: FileEntry[] = [];
    let failure: Failure;
    let missing = names.length;
    const finish = (): void =>
      then(
        failure,
        files.sort((a, b) => (a.name < b.name ? -1 : 1)),
      );
    if (missing === 0) return finish();
    for (const name of names) {
      fs.stat(path.join(directory, name), (error, stat) => {
        // A name may go while we look at it; directories are not ours.
        if (!error && stat.isFile()) files.push({ name, size: stat.size });
        else if (error && error.code !== "ENOENT") failure ??= error;
        if (--missing === 0) finish();
      });
    }
  });
}
