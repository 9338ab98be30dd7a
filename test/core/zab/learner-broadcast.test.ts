/** A learner that serves: what it logs, acknowledges and applies, and what it asks for its clients. */
import { expect, test } from "vitest";
import type { ConnId } from "../../../core/actor.ts";
import type { SessionId } from "../../../core/base/ids.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { encodeUtf8 } from "../../../core/jute/utf8.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { Request } from "../../../core/pipeline/request.ts";
import type { Origin } from "../../../core/pipeline/request.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import { PacketType, readRequestHead, readTouches } from "../../../core/protocol/quorum-packets.ts";
import { LearnerBench, MEMBERS } from "./learner-bench.ts";
import type { Said } from "./learner-bench.ts";
import { inDiff, serving } from "./learner-scenes.ts";
import {
  History,
  activate,
  commit,
  inform,
  newLeader,
  packet,
  pair,
  ping,
  proposal,
  revalidated,
  sync,
  upToDate,
} from "./scripted-leader.ts";

const SESSION = 0x0100_0000_0000_0007n as SessionId;
const OTHER = 0x0100_0000_0000_0008n as SessionId;
const BODY = Uint8Array.of(9, 8, 7, 6, 5);

class Client implements Origin {
  readonly conn: ConnId = 900 as ConnId;
  readonly session: SessionId;
  readonly ids = [{ scheme: "ip", id: "10.1.1.1" }];
  readonly closed = false;
  readonly replies: number[] = [];
  constructor(session: SessionId) {
    this.session = session;
  }
  watchFired(): void {}
  replied(xid: number): void {
    this.replies.push(xid);
  }
  request(xid: number, type: number = OpCode.create): Request {
    return new Request(this, this.session, xid, type, 0);
  }
}

function follower(): { readonly bench: LearnerBench; readonly history: History } {
  const history = new History(1);
  history.createSession(SESSION);
  history.createSession(OTHER);
  return { bench: serving(new LearnerBench(), history, 1), history };
}

function write(bench: LearnerBench, request: Request, body: Uint8Array = BODY): void {
  bench.ask((cx, learner) => learner.submitWrite(cx, request, new Reader(body, 1, body.length)));
}

test("a proposal is acknowledged when it is durable, and applied when it is committed, whichever comes first", () => {
  const { bench, history } = follower();
  const [a, b] = [history.create("/a"), history.create("/b")];
  bench.say(proposal(a));
  expect(bench.heard()).toEqual([]);
  bench.run();
  expect(bench.heardLines()).toEqual(["ACK 0x100000003"]);
  expect(bench.lastZxid).toBe("0x100000002");
  bench.say(commit(a), proposal(b), commit(b));
  expect(bench.lastZxid).toBe("0x100000004");
  expect(bench.heard()).toEqual([]);
  bench.run();
  expect(bench.heardLines()).toEqual(["ACK 0x100000004"]);
  expect(bench.tree.treeDigest.equals(history.tree.treeDigest)).toBe(true);
  expect(bench.trace.filter((line) => line.startsWith("error"))).toEqual([]);
});

test("everything that one sync covers is acknowledged in one send", () => {
  const { bench, history } = follower();
  const txns = [1, 2, 3, 4, 5].map((i) => history.create(`/n${i}`));
  bench.say(...txns.map(proposal));
  const before = bench.sends;
  bench.run();
  expect(bench.heardLines()).toEqual(txns.map(({ zxid }) => `ACK 0x${zxid.toString(16)}`));
  expect(bench.sends - before).toBe(1);
});

test("after a power failure everything that was acknowledged is there", () => {
  const { bench, history } = follower();
  const txns = [1, 2, 3].map((i) => history.create(`/n${i}`));
  bench.say(...txns.map(proposal));
  bench.run();
  expect(bench.heard().length).toBe(3);
  bench.restart(true);
  expect(bench.lastZxid).toBe("0x100000005");
  expect(bench.epochs.current).toBe(1);
});

test("a tree that differs from what the leader predicted is an error", () => {
  const { bench, history } = follower();
  const txn = history.create("/a");
  txn.payload[txn.payload.length - 1]! ^= 1;
  bench.say(...pair(txn));
  expect(bench.trace.at(-1)).toBe("error: the tree differs from what its leader predicted");
});

test("a full disk, and a broken one, end the server", () => {
  for (const outcome of ["full", "io"] as const) {
    const { bench, history } = follower();
    if (outcome === "full") bench.capacity = 0;
    else bench.failNextSync = true;
    bench.say(proposal(history.create("/a")));
    bench.run();
    expect(bench.halted).toMatch(
      outcome === "full"
        ? /^1 no room for the transaction log: log/
        : /^1 the transaction log can no longer be trusted/,
    );
    expect(bench.heard()).toEqual([]);
  }
});

test("a disk that is behind holds the leader up, who is not silent meanwhile", () => {
  const { bench, history } = follower();
  const data = new Uint8Array(1_000_000);
  for (let i = 0; i < 34; i++) bench.say(proposal(history.bulk(data)));
  expect(bench.paused).toBe(true);
  bench.run();
  expect(bench.paused).toBe(false);
  expect(bench.heard().length).toBe(34);
});

test("a snapshot is asked for when enough was logged", () => {
  const history = new History(1);
  const bench = serving(new LearnerBench({ config: { snapCount: 20 } }), history, 1);
  bench.say(...history.fill(40).txns.flatMap(pair));
  expect(bench.snapshotsWanted).toBeGreaterThan(0);
});

// Clients

test("a write goes to the leader as the client sent it, with what the client has proved", () => {
  const { bench } = follower();
  const client = new Client(SESSION);
  write(bench, client.request(11));
  expect(bench.heardBytes()).toBe(
    "00000001ffffffffffffffff00000014" +
      "0100000000000007" +
      "0000000b" +
      "00000001" +
      "08070605" +
      "00000001" +
      "00000002" +
      "6970" +
      "00000008" +
      "31302e312e312e31",
  );
});

test("the request whose txn is committed is the one that was asked first in its session", () => {
  const { bench, history } = follower();
  const [client, other] = [new Client(SESSION), new Client(OTHER)];
  const [first, second, third] = [client.request(1), client.request(2), other.request(1)];
  for (const request of [first, second, third]) write(bench, request);
  expect(bench.learner.outstanding).toBe(3);
  const txns = [
    history.create("/c", "", OTHER, 1),
    history.create("/elsewhere", "", 0x33n, 1),
    history.create("/a", "", SESSION, 1),
    history.error(Code.NODEEXISTS, SESSION, 2),
  ];
  bench.say(...txns.map(proposal));
  expect(bench.committed.length).toBe(2);
  bench.say(...txns.map(commit));
  expect(bench.committed.slice(2)).toEqual([third, expect.any(Request), first, second]);
  expect(bench.committed[3]!.origin).toBeUndefined();
  expect(first.zxid).toBe(txns[2]!.zxid);
  expect(first.time).toBe(1000);
  expect(second.txn).toEqual({ type: OpCode.error, err: Code.NODEEXISTS });
  expect([client.replies, other.replies]).toEqual([[1, 2], [1]]);
  expect(bench.learner.outstanding).toBe(0);
});

test("S55: a commit of the same session for another request is somebody else's", () => {
  const { bench, history } = follower();
  const client = new Client(SESSION);
  write(bench, client.request(5));
  bench.say(...pair(history.create("/moved", "", SESSION, 4)));
  expect(client.replies).toEqual([]);
  bench.say(...pair(history.create("/mine", "", SESSION, 5)));
  expect(client.replies).toEqual([5]);
});

test("who was held back goes on once per event in which something came back", () => {
  const { bench, history } = follower();
  const client = new Client(SESSION);
  for (const xid of [1, 2]) write(bench, client.request(xid));
  const txns = [history.create("/a", "", SESSION, 1), history.create("/b", "", SESSION, 2), history.create("/c")];
  bench.say(...txns.map(proposal));
  expect(bench.releases).toBe(0);
  bench.say(...txns.map(commit));
  expect(bench.releases).toBe(1);
});

test("a new session is asked for with its timeout, and is not taken for its end", () => {
  const { bench, history } = follower();
  const session = 0x0100_0000_0000_0009n;
  const client = new Client(session as SessionId);
  const request = client.request(0, OpCode.createSession);
  bench.ask((cx, learner) => learner.submitCreateSession(cx, request, 8000));
  const [said] = bench.heard();
  const r = new Reader(said!.data!);
  expect(readRequestHead(r)).toEqual({ session, cxid: 0, type: OpCode.createSession });
  expect([r.int(), r.remaining]).toEqual([8000, 0]);
  bench.say(...pair(history.closeSession(session)));
  expect(bench.committed.at(-1)).not.toBe(request);
  bench.say(...pair(history.createSession(session, 8000)));
  expect(bench.committed.at(-1)).toBe(request);
  expect(bench.state.sessions.get(session as SessionId)?.timeout).toBe(8000);
});

test("requests that are only forwarded are dropped with the role, those already logged are handed back", () => {
  const { bench, history } = follower();
  const client = new Client(SESSION);
  for (const xid of [1, 2]) write(bench, client.request(xid));
  bench.say(proposal(history.create("/a", "", SESSION, 1)));
  bench.cut("reset");
  expect(bench.unapplied.length).toBe(1);
  expect(client.replies).toEqual([]);
});

test("a multi's body is kept, for its results cannot be told from its txn", () => {
  const { bench } = follower();
  const request = new Client(SESSION).request(1, OpCode.multi);
  const body = BODY.slice();
  write(bench, request, body);
  body.fill(0);
  expect(request.body).toEqual(BODY.slice(1));
});

test("syncs are answered in the order in which they were asked, after what was committed before", () => {
  const { bench, history } = follower();
  const [one, two] = [new Client(SESSION).request(1, OpCode.sync), new Client(OTHER).request(1, OpCode.sync)];
  one.body = encodeUtf8("one");
  two.body = encodeUtf8("two");
  bench.ask((cx, learner) => {
    learner.submitSync(cx, one);
    learner.submitSync(cx, two);
  });
  expect(bench.heard().map((said) => bodyOf(said))).toEqual(["one", "two"]);
  bench.say(sync(), ...pair(history.create("/a")));
  expect(bench.synced).toEqual([one]);
  bench.say(sync());
  expect(bench.synced).toEqual([one, two]);
  bench.say(sync());
  expect(bench.left).toBeUndefined();
});

function bodyOf({ data }: Said): string {
  return Buffer.from(data!.subarray(16)).toString();
}

test("sessions are asked about, and each answer finds who asked", () => {
  const { bench } = follower();
  const answers: string[] = [];
  bench.ask((cx, learner) => {
    learner.revalidate(cx, SESSION, 4000, (_, valid) => answers.push(`first ${valid}`));
    learner.revalidate(cx, OTHER, 5000, (_, valid) => answers.push(`other ${valid}`));
    learner.revalidate(cx, SESSION, 6000, (_, valid) => answers.push(`second ${valid}`));
  });
  expect(bench.heardBytes().slice(0, 72)).toBe(
    "00000006ffffffffffffffff0000000c" + "0100000000000007" + "00000fa0" + "ffffffff" + "00000006",
  );
  bench.say(revalidated(OTHER, false), revalidated(SESSION, true));
  expect(answers).toEqual(["other false", "first true"]);
  bench.say(revalidated(77n, true), revalidated(SESSION, false), revalidated(SESSION, false));
  expect(answers).toEqual(["other false", "first true", "second false"]);
});

test("a ping is answered with the sessions that were heard of since the last one, never without data", () => {
  const { bench } = follower();
  bench.state.sessions.takeTouched();
  bench.state.sessions.touch(SESSION, 4000, bench.now);
  bench.say(ping(packZxid(1, 2)));
  const [said] = bench.heard();
  expect(said).toMatchObject({ type: "PING", zxid: packZxid(1, 2) });
  expect(readTouches(said!.data)).toEqual([{ id: SESSION, timeout: 4000 }]);
  bench.say(ping(packZxid(1, 3)));
  expect(bench.heard()[0]!.data).toEqual(new Uint8Array(0));
});

// Observers

test("an observer applies what it is informed of, logs it, and acknowledges nothing", () => {
  const history = new History(1).fill(2);
  const bench = serving(new LearnerBench({ observer: true }), history, 1);
  const txn = history.create("/new");
  bench.say(inform(txn));
  expect(bench.lastZxid).toBe("0x100000003");
  bench.run();
  expect(bench.heard()).toEqual([]);
  bench.restart(true);
  expect(bench.lastZxid).toBe("0x100000003");
});

test("an observer that was left with a proposal when it was brought up to date learns of its commit by an INFORM", () => {
  const history = new History(1).fill(2);
  const [a, b] = history.txns;
  const bench = inDiff(new LearnerBench({ observer: true }), 1);
  bench.say(...pair(a!), proposal(b!), newLeader(1));
  bench.run();
  bench.say(upToDate(), inform(b!), inform(b!));
  expect(bench.lastZxid).toBe("0x100000002");
  expect(bench.left).toBeUndefined();
});

test("an observer is not sent proposals: they are passed over; a follower is not informed", () => {
  const history = new History(1).fill(1);
  const bench = serving(new LearnerBench({ observer: true }), history, 1);
  bench.say(...pair(history.create("/a")));
  expect(bench.left).toBeUndefined();
  bench.say(inform(history.create("/b")));
  expect(bench.left).toBe("the leader proposed 0x100000003 where 0x100000002 has to come");
  const other = follower();
  other.bench.say(inform(other.history.create("/a")));
  expect(other.bench.left).toBe("the leader sent INFORM, which cannot come while broadcasting");
});

test("an observer that keeps no log puts what it has onto the disk before it begins to keep one", () => {
  const history = new History(1).fill(3);
  const bench = serving(new LearnerBench({ observer: true, ensemble: { observerLogs: false } }), history, 1);
  expect(bench.lastZxid).toBe("0x100000003");
  expect(bench.names().some((name) => name.startsWith("log/"))).toBe(false);
  bench.cut();
  bench.becomeFollower();
  bench.begin();
  bench.run();
  expect(bench.dialled.length).toBe(1);
  bench.restart(true);
  expect(bench.lastZxid).toBe("0x100000003");
});

// Reconfiguration

function reconfig(history: History, version: string): ReturnType<History["txn"]> {
  const data = encodeUtf8(`${MEMBERS}\nversion=${version}`);
  return history.txn({ type: OpCode.reconfig, path: "/zookeeper/config", data, version: -1 });
}

test("a proposed configuration counts at once; committed, it is applied and then in force", () => {
  const history = new History(1).fill(1);
  const bench = serving(new LearnerBench({ config: { reconfigEnabled: true } }), history, 1);
  const txn = reconfig(history, "100000002");
  bench.trace.length = 0;
  bench.say(proposal(txn));
  expect(bench.trace[0]).toBe("proposed 100000002");
  bench.run();
  bench.trace.length = 0;
  bench.say(activate(txn, 3));
  expect(bench.trace).toEqual(["activated 100000002 3"]);
  expect(bench.committed.at(-1)!.zxid).toBe(txn.zxid);
  bench.changesRole = true;
  const next = reconfig(history, "100000003");
  bench.say(proposal(next), activate(next, 2));
  expect(bench.lastZxid).toBe("0x100000003");
  expect(bench.left).toBe("configuration, 2 leads");
});

test("an observer is informed of a configuration and that it is in force, at once", () => {
  const history = new History(1).fill(1);
  const bench = serving(new LearnerBench({ observer: true, config: { reconfigEnabled: true } }), history, 1);
  bench.say(activate(reconfig(history, "100000002"), 3, true));
  expect(bench.trace.slice(-2)).toEqual(["proposed 100000002", "activated 100000002 3"]);
});

test("S44: with reconfig off a configuration is a txn and nothing more", () => {
  const { bench, history } = follower();
  const txn = reconfig(history, "100000003");
  bench.say(proposal(txn), activate(txn, 2));
  expect(bench.lastZxid).toBe("0x100000003");
  expect(bench.trace.some((line) => /^(proposed|activated)/.test(line))).toBe(false);
  bench.say(packet(PacketType.commitAndActivate, (txn.zxid + 1) as Zxid, new Uint8Array(3)));
  expect(bench.left).toBe("the leader's reconfiguration is cut short");
});
