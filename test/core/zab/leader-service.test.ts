import { describe, expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import type { Zxid } from "../../../core/base/zxid.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { Writer } from "../../../core/jute/writer.ts";
import { Request } from "../../../core/pipeline/request.ts";
import { Code } from "../../../core/protocol/codes.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import {
  PacketType,
  readRevalidateReply,
  writePacket,
  writePingReply,
  writeRequestPacket,
  writeRevalidate,
} from "../../../core/protocol/quorum-packets.ts";
import { QuorumConfig } from "../../../core/quorum/config.ts";
import type { ScriptedLearner } from "./leader-bench.ts";
import { LOCAL_SESSION, LeaderBench, TICK, createBody, show, z } from "./leader-bench.ts";

const SESSION = 0x0100_0000_0000_0001n as SessionId;
const IDS = [{ scheme: "ip", id: "10.0.0.9" }];

interface Ensemble {
  readonly bench: LeaderBench;
  readonly one: ScriptedLearner;
  readonly two: ScriptedLearner;
}

/** Established in epoch 1 with servers 1 and 2. */
function ensemble(...[options]: ConstructorParameters<typeof LeaderBench>): Ensemble {
  const bench = new LeaderBench(options).lead();
  const one = bench.join(1);
  const two = bench.join(2);
  one.takeHeard();
  two.takeHeard();
  bench.journal.length = 0;
  return { bench, one, two };
}

function forward(
  learner: ScriptedLearner,
  type: number,
  body: Uint8Array,
  session: SessionId = SESSION,
  cxid = 1,
): void {
  learner.say((w) => writeRequestPacket(w, session, cxid, type, body, 0, body.length, IDS));
}
function timeoutBody(timeout: number): Uint8Array {
  const w = new Writer();
  w.int(timeout);
  return w.take();
}
/** The session is the learner's, and committed. */
function openSession({ bench, one, two }: Ensemble, learner: ScriptedLearner): void {
  forward(learner, OpCode.createSession, timeoutBody(10_000));
  commitAll({ bench, one, two });
}
function commitAll({ bench, one, two }: Ensemble): void {
  bench.run();
  const { lastProposed } = bench.leader.describe();
  for (let zxid = (bench.leader.describe().lastCommitted + 1) as Zxid; zxid <= lastProposed; zxid++) {
    one.ack(zxid);
    two.ack(zxid);
  }
}
function codeOf(request: Request | undefined): number {
  return request?.txn?.type === OpCode.error ? request.txn.err : Code.OK;
}

describe("requests that learners forward", () => {
  test("become txns with their session, number, body and identities", () => {
    const all = ensemble();
    openSession(all, all.one);
    forward(all.one, OpCode.create, createBody("/a"), SESSION, 42);
    commitAll(all);
    const [opened, created] = all.bench.committed;
    expect([opened!.type, opened!.session, show(opened!.zxid)]).toEqual([OpCode.createSession, SESSION, "1:1"]);
    expect([created!.xid, created!.session, codeOf(created)]).toEqual([42, SESSION, Code.OK]);
    expect(created!.ids).toEqual(IDS);
    expect(all.bench.state.sessions.get(SESSION)?.timeout).toBe(10_000);
    expect(all.bench.tree.children(all.bench.tree.find("/"))).toContain("a");
  });

  test("that fail take a zxid all the same", () => {
    const all = ensemble();
    openSession(all, all.one);
    forward(all.one, OpCode.delete, createBody("/nothing"));
    commitAll(all);
    expect([codeOf(all.bench.committed[1]), show(all.bench.committed[1]!.zxid)]).toEqual([Code.NONODE, "1:2"]);
  });

  test("are refused when the session is served elsewhere, until it is validated there", () => {
    const all = ensemble();
    openSession(all, all.one);
    forward(all.two, OpCode.create, createBody("/a"));
    all.two.say((w) => writeRevalidate(w, SESSION, 10_000));
    expect(readRevalidateReply(all.two.lastData)).toEqual({ session: SESSION, valid: true });
    forward(all.two, OpCode.create, createBody("/b"));
    forward(all.one, OpCode.create, createBody("/c"));
    commitAll(all);
    expect(all.bench.committed.slice(1).map(codeOf)).toEqual([Code.SESSIONMOVED, Code.OK, Code.SESSIONMOVED]);
  });

  test("of a learner that came back are refused until the session is validated again", () => {
    const all = ensemble();
    openSession(all, all.one);
    const again = all.bench.join(1, { last: z("1:1") });
    expect(all.one.closed).toBe(true);
    forward(again, OpCode.create, createBody("/a"));
    commitAll({ ...all, one: again });
    expect(codeOf(all.bench.committed[1])).toBe(Code.SESSIONMOVED);
  });

  test("of an unknown session are refused, and nobody may go on with it", () => {
    const all = ensemble();
    forward(all.one, OpCode.create, createBody("/a"));
    commitAll(all);
    expect(codeOf(all.bench.committed[0])).toBe(Code.SESSIONEXPIRED);
    all.one.say((w) => writeRevalidate(w, SESSION, 10_000));
    expect(readRevalidateReply(all.one.lastData)).toEqual({ session: SESSION, valid: false });
  });

  test("that are garbage, or too early, end the connection", () => {
    const { bench, one, two } = ensemble();
    one.say((w) => writePacket(w, PacketType.request, -1 as Zxid, new Uint8Array(15)));
    forward(two, OpCode.createSession, new Uint8Array(3));
    const early = bench.join(9, { until: "promised" });
    forward(early, OpCode.create, createBody("/a"));
    expect([one.closed, two.closed, early.closed]).toEqual([true, true, true]);
    expect(bench.journal.map((line) => line.replace(/.*: /, ""))).toEqual([
      "its request is cut short",
      "it asks for a session without a timeout",
      "REQUEST is not what it may send now (forwarding)",
    ]);
  });
});

describe("sync", () => {
  test("of a learner's client is answered when all that was proposed before it is committed", () => {
    const { bench, one, two } = ensemble();
    forward(one, OpCode.sync, createBody("/"));
    expect(one.takeHeard()).toEqual(["SYNC 0:0"]);
    bench.diskHeld = true;
    bench.create("/a");
    bench.create("/b");
    forward(one, OpCode.sync, createBody("/"));
    bench.create("/c");
    forward(two, OpCode.sync, createBody("/"));
    one.takeHeard();
    two.takeHeard();
    for (const zxid of ["1:1", "1:2"]) for (const learner of [one, two]) learner.ack(z(zxid));
    expect(one.takeHeard()).toEqual(["COMMIT 1:1", "COMMIT 1:2", "SYNC 0:0"]);
    expect(two.takeHeard()).toEqual(["COMMIT 1:1", "COMMIT 1:2"]);
    for (const learner of [one, two]) learner.ack(z("1:3"));
    expect(two.takeHeard()).toEqual(["COMMIT 1:3", "SYNC 0:0"]);
  });

  test("of a client here likewise", () => {
    const { bench, one, two } = ensemble();
    bench.diskHeld = true;
    const early = Request.internal(OpCode.sync, 0);
    bench.happen((cx) => bench.leader.submitSync(cx, early));
    bench.create("/a");
    const late = Request.internal(OpCode.sync, 0);
    bench.happen((cx) => bench.leader.submitSync(cx, late));
    expect([bench.synced, bench.leader.describe().pendingSyncs]).toEqual([[early], 1]);
    one.ack(z("1:1"));
    two.ack(z("1:1"));
    expect(bench.synced).toEqual([early, late]);
  });

  test("of a learner that is gone is nobody's", () => {
    const { bench, one, two } = ensemble();
    bench.diskHeld = true;
    bench.create("/a");
    forward(one, OpCode.sync, createBody("/"));
    one.cut();
    bench.diskHeld = false;
    bench.run();
    two.ack(z("1:1"));
    expect([bench.committed.length, bench.leader.describe().pendingSyncs]).toEqual([1, 0]);
  });
});

describe("time", () => {
  test("learners are pinged twice in a tick, from NEWLEADER on, with the last proposed zxid", () => {
    const { bench, one } = ensemble();
    const late = bench.join(9, { until: "promised" });
    const invited = bench.join(8, { until: "announced" });
    for (const learner of [one, late, invited]) learner.takeHeard();
    bench.pass(TICK);
    expect([one.takeHeard(), late.takeHeard(), invited.takeHeard()]).toEqual([
      ["PING 1:0", "PING 1:0"],
      ["PING 1:0", "PING 1:0"],
      [],
    ]);
    expect(one.lastData).toBe(null);
  });

  test("sessions live by what learners say of them, not by requests", () => {
    const all = ensemble();
    const { bench, one, two } = all;
    openSession(all, one);
    const before = bench.state.sessions.earliest();
    for (let i = 0; i < 4; i++) {
      bench.pass(TICK);
      forward(one, OpCode.create, createBody(`/${i}`));
      for (const learner of [one, two]) learner.say((w) => writePingReply(w, z("1:1"), []));
    }
    expect(bench.state.sessions.earliest()).toBe(before);
    one.say((w) => writePingReply(w, z("1:1"), [{ id: SESSION, timeout: 10_000 }]));
    expect(bench.state.sessions.earliest()).toBeGreaterThan(before);
    one.say((w) => writePacket(w, PacketType.ping, z("1:1"), new Uint8Array(13)));
    expect(one.closed).toBe(true);
  });

  test("a learner that is silent for syncLimit ticks is given up, and without a quorum the leader as well", () => {
    const { bench, one, two } = ensemble();
    for (let i = 0; i < 4; i++) {
      bench.pass(TICK);
      two.say((w) => writePingReply(w, z("1:0"), []));
    }
    bench.pass(2 * TICK);
    expect([one.closed, two.closed, bench.left]).toEqual([true, false, undefined]);
    bench.pass(5 * TICK);
    expect(bench.left).toBe("a quorum no longer supports this leader");
  });

  test("a follower that does not acknowledge a proposal for syncLimit ticks is given up, idle ones are not", () => {
    const { bench, one, two } = ensemble();
    const chat = (): void => {
      for (const learner of [one, two]) learner.say((w) => writePingReply(w, z("1:0"), []));
    };
    for (let i = 0; i < 10; i++) {
      bench.pass(TICK);
      chat();
    }
    expect([one.closed, two.closed]).toEqual([false, false]);
    bench.create("/a");
    two.ack(z("1:1"));
    for (let i = 0; i < 7; i++) {
      bench.pass(TICK);
      chat();
    }
    expect([one.closed, two.closed, bench.left]).toEqual([true, false, undefined]);
    expect(bench.journal.at(-1)).toBe("closing a learner's connection: it does not acknowledge what is proposed");
  });

  test("a learner that does not keep up with what it is sent is dropped, to be brought up to date when it returns", () => {
    const { bench, one, two } = ensemble({ ensemble: { learnerQueueBytes: 1_000_000 } });
    one.stalled = true;
    const data = new Uint8Array(100_000);
    for (let i = 1; !one.closed; i++) {
      expect(i).toBeLessThan(40);
      const request = new Request(undefined, LOCAL_SESSION, i, OpCode.create, bench.now);
      bench.happen((cx) => bench.leader.submitWrite(cx, request, new Reader(createBody(`/${i}`, data))));
      bench.run();
      two.ack(z(`1:${i}`));
    }
    expect(bench.journal).toContain("closing a learner's connection: too much waits for it");
    expect(bench.left).toBe(undefined);
  });

  test("a leader whose disk does not keep up ends its role, and one whose disk does never does", () => {
    const { bench, one, two } = ensemble({ ensemble: { learnerQueueBytes: 1_000_000 } });
    const data = new Uint8Array(100_000);
    const write = (i: number): void => {
      const request = new Request(undefined, LOCAL_SESSION, i, OpCode.create, bench.now);
      bench.happen((cx) => bench.leader.submitWrite(cx, request, new Reader(createBody(`/${i}`, data))));
      for (const learner of [one, two]) learner.ack(request.zxid);
    };
    for (let i = 1; i <= 40; i++) {
      write(i);
      if (i % 3 === 0) bench.run();
    }
    expect(bench.left).toBe(undefined);
    bench.diskHeld = true;
    for (let i = 41; i <= 60; i++) write(i);
    expect(bench.left).toBe("too much waits for its own disk");
  });

  test("what one learner is sent alone comes after what it shares with others, in one event too", () => {
    const { bench, one } = ensemble();
    const late = bench.join(9, { until: "promised" });
    late.takeHeard();
    bench.happen((cx) => {
      for (const path of ["/a", "/b"]) {
        const request = new Request(undefined, LOCAL_SESSION, 1, OpCode.create, cx.now);
        bench.leader.submitWrite(cx, request, new Reader(createBody(path)));
        if (path === "/a") bench.leader.onReceived(cx, late.conn, ackBytes(z("1:0")));
      }
    });
    expect(late.takeHeard()).toEqual(["PROPOSAL 1:1", "UPTODATE -1", "PROPOSAL 1:2"]);
    expect(one.takeHeard()).toEqual(["PROPOSAL 1:1", "PROPOSAL 1:2"]);
  });
});

function ackBytes(zxid: Zxid): Uint8Array {
  const w = new Writer();
  writePacket(w, PacketType.ack, zxid, null);
  return w.take();
}

describe("reconfiguration", () => {
  const SUPER = { config: { reconfigEnabled: true, skipAcl: true } };

  function reconfig(bench: LeaderBench, joining: string | null, leaving: string | null): Request {
    const w = new Writer();
    w.string(joining);
    w.string(leaving);
    w.string(null);
    w.long(-1);
    const request = new Request(undefined, LOCAL_SESSION, 1, OpCode.reconfig, bench.now);
    const body = w.take();
    bench.happen((cx) => bench.leader.submitWrite(cx, request, new Reader(body)));
    return request;
  }
  function prepared(...[options]: ConstructorParameters<typeof LeaderBench>): Ensemble {
    const all = ensemble({ ...SUPER, ...options });
    all.bench.tree.fillConfig(new Uint8Array(0), 0 as Zxid, 0);
    all.bench.diskHeld = true;
    return all;
  }

  test("a server that joins: both configurations commit it and what follows, then only the new one counts", () => {
    const { bench, one, two } = prepared();
    const four = bench.join(4);
    const observer = bench.join(5, { observer: true });
    for (const learner of [one, two, four, observer]) learner.takeHeard();
    bench.journal.length = 0;
    const request = reconfig(bench, "server.4=10.0.0.4:2888:3888;2181", null);
    expect(codeOf(request)).toBe(Code.OK);
    expect(bench.journal[0]).toBe("config 1:1 proposed");
    bench.create("/a");
    // Two of three, but of four it takes three.
    for (const learner of [one, two]) for (const zxid of ["1:1", "1:2"]) learner.ack(z(zxid));
    expect(bench.committed).toEqual([]);
    four.ack(z("1:1"));
    expect(bench.committed.map(({ zxid }) => show(zxid))).toEqual(["1:1"]);
    expect(bench.journal.slice(-2)).toEqual(["committed 1:1", "config 1:1 in force, 3 designated"]);
    four.ack(z("1:2"));
    expect(bench.committed.length).toBe(2);
    expect(one.takeHeard().slice(-2)).toEqual(["COMMITANDACTIVATE 1:1", "COMMIT 1:2"]);
    expect(observer.takeHeard()).toEqual(["INFORMANDACTIVATE 1:1", "INFORM 1:2"]);
    // From here on the new configuration alone.
    bench.create("/b");
    one.ack(z("1:3"));
    two.ack(z("1:3"));
    expect(bench.committed.length).toBe(2);
    four.ack(z("1:3"));
    expect(bench.committed.length).toBe(3);
    expect(bench.left).toBe(undefined);
  });

  test("a leader that is no longer a voter says who leads next, commits nothing more and ends its role", () => {
    const { bench, one, two } = prepared();
    bench.changesRole = true;
    reconfig(bench, null, "3");
    bench.create("/a");
    for (const zxid of ["1:1", "1:2"]) two.ack(z(zxid));
    one.ack(z("1:1"));
    expect(bench.left).toBe("the configuration changed, 2 leads");
    expect(one.takeHeard()).toEqual(["PROPOSAL 1:1", "PROPOSAL 1:2", "COMMITANDACTIVATE 1:1"]);
    expect([...one.lastData!]).toEqual([0, 0, 0, 0, 0, 0, 0, 2]);
    expect(bench.committed.length).toBe(1);
    expect(bench.unapplied.map(({ request }) => show(request.zxid))).toEqual(["1:2"]);
  });

  test("one at a time, and only when a quorum of the new configuration is there", () => {
    const { bench } = prepared();
    expect(codeOf(reconfig(bench, "server.4=10.0.0.4:2888:3888;2181,server.5=10.0.0.5:2888:3888;2181", "1,2"))).toBe(
      Code.NEWCONFIGNOQUORUM,
    );
    expect(codeOf(reconfig(bench, "server.4=10.0.0.4:2888:3888;2181", null))).toBe(Code.OK);
    expect(codeOf(reconfig(bench, null, "1"))).toBe(Code.RECONFIGINPROGRESS);
  });

  test("one that an earlier leader proposed is completed by the next, with quorums of both configurations", () => {
    const bench = new LeaderBench(SUPER);
    const pending = QuorumConfig.parse(`${bench.ensemble.members}\nserver.4=10.0.0.4:2888:3888;2181\nversion=1`);
    if ("error" in pending) throw new Error(pending.error);
    bench.view.lastSeen = pending;
    bench.lead();
    const one = bench.join(1);
    expect([bench.serving, Buffer.from(one.lastData!).toString()]).toEqual([false, pending.text()]);
    bench.join(4);
    expect(bench.serving).toBe(true);
    expect(bench.journal).toContain("config 0:1 in force, nobody designated");
  });

  test("a leader that such a configuration leaves out lets its learners know, and goes", () => {
    const bench = new LeaderBench(SUPER);
    const pending = QuorumConfig.parse(
      `${bench.ensemble.members.replace(/server.3=[^\n]*/, "server.4=10.0.0.4:2888:3888;2181")}\nversion=1`,
    );
    if ("error" in pending) throw new Error(pending.error);
    bench.view.lastSeen = pending;
    bench.changesRole = true;
    bench.lead();
    const one = bench.join(1);
    bench.join(2);
    expect(bench.left).toBe("the configuration changed, nobody leads");
    expect(one.takeHeard().at(-1)).toBe("UPTODATE -1");
  });
});
