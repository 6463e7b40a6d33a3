import { assert, beforeAll, describe, it } from "vitest"
import { packed } from "../house/packed.ts"
import { run } from "../house/planted.ts"

let project = ""
beforeAll(() => {
  project = packed("test/fixtures/host")
}, 120_000)

describe("D.5 a host application", () => {
  it("in Express serves a route by a task through ManagedRuntime, and drains it at its end", () => {
    const { status, stderr, stdout } = run(project, "node", "host/express.mjs")
    assert.strictEqual(status, 0, stderr)
    assert.match(stdout, /\{"said":"WELL"\}\nhost\.slow completed\n$/)
  })
})
