/** A pipeline of three stages that each need a CPU for half a second. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Pipeline, Task, ThreadPool, ThreadTask } from "../../../src/index.ts"

export const Spin = ThreadTask.make("loop.spin", {
  module: new URL("./spin.thread.js", import.meta.url),
  export: "spin",
  payload: { ms: Schema.Int },
  success: Schema.Int
})

const spin = ThreadPool.handler(Spin)
const Stage = Task.fn("loop.stage", { success: Schema.Int }, () => Effect.orDie(spin({ ms: 500 })))

/** Runs on the `ThreadPool` of whoever runs it. */
export const Burn = Pipeline.make("loop.burn").pipe(
  Pipeline.stage("first", Stage, { input: () => ({}) }),
  Pipeline.stage("second", Stage, { input: () => ({}) }),
  Pipeline.stage("third", Stage, { input: () => ({}) })
)
