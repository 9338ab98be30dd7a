/** The last committed txns, kept to bring learners up to date (Java: ZKDatabase.committedLog; reference, section 3.5). */
import type { Zxid } from "../base/zxid.ts";

export class CommittedLog {
  readonly max: Zxid = 0 as Zxid;
}
