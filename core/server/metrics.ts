/** `mntr`: what is known in numbers, as `zk_<key><TAB><value>` (Java: MonitorCommand; reference, section 9.2). */
import type { Context } from "../actor.ts";
import type { ServerState } from "../pipeline/state.ts";
import type { ServerMode } from "./client-port.ts";
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
    ["server_state", source.mode],
    ...peerState(source),
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
    ["local_sessions", sessions.local.size],
    ["last_client_response_size", stats.responseSizeLast],
    ["max_client_response_size", stats.responseSizeMax],
    ["min_client_response_size", stats.responseSizeMin],
    ["auth_failed_count", stats.counters.get("auth_failed_count") ?? 0],
    ...ensembleGauges(cx, source, state),
  ];
  const counters = new Map<string, number>(COUNTERS.map((name) => [name, 0]));
  for (const [name, value] of stats.counters) counters.set(name, value);
  counters.delete("auth_failed_count");
  return [...gauges, ...counters, ...summaries(state)].map(([key, value]) => `zk_${key}\t${value}\n`).join("");
}

type Line = [key: string, value: string | number];

/** What a server of an ensemble is doing (Java: QuorumPeer.getDetailedPeerState); the words answer only in these. */
const PEER_STATES: Readonly<Record<ServerMode, string>> = {
  standalone: "",
  leader: "leading - broadcast",
  follower: "following - broadcast",
  observer: "observing - broadcast",
  "read-only": "looking",
};

function peerState(source: WordSource): Line[] {
  return source.mode === "standalone" ? [] : [["peer_state", PEER_STATES[source.mode]]];
}

function ensembleGauges(cx: Context, source: WordSource, { stats }: ServerState): Line[] {
  const { mode, view, role } = source;
  if (view === undefined) return [];
  const size: Line = ["quorum_size", view.current.voters.length];
  if (mode !== "leader" || role === undefined) return mode === "follower" ? [size, ["synced_observers", 0]] : [size];
  const { learners } = role;
  const followers = learners.filter(({ observer }) => !observer);
  const synced = learners.filter((learner) => learner.synced);
  const observers = synced.filter(({ observer }) => observer).length;
  const strangers = synced.filter(({ observer, id }) => !observer && !view.current.isVoter(id)).length;
  return [
    size,
    ["learners", learners.length],
    ["followers", followers.length],
    ["synced_followers", synced.length - observers],
    ["synced_non_voting_followers", strangers],
    ["synced_observers", observers],
    ["pending_syncs", role.pendingSyncs ?? 0],
    ["leader_uptime", cx.now - (source.servingSince ?? source.startedAt)],
    ["last_proposal_size", stats.proposalSizeLast],
    ["max_proposal_size", stats.proposalSizeMax],
    ["min_proposal_size", stats.proposalSizeMin],
  ];
}

function summaries({ stats }: ServerState): Line[] {
  const lines: Line[] = [];
  for (const [name, { count, sum, min, max }] of stats.summaries) {
    lines.push([`avg_${name}`, formatAverage(sum / count)], [`min_${name}`, min], [`max_${name}`, max]);
    lines.push([`cnt_${name}`, count], [`sum_${name}`, sum]);
  }
  return lines;
}
