import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { MemoryRunLog, Task, TaskClient } from "ostinato"
import { assert, describe, it } from "vitest"

const root = join(import.meta.dirname, "..", "..")

describe("D.12 TaskClient", () => {
  it("serves an async program in plain JavaScript: values, typed errors, signals, status, cancel, close", () => {
    const program = join(root, "test", "fixtures", "client", "program.mjs")
    const { status, stderr, stdout } = spawnSync(process.execPath, ["--conditions=ostinato:source", program], {
      cwd: root,
      encoding: "utf8",
      timeout: 20_000
    })
    assert.strictEqual(status, 0, stderr)
    assert.match(stdout, /well\n$/)
  })

  it("takes only payloads that fit, gives typed values, and runs only what its Layer has handlers for", async () => {
    const Double = Task.make("double", { payload: { n: Schema.Int }, success: Schema.Int })
    const client = TaskClient.make(MemoryRunLog.layer())
    const withHandler = TaskClient.make(
      Layer.merge(MemoryRunLog.layer(), Double.toLayer(({ n }) => Effect.succeed(n * 2)))
    )
    // @ts-expect-error -- the handler of Double is missing
    // @effect-diagnostics-next-line missingEffectContext:off
    await client.run(Double, { n: 1 }).catch(() => undefined)
    // @ts-expect-error -- n is no text
    await withHandler.run(Double, { n: "one" }).catch(() => undefined)
    const value: number = await withHandler.run(Double, { n: 21 })
    assert.strictEqual(value, 42)
    await client.close()
    await withHandler.close()
    await withHandler.run(Double, { n: 1 }).then(() => assert.fail("it is closed"), () => undefined)
  })
})
