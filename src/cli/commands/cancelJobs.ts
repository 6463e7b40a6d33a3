/**
 * `ostinato jobs cancel`: ends jobs that wait, and asks the workers of those that run to stop them.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as Application from "../Application.ts"
import * as JobOutcome from "../JobOutcome.ts"
import * as JobSelection from "../JobSelection.ts"

interface Wish extends JobSelection.Wish {
  readonly actor: Option.Option<string>
  readonly reason: Option.Option<string>
}

/** On the database of the application. */
export const cancelJobs = Effect.fn("cli.jobs.cancel")(function*(wish: Wish) {
  return yield* Application.on(yield* Application.load, cancel(wish))
})

/** On a store that is there. */
export const cancel = Effect.fnUntraced(function*(wish: Wish) {
  const selection = yield* JobSelection.confirmed("cancel", wish)
  if (selection === null) return
  const by = { actor: Option.getOrNull(wish.actor), reason: Option.getOrNull(wish.reason) }
  const { already, cancelled, ended, requested, unknown } = yield* JobQueue.cancel(selection, by)
  yield* JobOutcome.print(wish, {
    done: { cancelled, askedToStop: requested },
    not: { askedBefore: already, endedBefore: ended, notThere: unknown }
  })
})
