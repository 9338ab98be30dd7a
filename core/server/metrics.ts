/** `mntr`: what is known in numbers, as `zk_<key><TAB><value>` (Java: MonitorCommand; reference, section 9.2). */
import type { Context } from "../actor.ts";
import type { ServerState } from "../pipeline/state.ts";
import type { WordSource } from "./words.ts";
import { formatAverage, reportedNodeCount } from "./words.ts";

/** Counters that are printed from the start, so that a first scrape finds them. */
const COUNTERS = [
  "connection_request_count",
  "connection_rejected",
  "connection_drop_count",
  "sessionless_connections_expired",
  "stale_sessions_expired",
  "stale_requests_dropped",
  "throttled_ops",
  "large_requests_rejected",
  "digest_mismatches_count",
  "snap_count",
  "unrecoverable_error_count",
] as const;

export function metricLines(cx: Context, source: WordSource, state: ServerState): string {
  const { stats, tree, watches, sessions, config } = state;
  let connections = 0;
  for (const _ of source.links()) connections++;
  const gauges: [string, string | number][] = [
    ["version", config.description.version],
    ["server_state", "standalone"],
    ["avg_latency", formatAverage(stats.latencyAverage)],
    ["max_latency", stats.latencyMax],
    ["min_latency", stats.latencyMin],
    ["packets_received", stats.packetsReceived],
    ["packets_sent", stats.packetsSent],
    ["num_alive_connections", connections],
    ["outstanding_requests", stats.inProcess],
    ["uptime", cx.now - source.startedAt],
    ["znode_count", reportedNodeCount(state)],
    ["watch_count", watches.count],
    ["ephemerals_count", tree.ephemeralCount],
    ["approximate_data_size", tree.approximateDataSize],
    ["global_sessions", sessions.size],
    ["local_sessions", 0],
    ["last_client_response_size", stats.responseSizeLast],
    ["max_client_response_size", stats.responseSizeMax],
    ["min_client_response_size", stats.responseSizeMin],
    ["auth_failed_count", stats.counters.get("auth_failed_count") ?? 0],
  ];
  const counters = new Map<string, number>(COUNTERS.map((name) => [name, 0]));
  for (const [name, value] of stats.counters) counters.set(name, value);
  counters.delete("auth_failed_count");
  return [...gauges, ...counters].map(([key, value]) => `zk_${key}\t${value}\n`).join("");
}
