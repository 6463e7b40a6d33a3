import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as TestConsole from "effect/testing/TestConsole"
import { once } from "../../../src/cli/commands/run.ts"
import * as MemoryRunLog from "../../../src/core/MemoryRunLog.ts"
import { RunLog, RunLogUnavailable } from "../../../src/core/RunLog.ts"
import * as Task from "../../../src/core/Task.ts"
import * as AppModule from "../../../src/service/AppModule.ts"

const Halve = Task.make("test.halve", { payload: { n: Schema.Int }, success: Schema.Int, error: Schema.String })
const HalveLive = Halve.toLayer(({ n }) => n % 2 === 0 ? Effect.succeed(n / 2) : Effect.fail(`${n} is odd`))

/** A log that takes runs and then cannot be read. */
const Unreadable = Layer.effect(
  RunLog,
  Effect.map(RunLog, (log) => ({
    ...log,
    get: () => Effect.fail(new RunLogUnavailable({ operation: "get run", detail: "connection refused" }))
  }))
).pipe(Layer.provide(MemoryRunLog.layer()))

const ran = (log: Layer.Layer<RunLog>, input: unknown, options: { readonly json: boolean }) =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(once(AppModule.task(Halve, { payload: { n: 8 } }), { input, ...options }))
    return { exit, printed: (yield* TestConsole.logLines).map(String) }
  }).pipe(Effect.provide(Layer.mergeAll(HalveLive, log, Logger.layer([]))))

describe("run", () => {
  it.effect("ends well and prints what is known when the run cannot be read again", () =>
    Effect.gen(function*() {
      const { exit, printed } = yield* ran(Unreadable, { n: 4 }, { json: false })
      assert.strictEqual(exit._tag, "Success")
      assert.match(printed.join("|"), /^test\.halve completed \(run [0-9a-f-]{36}\)$/)
    }))

  it.effect("prints id, task and status as JSON when the run cannot be read again", () =>
    Effect.gen(function*() {
      const { exit, printed } = yield* ran(Unreadable, { n: 4 }, { json: true })
      assert.strictEqual(exit._tag, "Success")
      assert.match(printed.join("|"), /^\{"id":"[0-9a-f-]{36}","task":"test\.halve","status":"completed"\}$/)
    }))

  it.effect("says why the task failed although the run cannot be read again", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(Effect.flatMap(
        ran(Unreadable, { n: 3 }, { json: false }),
        ({ exit }) => exit
      ))
      assert.match(message, /^task test\.halve failed: 3 is odd \(run [0-9a-f-]{36}\)$/)
    }))

  it.effect("runs with the payload of its application when there is no input", () =>
    Effect.gen(function*() {
      const { printed } = yield* ran(MemoryRunLog.layer(), undefined, { json: true })
      assert.include(printed.join("|"), `"output":4`)
    }))

  it.effect("takes an empty object as it is", () =>
    Effect.gen(function*() {
      const { exit } = yield* ran(MemoryRunLog.layer(), {}, { json: true })
      assert.strictEqual(exit._tag, "Failure")
    }))
})
