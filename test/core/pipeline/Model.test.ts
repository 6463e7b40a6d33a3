import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { inspect } from "node:util"
import { Dispatch, MemoryRunLog, Pipeline, RunLog, Task, TaskError } from "ostinato"
import { generate, interpret, isFatal, type ModelPipeline, type ModelStage, sorted, valueOf } from "./model.ts"

class Failed extends Schema.TaggedError<Failed>()("Failed", { stage: Schema.String }) {}

/** The pipeline of a model, and what it does. */
const build = (model: ModelPipeline) => {
  const seen = {
    started: [] as Array<string>,
    held: 0,
    running: 0,
    most: 0,
    events: new Map<string, [number, number]>()
  }
  const entry = ({ ends, isWanted, name, parents, takes }: ModelStage) => {
    const task = Task.fn(
      `model.${name}`,
      { payload: { sees: Schema.String }, success: Schema.String, error: Failed },
      ({ sees }) =>
        Effect.gen(function*() {
          yield* Effect.acquireRelease(Effect.sync(() => seen.held++), () => Effect.sync(() => seen.held--))
          seen.started.push(name)
          seen.most = Math.max(seen.most, ++seen.running)
          const start = yield* Clock.currentTimeMillis
          yield* Effect.addFinalizer(() =>
            Effect.map(Clock.currentTimeMillis, (end) => {
              seen.running--
              seen.events.set(name, [start, end])
            })
          )
          yield* Effect.sleep(takes)
          if (ends === "failing") return yield* new Failed({ stage: name })
          if (ends === "broken") return yield* Effect.die(new TypeError(name))
          return sees
        })
    )
    return Pipeline.entry(name, task, {
      after: parents.map((parent) => parent.name),
      onParentFailure: Object.fromEntries(parents.map((parent) => [parent.name, parent.policy])),
      when: () => isWanted,
      input: (inputs) => ({ sees: valueOf(name, shown(inputs)) })
    })
  }
  const pipeline = Result.getOrThrow(
    Pipeline.fromStages("model", model.stages.map(entry), { mode: model.mode, concurrency: model.concurrency })
  )
  return { pipeline, seen }
}

const shown = (inputs: Readonly<Record<string, unknown>>) =>
  Object.entries(inputs).filter(([name]) => name !== "payload").map(([name, input]): readonly [string, string] => [
    Result.isResult(input) ? `${name}?` : name,
    !Result.isResult(input)
      ? String(input)
      : Result.isSuccess(input)
      ? String(input.success)
      : input.failure instanceof TaskError.TaskSkipped
      ? "skipped"
      : "failed"
  ])

const play = Effect.fnUntraced(function*(model: ModelPipeline) {
  const { pipeline, seen } = build(model)
  const log = yield* RunLog.RunLog
  const begin = yield* Clock.currentTimeMillis
  const fiber = yield* Effect.forkChild(
    Effect.flatMap(Dispatch.here(pipeline, {}, { kind: "code" }), (run) => Effect.exit(run.await))
  )
  yield* TestClock.adjust(13 * (1 << 20))
  const exit = yield* Fiber.join(fiber)
  const [run] = yield* log.list({ limit: 1 })
  const stages = (yield* log.details(run!.id))?.stages ?? []
  return { begin, exit, seen, stages, status: run!.status }
})

const check = Effect.fnUntraced(function*(model: ModelPipeline) {
  const expected = interpret(model)
  const { begin, exit, seen, stages, status } = yield* play(model)

  assert.strictEqual(seen.held, 0, "everything acquired is released")
  assert.strictEqual(new Set(seen.started).size, seen.started.length, "no stage starts twice")
  assert.isAtMost(seen.most, model.concurrency ?? Infinity, "never more at once than the bound")
  assert.strictEqual(Exit.isSuccess(exit), expected.fatal.length === 0)

  const outcomes = new Map(
    stages.map(({ skipped, stage, status }) => [stage.slice("model/".length), skipped?.by ?? status])
  )
  const isExact = model.concurrency === undefined || expected.stoppedAt === Infinity
  if (isExact) {
    assert.deepStrictEqual(
      Object.fromEntries(outcomes),
      Object.fromEntries(Array.from(expected.stages, ([name, { outcome }]) => [name, outcome]))
    )
  }
  if (model.concurrency === undefined) {
    for (const [name, [start, end]] of seen.events) {
      const stage = expected.stages.get(name)!
      assert.deepStrictEqual([name, start - begin, end - begin], [
        name,
        stage.start,
        Math.min(stage.end, expected.stoppedAt)
      ])
    }
  }
  for (const [name, [start]] of seen.events) {
    for (const parent of model.stages.find((stage) => stage.name === name)!.parents) {
      const outcome = outcomes.get(parent.name)
      assert.isTrue(
        outcome === "completed" || parent.policy === "continue" && outcome !== "interrupted",
        `${name} starts after ${parent.name} ended as its policy asks`
      )
      assert.isAtMost(seen.events.get(parent.name)?.[1] ?? 0, start)
    }
  }

  if (Exit.isSuccess(exit)) {
    assert.strictEqual(status, Array.from(outcomes.values()).includes("failed") ? "partial" : "completed")
    assert.deepStrictEqual(
      sorted(shown(exit.value).map(([name, value]) => [name.replace("?", ""), value] as const)),
      sorted(Array.from(expected.stages, ([name, { value }]) => [name, value] as const))
    )
  } else {
    assert.strictEqual(status, "failed")
    const named = exit.cause.reasons.flatMap((reason): ReadonlyArray<string> => {
      if (Cause.isDieReason(reason)) return [reason.defect instanceof TypeError ? reason.defect.message : "unknown"]
      if (!Cause.isFailReason(reason)) return []
      const error: unknown = reason.error
      if (error instanceof Pipeline.PipelineErrors) return error.errors.map(({ cause, stage }) => match(stage, cause))
      return error instanceof Pipeline.PipelineError ? [match(error.stage, error.cause)] : ["unknown"]
    })
    if (isExact) assert.sameMembers(named, Array.from(expected.fatal))
    else assert.isTrue(named.every((name) => isFatal(model.stages.find((stage) => stage.name === name)!, model)))
  }
})

const match = (stage: string, cause: unknown) => cause instanceof Failed && cause.stage === stage ? stage : "mixed up"

describe("Pipeline and a pure interpreter", () => {
  const cases = 600
  it.effect(
    `S0.28 S0.38 agree on ${cases} random graphs of at most 12 stages`,
    () =>
      Effect.gen(function*() {
        for (let seed = 1; seed <= cases; seed++) {
          const exit = yield* Effect.exit(check(generate(seed)))
          if (Exit.isFailure(exit)) {
            assert.fail(`seed ${seed}: ${Cause.pretty(exit.cause)}\n${inspect(generate(seed), { depth: null })}`)
          }
        }
      }).pipe(Effect.provide([MemoryRunLog.layer(), Logger.layer([])])),
    { timeout: 60_000 }
  )
})
