import { expect, test } from "vitest";
import type { SessionId } from "../../../core/base/ids.ts";
import { passwordMatches, sessionPassword } from "../../../core/session/password.ts";

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

test.each([
  [0x0100000cfd6c0000n, "761284b2cb112fd044c12b078caa9615"],
  [0x0100000000000000n, "f22acd4a97e69d6d20a49bb638eadb38"],
  [12345n, "9bfa6d3042479a0531293f5010f58419"],
  [1n, "054cc74a37327db215e702e20c73f005"],
  [BigInt.asIntN(64, 0xff00000000000001n), "054cc74a37327db215e702e20c73f005"],
])("session %s has the password a Java server computes", (session, password) => {
  expect(hex(sessionPassword(session as SessionId))).toBe(password);
});

test("the halves of 24 bits compute what 48 bits do", () => {
  const naive = (session: bigint): string => {
    let state = BigInt.asUintN(48, session ^ 0xb3415c00n ^ 0x5deece66dn);
    let text = "";
    for (let word = 0; word < 4; word++) {
      state = BigInt.asUintN(48, state * 0x5deece66dn + 0xbn);
      for (let byte = 16n; byte < 48n; byte += 8n) text += ((state >> byte) & 0xffn).toString(16).padStart(2, "0");
    }
    return text;
  };
  for (let i = 0n; i < 500n; i++) {
    const session = BigInt.asIntN(64, i * 0x9e3779b97f4a7c15n) as SessionId;
    expect(hex(sessionPassword(session))).toBe(naive(session));
  }
});

test("only the session's own 16 bytes open it, and nothing opens session 0", () => {
  const session = 0x0100000000000000n as SessionId;
  const password = sessionPassword(session);
  expect(passwordMatches(session, password)).toBe(true);
  expect(passwordMatches(session, password.subarray(0, 15))).toBe(false);
  expect(passwordMatches(session, null)).toBe(false);
  for (let i = 0; i < 16; i++) {
    const wrong = password.slice();
    wrong[i]! ^= 1;
    expect(passwordMatches(session, wrong)).toBe(false);
  }
  expect(passwordMatches(0n as SessionId, sessionPassword(0n as SessionId))).toBe(false);
});
