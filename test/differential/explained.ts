/**
 * The differences between Apache ZooKeeper 3.8.0 and this server that are meant: each with its reason, and matched as
 * narrowly as its cause allows. NOT_SENT lists what random runs leave out because one occurrence would make every
 * later answer incomparable (or would take Apache's server down); known.ts pins what both servers do in those cases.
 */
import type { Op } from "./ops.ts";
import { type Entry, entryText, type ReplyEntry } from "./replies.ts";

/** One connection's view at the moment two entries differ. */
export interface Context {
  /** What the reference and the subject saw on this connection in this step, and where they differ. */
  readonly reference: readonly Entry[];
  readonly subject: readonly Entry[];
  readonly at: number;
  /** The newest notification zxid this connection had from the subject. */
  readonly newestEventZxid: number;
  /** The newest zxid of a reply from the subject, on any connection. */
  readonly newestZxid: number;
}

export interface Explanation {
  readonly name: string;
  readonly reason: string;
  explains(reference: Entry, subject: Entry, context: Context): boolean;
}

const NO_AUTH = -102;
const NO_WATCHER = -121;

export const EXPLAINED: readonly Explanation[] = [
  {
    name: "notification zxid",
    reason: "3.8 sends -1 in a notification's header; since 3.9.0 it is the zxid of the transaction that caused it",
    explains(reference, subject, context) {
      if (reference.kind !== "event" || subject.kind !== "event") return false;
      return reference.what === subject.what && reference.zxid === -1 && isPlausible(subject.zxid, context);
    },
  },
  {
    name: "characters beyond U+FFFF",
    reason:
      "Apache writes the two halves of a surrogate pair as three bytes each, which no UTF-8 decoder accepts; " +
      "here they are the four bytes of UTF-8",
    explains(reference, subject, context) {
      if (reference.kind === "event" && subject.kind === "event") {
        if (reference.what !== asApacheWrites(subject.what)) return false;
        return reference.zxid === -1 && isPlausible(subject.zxid, context);
      }
      return (
        isReply(reference, 9) && isReply(subject, 9) && entryText(reference) === asApacheWrites(entryText(subject))
      );
    },
  },
  {
    name: "exists needs READ",
    reason: "3.8.0 answers exists on a node its caller may not read; since 3.8.4 and 3.9.2 it is refused",
    explains(reference, subject, context) {
      const probe = context.subject[context.at - 1];
      return (
        isReply(reference, 3) &&
        isReply(subject, 3) &&
        reference.err === 0 &&
        subject.err === NO_AUTH &&
        reference.zxid === subject.zxid &&
        probe !== undefined &&
        isReply(probe, 4) &&
        probe.err === NO_AUTH
      );
    },
  },
  {
    name: "create2 in a multi",
    reason: "3.8.0 and 3.8.1 turn create2 into create inside a multi and answer without a Stat; fixed in 3.8.2",
    explains(reference, subject) {
      if (!isReply(reference, 14) || !isReply(subject, 14) || !sameButParts(reference, subject)) return false;
      const ops = (reference.op as { readonly ops: readonly Op[] }).ops;
      return (
        reference.parts.length === subject.parts.length &&
        reference.parts.every((part, index) => {
          const other = subject.parts[index]!;
          if (part === other) return true;
          return ops[index]?.type === 15 && part.startsWith("1 ") && other.startsWith(`15 ${part.slice(2)} c`);
        })
      );
    },
  },
  {
    name: "checkWatches and other connections",
    reason: "3.8 answers OK when any connection watches the path; since 3.9.0 it must be the caller's own watch",
    explains(reference, subject) {
      return (
        isReply(reference, 17) &&
        isReply(subject, 17) &&
        reference.err === 0 &&
        subject.err === NO_WATCHER &&
        reference.zxid === subject.zxid
      );
    },
  },
];

export const NOT_SENT: readonly { readonly what: string; readonly reason: string }[] = [
  {
    what: "watches of several modes of one connection on one path; removeWatches types 1 and 2 on a persistent one",
    reason: "3.8 keeps one mode per path and connection, the last one registered; since 3.9.0 they are independent",
  },
  { what: "removeWatches and checkWatches types 4 and 5", reason: "-5 in 3.8; they exist since 3.9.0" },
  {
    what: "exists with a watch on a node the caller may not read",
    reason: "3.8.0 registers the watch, later releases refuse (see 'exists needs READ')",
  },
  { what: "check outside a multi", reason: "3.8 commits a record that it cannot read back at its next start" },
  {
    what: "createTTL with a flag that is not a TTL flag and a negative ttl",
    reason: "3.8 commits it and then dies while applying it, at every start",
  },
  { what: "a null path inside a multi", reason: "3.8 leaves its half-made pending changes behind" },
  { what: "a null path in addWatch and removeWatches", reason: "3.8 keeps a watch on no path; -5 here" },
  { what: "createSession as a request", reason: "3.8 answers it with a packet that no client can read" },
  { what: "IPv6 addresses in ip ACLs", reason: "refused by 3.8, understood since 3.9.4" },
  { what: "quota nodes whose text is not a quota", reason: "3.8 throws while applying them" },
];

function isReply(entry: Entry, type: Op["type"]): entry is ReplyEntry {
  return entry.kind === "reply" && entry.op.type === type;
}

/** Each of the six bytes is replaced on reading. */
function asApacheWrites(text: string): string {
  return text.replaceAll(/[\u{10000}-\u{10ffff}]/gu, "\ufffd".repeat(6));
}

function sameButParts(a: ReplyEntry, b: ReplyEntry): boolean {
  return a.err === b.err && a.zxid === b.zxid && a.xid === b.xid;
}

/** Notification zxids go up, and none is ahead of what replies have shown; -1 is a catch-up event's. */
function isPlausible(zxid: number, context: Context): boolean {
  return zxid === -1 || (zxid >= context.newestEventZxid && zxid <= context.newestZxid);
}
