/**
 * Facts with a name on them: what each host's actor decided, passed on to whoever listens, which is the checkers and
 * the fault schedule's protocol points.
 */
import type { DiskOutcome, Facts, Millis, RoleName, SyncMode } from "../core/actor.ts";
import type { DiskRequest } from "./disk.ts";

export type FactName =
  | "logged"
  | "durable"
  | "applied"
  | "sessionOpened"
  | "sessionClosed"
  | "recovered"
  | "role"
  | "elected"
  | "promised"
  | "adopted"
  | "established"
  | "synced"
  | "proposed"
  | "acknowledged"
  | "committed"
  | "activated";

/** What `role` facts carry: the states of the election's wire, and one for a server that only reads. */
export const ROLE_CODES = { looking: 0, following: 1, leading: 2, observing: 3, readonly: 4 } as const;
/** What `synced` facts carry: the packet types. */
export const SYNC_CODES = { diff: 13, trunc: 14, snap: 15 } as const;

/** Told of every fact, at the very moment the protocol decided it. Must not change the world: it is inside a handler. */
export interface FactListener {
  /** `a` and `b` are the fact's arguments in order; 0 where there is none. */
  fact(host: string, name: FactName, a: number | bigint, b: number): void;
  log?(host: string, level: string, message: string, fields: Readonly<Record<string, unknown>> | undefined): void;
  /** An operation has taken effect on a host's disk, or failed; the actor does not know yet. */
  did?(host: string, request: DiskRequest, outcome: DiskOutcome): void;
  /** A host's actor ended. `power`: and what its disk had not synced is gone or not, see the disk. */
  ended?(host: string, power: boolean): void;
}

export class HostFacts implements Facts {
  readonly #host: string;
  readonly #listeners: readonly FactListener[];

  constructor(host: string, listeners: readonly FactListener[]) {
    this.#host = host;
    this.#listeners = listeners;
  }

  log(level: "debug" | "info" | "warn" | "error", message: string, fields?: Readonly<Record<string, unknown>>): void {
    for (const listener of this.#listeners) listener.log?.(this.#host, level, message, fields);
  }
  logged(zxid: number): void {
    this.#tell("logged", zxid, 0);
  }
  durable(zxid: number): void {
    this.#tell("durable", zxid, 0);
  }
  applied(zxid: number, digest: number): void {
    this.#tell("applied", zxid, digest);
  }
  sessionOpened(session: bigint, timeout: Millis): void {
    this.#tell("sessionOpened", session, timeout);
  }
  sessionClosed(session: bigint): void {
    this.#tell("sessionClosed", session, 0);
  }
  recovered(zxid: number, digest: number): void {
    this.#tell("recovered", zxid, digest);
  }
  role(role: RoleName, epoch: number): void {
    this.#tell("role", ROLE_CODES[role], epoch);
  }
  elected(leader: number, epoch: number): void {
    this.#tell("elected", leader, epoch);
  }
  promised(epoch: number): void {
    this.#tell("promised", epoch, 0);
  }
  adopted(epoch: number): void {
    this.#tell("adopted", epoch, 0);
  }
  established(epoch: number, zxid: number): void {
    this.#tell("established", epoch, zxid);
  }
  synced(how: SyncMode, zxid: number): void {
    this.#tell("synced", SYNC_CODES[how], zxid);
  }
  proposed(zxid: number): void {
    this.#tell("proposed", zxid, 0);
  }
  acknowledged(zxid: number): void {
    this.#tell("acknowledged", zxid, 0);
  }
  committed(zxid: number): void {
    this.#tell("committed", zxid, 0);
  }
  activated(version: number): void {
    this.#tell("activated", version, 0);
  }

  #tell(name: FactName, a: number | bigint, b: number): void {
    for (const listener of this.#listeners) listener.fact(this.#host, name, a, b);
  }
}
