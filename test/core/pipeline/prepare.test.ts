import { beforeEach, expect, test } from "vitest";
import type { Context } from "../../../core/actor.ts";
import type { SessionId } from "../../../core/base/ids.ts";
import { SESSION_NONE } from "../../../core/base/ids.ts";
import type { ServerConfig } from "../../../core/config.ts";
import { DEFAULT_ENSEMBLE_CONFIG, DEFAULT_SERVER_CONFIG } from "../../../core/config.ts";
import { encodeUtf8 } from "../../../core/jute/utf8.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { Writer } from "../../../core/jute/writer.ts";
import { ApplyStage } from "../../../core/pipeline/apply.ts";
import { PrepareStage } from "../../../core/pipeline/prepare.ts";
import { Replies } from "../../../core/pipeline/replies.ts";
import { LOCAL_OWNER, Request } from "../../../core/pipeline/request.ts";
import type { ReconfigGate, ServerState } from "../../../core/pipeline/state.ts";
import { Code } from "../../../core/protocol/codes.ts";
import type { Acl } from "../../../core/protocol/data.ts";
import { OPEN_ACL_UNSAFE } from "../../../core/protocol/data.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import {
  writeCheckVersionRequest,
  writeCreateRequest,
  writeDeleteRequest,
  writePathRequest,
  writeReconfigRequest,
} from "../../../core/protocol/requests.ts";
import type { Txn } from "../../../core/protocol/txns.ts";
import { readTxnEntry } from "../../../core/protocol/txns.ts";
import { CONFIG_PATH } from "../../../core/tree/paths.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";
import { stateOf } from "../../support/scripted-server.ts";

const LEARNER = { learner: 2 };
const SESSION = 0x0200_0000_0000_0001n as SessionId;
const SUPER = [{ scheme: "super", id: "" }];

let state: ServerState;
let prepare: PrepareStage;
let apply: ApplyStage;
let outstanding: Request[];
let disk: MemoryDisk;

function begin(config: Partial<ServerConfig> = {}, reconfig?: ReconfigGate): void {
  const base = stateOf({ ...DEFAULT_SERVER_CONFIG, ensemble: DEFAULT_ENSEMBLE_CONFIG, ...config });
  state = reconfig === undefined ? base : { ...base, reconfig };
  state.sessions.beginRole("leader", 0);
  outstanding = [];
  disk = new MemoryDisk();
  prepare = new PrepareStage(state, {
    logTxn: (_cx, request, payload, length) => {
      const entry = readTxnEntry(new Reader(payload.slice(0, length)));
      expect(entry).toBeDefined();
      outstanding.push(request);
    },
  });
  apply = new ApplyStage(state, prepare.pending, new Replies(state.stats));
}
beforeEach(() => begin());

function on<T>(body: (cx: Context) => T): T {
  return disk.event(body);
}
function from(owner: unknown, type: number, body: (w: Writer) => void, session: SessionId = SESSION): Request {
  const request = new Request(undefined, session, 1, type, 0);
  request.owner = owner;
  const w = new Writer(64);
  body(w);
  on((cx) => prepare.prepare(cx, request, new Reader(w.take())));
  return request;
}
function openSession(owner: unknown, session: SessionId = SESSION): Request {
  const request = new Request(undefined, session, 0, OpCode.createSession, 0);
  request.owner = owner;
  on((cx) => prepare.prepareCreateSession(cx, request, 10_000));
  return request;
}
function create(path: string, flags = 0, owner: unknown = LEARNER, session: SessionId = SESSION): Request {
  const acl: readonly Acl[] = OPEN_ACL_UNSAFE;
  return from(owner, OpCode.create, (w) => writeCreateRequest(w, { path, data: null, acl, flags }), session);
}
function applyAll(): void {
  on((cx) => {
    for (let next = outstanding.shift(); next !== undefined; next = outstanding.shift()) apply.apply(cx, next);
  });
}
function errorOf(request: Request): number {
  return request.txn?.type === OpCode.error ? request.txn.err : Code.OK;
}

test("a session that a learner opened counts at once, and is the learner's", () => {
  openSession(LEARNER);
  expect(state.sessions.get(SESSION)).toMatchObject({ committed: false, owner: LEARNER, timeout: 10_000 });
  expect(errorOf(create("/a"))).toBe(Code.OK);
  expect(errorOf(create("/b", 0, LOCAL_OWNER))).toBe(Code.SESSIONMOVED);
  applyAll();
  expect([...state.sessions.committed()]).toEqual([[SESSION, 10_000]]);
  expect([state.tree.find("/a") >= 0, state.tree.find("/b")]).toEqual([true, -1]);
});

test("nobody's session may write: unknown, none at all, or one that is closing", () => {
  expect(errorOf(create("/a"))).toBe(Code.SESSIONEXPIRED);
  expect(errorOf(create("/a", 0, LEARNER, SESSION_NONE))).toBe(Code.SESSIONEXPIRED);
  openSession(LEARNER);
  from(LEARNER, OpCode.closeSession, () => {});
  expect(errorOf(create("/a"))).toBe(Code.SESSIONEXPIRED);
});

test("each refusal takes a zxid", () => {
  const first = create("/a");
  expect(create("/a").zxid).toBe(first.zxid + 1);
});

test("under a new leader whoever asks first for a session serves it", () => {
  openSession(LEARNER);
  applyAll();
  state.sessions.beginRole("leader", 0);
  expect(errorOf(create("/a", 0, "another"))).toBe(Code.OK);
  expect(errorOf(create("/b"))).toBe(Code.SESSIONMOVED);
});

test("closeSession takes what the session owns and will own, and not what it will have deleted", () => {
  openSession(LEARNER);
  create("/kept", 1);
  create("/gone", 1);
  applyAll();
  from(LEARNER, OpCode.delete, (w) => writeDeleteRequest(w, { path: "/gone", version: -1 }));
  create("/coming", 1);
  const closing = from(LEARNER, OpCode.closeSession, () => {});
  expect(closing.txn).toEqual({ type: OpCode.closeSession, paths: ["/kept", "/coming"] });
  expect(state.sessions.isClosing(SESSION)).toBe(true);
  applyAll();
  expect([state.tree.ephemeralCount, state.sessions.get(SESSION)]).toEqual([0, undefined]);
});

test("closeSession is a txn also for a session nobody knows: so orphans end, on every server", () => {
  openSession(LEARNER);
  create("/orphan", 1);
  applyAll();
  state.sessions.replaceAll([], 0);
  expect(state.sessions.orphans(state.tree)).toEqual([SESSION]);
  on((cx) => {
    prepare.prepare(cx, Request.internal(OpCode.closeSession, 0, SESSION), new Reader(new Uint8Array(0)));
  });
  applyAll();
  expect([state.tree.find("/orphan"), state.sessions.orphans(state.tree)]).toEqual([-1, []]);
});

test("a check outside a multi is refused: its txn could be read by nobody", () => {
  openSession(LEARNER);
  const request = from(LEARNER, OpCode.check, (w) => writeCheckVersionRequest(w, { path: "/", version: -1 }));
  expect(request.txn).toEqual({ type: OpCode.error, err: Code.UNIMPLEMENTED });
});

test("what is no write becomes an error", () => {
  openSession(LEARNER);
  for (const type of [OpCode.getData, OpCode.ping, OpCode.setWatches, 77, -5]) {
    expect(errorOf(from(LEARNER, type, (w) => writePathRequest(w, { path: "/" })))).toBe(Code.BADARGUMENTS);
  }
});

test("only the server itself reaps containers", () => {
  openSession(LEARNER);
  create("/c");
  applyAll();
  const body = (w: Writer): void => writePathRequest(w, { path: "/c" });
  expect(errorOf(from(LEARNER, OpCode.deleteContainer, body))).toBe(Code.BADARGUMENTS);
  expect(from(LOCAL_OWNER, OpCode.deleteContainer, body, SESSION_NONE).txn).toMatchObject({ path: "/c" });
});

test("a learner's client is who the learner says it is", () => {
  openSession(LEARNER);
  const w = new Writer(64);
  const acl: readonly Acl[] = [{ perms: 31, scheme: "auth", id: "" }];
  writeCreateRequest(w, { path: "/a", data: null, acl, flags: 0 });
  const body = w.take();
  const ask = (ids: Request["ids"]): Txn => {
    const request = new Request(undefined, SESSION, 1, OpCode.create, 0);
    request.owner = LEARNER;
    request.ids = ids;
    on((cx) => prepare.prepare(cx, request, new Reader(body)));
    return request.txn!;
  };
  expect(ask([])).toEqual({ type: OpCode.error, err: Code.INVALIDACL });
  expect(ask([{ scheme: "digest", id: "u:h" }])).toMatchObject({ acl: [{ perms: 31, scheme: "digest", id: "u:h" }] });
});

test("sizes of what is proposed are kept for people", () => {
  openSession(LEARNER);
  const first = state.stats.proposalSizeLast;
  create("/a");
  expect(state.stats.proposalSizeMin).toBe(first);
  expect(state.stats.proposalSizeMax).toBe(state.stats.proposalSizeLast);
  expect(first).toBeGreaterThan(32);
});

const RECONFIG = { type: OpCode.reconfig, path: CONFIG_PATH, data: encodeUtf8("server.1=…"), version: -1 } as const;

function reconfig(ids: Request["ids"] = [], session: SessionId = SESSION): Request {
  const request = new Request(undefined, session, 1, OpCode.reconfig, 0);
  request.owner = LEARNER;
  request.ids = ids;
  const w = new Writer(64);
  const none = { joiningServers: null, leavingServers: null, newMembers: null };
  writeReconfigRequest(w, { ...none, curConfigId: -1 as Request["zxid"] });
  on((cx) => prepare.prepare(cx, request, new Reader(w.take())));
  return request;
}

test("reconfig: first the switch, then the session, then what the gate says, then permission", () => {
  const gate: ReconfigGate = { prepare: () => Code.NEWCONFIGNOQUORUM };
  begin({}, gate);
  expect(errorOf(reconfig())).toBe(Code.RECONFIGDISABLED);
  begin({ reconfigEnabled: true }, gate);
  expect(errorOf(reconfig())).toBe(Code.SESSIONEXPIRED);
  openSession(LEARNER);
  expect(errorOf(reconfig())).toBe(Code.NEWCONFIGNOQUORUM);
  begin({ reconfigEnabled: true }, { prepare: () => RECONFIG });
  openSession(LEARNER);
  expect(errorOf(reconfig())).toBe(Code.NOAUTH);
  expect(reconfig(SUPER).txn).toBe(RECONFIG);
  begin({ reconfigEnabled: true });
  openSession(LEARNER);
  expect(errorOf(reconfig(SUPER))).toBe(Code.UNIMPLEMENTED);
});

test("reconfig: the config node has the new text, for those who ask behind it too", () => {
  begin({ reconfigEnabled: true }, { prepare: () => RECONFIG });
  openSession(LEARNER);
  const { zxid } = reconfig(SUPER);
  expect(prepare.pending.get(CONFIG_PATH)).toMatchObject({ version: -1, mzxid: zxid });
  applyAll();
  const { tree } = state;
  const node = tree.find(CONFIG_PATH);
  expect([tree.data(node), tree.version(node), tree.mzxid(node)]).toEqual([RECONFIG.data, -1, zxid]);
  expect(prepare.pending.digest.to53()).toBe(tree.treeDigest.to53());
});
