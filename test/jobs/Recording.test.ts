/** How the ends of attempts get to a store that refuses them, or is away. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Task from "ostinato/core/Task"
import { JobStoreUnavailable } from "ostinato/jobs/JobError"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobWorker from "ostinato/jobs/JobWorker"
import { changed, job, pass } from "./Working.ts"

const Answer = Task.make("test.answer", { success: Schema.Int })
const AnswerLive = Answer.toLayer(() => Effect.succeed(42))

/** A worker on a store that refuses the first ends, and looks while `isAway`. */
const worker = (refusals: number, isAway: boolean) => {
  let left = refusals
  const away = (operation: string) => Effect.fail(new JobStoreUnavailable({ operation, detail: "it was cut" }))
  return Layer.provideMerge(
    Layer.provide(JobWorker.layer({ queues: { default: {} }, tasks: [Answer] }), AnswerLive),
    changed((jobs) => ({
      finish: (member, ends) => left-- > 0 ? away("finish") : jobs.finish(member, ends),
      holds: {
        ...jobs.holds,
        list: Effect.suspend(() => isAway && left > 0 && left < refusals ? away("look") : jobs.holds.list)
      }
    }))
  )
}

const ends = (refusals: number, isAway: boolean) =>
  Effect.gen(function*() {
    const { id } = yield* JobQueue.enqueue(Answer, {})
    yield* pass(60)
    const { failure, output, state } = yield* job(id)
    return { state, output, tag: failure?.tag }
  }).pipe(Effect.provide(worker(refusals, isAway)))

describe("the end of an attempt", () => {
  it.effect("is not to blame for an outage, however often it was refused in it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ends(20, true), { state: "completed", output: 42, tag: undefined })
    }))

  it.effect("that a store refuses which takes others is recorded without what it carried", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ends(4, false), { state: "completed", output: 42, tag: undefined })
      assert.deepStrictEqual(yield* ends(5, false), { state: "discarded", output: null, tag: "ResultNotStored" })
    }))
})
