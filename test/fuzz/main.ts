/** `npm run fuzz -- [--frames n] [--seed n] [--episode n]`: fuzzes a server and prints what came of it. */
import { parseArgs } from "node:util";
import type { FuzzReport } from "./fuzzer.ts";
import { Finding, fuzz } from "./fuzzer.ts";

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

console.log(`seed ${values.seed}`);
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
    onEpisode({ frames, episodes }) {
      if (seconds() - told < 10) return;
      told = seconds();
      console.log(`${Math.round(told)} s: ${frames} frames, ${episodes} episodes`);
    },
  });
  console.log(summary(report));
} catch (error) {
  if (!(error instanceof Finding)) throw error;
  console.error(`found: npm run fuzz -- --frames ${values.frames} ${error.message}`);
  process.exitCode = 1;
}
