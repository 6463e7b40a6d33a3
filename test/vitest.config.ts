import { fileURLToPath } from "node:url"
import { defaultServerConditions } from "vite"
import { defineConfig } from "vitest/config"

// `ostinato/…` lands in src, as it does for tsc and for `node --conditions=ostinato:source`
const conditions = ["ostinato:source", ...defaultServerConditions]

// tests of modules: a process of its own for each file would take longer than most of them
const modules = ["test/{core,http,jobs,schedule,store,testing,service,cli,contract,integration}/**/*.test.ts"]

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    projects: [
      { extends: true, test: { name: "modules", include: modules, isolate: false } },
      {
        extends: true,
        test: { name: "programs", include: ["test/**/*.test.ts"], exclude: ["test/fixtures/**", ...modules] }
      }
    ],
    globalSetup: ["test/fixtures/once/setup.ts", "test/fixtures/postgres/setup.ts"],
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
