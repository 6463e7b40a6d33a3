/** A pipeline for tests of graphs: its stages leave a mark each time that they begin. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Pipeline from "../../../src/core/Pipeline.ts"
import * as Task from "../../../src/core/Task.ts"

export const Collect = Task.make("collect", { payload: { from: Schema.String }, success: Schema.Int })
export const Sum = Task.make("sum", { payload: { counts: Schema.Array(Schema.Int) }, success: Schema.Int })

export const Sync = Pipeline.make("sync", { payload: { left: Schema.String, right: Schema.String } }).pipe(
  Pipeline.stage("left", Collect, { after: [], input: ({ payload }) => ({ from: payload.left }) }),
  Pipeline.stage("right", Collect, { after: [], input: ({ payload }) => ({ from: payload.right }) }),
  Pipeline.stage("sum", Sum, { after: ["left", "right"], input: ({ left, right }) => ({ counts: [left, right] }) })
)

/** `began` is told the name of each piece of work; `stuck` never ends. */
export const handlers = (began: (name: string) => Effect.Effect<void>, stuck?: string) => {
  const work = <A>(name: string, value: A) =>
    Effect.andThen(began(name), name === stuck ? Effect.never : Effect.succeed(value))
  return Layer.merge(
    Collect.toLayer(({ from }) => work(`collect ${from}`, from.length)),
    Sum.toLayer(({ counts }) => work("sum", counts.reduce((sum, n) => sum + n, 0)))
  )
}
