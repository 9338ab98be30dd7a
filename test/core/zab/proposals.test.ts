import { expect, test } from "vitest";
import type { Zxid } from "../../../core/base/zxid.ts";
import { packZxid } from "../../../core/base/zxid.ts";
import { Request } from "../../../core/pipeline/request.ts";
import { OpCode } from "../../../core/protocol/op-codes.ts";
import { QuorumConfig } from "../../../core/quorum/config.ts";
import { QuorumView } from "../../../core/quorum/view.ts";
import { Proposals } from "../../../core/zab/proposals.ts";

function proposals(text: string): Proposals {
  const config = QuorumConfig.parse(text);
  if ("error" in config) throw new Error(config.error);
  return new Proposals(new QuorumView(1, config));
}
function propose(to: Proposals, zxid: Zxid): void {
  const request = Request.internal(OpCode.setData, 0);
  request.zxid = zxid;
  to.add(request, new Uint8Array(0));
}
const THREE = [1, 2, 3].map((id) => `server.${id}=10.0.0.${id}:2888:3888:participant`).join("\n");
const GROUPED = `${THREE}\ngroup.1=1:2:3\nweight.1=1\nweight.2=1\nweight.3=1`;

test("who comes back is not counted for what it acknowledged before, and is when it does so again", () => {
  for (const members of [THREE, GROUPED]) {
    const pending = proposals(`${members}\nversion=0`);
    propose(pending, packZxid(1, 1));
    propose(pending, packZxid(1, 2));
    for (const zxid of [packZxid(1, 1), packZxid(1, 2)]) pending.acknowledge(3, zxid);
    // Server 3 is about to be told to cut both back; the leader's own disk answers meanwhile.
    pending.withdraw(3);
    pending.acknowledge(1, packZxid(1, 1));
    expect(pending.takeCommitted()).toBeUndefined();
    pending.acknowledge(3, packZxid(1, 1));
    expect(pending.takeCommitted()?.request.zxid).toBe(packZxid(1, 1));
    expect(pending.takeCommitted()).toBeUndefined();
    pending.withdraw(9);
    expect(pending.length).toBe(1);
  }
});
