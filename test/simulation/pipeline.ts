/** What a pipeline promises, in whatever order its stages end. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Pipeline, Task } from "ostinato"
import { generate, interpret, type ModelPipeline } from "../core/pipeline/model.ts"

export class Failed extends Schema.TaggedError<Failed>()("Failed", { stage: Schema.String }) {}

/** Runs the stages of a model: succeeds when all did that had to, with the number of stages that gave a value. */
export type Runner = (
  model: ModelPipeline,
  stage: (name: string) => Effect.Effect<void, Failed>
) => Effect.Effect<void, unknown>

export const real: Runner = (model, stage) => {
  const entries = model.stages.map(({ isWanted, name, parents }) =>
    Pipeline.entry(name, Task.fn(`model.${name}`, { error: Failed }, () => stage(name)), {
      after: parents.map((parent) => parent.name),
      onParentFailure: Object.fromEntries(parents.map((parent) => [parent.name, parent.policy])),
      when: () => isWanted,
      input: () => ({})
    })
  )
  const { concurrency, mode } = model
  const pipeline = Result.getOrThrow(Pipeline.fromStages("model", entries, { mode, concurrency }))
  return Effect.asVoid(Task.run(pipeline, {}))
}

/** The same graph, where every stage runs and ends well. */
export const plain = (model: ModelPipeline): ModelPipeline => ({
  ...model,
  mode: "failFast",
  stages: model.stages.map((stage) => ({
    ...stage,
    isWanted: true,
    ends: "well",
    parents: stage.parents.map(({ name }) => ({ name, policy: "stop" }))
  }))
})

export const pipelineHolds = (run: Runner, simplify: (model: ModelPipeline) => ModelPipeline = (model) => model) =>
  Effect.gen(function*() {
    const model = simplify(generate(yield* Random.nextInt))
    const { fatal, stages } = interpret(model)
    const started = new Set<string>()
    const ended = new Set<string>()
    const broken: Array<string> = []
    const hold = (holds: boolean, what: string) => holds || broken.push(what)
    let running = 0

    const stage = (name: string) =>
      Effect.gen(function*() {
        yield* Effect.acquireRelease(
          Effect.sync(() => running += 1),
          () =>
            Effect.sync(() => {
              running -= 1
              ended.add(name)
            })
        )
        hold(!started.has(name), `${name} starts once`)
        started.add(name)
        hold(running <= (model.concurrency ?? Infinity), "never more at once than the bound")
        const { ends, parents } = model.stages.find((stage) => stage.name === name)!
        for (const parent of parents) {
          const mayHaveEnded = ended.has(parent.name) || !started.has(parent.name) && parent.policy === "continue"
          hold(mayHaveEnded, `${name} starts after ${parent.name} ended`)
        }
        // many end at the same instant
        yield* Effect.sleep(yield* Random.nextIntBetween(0, 2))
        if (ends === "failing") return yield* new Failed({ stage: name })
        if (ends === "broken") return yield* Effect.die(new TypeError(name))
      }).pipe(Effect.scoped)

    const exit = yield* Effect.exit(run(model, stage))
    assert.deepStrictEqual(broken, [])
    assert.strictEqual(running, 0, "nothing runs when the pipeline has ended")
    assert.strictEqual(Exit.isSuccess(exit), fatal.length === 0)
    if (fatal.length > 0) return
    const wanted = Array.from(stages).filter(([, { outcome }]) => outcome === "completed" || outcome === "failed")
    assert.deepStrictEqual([...started].sort(), wanted.map(([name]) => name).sort(), "exactly the wanted stages ran")
  })
