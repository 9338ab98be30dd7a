/**
 * The ensemble campaign: servers that are crashed, parted, slowed and paused at any moment, under clients that read and
 * write all the time; every checker listens from beginning to end. Then nothing goes wrong any more: a leader serves, all
 * servers follow it and have the same tree, the dead client's session ends, and what clients were told is judged. One run
 * is one seed.
 */
import type { Actor } from "../../core/actor.ts";
import type { MutantName } from "../../core/pipeline/state.ts";
import { Peer } from "../../core/server/peer.ts";
import type { DataTree } from "../../core/tree/data-tree.ts";
import type { SessionTracker } from "../../core/session/tracker.ts";
import type { EnsembleCheckers } from "../checkers/all.ts";
import { ensembleCheckers } from "../checkers/all.ts";
import { majorityOf, showZxid } from "../checkers/checker.ts";
import { Ensemble } from "../ensemble.ts";
import type { SimHost } from "../host.ts";
import type { Exit } from "../host-parts.ts";
import type { Simulator } from "../simulator.ts";
import { ClientHistory } from "./client-history.ts";
import { EnsembleClient } from "./ensemble-client.ts";
import type { EnsemblePlan } from "./ensemble-plan.ts";
import { drawEnsemblePlan } from "./ensemble-plan.ts";
import { EnsembleTally } from "./ensemble-tally.ts";
import type { Totals } from "./ensemble-tally.ts";
import type { Judged } from "./history-judge.ts";
import { judgeHistory } from "./history-judge.ts";

export interface EnsembleRunOptions {
  readonly mutants?: ReadonlySet<MutantName>;
  /** Instead of the number that the seed gives. */
  readonly servers?: number;
  /** Instead of the plan that the seed gives: for shrinking, and for telling a story. */
  readonly plan?: EnsemblePlan;
  /** Gets the world before anything happens. */
  readonly attach?: (world: Simulator) => void;
}

export interface EnsembleReport {
  readonly seed: number;
  /** Over every event of the run. */
  readonly hash: number;
  /** The first thing that went wrong, with the invariant's name. */
  readonly violation: string | undefined;
  readonly totals: Totals;
  /** How often each checker's premise occurred. */
  readonly premises: ReadonlyMap<string, number>;
}

/** Milliseconds after the last fault: until one leads and all follow; until clients are served; for the rest. */
const SETTLE_WITHIN = 8_000;
const SERVE_WITHIN = 10_000;
const CONVERGE_WITHIN = 5_000;
const FINAL_ANSWERS = 3;
const EVENTS_MAX = 600_000;
/** Java: ExitCode.UNABLE_TO_ACCESS_DATADIR. */
const EXIT_DATA_DIRECTORY = 3;
/** How a server names the place from which on a log cannot be read. */
const DAMAGE = /^(\S+) is damaged at offset (\d+):/;
const OPERATOR_DELAY = 150_000;
const CONFIG_NODE = "/zookeeper/config";

/** What a run looks into servers for. */
interface Inside extends Actor {
  readonly database: { readonly tree: DataTree; readonly sessions: SessionTracker } | undefined;
}

export function runEnsemble(seed: number, options: EnsembleRunOptions = {}): EnsembleReport {
  const run = new EnsembleRun(seed, options);
  run.live();
  return run.report();
}

class EnsembleRun {
  readonly #seed: number;
  readonly #plan: EnsemblePlan;
  readonly #ensemble: Ensemble;
  readonly #checkers: EnsembleCheckers;
  readonly #history: ClientHistory;
  readonly #clients: EnsembleClient[] = [];
  readonly #tally: EnsembleTally = new EnsembleTally();
  /** A disk that is broken, or too full to start on, is a reason to halt. */
  readonly #diskFails: boolean;
  #violation: string | undefined;
  #judged: Judged | undefined;

  constructor(seed: number, options: EnsembleRunOptions) {
    const plan = options.plan ?? drawEnsemblePlan(seed, options.servers);
    this.#seed = seed;
    this.#plan = plan;
    this.#diskFails = plan.faults.some(({ fault }) => fault.kind === "diskError" || fault.kind === "diskFull");
    const { mutants } = options;
    const names = new Set(Array.from({ length: plan.servers + plan.observers }, (_, i) => `server${i + 1}`));
    const voters = majorityOf([...names].slice(0, plan.servers));
    this.#checkers = ensembleCheckers(
      (invariant, what) => this.#blame(invariant, what),
      (host) => this.#ensemble.host(host).disk.files(),
      names,
      () => voters,
    );
    this.#ensemble = new Ensemble({
      ...plan,
      seed,
      listeners: [this.#checkers.listener, this.#tally],
      onExit: (host, exit) => this.#onExit(host, exit),
      boot: (config, bootSeed) => new Peer(config, bootSeed, mutants === undefined ? {} : { mutants }),
      clockOf: (id) => plan.clocks[id - 1]!,
    });
    const { world } = this.#ensemble;
    options.attach?.(world);
    this.#history = new ClientHistory(
      () => world.now,
      (server) => this.#tally.epochOf(server),
    );
    this.#addClients();
    this.#ensemble.start();
  }

  live(): void {
    this.#runTo(this.#plan.calmAt);
    if (this.#over) return;
    this.#ensemble.heal();
    this.#ensemble.start();
    const calm = this.#ensemble.world.now;
    this.#expect("L1", "no leader that all servers follow", SETTLE_WITHIN, () => this.#united());
    this.#tally.settledAfter = Math.floor((this.#ensemble.world.now - calm) / 1000);
    const before = this.#clients.map((client) => client.answered);
    this.#expect("L1", "clients are not served", SERVE_WITHIN, () =>
      this.#clients.every((client, i) => client.answered >= before[i]! + FINAL_ANSWERS),
    );
    for (const client of this.#clients) client.rest();
    this.#expect("L1", "clients' requests are not answered", SERVE_WITHIN, () =>
      this.#clients.every((client) => client.settled),
    );
    this.#endSession();
    this.#expect("L1", "servers do not converge", CONVERGE_WITHIN, () => this.#converged());
    if (!this.#over) this.#compare();
  }

  report(): EnsembleReport {
    const { world } = this.#ensemble;
    const premises = new Map<string, number>();
    for (const checker of this.#checkers.all) premises.set(checker.name, checker.premises);
    return {
      seed: this.#seed,
      hash: world.hash,
      violation: this.#violation,
      totals: this.#tally.totals(world, this.#history.answered, this.#judged),
      premises,
    };
  }

  #addClients(): void {
    const { world, clientAddresses } = this.#ensemble;
    this.#plan.clients.forEach((plan, index) => {
      const name = `client${index + 1}`;
      const actor = new EnsembleClient({
        ...plan,
        name,
        servers: clientAddresses,
        prng: world.fork(name),
        history: this.#history,
        blame: (invariant, what) => this.#blame(invariant, what),
      });
      this.#clients.push(actor);
      world.addHost({ name, boot: () => actor }).start();
    });
  }

  /** The first client dies. Its session ends in time, on every server; nobody else's does. */
  #endSession(): void {
    if (this.#over) return;
    const session = this.#clients[0]!.session;
    const expired = this.#clients.map((client) => client.expired);
    this.#ensemble.crash("client1");
    const { sessionTimeout } = this.#plan.clients[0]!;
    // Two buckets late at most, and a client may just have been heard of through a learner's ping.
    const bound = Math.max(sessionTimeout, 200) + 400 + SLOWNESS;
    this.#expect("E2", `session ${session.toString(16)} of a dead client does not end`, bound, () =>
      this.#databases().every(({ sessions }) => sessions.get(session) === undefined),
    );
    this.#clients.forEach((client, i) => {
      if (client.expired > expired[i]!) this.#blame("E2", `client${i + 1} lost a session that it kept alive`);
    });
  }

  /** One leader, every server serving in its epoch. */
  #united(): boolean {
    const { names, roles } = this.#ensemble;
    const leader = this.#ensemble.leader();
    if (leader === undefined) return false;
    const { epoch } = roles.of(leader);
    return names.every((name) => this.#ensemble.host(name).running && roles.of(name).epoch === epoch);
  }

  #converged(): boolean {
    const databases = this.#databases();
    const zxid = databases[0]?.tree.lastProcessedZxid;
    return (
      databases.length === this.#ensemble.names.length &&
      databases.every(({ tree }) => tree.lastProcessedZxid === zxid) &&
      this.#clients.every((client, i) => i === 0 || client.settled)
    );
  }

  /** Every server has the state that the history gives, and the history explains what clients were told (D6, E1, C1…). */
  #compare(): void {
    const tip = this.#databases()[0]!.tree.lastProcessedZxid;
    const chain = this.#checkers.agreement.historyUpTo(tip, this.#checkers.truth.payloads);
    if (chain === undefined) return this.#blame("I6", `nobody can say what led to ${showZxid(tip)}`);
    const blame = (invariant: string, what: string): void => this.#blame(invariant, what);
    const judged = judgeHistory(this.#history, chain, this.#checkers.truth.payloads, blame);
    this.#judged = judged;
    const { model } = judged;
    const expected = describeSessions(model.sessions);
    for (const name of this.#ensemble.names) {
      const { tree, sessions } = this.#databaseOf(name)!;
      const difference = model.difference(tree, CONFIG_NODE);
      if (difference !== undefined) this.#blame("D6", `at the end, on ${name}, ${difference}`);
      const found = describeSessions(sessions.committed());
      if (found !== expected) this.#blame("D6", `at the end ${name} has the sessions ${found}, not ${expected}`);
      for (const owner of tree.sessionsWithEphemerals()) {
        if (!model.sessions.has(owner))
          this.#blame("E1", `at the end ${name} has ephemerals of a session that is gone`);
      }
    }
  }

  #databases(): NonNullable<Inside["database"]>[] {
    return this.#ensemble.names.flatMap((name) => this.#databaseOf(name) ?? []);
  }
  #databaseOf(name: string): Inside["database"] {
    return (this.#ensemble.host(name).actor as Inside | undefined)?.database;
  }

  get #over(): boolean {
    return this.#violation !== undefined;
  }

  #runTo(until: number): void {
    const end = this.#ensemble.world.run({ until, events: EVENTS_MAX, when: () => this.#over });
    if (end === "events") this.#blame("L1", "events without end");
  }

  #expect(invariant: string, otherwise: string, within: number, condition: () => boolean): void {
    if (this.#over) return;
    const { world } = this.#ensemble;
    const until = Math.floor(world.now / 1000) + within;
    const end = world.run({ until, events: EVENTS_MAX, when: () => this.#over || condition() });
    if (end !== "when") this.#blame(invariant, `${otherwise} (${end}, ${within} ms)`);
  }

  #onExit(host: SimHost, exit: Exit): void {
    if (exit.kind === "crashed") return;
    if (!host.name.startsWith("server")) return this.#blame("L2", `${host.name} ended: ${describeExit(exit)}`);
    const asked = exit.kind === "halted" && exit.code === 0;
    const cut = exit.kind === "halted" && exit.code === EXIT_DATA_DIRECTORY && this.#cutTail(host, exit.reason);
    if (asked || cut || (exit.kind === "halted" && this.#diskFails)) return host.startLater(OPERATOR_DELAY);
    this.#blame("L2", `${host.name} ended: ${describeExit(exit)}`);
  }

  /**
   * What was appended and not synced may be found in pieces, a later one whole behind a lost one: then a server refuses to
   * start, because damage to what was acknowledged looks the same. What it asks of its operator is done here.
   */
  #cutTail(host: SimHost, reason: string): boolean {
    const found = DAMAGE.exec(reason);
    const file = found === null ? undefined : host.disk.file(found[1]!);
    if (file === undefined) return false;
    file.truncate(Number(found![2]));
    file.sync();
    this.#checkers.truth.reread(host.name, true);
    return true;
  }

  #blame(invariant: string, what: string): void {
    this.#violation ??= `${invariant}: ${what}`;
  }
}

/** Slow disks and networks of some plans, a few times over. */
const SLOWNESS = 400;

function describeSessions(sessions: Iterable<readonly [bigint, number]>): string {
  const lines = [...sessions].map(([id, timeout]) => `${BigInt.asUintN(64, id).toString(16)}:${timeout}`);
  return lines.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)).join(" ");
}

function describeExit(exit: Exit): string {
  if (exit.kind === "halted") return `halted with ${exit.code}, ${exit.reason}`;
  if (exit.kind === "crashed") return "crashed";
  return exit.error instanceof Error ? `${exit.error.name}: ${exit.error.message}` : String(exit.error);
}
