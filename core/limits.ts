/** Every bound in one place, with what follows from reaching it (style rule 8). Bytes and milliseconds. */
import { invariant } from "./invariant.ts";

/** Replies gathered for one connection before they are handed to the host. */
export const REPLY_BATCH_BYTES: number = 64 * 1024;
/** Beyond this much unsent on a connection, its requests are no longer read until everything has gone out. */
export const SEND_QUEUE_HIGH_BYTES: number = 1024 * 1024;
/** Beyond this much unsent (only notifications get here: requests stopped earlier) the connection is closed. */
export const SEND_QUEUE_MAX_BYTES: number = 16 * 1024 * 1024;
/** A multiRead whose results come to more than this is answered with an error instead. */
export const MULTI_READ_REPLY_MAX_BYTES: number = 16 * 1024 * 1024;
/** Bytes of requests that may wait, unparsed, on a connection that is held; then the host is asked to pause it. */
export const HELD_INPUT_BYTES: number = 64 * 1024;
/** Nodes written to a snapshot per event, so that no event takes longer than a few milliseconds. */
export const SNAPSHOT_NODES_PER_EVENT: number = 1000;
/** The pause between two such slices: a snapshot takes at most a share of the processor. */
export const SNAPSHOT_SLICE_PAUSE: number = 2;
/** How often a server whose disk was full looks whether there is room again. */
export const DISK_RETRY_INTERVAL: number = 1000;
/** What that look writes, and so the least room it wants to find. */
export const DISK_PROBE_BYTES: number = 1024 * 1024;
/** Idle connections are closed in buckets of this width (Java: NIOServerCnxnFactory, cnxnExpiryQueue). */
export const CONNECTION_EXPIRY_INTERVAL: number = 10_000;
/**
 * Connections to the election port that have not said who they are: the oldest makes room. And servers that no
 * configuration names, which may come to join: further ones are refused.
 */
export const ELECTION_STRANGERS_MAX: number = 64;
/** Connections to the quorum port that are kept for a server that may be about to lead. */
export const EARLY_LEARNERS_MAX: number = 64;
/**
 * Attempts of a learner to connect to the leader it was told, before it looks for another. Java makes 5, 100 ms apart,
 * but knows of the leader no sooner than the leader does; we may know 200 ms earlier than a leader that is Java's.
 */
export const LEADER_CONNECT_TRIES: number = 10;
/** Beyond this much logged and not durable, a learner reads no more of what its leader sends until all of it is. */
export const LEARNER_BACKLOG_BYTES: number = 32 * 1024 * 1024;
/** Bytes of proposals gathered for learners before they are handed to the host in the middle of an event. */
export const LEARNER_BATCH_BYTES: number = 256 * 1024;
/** What one learner is sent per event while it is brought up to date: a tree, or txns it missed. */
export const CATCH_UP_BYTES_PER_EVENT: number = 256 * 1024;
/** Beyond this much unsent, nothing more is produced for a learner that is brought up to date until all has gone out. */
export const CATCH_UP_QUEUE_BYTES: number = 1024 * 1024;
/** For so many milliseconds each. */
export const EARLY_LEARNER_HOLD: number = 1000;
/** Between elections that lead to nothing: doubled each time from the second on, up to the second. */
export const FRUITLESS_PAUSE: number = 5;
export const FRUITLESS_PAUSE_MAX: number = 1000;
/** A four-letter word's reply is cut into sends of this size. */
export const WORD_REPLY_BYTES: number = 64 * 1024;

invariant(REPLY_BATCH_BYTES <= SEND_QUEUE_HIGH_BYTES, "one batch of replies fits under the high-water mark");
invariant(SEND_QUEUE_HIGH_BYTES < SEND_QUEUE_MAX_BYTES, "a connection is held before it is closed");
