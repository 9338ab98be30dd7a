import { expect, test } from "vitest";
import { OPEN_ACL_UNSAFE } from "../../core/protocol/data.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import { FOUR_LETTER_WORDS } from "../../core/protocol/words.ts";
import { ask, bytesOf, createBody, RawClient } from "../support/raw-client.ts";
import type { BenchOptions } from "../support/server-bench.ts";
import { ServerBench } from "../support/server-bench.ts";

const open = (options: BenchOptions = {}): ServerBench => new ServerBench({ fourLetterWords: ["*"] }, options);
const NOT_SERVING = "This ZooKeeper instance is not currently serving requests\n";
const MASK = new Uint8Array([0, 0, 0, 0, 0, 0, 2, 1]);

test("only srvr answers unless it is allowed by name, or everything is", () => {
  const strict = new ServerBench();
  expect(ask(strict, "srvr")).toMatch(/^Zookeeper version: /);
  for (const word of FOUR_LETTER_WORDS.filter((word) => word !== "srvr" && word !== "telnet close")) {
    expect(ask(strict, word, word === "stmk" ? MASK : undefined)).toBe(
      `${word} is not executed because it is not in the whitelist.\n`,
    );
  }
  expect(ask(new ServerBench({ fourLetterWords: ["ruok"] }), "ruok")).toBe("imok");
  expect(ask(new ServerBench({ readOnlyModeEnabled: true }), "isro")).toBe("rw");
});

test("every word answers and closes, also with more bytes behind it, or in pieces", () => {
  const bench = open();
  for (const word of FOUR_LETTER_WORDS.filter((word) => word !== "telnet close")) {
    expect(ask(bench, word, MASK)).toBeTypeOf("string");
    const peer = bench.accept();
    for (const byte of [...bytesOf(word), ...MASK]) peer.send(new Uint8Array([byte]));
    expect(peer.closed).toBe(true);
  }
  expect([ask(bench, "ruok\n"), ask(bench, "isro"), ask(bench, "gtmk")]).toEqual(["imok", "rw", "513"]);
});

test("four bytes that are no word are a length, and far too large", () => {
  for (const word of ["xxxx", "GET ", "RUOK"]) expect(ask(open(), word)).toBe("");
});

test("what telnet sends on interrupt closes, or is refused by its name", () => {
  const interrupt = new Uint8Array([0xff, 0xf4, 0xff, 0xfd]);
  expect(ask(open(), "", interrupt)).toBe("");
  expect(ask(new ServerBench(), "", interrupt)).toMatch(/^telnet close is not executed/);
});

test("words are for fresh connections: with a session they are lengths", () => {
  const bench = open();
  const client = new RawClient(bench);
  client.peer.send(bytesOf("ruok"));
  expect(client.closed).toBe(true);
  expect(client.peer.takeBytes().length).toBe(0);
});

test("stmk waits for its mask, sets it, and gtmk gives it back", () => {
  const bench = open();
  expect(ask(bench, "gtmk")).toBe("306");
  const peer = bench.accept();
  peer.send(bytesOf("stmk"));
  peer.send(MASK.subarray(0, 5));
  expect(peer.closed).toBe(false);
  peer.send(MASK.subarray(5));
  expect(new TextDecoder().decode(peer.takeBytes())).toBe("513");
  expect(peer.closed).toBe(true);
  expect(ask(bench, "stmk", new Uint8Array(8).fill(255))).toBe("-1");
  expect(ask(bench, "gtmk")).toBe("-1");
});

test("stmk without its mask is closed like any connection that says nothing", () => {
  const bench = open();
  const peer = bench.accept();
  peer.send(bytesOf("stmk"));
  bench.pass(20_000);
  expect(peer.closed).toBe(true);
});

test("while the server recovers, most words say so, and some answer all the same", () => {
  const bench = open({ asleep: true });
  bench.diskHeld = true;
  bench.start();
  for (const word of [
    "srvr",
    "stat",
    "conf",
    "cons",
    "crst",
    "srst",
    "dump",
    "wchs",
    "wchc",
    "wchp",
    "mntr",
    "dirs",
    "hash",
  ])
    expect([word, ask(bench, word)]).toEqual([word, NOT_SERVING]);
  expect(["ruok", "isro", "gtmk"].map((word) => ask(bench, word))).toEqual(["imok", "null", "306"]);
  expect(ask(bench, "envi")).toMatch(/^Environment:\n/);
  expect(ask(bench, "stmk", MASK)).toBe("513");
});

test("srvr and stat tell what there is", () => {
  const bench = open();
  const client = new RawClient(bench);
  client.created("/a");
  expect(ask(bench, "srvr")).toMatch(
    /^Zookeeper version: \S.*\nLatency min\/avg\/max: \d+\/[\d.]+\/\d+\nReceived: 3\nSent: 2\nConnections: 2\nOutstanding: 0\nZxid: 0x2\nMode: standalone\nNode count: 6\n$/,
  );
  expect(ask(bench, "stat")).toMatch(
    /\nClients:\n \/10\.0\.0\.1:40001\[1\]\(queued=0,recved=2,sent=2\)\n \/10\.0\.0\.1:40003\[0\]\(queued=0,recved=1,sent=0\)\n\nLatency/,
  );
});

test("cons tells of each connection, crst and srst forget", () => {
  const bench = open();
  const client = new RawClient(bench);
  client.created("/a");
  expect(ask(bench, "cons")).toMatch(
    new RegExp(`sid=0x${client.session.toString(16)},lop=CREA,est=\\d+,to=10000,lcxid=0x1,lzxid=0x2,lresp=\\d+,llat=0`),
  );
  expect(ask(bench, "crst")).toBe("Connection stats reset.\n");
  expect(ask(bench, "srst")).toBe("Server stats reset.\n");
  expect(ask(bench, "cons")).toMatch(/recved=0,sent=0,sid=0x\w+,lop=NA/);
  expect(ask(bench, "srvr")).toMatch(/Received: 2\n/);
});

test("dump lists sessions, their ephemerals and connections", () => {
  const bench = open();
  const client = new RawClient(bench);
  client.created("/mine", "", 1);
  const sid = `0x${client.session.toString(16)}`;
  const text = ask(bench, "dump")!;
  expect(text).toMatch(/^SessionTracker dump:\nSession Sets \(1\)\/\(1\):\n1 expire at \w{3} \w{3} \d\d /);
  expect(text).toContain(`\t${sid}\nephemeral nodes dump:\nSessions with Ephemerals (1):\n${sid}:\n\t/mine\n`);
  expect(text).toContain(`\tip: /10.0.0.1:40001 sessionId: ${sid}\n`);
});

test("wchs, wchc and wchp tell of data watches", () => {
  const bench = open();
  const client = new RawClient(bench);
  client.getData("/", true);
  client.exists("/none", true);
  client.getChildren("/", true);
  const sid = `0x${client.session.toString(16)}`;
  expect(ask(bench, "wchs")).toBe("1 connections watching 2 paths\nTotal watches:2\n");
  expect(ask(bench, "wchc")).toBe(`${sid}\n\t/\n\t/none\n\n`);
  expect(ask(bench, "wchp")).toBe(`/\n\t${sid}\n/none\n\t${sid}\n\n`);
});

test("dirs and conf measure the directories", () => {
  const bench = open();
  const client = new RawClient(bench);
  const sizes = (): number[] =>
    /datadir_size: (\d+)\nlogdir_size: (\d+)\n$/.exec(ask(bench, "dirs")!)!.slice(1).map(Number);
  const [data, log] = sizes();
  expect(data).toBeGreaterThan(400);
  client.created("/a", "x".repeat(1000));
  const [dataAfter, logAfter] = sizes();
  expect(dataAfter).toBe(data);
  expect(logAfter! - log!).toBeGreaterThan(1000);
  expect(ask(bench, "conf")).toMatch(
    new RegExp(
      `^clientPort=-1\nsecureClientPort=-1\ndataDir=data/version-2\ndataDirSize=${data}\n(.*\n)*tickTime=3000\n(.*\n)*serverId=1\n$`,
    ),
  );
});

test("who asks for dirs and goes away before the disk has answered harms nobody", () => {
  const bench = open();
  bench.diskHeld = true;
  const gone = bench.accept();
  gone.send(bytesOf("dirs"));
  const waiting = bench.accept();
  waiting.send(bytesOf("dirs"));
  waiting.send(bytesOf("dirsdirsdirs"));
  gone.cut();
  bench.diskHeld = false;
  bench.settle();
  expect(waiting.closed).toBe(true);
  expect(new TextDecoder().decode(waiting.takeBytes())).toMatch(/^datadir_size: \d+\nlogdir_size: \d+\n$/);
});

test("mntr prints every line as key, tab, value, and the basics", () => {
  const bench = open();
  const client = new RawClient(bench);
  client.created("/mine", "12345", 1);
  client.getData("/mine", true);
  const lines = ask(bench, "mntr")!.trimEnd().split("\n");
  expect(lines.every((line) => /^zk_\w+\t\S.*$/.test(line))).toBe(true);
  const values = new Map(lines.map((line) => line.split("\t") as [string, string]));
  const basics = ["server_state", "znode_count", "watch_count", "ephemerals_count", "num_alive_connections"];
  expect(basics.map((key) => values.get(`zk_${key}`))).toEqual(["standalone", "6", "1", "1", "2"]);
});

test("hash lists a digest for every 128th zxid", () => {
  const bench = open();
  const client = new RawClient(bench);
  expect(ask(bench, "hash")).toBe("");
  for (let i = 0; i < 260; i++) client.send(OpCode.create, createBody("/s-", "", 2, OPEN_ACL_UNSAFE));
  expect(ask(bench, "hash")).toMatch(/^80: -?\d+\n100: -?\d+\n$/);
});
