import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import { inspect } from "node:util"
import { Task } from "ostinato"
import * as Job from "ostinato/jobs/Job"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobWorker from "ostinato/jobs/JobWorker"
import { job, reaches, store } from "./Working.ts"

describe("the log of an attempt of a job", () => {
  it.effect("shows on a console what each line carries, and nothing that is behind it", () =>
    Effect.gen(function*() {
      const Say = Task.fn(
        "say",
        { payload: { secret: Schema.String }, success: Schema.String },
        () =>
          Effect.map(References.CurrentLogAnnotations, (annotations) => inspect(annotations, { breakLength: Infinity }))
      )
      const { id } = yield* JobQueue.enqueue(Say, { secret: "canary" })
      yield* reaches(id, "completed").pipe(
        Effect.provide(JobWorker.layer({ queues: { default: {} }, drain: 0, tasks: [Say] }))
      )
      assert.strictEqual(
        (yield* job(id)).output,
        `{ job_id: '${id}', run_id: '${Job.runIdOf(id)}', task: 'say', queue: 'default', attempt: 1 }`
      )
    }).pipe(Effect.provide(store)))
})
