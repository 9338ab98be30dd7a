/** The two epoch files (Java: QuorumPeer.readLongFromFile, writeLongToFile; reference, section 1.2). */
export class Epochs {
  accepted = 0;
  current = 0;
}
