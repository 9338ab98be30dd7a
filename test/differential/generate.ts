/**
 * Random steps for several clients. What the reference server must not be sent, or what makes the two differ by
 * design in a way that would spread, is not generated: see NOT_SENT in explained.ts, which names each case.
 */
import type { Prng } from "../../core/base/prng.ts";
import type { World } from "./world.ts";
import { type AclList, type CreateOp, nameOf, type Op, type Paths } from "./ops.ts";
import {
  BROKEN_BODIES,
  CREDENTIALS,
  DATA,
  GARBAGE_FRAMES,
  INVALID_ACLS,
  NAMES,
  ODD_PATHS,
  OPEN,
  pick,
  UNKNOWN_OPCODES,
  VALID_ACLS,
  weighted,
} from "./pools.ts";
import type { Step } from "./side.ts";

/** What an episode is about. */
export interface Profile {
  readonly name: string;
  /** The longest run of requests sent in one write. */
  readonly burstMax: number;
  readonly quotas: boolean;
  /** Weight of watch operations, of ACL changes and of session changes, each against 100 of everything else. */
  readonly watches: number;
  readonly acls: number;
  readonly sessions: number;
  /** Kill and start both servers this often in a thousand steps. */
  readonly restarts?: number;
  /** Lines of zoo.cfg for both. */
  readonly config?: Readonly<Record<string, boolean>>;
}

export const PROFILES: readonly Profile[] = [
  { name: "pipelined", burstMax: 12, quotas: false, watches: 10, acls: 5, sessions: 2 },
  { name: "watches", burstMax: 4, quotas: false, watches: 80, acls: 3, sessions: 4 },
  { name: "acls", burstMax: 4, quotas: false, watches: 10, acls: 60, sessions: 4 },
  // Usage counts only what has been applied, so pipelined writes may overshoot a quota: one request at a time.
  { name: "quotas", burstMax: 1, quotas: true, watches: 10, acls: 5, sessions: 2 },
  { name: "sessions", burstMax: 6, quotas: false, watches: 30, acls: 5, sessions: 60 },
  {
    name: "restarts",
    burstMax: 8,
    quotas: true,
    watches: 20,
    acls: 20,
    sessions: 20,
    restarts: 6,
    config: { enforceQuota: false },
  },
  {
    name: "defaults",
    burstMax: 8,
    quotas: true,
    watches: 10,
    acls: 10,
    sessions: 5,
    config: { enforceQuota: false, extendedTypesEnabled: false },
  },
  // The early check looks at what has been applied, too.
  {
    name: "eager",
    burstMax: 1,
    quotas: false,
    watches: 10,
    acls: 60,
    sessions: 5,
    config: { enableEagerACLCheck: true },
  },
];

/** Makes a setData of a two-letter path a frame of jute.maxbuffer bytes. */
const FILL_MAX = 0xfffff - 22;
const CHILDREN = 1;
const DATA_WATCH = 2;
const ANY = 3;
const WATCH_USES = ["standard", "persistent", "recursive"] as const;

export class Generator {
  readonly #prng: Prng;
  readonly #profile: Profile;
  readonly #world: World;
  readonly #slots: number;
  readonly #without: ReadonlySet<string>;

  /** `without`: names of operations to leave out. */
  constructor(prng: Prng, profile: Profile, world: World, slots: number, without: ReadonlySet<string>) {
    this.#without = without;
    this.#prng = prng;
    this.#profile = profile;
    this.#world = world;
    this.#slots = slots;
  }

  next(): Step {
    for (;;) {
      const step = this.#any();
      if (step.kind !== "ops") return step;
      const ops = step.ops.filter((op) => !this.#isLeftOut(op));
      if (ops.length > 0) return { ...step, ops };
    }
  }

  #isLeftOut(op: Op): boolean {
    return this.#without.has(nameOf(op)) || ("path" in op && op.path === null && this.#without.has("null paths"));
  }

  #any(): Step {
    const prng = this.#prng;
    if (prng.chance(this.#profile.restarts ?? 0, 1000)) return { kind: "restart", swap: prng.chance(1, 2) };
    const slot = prng.below(this.#slots);
    if (!this.#world.isOpen(slot)) return this.#connect(slot);
    const { watches, acls, sessions, quotas } = this.#profile;
    const kind = weighted(prng, [
      [100, "plain"],
      [watches, "watch"],
      [acls, "acl"],
      [sessions, "session"],
      [quotas ? 25 : 0, "quota"],
      [3, "alone"],
      [4, "exists"],
      [2, "flush"],
    ] as const);
    switch (kind) {
      case "session":
        return this.#session(slot);
      case "alone":
        return this.#alone(slot);
      case "exists":
        return { kind: "exists", slot, path: this.#path(), watch: false };
      case "flush":
        return { kind: "flush" };
      case "watch":
        if (prng.chance(1, 4)) return this.#existsWatch(slot);
        return { kind: "ops", slot, ops: [this.#watchOp(slot)] };
      case "acl":
        return { kind: "ops", slot, ops: [this.#aclOp()] };
      case "quota":
        return { kind: "ops", slot, ops: this.#quotaOps() };
      case "plain":
        return this.#burst(slot);
    }
  }

  #connect(slot: number): Step {
    const prng = this.#prng;
    if (this.#world.hasSession(slot) && prng.chance(4, 5)) return this.#resume(slot);
    return {
      kind: "open",
      slot,
      timeout: pick(prng, [-1, 0, 30_000, 40_000, 600_000]),
      readOnly: pick(prng, [false, false, true, undefined]),
    };
  }

  #resume(slot: number): Step {
    const how = weighted(this.#prng, [
      [8, "right"],
      [1, "wrong password"],
      [1, "short password"],
      [1, "zxid ahead"],
    ] as const);
    return { kind: "resume", slot, timeout: pick(this.#prng, [30_000, 45_000]), how };
  }

  #session(slot: number): Step {
    const kind = weighted(this.#prng, [
      [5, "drop"],
      [4, "close"],
      [4, "resume"],
      [1, "garbage"],
    ] as const);
    if (kind === "resume") return this.#resume(slot);
    if (kind === "garbage") return { kind, slot, hex: pick(this.#prng, GARBAGE_FRAMES) };
    return { kind, slot };
  }

  /** Requests that do not mix with others in one write: answered out of turn, or ending the connection. */
  #alone(slot: number): Step {
    const prng = this.#prng;
    const op = weighted<Op>(prng, [
      [8, { type: 100, scheme: "digest", auth: pick(prng, CREDENTIALS) }],
      [1, { type: 100, scheme: "digest", auth: "super:adm" }],
      [1, { type: 100, scheme: "ip", auth: "1.2.3.4" }],
      [1, { type: 100, scheme: pick(prng, ["world", "nobody", "auth", ""]), auth: "x" }],
      [1, { type: 102, token: "token" }],
      // The largest frame accepted, and one byte more.
      [1, { type: 5, path: "/a", data: { fill: FILL_MAX + prng.below(2) }, version: -1 }],
      [1, { type: "raw", code: pick(prng, UNKNOWN_OPCODES), body: "" }],
    ]);
    return { kind: "ops", slot, ops: [op] };
  }

  #burst(slot: number): Step {
    const prng = this.#prng;
    const ops: Op[] = [];
    for (let count = 1 + prng.below(this.#profile.burstMax); count > 0; count--) ops.push(this.#plainOp(slot));
    if (prng.chance(1, 60)) return { kind: "ops", slot, ops, xid: pick(prng, [0, -1000, 2_147_483_000]) };
    return { kind: "ops", slot, ops };
  }

  #plainOp(slot: number): Op {
    const prng = this.#prng;
    const kind = weighted(prng, [
      [26, "create"],
      [12, "delete"],
      [14, "set"],
      [14, "read"],
      [3, "acl"],
      [10, "multi"],
      [4, "multiRead"],
      [2, "sync"],
      [2, "plain"],
      [3, "path"],
      [1, "reconfig"],
      [2, "broken"],
    ] as const);
    switch (kind) {
      case "create":
        return this.#create();
      case "delete":
        return { type: 2, path: this.#path(), version: this.#version() };
      case "set":
        return { type: 5, path: this.#path(), data: weighted(prng, DATA), version: this.#version() };
      case "read":
        return { type: pick(prng, [4, 8, 12] as const), path: this.#path(), watch: false };
      case "acl":
        return { type: 6, path: this.#path() };
      case "multi":
        return { type: 14, ops: this.#subOps() };
      case "multiRead":
        return { type: 22, ops: this.#subReads() };
      case "sync":
        return { type: 9, path: this.#path() };
      case "plain":
        return { type: pick(prng, [11, 107] as const) };
      case "path":
        return { type: pick(prng, [103, 104] as const), path: this.#path() };
      case "reconfig":
        return { type: 16, joining: "server.1=127.0.0.1:1:2;3", leaving: null, members: null };
      case "broken":
        return this.#broken(slot);
    }
  }

  #create(): Op {
    const prng = this.#prng;
    const common = { path: this.#newPath(), data: weighted(prng, DATA), acl: this.#acl() };
    switch (weighted(prng, [[40, 1] as const, [20, 15] as const, [5, 19] as const, [6, 21] as const])) {
      case 19:
        return { type: 19, ...common, flags: pick(prng, [4, 4, 4, 0, 2]) };
      case 21:
        return {
          type: 21,
          ...common,
          flags: pick(prng, [5, 6]),
          ttl: pick(prng, [1, 3_600_000, 1_099_511_627_775, 1_099_511_627_776, 0, -1]),
        };
      case 15:
        return { type: 15, ...common, flags: this.#flags() };
      default:
        return { type: 1, ...common, flags: this.#flags() };
    }
  }

  #flags(): number {
    return weighted(this.#prng, [
      [50, 0],
      [15, 1],
      [10, 2],
      [10, 3],
      [1, 4],
      [1, 5],
      [1, 7],
      [1, -1],
    ]);
  }

  #subOps(): Op[] {
    const prng = this.#prng;
    if (prng.chance(1, 30)) return [];
    const ops: Op[] = [];
    for (let count = 1 + prng.below(4); count > 0; count--) ops.push(this.#subOp());
    // Not a sub-operation: the whole multi does not decode.
    if (prng.chance(1, 40)) ops.push({ type: 4, path: "/a", watch: false });
    if (prng.chance(1, 40)) ops.push({ type: 7, path: "/a", acl: OPEN, version: -1 });
    return ops;
  }

  #subOp(): Op {
    const prng = this.#prng;
    const path = this.#subPath();
    switch (
      weighted(prng, [
        [5, 1] as const,
        [2, 15] as const,
        [1, 19] as const,
        [3, 2] as const,
        [3, 5] as const,
        [2, 13] as const,
      ])
    ) {
      case 2:
        return { type: 2, path, version: this.#version() };
      case 5:
        return { type: 5, path, data: weighted(prng, DATA), version: this.#version() };
      case 13:
        return { type: 13, path, version: this.#version() };
      case 19:
        return { type: 19, path: this.#subPath(), data: "c", acl: OPEN, flags: 4 };
      case 15:
        return { ...this.#subCreate(), type: 15 };
      default:
        return this.#subCreate();
    }
  }

  #subCreate(): CreateOp {
    const prng = this.#prng;
    const acl = prng.chance(1, 10) ? pick(prng, VALID_ACLS) : OPEN;
    return {
      type: 1,
      path: this.#subPath(),
      data: weighted(prng, DATA),
      acl,
      flags: pick(prng, [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 9]),
    };
  }

  /** A null path inside a multi is not sent. */
  #subPath(): string {
    return this.#newPath() ?? "/a";
  }

  #subReads(): Op[] {
    const prng = this.#prng;
    const ops: Op[] = [];
    for (let count = prng.below(5); count > 0; count--) {
      ops.push({ type: pick(prng, [4, 8] as const), path: this.#path() ?? "/a", watch: prng.chance(1, 4) });
    }
    if (prng.chance(1, 20)) ops.push({ type: 2, path: "/a", version: -1 });
    return ops;
  }

  #aclOp(): Op {
    const prng = this.#prng;
    if (prng.chance(1, 3)) return { type: 6, path: this.#path() };
    return { type: 7, path: this.#path(), acl: this.#acl(), version: this.#version() };
  }

  #acl(): AclList {
    return weighted(this.#prng, [
      [150 - this.#profile.acls, OPEN],
      [this.#profile.acls, pick(this.#prng, VALID_ACLS)],
      [4, pick(this.#prng, INVALID_ACLS)],
    ]);
  }

  #broken(slot: number): Op {
    const prng = this.#prng;
    const code = pick(
      prng,
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 101, 103, 104, 105, 106],
    );
    if (prng.chance(1, 10))
      return { type: 101, back: 0, data: null, exist: [], child: [], persistent: [], recursive: [] };
    if (prng.chance(1, 10))
      return { type: 106, path: this.#watchPath(slot, "persistent"), mode: pick(prng, [2, -1, 7]) };
    return { type: "raw", code, body: pick(prng, BROKEN_BODIES) };
  }

  #quotaOps(): Op[] {
    const prng = this.#prng;
    const of = `/zookeeper/quota/${pick(prng, ["a", "b", "a/a"])}`;
    const limits =
      `count=${pick(prng, [-1, 1, 3, 6])},bytes=${pick(prng, [-1, 10, 200])}` +
      `=;byteHardLimit=${pick(prng, [-1, -1, 150, 6000])};countHardLimit=${pick(prng, [-1, -1, 2, 5])}`;
    const create = (path: string, data: string): Op => ({ type: 1, path, data, acl: OPEN, flags: 0 });
    switch (
      weighted(prng, [[4, "set"] as const, [3, "read"] as const, [2, "change"] as const, [1, "delete"] as const])
    ) {
      case "set":
        return [
          create("/zookeeper/quota/a", ""),
          create(of, ""),
          create(`${of}/zookeeper_limits`, limits),
          create(`${of}/zookeeper_stats`, "count=0,bytes=0"),
        ];
      case "read":
        return [{ type: 4, path: `${of}/zookeeper_stats`, watch: false }];
      case "change":
        return [{ type: 5, path: `${of}/zookeeper_limits`, data: limits, version: -1 }];
      case "delete":
        return [{ type: 2, path: `${of}/${pick(prng, ["zookeeper_limits", "zookeeper_stats"])}`, version: -1 }];
    }
  }

  #watchOp(slot: number): Op {
    const prng = this.#prng;
    const use = pick(prng, ["standard", "standard", "standard", "standard", "persistent", "recursive"] as const);
    const path = this.#watchPath(slot, use);
    switch (weighted(prng, [[6, "add"] as const, [2, "set"] as const, [1, "check"] as const, [2, "remove"] as const])) {
      case "add":
        if (use !== "standard") return { type: 106, path, mode: use === "recursive" ? 1 : 0 };
        return { type: pick(prng, [4, 8, 12] as const), path, watch: true };
      case "set":
        return this.#setWatches(slot);
      case "check":
      case "remove": {
        const type = prng.chance(1, 4) ? 17 : 18;
        return { type, path, mode: use !== "standard" ? ANY : pick(prng, [CHILDREN, DATA_WATCH, ANY, 0, 6]) };
      }
    }
  }

  #existsWatch(slot: number): Step {
    return { kind: "exists", slot, path: this.#watchPath(slot, "standard"), watch: true };
  }

  #setWatches(slot: number): Op {
    const prng = this.#prng;
    const some = (use: WatchUse): Paths => Array.from({ length: prng.below(4) }, () => this.#watchPath(slot, use));
    const type = pick(prng, [101, 105] as const);
    const standard = {
      type,
      back: prng.below(30),
      data: some("standard"),
      exist: some("standard"),
      child: some("standard"),
    };
    if (type === 101) return { ...standard, persistent: [], recursive: [] };
    return { ...standard, persistent: some("persistent"), recursive: some("recursive") };
  }

  /** A connection uses a path for one kind of watch only (NOT_SENT: mixed modes). */
  #watchPath(slot: number, use: WatchUse): string {
    for (let tries = 0; tries < 50; tries++) {
      const path = this.#path();
      if (path !== null && watchUse(slot, path) === use) return path;
    }
    return `/${use}`;
  }

  #version(): number {
    return weighted(this.#prng, [
      [12, -1],
      [5, 0],
      [3, 1],
      [2, 2],
      [1, 7],
      [1, -2],
    ]);
  }

  /** Mostly one that exists. */
  #path(): string | null {
    const prng = this.#prng;
    if (prng.chance(1, 25)) return pick(prng, ODD_PATHS);
    if (prng.chance(7, 10)) return this.#world.anyPath(prng);
    return this.#newPath();
  }

  /** Mostly a child of one that exists. */
  #newPath(): string | null {
    const prng = this.#prng;
    if (prng.chance(1, 25)) return pick(prng, ODD_PATHS);
    const parent = this.#world.anyPath(prng, 3);
    return `${parent === "/" ? "" : parent}/${pick(prng, NAMES)}`;
  }
}

type WatchUse = "standard" | "persistent" | "recursive";

function watchUse(slot: number, path: string): WatchUse {
  for (const use of WATCH_USES) if (path === `/${use}`) return use;
  let sum = slot;
  for (let i = 0; i < path.length; i++) sum = (sum * 31 + path.charCodeAt(i)) & 0xffff;
  return WATCH_USES[sum % 6] ?? "standard";
}
