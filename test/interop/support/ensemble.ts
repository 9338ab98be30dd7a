/**
 * Ensembles of real processes on loopback, each member ours or Debian's Apache ZooKeeper 3.8, as one likes from start to
 * start over the same data directory. Between the members, and between clients and members, lies a {@link CutProxy}.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { CLIENTS, CutProxy } from "./cut-proxy.ts";
import { eventually, fourLetterWord, freePort, Process, temporaryDirectory } from "./processes.ts";
import { apacheClassPath, LOG4J, repositoryPath, type ServerKind, SUPER_DIGEST } from "./servers.ts";

type Settings = Readonly<Record<string, string | number | boolean>>;

export interface EnsembleOptions {
  /** One for each member, whose ids count from 1. */
  readonly kinds: readonly ServerKind[];
  /** Ids of members that do not vote. */
  readonly observers?: readonly number[];
  /** Members that the others do not know of and that are not started: reconfig is to let them in. */
  readonly joiners?: readonly number[];
  /** Members that stand in the others' configuration and are not started. */
  readonly absent?: readonly number[];
  /** Looks for followers before the others are started: with the highest id it leads. */
  readonly first?: number;
  /** Lines of zoo.cfg over the defaults below. Both kinds read the same file. */
  readonly config?: Settings;
  /** Without a proxy all members have one configuration, as reconfig needs it. */
  readonly proxied?: boolean;
  /** Of Java members. */
  readonly javaFlags?: readonly string[];
}

/** What Java's servers need for TLS, beside what zookeeper.jar names. */
const TLS_JARS = ["handler", "codec", "buffer", "common", "transport", "resolver"].map(
  (name) => `/usr/share/java/netty-${name}.jar`,
);
const SMALL_JVM = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
/** How soon a member that is alive answers `srvr`. */
const WORD_TIMEOUT = 1000;
/** A leader of Java's listens only once it knows that it leads, which others may know sooner. */
const QUORUM_PATIENCE = 500;
const LOG_TAIL_CHARACTERS = 6000;

/** Short ticks: an election is over in a second, a silent peer is given up after two. */
export const QUICK: Settings = { tickTime: 500, initLimit: 20, syncLimit: 4, maxSessionTimeout: 60_000 };

const DEFAULTS: Settings = {
  tickTime: 2000,
  initLimit: 10,
  syncLimit: 5,
  clientPortAddress: "127.0.0.1",
  maxClientCnxns: 0,
  "4lw.commands.whitelist": "*",
  "admin.enableServer": false,
  "DigestAuthenticationProvider.superDigest": SUPER_DIGEST,
  preAllocSize: 1024,
};

/**
 * Java compares digests from the first txn behind a snapshot on, when it loads its data: too early behind a snapshot that
 * a leader sent while it went on (a fuzzy one). That the trees come out the same is then seen by reading them.
 */
const LOADING = /\[main:/;
/** What is wrong with a log, whatever happened around it. */
const ALARMS = [/digests? (mismatch|(are|is) not matching|differs?)/i, /invariant/i, /\bcrashed\b/, /uncaught/i];

export class Member {
  readonly id: number;
  kind: ServerKind;
  readonly directory: string;
  readonly dataDir: string;
  readonly clientPort: number;
  readonly quorumPort: number;
  readonly electionPort: number;
  /** Where clients find it; the proxy's if there is one. */
  publicPort: number;
  readonly #javaFlags: readonly string[];
  #process: Process | undefined;
  #paused = false;

  constructor(id: number, kind: ServerKind, ports: readonly number[], parent: string, javaFlags: readonly string[]) {
    this.id = id;
    this.kind = kind;
    [this.clientPort, this.quorumPort, this.electionPort] = ports as [number, number, number];
    this.publicPort = this.clientPort;
    this.directory = join(parent, String(id));
    this.dataDir = join(this.directory, "data");
    this.#javaFlags = javaFlags;
    mkdirSync(this.dataDir, { recursive: true });
    writeFileSync(join(this.dataDir, "myid"), `${id}\n`);
  }

  get configFile(): string {
    return join(this.directory, "zoo.cfg");
  }

  get running(): boolean {
    return this.#process !== undefined && this.#process.code === undefined;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get pid(): number | undefined {
    return this.running ? this.#process!.child.pid : undefined;
  }

  get exitCode(): number | undefined {
    return this.#process?.code;
  }

  /** Starts the process, as `kind` from now on; does not wait for it to serve. */
  launch(kind: ServerKind = this.kind): void {
    if (this.running) throw new Error(`member ${this.id} runs already`);
    this.kind = kind;
    this.#paused = false;
    const options = { outputFile: join(this.directory, "out") };
    this.#process =
      kind === "vivarium"
        ? new Process(process.execPath, [programFile(), "serve", this.configFile], options)
        : new Process("java", this.#javaArguments(), options);
  }

  #javaArguments(): readonly string[] {
    writeFileSync(
      join(this.directory, "log4j.properties"),
      LOG4J.replace("WARN", process.env["INTEROP_LOG"] ?? "WARN"),
    );
    return [
      ...this.#javaFlags,
      `-Dzookeeper.log.dir=${this.directory}`,
      "-cp",
      apacheClassPath(this.directory, ...TLS_JARS),
      "org.apache.zookeeper.server.quorum.QuorumPeerMain",
      this.configFile,
    ];
  }

  async kill(): Promise<void> {
    await this.#process?.stop("SIGKILL");
  }

  /** SIGTERM, and the exit code. */
  async stop(): Promise<number | undefined> {
    if (this.#paused) this.resume();
    return this.#process?.stop();
  }

  /** SIGSTOP. */
  pause(): void {
    this.#process?.child.kill("SIGSTOP");
    this.#paused = true;
  }

  /** SIGCONT. */
  resume(): void {
    this.#process?.child.kill("SIGCONT");
    this.#paused = false;
  }

  async word(word: string): Promise<string | undefined> {
    if (!this.running || this.#paused) return undefined;
    return fourLetterWord(this.clientPort, word, WORD_TIMEOUT);
  }

  /** leader, follower, observer or read-only; undefined while it does not serve. */
  async mode(): Promise<string | undefined> {
    return /^Mode: (.*)$/m.exec((await this.word("srvr")) ?? "")?.[1];
  }

  /** What it has printed and logged since its directory was made: of each file what there is, or the end. */
  log(characters = Infinity): string {
    return ["out", "zookeeper.log"]
      .map((name) => join(this.directory, name))
      .filter((path) => existsSync(path))
      .map((path) => readFileSync(path, "utf8").slice(-characters))
      .join("\n");
  }

  /** Lines that no fault of the surroundings explains. */
  alarms(): string[] {
    const lines = this.log().split("\n");
    const alarming = lines.filter((line) => ALARMS.some((alarm) => alarm.test(line)) && !LOADING.test(line));
    return alarming.map((line) => `member ${this.id}: ${line}`);
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Our program; INTEROP_PROGRAM names another build's dist/cli/main.js. */
function programFile(): string {
  return process.env["INTEROP_PROGRAM"] ?? repositoryPath("dist/cli/main.js");
}

export class Ensemble {
  readonly members: readonly Member[];
  readonly proxy: CutProxy | undefined;
  readonly directory: string;

  private constructor(members: readonly Member[], proxy: CutProxy | undefined, directory: string) {
    this.members = members;
    this.proxy = proxy;
    this.directory = directory;
  }

  /** Makes directories and configurations; nothing is started. */
  static async prepare(options: EnsembleOptions): Promise<Ensemble> {
    const directory = temporaryDirectory("ensemble");
    const members: Member[] = [];
    for (const [index, kind] of options.kinds.entries()) {
      const ports = [await freePort(), await freePort(), await freePort()];
      members.push(new Member(index + 1, kind, ports, directory, options.javaFlags ?? SMALL_JVM));
    }
    const proxy = options.proxied === false ? undefined : new CutProxy();
    const ensemble = new Ensemble(members, proxy, directory);
    for (const member of members) await ensemble.#configure(member, options);
    return ensemble;
  }

  /** The same, started and serving. */
  static async start(options: EnsembleOptions, timeout = 60_000): Promise<Ensemble> {
    const ensemble = await Ensemble.prepare(options);
    const absent = [...(options.absent ?? []), ...(options.joiners ?? [])];
    const present = ensemble.members.filter(({ id }) => !absent.includes(id));
    try {
      const first = present.find(({ id }) => id === options.first);
      if (first !== undefined) {
        first.launch();
        await eventually("the first member listens", timeout, () => listens(first.electionPort));
      }
      for (const member of present) if (member !== first) member.launch();
      await ensemble.awaitServing(timeout, present);
    } catch (error) {
      await ensemble.close();
      throw error;
    }
    return ensemble;
  }

  async #configure(member: Member, options: EnsembleOptions): Promise<void> {
    const observers = options.observers ?? [];
    const settings: Record<string, string | number | boolean> = {
      ...DEFAULTS,
      ...options.config,
      dataDir: member.dataDir,
      clientPort: member.clientPort,
    };
    if (observers.includes(member.id)) settings["peerType"] = "observer";
    for (const other of this.members) {
      if (other !== member && options.joiners?.includes(other.id) === true) continue;
      const [quorum, election] = await this.#portsFor(member, other);
      const role = observers.includes(other.id) ? ":observer" : "";
      // Without the proxy the line is what reconfig works on, and says everything.
      const client = this.proxy === undefined ? `${role || ":participant"};127.0.0.1:${other.clientPort}` : role;
      settings[`server.${other.id}`] = `127.0.0.1:${quorum}:${election}${client}`;
    }
    const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
    writeFileSync(member.configFile, lines.join(""));
  }

  readonly #callbacks = new Map<string, number>();

  /** At which ports `member` finds `other`. */
  async #portsFor(member: Member, other: Member): Promise<readonly [number, number]> {
    const { proxy } = this;
    if (proxy === undefined) return [other.quorumPort, other.electionPort];
    if (member === other) {
      member.publicPort = await freePort();
      await proxy.listen({ from: CLIENTS, to: member.id, port: member.publicPort, target: member.clientPort });
      return [other.quorumPort, other.electionPort];
    }
    const quorum = await freePort();
    await proxy.listen({
      from: member.id,
      to: other.id,
      port: quorum,
      target: other.quorumPort,
      patience: QUORUM_PATIENCE,
    });
    const [election, callback] = [await this.#electionPort(member, other), await this.#electionPort(other, member)];
    await proxy.listen({ from: member.id, to: other.id, port: election, target: other.electionPort, callback });
    return [quorum, election];
  }

  async #electionPort(from: Member, to: Member): Promise<number> {
    const name = `${from.id}>${to.id}`;
    const port = this.#callbacks.get(name) ?? (await freePort());
    this.#callbacks.set(name, port);
    return port;
  }

  member(id: number): Member {
    const member = this.members[id - 1];
    if (member === undefined) throw new Error(`there is no member ${id}`);
    return member;
  }

  get connectString(): string {
    return this.members.map(({ publicPort }) => `127.0.0.1:${publicPort}`).join(",");
  }

  async modes(): Promise<readonly (string | undefined)[]> {
    return Promise.all(this.members.map((member) => member.mode()));
  }

  /** What the configuration says of a member, without a proxy. */
  static lineOf({ id, quorumPort, electionPort, clientPort }: Member, role = "participant"): string {
    return `server.${id}=127.0.0.1:${quorumPort}:${electionPort}:${role};127.0.0.1:${clientPort}`;
  }

  /** The one that says it leads; of several the last, undefined while there is none. */
  async leader(): Promise<Member | undefined> {
    const modes = await this.modes();
    return this.members.findLast((_, index) => modes[index] === "leader" || modes[index] === "standalone");
  }

  /** Waits for a leader and returns it. */
  async awaitLeader(timeout: number, not?: Member): Promise<Member> {
    let leader: Member | undefined;
    try {
      await eventually("there is a leader", timeout, async () => {
        leader = await this.leader();
        return leader !== undefined && leader !== not;
      });
    } catch (error) {
      throw new Error(`${String(error)}\n${this.tails()}`, { cause: error });
    }
    return leader!;
  }

  /** Waits until `members` (all by default) serve under one leader. */
  async awaitServing(timeout: number, members: readonly Member[] = this.members): Promise<void> {
    let modes: readonly (string | undefined)[] = [];
    try {
      await eventually("", timeout, async () => {
        const dead = members.find(({ running }) => !running);
        if (dead !== undefined) throw new Error(`member ${dead.id} ended with ${dead.exitCode}`);
        modes = await Promise.all(members.map((member) => member.mode()));
        return !modes.includes(undefined) && modes.filter((mode) => mode === "leader").length <= 1;
      });
    } catch (error) {
      const seen = members.map(({ id, kind }, index) => `${id} (${kind}) ${modes[index] ?? "silent"}`).join(", ");
      throw new Error(`not all serve within ${timeout} ms: ${seen}; ${String(error)}\n${this.tails()}`, {
        cause: error,
      });
    }
  }

  /** Starts a member that does not run, as `kind` if given, and waits until it serves. */
  async restart(member: Member, kind: ServerKind = member.kind, timeout = 60_000): Promise<void> {
    await member.stop();
    member.launch(kind);
    await this.awaitServing(timeout, [member]);
  }

  /** The ends of all logs, for a failure's message. */
  tails(): string {
    return this.members
      .map((member) => {
        const { id, kind } = member;
        return `--- member ${id} (${kind})\n${member.log(LOG_TAIL_CHARACTERS)}`;
      })
      .join("\n");
  }

  alarms(): string[] {
    return this.members.flatMap((member) => member.alarms());
  }

  /** Ends everything at once; data and logs stay until this process ends. */
  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    this.proxy?.close();
  }
}
