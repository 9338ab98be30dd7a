/** What random operations are made of: few enough names that they meet, and every odd value the server must judge. */
import type { Prng } from "../../core/base/prng.ts";
import { Perms } from "../../core/protocol/data.ts";
import type { AclList, Data } from "./ops.ts";

export function pick<T>(prng: Prng, from: readonly T[]): T {
  return from[prng.below(from.length)]!;
}

/** Picks by weight. */
export function weighted<T>(prng: Prng, from: readonly (readonly [number, T])[]): T {
  let draw = prng.below(from.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, value] of from) {
    draw -= weight;
    if (draw < 0) return value;
  }
  throw new Error("weights must be positive");
}

export const NAMES = ["a", "b", "c", "d"] as const;

export const ODD_PATHS: readonly (string | null)[] = [
  "",
  "/",
  "a",
  "/a/",
  "/a//b",
  "//a",
  "/.",
  "/..",
  "/a/.",
  "/a/..",
  "/a/./b",
  "/...",
  "/..a",
  "/ a",
  "/a b",
  "/\u0000",
  "/a\u0000b",
  "/\u0001",
  "/a\u001f",
  "/\u007f",
  "/\u009f",
  "/\u00a0",
  "/ä",
  "/日本語",
  "/\ud7ff",
  "/\ue000",
  "/\uf8ff",
  "/\uf900",
  "/\uffef",
  "/\ufff0",
  "/\u2028",
  "/😀",
  "/zookeeper",
  "/zookeeper/quota",
  "/zookeeper/config",
  "/zookeeper/a",
  "/a/b/c/d/e/f",
  `/${"x".repeat(500)}`,
  null,
];

const WORLD = { scheme: "world", id: "anyone" } as const;
/** digest ids of `bob:pw` and `ann:pw2`, whom connections may authenticate as. */
export const BOB = "bob:ikIaKsbtGweaHnb/jKn7OHqbunM=";
export const CREDENTIALS = ["bob:pw", "ann:pw2", "eve", "", "bob:wrong"] as const;

export const OPEN: AclList = [{ perms: Perms.ALL, ...WORLD }];

export const VALID_ACLS: readonly AclList[] = [
  OPEN,
  [{ perms: Perms.READ, ...WORLD }],
  [
    { perms: Perms.ALL, scheme: "digest", id: BOB },
    { perms: Perms.READ | Perms.CREATE, ...WORLD },
  ],
  [{ perms: Perms.ALL, scheme: "digest", id: BOB }],
  [{ perms: Perms.ALL, scheme: "auth", id: "" }],
  [{ perms: Perms.READ | Perms.WRITE, scheme: "auth", id: "ignored" }],
  [{ perms: Perms.ALL, scheme: "ip", id: "127.0.0.1" }],
  [{ perms: Perms.ALL, scheme: "ip", id: "127.0.0.0/8" }],
  [
    { perms: Perms.ALL & ~Perms.READ, ...WORLD },
    { perms: Perms.READ, scheme: "ip", id: "10.0.0.0/8" },
  ],
  [
    { perms: Perms.ALL & ~Perms.DELETE, ...WORLD },
    { perms: Perms.ALL & ~Perms.DELETE, ...WORLD },
  ],
  [{ perms: Perms.ALL & ~Perms.ADMIN, ...WORLD }],
  [{ perms: Perms.ADMIN, ...WORLD }],
  [{ perms: 255, ...WORLD }],
  [{ perms: 0, ...WORLD }],
  [
    { perms: Perms.ALL, scheme: "digest", id: ":b" },
    { perms: Perms.ALL, scheme: "digest", id: "a:b:" },
    { perms: Perms.ALL, ...WORLD },
  ],
];

export const INVALID_ACLS: readonly AclList[] = [
  null,
  [],
  [{ perms: 31, scheme: "world", id: "someone" }],
  [{ perms: 31, scheme: "world", id: "" }],
  [{ perms: 31, scheme: "nobody", id: "x" }],
  [{ perms: 31, scheme: "super", id: "" }],
  [{ perms: 31, scheme: "", id: "anyone" }],
  [{ perms: 31, scheme: null, id: "anyone" }],
  [{ perms: 31, scheme: "digest", id: null }],
  [{ perms: 31, scheme: "digest", id: "a" }],
  [{ perms: 31, scheme: "digest", id: "a:" }],
  [{ perms: 31, scheme: "digest", id: "a:b:c" }],
  [{ perms: 31, scheme: "digest", id: "" }],
  [{ perms: 31, scheme: "ip", id: "127.0.0" }],
  [{ perms: 31, scheme: "ip", id: "256.0.0.1" }],
  [{ perms: 31, scheme: "ip", id: "127.0.0.1/33" }],
  [{ perms: 31, scheme: "ip", id: "127.0.0.1/-1" }],
  [{ perms: 31, scheme: "ip", id: "127.0.0.1/x" }],
  [{ perms: 31, scheme: "ip", id: "localhost" }],
  [
    { perms: 31, ...WORLD },
    { perms: 31, scheme: "nobody", id: "x" },
  ],
];

export const DATA: readonly (readonly [number, Data])[] = [
  [30, "x"],
  [20, "some data"],
  [10, ""],
  [8, null],
  [8, { fill: 100 }],
  [3, { fill: 5000 }],
  [1, { fill: 60_000 }],
];

/** Bodies that do not decode, for any simple request: cut short, or with impossible lengths. */
export const BROKEN_BODIES = [
  "",
  "0000",
  "00000002",
  "000000022f61",
  "fffffffe",
  "7fffffff2f61",
  "000000032f6100",
] as const;

export const UNKNOWN_OPCODES = [0, 10, 23, 99, 108, 200, -1, -2, 2_147_483_647] as const;

/** Whole frames after which the server must hang up. */
export const GARBAGE_FRAMES = [
  "00000000",
  "ffffffff",
  "80000000",
  "7fffffff",
  "0010000000000000",
  "000000040000000b",
  "474554202f20485454502f312e310d0a",
] as const;
