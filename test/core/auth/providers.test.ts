import { expect, test } from "vitest";
import type { Address } from "../../../core/actor.ts";
import { AuthProviders, digestId, mergeIds } from "../../../core/auth/providers.ts";
import { base64 } from "../../../core/base/sha1.ts";
import { DEFAULT_SERVER_CONFIG } from "../../../core/config.ts";
import type { AuthConfig } from "../../../core/config.ts";
import { encodeUtf8 } from "../../../core/jute/utf8.ts";

const HERE = "10.0.0.7:5000" as Address;
const SUPER_DIGEST = "super:r6E2C++zNwVMDz3XvPehmL0jqnY=";

function providers(config: Partial<AuthConfig> = {}): AuthProviders {
  return new AuthProviders({ ...DEFAULT_SERVER_CONFIG.auth, extraSchemes: ["x509", "sasl", "ensemble"], ...config });
}

test("base64 pads as the standard says", () => {
  const padded = ["", "f", "fo", "foo", "foob"].map((text) => base64(encodeUtf8(text)));
  expect(padded).toEqual(["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
  expect(base64(Uint8Array.of(0xfb, 0xff, 0xfe))).toBe("+//+");
});

test.each([
  ["super:adm", SUPER_DIGEST],
  ["bob:pw", "bob:ikIaKsbtGweaHnb/jKn7OHqbunM="],
  ["bobpw", "bobpw:KXV5lfOmXj1HOy0eE1tRGdIyUHw="],
])("the digest id of %s is %s", (text, id) => {
  expect(digestId(text, "SHA1")).toBe(id);
});

test("other digest algorithms give longer hashes of the same text", () => {
  expect(digestId("abc", "SHA-256")).toBe("abc:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
  expect(digestId("abc", "SHA-512")).toHaveLength("abc:".length + 88);
});

test("a digest packet adds the id it computes, once", () => {
  const auth = providers();
  const first = auth.authenticate("digest", encodeUtf8("bob:pw"), HERE, []);
  expect(first).toEqual({ kind: "ok", add: [{ scheme: "digest", id: "bob:ikIaKsbtGweaHnb/jKn7OHqbunM=" }] });
  const ids = first.kind === "ok" ? first.add : [];
  expect(auth.authenticate("digest", encodeUtf8("bob:pw"), HERE, ids)).toEqual({ kind: "ok", add: [] });
});

test("the configured super digest adds super beside the digest id; without the property nobody is super", () => {
  const packet = encodeUtf8("super:adm");
  expect(providers({ superDigest: SUPER_DIGEST }).authenticate("digest", packet, HERE, [])).toEqual({
    kind: "ok",
    add: [
      { scheme: "super", id: "" },
      { scheme: "digest", id: SUPER_DIGEST },
    ],
  });
  expect(providers().authenticate("digest", packet, HERE, [])).toMatchObject({ add: [{ scheme: "digest" }] });
});

test("unknown schemes, world, and a digest without a body fail", () => {
  const auth = providers();
  for (const scheme of ["world", "auth", "super", "nonsense", "", null]) {
    expect(auth.authenticate(scheme, encodeUtf8("x"), HERE, []), String(scheme)).toEqual({ kind: "failed" });
  }
  expect(auth.authenticate("digest", null, HERE, [])).toEqual({ kind: "failed" });
  expect(providers({ digestEnabled: false }).authenticate("digest", encodeUtf8("a:b"), HERE, [])).toEqual({
    kind: "failed",
  });
});

test("ip always succeeds and adds nothing a connection does not have", () => {
  const auth = providers();
  const ids = auth.connectionIds(HERE);
  expect(ids).toEqual([{ scheme: "ip", id: "10.0.0.7" }]);
  expect(auth.authenticate("ip", null, HERE, ids)).toEqual({ kind: "ok", add: [] });
});

test("garbage in a packet is somebody's odd name, never an exception", () => {
  const result = providers().authenticate("digest", Uint8Array.of(0xff, 0xfe, 0x3a, 0xc3), HERE, []);
  expect(result.kind).toBe("ok");
});

test.each([
  ["a:b", true],
  [":b", true],
  ["a:b:", true],
  ["a:b::", true],
  ["a", false],
  ["a:", false],
  ["a:b:c", false],
  ["", false],
  [":", false],
])("digest id %j in an access list: valid %j", (id, valid) => {
  expect(providers().isValidId("digest", id)).toBe(valid);
});

test.each([
  ["alice", true],
  ["alice@REALM", true],
  ["alice/host@REALM", true],
  ["a/b/c@REALM", false],
  ["alice@REALM@REALM", false],
  ["alice@REALM/x", false],
  ["a/b/c", true],
])("sasl id %j in an access list: valid %j", (id, valid) => {
  expect(providers().isValidId("sasl", id)).toBe(valid);
});

test("schemes that are not configured have no valid ids", () => {
  const auth = providers({ extraSchemes: [] });
  expect(auth.isValidId("sasl", "alice")).toBe(false);
  expect(auth.isValidId("x509", "CN=alice")).toBe(false);
  expect(auth.isValidId("ip", "10.0.0.0/8")).toBe(true);
  expect(auth.x509Ids("CN=alice")).toEqual([]);
});

test("an ip entry matches by family and bits; an address with a zone matches none", () => {
  const auth = providers();
  expect(auth.matches("ip", "10.0.0.7", "10.0.0.0/8")).toBe(true);
  expect(auth.matches("ip", "11.0.0.7", "10.0.0.0/8")).toBe(false);
  expect(auth.matches("ip", "0:0:0:0:0:0:0:1", "::1")).toBe(true);
  expect(auth.matches("ip", "fe80:0:0:0:0:0:0:1%eth0", "fe80::/10")).toBe(false);
  expect(auth.matches("ip", "fe80:0:0:0:0:0:0:1", "fe80::/10")).toBe(true);
  expect(auth.matches("ip", "10.0.0.7", "::/0")).toBe(false);
  expect(auth.matches("ip", "client-a", "client-a")).toBe(false);
});

test("an x509 entry matches the same name, and the super user matches every entry", () => {
  const auth = providers({ x509SuperUser: "CN=root" });
  expect(auth.matches("x509", "CN=alice,O=x", "CN=alice, O=x")).toBe(true);
  expect(auth.matches("x509", "CN=alice,O=x", "CN=alice,O=y")).toBe(false);
  expect(auth.matches("x509", "CN=root", "CN=alice,O=x")).toBe(true);
  expect(auth.x509Ids("CN=root")).toEqual([
    { scheme: "x509", id: "CN=root" },
    { scheme: "super", id: "CN=root" },
  ]);
});

test("an x509 packet counts only for a connection that came with a certificate", () => {
  const auth = providers();
  expect(auth.authenticate("x509", null, HERE, auth.connectionIds(HERE)).kind).toBe("failed");
  expect(auth.authenticate("x509", null, HERE, auth.x509Ids("CN=alice"))).toEqual({ kind: "ok", add: [] });
});

test("a sasl entry matches its user, super, or anybody when the property names it", () => {
  const auth = providers({ letAnySaslUserDoX: "everyone", saslSuperUsers: ["root"] });
  expect(auth.matches("sasl", "alice", "alice")).toBe(true);
  expect(auth.matches("sasl", "alice", "bob")).toBe(false);
  expect(auth.matches("sasl", "super", "bob")).toBe(true);
  expect(auth.matches("sasl", "alice", "everyone")).toBe(true);
  expect(auth.saslIds("root")).toEqual([
    { scheme: "sasl", id: "root" },
    { scheme: "super", id: "" },
  ]);
  expect(auth.authenticate("sasl", encodeUtf8("root"), HERE, []).kind).toBe("failed");
});

test("a client that wants another ensemble is misdirected; one that does not say is welcome", () => {
  const auth = providers({ ensembleNames: ["one", "uno"] });
  expect(auth.authenticate("ensemble", encodeUtf8("uno"), HERE, [])).toEqual({ kind: "ok", add: [] });
  expect(auth.authenticate("ensemble", encodeUtf8("two"), HERE, [])).toEqual({ kind: "misdirected" });
  expect(auth.authenticate("ensemble", encodeUtf8(""), HERE, []).kind).toBe("ok");
  expect(providers().authenticate("ensemble", encodeUtf8("two"), HERE, []).kind).toBe("ok");
});

test("whoAmI names users, hides hashes, and has nothing to say of super", () => {
  const ids = [
    { scheme: "ip", id: "10.0.0.7" },
    { scheme: "digest", id: "bob:ikIaKsbtGweaHnb/jKn7OHqbunM=" },
    { scheme: "super", id: "CN=root" },
    { scheme: "sasl", id: "alice" },
  ];
  expect(providers().whoAmI(ids)).toEqual([
    { scheme: "ip", id: "10.0.0.7" },
    { scheme: "digest", id: "bob" },
    { scheme: "super", id: "" },
    { scheme: "sasl", id: "alice" },
  ]);
});

test("enforcement wants an id of one of its schemes, and its schemes must exist", () => {
  const auth = providers({ enforcedSchemes: ["digest", "sasl"] });
  expect(auth.satisfiesEnforcement([{ scheme: "ip", id: "10.0.0.7" }])).toBe(false);
  expect(auth.satisfiesEnforcement([{ scheme: "sasl", id: "alice" }])).toBe(true);
  expect(providers().satisfiesEnforcement([])).toBe(true);
  expect(auth.unknownEnforcedSchemes()).toEqual([]);
  expect(providers({ enforcedSchemes: ["digest", "nonsense"] }).unknownEnforcedSchemes()).toEqual(["nonsense"]);
});

test("ids are a set", () => {
  const bob = { scheme: "digest", id: "bob:x" };
  const ids = mergeIds([bob], [{ ...bob }, { scheme: "digest", id: "eve:x" }]);
  expect(ids.map(({ id }) => id)).toEqual(["bob:x", "eve:x"]);
  expect(mergeIds(ids, [bob])).toBe(ids);
});
