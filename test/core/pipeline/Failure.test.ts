import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Attempt, MemoryRunLog, Pipeline, Task, TaskError } from "ostinato"
import { type Line, logging, newest, run } from "./observed.ts"

class AccountsError extends Schema.TaggedError<AccountsError>()("AccountsError", { seat: Schema.Int }) {}

const started: Array<string> = []
const well = (name: string) =>
  Task.fn(`test.${name}`, { success: Schema.String }, () =>
    Effect.sync(() => {
      started.push(name)
      return name
    }))
const failing = Task.fn(
  "test.failing",
  { success: Schema.String, error: AccountsError },
  () => Effect.fail(new AccountsError({ seat: 7 }))
)
const broken = Task.fn("test.broken", { success: Schema.String }, () => Effect.die(new RangeError("far")))
const input = () => ({})

const recorded = Effect.map(newest, ({ stages }) =>
  Object.fromEntries(stages.map(({ skipped, stage, status }) => [
    stage.slice(stage.indexOf("/") + 1),
    skipped === null ? status : `${status} (${skipped.by}): ${skipped.reason}`
  ])))

describe("Pipeline failure", () => {
  it.effect("S0.23 S0.29 S0.31 a failed stage stops the pipeline, is named by the error and the log, and nothing after it starts", () => {
    const lines: Array<Line> = []
    started.length = 0
    const pipeline = Pipeline.make("test.sync").pipe(
      Pipeline.stage("repositories", well("repositories"), { input }),
      Pipeline.stage("accounts", failing, { input }),
      Pipeline.stage("platforms", well("platforms"), { input })
    )
    return Effect.gen(function*() {
      const error = yield* Effect.flip(run(pipeline, {}))
      assert.instanceOf(error, Pipeline.PipelineError)
      assert.deepStrictEqual([error.pipeline, error.stage, error.cause], [
        "test.sync",
        "accounts",
        new AccountsError({ seat: 7 })
      ])
      assert.match(error.message, /^stage accounts of pipeline test\.sync failed: AccountsError/)
      assert.deepStrictEqual(started, ["repositories"])
      assert.strictEqual((yield* newest).record.status, "failed")
      assert.deepStrictEqual(yield* recorded, {
        repositories: "completed",
        accounts: "failed",
        platforms: "skipped (dependency): accounts failed"
      })
      assert.deepStrictEqual(
        lines.filter(({ message }) => message.startsWith("pipeline.")).map(({ message }) => message),
        [
          "pipeline.stopped"
        ]
      )
      assert.strictEqual(
        lines.filter(({ message }) => message.startsWith("stage accounts failed: AccountsError")).length,
        1
      )
    }).pipe(logging(lines), Effect.provide(MemoryRunLog.layer()))
  })

  it.effect("a defect of a stage stays a defect with its Cause, and the log names the stage", () => {
    const lines: Array<Line> = []
    const pipeline = Pipeline.make("test.broken").pipe(Pipeline.stage("accounts", broken, { input }))
    return Effect.gen(function*() {
      const exit = yield* Effect.exit(run(pipeline, {}))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause) && !Cause.hasFails(exit.cause))
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "RangeError: far")
      assert.deepStrictEqual(
        lines.filter(({ level, message }) => level === "Error" && message.includes("accounts failed: RangeError: far"))
          .length,
        1
      )
    }).pipe(logging(lines), Effect.provide(MemoryRunLog.layer()))
  })

  it.effect("S0.27 D.4 fail fast: siblings are interrupted at the same instant, and their finalizers have run before the pipeline ends", () =>
    Effect.gen(function*() {
      const ended: Array<string> = []
      const begin = yield* Clock.currentTimeMillis
      const sibling = (name: string) =>
        Task.fn(`test.${name}`, {}, () =>
          Effect.gen(function*() {
            yield* Effect.addFinalizer((exit) =>
              Effect.map(Clock.currentTimeMillis, (now) => ended.push(`${name} ${exit._tag} ${now - begin}`))
            )
            return yield* Effect.never
          }))
      const late = Task.fn(
        "test.late",
        { error: AccountsError },
        () => Effect.andThen(Effect.sleep("5 seconds"), Effect.fail(new AccountsError({ seat: 7 })))
      )
      const pipeline = Pipeline.make("test.fast").pipe(
        Pipeline.stage("a", sibling("a"), { input }),
        Pipeline.stage("late", late, { after: [], input }),
        Pipeline.stage("b", sibling("b"), { after: [], input })
      )
      const fiber = yield* Effect.forkChild(Effect.exit(run(pipeline, {})))
      yield* TestClock.adjust("5 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      assert.deepStrictEqual(ended, ["a Failure 5000", "b Failure 5000"])
      assert.deepStrictEqual(yield* recorded, { a: "interrupted", late: "failed", b: "interrupted" })
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("S0.26 S0.27 collect: every failure has its line, siblings go on, and one event counts them when the last has ended", () => {
    const lines: Array<Line> = []
    started.length = 0
    const pipeline = Pipeline.make("test.collect", { mode: "collect" }).pipe(
      Pipeline.stage("one", failing, { input }),
      Pipeline.stage("after", well("after"), { input }),
      Pipeline.stage("two", failing, { after: [], input }),
      Pipeline.stage("three", well("three"), { after: [], input })
    )
    return Effect.gen(function*() {
      const error = yield* Effect.flip(run(pipeline, {}))
      assert.instanceOf(error, Pipeline.PipelineErrors)
      assert.deepStrictEqual(error.errors.map(({ cause, stage }) => [stage, cause]), [
        ["one", new AccountsError({ seat: 7 })],
        ["two", new AccountsError({ seat: 7 })]
      ])
      assert.deepStrictEqual(started, ["three"])
      assert.strictEqual((yield* recorded)["after"], "skipped (dependency): one failed")
      assert.strictEqual(lines.filter(({ message }) => /^stage \w+ failed: AccountsError/.test(message)).length, 2)
      const completed = lines.filter(({ message }) => message === "pipeline.completed")
      assert.deepStrictEqual(completed.map(({ annotations: { failed, ok, skipped } }) => ({ ok, failed, skipped })), [
        { ok: 1, failed: 2, skipped: 1 }
      ])
    }).pipe(logging(lines), Effect.provide(MemoryRunLog.layer()))
  })

  it.effect("under skip and continue the pipeline goes on, the value says what became of each stage, and the run is partial", () => {
    const pipeline = Pipeline.make("test.tolerant").pipe(
      Pipeline.stage("one", failing, { input }),
      Pipeline.stage("skipped", well("skipped"), { onParentFailure: "skip", input }),
      Pipeline.stage("after", well("after"), { input }),
      Pipeline.stage("told", well("told"), {
        after: ["one", "skipped"],
        onParentFailure: { one: "continue", skipped: "continue" },
        when: ({ one, skipped }) =>
          Result.isFailure(one) && one.failure instanceof AccountsError &&
          Result.isFailure(skipped) && skipped.failure instanceof TaskError.TaskSkipped,
        input
      })
    )
    return Effect.gen(function*() {
      const value = yield* run(pipeline, {})
      assert.deepStrictEqual(value.one, Result.fail(new AccountsError({ seat: 7 })))
      assert.deepStrictEqual(
        value.skipped,
        Result.fail(new TaskError.TaskSkipped({ task: "test.skipped", reason: "one failed" }))
      )
      assert.deepStrictEqual(
        value.after,
        Result.fail(new TaskError.TaskSkipped({ task: "test.after", reason: "skipped was skipped" }))
      )
      assert.deepStrictEqual(value.told, Result.succeed("told"))
      const { record } = yield* newest
      assert.deepStrictEqual([record.status, record.items?.succeeded, record.items?.failed], ["partial", 1, 1])
    }).pipe(Effect.provide(MemoryRunLog.layer()))
  })

  it.effect("a condition skips its stage and what comes after it, and the pipeline completes", () => {
    started.length = 0
    const pipeline = Pipeline.make("test.condition", { payload: { wanted: Schema.Boolean } }).pipe(
      Pipeline.stage("asked", well("asked"), { when: ({ payload }) => Effect.succeed(payload.wanted), input }),
      Pipeline.stage("after", well("after"), { input })
    )
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* run(pipeline, { wanted: true }), {
        asked: Result.succeed("asked"),
        after: Result.succeed("after")
      })
      yield* run(pipeline, { wanted: false })
      assert.deepStrictEqual(started, ["asked", "after"])
      assert.strictEqual((yield* newest).record.status, "completed")
      assert.deepStrictEqual(yield* recorded, {
        asked: "skipped (condition): its condition was not met",
        after: "skipped (dependency): asked was skipped"
      })
    }).pipe(Effect.provide(MemoryRunLog.layer()))
  })

  it.effect("a stage that skips itself is taken like one that failed", () => {
    const idle = Task.fn("test.idle", {}, () => Attempt.skip("nothing to do"))
    const strict = Pipeline.make("test.strict").pipe(Pipeline.stage("idle", idle, { input }))
    const lenient = strict.pipe(Pipeline.stage("next", well("next"), { onParentFailure: "continue", input }))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(run(strict, {}))
      assert.strictEqual(error._tag, "TaskSkipped")
      assert.strictEqual((yield* newest).record.status, "skipped")
      const { idle, next } = yield* run(lenient, {})
      assert.deepStrictEqual(
        idle,
        Result.fail(new TaskError.TaskSkipped({ task: "test.idle", reason: "nothing to do" }))
      )
      assert.strictEqual(next, "next")
    }).pipe(Effect.provide(MemoryRunLog.layer()))
  })

  it.effect("a throw of an input is a defect of its stage", () => {
    const pipeline = Pipeline.make("test.thrown").pipe(
      Pipeline.stage("accounts", well("accounts"), {
        input: () => {
          throw new SyntaxError("odd")
        }
      })
    )
    return Effect.gen(function*() {
      const exit = yield* Effect.exit(run(pipeline, {}))
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "SyntaxError: odd")
      assert.deepStrictEqual(yield* recorded, { accounts: "failed" })
    }).pipe(Effect.provide(MemoryRunLog.layer()))
  })
})
