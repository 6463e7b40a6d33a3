import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { MemoryRunLog, RunContext, Task, TaskClient, TaskError } from "ostinato"
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

  it("S2.10 a run in flight when the client closes ends, and its promise is broken with TaskInterrupted", async () => {
    const Wait = Task.make("client.wait")
    const begun = Promise.withResolvers<void>()
    const handler = Wait.toLayer(() => Effect.andThen(Effect.sync(() => begun.resolve()), Effect.never))
    const client = TaskClient.make(Layer.merge(MemoryRunLog.layer(), handler), { drain: 0 })
    const broken = client.run(Wait, {}).then(() => assert.fail("it never ends by itself"), (error: unknown) => error)
    await begun.promise
    await client.close()
    assert.instanceOf(await broken, TaskError.TaskInterrupted)
  })

  it("S2.10 a run that ends while the client closes keeps its promise", async () => {
    const Wait = Task.make("client.short", { success: Schema.String })
    const begun = Promise.withResolvers<void>()
    const end = Promise.withResolvers<string>()
    const handler = Wait.toLayer(() =>
      Effect.andThen(Effect.sync(() => begun.resolve()), Effect.promise(() => end.promise))
    )
    const client = TaskClient.make(Layer.merge(MemoryRunLog.layer(), handler))
    const kept = client.run(Wait, {})
    await begun.promise
    const closed = client.close()
    end.resolve("done")
    assert.strictEqual(await kept, "done")
    await closed
  })

  it("what a caller names without a value is as if it were left out", async () => {
    const Origin = Task.fn(
      "client.origin",
      { success: Schema.NullOr(Schema.String) },
      () => Effect.map(RunContext.RunContext, ({ tenant }) => tenant)
    )
    const client = TaskClient.make(MemoryRunLog.layer())
    // @ts-expect-error -- plain JavaScript may say so
    const { id, result } = await client.start(Origin, {}, { tenant: undefined, actor: "ada" })
    assert.isNull(await result())
    assert.deepStrictEqual((await client.status(id))?.origin, { tenant: null, actor: "ada" })
    await client.close()
  })
})
