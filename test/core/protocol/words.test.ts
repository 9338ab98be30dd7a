import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../core/jute/utf8.ts";
import { Reader } from "../../../core/jute/reader.ts";
import { FOUR_LETTER_WORDS, wordCode, wordOf } from "../../../core/protocol/words.ts";

test("every word is known by its own four letters", () => {
  for (const word of FOUR_LETTER_WORDS) {
    expect(wordOf(wordCode(word))).toBe(word);
    if (word !== "telnet close") expect(wordCode(word)).toBe(new Reader(encodeUtf8(word)).int());
  }
  expect(FOUR_LETTER_WORDS).toHaveLength(19);
});

test("telnet's interrupt is known as telnet close", () => {
  expect(wordOf(new Reader(Uint8Array.of(0xff, 0xf4, 0xff, 0xfd)).int())).toBe("telnet close");
});

test("frame lengths and other words are not words", () => {
  for (const length of [0, 8, 45, 0xfffff, -1]) expect(wordOf(length)).toBeUndefined();
  for (const other of ["xxxx", "GET ", "RUOK"]) expect(wordOf(new Reader(encodeUtf8(other)).int())).toBeUndefined();
});
