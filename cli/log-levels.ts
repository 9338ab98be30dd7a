import type { LogLevel } from "../net/logger.ts";

/** What can be written after `--log-level`. */
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
