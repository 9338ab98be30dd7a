/** `npm run fuzz -- [--frames n] [--seed n] [--episode n]`: fuzzes a server and prints what came of it. */
import { parseArgs } from "node:util";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import type { FuzzReport } from "./fuzzer.ts";
import { Finding, fuzz } from "./fuzzer.ts";

/** Milliseconds that one frame, or the end of an episode, may take. */
const PATIENCE = 60_000;
const MIB = 1024 * 1024;
const { values } = parseArgs({
  options: {
    frames: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
    episode: { type: "string" },
  },
});
const began = performance.now();

function seconds(): number {
  return (performance.now() - began) / 1000;
}

function summary(report: FuzzReport): string {
  const closures = [...report.closures].sort(([, a], [, b]) => b - a).map(([why, n]) => `  ${n}  ${why}`);
  return [
    `${report.frames} frames sent in ${report.episodes} episodes, ${report.framesAccepted} taken for frames by the server`,
    `${report.connections} connections, ${report.replies} replies and events, ${report.txns} transactions`,
    `${report.recoveries} recoveries, each to the tree and the sessions that were there`,
    `longest event ${report.longestEvent.toFixed(1)} ms, at most ${Math.round(report.memoryMax / MIB)} MiB in use`,
    `${seconds().toFixed(1)} s, ${Math.round(report.frames / seconds())} frames/s`,
    "connections ended because of:",
    ...closures,
    "nothing found",
  ].join("\n");
}

/** Where the fuzzer is: what a frame that never ends is told from. */
const progress = new Int32Array((workerData as SharedArrayBuffer | null) ?? new SharedArrayBuffer(8));

function run(): void {
  let told = 0;
  try {
    const report = fuzz({
      seed: Number(values.seed),
      frames: Number(values.frames),
      ...(values.episode === undefined ? {} : { episode: Number(values.episode) }),
      clock: () => performance.now(),
      memory() {
        const { heapUsed, arrayBuffers } = process.memoryUsage();
        return heapUsed + arrayBuffers;
      },
      onFrame(episode, frame) {
        progress[0] = episode;
        progress[1] = frame;
      },
      onEpisode({ frames, episodes }) {
        if (seconds() - told < 10) return;
        told = seconds();
        console.log(`${Math.round(told)} s: ${frames} frames, ${episodes} episodes`);
      },
    });
    console.log(summary(report));
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    found(error.message);
  }
}

function found(what: string): void {
  console.error(`found: npm run fuzz -- --frames ${values.frames} ${what}`);
  process.exitCode = 1;
}

/** A handler that never returns cannot be interrupted from within: the fuzzer runs in a thread, and is watched. */
function watch(): void {
  console.log(`seed ${values.seed}`);
  const worker = new Worker(new URL(import.meta.url), { workerData: progress.buffer, argv: process.argv.slice(2) });
  let before = "";
  const timer = setInterval(() => {
    const now = progress.join();
    if (now === before) {
      found(`--seed ${values.seed} --episode ${progress[0]}, after ${progress[1]} frames: a frame that never ends`);
      process.exit(1);
    }
    before = now;
  }, PATIENCE);
  worker.on("error", (error) => {
    throw error;
  });
  worker.on("exit", (code) => {
    clearInterval(timer);
    process.exitCode = code;
  });
}

if (isMainThread) watch();
else run();
