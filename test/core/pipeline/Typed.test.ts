import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Executor, Pipeline, Task, type TaskError } from "ostinato"
import { expectTypeOf } from "vitest"

class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", { resetAt: Schema.DateTimeUtc }) {}
class AccountsError extends Schema.TaggedError<AccountsError>()("AccountsError", { seat: Schema.Int }) {}
class PlatformError extends Schema.TaggedError<PlatformError>()("PlatformError", {}) {}

const Payload = { platform: Schema.String }
const Repositories = Task.make("types.repositories", {
  payload: Payload,
  success: Schema.Struct({ updated: Schema.Int }),
  error: RateLimited
})
const Accounts = Task.make("types.accounts", {
  payload: { ...Payload, changed: Schema.Int },
  success: Schema.Array(Schema.String),
  error: AccountsError
})
const Traffic = Task.make("types.traffic", { payload: Payload, success: Schema.Boolean })
const Platforms = Task.make("types.platforms", { payload: Payload, success: Schema.Date, error: PlatformError })

type Timeout = TaskError.TaskTimeout

const Sync = Pipeline.make("types.sync", { payload: Payload }).pipe(
  Pipeline.stage("repositories", Repositories, { input: ({ payload }) => payload }),
  Pipeline.stage("accounts", Accounts, {
    after: ["repositories"],
    input: ({ payload, repositories }) => ({ ...payload, changed: repositories.updated })
  }),
  Pipeline.stage("traffic", Traffic, {
    after: ["repositories"],
    onParentFailure: "skip",
    input: ({ payload }) => payload
  }),
  Pipeline.stage("platforms", Platforms, {
    after: ["accounts", "traffic"],
    onParentFailure: { traffic: "continue" },
    input: ({ accounts, payload, repositories, traffic }) => {
      expectTypeOf(repositories).toEqualTypeOf<{ readonly updated: number }>()
      expectTypeOf(accounts).toEqualTypeOf<ReadonlyArray<string>>()
      expectTypeOf(traffic).toEqualTypeOf<Result.Result<boolean, TaskError.TaskError>>()
      return payload
    }
  })
)

describe("Pipeline types", () => {
  it("S0.20 the value holds what each stage gives, and a Result where it may be skipped or may fail", () => {
    expectTypeOf<typeof Sync["success"]["Type"]>().toEqualTypeOf<{
      readonly repositories: { readonly updated: number }
      readonly accounts: ReadonlyArray<string>
      readonly traffic: Result.Result<boolean, TaskError.TaskError>
      readonly platforms: Date
    }>()
  })

  it("the error names each stage that can stop the pipeline, with the errors of its task", () => {
    expectTypeOf<typeof Sync["error"]["Type"]>().toEqualTypeOf<
      | Pipeline.PipelineError<"repositories", RateLimited | Timeout>
      | Pipeline.PipelineError<"accounts", AccountsError | Timeout>
      | Pipeline.PipelineError<"platforms", PlatformError | Timeout>
    >()
    const collected = Pipeline.make("types.collected", { payload: Payload, mode: "collect" }).pipe(
      Pipeline.stage("repositories", Repositories, { input: ({ payload }) => payload })
    )
    expectTypeOf<typeof collected["error"]["Type"]>().toEqualTypeOf<
      Pipeline.PipelineErrors<Pipeline.PipelineError<"repositories", RateLimited | Timeout>>
    >()
  })

  it("an executor adds ExecutorFailed to the errors of its stage, a condition makes it a Result", () => {
    const at = <Exec extends Executor.Executor>(executor: Exec) =>
      Pipeline.make("types.elsewhere", { payload: Payload }).pipe(
        Pipeline.stage("traffic", Traffic, { executor, input: ({ payload }) => payload })
      )
    expectTypeOf<ReturnType<typeof at>["error"]["Type"]>().toEqualTypeOf<
      Pipeline.PipelineError<"traffic", Timeout | Executor.ExecutorFailed>
    >()
    const conditional = Pipeline.make("types.conditional", { payload: Payload }).pipe(
      Pipeline.stage("traffic", Traffic, {
        when: ({ payload }) => payload.platform === "github",
        input: ({ payload }) => payload
      })
    )
    expectTypeOf<typeof conditional["success"]["Type"]>().toEqualTypeOf<{
      readonly traffic: Result.Result<boolean, TaskError.TaskError>
    }>()
  })

  it("it needs the handlers of all stages", () => {
    expectTypeOf<Task.Requires<typeof Sync>>().toEqualTypeOf<
      | Task.Handler<"types.repositories">
      | Task.Handler<"types.accounts">
      | Task.Handler<"types.traffic">
      | Task.Handler<"types.platforms">
    >()
    expectTypeOf(Task.run(Sync, { platform: "github" })).not.toExtend<
      Effect.Effect<unknown, unknown, Task.Handler<"types.traffic">>
    >()
  })

  it("S0.20 S0.28 a wrong input, an unknown stage, a stage that has not ended and a name used twice do not compile", () => {
    const start = Pipeline.make("types.refused", { payload: Payload }).pipe(
      Pipeline.stage("repositories", Repositories, { input: ({ payload }) => payload })
    )
    const refused = [
      // @ts-expect-error -- changed is missing
      start.pipe(Pipeline.stage("accounts", Accounts, { input: ({ payload }) => payload })),
      // @ts-expect-error -- there is no stage nowhere
      start.pipe(Pipeline.stage("traffic", Traffic, { after: ["nowhere"], input: ({ payload }) => payload })),
      start.pipe(
        Pipeline.stage("traffic", Traffic, {
          after: [],
          // @ts-expect-error -- repositories has not ended when this starts
          input: ({ payload, repositories }) => ({ platform: `${payload.platform} ${repositories}` })
        })
      ),
      // @ts-expect-error -- there is a stage repositories already
      start.pipe(Pipeline.stage("repositories", Traffic, { input: ({ payload }) => payload })),
      // @ts-expect-error -- the payload of the pipeline has this name
      start.pipe(Pipeline.stage("payload", Traffic, { input: ({ payload }) => payload }))
    ]
    assert.strictEqual(refused.length, 5)
  })

  it("S0.30 the same as a generator: the errors of all steps, inferred", () => {
    const program = Effect.gen(function*() {
      const { updated } = yield* Task.run(Repositories, { platform: "github" })
      const accounts = yield* Task.run(Accounts, { platform: "github", changed: updated })
      return [accounts, yield* Task.run(Platforms, { platform: "github" })] as const
    })
    expectTypeOf(program).toExtend<
      Effect.Effect<
        readonly [ReadonlyArray<string>, Date],
        RateLimited | AccountsError | PlatformError | Timeout,
        Task.Requires<typeof Sync>
      >
    >()
    expectTypeOf<Effect.Error<typeof program>>().toEqualTypeOf<RateLimited | AccountsError | PlatformError | Timeout>()
  })

  it("S0.31 an early failure of the generator ends it, and its later steps do not run", () => {
    const calls: Array<string> = []
    return Effect.runPromise(
      Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.gen(function*() {
          yield* Task.run(Repositories, { platform: "github" })
          yield* Task.run(Accounts, { platform: "github", changed: 1 })
          yield* Task.run(Platforms, { platform: "github" })
        }))
        assert.deepStrictEqual(error, new AccountsError({ seat: 7 }))
        assert.deepStrictEqual(calls, ["repositories", "accounts"])
      }).pipe(Effect.provide([
        Repositories.toLayer(() => Effect.sync(() => ({ updated: calls.push("repositories") }))),
        Accounts.toLayer(() => {
          calls.push("accounts")
          return Effect.fail(new AccountsError({ seat: 7 }))
        }),
        Platforms.toLayer(() => {
          calls.push("platforms")
          return Effect.fail(new PlatformError())
        })
      ]))
    )
  })
})
