import { expect, test } from "vitest";
import type { Address } from "../../../core/actor.ts";
import { CALLBACK_WAIT, GREETING_TIMEOUT, RETRY_MIN } from "../../../core/election/link.ts";
import { ELECTION_STRANGERS_MAX } from "../../../core/limits.ts";
import { placesOf, usablePlaces } from "../../../core/election/places.ts";
import { PeerState } from "../../../core/protocol/election-messages.ts";
import { QuorumView } from "../../../core/quorum/view.ts";
import { Desk, frameOf, greetingOf, notificationsIn } from "./desk.ts";
import { configFrom, configOf, placeOf } from "./members.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

/** In a role and calm: nobody is called unless something happens. */
function settledDesk(id: number): Desk {
  const desk = new Desk({ id, down: [1, 2, 3] });
  desk.start();
  desk.election.settled("following", { leader: 3, zxid: desk.zxid, round: 1, peerEpoch: 0 });
  desk.pass(10_000);
  desk.dialed();
  return desk;
}

test("a connection begins with the greeting of 11.1 and the first vote, in one send", () => {
  const desk = new Desk({ id: 3, config: configOf([2, 3]) }).start();
  expect(desk.dialed()).toEqual(["server2:3888"]);
  const greeting = "ffffffffffff0000 0000000000000003 0000000c 736572766572333a33383838";
  const config = desk.view.current.text();
  const length = config.length.toString(16).padStart(8, "0");
  const vote =
    (44 + config.length).toString(16).padStart(8, "0") +
    "00000000 0000000000000003 0000000000000000 0000000000000001 0000000000000000 00000002";
  expect(hex(desk.wireOf(2).sent)).toBe(
    `${greeting}${vote}${length}`.replaceAll(" ", "") + Buffer.from(config).toString("hex"),
  );
});

test("who has the smaller id greets, closes and waits to be called back", () => {
  const desk = new Desk({ id: 1, config: configOf([1, 2]) }).start();
  expect(desk.dialed()).toEqual(["server2:3888"]);
  const [first] = [...desk.wires.values()];
  expect(first!.closed).toBe(true);
  expect(hex(first!.sent)).toBe(hex(greetingOf(1)));
  desk.connect(2);
  expect(desk.heard(2)).toMatchObject([{ leader: 1, round: 1 }]);
  desk.pass(5000);
  expect(desk.dialed()).toEqual([]);
});

test("who greeted a larger id and was not called back calls again after a second", () => {
  const desk = new Desk({ id: 1, config: configOf([1, 2]) }).start();
  desk.dialed();
  desk.pass(CALLBACK_WAIT - 1);
  expect(desk.dialed()).toEqual([]);
  desk.pass(1);
  expect(desk.dialed()).toEqual(["server2:3888"]);
});

test("a smaller id that calls is called back and its connection closed; a larger one is kept", () => {
  const desk = settledDesk(2);
  const called = desk.connect(1);
  expect(called.closed).toBe(true);
  expect(desk.dialed()).toEqual(["server1:3888"]);
  expect(desk.connect(3).closed).toBe(false);
  expect(desk.dialed()).toEqual([]);
});

test("a new connection replaces the old one, on either side of the tie-break", () => {
  const desk = new Desk({ id: 2 }).start();
  const [one, three] = [desk.wireOf(1), desk.connect(3)];
  desk.pass(CALLBACK_WAIT);
  expect(desk.connect(3).closed).toBe(false);
  expect(three.closed).toBe(true);
  desk.connect(1);
  expect(one.closed).toBe(true);
  expect(desk.wireOf(1)).not.toBe(one);
  expect(desk.wireOf(1).open).toBe(true);
});

test("two that call each other at the same time keep the first link of the larger one", () => {
  const desk = new Desk({ id: 2 }).start();
  const link = desk.wireOf(1);
  const crossing = desk.accept();
  desk.give(crossing, greetingOf(1));
  expect([crossing.closed, link.closed]).toEqual([true, false]);
});

test("this server's own id is refused", () => {
  const desk = settledDesk(2);
  expect(desk.connect(2).closed).toBe(true);
  expect(desk.lines.filter((line) => line.startsWith("warn"))).toHaveLength(1);
});

test("anonymous observers are numbered, kept and answered", () => {
  const desk = settledDesk(2);
  const wires = [desk.accept(), desk.accept()];
  for (const wire of wires) {
    desk.give(wire, bytesOf("ffffffffffff0000 7fffffffffffffff 00000003 613a31"));
    desk.give(wire, frameOf({ state: PeerState.looking, leader: 9 }));
    expect(wire.closed).toBe(false);
    expect(notificationsIn(wire.sent)).toMatchObject([{ state: PeerState.following, leader: 3 }]);
  }
});

test("a greeting may come in crumbs, with frames behind it", () => {
  const desk = settledDesk(1);
  const wire = desk.accept();
  for (const byte of [...greetingOf(3), ...frameOf({ leader: 3 })]) desk.give(wire, Uint8Array.of(byte));
  // The last message, as the link came up, and the answer.
  expect(notificationsIn(wire.sent)).toHaveLength(2);
});

test("the oldest greeting is an id and nothing else", () => {
  const desk = settledDesk(1);
  const wire = desk.accept();
  desk.give(wire, bytesOf("0000000000000003"));
  desk.give(wire, frameOf({ leader: 3 }));
  expect(notificationsIn(wire.sent)).toHaveLength(2);
});

test.each([
  ["an unknown version", "fffffffffffeffff 0000000000000003 00000003 613a31"],
  ["no address", "ffffffffffff0000 0000000000000003 00000000"],
  ["an address too long", "ffffffffffff0000 0000000000000003 00000801"],
  ["text", "474554202f20485454502f312e310d0a0d0a"],
])("a stranger's %s closes the connection with one line", (_name, greeting) => {
  const desk = settledDesk(1);
  const lines = desk.lines.length;
  const wire = desk.accept();
  desk.give(wire, bytesOf(greeting));
  desk.pass(60_000);
  expect(wire.closed).toBe(true);
  expect(desk.lines.slice(lines)).toHaveLength(1);
});

test.each([
  ["longer than 512 KiB", "00080001"],
  ["empty", "00000000"],
  ["negative", "ffffffff"],
])("a frame that is %s closes the connection", (_name, frame) => {
  const desk = settledDesk(1);
  const wire = desk.connect(3);
  desk.give(wire, bytesOf(frame));
  expect(wire.closed).toBe(true);
});

test("who connects and says nothing is closed, in time and when there are too many", () => {
  const desk = settledDesk(1);
  const wires = Array.from({ length: ELECTION_STRANGERS_MAX + 1 }, () => desk.accept());
  expect(wires.map((wire) => wire.closed).filter(Boolean)).toHaveLength(1);
  expect(wires[0]!.closed).toBe(true);
  desk.pass(GREETING_TIMEOUT - 1);
  expect(wires[1]!.closed).toBe(false);
  desk.pass(1);
  expect(wires.every((wire) => wire.closed)).toBe(true);
});

test("servers of no configuration are bounded, members are not", () => {
  const desk = settledDesk(1);
  const strangers = Array.from({ length: ELECTION_STRANGERS_MAX + 1 }, (_, i) => desk.connect(100 + i));
  expect(strangers.map((wire) => wire.closed).filter(Boolean)).toHaveLength(1);
  expect(desk.connect(3).closed).toBe(false);
});

test("the last message is sent again when a link comes up anew, as it would be now", () => {
  const desk = new Desk().start();
  desk.connect(3);
  desk.heard(3);
  desk.lose(desk.wireOf(3));
  desk.connect(3);
  expect(desk.heard(3)).toMatchObject([{ state: PeerState.looking, leader: 1 }]);
  desk.election.settled("following", { leader: 2, zxid: desk.zxid, round: 1, peerEpoch: 0 });
  desk.election.setVoteEpoch(5);
  desk.connect(3);
  expect(desk.heard(3)).toMatchObject([{ state: PeerState.following, leader: 2, peerEpoch: 5 }]);
});

test("who does not read gets the newest message when it reads again", () => {
  const desk = new Desk().start();
  desk.connect(3);
  desk.connect(2);
  desk.heard(3);
  desk.queued = 1024 * 1024;
  desk.vote(2, 2);
  desk.vote(2, 3);
  expect(desk.heard(3)).toEqual([]);
  desk.queued = 0;
  desk.event((cx) => void desk.election.onDrained(cx, desk.wireOf(3).conn));
  expect(desk.heard(3)).toMatchObject([{ leader: 3 }]);
});

test("while it looks, a link that breaks is made again at once, and refusals are tried again ever less often", () => {
  const desk = new Desk({ id: 3, config: configOf([2, 3]) }).start();
  desk.pass(5000);
  desk.dialed();
  desk.kill(2);
  expect(desk.dialed()).toEqual(["server2:3888"]);
  desk.pass(RETRY_MIN * 2);
  expect(desk.dialed()).toHaveLength(1);
  desk.pass(60_000);
  const dialed = desk.dialed().length;
  expect(dialed).toBeGreaterThan(25);
  expect(dialed).toBeLessThan(40);
});

test("in a role, nobody is called because a link broke", () => {
  const desk = settledDesk(2);
  desk.connect(3);
  desk.lose(desk.wireOf(3));
  desk.pass(10_000);
  expect(desk.dialed()).toEqual([]);
});

test("an attempt is given up in time, and others do not wait for it", () => {
  const desk = new Desk({ id: 3, ensemble: { electionConnectTimeout: 700 } });
  const text = "server.1=silent:2888:3888\nserver.2=server2:2888:3888\nserver.3=server3:2888:3888";
  desk.view.current = desk.view.lastSeen = configFrom(text);
  desk.start();
  expect(desk.dialed()).toEqual(["silent:3888", "server2:3888"]);
  const [silent] = [...desk.wires.values()];
  desk.pass(699);
  expect(silent!.closed).toBe(false);
  desk.pass(1);
  expect(silent!.closed).toBe(true);
  desk.pass(200);
  expect(desk.dialed()).toEqual(["silent:3888"]);
});

test("of several addresses the next one is called when one refuses", () => {
  const desk = new Desk({ id: 3, down: [1] });
  desk.view.current = desk.view.lastSeen = configFrom(
    "server.2=server1:2888:3888|server2:2888:3888\nserver.3=server3:2888:3888",
  );
  desk.start();
  expect(desk.dialed()).toEqual(["server1:3888", "server2:3888"]);
  expect(desk.wireOf(2).open).toBe(true);
});

test("S41: a wildcard is not called back; the configured address is, and before what a greeting says", () => {
  const view = new QuorumView(3, configOf([1, 2, 3]));
  expect(placesOf(view, 1, usablePlaces(["0.0.0.0:3888" as Address]))).toEqual(["server1:3888"]);
  expect(placesOf(view, 1, usablePlaces(["10.0.0.1:3888" as Address]))).toEqual(["server1:3888", "10.0.0.1:3888"]);
  expect(placesOf(view, 7, usablePlaces(["[::]:3888", "[::1]:3888"] as Address[]))).toEqual(["[::1]:3888"]);
  for (const wrong of ["nowhere", "a:0", "a:65536", "a b:1", ":3888", "[::1]", "[0:0:0:0:0:0:0:0]:3888"]) {
    expect(usablePlaces([wrong as Address])).toEqual([]);
  }
});

test("a server of no configuration is called back where it says, once", () => {
  const desk = settledDesk(3);
  desk.connect(2, "10.0.0.7:3888");
  desk.dialed();
  const desk9 = new Desk({ id: 9, config: configOf([9]), down: [4] }).start();
  desk9.connect(4, placeOf(4));
  expect(desk9.dialed()).toEqual(["server4:3888"]);
  desk9.pass(60_000);
  expect(desk9.dialed()).toEqual([]);
});

test("links to those who are no members any more are closed, and nothing is heard before the start or after the stop", () => {
  const desk = settledDesk(1);
  const [two, three] = [desk.connect(2), desk.connect(3)];
  desk.view.current = desk.view.lastSeen = configOf([1, 3]);
  desk.event((cx) => desk.election.viewChanged(cx));
  expect([two.closed, three.closed]).toEqual([true, false]);
  desk.event((cx) => desk.election.stop(cx));
  expect(three.closed).toBe(true);
  expect(desk.accept().closed).toBe(true);
  expect(desk.election.deadline()).toBe(Infinity);
  expect(new Desk().accept().closed).toBe(true);
});

test("connections that are somebody else's are not taken for its own", () => {
  const desk = settledDesk(1);
  const conn = 999 as never;
  desk.event((cx) => {
    expect(desk.election.onConnected(cx, conn)).toBe(false);
    expect(desk.election.onReceived(cx, conn, new Uint8Array(1))).toBe(false);
    expect(desk.election.onClosed(cx, conn, "peer")).toBe(false);
    expect(desk.election.onDrained(cx, conn)).toBe(false);
  });
});

test("a link that has been silent for long is made anew when a notification is due", () => {
  const desk = new Desk({ id: 2 }).start();
  const link = desk.wireOf(1);
  desk.pass(5500);
  expect(link.closed).toBe(false);
  desk.pass(2000);
  expect(link.closed).toBe(true);
  expect(desk.wireOf(1).open).toBe(true);
});
