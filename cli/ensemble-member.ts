/** One server of a local ensemble as a process of its own: started, listened to, started again, stopped. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import type { LogLevel } from "../net/logger.ts";
import type { LocalServer } from "./ensemble-layout.ts";
import type { Report } from "./supervision.ts";
import { isReport, STOP_MS } from "./supervision.ts";

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it last said on standard error; mostly one line that says what to change. */
  readonly complaint: string;
}

export interface MemberEvents {
  started(member: Member): void;
  reported(member: Member, report: Report): void;
  /** It ended without having been asked to. */
  ended(member: Member, ending: Ending): void;
}

/** The starter knows for itself when the time has come; a server that ends itself is given this much more. */
const KILL_MS = STOP_MS + 2000;
const COMPLAINT_MAX = 2000;

export class Member {
  readonly server: LocalServer;
  readonly #logLevel: LogLevel;
  readonly #events: MemberEvents;
  #child: ChildProcess | undefined;
  #stopping = false;
  #gone: Promise<void> = Promise.resolve();

  constructor(server: LocalServer, logLevel: LogLevel, events: MemberEvents) {
    this.server = server;
    this.#logLevel = logLevel;
    this.#events = events;
  }

  /** Of its process; undefined when there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    if (this.#stopping) return;
    const { configFile, logFile } = this.server;
    const command = fileURLToPath(new URL("./main.js", import.meta.url));
    const log = fs.openSync(logFile, "a");
    // A session of its own: Ctrl-C in this terminal is for us alone, and we stop the servers in our own way.
    const child = spawn(
      process.execPath,
      [...process.execArgv, command, "serve", "--supervised", "--log-level", this.#logLevel, configFile],
      { stdio: ["ignore", log, "pipe", "ipc"], detached: true },
    );
    fs.closeSync(log);
    this.#child = child;
    let complaint = "";
    child.stderr!.on("data", (text: Buffer) => {
      complaint = (complaint + text.toString()).slice(-COMPLAINT_MAX);
      fs.appendFileSync(logFile, text);
    });
    child.on("message", (message) => {
      if (isReport(message)) this.#events.reported(this, message);
    });
    this.#gone = new Promise((resolve) => {
      const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (this.#child !== child) return;
        this.#child = undefined;
        resolve();
        if (!this.#stopping) this.#events.ended(this, { code, signal, complaint: complaint.trim() });
      };
      child.on("close", ended);
      child.on("error", (error) => {
        complaint ||= error.message;
        if (child.pid === undefined) ended(null, null);
      });
    });
    if (child.pid !== undefined) this.#events.started(this);
  }

  /** Resolves when its process is gone. `now`: without giving it time. */
  async stop(now = false): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child === undefined) return;
    child.kill(now ? "SIGKILL" : "SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), KILL_MS);
    await this.#gone;
    clearTimeout(timer);
  }
}
