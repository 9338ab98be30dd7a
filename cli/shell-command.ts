/** What a command of the shell is, has and gives. The commands themselves are in shell-nodes.ts and its neighbours. */
import type { WatchListener } from "../core/client/events.ts";
import type { ZooKeeper } from "../core/client/zookeeper.ts";
import type { Arguments, OptionKinds } from "./shell-words.ts";

export interface CommandContext {
  readonly zk: ZooKeeper;
  /** Shows what the watches that a command sets have to tell. */
  readonly watch: WatchListener;
  /** For people, beside the result. */
  readonly warn: (message: string) => void;
}

export interface Result {
  /** On standard output. */
  readonly text?: string | undefined;
  /** On standard error, as zkCli does with what is not the answer. */
  readonly note?: string | undefined;
  /** Instead of both, with `--json`. */
  readonly json: unknown;
  /** Exit code 1, although there is a result. */
  readonly failed?: boolean | undefined;
}

export interface Command {
  readonly name: string;
  /** Behind the name. */
  readonly usage: string;
  readonly options: OptionKinds;
  /** How many words it takes, at least and at most. */
  readonly words: readonly [least: number, most: number];
  readonly run: (context: CommandContext, call: Arguments) => Promise<Result>;
}

/** There is nothing to show. */
export const DONE: Result = { json: { ok: true } };

/** A command that went wrong on its own account, with a message for people. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** With `-s` a Stat follows what is shown. */
export function withStat(text: string, stat: string | undefined): string {
  return stat === undefined ? text : text === "" ? stat : `${text}\n${stat}`;
}
