/**
 * A retry policy that outlives its process: the Schedule of a task is stepped anew as often as the job has failed, in a
 * time of its own that its delays make, and its last answer is the delay before the next attempt.
 *
 * So it is the policy of a run in one process, with delays that survive a restart. The time that attempts took is not
 * known any more: `upTo({ duration })` counts the delays alone.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"

/** Milliseconds until the attempt after `failures` failures, the newest of which is `error`; null: there is none. */
export const delayAfter = Effect.fnUntraced(function*<E>(
  schedule: Schedule.Schedule<unknown, E>,
  failures: number,
  error: E
) {
  const step = yield* Schedule.toStep(schedule)
  let now = yield* Clock.currentTimeMillis
  let delay = 0
  for (let failure = 0; failure < failures; failure++) {
    const exit = yield* Effect.exit(step(now, error))
    if (Exit.isFailure(exit)) {
      if (!Pull.isDoneCause(exit.cause)) yield* Effect.logError("the retry policy of a task broke", exit.cause)
      return null
    }
    delay = Math.max(0, Duration.toMillis(exit.value[1]))
    now += delay
  }
  return delay
})
