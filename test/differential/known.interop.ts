/**
 * What random runs leave out (NOT_SENT in explained.ts), one short script each, with what Apache ZooKeeper 3.8.0
 * answers and what we answer. If either changes, the reason given there no longer holds.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningServer, type ServerKind, startServer } from "../interop/support/servers.ts";
import type { Op } from "./ops.ts";
import { entryText } from "./replies.ts";
import { Side, type Step } from "./side.ts";

const OPEN = [{ perms: 31, scheme: "world", id: "anyone" }];
const CONNECT: Step = { kind: "open", slot: 0, timeout: 30_000, readOnly: false };
const FLUSH: Step = { kind: "flush" };

function ops(...list: readonly Op[]): Step {
  return { kind: "ops", slot: 0, ops: list };
}
function create(path: string): Op {
  return { type: 1, path, data: "x", acl: OPEN, flags: 0 };
}

interface Known {
  readonly what: string;
  readonly steps: readonly Step[];
  /** What each server answers from the second step on, without zxids and Stats. */
  readonly apache: readonly string[];
  readonly vivarium: readonly string[];
}

const KNOWN: readonly Known[] = [
  {
    what: "a getData watch beside a persistent watch",
    steps: [
      CONNECT,
      ops(create("/mixed"), { type: 106, path: "/mixed", mode: 0 }, { type: 4, path: "/mixed", watch: true }),
      ops({ type: 5, path: "/mixed", data: "1", version: -1 }),
      ops({ type: 5, path: "/mixed", data: "2", version: -1 }),
    ],
    apache: ["create OK", "addWatch OK", "getData OK", "event type 3", "setData OK", "setData OK"],
    vivarium: ["create OK", "addWatch OK", "getData OK", "event type 3", "setData OK", "event type 3", "setData OK"],
  },
  {
    what: "removeWatches type 4 on a persistent watch",
    steps: [
      CONNECT,
      ops({ type: 106, path: "/persistent", mode: 0 }, { type: 18, path: "/persistent", mode: 4 }),
      ops(create("/persistent")),
    ],
    apache: ["addWatch OK", "removeWatches MARSHALLINGERROR", "event type 1", "create OK"],
    vivarium: ["addWatch OK", "removeWatches OK", "create OK"],
  },
  {
    what: "exists with a watch on an unreadable node",
    steps: [
      CONNECT,
      ops(
        { type: 1, path: "/hidden", data: "x", acl: [{ perms: 30, scheme: "world", id: "anyone" }], flags: 0 },
        { type: 3, path: "/hidden", watch: true },
        { type: 7, path: "/hidden", acl: OPEN, version: -1 },
      ),
      ops({ type: 5, path: "/hidden", data: "y", version: -1 }),
    ],
    apache: ["create OK", "exists OK", "setACL OK", "event type 3", "setData OK"],
    vivarium: ["create OK", "exists NOAUTH", "setACL OK", "setData OK"],
  },
  {
    what: "an IPv6 address in an ACL",
    steps: [
      CONNECT,
      ops({ type: 1, path: "/v6", data: null, acl: [{ perms: 31, scheme: "ip", id: "::1" }], flags: 0 }),
    ],
    apache: ["create INVALIDACL"],
    vivarium: ["create OK"],
  },
  {
    what: "check outside a multi, with a version that does not match",
    steps: [CONNECT, ops({ type: 13, path: "/", version: 99 }), FLUSH],
    apache: ["check BADVERSION", "ping OK"],
    vivarium: ["check UNIMPLEMENTED", "closed"],
  },
];

const KINDS: readonly ServerKind[] = ["apache", "vivarium"];
const servers = new Map<ServerKind, RunningServer>();

beforeAll(async () => {
  await Promise.all(
    KINDS.map(async (kind) => {
      servers.set(kind, await startServer(kind, { config: { minSessionTimeout: 30_000, extendedTypesEnabled: true } }));
    }),
  );
});
afterAll(() => Promise.all([...servers.values()].map((server) => server.kill())));

describe.each(KNOWN)("$what", ({ steps, ...expected }) => {
  test.each(KINDS)("%s", async (kind) => {
    const side = new Side(servers.get(kind)!.port, 1, () => Promise.resolve());
    const seen: string[] = [];
    for (const [at, step] of steps.entries()) {
      const entries = (await side.play(step)).flatMap((connection) => connection.entries);
      if (at > 0) seen.push(...entries.map((entry) => shortText(entryText(entry))));
    }
    side.disconnectAll();
    expect(seen).toEqual(expected[kind]);
  });
});

function shortText(text: string): string {
  const event = /^event type \d+/.exec(text)?.[0];
  if (event !== undefined) return event;
  const reply = /^(.*) -> (\S+) zxid/.exec(text);
  return reply === null ? text : `${reply[1]} ${reply[2]}`;
}
