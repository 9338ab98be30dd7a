import { defineConfig } from "vitest/config";

/** Real clients, real data and real crashes: `npm run test:interop`. Needs what `.ci/run` installs. */
export default defineConfig({
  test: {
    include: ["test/interop/**/*.interop.ts", "test/differential/**/*.interop.ts"],
    // Each file runs servers and JVMs of its own, and some measure time.
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 120_000,
  },
});
