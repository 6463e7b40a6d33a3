import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Pipeline, Task } from "ostinato"

const Ping = Task.fn("test.ping", { success: Schema.String }, () => Effect.succeed("pong"))
const input = () => ({})
const entry = (name: string, after?: ReadonlyArray<string>) => Pipeline.entry(name, Ping, { after, input })
const problem = (stages: Parameters<typeof Pipeline.fromStages>[1]) => {
  const result = Pipeline.fromStages("test.dynamic", stages)
  return Result.isFailure(result) ? [result.failure.problem, ...result.failure.path] : ["none"]
}

describe("Pipeline definition", () => {
  it("S0.28 D.3 a cycle, an unknown and a duplicate stage are a PipelineInvalid that names the path", () => {
    assert.deepStrictEqual(problem([entry("a", ["b"]), entry("b", ["a"])]), ["cycle", "a", "b", "a"])
    assert.deepStrictEqual(problem([entry("a", ["a"])]), ["cycle", "a", "a"])
    assert.deepStrictEqual(
      problem([entry("x", []), entry("a", ["x", "c"]), entry("b", ["a"]), entry("c", ["b"])]),
      ["cycle", "a", "b", "c", "a"]
    )
    assert.deepStrictEqual(problem([entry("a"), entry("b", ["a", "nowhere"])]), ["unknown", "b", "nowhere"])
    assert.deepStrictEqual(problem([entry("a"), entry("b"), entry("a")]), ["duplicate", "a"])
    assert.deepStrictEqual(problem([entry("payload")]), ["reserved", "payload"])
    assert.deepStrictEqual(
      problem([entry("a"), Pipeline.entry("b", Ping, { onParentFailure: { c: "skip" }, input })]),
      ["unknown", "b", "c"]
    )
    const message = new Pipeline.PipelineInvalid({ pipeline: "p", problem: "cycle", path: ["a", "b", "a"] }).message
    assert.match(message, /pipeline p cannot be made: .*: a -> b -> a$/)
  })

  it.effect("stages may be written in any order, and their values come by name", () =>
    Effect.gen(function*() {
      const pipeline = Result.getOrThrow(Pipeline.fromStages("test.dynamic", [entry("b", ["a"]), entry("a", [])]))
      assert.deepStrictEqual(yield* Task.run(pipeline, {}), { a: "pong", b: "pong" })
    }))

  it.effect("S0.28 a cast past the compiler is told as soon as the pipeline is to run", () =>
    Effect.gen(function*() {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the test is about
      const forced: ReadonlyArray<never> = ["nowhere"] as unknown as []
      const pipeline = Pipeline.make("test.forced").pipe(Pipeline.stage("a", Ping, { after: forced, input }))
      const exit = yield* Effect.exit(Task.run(pipeline, {}))
      const [reason] = Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isDieReason) : []
      assert.instanceOf(reason?.defect, Pipeline.PipelineInvalid)
      assert.deepStrictEqual(reason.defect.path, ["a", "nowhere"])
    }))

  it.effect("a pipeline without stages does nothing, well", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Task.run(Pipeline.make("test.empty"), {}), {})
    }))

  it("shows its stages as they were written", () => {
    const pipeline = Pipeline.make("test.shown").pipe(
      Pipeline.stage("a", Ping, { input }),
      Pipeline.stage("b", Ping, { after: [], input })
    )
    assert.deepStrictEqual(pipeline.stages.map(({ after, name, task }) => [name, task.name, after]), [
      ["a", "test.ping", undefined],
      ["b", "test.ping", []]
    ])
  })
})
