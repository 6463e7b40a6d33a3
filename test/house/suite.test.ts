import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import config from "../vitest.config.ts"
import { root } from "./planted.ts"

/** Tests of one module or a few: everything but real processes, browsers, servers and checks of the house itself. */
const unit = globSync("test/{core,store,schedule,service,testing,simulation}/**/*.test.ts", { cwd: root })
  .filter((path) => !path.endsWith(".integration.test.ts"))
  .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }))

/** Waits for real time to pass, rather than for something to happen. */
const sleeps = (text: string): boolean =>
  /\bsetTimeout\(|from "node:timers/.test(text) ||
  // a sleep is virtual, unless the test asks for the real clock
  (/\bit\.live\(|excludeTestServices/.test(text) && /\bEffect\.(sleep|delay)\(/.test(text))

/** Needs a service that is not in the process. */
const needs = (text: string): boolean =>
  /TestDatabase|EmbeddedPostgres\.layer|Database\.layer\(|ServiceProcess|amqplib/.test(text)

describe("the suite", () => {
  it("S3.45 ends a test that hangs", () => {
    assert.isAtMost(config.test?.testTimeout ?? Infinity, 60_000)
    assert.isAtMost(config.test?.hookTimeout ?? Infinity, 60_000)
  })

  it("S3.45 a planted sleep is found, a virtual one is not", () => {
    assert.isTrue(sleeps(`it.live("x", () => Effect.sleep("2 seconds"))`))
    assert.isTrue(sleeps(`await new Promise((resolve) => setTimeout(resolve, 2000))`))
    assert.isFalse(sleeps(`it.effect("x", () => Effect.sleep("2 weeks"))`))
  })

  it("S3.45 no unit test waits for real time", () => {
    assert.deepStrictEqual(unit.filter(({ text }) => sleeps(text)).map(({ path }) => path), [])
  })

  it("S2.83 the unit tests need no database, no broker and no service", () => {
    assert.isAbove(unit.length, 15)
    assert.isTrue(needs(`import * as TestDatabase from "../contract/TestDatabase.ts"`))
    assert.deepStrictEqual(unit.filter(({ text }) => needs(text)).map(({ path }) => path), [])
  })
})
