/**
 * The authentication schemes: who a connection is, and which ids in access lists mean it (Java: ProviderRegistry and
 * the AuthenticationProviders; reference, sections 5.10 and 10.7). One table of small records, one per scheme. `world`,
 * `auth` and `super` are no schemes: acl.ts gives them their meaning. The SASL exchange itself is not here, only its
 * ids.
 */
import type { Address } from "../actor.ts";
import { base64, sha1, sha256, sha512 } from "../base/sha1.ts";
import type { AuthConfig } from "../config.ts";
import { decodeUtf8, encodeUtf8 } from "../jute/utf8.ts";
import type { Id } from "../protocol/data.ts";
import { canonicalName } from "./distinguished-names.ts";
import { hostAddress, inRange, parseIp, parseIpRange } from "./ip-addresses.ts";

/** The id beside the real one that makes a connection pass every check. */
export const SUPER_SCHEME = "super";

export type AuthResult =
  /** Answer OK; these join the connection's ids. None of them is there already. */
  | { readonly kind: "ok"; readonly add: readonly Id[] }
  /** Answer AUTHFAILED, then close. */
  | { readonly kind: "failed" }
  /** Close without an answer: the client is meant for another ensemble. */
  | { readonly kind: "misdirected" };

interface Provider {
  /** Whether `auth` in an access list stands for this scheme's ids too. */
  readonly authenticates: boolean;
  authenticate(auth: Uint8Array | null, remote: Address, ids: readonly Id[]): AuthResult;
  isValid(aclId: string): boolean;
  matches(id: string, aclId: string): boolean;
  userOf(id: string): string;
}

const FAILED: AuthResult = { kind: "failed" };
const NOTHING_NEW: AuthResult = { kind: "ok", add: [] };

export class AuthProviders {
  readonly #providers: ReadonlyMap<string, Provider>;
  readonly #config: AuthConfig;

  constructor(config: AuthConfig) {
    this.#config = config;
    const providers = new Map<string, Provider>([["ip", ipProvider()]]);
    if (config.digestEnabled) providers.set("digest", digestProvider(config));
    if (config.extraSchemes.includes("x509")) providers.set("x509", x509Provider(config));
    if (config.extraSchemes.includes("sasl")) providers.set("sasl", saslProvider(config));
    if (config.extraSchemes.includes("ensemble")) providers.set("ensemble", ensembleProvider(config));
    this.#providers = providers;
  }

  /** An auth packet. `ids` are what the connection has; never throws, whatever the packet holds. */
  authenticate(scheme: string | null, auth: Uint8Array | null, remote: Address, ids: readonly Id[]): AuthResult {
    const provider = scheme === null ? undefined : this.#providers.get(scheme);
    return provider === undefined ? FAILED : provider.authenticate(auth, remote, ids);
  }

  has(scheme: string): boolean {
    return this.#providers.has(scheme);
  }
  /** Whether `id` may stand in an access list under `scheme`. */
  isValidId(scheme: string, id: string): boolean {
    return this.#providers.get(scheme)?.isValid(id) ?? false;
  }
  /** Whether a connection with `id` is meant by an entry with `aclId`, both of `scheme`. */
  matches(scheme: string, id: string, aclId: string): boolean {
    return this.#providers.get(scheme)?.matches(id, aclId) ?? false;
  }
  /** Whether an `auth` entry expands to ids of `scheme`. */
  authenticates(scheme: string): boolean {
    return this.#providers.get(scheme)?.authenticates ?? false;
  }

  /** What every connection has from the start. */
  connectionIds(remote: Address): Id[] {
    return [{ scheme: "ip", id: hostAddress(remote) }];
  }
  /** What a verified client certificate adds. `subjectDn` in RFC 2253 form. */
  x509Ids(subjectDn: string): Id[] {
    const ids: Id[] = this.has("x509") ? [{ scheme: "x509", id: subjectDn }] : [];
    if (ids.length > 0 && this.#config.x509SuperUser === subjectDn) ids.push({ scheme: SUPER_SCHEME, id: subjectDn });
    return ids;
  }
  /** What a completed SASL exchange adds. */
  saslIds(authorizationId: string): Id[] {
    const ids: Id[] = [{ scheme: "sasl", id: authorizationId }];
    if (this.#config.saslSuperUsers.includes(authorizationId)) ids.push({ scheme: SUPER_SCHEME, id: "" });
    return ids;
  }

  /** The answer to whoAmI: an entry per id, as scheme and user. */
  whoAmI(ids: readonly Id[]): Id[] {
    return ids.map(({ scheme, id }) => ({ scheme, id: this.#providers.get(scheme)?.userOf(id) ?? "" }));
  }

  /** `enforce.auth.*`: until this holds, every request but auth and sasl is refused with -124 (reference, 10.7). */
  satisfiesEnforcement(ids: readonly Id[]): boolean {
    const { enforcedSchemes } = this.#config;
    return enforcedSchemes.length === 0 || ids.some(({ scheme }) => enforcedSchemes.includes(scheme));
  }
  /** Enforced schemes nobody can satisfy: a server with any must not start. */
  unknownEnforcedSchemes(): string[] {
    return this.#config.enforcedSchemes.filter((scheme) => !this.has(scheme));
  }
}

/** `user:base64(digest of the whole text)`; the whole text is the user when there is no colon. */
export function digestId(text: string, algorithm: AuthConfig["digestAlgorithm"]): string {
  const hash = algorithm === "SHA1" ? sha1 : algorithm === "SHA-256" ? sha256 : sha512;
  return `${userOfDigest(text)}:${base64(hash(encodeUtf8(text)))}`;
}

/** `ids` and those of `more` that are not among them: a connection's ids are a set. */
export function mergeIds(ids: readonly Id[], more: readonly Id[]): readonly Id[] {
  const added = newIds(ids, more);
  return added.length === 0 ? ids : [...ids, ...added];
}

function newIds(ids: readonly Id[], more: readonly Id[]): Id[] {
  return more.filter(({ scheme, id }) => !ids.some((have) => have.scheme === scheme && have.id === id));
}

function ipProvider(): Provider {
  return {
    authenticates: false,
    authenticate: (_auth, remote, ids) => ({
      kind: "ok",
      add: newIds(ids, [{ scheme: "ip", id: hostAddress(remote) }]),
    }),
    isValid: (aclId) => parseIpRange(aclId) !== undefined,
    matches(id, aclId) {
      const range = parseIpRange(aclId);
      const address = range === undefined ? undefined : parseIp(id);
      return range !== undefined && address !== undefined && inRange(address, range);
    },
    userOf: (id) => id,
  };
}

function digestProvider(config: AuthConfig): Provider {
  return {
    authenticates: true,
    authenticate(auth, _remote, ids) {
      if (auth === null) return FAILED;
      const id = digestId(decodeUtf8(auth, 0, auth.length), config.digestAlgorithm);
      const add: Id[] = id === config.superDigest ? [{ scheme: SUPER_SCHEME, id: "" }] : [];
      add.push({ scheme: "digest", id });
      return { kind: "ok", add: newIds(ids, add) };
    },
    // Two parts after Java's split, which drops empty parts at the end but not at the front.
    isValid: (aclId) => /^[^:]*:[^:]+:*$/.test(aclId),
    matches: (id, aclId) => id === aclId,
    userOf: userOfDigest,
  };
}

/** The packet proves nothing: what counts is the certificate the connection came with. */
function x509Provider(config: AuthConfig): Provider {
  return {
    authenticates: true,
    authenticate: (_auth, _remote, ids) => (ids.some(({ scheme }) => scheme === "x509") ? NOTHING_NEW : FAILED),
    isValid: (aclId) => canonicalName(aclId) !== undefined,
    matches(id, aclId) {
      if (id === aclId || id === config.x509SuperUser) return true;
      const name = canonicalName(id);
      return name !== undefined && name === canonicalName(aclId);
    },
    userOf: (id) => id,
  };
}

/** Authentication goes through sasl requests, never through an auth packet. */
function saslProvider(config: AuthConfig): Provider {
  return {
    authenticates: true,
    authenticate: () => FAILED,
    // A Kerberos name; without an @ it is a plain user name.
    isValid: (aclId) => !aclId.includes("@") || /^[^/@]*(?:\/[^/@]*)?@[^/@]*$/.test(aclId),
    matches: (id, aclId) => id === aclId || id === "super" || aclId === config.letAnySaslUserDoX,
    userOf: (id) => id,
  };
}

/** Not about who the client is but about which ensemble it wants; adds no id. */
function ensembleProvider(config: AuthConfig): Provider {
  return {
    authenticates: false,
    authenticate(auth) {
      if (auth === null || auth.length === 0 || config.ensembleNames.length === 0) return NOTHING_NEW;
      const name = decodeUtf8(auth, 0, auth.length);
      return config.ensembleNames.includes(name) ? NOTHING_NEW : { kind: "misdirected" };
    },
    isValid: () => false,
    matches: () => false,
    userOf: (id) => id,
  };
}

function userOfDigest(text: string): string {
  const colon = text.indexOf(":");
  return colon < 0 ? text : text.slice(0, colon);
}
