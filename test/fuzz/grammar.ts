/**
 * Requests as a client might send them: every type, with paths, lists and versions that meet each other often and that
 * are wrong now and then. The bytes are right; making them wrong is mutate.ts's.
 */
import type { Prng } from "../../core/base/prng.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import { Writer } from "../../core/jute/writer.ts";
import type { RawAcl } from "../../core/protocol/data.ts";
import { OPEN_ACL_UNSAFE } from "../../core/protocol/data.ts";
import { writeAuthPacket } from "../../core/protocol/headers.ts";
import type { MultiOp } from "../../core/protocol/multi.ts";
import { writeMultiReadRequest, writeMultiRequest } from "../../core/protocol/multi.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import {
  writeAddWatchRequest,
  writeCreateRequest,
  writeCreateTtlRequest,
  writeDeleteRequest,
  writePathRequest,
  writePathWatchRequest,
  writeReconfigRequest,
  writeSaslRequest,
  writeSetAclRequest,
  writeSetDataRequest,
  writeSetWatches2Request,
  writeSetWatchesRequest,
  writeWatchTypeRequest,
} from "../../core/protocol/requests.ts";
import { bytesOf } from "../support/raw-client.ts";

const NAMES = ["a", "b", "c", "d", "e", "s-"];
// prettier-ignore
const ODD_PATHS: readonly (string | null)[] = [
  null, "", "/", "//", "/a/", "/a//b", "/.", "/..", "/a/.", "a", "a/b", "/\0", "/a\0", "/\u0001", "/\u007f",
  "/\ud83d\ude00", "/\ue000", "/\uffff", "/\u00e4", "/ ", "/zookeeper", "/zookeeper/quota", "/zookeeper/config",
  "/zookeeper/quota/a/zookeeper_limits", "/zookeeper/quota/a/zookeeper_stats", "/zookeeper/quota/a", "/x".repeat(900),
];
const QUOTAS = ["count=3,bytes=20", "count=1,bytes=1=;byteHardLimit=30;countHardLimit=5", "=;=,", "count=x", ""];
const ACLS: readonly (readonly RawAcl[] | null)[] = [
  null,
  [],
  [{ perms: 1, scheme: "world", id: "anyone" }],
  [{ perms: 31, scheme: "auth", id: "" }],
  [{ perms: 31, scheme: "digest", id: "u:hash" }],
  [{ perms: 31, scheme: "ip", id: "10.0.0.0/8" }],
  [{ perms: 31, scheme: "ip", id: "::1/200" }],
  [{ perms: -1, scheme: "nobody", id: "x" }],
  [{ perms: 31, scheme: null, id: null }],
  [{ perms: 31, scheme: "world", id: "someone" }],
  Array.from({ length: 40 }, (_, i) => ({ perms: i % 3, scheme: "ip", id: `10.0.0.${i % 7}` })),
  Array.from({ length: 3 }, () => ({ perms: 31, scheme: "world", id: "anyone" })),
];
/** How often each type comes, relative to the others. */
const RARE = -77;
const WEIGHTS: readonly (readonly [type: number, weight: number])[] = [
  [OpCode.create, 12],
  [OpCode.create2, 6],
  [OpCode.createContainer, 3],
  [OpCode.createTTL, 3],
  [OpCode.delete, 14],
  [OpCode.deleteContainer, 1],
  [OpCode.setData, 8],
  [OpCode.setACL, 2],
  [OpCode.getACL, 2],
  [OpCode.exists, 6],
  [OpCode.getData, 8],
  [OpCode.getChildren, 3],
  [OpCode.getChildren2, 3],
  [OpCode.sync, 2],
  [OpCode.ping, 2],
  [OpCode.multi, 8],
  [OpCode.multiRead, 3],
  [OpCode.reconfig, 1],
  [OpCode.checkWatches, 2],
  [OpCode.removeWatches, 2],
  [OpCode.auth, 2],
  [OpCode.sasl, 1],
  [OpCode.setWatches, 2],
  [OpCode.setWatches2, 2],
  [OpCode.addWatch, 3],
  [OpCode.getEphemerals, 1],
  [OpCode.getAllChildrenNumber, 1],
  [OpCode.whoAmI, 1],
  [OpCode.closeSession, 1],
  [RARE, 1],
];
/** Not for clients, most of the time not for anybody. */
const NOBODYS = [OpCode.check, OpCode.createSession, OpCode.error, OpCode.notification, 10, 99, 108];
const WEIGHT_SUM = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);

export class Grammar {
  readonly #prng: Prng;
  readonly #dataMax: number;
  readonly #w = new Writer(1024);

  /** `dataMax` bounds the data of a node, so that frames of the greatest length occur. */
  constructor(prng: Prng, dataMax: number) {
    this.#prng = prng;
    this.#dataMax = dataMax;
  }

  /** A request without its length: header and body. */
  request(xid: number): Uint8Array {
    const w = this.#w.clear();
    const type = this.#type();
    w.int(xid);
    w.int(type);
    this.#body(w, type);
    return w.take();
  }

  #type(): number {
    let left = this.#prng.below(WEIGHT_SUM);
    for (const [type, weight] of WEIGHTS) {
      left -= weight;
      if (left < 0) return type === RARE ? this.#pick(NOBODYS) : type;
    }
    return OpCode.ping;
  }

  #body(w: Writer, type: number): void {
    const watch = this.#prng.chance(1, 3);
    switch (type) {
      case OpCode.create:
      case OpCode.create2:
      case OpCode.createContainer:
        return writeCreateRequest(w, this.#create(type));
      case OpCode.createTTL: {
        const ttl = this.#pick([-1, 0, 1, 1000, 2 ** 40 - 1, 2 ** 40]);
        return writeCreateTtlRequest(w, { ...this.#create(type), ttl });
      }
      case OpCode.delete:
      case OpCode.check:
        return writeDeleteRequest(w, { path: this.#path(), version: this.#version() });
      case OpCode.setData:
        return writeSetDataRequest(w, { path: this.#path(), data: this.#data(), version: this.#version() });
      case OpCode.setACL:
        return writeSetAclRequest(w, { path: this.#path(), acl: this.#acl(), version: this.#version() });
      case OpCode.exists:
      case OpCode.getData:
      case OpCode.getChildren:
      case OpCode.getChildren2:
        return writePathWatchRequest(w, { path: this.#path(), watch });
      case OpCode.multi:
        return writeMultiRequest(
          w,
          this.#many(6, () => this.#multiOp()),
        );
      case OpCode.multiRead:
        return writeMultiReadRequest(
          w,
          this.#many(6, () => ({ type: this.#pick([4, 8] as const), request: { path: this.#path(), watch } })),
        );
      case OpCode.reconfig: {
        const servers = this.#pick([null, "", "server.1=a:1:2;3"]);
        const curConfigId = -1 as Zxid;
        return writeReconfigRequest(w, {
          joiningServers: servers,
          leavingServers: null,
          newMembers: null,
          curConfigId,
        });
      }
      case OpCode.checkWatches:
      case OpCode.removeWatches:
        return writeWatchTypeRequest(w, { path: this.#path(), type: this.#prng.below(7) });
      case OpCode.auth:
        return this.#auth(w);
      case OpCode.sasl:
        return writeSaslRequest(w, { token: this.#prng.chance(1, 4) ? null : this.#prng.bytes(5) });
      case OpCode.setWatches:
        return writeSetWatchesRequest(w, this.#watchLists());
      case OpCode.setWatches2:
        return writeSetWatches2Request(w, this.#watchLists());
      case OpCode.addWatch:
        return writeAddWatchRequest(w, {
          path: this.#path(),
          mode: this.#prng.below(10) < 9 ? this.#prng.below(2) : 2,
        });
      case OpCode.createSession:
        return w.int(5000);
      case OpCode.ping:
      case OpCode.whoAmI:
      case OpCode.closeSession:
        return;
      default:
        return writePathRequest(w, { path: this.#path() });
    }
  }

  #create(type: number): {
    path: string | null;
    data: Uint8Array | null;
    acl: readonly RawAcl[] | null;
    flags: number;
  } {
    const prng = this.#prng;
    const usual = type === OpCode.createContainer ? 4 : type === OpCode.createTTL ? 5 + prng.below(2) : prng.below(4);
    const flags = prng.chance(1, 12) ? prng.below(9) - 1 : usual;
    return { path: this.#path(), data: this.#data(), acl: this.#acl(), flags };
  }

  #multiOp(): MultiOp {
    const type = this.#pick([1, 1, 15, 19, 21, 2, 2, 5, 13] as const);
    switch (type) {
      case OpCode.createTTL:
        return { type, request: { ...this.#create(type), ttl: 5000 } };
      case OpCode.delete:
      case OpCode.check:
        return { type, request: { path: this.#path(), version: this.#version() } };
      case OpCode.setData:
        return { type, request: { path: this.#path(), data: this.#data(), version: this.#version() } };
      default:
        return { type, request: this.#create(type) };
    }
  }

  #auth(w: Writer): void {
    const scheme = this.#prng.chance(1, 6)
      ? this.#pick([null, "", "world", "sasl", "x509"])
      : this.#pick(["digest", "ip"]);
    const auth = this.#prng.chance(1, 10) ? null : bytesOf(this.#pick(["u:p", "v", ":", "", "u:p:q"]));
    writeAuthPacket(w, { type: 0, scheme, auth });
  }

  #watchLists() {
    const list = () => (this.#prng.chance(1, 20) ? null : this.#many(4, () => this.#path()));
    return {
      relativeZxid: this.#pick([0, 1, 100, 2 ** 40]) as Zxid,
      dataWatches: list(),
      existWatches: list(),
      childWatches: list(),
      persistentWatches: list(),
      persistentRecursiveWatches: list(),
    };
  }

  #path(): string | null {
    const prng = this.#prng;
    if (prng.chance(1, 12)) return this.#pick(ODD_PATHS);
    let path = "";
    for (let depth = 1 + prng.below(3); depth > 0; depth--) path += `/${this.#pick(NAMES)}`;
    return path;
  }

  #data(): Uint8Array | null {
    const prng = this.#prng;
    if (prng.chance(1, 10)) return null;
    if (prng.chance(1, 10)) return bytesOf(this.#pick(QUOTAS));
    if (prng.chance(1, 300)) return new Uint8Array(prng.below(this.#dataMax));
    return prng.bytes(prng.below(40));
  }

  #acl(): readonly RawAcl[] | null {
    return this.#prng.chance(9, 10) ? OPEN_ACL_UNSAFE : this.#pick(ACLS);
  }

  #version(): number {
    return this.#prng.chance(3, 4) ? -1 : this.#prng.below(4);
  }

  #many<T>(max: number, make: () => T): T[] {
    return Array.from({ length: this.#prng.below(max) }, make);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#prng.below(from.length)]!;
  }
}
