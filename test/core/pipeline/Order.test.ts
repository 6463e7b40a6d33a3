import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { MemoryRunLog, Pipeline, Task } from "ostinato"
import { run } from "./observed.ts"

const Payload = { platform: Schema.String }
const Repositories = Task.make("test.repositories", {
  payload: Payload,
  success: Schema.Struct({ updated: Schema.Int })
})
const Accounts = Task.make("test.accounts", {
  payload: { ...Payload, changed: Schema.Int },
  success: Schema.Array(Schema.String)
})
const Platforms = Task.make("test.platforms", {
  payload: { accounts: Schema.Array(Schema.String) },
  success: Schema.String
})

const Sync = Pipeline.make("test.sync", { payload: Payload }).pipe(
  Pipeline.stage("repositories", Repositories, { input: ({ payload }) => payload }),
  Pipeline.stage("accounts", Accounts, {
    input: ({ payload, repositories }) => ({ ...payload, changed: repositories.updated })
  }),
  Pipeline.stage("platforms", Platforms, { input: ({ accounts }) => ({ accounts }) })
)

const second = Task.fn("test.second", {}, () => Effect.sleep("1 second"))

const timed = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const from = yield* Clock.currentTimeMillis
    const fiber = yield* Effect.forkChild(Effect.andThen(work, Clock.currentTimeMillis))
    yield* TestClock.adjust("1 hour")
    return (yield* Fiber.join(fiber)) - from
  })

describe("Pipeline order", () => {
  it.effect("S0.20 S3.7 stages start and end in the order of the list, each with the typed output of the one before", () => {
    const events: Array<string> = []
    const observed = <A>(name: string, value: A) =>
      Effect.gen(function*() {
        events.push(`${name} starts`)
        yield* Effect.sleep("1 second")
        events.push(`${name} ends`)
        return value
      })
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(run(Sync, { platform: "github" }))
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), {
        repositories: { updated: 2 },
        accounts: ["github", "2"],
        platforms: "github+2"
      })
      assert.deepStrictEqual(
        events,
        ["repositories", "accounts", "platforms"].flatMap((name) => [`${name} starts`, `${name} ends`])
      )
    }).pipe(Effect.provide([
      Repositories.toLayer(() => observed("repositories", { updated: 2 })),
      Accounts.toLayer(({ changed, platform }) => observed("accounts", [platform, `${changed}`])),
      Platforms.toLayer(({ accounts }) => observed("platforms", accounts.join("+"))),
      MemoryRunLog.layer()
    ]))
  })

  it.effect("S0.25 three stages of a second that start at once take a second, one after the other they take three", () =>
    Effect.gen(function*() {
      const input = () => ({})
      const sequence = Pipeline.make("test.sequence").pipe(
        Pipeline.stage("a", second, { input }),
        Pipeline.stage("b", second, { input }),
        Pipeline.stage("c", second, { input })
      )
      const parallel = Pipeline.make("test.parallel").pipe(
        Pipeline.stage("a", second, { input }),
        Pipeline.stage("b", second, { after: [], input }),
        Pipeline.stage("c", second, { after: [], input })
      )
      assert.strictEqual(yield* timed(Task.run(sequence, {})), 3000)
      assert.strictEqual(yield* timed(Task.run(parallel, {})), 1000)
    }))

  it.effect("no more stages run at once than the pipeline allows", () =>
    Effect.gen(function*() {
      const input = () => ({})
      const bounded = Pipeline.make("test.bounded", { concurrency: 2 }).pipe(
        Pipeline.stage("a", second, { input }),
        Pipeline.stage("b", second, { after: [], input }),
        Pipeline.stage("c", second, { after: [], input }),
        Pipeline.stage("d", second, { after: [], input })
      )
      assert.strictEqual(yield* timed(Task.run(bounded, {})), 2000)
    }))
})
