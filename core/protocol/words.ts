/**
 * The four-letter words: four bytes instead of a frame length at the beginning of a connection, before it has a session
 * (Java: FourLetterCommands; reference, section 9.1). What they answer is the server's.
 */

/** Every word with its four bytes as the int a frame length would be. */
const CODES = {
  conf: 0x636f6e66,
  cons: 0x636f6e73,
  crst: 0x63727374,
  dirs: 0x64697273,
  dump: 0x64756d70,
  envi: 0x656e7669,
  gtmk: 0x67746d6b,
  hash: 0x68617368,
  isro: 0x6973726f,
  mntr: 0x6d6e7472,
  ruok: 0x72756f6b,
  srst: 0x73727374,
  srvr: 0x73727672,
  stat: 0x73746174,
  stmk: 0x73746d6b,
  wchc: 0x77636863,
  wchp: 0x77636870,
  wchs: 0x77636873,
  /** FF F4 FF FD, what telnet sends on interrupt: known so that it can be refused by this name, but it does nothing. */
  "telnet close": -0x000b0003,
} as const;

export type Word = keyof typeof CODES;

const WORDS = new Map<number, Word>(Object.entries(CODES).map(([word, code]) => [code, word as Word]));

/** All words, in alphabetical order but for telnet's. */
export const FOUR_LETTER_WORDS: readonly Word[] = Object.freeze([...WORDS.values()]);

/** `firstFourBytes`: a signed big-endian int, as `Reader.int` gives it. Undefined means: it is a frame length. */
export function wordOf(firstFourBytes: number): Word | undefined {
  return WORDS.get(firstFourBytes);
}

/** The four bytes that ask for `word`, as a signed big-endian int. */
export function wordCode(word: Word): number {
  return CODES[word];
}
