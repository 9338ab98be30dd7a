/**
 * The storage campaign: a server that is crashed at any moment, recovery included, on a disk that keeps what it must
 * and loses what it may, under clients that write all the time. After every recovery the tree and the sessions must be
 * what the log's transactions make of them, up to a point that covers everything a client was told. One run is one
 * seed.
 */
import type { MutantName } from "../../core/pipeline/state.ts";
import { StandaloneServer } from "../../core/server/standalone.ts";
import type { SimHost } from "../host.ts";
import type { Exit } from "../host-parts.ts";
import { address, Simulator } from "../simulator.ts";
import type { Trace } from "../trace.ts";
import type { CrashPlan } from "./crash-plan.ts";
import { drawCrashPlan, SERVER } from "./crash-plan.ts";
import { LogWatch } from "./log-watch.ts";
import { WriteClient } from "./write-client.ts";

export interface CrashOptions {
  readonly mutants?: ReadonlySet<MutantName>;
  /** Instead of the plan that the seed gives: for shrinking, and for telling a story. */
  readonly plan?: CrashPlan;
  /** Gets the trace before anything happens. */
  readonly attach?: (trace: Trace) => void;
}

export interface CrashReport {
  readonly seed: number;
  /** Over every event of the run. */
  readonly hash: number;
  readonly violation: string | undefined;
  readonly events: number;
  /** Milliseconds of virtual time. */
  readonly lasted: number;
  readonly runs: number;
  readonly recoveries: number;
  readonly acknowledgements: number;
  readonly zxids: number;
  /** Transactions that reached the disk and were lost, rightly, and transactions kept although nobody was promised. */
  readonly lost: number;
  readonly kept: number;
  /** Starts refused over a tail that a crash left in pieces, and undertaken again after the operator had cut it off. */
  readonly cuts: number;
  /** What the server said in its log, and how often: which of its rarer paths were taken. */
  readonly said: ReadonlyMap<string, number>;
}

/** After the last crash the clients must get this many answers each, and the server its time to settle. */
const FINAL_ANSWERS = 5;
const FINAL_PATIENCE = 10_000;
const EVENTS_MAX = 400_000;
/** Java: ExitCode.UNABLE_TO_ACCESS_DATADIR. */
const EXIT_DATA_DIRECTORY = 3;
/** How the server names the place from which on a log cannot be read. */
const DAMAGE = /^(\S+) is damaged at offset (\d+):/;
const OPERATOR_DELAY = 100_000;

export function runCrashRecovery(seed: number, options: CrashOptions = {}): CrashReport {
  const run = new CrashRun(seed, options);
  run.live();
  return run.report();
}

class CrashRun {
  readonly #seed: number;
  readonly #world: Simulator;
  readonly #watch: LogWatch = new LogWatch(SERVER);
  readonly #server: SimHost;
  /** A disk that is broken, or too full to start on, is a reason to halt. */
  readonly #diskFails: boolean;
  readonly #clients: WriteClient[] = [];
  #judgedRun = 0;
  #stopped = false;
  #cuts = 0;

  constructor(seed: number, options: CrashOptions) {
    const plan = options.plan ?? drawCrashPlan(seed);
    const { config, mutants } = { config: plan.config, mutants: options.mutants };
    this.#seed = seed;
    this.#diskFails = plan.faults.some(({ fault }) => fault.kind === "diskError" || fault.kind === "diskFull");
    this.#world = new Simulator({
      seed,
      network: plan.network,
      faults: plan.faults,
      listeners: [this.#watch],
      onExit: (host, exit) => this.#onExit(host, exit),
    });
    options.attach?.(this.#world.trace);
    const to = address("server:2181");
    this.#server = this.#world.addHost({
      name: SERVER,
      listens: [{ address: to, port: "client" }],
      boot: (bootSeed) => new StandaloneServer(config, bootSeed, mutants === undefined ? {} : { mutants }),
      clock: plan.clock,
      disk: plan.disk,
      oneVolume: plan.oneVolume,
    });
    plan.clients.forEach((client, index) => {
      const name = `client${index + 1}`;
      const actor = new WriteClient({
        ...client,
        to,
        prng: this.#world.fork(name),
        extendedTypes: config.extendedTypesEnabled,
        nodes: index === 0 ? plan.nodes : 0,
        told: (reply) => this.#watch.acknowledge(reply),
        blame: (what) => this.#blame(`${name}: ${what}`),
      });
      this.#clients.push(actor);
      this.#world.addHost({ name, boot: () => actor }).start();
    });
    this.#server.start();
  }

  live(): void {
    // Until all faults have struck; then until every client has been served again; then an orderly end.
    this.#runUntil(() => this.#world.faultsWaiting === 0, "the faults never came");
    const before = this.#clients.map((client) => client.answered);
    const served = (): boolean =>
      this.#serving && this.#clients.every((client, i) => client.answered >= before[i]! + FINAL_ANSWERS);
    this.#runUntil(served, "the clients were not served any more");
    if (this.#watch.violation !== undefined) return;
    this.#server.requestStop();
    this.#runUntil(() => this.#stopped, "the server did not stop when asked to");
    if (this.#watch.violation !== undefined) return;
    this.#server.start();
    this.#runUntil(() => this.#serving, "the server did not start again");
  }

  report(): CrashReport {
    const { violation, recoveries, acknowledgements, logged, lost, kept, said } = this.#watch;
    return {
      seed: this.#seed,
      hash: this.#world.hash,
      violation,
      events: this.#world.events,
      lasted: Math.floor(this.#world.now / 1000),
      runs: this.#server.runs,
      recoveries,
      acknowledgements,
      zxids: logged,
      lost,
      kept,
      cuts: this.#cuts,
      said,
    };
  }

  #runUntil(condition: () => boolean, otherwise: string): void {
    const until = Math.floor(this.#world.now / 1000) + FINAL_PATIENCE;
    const end = this.#world.run({
      until,
      events: EVENTS_MAX,
      when: () => {
        this.#judge();
        return this.#watch.violation !== undefined || condition();
      },
    });
    if (end !== "when") this.#blame(`${otherwise} (${end})`);
  }

  get #serving(): boolean {
    return this.#server.running && this.#judgedRun === this.#server.runs;
  }

  #judge(): void {
    const { runs, actor } = this.#server;
    if (this.#judgedRun === runs || actor === undefined) return;
    const { state } = actor as StandaloneServer;
    if (state === undefined) return;
    this.#judgedRun = runs;
    this.#watch.judge(state);
  }

  #onExit(host: SimHost, exit: Exit): void {
    if (host !== this.#server) return this.#blame(`a client ended: ${describeExit(exit)}`);
    this.#watch.ended();
    if (exit.kind === "crashed") return;
    if (exit.kind === "halted" && exit.code === 0) this.#stopped = true;
    else if (exit.kind === "halted" && exit.code === EXIT_DATA_DIRECTORY && this.#cutTail(exit.reason)) return;
    else if (exit.kind === "halted" && this.#diskFails) host.startLater(OPERATOR_DELAY);
    else this.#blame(`the server ended: ${describeExit(exit)}`);
  }

  /**
   * What was appended and not synced may be found in pieces, a later one whole behind a lost one. Apache's server does
   * not start then, and neither does ours, because damage to what was acknowledged looks the same. What it then asks of
   * the operator is done here; whether everything promised is found afterwards is judged as ever.
   */
  #cutTail(reason: string): boolean {
    const found = DAMAGE.exec(reason);
    if (found === null) return false;
    const file = this.#server.disk.file(found[1]!);
    if (file === undefined) return false;
    file.truncate(Number(found[2]));
    file.sync();
    this.#cuts++;
    this.#server.startLater(OPERATOR_DELAY);
    return true;
  }

  #blame(what: string): void {
    this.#watch.violation ??= what;
  }
}

function describeExit(exit: Exit): string {
  if (exit.kind === "halted") return `halted with ${exit.code}, ${exit.reason}`;
  if (exit.kind === "crashed") return "crashed";
  return exit.error instanceof Error ? `${exit.error.name}: ${exit.error.message}` : String(exit.error);
}
