/** A bare client for tests that care about bytes and counts: one connection, requests in order, no retries. */
import { Reader } from "../../../core/jute/reader.ts";
import { readAclVector, readStat, readStringVector, type Stat } from "../../../core/protocol/data.ts";
import { encodeConnect, encodeRequest, type Op } from "../../differential/ops.ts";
import { frame, Wire } from "../../differential/wire.ts";

const TIMEOUT = 20_000;
const PING_INTERVAL = 2000;
const XID_NOTIFICATION = -1;
const XID_PING = -2;
const PING = frame(encodeRequest({ type: 11 }, XID_PING, 0));

export interface Answer {
  readonly zxid: number;
  readonly err: number;
  readonly body: Reader;
}

export interface Session {
  readonly id: bigint;
  readonly password: Buffer;
  /** Servers that are behind this must refuse. */
  readonly lastZxidSeen?: number;
}

export class RawClient {
  readonly session: Session;
  readonly timeout: number;
  readonly #wire: Wire;
  readonly #waiting: ((answer: Answer | undefined) => void)[] = [];
  readonly #pings: NodeJS.Timeout;
  #xid = 0;

  private constructor(wire: Wire, session: Session, timeout: number) {
    this.#wire = wire;
    this.session = session;
    this.timeout = timeout;
    this.#pings = setInterval(() => wire.send(PING), PING_INTERVAL);
    void this.#receive();
  }

  /** A new session, or `resume` again. Fails when the server refuses. */
  static async connect(port: number, timeout = 30_000, resume?: Session): Promise<RawClient> {
    const wire = await Wire.connect(port);
    const session = resume?.id ?? 0n;
    const password = resume?.password ?? new Uint8Array(16);
    wire.send(
      frame(encodeConnect({ lastZxidSeen: resume?.lastZxidSeen ?? 0, timeout, session, password, readOnly: false })),
    );
    const answer = await wire.next(TIMEOUT);
    if (typeof answer === "string") throw new Error(`connecting to port ${port}: ${answer}`);
    const r = new Reader(answer);
    r.int();
    const granted = r.int();
    const id = r.int64();
    if (id === 0n) {
      wire.drop();
      throw new Error("the session has expired");
    }
    return new RawClient(wire, { id, password: Buffer.from(r.buffer()!) }, granted);
  }

  get closed(): boolean {
    return this.#wire.closed;
  }

  /** The answer, or undefined if the connection ended first. Pings are its own affair: `op` is none. */
  send(op: Op): Promise<Answer | undefined> {
    const xid = ++this.#xid;
    const answer = new Promise<Answer | undefined>((resolve) => {
      if (this.#wire.closed) resolve(undefined);
      else this.#waiting.push(resolve);
    });
    this.#wire.send(frame(encodeRequest(op, xid, 0)));
    return answer;
  }

  /** The answer of a request that must succeed. */
  async ask(op: Op): Promise<Answer> {
    const answer = await this.send(op);
    if (answer === undefined) throw new Error(`connection lost: ${JSON.stringify(op)}`);
    if (answer.err !== 0) throw new Error(`error ${answer.err}: ${JSON.stringify(op)}`);
    return answer;
  }

  async authenticate(scheme: string, auth: string): Promise<void> {
    await this.ask({ type: 100, scheme, auth });
  }

  async closeSession(): Promise<void> {
    await this.ask({ type: -11 });
    this.drop();
  }

  /** Leaves the session behind. */
  drop(): void {
    clearInterval(this.#pings);
    this.#wire.drop();
  }

  async #receive(): Promise<void> {
    for (;;) {
      const bytes = await this.#wire.next(TIMEOUT);
      if (bytes === "silent") continue;
      if (bytes === "closed") break;
      const r = new Reader(bytes);
      const xid = r.int();
      if (xid === XID_NOTIFICATION || xid === XID_PING) continue;
      this.#waiting.shift()?.({ zxid: r.long(), err: r.int(), body: r });
    }
    clearInterval(this.#pings);
    for (const resolve of this.#waiting.splice(0)) resolve(undefined);
  }
}

/** Every node with everything a client can see of it, times and session ids included. The client must be super. */
export async function dumpTree(client: RawClient): Promise<Map<string, string>> {
  const nodes = new Map<string, string>();
  const open = ["/"];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const [data, acl, children] = await Promise.all([
      client.ask({ type: 4, path, watch: false }),
      client.ask({ type: 6, path }),
      client.ask({ type: 8, path, watch: false }),
    ]);
    const bytes = data.body.buffer();
    const names = (readStringVector(children.body) ?? []).map(String).toSorted((a, b) => (a < b ? -1 : 1));
    for (const name of names) open.push(path === "/" ? `/${name}` : `${path}/${name}`);
    const text = bytes === null ? "null" : Buffer.from(bytes).toString("latin1");
    nodes.set(
      path,
      [
        statText(readStat(data.body)),
        readAclVector(acl.body)!
          .map(({ perms, scheme, id }) => `${perms} ${scheme} ${id}`)
          .join(", "),
        `[${names.join(" ")}]`,
        text.length > 200 ? `${text.length} bytes ${text.slice(0, 20)}` : JSON.stringify(text),
      ].join(" | "),
    );
  }
  return nodes;
}

function statText(stat: Stat): string {
  return Object.entries(stat)
    .map(([name, value]) => `${name} ${value}`)
    .join(" ");
}
