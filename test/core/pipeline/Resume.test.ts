import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { CheckpointStore, MemoryCheckpointStore, Pipeline, StageJournal, Task, TaskRun } from "ostinato"
import { generate, type ModelStage, random, valueOf } from "./model.ts"

const journal = Layer.provideMerge(StageJournal.layer, MemoryCheckpointStore.layer())

/** All runs have this id, as those of one durable job have. */
const sameRun = Effect.provideService(
  TaskRun.NextRunId,
  Effect.succeed(TaskRun.RunId.make("0190a6b4-0000-7000-8000-000000000001"))
)

/** Begins the pipeline again and again, each time cut short after a random while, until it ends by itself. */
const throughCrashes = Effect.fnUntraced(
  function*<P extends Task.Storable, S extends Task.Storable, E extends Task.Storable>(
    task: Task.Task<string, P, S, E, never>,
    payload: P["Type"],
    next: () => number
  ) {
    let crashes = 0
    for (;;) {
      const fiber = yield* Effect.forkChild(Task.run(task, payload))
      yield* TestClock.adjust(crashes === 20 ? 13 * (1 << 20) : Math.floor(next() * (1 << 21)))
      const ended = fiber.pollUnsafe()
      if (ended !== undefined) return { exit: ended, crashes }
      yield* Fiber.interrupt(fiber)
      crashes += 1
    }
  }
)

const completions: Array<string> = []
const entry = ({ ends, isWanted, name, parents, takes }: ModelStage) =>
  Pipeline.entry(
    name,
    Task.fn(
      `resume.${name}`,
      { payload: { sees: Schema.String }, success: Schema.String, error: Schema.String },
      ({ sees }) =>
        Effect.andThen(
          Effect.sleep(takes),
          Effect.suspend(() => {
            if (ends !== "well") return Effect.fail(`${name} fails`)
            completions.push(name)
            return Effect.succeed(sees)
          })
        )
    ),
    {
      after: parents.map((parent) => parent.name),
      onParentFailure: Object.fromEntries(parents.map((parent) => [parent.name, parent.policy])),
      when: () => isWanted,
      input: (inputs) => ({
        sees: valueOf(
          name,
          Object.entries(inputs).map(([name, input]): readonly [string, string] => [name, String(input)])
        )
      })
    }
  )

describe("Pipeline resumed", () => {
  const cases = 500
  it.effect(
    `G23 S0.28 after any crashes it comes to what an undisturbed run does, and no completed stage runs again: ${cases} cases`,
    () =>
      Effect.gen(function*() {
        let crashed = 0
        for (let seed = 1; seed <= cases; seed++) {
          const pipeline = Result.getOrThrow(
            Pipeline.fromStages("resume", generate(seed).stages.map(entry), { mode: "collect" })
          )
          const whole = yield* Effect.forkChild(Task.run(pipeline, {}))
          yield* TestClock.adjust(13 * (1 << 20))
          completions.length = 0
          const { crashes, exit } = yield* throughCrashes(pipeline, {}, random(seed)).pipe(
            sameRun,
            Effect.provide(journal)
          )
          crashed += crashes
          assert.strictEqual(new Set(completions).size, completions.length, `seed ${seed}: a stage completed twice`)
          assert.deepStrictEqual(shown(exit), shown(whole.pollUnsafe()), `seed ${seed}`)
        }
        assert.isAbove(crashed, cases)
      }).pipe(Effect.provide(Logger.layer([]))),
    { timeout: 60_000 }
  )

  it.effect("stages of one name in several pipelines of a run are told apart", () => {
    let calls = 0
    const count = Task.fn(
      "resume.count",
      { payload: { n: Schema.Int }, success: Schema.Struct({ n: Schema.Int }) },
      ({ n }) =>
        Effect.sync(() => {
          calls += 1
          return { n: n + 1 }
        })
    )
    const Step = Pipeline.make("resume.step", { payload: { n: Schema.Int } }).pipe(
      Pipeline.stage("count", count, { input: ({ payload }) => payload }),
      Pipeline.output(Schema.Struct({ n: Schema.Int }), ({ count }) => count)
    )
    const all = Pipeline.make("resume.all").pipe(
      Pipeline.stage("one", Task.andThen(Step, Step), { input: () => ({ n: 0 }) }),
      Pipeline.stage("two", Step, { input: ({ one }) => one })
    )
    return Effect.gen(function*() {
      const first = yield* Task.run(all, {})
      assert.deepStrictEqual([first, calls], [{ one: { n: 2 }, two: { n: 3 } }, 3])
      assert.deepStrictEqual([yield* Task.run(all, {}), calls], [first, 3])
    }).pipe(sameRun, Effect.provide(journal))
  })

  it.effect("S3.7 a pipeline that is attempted again restarts at the stage that failed", () => {
    const calls: Array<string> = []
    const call = (name: string, failures: number) =>
      Task.fn(`resume.${name}`, { error: Schema.String }, () =>
        Effect.suspend(() => {
          calls.push(name)
          return calls.filter((call) => call === name).length > failures ? Effect.void : Effect.fail("not yet")
        }))
    const input = () => ({})
    const pipeline = Pipeline.make("resume.again").pipe(
      Pipeline.stage("raw", call("raw", 0), { input }),
      Pipeline.stage("normalised", call("normalised", 2), { input }),
      Pipeline.stage("stored", call("stored", 0), { input })
    )
    return Effect.gen(function*() {
      yield* Task.run(Task.retry(pipeline, Schedule.recurs(2)), {})
      assert.deepStrictEqual(calls, ["raw", "normalised", "normalised", "normalised", "stored"])
    }).pipe(Effect.provide(journal))
  })

  it.effect("another run repeats nothing of the first, and takes nothing from it", () => {
    let calls = 0
    const once = Pipeline.make("resume.other").pipe(
      Pipeline.stage("a", Task.fn("resume.a", {}, () => Effect.sync(() => void calls++)), { input: () => ({}) })
    )
    return Effect.gen(function*() {
      yield* Task.run(once, {})
      yield* Task.run(once, {})
      assert.strictEqual(calls, 2)
    }).pipe(Effect.provide(journal))
  })

  it.effect("what was kept and cannot be read any more is done again", () => {
    let calls = 0
    const stale = Pipeline.make("resume.stale").pipe(
      Pipeline.stage("a", Task.fn("resume.a", { success: Schema.Int }, () => Effect.sync(() => ++calls)), {
        input: () => ({})
      })
    )
    const stores = Layer.succeed(StageJournal.StageJournal, {
      recall: () => Effect.succeedSome("of another version"),
      record: () => Effect.void
    })
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* Task.run(stale, {}), { a: 1 })
    }).pipe(Effect.provide(stores))
  })

  it.effect("a journal that cannot be written costs a repetition, one that cannot be read ends the run before the stage", () => {
    const away = (operation: string) =>
      Effect.fail(new CheckpointStore.CheckpointUnavailable({ operation, key: "a", detail: "the database is away" }))
    let calls = 0
    const one = Pipeline.make("resume.away").pipe(
      Pipeline.stage("a", Task.fn("resume.a", {}, () => Effect.sync(() => void calls++)), { input: () => ({}) })
    )
    const run = (stores: Partial<StageJournal.Journal>) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(Effect.exit(Task.run(one, {})))
        yield* TestClock.adjust("1 minute")
        return yield* Fiber.join(fiber)
      }).pipe(Effect.provideService(StageJournal.StageJournal, {
        recall: () => Effect.succeedNone,
        record: () => Effect.void,
        ...stores
      }))
    return Effect.gen(function*() {
      assert.isTrue(Exit.isSuccess(yield* run({ record: () => away("save") })))
      assert.strictEqual(calls, 1)
      const exit = yield* run({ recall: () => away("load") })
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "the database is away")
      assert.strictEqual(calls, 1)
    })
  })
})

const shown = (exit: Exit.Exit<unknown, unknown> | undefined) =>
  exit === undefined
    ? "still running"
    : Exit.isSuccess(exit)
    ? exit.value
    : exit.cause.reasons.flatMap((reason) => Cause.isFailReason(reason) ? [String(reason.error)] : [reason._tag])
