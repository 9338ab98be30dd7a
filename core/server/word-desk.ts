/**
 * Where four-letter words are taken in: which may be answered, and what has to be measured first (Java:
 * FourLetterCommands, NIOServerCnxn.checkFourLetterWord). What they say is words.ts's.
 */
import type { Context, DiskOp, DiskOutcome, Millis } from "../actor.ts";
import type { ServerConfig } from "../config.ts";
import type { Word } from "../protocol/words.ts";
import type { ClientLink } from "./client-link.ts";
import type { ClientPort, WordAnswer } from "./client-port.ts";
import { LATER } from "./client-port.ts";
import { DirectorySizes } from "./directory-sizes.ts";
import type { WordSource } from "./words.ts";
import { answerWord, isWhitelisted } from "./words.ts";

/** What only the server itself knows. */
export type ServerFacts = Pick<WordSource, "state" | "mode" | "role" | "view" | "servingSince">;

export class WordDesk {
  readonly #config: ServerConfig;
  readonly #port: ClientPort;
  readonly #facts: () => ServerFacts;
  readonly #sizes = new DirectorySizes();
  /** Java: ServerCnxn, the default of ZooTrace. */
  #traceMask = 306n;
  startedAt: Millis = 0;

  constructor(config: ServerConfig, port: ClientPort, facts: () => ServerFacts) {
    this.#config = config;
    this.#port = port;
    this.#facts = facts;
  }

  answer(cx: Context, link: ClientLink, word: Word, rest: Uint8Array): WordAnswer {
    const { fourLetterWords, readOnlyModeEnabled } = this.#config;
    if (!isWhitelisted(word, fourLetterWords, readOnlyModeEnabled)) {
      return `${word} is not executed because it is not in the whitelist.\n`;
    }
    const measured = (word === "dirs" || word === "conf") && this.#facts().state !== undefined;
    if (!measured) return this.#text(cx, link, word, rest, [0, 0]);
    this.#sizes.measure(cx, (then, sizes) => {
      this.#port.answerWordLater(then, link, this.#text(then, link, word, rest, sizes) ?? "");
    });
    return LATER;
  }

  /** False when `op` is not the desk's. */
  onDiskDone(cx: Context, op: DiskOp, outcome: DiskOutcome): boolean {
    return this.#sizes.onDiskDone(cx, op, outcome);
  }

  #text(
    cx: Context,
    link: ClientLink,
    word: Word,
    rest: Uint8Array,
    directorySizes: readonly [number, number],
  ): string | undefined {
    const source: WordSource = {
      ...this.#facts(),
      links: () => this.#port.links(),
      connectionDeadlines: () => this.#port.deadlines(),
      startedAt: this.startedAt,
      environment: this.#config.description.environment,
      directorySizes,
      traceMask: this.#traceMask,
    };
    const text = answerWord(cx, source, link, word, rest);
    this.#traceMask = source.traceMask;
    return text;
  }
}
