/**
 * The session part of the four-letter word dump (Java: SessionTrackerImpl.dumpSessions, ExpiryQueue.dump; reference,
 * section 9.1), and the form of date it uses.
 */
import type { Millis } from "../actor.ts";
import type { SessionId } from "../base/ids.ts";
import { formatSession } from "../base/ids.ts";
import type { SessionTracker } from "./tracker.ts";

/** What has deadlines: a tracker, or its local sessions. */
export interface SessionDeadlines {
  deadlines(): Iterable<readonly [at: Millis, sessions: readonly SessionId[]]>;
}

/** Pieces of text, from `Session Sets` on. `wallOf` turns a deadline into milliseconds since 1970. */
export function* dumpSessions(sessions: SessionDeadlines, wallOf: (deadline: Millis) => Millis): Iterable<string> {
  const buckets = [...sessions.deadlines()];
  const tracked = buckets.reduce((sum, [, ids]) => sum + ids.length, 0);
  yield `Session Sets (${buckets.length})/(${tracked}):\n`;
  for (const [at, ids] of buckets) {
    yield `${ids.length} expire at ${formatJavaDate(wallOf(at))}:\n`;
    for (const id of ids) yield `\t${formatSession(id)}\n`;
  }
}

/** The same of a learner, which knows no deadlines. */
export function* dumpGlobalSessions(sessions: SessionTracker): Iterable<string> {
  const all = [...sessions.committed()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  yield `Global Sessions(${all.length}):\n`;
  for (const [id, timeout] of all) yield `${formatSession(id)}\t${timeout}ms\n`;
}

const DAY = 86_400_000;
const WEEKDAYS = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"] as const;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

/** `EEE MMM dd HH:mm:ss zzz yyyy` in UTC, the form of java.util.Date. */
export function formatJavaDate(wall: Millis): string {
  const days = Math.floor(wall / DAY);
  const seconds = Math.floor((wall - days * DAY) / 1000);
  const { year, month, day } = civilDate(days);
  const time = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(twoDigits).join(":");
  const weekday = WEEKDAYS[((days % 7) + 7) % 7]!;
  return `${weekday} ${MONTHS[month]!} ${twoDigits(day)} ${time} UTC ${String(year).padStart(4, "0")}`;
}

/** The proleptic Gregorian date `days` after 1 January 1970. Years are counted from March, so that leap days come last. */
function civilDate(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const centuryLeaps = Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1460) + centuryLeaps) / 365);
  const leapsBefore = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  const dayOfYear = dayOfEra - (365 * yearOfEra + leapsBefore);
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = (marchMonth + 2) % 12;
  return { year: era * 400 + yearOfEra + (month < 2 ? 1 : 0), month, day };
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
