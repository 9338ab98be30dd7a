import { defineConfig } from "vitest/config";

/** The package as others get it: `npm run test:package`. Installs into directories of its own, so it needs a registry. */
export default defineConfig({
  test: {
    include: ["test/package/**/*.package.ts"],
    testTimeout: 60_000,
    hookTimeout: 240_000,
  },
});
