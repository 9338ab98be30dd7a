/** What this server knows of its ensemble: the configuration in force and the newest one proposed (Java: QuorumPeer). */
import type { QuorumConfig } from "./config.ts";

export class QuorumView {
  readonly myId: number;
  /** In force. */
  current: QuorumConfig;
  /** The newest one ever proposed to this server: the same object when nothing is pending. */
  lastSeen: QuorumConfig;

  constructor(myId: number, current: QuorumConfig, lastSeen: QuorumConfig = current) {
    this.myId = myId;
    this.current = current;
    this.lastSeen = lastSeen;
  }
}
