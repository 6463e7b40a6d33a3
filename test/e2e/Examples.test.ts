import { createHash } from "node:crypto"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { root, run } from "../house/planted.ts"

const example = (...args: ReadonlyArray<string>) =>
  run(root, "node", "--conditions=ostinato:source", "test/examples/run.ts", ...args)

describe("examples", () => {
  it("S0.39 S0.30 five patterns do the same job with the result of sha256sum, each where it says", () => {
    const { status, stderr, stdout } = example("patterns", "7")
    assert.strictEqual(status, 0, stdout + stderr)
    assert.include(stdout, "seed 7, 64 files")
    const rows = stdout.split("\n").filter((line) => /\| +equal \|$/.test(line)).map((line) =>
      line.split("|").slice(1, 3).map((cell) => cell.trim())
    )
    assert.deepStrictEqual(rows, [
      ["thread pool", "2 threads"],
      ["staged", "4 stages"],
      ["parallel", "64 fibers"],
      ["generator", "1 fiber"],
      ["composed", "1 fiber"]
    ])
  })

  it("S2.69 the same handlers run on fibers and then on threads, by another Layer: equal rows, and spans say where", () => {
    const { status, stderr, stdout } = example("consumer")
    assert.strictEqual(status, 0, stdout + stderr)
    const rows = stdout.split("\n").filter((line) => line.includes(" consumer.digest ")).map((line) =>
      line.split("|").slice(1, 5).map((cell) => cell.trim())
    )
    const digest = createHash("sha256").update("message 0").digest("hex")
    assert.deepStrictEqual(rows, [
      ["fibers", "fiber consumer.digest", "200", digest],
      ["threads", "thread consumer.digest", "200", digest]
    ])
  })

  it("an example that does not exist is refused with the names of those that do", () => {
    const { status, stderr } = example("absent")
    const names = readdirSync(join(root, "test/examples"), { withFileTypes: true }).filter((one) => one.isDirectory())
    assert.strictEqual(status, 64)
    assert.strictEqual(stderr, `unknown example absent; examples: ${names.map(({ name }) => name).join(", ")}\n`)
  })
})
