/**
 * What the application has proved itself with. Servers know it per connection, so everything is sent again on each new
 * one (Java: ClientCnxn's authInfo). Auth replies all bear one xid: their order tells which they answer.
 */
import type { Completion } from "./calls.ts";
import type { Credentials } from "./config.ts";
import type { ZooKeeperError } from "./errors.ts";

interface Entry extends Credentials {
  /** Who waits to hear that it was accepted. Survives a lost connection, because the entry is sent again. */
  waiting: Completion<void>[];
  accepted: boolean;
}

export class CredentialStore {
  readonly #entries: Entry[] = [];
  /** Replies on this connection: the entries before this one. */
  #answered = 0;

  constructor(initial: readonly Credentials[]) {
    for (const { scheme, auth } of initial) this.#entries.push({ scheme, auth, waiting: [], accepted: false });
  }

  /** Returns whether it is new, and so has to be sent. */
  add(credentials: Credentials, completion: Completion<void>): boolean {
    const known = this.#entries.find((entry) => sameCredentials(entry, credentials));
    if (known?.accepted === true) completion.resolve();
    else if (known !== undefined) known.waiting.push(completion);
    else this.#entries.push({ ...credentials, waiting: [completion], accepted: false });
    return known === undefined;
  }

  /** Everything, to be sent on a new connection. */
  startOver(): readonly Credentials[] {
    this.#answered = 0;
    return this.#entries;
  }

  /** False: nothing was asked. */
  accepted(): boolean {
    const entry = this.#entries[this.#answered];
    if (entry === undefined) return false;
    this.#answered++;
    entry.accepted = true;
    for (const completion of entry.waiting) completion.resolve();
    entry.waiting = [];
    return true;
  }

  /** The client has ended. */
  fail(error: ZooKeeperError): void {
    for (const entry of this.#entries) {
      for (const completion of entry.waiting) completion.reject(error);
      entry.waiting = [];
    }
  }
}

function sameCredentials(a: Credentials, b: Credentials): boolean {
  if (a.scheme !== b.scheme || a.auth.length !== b.auth.length) return false;
  return a.auth.every((byte, i) => byte === b.auth[i]);
}
