import { fileURLToPath } from "node:url"
import { defaultServerConditions } from "vite"
import { defineConfig } from "vitest/config"

// `ostinato/…` lands in src, as it does for tsc and for `node --conditions=ostinato:source`
const conditions = ["ostinato:source", ...defaultServerConditions]

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/fixtures/**"],
    globalSetup: ["test/fixtures/once/setup.ts"],
    pool: "forks",
    // more than cores: many tests wait for processes that they have started
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // the counts that .ci/run prints are read from the report
    reporters: process.env["CI"] === undefined ? ["default"] : ["default", "json"],
    outputFile: { json: ".ostinato/tests.json" }
  }
})
