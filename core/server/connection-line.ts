/** One connection as `stat` and `cons` print it (Java: ServerCnxn.dumpConnectionInfo). */
import { formatSession, SESSION_NONE } from "../base/ids.ts";
import { formatZxid } from "../base/zxid.ts";
import { OpCode } from "../protocol/op-codes.ts";
import type { ClientLink } from "./client-link.ts";

/** Java: Request.op2String, cut to what `cons` shows. */
const OPS = new Map<number, string>([
  [OpCode.createSession, "SESS"],
  [OpCode.ping, "PING"],
  [OpCode.create, "CREA"],
  [OpCode.create2, "CREA"],
  [OpCode.createContainer, "CREA"],
  [OpCode.createTTL, "CREA"],
  [OpCode.delete, "DELE"],
  [OpCode.deleteContainer, "DELE"],
  [OpCode.exists, "EXIS"],
  [OpCode.getData, "GETD"],
  [OpCode.setData, "SETD"],
  [OpCode.getACL, "GETA"],
  [OpCode.setACL, "SETA"],
  [OpCode.getChildren, "GETC"],
  [OpCode.getChildren2, "GETC"],
  [OpCode.sync, "SYNC"],
  [OpCode.multi, "MULT"],
  [OpCode.multiRead, "MLTR"],
  [OpCode.check, "CHEC"],
  [OpCode.reconfig, "RECO"],
  [OpCode.setWatches, "SETW"],
  [OpCode.setWatches2, "STW2"],
  [OpCode.addWatch, "ADDW"],
  [OpCode.checkWatches, "CHKW"],
  [OpCode.removeWatches, "REMW"],
  [OpCode.getEphemerals, "GETE"],
  [OpCode.getAllChildrenNumber, "GETACN"],
  [OpCode.whoAmI, "HOMI"],
  [OpCode.closeSession, "CLOS"],
]);

/** Interest bits: reading is 1; the connection that asks has none left. */
export function connectionLine(link: ClientLink, form: "brief" | "full", asking: boolean): string {
  const interest = asking ? 0 : link.paused ? 4 : 1;
  const counts = `queued=${link.outstanding},recved=${link.packetsReceived},sent=${link.packetsSent}`;
  return ` /${link.remote}[${interest}](${counts}${form === "full" && link.session !== SESSION_NONE ? details(link) : ""})`;
}

function details(link: ClientLink): string {
  const fields = [
    `sid=${formatSession(link.session)}`,
    `lop=${OPS.get(link.lastType) ?? "NA"}`,
    `est=${link.established}`,
    `to=${link.timeout}`,
  ];
  if (link.lastCxid >= 0) fields.push(`lcxid=0x${link.lastCxid.toString(16)}`);
  fields.push(
    `lzxid=${formatZxid(link.lastZxid)}`,
    `lresp=${link.lastResponseAt}`,
    `llat=${link.lastLatency}`,
    `minlat=${link.latencyMin === Infinity ? 0 : link.latencyMin}`,
    `avglat=${link.latencyAverage}`,
    `maxlat=${link.latencyMax}`,
  );
  return `,${fields.join(",")}`;
}
