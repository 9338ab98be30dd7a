/** Exports of `vivarium`: what an application on Node uses. */
export { connect, open } from "./client.ts";
export type { ConnectOptions } from "./client.ts";
export * from "../core/client/index.ts";
export { startServer, StartError } from "./server.ts";
export type { Halt, RunningServer, Settings, StartOptions } from "./server.ts";
