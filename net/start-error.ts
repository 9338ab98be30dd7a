/** Why a server did not start, for whoever started it. */

/** One line that says what to change. */
export class StartError extends Error {
  override readonly name = "StartError";
  /** org.apache.zookeeper.server.ExitCode. */
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}
export const ExitCode = { unexpected: 1, invocation: 2, dataDirectory: 3, quorumPort: 14 } as const;
