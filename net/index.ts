/** Exports of `vivarium`: what an application on Node uses. */
export { startServer, StartError } from "./server.ts";
export type { Halt, RunningServer, Settings, StartOptions } from "./server.ts";
