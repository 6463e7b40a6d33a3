/**
 * `ostinato jobs retry`: makes jobs due now, those that wait for their time and those that have failed for good.
 */
import * as Effect from "effect/Effect"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as Application from "../Application.ts"
import * as JobOutcome from "../JobOutcome.ts"
import * as JobSelection from "../JobSelection.ts"

/** On the database of the application. */
export const retryJobs = Effect.fn("cli.jobs.retry")(function*(wish: JobSelection.Wish) {
  return yield* Application.on(yield* Application.load, retry(wish))
})

/** On a store that is there. */
export const retry = Effect.fnUntraced(function*(wish: JobSelection.Wish) {
  const selection = yield* JobSelection.confirmed("retry", wish)
  if (selection === null) return
  const { changed, unchanged, unknown } = yield* JobQueue.retry(selection)
  yield* JobOutcome.print(wish, {
    done: { dueNow: changed },
    not: { unchanged, notThere: unknown }
  })
})
