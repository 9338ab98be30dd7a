/**
 * Watches against the history (reference: C5): an event comes before any reply of its connection that shows the change, at
 * most once for each watch that was left, and only when something happened.
 */
import { Code } from "../../core/protocol/codes.ts";
import { EventType } from "../../core/protocol/headers.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import type { Blame } from "../checkers/checker.ts";
import { showZxid } from "../checkers/checker.ts";
import type { Call, Connection } from "./client-history.ts";

export type ChangeKind = "created" | "changed" | "deleted" | "children";
interface Change {
  readonly zxid: number;
  readonly kind: ChangeKind;
}

/** What happened to each path, in order. */
export class WatchedChanges {
  readonly #changes: Map<string, Change[]> = new Map();

  add(path: string, zxid: number, kind: ChangeKind): void {
    const known = this.#changes.get(path);
    if (known === undefined) this.#changes.set(path, [{ zxid, kind }]);
    else known.push({ zxid, kind });
  }

  /** The first change in `(after, upTo]` that a watch of this kind is there for. */
  first(path: string, after: number, upTo: number, watch: Kind): Change | undefined {
    for (const change of this.#changes.get(path) ?? []) {
      if (change.zxid > upTo) return undefined;
      if (change.zxid > after && (change.kind === "deleted" || (change.kind === "children") === (watch === "child"))) {
        if (watch === "data" || change.kind !== "created") return change;
      }
    }
    return undefined;
  }
}

type Kind = "data" | "child";

/** Watches that wait, by kind and path, with the zxid they were left at. */
class Waiting {
  readonly data: Map<string, number> = new Map();
  readonly child: Map<string, number> = new Map();
}

/** Returns how many events there were. */
export function judgeWatches(connections: readonly Connection[], changes: WatchedChanges, blame: Blame): number {
  let events = 0;
  for (const { client, heard } of connections) {
    const waiting = new Waiting();
    for (const one of heard) {
      if (one.kind === "event") {
        events++;
        judgeEvent(client, waiting, one.path, one.type, changes, blame);
      } else judgeReply(client, waiting, one.call, changes, blame);
    }
  }
  return events;
}

function judgeEvent(
  client: string,
  waiting: Waiting,
  path: string,
  type: number,
  changes: WatchedChanges,
  blame: Blame,
): void {
  const kinds: readonly Kind[] =
    type === EventType.nodeDeleted ? ["data", "child"] : [type === EventType.nodeChildrenChanged ? "child" : "data"];
  let due = false;
  for (const kind of kinds) {
    const left = waiting[kind].get(path);
    if (left === undefined) continue;
    due ||= changes.first(path, left, Infinity, kind) !== undefined;
    waiting[kind].delete(path);
  }
  if (!due)
    blame("C5", `${client} was told of event ${type} at ${path}, which it does not watch or which did not happen`);
}

function judgeReply(client: string, waiting: Waiting, call: Call, changes: WatchedChanges, blame: Blame): void {
  for (const kind of ["data", "child"] as const) {
    for (const [path, left] of waiting[kind]) {
      const missed = changes.first(path, left, call.zxid, kind);
      if (missed === undefined) continue;
      waiting[kind].delete(path);
      const what = `${client} got the reply to xid ${call.xid} with ${showZxid(call.zxid)}`;
      blame("C5", `${what} and had not been told that ${path} was ${missed.kind} at ${showZxid(missed.zxid)}`);
    }
  }
  if (!call.watch) return;
  if (call.err !== Code.OK && !(call.err === Code.NONODE && call.type === OpCode.exists)) return;
  const kind = call.type === OpCode.getChildren2 ? "child" : "data";
  // The first one left stays: one watcher at one path is one watch.
  if (!waiting[kind].has(call.path)) waiting[kind].set(call.path, call.zxid);
}
