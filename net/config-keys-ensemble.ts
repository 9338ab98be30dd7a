/** The rows of zoo.cfg's keys that are about ensembles. Java: QuorumPeerConfig, and system properties all over. */
import { ensemble, ensembleOnly, idle, only, QUORUM_TLS, row, THREADS, tlsRows } from "./config-rows.ts";
import type { ConfigDraft, KeyRow } from "./config-rows.ts";
import { decimal, flag, milliseconds, oneOf, text, whole } from "./config-values.ts";

const QUORUM_SASL = "servers cannot log in with SASL here; use sslQuorum=true";

/** A line of a dynamic configuration: what it means is for all of them together (ensemble-config.ts). */
function memberLine(key: string, kind: string, example: string, meaning: string): KeyRow {
  return {
    key,
    kind,
    example,
    byDefault: "none",
    meaning,
    apply(draft: ConfigDraft, value: string, written: string) {
      draft.quorum.lines.push(`${written}=${value}`);
      return undefined;
    },
  };
}

const share = { ...decimal, example: "0.33" };

export const ENSEMBLE: readonly KeyRow[] = [
  memberLine(
    "server.*",
    "host:port:port[:role][;[host:]port]",
    "localhost:2888:3888:participant;2181",
    "a member: its number, host, ports for learners and elections, participant or observer, port for clients",
  ),
  ensembleOnly(memberLine("group.*", "numbers", "1:2:3", "members that vote as a group")),
  ensembleOnly(memberLine("weight.*", "a whole number", "1", "how much a member's vote counts in its group")),
  row("dynamicConfigFile", text("zoo.cfg.dynamic"), "none", "file with the members", (d, v) => {
    d.quorum.dynamicConfigFile = v;
  }),
  row("standaloneEnabled", flag, true, "one member is a single server, no ensemble of one", (d, v) => {
    d.ensemble.standaloneEnabled = v;
  }),
  ensembleOnly(
    row("reconfigEnabled", flag, false, "members can be changed while the ensemble runs", (d, v) => {
      d.server.reconfigEnabled = v;
    }),
  ),
  ensemble("peerType", "peerType", oneOf("participant", "observer"), "what this server expects to be in the list"),
  ensemble(
    "initLimit",
    "initLimit",
    whole("ticks", 10, 1),
    "time to connect to a leader and catch up",
    "must be given",
  ),
  ensemble(
    "syncLimit",
    "syncLimit",
    whole("ticks", 5, 1),
    "how long a server may be silent or behind",
    "must be given",
  ),
  ensemble(
    "connectToLearnerMasterLimit",
    "connectToLearnerMasterLimit",
    whole("ticks", 5),
    "time to connect to a leader; 0 = initLimit",
  ),
  ensemble(
    "cnxTimeout",
    "electionConnectTimeout",
    milliseconds(5000, 1),
    "time for one connection to an election port",
  ),
  ensembleOnly(
    row("quorumListenOnAllIPs", flag, false, "listen for other servers on every interface", (d, v) => {
      d.quorum.listenOnAllIPs = v;
    }),
  ),
  ensembleOnly(
    row("electionPortBindRetry", whole("tries", 3), 3, "tries for a port in use; 0 = until it is free", (d, v) => {
      d.quorum.bindTries = v;
    }),
  ),
  ensembleOnly(
    row("tcpKeepAlive", flag, false, "TCP keep-alive between servers", (d, v) => {
      d.quorum.keepAlive = v;
    }),
  ),
  ensemble("localSessionsEnabled", "localSessionsEnabled", flag, "new sessions are known to their server only"),
  ensemble(
    "localSessionsUpgradingEnabled",
    "localSessionsUpgradingEnabled",
    flag,
    "a local session becomes global when it needs to",
    "false",
  ),
  ensemble("syncEnabled", "observerLogs", flag, "an observer keeps a log"),
  ensemble(
    "fastleader.minNotificationInterval",
    "minNotificationInterval",
    milliseconds(200, 1),
    "first wait for votes before they are asked for again",
  ),
  ensemble(
    "fastleader.maxNotificationInterval",
    "maxNotificationInterval",
    milliseconds(60_000, 1),
    "longest such wait",
  ),
  ensemble(
    "observer.election.DelayMs",
    "observerElectionDelay",
    milliseconds(200),
    "an observer lets voters begin, at most so long",
  ),
  ensemble(
    "observer.reconnectDelayMs",
    "observerReconnectDelay",
    milliseconds(0),
    "an observer that lost its leader waits so long before it looks for one",
  ),
  ensemble(
    "leaderConnectDelayDuringRetryMs",
    "leaderConnectRetryDelay",
    milliseconds(100),
    "between attempts to connect to a leader",
  ),
  ensemble(
    "leader.maxTimeToWaitForEpoch",
    "maxTimeToWaitForEpoch",
    milliseconds(2000, -1),
    "a leader gives up early when its voters left before this; -1 = initLimit",
  ),
  ensemble("forceSnapshotSync", "forceSnapshotSync", flag, "learners always get a whole snapshot"),
  ensemble(
    "snapshotSizeFactor",
    "snapshotSizeFactor",
    share,
    "learners get the log on disk up to this share of a snapshot's size; negative = never",
  ),
  ensemble("leader.maxConcurrentSnapSyncs", "maxConcurrentSnapSyncs", whole("learners", 10), "snapshots sent at once"),
  ensemble("leader.maxConcurrentDiffSyncs", "maxConcurrentDiffSyncs", whole("learners", 100), "logs sent at once"),
  ensemble(
    "learnerQueueBytes",
    "learnerQueueBytes",
    whole("bytes", 67_108_864, 65_536),
    "a learner for which more waits is dropped, and catches up when it returns (not in Apache)",
  ),
  ensemble("testingonly.initialZxid", "initialCounter", whole("", 0), "where zxids of the first epoch begin"),
  idle("quorumCnxnTimeoutMs", "election ports are not read by a thread that could hang"),
  ...["quorum.cnxn.threads.size", "learner.*", "leader.*", "observer.*"].map((key) => idle(key, THREADS)),
  only("leaderServes", ["yes"], "a leader has time for clients too"),
  only("electionAlg", ["3"], "the other algorithms are gone"),
  only("quorum.auth.enableSasl", ["false"], QUORUM_SASL),
  only("quorum.auth.serverRequireSasl", ["false"], QUORUM_SASL),
  only("quorum.auth.learnerRequireSasl", ["false"], QUORUM_SASL),
  idle("quorum.auth.*", QUORUM_SASL),
  only("multiAddress.enabled", ["false"], "a member has one address here"),
  idle("multiAddress.*", "a member has one address here"),
  only("observerMasterPort", ["0"], "observers connect to the leader"),
  only("oraclePath", [""], "a third server can decide between two; add one"),
];

export const ENSEMBLE_TLS: readonly KeyRow[] = [
  ensembleOnly(
    row("sslQuorum", flag, false, "TLS between servers", (d, v) => {
      d.quorum.tlsOn = v;
    }),
  ),
  ensembleOnly(
    row("portUnification", flag, false, "the ports for other servers take plain connections and TLS", (d, v) => {
      d.quorum.plainToo = v;
    }),
  ),
  ...tlsRows(QUORUM_TLS),
  row("ssl.quorum.hostnameVerification", flag, true, "a certificate names the host that shows it", (d, v) => {
    d.quorum.tls.hostnameVerification = v;
  }),
  row("ssl.quorum.clientHostnameVerification", flag, true, "also when that server connected to us", (d, v) => {
    d.quorum.tls.clientHostnameVerification = v;
  }),
  only("sslQuorumReloadCertFiles", ["false"], "key and trust stores are read once, at start"),
];
