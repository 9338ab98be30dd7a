/** Configurations of all forms, at random. */
import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { Zxid } from "../../../core/base/zxid.ts";
import { QuorumConfig } from "../../../core/quorum/config.ts";

const port = fc.integer({ min: 1, max: 65_535 });
const host = fc.oneof(
  fc.constantFrom(
    "localhost",
    "zk-1.example.org",
    "10.0.0.7",
    "[::1]",
    "[fe80::1%eth0]",
    "[2001:db8::8:800:200c:417a]",
  ),
  fc.stringMatching(/^[a-z][a-z0-9_.-]{0,8}$/),
);
const place = fc
  .tuple(host, port, port)
  .filter(([, a, b]) => a !== b)
  .map(([name, a, b]) => `${name}:${a}:${b}`);
const client = fc.oneof(
  fc.constant(""),
  port.map((number) => `;${number}`),
  fc.tuple(host, port).map(([name, number]) => `;${name}:${number}`),
);
const server = (role: Arbitrary<string>) =>
  fc
    .tuple(fc.uniqueArray(place, { minLength: 1, maxLength: 3 }), role, client)
    .map(([places, name, clientPart]) => places.join("|") + name + clientPart);
const voter = server(fc.constantFrom("", ":participant", ":PARTICIPANT"));
const observer = server(fc.constantFrom(":observer", ":Observer"));
const id = fc.integer({ min: 0, max: 300 });

/** What somebody may write: entries in any order, separated in any way. */
const majorityText = fc
  .tuple(
    fc.uniqueArray(id, { minLength: 1, maxLength: 9 }),
    fc.infiniteStream(voter),
    fc.infiniteStream(observer),
    fc.nat({ max: 8 }),
    fc.maxSafeInteger().map(Math.abs),
    fc.constantFrom(",", "\n", " ,\n", "\r\n"),
  )
  .map(([ids, voters, observers, observerCount, version, separator]) => {
    const entries = ids.map((server, i) => {
      const line = (i > 0 && i <= observerCount ? observers : voters).next().value;
      return `server.${server}=${line}`;
    });
    return [...entries, `version=${version.toString(16)}`].join(separator);
  });

export const majority: Arbitrary<QuorumConfig> = majorityText.map(parsed);

/** Groups of any shape, weights from 0 on, some of them not written. */
export const hierarchical: Arbitrary<QuorumConfig> = fc
  .tuple(
    majority,
    fc.array(fc.nat({ max: 3 }), { minLength: 9, maxLength: 9 }),
    fc.array(fc.option(fc.nat({ max: 3 })), { minLength: 9, maxLength: 9 }),
  )
  .filter(([config, , weights]) => config.voters.some((_, i) => weights[i] !== 0))
  .map(([config, groupOf, weights]) => {
    const groups = new Map<number, number[]>();
    config.voters.forEach((voterId, i) => {
      const group = groups.get(groupOf[i]!) ?? [];
      group.push(voterId);
      groups.set(groupOf[i]!, group);
    });
    const lines = [...groups].map(([group, ids]) => `group.${group}=${ids.join(":")}`);
    config.voters.forEach((voterId, i) => {
      if (weights[i] !== null) lines.push(`weight.${voterId}=${weights[i]}`);
    });
    return parsed(`${config.text()}\n${lines.join("\n")}`);
  });

export const anyConfig: Arbitrary<QuorumConfig> = fc.oneof(majority, hierarchical);

export function parsed(text: string): QuorumConfig {
  const config = QuorumConfig.parse(text);
  if ("error" in config) throw new Error(`${config.error} in ${text}`);
  return config;
}

/** Servers 1 to `count` at hosts a, b, c and so on; those from `firstObserver` on observe. */
export function servers(count: number, version = 0, firstObserver = Infinity): QuorumConfig {
  const lines = Array.from({ length: count }, (_, i) => {
    const role = i + 1 >= firstObserver ? "observer" : "participant";
    return `server.${i + 1}=${String.fromCharCode(97 + i)}:2888:3888:${role};2181`;
  });
  return parsed(lines.join("\n")).withVersion(version as Zxid);
}
