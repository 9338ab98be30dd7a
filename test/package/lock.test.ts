/** The lock file, without which `npm ci` is not what we tested. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const { packages } = JSON.parse(readFileSync(new URL("../../package-lock.json", import.meta.url), "utf8")) as {
  readonly packages: Readonly<Record<string, Locked>>;
};

test("every locked package has a version and a checksum", () => {
  const wanting = Object.entries(packages).filter(
    ([name, { version, integrity }]) => name !== "" && (version === undefined || integrity === undefined),
  );
  expect(wanting.map(([name]) => name)).toEqual([]);
});

test("the lock holds what every platform needs, not only the one it was written on", () => {
  const absent: string[] = [];
  for (const [name, { dependencies, optionalDependencies }] of Object.entries(packages)) {
    for (const wanted of Object.keys({ ...dependencies, ...optionalDependencies })) {
      // As Node looks for it: beside the package, then further up.
      let place = name;
      while (place !== "" && packages[`${place}/node_modules/${wanted}`] === undefined) {
        place = place.slice(0, Math.max(0, place.lastIndexOf("/node_modules/")));
      }
      const found = packages[place === "" ? `node_modules/${wanted}` : `${place}/node_modules/${wanted}`];
      if (found === undefined) absent.push(`${wanted}, which ${name} needs`);
    }
  }
  expect(absent).toEqual([]);
});
