/** What a client sends, as packets: length first, then header and body (reference, section 2). */
import type { Millis } from "../actor.ts";
import { SESSION_NONE } from "../base/ids.ts";
import type { Xid } from "../base/ids.ts";
import type { Zxid } from "../base/zxid.ts";
import { Writer } from "../jute/writer.ts";
import { writeAuthPacket, writeConnectRequest, writeRequestHeader, Xids } from "../protocol/headers.ts";
import { OpCode } from "../protocol/op-codes.ts";
import type { Credentials, SessionKey } from "./config.ts";
import type { Operation } from "./operations.ts";
import type { Chroot } from "./paths.ts";

export const PASSWORD_NONE: Uint8Array = new Uint8Array(16);
export const PING: Uint8Array = pingPacket();
/** Where a request has its xid: behind the length. */
const XID_AT = 4;

export class PacketWriter {
  /** The packet is `writer.bytes[0..writer.length)`, until the next one is written. */
  readonly writer: Writer = new Writer();

  /** `session` undefined asks for a new one. */
  connect(lastZxidSeen: Zxid, timeOut: Millis, session: SessionKey | undefined, readOnly: boolean): Writer {
    const w = this.#begin();
    writeConnectRequest(w, {
      protocolVersion: 0,
      lastZxidSeen,
      timeOut,
      sessionId: session?.id ?? SESSION_NONE,
      passwd: session?.password ?? PASSWORD_NONE,
      readOnly,
      hasReadOnly: true,
    });
    return this.#end();
  }

  credentials({ scheme, auth }: Credentials): Writer {
    const w = this.#begin();
    writeRequestHeader(w, Xids.auth, OpCode.auth);
    writeAuthPacket(w, { type: 0, scheme, auth });
    return this.#end();
  }

  /** Its xid is still open: see {@link number}. */
  request(operation: Operation<unknown>, root: Chroot): Writer {
    const w = this.#begin();
    writeRequestHeader(w, 0, operation.type);
    operation.write(w, root);
    return this.#end();
  }

  number(xid: Xid): void {
    this.writer.patchInt(XID_AT, xid);
  }

  #begin(): Writer {
    const w = this.writer.clear();
    w.int(0);
    return w;
  }

  #end(): Writer {
    this.writer.patchInt(0, this.writer.length - XID_AT);
    return this.writer;
  }
}

/** Gives a request its xid that was written earlier. */
export function numberPacket(packet: Uint8Array, xid: Xid): void {
  new DataView(packet.buffer, packet.byteOffset).setInt32(XID_AT, xid);
}

function pingPacket(): Uint8Array {
  const w = new Writer(12);
  w.int(8);
  writeRequestHeader(w, Xids.ping, OpCode.ping);
  return w.take();
}
