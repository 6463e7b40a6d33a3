import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { MemoryRunLog, Pipeline, RunLog, Task } from "ostinato"
import { newest, run } from "./observed.ts"

const input = () => ({})
const idle = () => Effect.void

/** How the stage ends, what brings it about from outside, and how the run is recorded. */
const cases = {
  success: { body: Effect.void, act: idle, status: "completed" },
  failure: { body: Effect.fail("odd"), act: idle, status: "failed" },
  defect: { body: Effect.die("odd"), act: idle, status: "failed" },
  timeout: { body: Effect.never, act: () => TestClock.adjust("1 minute"), status: "failed" },
  cancel: {
    body: Effect.never,
    act: () =>
      Effect.gen(function*() {
        const log = yield* RunLog.RunLog
        const [open] = yield* log.list({ limit: 1 })
        yield* log.cancel(open!.id, { actor: null, reason: null })
      }),
    status: "cancelled"
  },
  shutdown: { body: Effect.never, act: (fiber: Fiber.Fiber<unknown>) => Fiber.interrupt(fiber), status: "interrupted" }
} as const

describe("Pipeline scopes", () => {
  for (const [how, { act, body, status }] of Object.entries(cases)) {
    it.effect(`D.4 the finalizers of a stage have ended before its run is recorded, and no later stage has begun: ${how}`, () =>
      Effect.gen(function*() {
        const log = yield* RunLog.RunLog
        const opened = yield* Latch.make()
        const seen: Array<string> = []
        const held = Task.fn("test.held", { error: Schema.String }, () =>
          Effect.gen(function*() {
            yield* Effect.addFinalizer(() =>
              Effect.orDie(Effect.gen(function*() {
                yield* Effect.yieldNow
                const [record] = yield* log.list({ limit: 1 })
                seen.push(`closed while ${record?.status}`)
              }))
            )
            yield* opened.open
            yield* body
          }))
        const pipeline = Pipeline.make("test.scopes").pipe(
          Pipeline.stage("held", held, { timeout: "1 minute", input }),
          Pipeline.stage("next", Task.fn("test.next", {}, () => Effect.sync(() => void seen.push("next"))), { input })
        )
        const fiber = yield* Effect.forkChild(Effect.exit(run(pipeline, {})))
        yield* opened.await
        yield* act(fiber)
        yield* Fiber.await(fiber)
        assert.deepStrictEqual(seen, ["closed while running", ...(how === "success" ? ["next"] : [])])
        assert.strictEqual((yield* newest).record.status, status)
      }).pipe(Effect.provide(MemoryRunLog.layer())))
  }
})
