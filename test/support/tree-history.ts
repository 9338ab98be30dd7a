/** Histories a leader could have proposed: every transaction is valid where it stands. */
import type { SessionId } from "../../core/base/ids.ts";
import type { Zxid } from "../../core/base/zxid.ts";
import { OpCode } from "../../core/protocol/op-codes.ts";
import type { SubTxn, Txn } from "../../core/protocol/txns.ts";
import { NaiveTree } from "./naive-tree.ts";
import { ACLS, type Entry, filled } from "./tree-txns.ts";

const NAMES = ["a", "b", "c"];

/** What one step does, as numbers that are taken modulo whatever there is to choose from. */
export interface Choice {
  readonly kind: number;
  readonly where: number;
  readonly what: number;
}

export class History {
  readonly model: NaiveTree = new NaiveTree();
  readonly #sessions: bigint[] = [101n, 102n, 103n];
  #nextSession = 104n;
  #zxid = 0;

  /** The next entry, or undefined when the choice is not possible here. */
  next(choice: Choice): Entry | undefined {
    const session = this.#sessions[choice.where % this.#sessions.length]! as SessionId;
    this.#zxid++;
    const time = 1_700_000_000_000 + this.#zxid;
    const header = { clientId: session, cxid: 0, zxid: this.#zxid as Zxid, time };
    const kind = choice.kind % 12;
    if (kind === 0)
      return this.#applied({ header: { ...header, type: OpCode.closeSession }, txn: this.#close(choice) });
    if (kind > 1) {
      const txn = this.#subTxn(choice);
      return txn === undefined ? undefined : this.#applied({ header: { ...header, type: txn.type }, txn });
    }
    const txns: SubTxn[] = [];
    for (let i = 0; i < 4; i++) {
      const txn = this.#subTxn({
        kind: 2 + ((choice.kind >> i) % 10),
        where: choice.where >> i,
        what: choice.what >> i,
      });
      if (txn === undefined) continue;
      this.model.apply({ ...header, type: txn.type }, txn);
      txns.push(txn);
    }
    return { header: { ...header, type: OpCode.multi }, txn: { type: OpCode.multi, txns } };
  }

  #applied(entry: Entry): Entry {
    this.model.apply(entry.header, entry.txn);
    return entry;
  }

  #close(choice: Choice): Txn {
    const at = choice.where % this.#sessions.length;
    const paths = this.model.ephemeralsOf(this.#sessions[at]!);
    this.#sessions[at] = this.#nextSession++;
    return { type: OpCode.closeSession, paths: choice.what % 2 === 0 ? paths : undefined };
  }

  #subTxn({ kind, where, what }: Choice): SubTxn | undefined {
    const paths = [...this.model.nodes.keys()].filter((path) => !path.startsWith("/zookeeper"));
    const path = paths[where % paths.length]!;
    const node = this.model.nodes.get(path)!;
    const acl = ACLS[what % ACLS.length]!;
    const data = what % 5 === 0 ? null : filled(what % 300);
    if (kind <= 6) {
      const created = `${path === "/" ? "" : path}/${NAMES[what % NAMES.length]!}`;
      if (this.model.nodes.has(created) || this.model.isEphemeral(path) || created.length > 8) return undefined;
      const common = { path: created, data, acl, parentCVersion: node.cversion + 1 };
      if (kind === 6) return { type: OpCode.createContainer, ...common };
      return { type: kind === 5 ? OpCode.create2 : OpCode.create, ...common, ephemeral: kind === 4 };
    }
    if (kind <= 9) {
      if (path === "/" || this.model.children(path).length > 0) return undefined;
      return { type: OpCode.delete, path };
    }
    if (kind === 10) return { type: OpCode.setData, path, data, version: node.version + 1 };
    return { type: OpCode.setACL, path, acl, version: node.aversion + 1 };
  }
}
