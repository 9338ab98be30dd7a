import fc from "fast-check";
import { expect, test } from "vitest";
import { QuorumConfig } from "../../../core/quorum/config.ts";
import { anyConfig, hierarchical, majority, parsed, servers } from "./arbitraries.ts";

function errorOf(text: string): string {
  const config = QuorumConfig.parse(text);
  return "error" in config ? config.error : `understood: ${config.text()}`;
}

test("a configuration comes back from its own text", () => {
  fc.assert(
    fc.property(anyConfig, (config) => {
      const again = parsed(config.text());
      expect(again.text()).toBe(config.text());
      expect([...again.members.values()]).toEqual([...config.members.values()]);
      expect([...again.members.keys()]).toEqual([...config.members.keys()].sort((a, b) => a - b));
      expect([again.version, again.groups, again.weights]).toEqual([config.version, config.groups, config.weights]);
      expect(again.equals(config) && again.sameMembers(config)).toBe(true);
      expect(parsed(config.linesForFile().join(",")).sameMembers(config)).toBe(true);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("text is as Java writes it: roles spelled out, client ports with a host, the version last", () => {
  const config = parsed(
    "server.2=b:2888:3888;2182,server.1=a:2888:3888:observer\nserver.3=c:2888:3888:participant;10.0.0.3:2183,version=1a00000000",
  );
  expect(config.text()).toBe(
    [
      "server.1=a:2888:3888:observer",
      "server.2=b:2888:3888:participant;0.0.0.0:2182",
      "server.3=c:2888:3888:participant;10.0.0.3:2183",
      "version=1a00000000",
    ].join("\n"),
  );
  expect([config.voters, config.observers, config.version]).toEqual([[2, 3], [1], 0x1a00000000]);
  expect([config.isVoter(1), config.has(1), config.has(4)]).toEqual([false, true, false]);
});

test("several addresses are kept in the order of their hosts, IPv6 in Java's spelling", () => {
  const config = parsed("server.1=zk1b:2888:3888|zk1a:2889:3889:participant\nserver.2=[::1]:2888:3888;[fe80::2]:2181");
  expect(config.text()).toBe(
    [
      "server.1=zk1a:2889:3889|zk1b:2888:3888:participant",
      "server.2=[0:0:0:0:0:0:0:1]:2888:3888:participant;[fe80:0:0:0:0:0:0:2]:2181",
      "version=0",
    ].join("\n"),
  );
  expect(config.members.get(1)?.quorumAddresses).toEqual(["zk1a:2889", "zk1b:2888"]);
  expect(config.members.get(1)?.electionAddresses).toEqual(["zk1a:3889", "zk1b:3888"]);
  expect(config.members.get(1)?.clientAddress).toBeUndefined();
  expect(config.members.get(2)?.clientAddress).toBe("[fe80:0:0:0:0:0:0:2]:2181");
});

test("groups and weights are part of the text, every voter's weight too", () => {
  const text =
    "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\ngroup.2=3\ngroup.1=2:1\nweight.2=5\n# a, b: comment\nversion=ff";
  expect(parsed(text).text()).toBe(
    [
      "server.1=a:1:2:participant",
      "server.2=b:1:2:participant",
      "server.3=c:1:2:participant",
      "group.1=1:2",
      "group.2=3",
      "weight.1=1",
      "weight.2=5",
      "weight.3=1",
      "version=ff",
    ].join("\n"),
  );
});

test("what is wrong is said with what to write instead", () => {
  expect(errorOf("")).toMatch(/^no server votes; at least one server.N=10.0.0.1:2888:3888 must be/);
  expect(errorOf("server.1=a:2888:3888:observer")).toMatch(/^no server votes/);
  expect(errorOf("server.1=a")).toBe('server.1: "a" is not of the form host:port:port; write e.g. 10.0.0.1:2888:3888');
  expect(errorOf("server.1=a:2888")).toMatch(/^server.1: "a:2888" must name a host, the quorum port and the election/);
  expect(errorOf("server.1=a:1:2:participant:3")).toMatch(/must name a host/);
  expect(errorOf("server.1=::1:2888:3888")).toMatch(/^server.1: "::1:2888:3888" is not of the form/);
  expect(errorOf("server.1=a:2888:70000")).toBe('server.1: "70000" is not a port from 1 to 65535');
  expect(errorOf("server.1=a:0:2888")).toBe('server.1: "0" is not a port from 1 to 65535');
  expect(errorOf("server.1=a:2888:2888")).toMatch(/are both 2888; they must differ/);
  expect(errorOf("server.1=a:1:2:voter")).toBe('server.1: "voter" is not a role; write participant or observer');
  expect(errorOf("server.1=a:1:2:observer|b:1:2:participant")).toMatch(/different roles/);
  expect(errorOf("server.1=a:1:2;x")).toMatch(/^server.1: "x" is not a client port or host:port/);
  expect(errorOf("server.1=a:1:2;2181;2281")).toMatch(/more than one ";"/);
  expect(errorOf("server.1=a:1:2\nserver.1=b:1:2")).toBe("server.1: is given twice; remove one of the lines");
  expect(errorOf("server.x=a:1:2")).toMatch(/^server.x: is no part of a configuration/);
  expect(errorOf("clientPort=2181")).toMatch(/^clientPort: is no part of a configuration/);
  expect(errorOf("server.1")).toBe('"server.1" is not of the form server.N=host:port:port');
  expect(errorOf("server.1=a:1:2\nversion=xyz")).toBe('version: "xyz" is not a version in hexadecimal');
  expect(errorOf("server.1=a:1:2\nversion=ffffffffffffffff")).toMatch(/^version/);
  expect(errorOf("server.1=a:1:2\nversion=1\nversion=1")).toBe("version: is given twice");
  expect(errorOf("server.1=caf\u00e9:1:2")).toMatch(/^server.1: "caf\?:1:2"/);
});

test("groups must name every voter once, and somebody must have a weight", () => {
  const two = "server.1=a:1:2\nserver.2=b:1:2\n";
  expect(errorOf(`${two}group.1=1`)).toBe("server.2: is in no group; add 2 to a group.N");
  expect(errorOf(`${two}weight.1=1`)).toBe("server.1: is in no group; add 1 to a group.N");
  expect(errorOf(`${two}group.1=1:2\ngroup.2=2`)).toBe("group.2: server 2 is already in group 1");
  expect(errorOf(`${two}group.1=1:2:3`)).toBe("group.1: server 3 does not vote; remove it from the group");
  expect(errorOf(`${two}group.1=1,2`)).toMatch(/^"2" is not of the form/);
  expect(errorOf(`${two}group.1=1:x`)).toBe('group.1: "1:x" is not a list of ids; write e.g. 1:2:3');
  expect(errorOf(`${two}group.1=1:2\nweight.1=-1`)).toMatch(/^weight.1: "-1" is not a weight/);
  expect(errorOf(`${two}group.1=1:2\nweight.1=0\nweight.2=0`)).toMatch(/^every server has weight 0/);
});

test("no text whatever makes the parser throw, and complaints stay short and printable", () => {
  const pieces = fc.constantFrom(
    "server.1=",
    "a:1:2",
    "[",
    "]:",
    "::",
    ";",
    "|",
    "=",
    "\n",
    ",",
    "group.1=",
    "weight.",
    "version=",
    "\0",
    "é",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.array(pieces).map((parts) => parts.join("")),
      ),
      (text) => {
        const config = QuorumConfig.parse(text);
        if ("error" in config) expect(config.error).toMatch(/^[\x20-\x7e]{1,400}$/);
        else expect(parsed(config.text()).text()).toBe(config.text());
      },
    ),
    { seed: 2, numRuns: 2000 },
  );
});

test("two configurations are equal when their versions are, or their members are", () => {
  const three = servers(3, 5);
  expect(three.equals(servers(4, 5))).toBe(true);
  expect(three.equals(servers(3, 6))).toBe(true);
  expect(three.equals(servers(4, 6))).toBe(false);
  expect(three.sameMembers(servers(4, 5))).toBe(false);
  expect(three.sameMembers(servers(3, 5, 3))).toBe(false);
  const grouped = parsed(`${three.text()}\ngroup.1=1:2:3`);
  expect(grouped.sameMembers(three)).toBe(false);
  expect(grouped.withVersion(three.version).equals(three)).toBe(true);
});

test("a quorum is more than half of the voters; observers and strangers do not count", () => {
  const config = servers(5, 0, 5);
  expect(config.containsQuorum(new Set([1, 2]))).toBe(false);
  expect(config.containsQuorum(new Set([1, 2, 5, 6]))).toBe(false);
  expect(config.containsQuorum([1, 2, 3])).toBe(true);
  expect(config.weightOf(9)).toBe(1);
  expect(QuorumConfig.EMPTY.containsQuorum([])).toBe(false);
});

test("a quorum of groups is more than half of the groups, each by more than half of its weight", () => {
  const base = servers(9).linesForFile().join("\n");
  const config = parsed(`${base}\ngroup.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\nweight.7=0\nweight.8=0\nweight.9=0`);
  // The third group has no weight: two of two groups are needed.
  expect(config.containsQuorum([1, 2, 4])).toBe(false);
  expect(config.containsQuorum([1, 2, 4, 7, 8, 9])).toBe(false);
  expect(config.containsQuorum([1, 2, 4, 5])).toBe(true);
  expect([config.weightOf(7), config.weightOf(1), config.weightOf(10)]).toEqual([0, 1, 0]);
  const heavy = parsed(`${base}\ngroup.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\nweight.1=3`);
  expect(heavy.containsQuorum([1, 4, 5])).toBe(true);
  expect(heavy.containsQuorum([2, 3, 4, 5])).toBe(false);
});

test("any two quorums of one configuration have a server in common", () => {
  fc.assert(
    fc.property(fc.oneof(majority, hierarchical), fc.nat(), (config, mask) => {
      const one = config.voters.filter((_, i) => (mask >> i) & 1);
      const others = config.voters.filter((id) => !one.includes(id));
      expect(config.containsQuorum(one) && config.containsQuorum(others)).toBe(false);
      expect(config.containsQuorum(config.voters)).toBe(true);
      // More servers are never fewer.
      if (config.containsQuorum(one)) expect(config.containsQuorum([...one, ...others.slice(0, 1)])).toBe(true);
    }),
    { seed: 3, numRuns: 1000 },
  );
});
