/** Which error wins: reference section 5.11, a row per step. Every request here is wrong in two ways. */
import { expect, test } from "vitest";
import { Code } from "../../core/protocol/codes.ts";
import { OPEN_ACL_UNSAFE } from "../../core/protocol/data.ts";
import type { RawAcl } from "../../core/protocol/data.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import { writeReconfigRequest } from "../../core/protocol/requests.ts";
import type { Body } from "../support/raw-client.ts";
import { createBody, RawClient } from "../support/raw-client.ts";
import { ServerBench } from "../support/server-bench.ts";

const reconfigBody: Body = (w) => {
  writeReconfigRequest(w, { joiningServers: null, leavingServers: null, newMembers: null, curConfigId: -1 as Zxid });
};
const NONE: readonly RawAcl[] = [{ perms: 0, scheme: "world", id: "anyone" }];
const BAD_ACL: readonly RawAcl[] = [{ perms: 31, scheme: "nobody", id: "x" }];

/** A server where `/none` allows nothing, `/mine` is ephemeral, `/full` is at its quota and `/node` is as it should be. */
function furnished(): RawClient {
  const client = new RawClient(new ServerBench({ enforceQuota: true }));
  client.created("/node", "x");
  client.created("/node/child");
  client.created("/mine", "", 1);
  client.created("/full", "xx");
  client.created("/zookeeper/quota/full");
  client.created("/zookeeper/quota/full/zookeeper_limits", "count=-1,bytes=-1=;byteHardLimit=2;countHardLimit=1");
  client.created("/zookeeper/quota/full/zookeeper_stats", "");
  client.created("/none", "");
  client.created("/none/child", "");
  client.setAcl("/none", NONE);
  return client;
}

test.each<[string, string | null, number, readonly RawAcl[] | null, number]>([
  ["an unknown flag before a missing slash", "none", 7, BAD_ACL, Code.BADARGUMENTS],
  ["a negative flag before a bad ACL", "/x", -1, BAD_ACL, Code.BADARGUMENTS],
  ["disabled TTLs before a missing slash", "none", 5, BAD_ACL, Code.UNIMPLEMENTED],
  ["a null path", null, 0, null, Code.MARSHALLINGERROR],
  ["no slash before the ACL", "none", 0, BAD_ACL, Code.BADARGUMENTS],
  ["an empty path before the ACL", "", 0, null, Code.BADARGUMENTS],
  ["a NUL before the ACL", "/a\0b", 0, BAD_ACL, Code.BADARGUMENTS],
  ["the ACL before a missing parent", "/no/x", 0, BAD_ACL, Code.INVALIDACL],
  ["an empty ACL before a missing parent", "/no/x", 0, [], Code.INVALIDACL],
  ["a null ACL before a missing parent", "/no/x", 0, null, Code.INVALIDACL],
  ["a missing parent before a bad path", "/no/", 0, OPEN_ACL_UNSAFE, Code.NONODE],
  ["permission before a bad path", "/none/", 0, OPEN_ACL_UNSAFE, Code.NOAUTH],
  ["permission before existence", "/none/child", 0, OPEN_ACL_UNSAFE, Code.NOAUTH],
  ["a bad path before an ephemeral parent", "/mine/", 0, OPEN_ACL_UNSAFE, Code.BADARGUMENTS],
  ["existence before quota", "/full", 0, OPEN_ACL_UNSAFE, Code.NODEEXISTS],
  ["an ephemeral parent", "/mine/x", 0, OPEN_ACL_UNSAFE, Code.NOCHILDRENFOREPHEMERALS],
  ["the quota at last", "/full/x", 0, OPEN_ACL_UNSAFE, Code.QUOTAEXCEEDED],
])("create: %s", (_name, path, flags, acl, expected) => {
  const client = furnished();
  for (const type of [OpCode.create, OpCode.create2]) {
    expect(client.err(type, createBody(path, "data", flags, acl))).toBe(expected);
  }
});

test.each<[string, number, number, string, number]>([
  ["a TTL of 0 before a missing slash", 5, 0, "none", Code.BADARGUMENTS],
  ["a TTL beyond 2^40-1 before a missing slash", 6, 2 ** 40, "none", Code.BADARGUMENTS],
  ["a TTL where none belongs", 0, 5, "/x", Code.BADARGUMENTS],
  ["no TTL and no TTL mode, which could not be applied", 0, -1, "/x", Code.BADARGUMENTS],
  ["the largest TTL", 5, 2 ** 40 - 1, "/x", Code.OK],
])("createTTL: %s", (_name, flags, ttl, path, expected) => {
  const client = new RawClient(new ServerBench({ extendedTypesEnabled: true }));
  expect(client.createTtl(path, flags, ttl).err).toBe(expected);
});

test.each<[string, string | null, number, number]>([
  ["a null path", null, -1, Code.MARSHALLINGERROR],
  ["no slash", "none", -1, Code.BADARGUMENTS],
  ["a NUL", "/no\0/x", -1, Code.BADARGUMENTS],
  ["a reserved path", "/zookeeper/quota", 77, Code.BADARGUMENTS],
  ["the root", "/", -1, Code.BADARGUMENTS],
  ["a missing parent", "/no/x", -1, Code.NONODE],
  ["permission on the parent before a missing node", "/none/x", -1, Code.NOAUTH],
  ["a missing node", "/x", 77, Code.NONODE],
  ["an odd path is only missing", "/node/", -1, Code.NONODE],
  ["the version before the children", "/node", 77, Code.BADVERSION],
  ["the children", "/node", 0, Code.NOTEMPTY],
])("delete: %s", (_name, path, version, expected) => {
  expect(furnished().delete(path, version).err).toBe(expected);
});

test.each<[string, string | null, string, number, number]>([
  ["a null path", null, "", -1, Code.BADARGUMENTS],
  ["a bad path", "/no/", "", -1, Code.BADARGUMENTS],
  ["an empty path, although reads take it for the root", "", "", -1, Code.BADARGUMENTS],
  ["a missing node", "/no", "", 77, Code.NONODE],
  ["permission before the version", "/none", "", 77, Code.NOAUTH],
  ["quota before the version", "/full", "xxx", 77, Code.QUOTAEXCEEDED],
  ["the version", "/node", "", 77, Code.BADVERSION],
])("setData: %s", (_name, path, data, version, expected) => {
  expect(furnished().setData(path, data, version).err).toBe(expected);
});

test.each<[string, string | null, readonly RawAcl[] | null, number, number]>([
  ["a null path", null, null, -1, Code.BADARGUMENTS],
  ["the path before the ACL", "/x/", BAD_ACL, -1, Code.BADARGUMENTS],
  ["the ACL before a missing node", "/no", BAD_ACL, -1, Code.INVALIDACL],
  ["a null ACL", "/node", null, -1, Code.INVALIDACL],
  ["a null id, which Java stumbles over", "/no", [{ perms: 1, scheme: "world", id: null }], -1, Code.MARSHALLINGERROR],
  ["a missing node", "/no", OPEN_ACL_UNSAFE, 77, Code.NONODE],
  ["permission before the version", "/none", OPEN_ACL_UNSAFE, 77, Code.NOAUTH],
  ["the version", "/node", OPEN_ACL_UNSAFE, 77, Code.BADVERSION],
])("setACL: %s", (_name, path, acl, version, expected) => {
  expect(furnished().setAcl(path, acl, version).err).toBe(expected);
});

test.each<[string, string | null, number, number]>([
  ["a bad path", "/no/", -1, Code.BADARGUMENTS],
  ["a missing node", "/no", 77, Code.NONODE],
  ["permission before the version", "/none", 77, Code.NOAUTH],
  ["the version", "/node", 77, Code.BADVERSION],
  ["nothing", "/node", 0, Code.OK],
])("check, which only a multi may hold: %s", (_name, path, version, expected) => {
  const { err, results } = furnished().multi([{ type: OpCode.check, request: { path, version } }]);
  expect(err).toBe(0);
  expect(results).toEqual(expected === 0 ? [{ type: OpCode.check }] : [{ type: OpCode.error, err: expected }]);
});

test("every write takes a zxid, whether it fails or not; no read does", () => {
  const client = new RawClient(new ServerBench());
  expect(client.create("/a/b").zxid).toBe(2);
  expect(client.err(OpCode.create)).toBe(-5);
  expect(client.delete("/").zxid).toBe(4);
  expect(client.getData("/no").zxid).toBe(4);
  expect(client.sync("/").zxid).toBe(4);
  expect(client.err(OpCode.reconfig, reconfigBody)).toBe(Code.RECONFIGDISABLED);
  expect(client.err(OpCode.deleteContainer, (w) => w.string("/zookeeper/quota"))).toBe(Code.BADARGUMENTS);
  expect(client.multi([]).results).toEqual([]);
  expect(client.ping().zxid).toBe(7);
});

test("a standalone server has no ensemble to reconfigure", () => {
  const client = new RawClient(new ServerBench({ reconfigEnabled: true }));
  expect(client.err(OpCode.reconfig, reconfigBody)).toBe(Code.UNIMPLEMENTED);
});

test.each<[string, number]>([
  ["foo", Code.NONODE],
  ["/node/", Code.NONODE],
  ["//node", Code.NONODE],
  ["", Code.OK],
])("reads do not validate paths: %j", (path, expected) => {
  const client = furnished();
  expect(client.getData(path).err).toBe(expected);
  expect(client.getChildren(path).err).toBe(expected);
  expect(client.exists(path).err).toBe(expected);
});

test("reads of a null path are -5, and exists alone minds a NUL", () => {
  const client = furnished();
  expect([client.getData(null).err, client.getChildren(null).err, client.exists(null).err]).toEqual([-5, -5, -5]);
  expect([client.getData("/\0").err, client.exists("/\0").err]).toEqual([Code.NONODE, Code.BADARGUMENTS]);
  expect([client.getData("/none").err, client.getChildren("/none").err]).toEqual([Code.NOAUTH, Code.NOAUTH]);
});
