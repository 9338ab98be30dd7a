/** Compiles and runs the Java programs in clients/. */
import { join } from "node:path";
import { Process, run, temporaryDirectory } from "./processes.ts";
import { apacheClassPath, repositoryPath } from "./servers.ts";
import { writeFileSync } from "node:fs";

/** Compiles clients/<name>.java and returns the class path to run it with; `jars` beyond ZooKeeper's. */
export async function compileJava(name: string, jars: readonly string[] = []): Promise<string> {
  const directory = temporaryDirectory("java");
  writeFileSync(
    join(directory, "log4j.properties"),
    "log4j.rootLogger=ERROR, CONSOLE\nlog4j.appender.CONSOLE=org.apache.log4j.ConsoleAppender\n" +
      "log4j.appender.CONSOLE.layout=org.apache.log4j.SimpleLayout\n",
  );
  const classPath = apacheClassPath(directory, ...jars);
  const source = repositoryPath("test/interop/clients", `${name}.java`);
  const { code, output } = await run("javac", ["-proc:none", "-d", directory, "-cp", classPath, source], {
    timeout: 120_000,
  });
  if (code !== 0) throw new Error(`javac ${name}: ${output}`);
  return classPath;
}

const FLAGS = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8"];

export function runJava(
  classPath: string,
  mainClass: string,
  args: readonly string[],
  options: { readonly input?: string; readonly timeout?: number } = {},
): Promise<{ readonly code: number; readonly output: string }> {
  return run("java", [...FLAGS, "-cp", classPath, mainClass, ...args], { timeout: 180_000, ...options });
}

/** For a test that talks to the program while it runs. */
export function startJava(classPath: string, mainClass: string, args: readonly string[]): Process {
  return new Process("java", [...FLAGS, "-cp", classPath, mainClass, ...args]);
}
