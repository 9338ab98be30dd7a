import { defineConfig } from "vitest/config";

// What `npm test` runs: needs nothing but Node. The tests with real Java, Python and C peers have a configuration of
// their own (vitest.interop.config.ts), because they install those peers first.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/interop/**", "test/differential/**"],
    testTimeout: 30_000,
    pool: "threads",
  },
});
