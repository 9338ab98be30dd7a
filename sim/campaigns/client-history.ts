/**
 * What clients asked and were told, in the order of the world, for history-judge.ts to hold against the transactions.
 */
import type { Micros } from "../events.ts";

/** One request. Fields that an answer fills stay as they are when none comes: then it happened once or not at all. */
export interface Call {
  readonly client: string;
  readonly session: bigint;
  readonly xid: number;
  readonly type: number;
  /** Of reads only. */
  readonly path: string;
  readonly watch: boolean;
  readonly asked: Micros;
  /** Infinity: never. */
  answered: Micros;
  zxid: number;
  err: number;
  /** What a read or a create said, put into words; undefined where nothing is compared. */
  result: string | undefined;
  readonly server: string;
  /** Of a sync: the newest write of each epoch that anybody had been told of when it was asked. */
  readonly known: readonly number[];
  /** The epoch it answered in. */
  epoch: number;
}

/** What one connection heard, in order: the life of its watches. */
export type Heard =
  | { readonly kind: "reply"; readonly call: Call }
  | { readonly kind: "event"; readonly path: string; readonly type: number };

export interface Connection {
  readonly client: string;
  readonly heard: Heard[];
}

export class ClientHistory {
  readonly calls: Call[] = [];
  readonly connections: Connection[] = [];
  /** The newest zxid of an answered write, per epoch (index) so that a superseded leader's syncs can be judged. */
  readonly #known: Map<number, number> = new Map();
  readonly #now: () => Micros;
  readonly #epochOf: (server: string) => number;
  answered = 0;

  /** `epochOf`: the epoch that a server serves in now. */
  constructor(now: () => Micros, epochOf: (server: string) => number) {
    this.#now = now;
    this.#epochOf = epochOf;
  }

  connection(client: string): Connection {
    const connection: Connection = { client, heard: [] };
    this.connections.push(connection);
    return connection;
  }

  ask(call: Pick<Call, "client" | "session" | "xid" | "type" | "path" | "watch" | "server">): Call {
    const known = call.type === SYNC ? [...this.#known.values()] : NONE;
    const whole: Call = { ...call, known, asked: this.#now(), ...UNANSWERED };
    this.calls.push(whole);
    return whole;
  }

  answer(call: Call, zxid: number, err: number, result: string | undefined, isWrite: boolean): void {
    call.answered = this.#now();
    call.zxid = zxid;
    call.err = err;
    call.result = result;
    call.epoch = this.#epochOf(call.server);
    this.answered++;
    if (!isWrite || err !== 0) return;
    const epoch = Math.floor(zxid / 0x1_0000_0000);
    this.#known.set(epoch, Math.max(zxid, this.#known.get(epoch) ?? 0));
  }
}

const SYNC = 9;
const NONE: readonly number[] = [];
const UNANSWERED = { answered: Infinity, zxid: -1, err: 0, epoch: -1, result: undefined } as const;
