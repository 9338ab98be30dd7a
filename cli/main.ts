#!/usr/bin/env node
/**
 * The `vivarium` command. Each subcommand is a file of its own, read only when it is the one that was asked for: none
 * pays for what another needs. To add one, export a {@link Register} named `register` from cli/<name>.ts and add a row.
 */
import { readFileSync } from "node:fs";
import { Command } from "commander";

/** Gives a subcommand its arguments, options and action. */
export type Register = (command: Command) => void;

interface Subcommand {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly register: Register }>;
}

const SUBCOMMANDS: readonly Subcommand[] = [
  { name: "ensemble", summary: "run several servers on this machine, as one", load: () => import("./ensemble.ts") },
  { name: "serve", summary: "run one server on this machine", load: () => import("./serve.ts") },
  { name: "shell", summary: "look at and change nodes, as zkCli does", load: () => import("./shell.ts") },
];

const program = new Command("vivarium")
  .description("ZooKeeper you can run for real, or watch under glass")
  .version(packageVersion(), "-V, --version", "print the version of this package")
  .showHelpAfterError("(vivarium --help lists what there is)")
  .exitOverride((error) => {
    // A wrong command line is ZooKeeper's "invalid invocation", where commander would say 1.
    process.exit(error.exitCode === 0 ? 0 : 2);
  });
const [, , wanted, topic] = process.argv;
for (const { name, summary, load } of SUBCOMMANDS) {
  const command = program.command(name).description(summary);
  command.copyInheritedSettings(program);
  if (wanted === name || (wanted === "help" && topic === name)) (await load()).register(command);
}
await program.parseAsync();

function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
